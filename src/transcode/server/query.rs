//! The query of a request: fields of the message, and the system parameters of Google's APIs.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderName, HeaderValue, header};
use prost::encoding::{WireType, encode_key, encode_varint};

use crate::transcode::json;
use crate::transcode::rules::rule::Rule;
use crate::transcode::schema::{Field, Kind, MessageId, Repeat, Schema, Shape, steps};
use crate::transcode::server::conflict;
use crate::transcode::server::path::decode;

/// What a query says.
#[derive(Debug, Default)]
pub(crate) struct Query {
    /// The fields, as they stand on the wire.
    pub(crate) wire: Vec<u8>,
    pub(crate) enums_as_numbers: bool,
    /// System parameters that are headers of a gRPC request.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// How deep the messages of a name may nest, as in JSON.
const DEPTH: usize = 100;

/// What has been set, so that nothing is set twice.
#[derive(Default)]
struct Seen {
    fields: BTreeSet<Vec<u32>>,
    /// The member that is set of a message's oneof, and its name.
    oneofs: BTreeMap<(Vec<u32>, usize), (u32, String)>,
}

impl Query {
    /// # Errors
    ///
    /// If a name is neither a field nor a system parameter; if a field is set by the path or by the body,
    /// which is encoded, or is of the field that is the body; if another member of its oneof is set; if the
    /// field has no form in a query or is set twice; if a value is not one of its field.
    pub(crate) fn read(
        schema: &Schema,
        input: MessageId,
        rule: &Rule,
        text: &str,
        body: &[u8],
    ) -> Result<Self, String> {
        let mut query = Self::default();
        let mut seen = Seen::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = plus(name)?;
            // Its value may be a secret, and is not told.
            let value =
                plus(value).map_err(|_| format!("`{name}` is badly encoded, or is no UTF-8"))?;
            // A field of the request is meant before a system parameter of the same name.
            match fields(schema, input, &name) {
                Ok(path) => {
                    alone(rule, &path)?;
                    let is_first = seen.add(&path)?;
                    // Values of a repeated field are many, and the body may be long.
                    if is_first && !body.is_empty() {
                        conflict::of_query(schema, input, &path, body)?;
                    }
                    bind(schema, &path, &value, &mut query.wire)?;
                }
                Err(why) if !query.system(&name, &value)? => return Err(why),
                Err(_) => {}
            }
        }
        Ok(query)
    }

    /// Whether the name is that of a system parameter
    /// (<https://cloud.google.com/apis/docs/system-parameters>).
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
                    return Err(format!("`{name}` is `{value}`, only JSON is served"));
                }
                self.enums_as_numbers = ints.is_some();
                return Ok(true);
            }
            "key" => HeaderName::from_static("x-goog-api-key"),
            "quotaUser" => HeaderName::from_static("x-goog-quota-user"),
            "userProject" => HeaderName::from_static("x-goog-user-project"),
            "fields" => HeaderName::from_static("x-goog-fieldmask"),
            "access_token" | "oauth_token" => header::AUTHORIZATION,
            "callback" | "prettyPrint" | "uploadType" | "upload_protocol" | ".xgafv" => {
                return Ok(true);
            }
            _ => return Ok(marked),
        };
        let text = match header {
            header::AUTHORIZATION => Cow::Owned(format!("Bearer {value}")),
            _ => Cow::Borrowed(value),
        };
        // What it holds may be a secret, and is not told.
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| format!("`{name}` has a value that no header can hold"))?;
        value.set_sensitive(true);
        self.headers.push((header, value));
        Ok(true)
    }
}

/// Checks that neither the path sets a field of the query, or another member of its oneof, nor the body is the
/// field that has it.
fn alone(rule: &Rule, path: &[&Field]) -> Result<(), String> {
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
            [_] => format!("`{name}` is the body, and cannot be in the query"),
            _ => format!(
                "`{name}` cannot be in the query: it is in `{}`, which is the body",
                first.json
            ),
        });
    }
    Ok(())
}

impl Seen {
    /// Adds a field, and returns whether it was not set before.
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
            .is_some_and(|field| field.repeat == Repeat::Once);
        let is_first = self.fields.insert(numbers);
        if !is_first && once {
            return Err(format!("`{}` is set twice in the query", dotted(path)));
        }
        Ok(is_first)
    }
}

/// In a query a plus is a blank, as HTML forms write it.
fn plus(text: &str) -> Result<String, String> {
    decode(&text.replace('+', "%20"), false).map(Cow::into_owned)
}

/// The fields that a dotted name leads through, by JSON names or proto names.
///
/// # Errors
///
/// If one is not there, or none can lead further.
pub(crate) fn fields<'s>(
    schema: &'s Schema,
    input: MessageId,
    name: &str,
) -> Result<Vec<&'s Field>, String> {
    let mut message = Some(input);
    let mut path: Vec<&Field> = Vec::new();
    for part in steps(name) {
        if path.len() == DEPTH {
            return Err(format!("`{name}` nests deeper than {DEPTH} messages"));
        }
        let inner = message.ok_or_else(|| format!("`{name}` leads through a scalar"))?;
        let of = schema.message(inner);
        let found = of.field_named(part);
        let (_, field) = found.ok_or_else(|| format!("{} has no field `{name}`", of.name))?;
        message = match field.kind {
            Kind::Message(inner)
                if field.repeat == Repeat::Once && schema.message(inner).shape == Shape::Object =>
            {
                Some(inner)
            }
            _ => None,
        };
        path.push(field);
    }
    Ok(path)
}

/// Adds a field at any depth to the wire: messages that stand twice there are one.
pub(crate) fn bind(
    schema: &Schema,
    path: &[&Field],
    value: &str,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let (field, above) = path.split_last().ok_or("a field has no name")?;
    let mut wire = json::query_value(schema, field, value).map_err(|why| match above {
        [] => why,
        _ => format!("in `{}`: {why}", dotted(above)),
    })?;
    for message in above.iter().rev() {
        let mut outer = Vec::with_capacity(wire.len() + 12);
        if message.delimited {
            encode_key(message.number, WireType::StartGroup, &mut outer);
            outer.extend_from_slice(&wire);
            encode_key(message.number, WireType::EndGroup, &mut outer);
        } else {
            encode_key(message.number, WireType::LengthDelimited, &mut outer);
            encode_varint(wire.len() as u64, &mut outer);
            outer.extend_from_slice(&wire);
        }
        wire = outer;
    }
    out.extend_from_slice(&wire);
    Ok(())
}

/// The name of a field at any depth, by JSON names.
pub(crate) fn dotted(path: &[&Field]) -> String {
    let names: Vec<&str> = path.iter().map(|field| field.json.as_str()).collect();
    names.join(".")
}
