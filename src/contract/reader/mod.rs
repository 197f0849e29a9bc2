//! Reads the methods of a contract from an encoded descriptor set, service configurations and gRPC service configs.
//!
//! The build script also includes this folder, and generates the built-in table with it. So the folder imports only three other
//! files of the crate, which the build script includes, too.

mod grpc_config;
mod http;
mod names;
mod object;
mod routing;
mod service_config;
mod services;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use prost::Message as _;
use serde_json::Value as Json;

use super::{descriptor, field_name, service_fields};
use descriptor::{FileSet, MethodOptions, MethodType};
use grpc_config::GrpcConfig;
pub(crate) use grpc_config::Retry;
pub(crate) use http::HttpRule;
use names::Names;
pub(crate) use routing::{RoutingKey, Segment};
use service_config::ServiceConfig;
use services::{Service, services};
use text::shown;

/// The sources of a contract.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources<'a> {
    /// An encoded `google.protobuf.FileDescriptorSet`, with its options as extensions.
    pub(crate) descriptor_set: &'a [u8],
    /// The service configurations (`google.api.Service`). If several have a rule for a method, the last is used.
    pub(crate) service_configs: Vec<Json>,
    /// The gRPC service configs (`grpc.service_config.ServiceConfig`).
    pub(crate) grpc_configs: Vec<Json>,
    /// The full names of the services; empty for all services of the set.
    pub(crate) services: Vec<&'a str>,
}

/// The methods of a contract, and the parts of its sources that are not served.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContractData {
    /// Sorted by path.
    pub(crate) methods: Vec<Method>,
    pub(crate) default_host: Option<String>,
    pub(crate) unsupported: Vec<Unsupported>,
}

/// A method, as read from the sources.
#[derive(Clone, Debug)]
pub(crate) struct Method {
    pub(crate) path: String,
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) input: String,
    pub(crate) output: String,
    pub(crate) client_streaming: bool,
    pub(crate) server_streaming: bool,
    pub(crate) http: Vec<HttpRule>,
    pub(crate) routing: Vec<RoutingKey>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) server_deadline: Option<Duration>,
    pub(crate) retry: Option<Retry>,
    /// The full names of the operation's result and of its metadata.
    pub(crate) operation: Option<(String, String)>,
    pub(crate) idempotent: bool,
}

/// A part of the sources that is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unsupported {
    /// The full name of a method, or the selector of a rule.
    pub(crate) selector: String,
    pub(crate) reason: String,
}

const OPERATIONS: &str = "google.longrunning.Operations";
const OPERATION: &str = "google.longrunning.Operation";

/// The services that other services include.
const MIXINS: [&str; 3] = [
    OPERATIONS,
    "google.cloud.location.Locations",
    "google.iam.v1.IAMPolicy",
];

/// A method that has an HTTP rule in few service configurations. Without a rule, its routing header has the request's field
/// `name` nevertheless.
const WAIT_OPERATION: &str = "google.longrunning.Operations.WaitOperation";

/// Methods that are safe to repeat although they are not mapped to GET or DELETE. They belong to services that many Google
/// services include (AIP-151, `google.iam.v1`).
const IDEMPOTENT: [&str; 4] = [
    "google.longrunning.Operations.CancelOperation",
    WAIT_OPERATION,
    "google.iam.v1.IAMPolicy.GetIamPolicy",
    "google.iam.v1.IAMPolicy.TestIamPermissions",
];

/// Reads a contract.
///
/// # Errors
///
/// Returns an error if a source is malformed. The error names the source, the value, and what would be valid.
pub(crate) fn read(sources: &Sources<'_>) -> Result<ContractData, String> {
    let set = FileSet::decode(sources.descriptor_set)
        .map_err(|error| format!("invalid descriptor set: {error}"))?;
    names::check_lengths(&set)?;
    let mut reader = Reader {
        names: Names::from_set(&set),
        config: ServiceConfig::read(&sources.service_configs)?,
        grpc: GrpcConfig::read(&sources.grpc_configs)?,
        unsupported: Vec::new(),
    };
    let selected = selected(&set, &sources.services)?;
    let mut methods = BTreeMap::new();
    for service in &selected {
        for method in service.methods {
            let method = reader.method(service, method)?;
            if let Some(double) = methods.insert(method.path.clone(), method) {
                return Err(format!(
                    "invalid descriptor set: it has two methods {}",
                    shown(&double.path)
                ));
            }
        }
    }
    let known = services(&set);
    let known = known.iter().flat_map(|service| {
        let name = |method: &MethodType| format!("{}.{}", service.name, method.name);
        service.methods.iter().map(name)
    });
    reader.report_unknown_selectors(&known.collect());
    let host = default_host(&selected).map(str::to_owned);
    Ok(ContractData {
        methods: methods.into_values().collect(),
        default_host: reader.config.name.or(host),
        unsupported: reader.unsupported,
    })
}

