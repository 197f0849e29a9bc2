//! Reads the HTTP rules of methods, from annotations and the service configuration.

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, ReflectMessage, Value};
use serde_json::Value as Json;

use super::Result;
use super::configuration::{Configuration, text};

/// An HTTP rule, as in `contract::HttpRule`.
pub(super) struct HttpRule {
    pub(super) verb: &'static str,
    pub(super) template: String,
    /// Empty, `*` or the name of a field.
    pub(super) body: String,
}

impl HttpRule {
    fn new(verb: &str, template: String, body: &str) -> Result<Self> {
        let verbs = ["GET", "PUT", "POST", "DELETE", "PATCH"];
        let verb = verbs
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(verb));
        Ok(Self {
            verb: verb.ok_or("an HTTP rule has no verb")?,
            template,
            body: body.to_owned(),
        })
    }
}

pub(super) fn http_rules(
    pool: &DescriptorPool,
    configuration: &Configuration,
    method: &MethodDescriptor,
) -> Result<Vec<HttpRule>> {
    match configuration.http.get(method.full_name()) {
        Some(rule) => http_rules_from_json(rule),
        // The service does not serve the annotations of the mixins; its configuration replaces them.
        None if !method.full_name().starts_with("google.cloud.apigateway.") => Ok(Vec::new()),
        None => http_rules_from_option(&option(pool, method, "google.api.http")?),
    }
}

fn http_rules_from_json(rule: &Json) -> Result<Vec<HttpRule>> {
    let verbs = ["get", "put", "post", "delete", "patch"];
    let verb = verbs.into_iter().find(|verb| rule[verb].is_string());
    let verb = verb.ok_or("an HTTP rule has no verb")?;
    let body = rule["body"].as_str().unwrap_or_default();
    let mut rules = vec![HttpRule::new(verb, text(rule, verb)?, body)?];
    for binding in rule["additionalBindings"].as_array().into_iter().flatten() {
        rules.extend(http_rules_from_json(binding)?);
    }
    Ok(rules)
}

fn http_rules_from_option(rule: &DynamicMessage) -> Result<Vec<HttpRule>> {
    let string = |name: &str| {
        let value = rule.get_field_by_name(name);
        value
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    let pattern = rule
        .descriptor()
        .oneofs()
        .find(|oneof| oneof.name() == "pattern");
    let verb = pattern.and_then(|pattern| pattern.fields().find(|field| rule.has_field(field)));
    let verb = verb.ok_or("an HTTP rule has no verb")?;
    let mut rules = vec![HttpRule::new(
        verb.name(),
        string(verb.name()),
        &string("body"),
    )?];
    let bindings = rule
        .get_field_by_name("additional_bindings")
        .ok_or("HttpRule has no field `additional_bindings`")?;
    for binding in bindings.as_list().unwrap_or_default() {
        rules.extend(http_rules_from_option(
            binding
                .as_message()
                .ok_or("an additional binding is not an HTTP rule")?,
        )?);
    }
    Ok(rules)
}

/// Returns the value of an extension of a method's options. The extension is a message.
pub(super) fn option(
    pool: &DescriptorPool,
    method: &MethodDescriptor,
    name: &str,
) -> Result<DynamicMessage> {
    let extension = pool
        .get_extension_by_name(name)
        .ok_or("unknown extension")?;
    let options = method.options();
    if !options.has_extension(&extension) {
        return Err(format!("no option ({name})").into());
    }
    match options.get_extension(&extension).into_owned() {
        Value::Message(message) => Ok(message),
        other => Err(format!("({name}) is {other:?}").into()),
    }
}

/// Returns the variables of a path template. They are the routing keys of a method that has no `google.api.routing`
/// annotation (AIP-4222).
pub(super) fn variables(template: &str) -> Vec<String> {
    let braces = template
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next());
    braces
        .map(|variable| variable.split('=').next().unwrap_or_default().to_owned())
        .collect()
}
