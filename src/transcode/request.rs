//! A gRPC request as an HTTP one.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost_reflect::{DynamicMessage, Value};
use tonic::Status;

use super::template::Template;
use super::{descriptor, json, query};
use crate::contract::{Body, HttpRule, Method};

/// The HTTP form of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) verb: &'static str,
    /// Path and query, encoded.
    pub(crate) target: String,
    /// JSON text; `None` for a request without a body.
    pub(crate) body: Option<Vec<u8>>,
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
    let input = descriptor(method.input)
        .ok_or_else(|| Status::internal("the request's type is unknown"))?;
    let message = DynamicMessage::decode(input, message)
        .map_err(|error| Status::internal(format!("the request cannot be decoded: {error}")))?;
    let mut tried = Vec::new();
    for rule in method.http {
        match by_rule(rule, &message) {
            Ok(request) => return Ok(request),
            Err(why) => tried.push(format!("{} {}: {why}", rule.verb, rule.template)),
        }
    }
    Err(Status::invalid_argument(format!(
        "the request fits no HTTP route: {}",
        tried.join("; ")
    )))
}

fn by_rule(rule: &HttpRule, message: &DynamicMessage) -> Result<Request, String> {
    let template = TEMPLATES
        .get(rule.template)
        .ok_or("the template is not of the grammar")?;
    let path = template.expand(|field| text_at(message, field))?;
    let mut rest = message.clone();
    template.fields().for_each(|field| clear(&mut rest, field));
    let (body, query) = match rule.body {
        Body::None => (None, query::query(&rest, &path_fields(template))?),
        Body::All => (Some(json::to_json(&rest)?), String::new()),
        Body::Field(name) => {
            // The field as it is in the message, even what of it the path carries too.
            let body = match message
                .get_field_by_name(name)
                .filter(|_| message.has_field_by_name(name))
            {
                Some(value) => match value.as_ref() {
                    Value::Message(message) => json::to_json(message)?,
                    _ => return Err(format!("the body `{name}` is not a message")),
                },
                None => serde_json::Value::Object(serde_json::Map::new()),
            };
            let mut skip = path_fields(template);
            skip.push(name);
            (Some(body), query::query(&rest, &skip)?)
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
        body: body.map(|body| body.to_string().into_bytes()),
    })
}

/// The top-level fields that the path carries whole.
fn path_fields(template: &Template) -> Vec<&str> {
    template
        .fields()
        .filter(|field| !field.contains('.'))
        .collect()
}

fn text_at(message: &DynamicMessage, path: &str) -> Option<String> {
    match path.split_once('.') {
        None => message.get_field_by_name(path)?.as_str().map(str::to_owned),
        Some((field, rest)) => text_at(message.get_field_by_name(field)?.as_message()?, rest),
    }
}

fn clear(message: &mut DynamicMessage, path: &str) {
    match path.split_once('.') {
        None => message.clear_field_by_name(path),
        Some((field, rest)) if message.has_field_by_name(field) => {
            if let Some(inner) = message
                .get_field_by_name_mut(field)
                .and_then(Value::as_message_mut)
            {
                clear(inner, rest);
            }
        }
        Some(_) => {}
    }
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
