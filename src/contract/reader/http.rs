//! The HTTP rules of methods, from annotations and service configurations.

use serde_json::Value as Json;

use super::descriptor::{HttpRule as HttpOption, Pattern};
use super::object::Object;

/// One mapping of a method to HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpRule {
    /// The HTTP method, in capitals; `*` for any.
    pub(crate) verb: String,
    pub(crate) template: String,
    /// Empty, `*` or the name of a field.
    pub(crate) body: String,
}

impl HttpRule {
    /// Returns the rule of an annotation and its additional bindings, in order.
    pub(super) fn of_option(option: Option<&HttpOption>) -> Vec<Self> {
        let Some(option) = option else {
            return Vec::new();
        };
        let bindings = option.additional_bindings.iter();
        let all = std::iter::once(option).chain(bindings);
        all.filter_map(|option| {
            let (verb, template) = match option.pattern.as_ref()? {
                Pattern::Get(path) => ("GET", path),
                Pattern::Put(path) => ("PUT", path),
                Pattern::Post(path) => ("POST", path),
                Pattern::Delete(path) => ("DELETE", path),
                Pattern::Patch(path) => ("PATCH", path),
                Pattern::Custom(custom) => (custom.kind.as_str(), &custom.path),
            };
            Some(Self {
                verb: verb.to_ascii_uppercase(),
                template: template.clone(),
                body: option.body.clone(),
            })
        })
        .collect()
    }

    /// Reads a rule of a service configuration. Returns its selector, and the rule and its additional bindings, in order.
    pub(super) fn read(place: &str, rule: &Json) -> Result<(String, Vec<Self>), String> {
        let mut object = Object::read(rule, place)?;
        let selector = object.text("selector")?.unwrap_or_default().to_owned();
        let mut patterns = Vec::new();
        for verb in ["get", "put", "post", "delete", "patch"] {
            if let Some(template) = object.text(verb)? {
                patterns.push((verb.to_ascii_uppercase(), template.to_owned()));
            }
        }
        if let Some(custom) = object.get("custom") {
            let mut custom = Object::read(custom, object.place("custom"))?;
            let kind = custom.text("kind")?.unwrap_or_default();
            let path = custom.text("path")?.unwrap_or_default();
            custom.finish()?;
            patterns.push((kind.to_ascii_uppercase(), path.to_owned()));
        }
        let mut patterns = patterns.into_iter();
        let (verb, template) = patterns.next().ok_or_else(|| {
            format!("invalid {place}: it has no HTTP method, such as `get` with a path")
        })?;
        if let Some((other, _)) = patterns.next() {
            return Err(format!(
                "invalid {place}: it has two HTTP methods, {verb} and {other}"
            ));
        }
        let body = object.text("body")?.unwrap_or_default().to_owned();
        let mut rules = vec![Self {
            verb,
            template,
            body,
        }];
        for (place, binding) in object.list("additionalBindings")? {
            rules.extend(Self::read(&place, binding)?.1);
        }
        object.ignore(&["responseBody"]);
        object.finish()?;
        Ok((selector, rules))
    }
}
