//! The query of a request: fields of the message, and the system parameters of Google's APIs.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderName, HeaderValue, header};

use crate::transcode::rules::rule::Rule;
use crate::transcode::schema::{Cardinality, Field, MessageId, Schema};
use crate::transcode::server::conflict;
use crate::transcode::server::field_path::{bind, dotted, fields};
use crate::transcode::server::path::decode;
use crate::transcode::server::refusal::Invalid;

/// A parsed query.
#[derive(Debug, Default)]
pub(crate) struct Query {
    /// The fields as wire bytes.
    pub(crate) wire: Vec<u8>,
    pub(crate) enums_as_numbers: bool,
    /// System parameters that are headers of a gRPC request.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// The fields that have been set, to detect a field that is set twice.
#[derive(Default)]
struct SetFields {
    fields: BTreeSet<Vec<u32>>,
    /// The member that is set in each oneof: its number and its name.
    oneofs: BTreeMap<(Vec<u32>, usize), (u32, String)>,
}

impl Query {
    /// Parses a query.
    ///
    /// # Errors
    ///
    /// If a name is neither a field nor a system parameter; if the path or the encoded body sets the field or another
    /// member of its oneof; if the field is within the body; if the field cannot be in a query, or is set twice; if a
    /// value is invalid for its field.
    pub(crate) fn read(
        schema: &Schema,
        input: MessageId,
        rule: &Rule,
        text: &str,
        body: &[u8],
    ) -> Result<Self, Invalid> {
        let mut query = Self::default();
        let mut set_fields = SetFields::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode_query(name)?;
            // The value may be a secret, so the error does not show it.
            let value = decode_query(value)
                .map_err(|_| format!("invalid percent-encoding or UTF-8 in the value of `{name}`"));
            let read = value.and_then(|value| {
                // A field of the request takes precedence over a system parameter of the same name.
                match fields(schema, input, &name) {
                    Ok(path) => {
                        check_path_and_body(rule, &path)?;
                        let is_first = set_fields.add(&path)?;
                        // Check a repeated field once: it may have many values, and the body may be long.
                        if is_first && !body.is_empty() {
                            conflict::of_query(schema, input, &path, body)?;
                        }
                        bind(schema, &path, &value, &mut query.wire)
                    }
                    Err(why) if !query.system(&name, &value)? => Err(why),
                    Err(_) => Ok(()),
                }
            });
            read.map_err(|why| Invalid { field: name, why })?;
        }
        Ok(query)
    }

    /// Applies a system parameter (<https://cloud.google.com/apis/docs/system-parameters>). Returns whether the name
    /// is a system parameter.
    fn system(&mut self, name: &str, value: &str) -> Result<bool, String> {
        let (marked, plain) = match name.strip_prefix('$') {
            Some(plain) => (true, plain),
            None => (false, name),
        };
        let header = match plain {
            "alt" => {
                let mut forms = value.split(';');
                let json = forms.next().is_some_and(|form| matches!(form, "" | "json"));
                let ints = forms.next();
                if !json || !matches!(ints, None | Some("enum-encoding=int")) {
                    return Err(format!(
                        "invalid `{name}` `{value}`: must be json or json;enum-encoding=int"
                    ));
                }
                self.enums_as_numbers = ints.is_some();
                return Ok(true);
            }
            "key" => HeaderName::from_static("x-goog-api-key"),
            "quotaUser" => HeaderName::from_static("x-goog-quota-user"),
            "userProject" => HeaderName::from_static("x-goog-user-project"),
            "fields" => HeaderName::from_static("x-goog-fieldmask"),
            "access_token" | "oauth_token" => header::AUTHORIZATION,
            "callback" if !value.is_empty() => {
                return Err(format!("`{name}` is not supported: JSONP is not served"));
            }
            "callback" | "prettyPrint" | "uploadType" | "upload_protocol" | ".xgafv" => {
                return Ok(true);
            }
            _ if marked => {
                return Err(format!(
                    "unknown system parameter `{name}`: must be one of $access_token, $alt, $fields, $key, \
                     $oauth_token, $prettyPrint, $quotaUser, $uploadType, $upload_protocol, $userProject and $.xgafv"
                ));
            }
            _ => return Ok(false),
        };
        let text = match header {
            header::AUTHORIZATION => Cow::Owned(format!("Bearer {value}")),
            _ => Cow::Borrowed(value),
        };
        // The value may be a secret, so the error does not show it.
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| format!("invalid `{name}`: must not have control characters"))?;
        value.set_sensitive(true);
        self.headers.push((header, value));
        Ok(true)
    }
}

/// Checks that the path does not set a field of the query or another member of its oneof, and that the field is not
/// within the field that is the body.
fn check_path_and_body(rule: &Rule, path: &[&Field]) -> Result<(), String> {
    let Some(first) = path.first() else {
        return Ok(());
    };
    let variables = rule.template.variables.iter().zip(&rule.variables);
    for (variable, bound) in variables {
        let numbers = path.iter().map(|field| field.number);
        if numbers.clone().eq(bound.numbers.iter().copied()) {
            let name = dotted(path);
            return Err(format!(
                "`{name}` is set twice: by the path and by the query"
            ));
        }
        if bound.excludes(path) {
            return Err(conflict::one_of(
                &variable.field,
                "path",
                &dotted(path),
                "query",
            ));
        }
    }
    if rule.body_field == Some(first.number) {
        let name = dotted(path);
        return Err(match path {
            [_] => format!("`{name}` cannot be in the query: it is the body"),
            _ => format!(
                "`{name}` cannot be in the query: it is in `{}`, which is the body",
                first.json
            ),
        });
    }
    Ok(())
}

impl SetFields {
    /// Adds a field. Returns whether it was not set before.
    fn add(&mut self, path: &[&Field]) -> Result<bool, String> {
        let numbers: Vec<u32> = path.iter().map(|field| field.number).collect();
        for (depth, field) in path.iter().enumerate() {
            let Some(oneof) = field.oneof else { continue };
            let own = || (field.number, dotted(&path[..=depth]));
            let key = (numbers[..depth].to_vec(), oneof);
            let (number, other) = self.oneofs.entry(key).or_insert_with(own);
            if *number != field.number {
                return Err(conflict::one_of(&dotted(path), "query", other, "query"));
            }
        }
        let once = path
            .last()
            .is_some_and(|field| field.repeat == Cardinality::Once);
        let is_first = self.fields.insert(numbers);
        if !is_first && once {
            return Err(format!("`{}` is set twice in the query", dotted(path)));
        }
        Ok(is_first)
    }
}

/// Decodes a part of a query, where `+` is a space, as HTML forms write it.
fn decode_query(text: &str) -> Result<String, String> {
    decode(&text.replace('+', "%20"), false).map(Cow::into_owned)
}
