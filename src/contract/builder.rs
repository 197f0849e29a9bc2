//! Loads a contract at run time.

use std::fmt;

use serde_json::Value as Json;
use tonic::Code;

use super::loaded::{Contract, Loaded, Unsupported};
use super::reader::{self, ContractData, Sources};
use super::routing::{RoutingPattern, Segment};
use super::{CodeSet, HttpRule, Method, OperationTypes, RetryPolicy, RoutingKey};

/// Builds a [`Contract`] from the definitions that a service publishes. [`Contract::builder`] returns one.
///
/// # Rules
///
/// - **HTTP rules** are the `google.api.http` annotations. A rule of a service configuration replaces all annotations of its
///   method.
/// - **The routing header** has the parameters of `google.api.routing`, or else the variables of the method's first HTTP rule
///   (AIP-4222).
/// - **Timeouts and retry policies** are those of the gRPC service config. The config of a method has precedence over that of
///   its service, which has precedence over a config for all methods. Without a timeout, the deadline of the service
///   configuration's `backend` rules applies; without this deadline, the timeout of a unary call is 60 seconds, and a stream
///   has none.
/// - **A method is idempotent** if its first HTTP rule is a GET or a DELETE, or if its published policy retries UNAVAILABLE and
///   not UNKNOWN. By AIP-194, a service publishes a policy only for methods that are safe to repeat. A policy with UNKNOWN is
///   an exception: services also publish it for methods that are not safe, such as creates. CancelOperation and WaitOperation
///   of `google.longrunning.Operations`, and GetIamPolicy and TestIamPermissions of `google.iam.v1.IAMPolicy`, are always
///   idempotent. [`CallOptions::idempotent`](crate::CallOptions::idempotent) overrides the rule.
/// - **The types of an operation** are those of `google.longrunning.operation_info`.
///
/// ```
/// use apigateway_grpc::contract::Contract;
/// use apigateway_grpc::proto;
///
/// let contract = Contract::builder(proto::FILE_DESCRIPTOR_SET)
///     .service_config("
/// type: google.api.Service
/// name: apigateway.example.com
/// backend:
///   rules:
///   - selector: 'google.longrunning.Operations.*'
///     deadline: 5.0
/// ")
///     .service("google.longrunning.Operations")
///     .build()?;
/// assert_eq!(contract.default_host(), Some("apigateway.example.com"));
/// let get = contract.find("/google.longrunning.Operations/GetOperation").expect("in the set");
/// assert_eq!(get.server_deadline().map(|deadline| deadline.as_secs()), Some(5));
/// # Ok::<(), apigateway_grpc::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is read before `build`"]
pub struct ContractBuilder<'a> {
    descriptor_set: &'a [u8],
    service_configs: Vec<&'a str>,
    grpc_configs: Vec<&'a str>,
    services: Vec<&'a str>,
}

impl Contract {
    /// Returns a builder for the contract of an encoded `google.protobuf.FileDescriptorSet`.
    ///
    /// The set must include its imports, and the custom options such as `google.api.http`. `protoc --include_imports
    /// --descriptor_set_out` and `protox::Compiler::encode_file_descriptor_set` write such a set. A set that was decoded and
    /// encoded with the types of prost lacks the custom options.
    pub fn builder(descriptor_set: &[u8]) -> ContractBuilder<'_> {
        ContractBuilder::new(descriptor_set)
    }
}

impl<'a> ContractBuilder<'a> {
    pub(super) fn new(descriptor_set: &'a [u8]) -> Self {
        Self {
            descriptor_set,
            service_configs: Vec::new(),
            grpc_configs: Vec::new(),
            services: Vec::new(),
        }
    }

    /// Adds a service configuration (`google.api.Service`), in YAML or JSON. Its `name`, its `http` rules and the deadlines of
    /// its `backend` rules are read. If several rules select a method, the last is used.
    pub fn service_config(mut self, text: &'a str) -> Self {
        self.service_configs.push(text);
        self
    }

    /// Adds a gRPC service config, in JSON. Its timeouts and its retry policies are read.
    pub fn grpc_service_config(mut self, json: &'a str) -> Self {
        self.grpc_configs.push(json);
        self
    }

    /// Adds a service, by its full name. The default is all services of the descriptor set. `google.longrunning.Operations` is
    /// always read if the set has it.
    pub fn service(mut self, full_name: &'a str) -> Self {
        self.services.push(full_name);
        self
    }

    /// Reads the contract. A part that cannot be served is not an error: see [`Contract::unsupported`].
    ///
    /// # Errors
    ///
    /// Returns an error in each of these cases:
    /// - The bytes are not a valid descriptor set.
    /// - The set has no service, lacks a service that was added, or lacks the request message of a method.
    /// - A configuration is malformed, or has a field that its message does not have.
    ///
    /// The error converts into an [`Error`](crate::Error), as an invalid setting.
    pub fn build(self) -> Result<Contract, InvalidContract> {
        self.read().map_err(InvalidContract)
    }

