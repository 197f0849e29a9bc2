//! Reads a gRPC service config (`grpc.service_config.ServiceConfig`): timeouts and retry policies.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;

use super::object::{Object, shown_json};
use super::text::shown;

/// The settings of methods by their names.
#[derive(Debug, Default)]
pub(super) struct GrpcConfig {
    /// By `package.Service.Method`.
    methods: BTreeMap<String, MethodConfig>,
    /// By `package.Service`, for the methods of the service that have no config of their own.
    services: BTreeMap<String, MethodConfig>,
    /// For all other methods.
    default: Option<MethodConfig>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct MethodConfig {
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Option<Retry>,
}

/// A retry policy (gRFC A6).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Retry {
    pub(crate) max_attempts: Option<u32>,
    pub(crate) initial_backoff: Duration,
    pub(crate) max_backoff: Duration,
    pub(crate) multiplier: f64,
    /// The numbers of the codes (`google.rpc.Code`), sorted.
    pub(crate) codes: Vec<u32>,
}

impl Retry {
    pub(super) fn has(&self, code: u32) -> bool {
        self.codes.contains(&code)
    }
}

impl GrpcConfig {
    pub(super) fn read(configs: &[Json]) -> Result<Self, String> {
        let mut read = Self::default();
        for config in configs {
            read.add(config)?;
        }
        Ok(read)
    }

    fn add(&mut self, config: &Json) -> Result<(), String> {
        let mut object = Object::read(config, "gRPC service config")?;
        for (place, config) in object.list("methodConfig")? {
            let mut object = Object::read(config, &*place)?;
            let timeout = object.duration("timeout")?;
            let retry = match object.get("retryPolicy") {
                Some(policy) => Some(retry(policy, object.place("retryPolicy"))?),
                None => None,
            };
            let config = MethodConfig { timeout, retry };
            for (place, name) in object.list("name")? {
                self.insert(&place, name, &config)?;
            }
            object.ignore(&[
                "waitForReady",
                "maxRequestMessageBytes",
                "maxResponseMessageBytes",
                "hedgingPolicy",
            ]);
            object.finish()?;
        }
        object.ignore(&[
            "loadBalancingPolicy",
            "loadBalancingConfig",
            "retryThrottling",
            "healthCheckConfig",
        ]);
        object.finish()
    }

    fn insert(&mut self, place: &str, name: &Json, config: &MethodConfig) -> Result<(), String> {
        let mut object = Object::read(name, place)?;
        let service = object.text("service")?.unwrap_or_default();
        let method = object.text("method")?.unwrap_or_default();
        object.finish()?;
        let previous = match (service, method) {
            ("", "") => self.default.replace(config.clone()),
            ("", method) => {
                return Err(format!(
                    "invalid {place}: the method `{}` has no `service`",
                    shown(method)
                ));
            }
            (service, "") => self.services.insert(service.to_owned(), config.clone()),
            (service, method) => {
                let selector = format!("{service}.{method}");
                self.methods.insert(selector, config.clone())
            }
        };
        match previous {
            // Some published configs repeat a name with the same settings.
            Some(previous) if previous != *config => Err(format!(
                "duplicate name {place} {}: each name may have one config",
                shown_json(name)
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn config_of(&self, service: &str, method: &str) -> Option<&MethodConfig> {
        let of_method = self.methods.get(&format!("{service}.{method}"));
        let of_service = || self.services.get(service);
        of_method.or_else(of_service).or(self.default.as_ref())
    }

    /// Returns the full names of the methods that have a config of their own.
    pub(super) fn methods(&self) -> impl Iterator<Item = &String> {
        self.methods.keys()
    }

    /// Returns the full names of the services that have a config for all their methods.
    pub(super) fn services(&self) -> impl Iterator<Item = &String> {
        self.services.keys()
    }
}

fn retry(policy: &Json, place: String) -> Result<Retry, String> {
    let mut object = Object::read(policy, place)?;
    let max_attempts = match object.get("maxAttempts") {
        None => None,
        Some(value) => {
            let attempts = value.as_u64().and_then(|count| u32::try_from(count).ok());
            let attempts = attempts.filter(|attempts| *attempts > 1);
            Some(attempts.ok_or_else(|| {
                object.invalid("maxAttempts", value, "must be an integer above 1")
            })?)
        }
    };
    let mut backoff = |name| {
        let missing = format!("missing {}", object.place(name));
        match object.duration(name)? {
            Some(Duration::ZERO) => Err(format!(
                "invalid {} \"0s\": must be above zero",
                object.place(name)
            )),
            backoff => backoff.ok_or(missing),
        }
    };
    let (initial_backoff, max_backoff) = (backoff("initialBackoff")?, backoff("maxBackoff")?);
    let multiplier = match object.get("backoffMultiplier") {
        None => return Err(format!("missing {}", object.place("backoffMultiplier"))),
        Some(value) => {
            let multiplier = value.as_f64().filter(|multiplier| *multiplier > 0.0);
            multiplier.ok_or_else(|| {
                object.invalid("backoffMultiplier", value, "must be a number above zero")
            })?
        }
    };
    let mut codes = Vec::new();
    for (place, code) in object.list("retryableStatusCodes")? {
        codes.push(status_code(code).ok_or_else(|| {
            format!(
                "invalid {place} {}: must be a name such as \"UNAVAILABLE\", or a number from 0 to 16",
                shown_json(code)
            )
        })?);
    }
    // Some published configs have a policy without codes, so it is valid. It retries nothing.
    codes.sort_unstable();
    codes.dedup();
    object.ignore(&["perAttemptRecvTimeout"]);
    object.finish()?;
    Ok(Retry {
        max_attempts,
        initial_backoff,
        max_backoff,
        multiplier,
        codes,
    })
}

/// The names of `google.rpc.Code`, by their numbers.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

fn status_code(code: &Json) -> Option<u32> {
    let by_name = |name| CODES.iter().position(|known| *known == name);
    let number = match code {
        Json::String(name) => u32::try_from(by_name(name)?).ok()?,
        code => u32::try_from(code.as_u64()?).ok()?,
    };
    (number <= 16).then_some(number)
}