/// Returns the services with these names, and the operations service if the set has it. Without names, returns all services of
/// the set.
fn selected<'a>(set: &'a FileSet, names: &[&str]) -> Result<Vec<Service<'a>>, String> {
    let all = services(set);
    if all.is_empty() {
        return Err("invalid descriptor set: it has no service".to_owned());
    }
    if let Some(missing) = names
        .iter()
        .find(|name| !all.iter().any(|service| service.name == **name))
    {
        let known = all.iter().map(|service| shown(&service.name));
        let mut known: Vec<String> = known.take(MAX_LISTED).collect();
        if all.len() > MAX_LISTED {
            known.push(format!("and {} more", all.len() - MAX_LISTED));
        }
        return Err(format!(
            "the descriptor set has no service `{}`: it has {}",
            shown(missing),
            known.join(", ")
        ));
    }
    // Waits for operations need their service, whatever the selection is.
    let is_selected = |service: &Service<'_>| {
        names.is_empty() || service.name == OPERATIONS || names.contains(&&*service.name)
    };
    Ok(all.into_iter().filter(is_selected).collect())
}

/// Returns the default host of the first service that has one. A set lists the files that it imports first, so the mixin
/// services, which many services include, usually precede the service itself. The default host of a mixin service, such as
/// `longrunning.googleapis.com`, is not the host of the service that includes it.
fn default_host<'a>(services: &[Service<'a>]) -> Option<&'a str> {
    let is_mixin = |service: &&Service<'_>| MIXINS.contains(&&*service.name);
    let only_mixins = services.iter().all(|service| is_mixin(&service));
    let mut own = services
        .iter()
        .filter(|service| only_mixins || !is_mixin(service));
    own.find_map(|service| service.default_host)
}

/// Maximum number of services that an error lists.
const MAX_LISTED: usize = 20;

/// The state of reading one contract.
struct Reader<'a> {
    names: Names<'a>,
    config: ServiceConfig,
    grpc: GrpcConfig,
    unsupported: Vec<Unsupported>,
}