    fn read(self) -> Result<Contract, String> {
        let service_configs = self.service_configs.iter().map(|text| parse_config(text));
        let service_configs = service_configs.collect::<Result<Vec<_>, _>>()?;
        let grpc_configs = self.grpc_configs.iter().map(|text| {
            serde_json::from_str(text)
                .map_err(|error| format!("invalid gRPC service config: not JSON: {error}"))
        });
        let sources = Sources {
            descriptor_set: self.descriptor_set,
            grpc_configs: grpc_configs.collect::<Result<Vec<_>, _>>()?,
            service_configs,
            services: self.services,
        };
        let ContractData {
            methods,
            default_host,
            unsupported,
        } = reader::read(&sources)?;
        let unsupported: Vec<_> = unsupported.into_iter().map(Unsupported).collect();
        for part in &unsupported {
            tracing::debug!("{part}");
        }
        Ok(Contract::of_loaded(Loaded {
            methods: methods.into_iter().map(method).collect::<Vec<_>>().into(),
            default_host,
            unsupported,
            #[cfg(feature = "rest")]
            descriptor_set: self.descriptor_set.into(),
            #[cfg(feature = "rest")]
            http_configs: sources
                .service_configs
                .iter()
                .filter_map(http_config)
                .collect(),
        }))
    }
}

/// Parses a service configuration. A text that begins with a brace is JSON.
fn parse_config(text: &str) -> Result<Json, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text)
            .map_err(|error| format!("invalid service configuration: not JSON: {error}"));
    }
    serde_saphyr::from_str(text).map_err(|error| {
        let error = error.to_string();
        let first = error.lines().next().unwrap_or_default();
        format!("invalid service configuration: not YAML: {first}")
    })
}

/// Returns the `http` section of a service configuration, as a configuration of its own in JSON.
#[cfg(feature = "rest")]
fn http_config(config: &Json) -> Option<String> {
    let http = config.get("http")?;
    Some(serde_json::json!({ "http": http }).to_string())
}

fn method(read: reader::Method) -> Method {
    Method {
        path: read.path.into(),
        service: read.service.into(),
        name: read.name.into(),
        input: read.input.into(),
        output: read.output.into(),
        client_streaming: read.client_streaming,
        server_streaming: read.server_streaming,
        http: read.http.into_iter().map(http_rule).collect(),
        routing: read.routing.into_iter().map(routing_key).collect(),
        timeout: read.timeout,
        server_deadline: read.server_deadline,
        retry: read.retry.as_ref().map(retry_policy),
        operation: read.operation.map(|(result, metadata)| OperationTypes {
            result: result.into(),
            metadata: metadata.into(),
        }),
        idempotent: read.idempotent,
    }
}

fn http_rule(read: reader::HttpRule) -> HttpRule {
    HttpRule {
        verb: read.verb.into(),
        template: read.template.into(),
        body: read.body.into(),
    }
}

fn routing_key(read: reader::RoutingKey) -> RoutingKey {
    let segments = |segments: Vec<reader::Segment>| {
        let segment = |segment| match segment {
            reader::Segment::Literal(text) => Segment::Literal(text.into()),
            reader::Segment::One => Segment::One,
            reader::Segment::Many => Segment::Many,
        };
        segments.into_iter().map(segment).collect()
    };
    RoutingKey {
        name: read.name.into(),
        field: read.field.into(),
        pattern: read.pattern.map(|pattern| RoutingPattern {
            before: segments(pattern.before),
            named: segments(pattern.named),
            after: segments(pattern.after),
        }),
    }
}

fn retry_policy(read: &reader::Retry) -> RetryPolicy {
    let codes = read
        .codes
        .iter()
        .filter_map(|code| i32::try_from(*code).ok());
    RetryPolicy {
        max_attempts: read.max_attempts,
        initial_backoff: read.initial_backoff,
        max_backoff: read.max_backoff,
        multiplier: read.multiplier,
        codes: codes.map(Code::from_i32).collect::<CodeSet>(),
    }
}

/// The error of [`ContractBuilder::build`]: a source is invalid. It converts into an [`Error`](crate::Error), as an invalid
/// setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidContract(String);

impl fmt::Display for InvalidContract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidContract {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::METHODS;
    use crate::proto;

    const GRPC_CONFIG: &str = include_str!("../../proto/apigateway_grpc_service_config.json");

    #[test]
    fn a_contract_that_is_loaded_equals_the_table_of_the_build() {
        let services = [
            "google.cloud.apigateway.v1.ApiGatewayService",
            "google.longrunning.Operations",
            "google.cloud.location.Locations",
            "google.iam.v1.IAMPolicy",
        ];
        let builder = Contract::builder(proto::FILE_DESCRIPTOR_SET)
            .service_config(include_str!("../../proto/apigateway_v1.json"))
            .grpc_service_config(GRPC_CONFIG);
        let builder = services.into_iter().fold(builder, ContractBuilder::service);
        let contract = builder.build().expect("the sources of the build");
        assert_eq!(contract.methods(), &METHODS);
        assert_eq!(contract.unsupported(), []);
        let built_in = Contract::api_gateway();
        assert_eq!(contract.default_host(), built_in.default_host());
        let services =
            |contract: &Contract| contract.services().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(services(&contract), services(&built_in));
    }
}
