//! A gRPC request as an HTTP one.

use std::collections::HashMap;
use std::sync::LazyLock;

use tonic::Status;

use super::schema::{Kind, MessageId};
use super::template::Template;
use super::{SCHEMA, json};
use crate::contract::{Body, HttpRule, Method};
use crate::wire;

/// The HTTP form of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) verb: &'static str,
    /// Path and query, encoded.
    pub(crate) target: String,
    /// JSON text; `None` for a request without a body.
    pub(crate) body: Option<String>,
}

/// The templates of the contract, parsed once.
static TEMPLATES: LazyLock<HashMap<&str, Template>> = LazyLock::new(|| {
    let rules = Method::all().iter().flat_map(|method| method.http);
    let parsed = rules.map(|rule| (rule.template, Template::parse(rule.template)));
    parsed
        .filter_map(|(text, template)| Some((text, template.ok()?)))
        .collect()
});

/// Maps an encoded request by the first of the method's rules that it fits.
///
/// # Errors
///
/// UNIMPLEMENTED for a method without a route; INVALID_ARGUMENT if no rule fits, with those tried.
pub(crate) fn request(method: &Method, message: &[u8]) -> Result<Request, Status> {
    if method.http.is_empty() {
        return Err(Status::unimplemented(format!(
            "{} has no HTTP route, it needs gRPC",
            method.name
        )));
    }
    let input = SCHEMA
        .find(method.input)
        .ok_or_else(|| Status::internal("the request's type is unknown"))?;
    let mut tried = Vec::new();
    for rule in method.http {
        match by_rule(rule, input, message) {
            Ok(request) => return Ok(request),
            Err(why) => tried.push(format!("{} {}: {why}", rule.verb, rule.template)),
        }
    }
    Err(Status::invalid_argument(format!(
        "the request fits no HTTP route: {}",
        tried.join("; ")
    )))
}

fn by_rule(rule: &HttpRule, input: MessageId, message: &[u8]) -> Result<Request, String> {
    let template = TEMPLATES
        .get(rule.template)
        .ok_or("the template is not of the grammar")?;
    let path =
        template.expand(|field| Some(wire::text(message, &numbers(input, field)?)?.to_owned()))?;
    let malformed = || "the request is malformed".to_owned();
    let (mut rest, mut skip) = (None, Vec::new());
    for field in template.fields() {
        let path = numbers(input, field).ok_or_else(malformed)?;
        let message = rest.as_deref().unwrap_or(message);
        rest = Some(wire::without(message, &path).ok_or_else(malformed)?);
        if let [number] = path[..] {
            skip.push(number);
        }
    }
    let rest = rest.as_deref().unwrap_or(message);
    let options = json::JsonOptions::default();
    let (body, query) = match rule.body {
        Body::None => (None, json::query(&SCHEMA, input, rest, &skip)?),
        Body::All => (
            Some(json::write(&SCHEMA, input, rest, options)?),
            String::new(),
        ),
        Body::Field(name) => {
            let (_, field) = SCHEMA
                .message(input)
                .field_named(name)
                .ok_or("the body is no field")?;
            let Kind::Message(inner) = field.kind else {
                return Err("the body is no message".to_owned());
            };
            // The field as it is in the message, even what of it the path carries too.
            let content = wire::bytes(message, field.number).unwrap_or_default();
            let body = json::write(&SCHEMA, inner, content, options)?;
            skip.push(field.number);
            (Some(body), json::query(&SCHEMA, input, rest, &skip)?)
        }
    };
    let target = if query.is_empty() {
        path
    } else {
        format!("{path}?{query}")
    };
    Ok(Request {
        verb: rule.verb,
        target,
        body,
    })
}

/// The field numbers of a field path.
fn numbers(input: MessageId, path: &str) -> Option<Vec<u32>> {
    let mut message = Some(input);
    path.split('.')
        .map(|name| {
            let (_, field) = SCHEMA.message(message?).field_named(name)?;
            message = match field.kind {
                Kind::Message(id) => Some(id),
                _ => None,
            };
            Some(field.number)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_of_the_contract_is_of_the_grammar() {
        for rule in Method::all().iter().flat_map(|method| method.http) {
            assert!(TEMPLATES.contains_key(rule.template), "{}", rule.template);
        }
    }
}