impl Reader<'_> {
    fn method(&mut self, service: &Service<'_>, method: &MethodType) -> Result<Method, String> {
        let selector = format!("{}.{}", service.name, method.name);
        let input = method.input_type.trim_start_matches('.');
        if !self.names.has_message(input) {
            return Err(format!(
                "the descriptor set lacks the message `{}` of {}: it must include its imports",
                shown(input),
                shown(&selector)
            ));
        }
        let default = MethodOptions::default();
        let options = method.options.as_ref().unwrap_or(&default);
        let http = match self.config.http.get(&selector) {
            Some(rules) => rules.clone(),
            None => HttpRule::of_option(options.http.as_ref()),
        };
        let config = self.grpc.config_of(&service.name, &method.name).cloned();
        let config = config.unwrap_or_default();
        let idempotent = is_idempotent(&selector, &http, config.retry.as_ref());
        Ok(Method {
            path: format!("/{}/{}", service.name, method.name),
            service: service.name.clone(),
            name: method.name.clone(),
            input: input.to_owned(),
            output: method.output_type.trim_start_matches('.').to_owned(),
            client_streaming: method.client_streaming,
            server_streaming: method.server_streaming,
            routing: self.routing(&selector, method, options, &http),
            operation: self.operation(&selector, service, method, options),
            http,
            timeout: config.timeout,
            server_deadline: self.config.deadline(&selector),
            retry: config.retry,
            idempotent,
        })
    }

    /// Returns the routing keys of a method: those of its `google.api.routing`, or the variables of its first HTTP rule
    /// (AIP-4222).
    fn routing(
        &mut self,
        selector: &str,
        method: &MethodType,
        options: &MethodOptions,
        http: &[HttpRule],
    ) -> Vec<RoutingKey> {
        if method.client_streaming {
            self.report(
                selector,
                "the requests are a stream: no routing header, no retries, no REST",
            );
            return Vec::new();
        }
        let keys = match &options.routing {
            Some(rule) => routing::explicit(rule),
            None => match http.first() {
                Some(rule) => routing::implicit(&rule.template),
                None if selector == WAIT_OPERATION => routing::implicit("{name}"),
                None => Vec::new(),
            },
        };
        let mut valid = Vec::new();
        for key in keys {
            let resolved = key.and_then(|(name, field, pattern)| {
                let field = self.names.string_field(&method.input_type, &field)?;
                Ok(RoutingKey {
                    name,
                    field,
                    pattern,
                })
            });
            match resolved {
                Ok(key) => valid.push(key),
                Err(reason) => self.report(selector, &format!("routing header: {reason}")),
            }
        }
        valid
    }

    /// Returns the types of the operation that a method starts (`google.longrunning.operation_info`).
    fn operation(
        &mut self,
        selector: &str,
        service: &Service<'_>,
        method: &MethodType,
        options: &MethodOptions,
    ) -> Option<(String, String)> {
        if method.output_type.trim_start_matches('.') != OPERATION || service.name == OPERATIONS {
            return None;
        }
        let Some(info) = &options.operation_info else {
            self.report(
                selector,
                "the operation's types are unknown: no option (google.longrunning.operation_info)",
            );
            return None;
        };
        let types = [&info.response_type, &info.metadata_type];
        let [result, metadata] = types.map(|name| self.names.resolve(name, service.package));
        if result.is_empty() || metadata.is_empty() {
            self.report(
                selector,
                "the operation's types are unknown: (google.longrunning.operation_info) lacks one of them",
            );
            return None;
        }
        Some((result, metadata))
    }

    fn report(&mut self, selector: &str, reason: &str) {
        self.unsupported.push(Unsupported {
            selector: selector.to_owned(),
            reason: reason.to_owned(),
        });
    }

    /// Reports the rules of configurations that select no method of the set.
    fn report_unknown_selectors(&mut self, known: &BTreeSet<String>) {
        let http_selectors = self.config.http.keys();
        let methods = http_selectors.chain(self.grpc.methods());
        let unknown = methods.filter(|selector| !known.contains(*selector));
        let mut reports: Vec<(String, &str)> = unknown
            .map(|selector| (selector.clone(), "this method"))
            .collect();
        let is_service = |service: &str| {
            let mut methods = methods_in(known, service);
            methods.any(|method| !method.contains('.'))
        };
        let services = self.grpc.services();
        let unknown = services.filter(|service| !is_service(service));
        reports.extend(unknown.map(|service| (service.clone(), "this service")));
        for scope in self.config.deadline_scopes() {
            match scope.strip_suffix('.') {
                Some(scope) if methods_in(known, scope).next().is_none() => {
                    reports.push((format!("{scope}.*"), "these methods"));
                }
                None if !scope.is_empty() && !known.contains(scope) => {
                    reports.push((scope.to_owned(), "this method"));
                }
                _ => {}
            }
        }
        for (selector, what) in reports {
            let reason = format!("a configuration selects {what}, which the descriptor set lacks");
            self.report(&selector, &reason);
        }
    }
}

/// Returns the methods in a package or a service, each without its prefix.
fn methods_in<'a>(
    methods: &'a BTreeSet<String>,
    scope: &str,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let prefix = format!("{scope}.");
    let from = methods.range(prefix.clone()..);
    from.map_while(move |method| method.strip_prefix(&*prefix))
}

/// Returns true if a call may be repeated when its outcome is unknown.
///
/// A GET changes nothing, and a DELETE has the same effect when it is repeated (RFC 9110 §9.2.2). A method of another verb is
/// idempotent if its published policy retries UNAVAILABLE and not UNKNOWN. By AIP-194, a service publishes a policy only for
/// methods that are safe to repeat. A policy with UNKNOWN is an exception: services also publish it for methods that are not
/// safe, such as creates.
fn is_idempotent(selector: &str, http: &[HttpRule], retry: Option<&Retry>) -> bool {
    let verb = http.first().map(|rule| rule.verb.as_str());
    let by_policy = |retry: &Retry| retry.has(UNAVAILABLE) && !retry.has(UNKNOWN);
    IDEMPOTENT.contains(&selector)
        || matches!(verb, Some("GET" | "DELETE"))
        || retry.is_some_and(by_policy)
}

/// The numbers of status codes (`google.rpc.Code`).
const UNKNOWN: u32 = 2;
const UNAVAILABLE: u32 = 14;
