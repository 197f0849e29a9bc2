//! Reads a service configuration (`google.api.Service`).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;

use super::http::HttpRule;
use super::object::Object;
use super::service_fields::SERVICE_FIELDS;
use super::text::shown;

/// The parts of service configurations that a contract needs.
#[derive(Debug, Default)]
pub(super) struct ServiceConfig {
    /// The host of the service.
    pub(super) name: Option<String>,
    /// HTTP rules by selector. They replace all annotations of the method.
    pub(super) http: BTreeMap<String, Vec<HttpRule>>,
    /// Deadlines by selector, each with the number of its rule. A key is the selector without its `*`: empty for `*`, `a.b.`
    /// for `a.b.*`, and the full name for a method.
    deadlines: BTreeMap<String, (usize, Duration)>,
    /// Number of rules with a deadline.
    rules: usize,
}

impl ServiceConfig {
    pub(super) fn read(configs: &[Json]) -> Result<Self, String> {
        let mut read = Self::default();
        for config in configs {
            read.add(config)?;
        }
        Ok(read)
    }

    fn add(&mut self, config: &Json) -> Result<(), String> {
        let mut object = Object::read(config, "service configuration")?;
        // An empty name is the default value of the field.
        let name = object.text("name")?.filter(|name| !name.is_empty());
        self.name = name.map(str::to_owned).or(self.name.take());
        if let Some(http) = object.get("http") {
            let mut http = Object::read(http, object.place("http"))?;
            for (place, rule) in http.list("rules")? {
                let (selector, rules) = HttpRule::read(&place, rule)?;
                if selector.is_empty() {
                    return Err(format!("invalid {place}: it has no `selector`"));
                }
                self.http.insert(selector, rules);
            }
            http.ignore(&["fullyDecodeReservedExpansion"]);
            http.finish()?;
        }
        if let Some(backend) = object.get("backend") {
            let mut backend = Object::read(backend, object.place("backend"))?;
            for (place, rule) in backend.list("rules")? {
                if let Some((selector, deadline)) = backend_rule(&place, rule)? {
                    let number = self.rules;
                    self.rules += 1;
                    self.deadlines.insert(selector, (number, deadline));
                }
            }
            backend.finish()?;
        }
        object.ignore(&SERVICE_FIELDS);
        object.finish()
    }

    /// Returns the selectors of the rules with a deadline, each without its `*`.
    pub(super) fn deadline_scopes(&self) -> impl Iterator<Item = &str> {
        self.deadlines.keys().map(String::as_str)
    }

    /// Returns the backend deadline of a method. The last matching rule applies (`google.api.Service`).
    pub(super) fn deadline(&self, selector: &str) -> Option<Duration> {
        let scopes = selector.match_indices('.');
        let scopes = scopes.map(|(at, _)| &selector[..=at]);
        let rules = scopes.chain(["", selector]);
        let rules = rules.filter_map(|rule| self.deadlines.get(rule));
        let (_, deadline) = rules.max_by_key(|(number, _)| *number)?;
        Some(*deadline)
    }
}

/// Returns the selector without its `*`, and the deadline of a `google.api.BackendRule`, if the rule has a deadline.
fn backend_rule(place: &str, rule: &Json) -> Result<Option<(String, Duration)>, String> {
    let mut object = Object::read(rule, place)?;
    let selector = object.text("selector")?.unwrap_or_default();
    let scope = selector.strip_suffix('*').unwrap_or(selector);
    let is_pattern = scope.len() < selector.len();
    if scope.contains('*') || is_pattern != (scope.is_empty() || scope.ends_with('.')) {
        return Err(format!(
            "invalid {place}.selector `{}`: must be the name of a method, a prefix with `.*`, or `*`",
            shown(selector)
        ));
    }
    let deadline = match object.get("deadline") {
        None => None,
        Some(value) => {
            let seconds = value.as_f64();
            let deadline = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            let deadline = deadline
                .ok_or_else(|| object.invalid("deadline", value, "must be a number of seconds"))?;
            // Zero is the default value, which a published configuration may write.
            (!deadline.is_zero()).then_some(deadline)
        }
    };
    object.ignore(&[
        "address",
        "minDeadline",
        "operationDeadline",
        "pathTranslation",
        "jwtAudience",
        "disableAuth",
        "protocol",
        "overridesByRequestProtocol",
        "loadBalancingPolicy",
    ]);
    object.finish()?;
    Ok(deadline.map(|deadline| (scope.to_owned(), deadline)))
}
