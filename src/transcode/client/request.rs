//! Converts a gRPC request into an HTTP request.

use std::borrow::Cow;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method as Verb};
use tonic::Status;

use crate::call::wire_format;
use crate::transcode::json::{self, JsonOptions};
use crate::transcode::rules::rule::{PathField, RequestBody, Rule};
use crate::transcode::rules::{Method, Rules};
use crate::transcode::schema::{FieldKind, MessageId, Schema};

/// The HTTP form of a request.
#[derive(Debug)]
pub(crate) struct Request<'r> {
    /// The rule of the request. The response is read by the same rule.
    pub(crate) rule: &'r Rule,
    pub(crate) verb: Verb,
    /// Path and query, encoded.
    pub(crate) target: PathAndQuery,
    /// `None` for a request without a body.
    pub(crate) body: Option<Content>,
}

/// A body and its media type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) media: HeaderValue,
    pub(crate) bytes: Bytes,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl<'r> Request<'r> {
    /// Converts an encoded request by the first rule of the method that fits the request.
    ///
    /// # Errors
    ///
    /// UNIMPLEMENTED if the method has no rule that the client can send. INVALID_ARGUMENT if no rule fits; the message
    /// lists the rules that were tried.
    pub(crate) fn new(
        rules: &'r Rules,
        method: &'r Method,
        message: &[u8],
        options: JsonOptions,
    ) -> Result<Self, Status> {
        let mut tried = Vec::new();
        let sendable = |rule: &&Rule| rule.unsendable.is_none();
        for rule in method.rules.iter().filter(sendable) {
            match by_rule(rules, method, rule, message, options) {
                Ok(request) => return Ok(request),
                Err(why) => tried.push(format!("{}: {why}", rule.text)),
            }
        }
        if tried.is_empty() {
            let path = &method.path;
            let text = format!("no HTTP rule for {path} that a client can use: use gRPC");
            return Err(Status::unimplemented(text));
        }
        Err(Status::invalid_argument(format!(
            "the request matches no HTTP rule: {}",
            tried.join("; ")
        )))
    }
}

fn by_rule<'r>(
    rules: &Rules,
    method: &Method,
    rule: &'r Rule,
    message: &[u8],
    options: JsonOptions,
) -> Result<Request<'r>, String> {
    let schema = rules.schema();
    let verb = rule.verb.clone().ok_or("the rule has no HTTP method")?;
    let mut target = String::with_capacity(message.len() + 64);
    let value = |index: usize| value(rules, method.input, &rule.variables[index], message);
    rule.template.expand(value, &mut target)?;
    let mut rest = Cow::Borrowed(message);
    for path in &rule.strip {
        let left = json::without(schema, method.input, path, &rest)?;
        rest = left.into_owned().into();
    }
    let content = |json: String| {
        Some(Content {
            media: JSON,
            bytes: json.into(),
        })
    };
    let body = match rule.body {
        RequestBody::None => None,
        RequestBody::All => content(json::write(schema, method.input, &rest, options)?),
        RequestBody::Field(place) => {
            let field = &schema.message(method.input).fields[place];
            // Send no body for a message that is not set, since `{}` would set it to an empty message.
            if field.presence && !json::is_set(schema, method.input, place, message)? {
                None
            } else {
                content(json::write_field(
                    schema,
                    method.input,
                    place,
                    message,
                    options,
                )?)
            }
        }
        RequestBody::Raw(None) => raw(message)?,
        RequestBody::Raw(Some(number)) => {
            match json::message_at(schema, method.input, &[number], message)? {
                Some(content) => raw(&content)?,
                None => None,
            }
        }
    };
    if !matches!(rule.body, RequestBody::All | RequestBody::Raw(None)) {
        let query = json::query(schema, method.input, &rest, &rule.skip)?;
        if !query.is_empty() {
            target.push('?');
            target.push_str(&query);
        }
    }
    let target = PathAndQuery::from_maybe_shared(Bytes::from(target))
        .map_err(|error| format!("invalid request target: {error}"))?;
    Ok(Request {
        rule,
        verb,
        target,
        body,
    })
}

/// Returns the value of a path variable as text.
fn value<'m>(
    rules: &Rules,
    input: MessageId,
    bound: &PathField,
    message: &'m [u8],
) -> Result<Cow<'m, str>, String> {
    let schema = rules.schema();
    let (id, place) = (bound.parent, bound.place);
    let field = &schema.message(id).fields[place];
    let (_, above) = bound.numbers.split_last().ok_or("is not a field")?;
    let parent = match json::message_at(schema, input, above, message)? {
        Some(parent) => parent,
        // Return an empty value, so that the rule does not fit. A value in the path would set the message, and unset the
        // other members of its oneof.
        None if is_choice(schema, input, above) => return Ok("".into()),
        None => Cow::default(),
    };
    if field.kind == FieldKind::String {
        return Ok(match &parent {
            Cow::Borrowed(parent) => json::text(schema, id, place, parent)?
                .unwrap_or_default()
                .into(),
            Cow::Owned(parent) => {
                let text = json::text(schema, id, place, parent)?;
                text.unwrap_or_default().to_owned().into()
            }
        });
    }
    match json::plain(schema, id, place, &parent)? {
        Some(text) => Ok(text.into()),
        None if field.presence || field.kind == FieldKind::Bytes => Ok("".into()),
        // A number that is not set is zero.
        None => {
            let zero = json::write_field(schema, id, place, &parent, JsonOptions::default())?;
            Ok(zero.trim_matches('"').to_owned().into())
        }
    }
}

/// Returns whether a message on a path of field numbers is a member of a oneof.
fn is_choice(schema: &Schema, mut id: MessageId, path: &[u32]) -> bool {
    path.iter().any(|number| {
        let field = schema.message(id).field_numbered(*number);
        if let Some(FieldKind::Message(inner)) = field.map(|(_, field)| field.kind) {
            id = inner;
        }
        field.is_some_and(|(_, field)| field.oneof.is_some())
    })
}

/// Returns the data of a `google.api.HttpBody`, unchanged.
fn raw(message: &[u8]) -> Result<Option<Content>, String> {
    let media = wire_format::text(message, &[1]).unwrap_or_default();
    let media = if media.is_empty() {
        "application/octet-stream"
    } else {
        media
    };
    let bytes = |number| wire_format::bytes(message, number).map_err(|why| why.to_string());
    if bytes(3)?.is_some() {
        return Err("the extensions of an HttpBody cannot be sent over HTTP".to_owned());
    }
    Ok(Some(Content {
        media: HeaderValue::from_str(media)
            .map_err(|_| format!("invalid content type `{}`", media.escape_debug()))?,
        bytes: Bytes::copy_from_slice(bytes(2)?.unwrap_or_default()),
    }))
}
