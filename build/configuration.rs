//! Reads the JSON files beside the protos: the service configuration, the gRPC service config and the method facts.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value as Json;

use super::Result;

/// The settings of methods, by selector.
pub(super) struct Configuration {
    pub(super) http: BTreeMap<String, Json>,
    deadlines: Vec<(String, f64)>,
    grpc: Vec<Json>,
    facts: Json,
}

impl Configuration {
    pub(super) fn read() -> Result<Self> {
        let service = json("proto/apigateway_v1.json")?;
        let http = rules(&service, "http")
            .map(|rule| Ok((text(rule, "selector")?, rule.clone())))
            .collect::<Result<_>>()?;
        let deadlines = rules(&service, "backend")
            .map(|rule| {
                let deadline = rule["deadline"]
                    .as_f64()
                    .ok_or("a backend rule has no deadline")?;
                Ok((text(rule, "selector")?, deadline))
            })
            .collect::<Result<_>>()?;
        let grpc = json("proto/apigateway_grpc_service_config.json")?;
        let grpc = grpc["methodConfig"]
            .as_array()
            .ok_or("no methodConfig")?
            .clone();
        Ok(Self {
            http,
            deadlines,
            grpc,
            facts: json("proto/apigateway_method_facts.json")?,
        })
    }

    /// Returns the backend deadline of a method in seconds. The last matching rule applies (`google.api.Service`).
    pub(super) fn deadline(&self, selector: &str) -> Option<f64> {
        let selects = |rule: &str| match rule.strip_suffix('*') {
            Some(prefix) => selector.starts_with(prefix),
            None => rule == selector,
        };
        self.deadlines
            .iter()
            .rev()
            .find(|(rule, _)| selects(rule))
            .map(|(_, seconds)| *seconds)
    }

    pub(super) fn grpc(&self, service: &str, method: &str) -> Option<&Json> {
        self.grpc.iter().find(|config| {
            config["name"].as_array().is_some_and(|names| {
                names
                    .iter()
                    .any(|name| name["service"] == service && name["method"] == method)
            })
        })
    }

    pub(super) fn idempotent(&self, selector: &str) -> bool {
        let listed = self.facts["idempotent"].as_array();
        listed.is_some_and(|selectors| selectors.iter().any(|listed| listed == selector))
    }

    /// Returns the method whose HTTP rule has the name pattern of this method, which has no rule of its own.
    pub(super) fn named_as(&self, selector: &str) -> Option<&str> {
        self.facts["named_as"][selector].as_str()
    }

    pub(super) fn routing(&self, selector: &str) -> Vec<String> {
        let keys = self.facts["routing"][selector].as_array();
        let keys = keys.into_iter().flatten().filter_map(Json::as_str);
        keys.map(str::to_owned).collect()
    }
}

fn json(path: &str) -> Result<Json> {
    let content = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    serde_json::from_str(&content).map_err(|error| format!("{path}: {error}").into())
}

fn rules<'a>(service: &'a Json, section: &str) -> impl Iterator<Item = &'a Json> {
    service[section]["rules"].as_array().into_iter().flatten()
}

pub(super) fn text(json: &Json, key: &str) -> Result<String> {
    let value = json[key]
        .as_str()
        .ok_or_else(|| format!("no string `{key}` in {json}"))?;
    Ok(value.to_owned())
}
