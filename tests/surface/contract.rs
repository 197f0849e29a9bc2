//! The table of methods against its sources: the public discovery document (its facts are in
//! `../fixtures/discovery.json`) and the published service configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use apigateway_grpc::contract::{Body, HttpRule, Method, RetryPolicy};
use apigateway_grpc::prost_types::field_descriptor_proto::Type;
use apigateway_grpc::prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use apigateway_grpc::proto::FILE_DESCRIPTOR_SET;
use prost::Message as _;
use serde_json::Value;
use tonic::Code;

const GATEWAY: &str = "/google.cloud.apigateway.v1.ApiGatewayService/";
const OPERATIONS: &str = "/google.longrunning.Operations/";
const LOCATIONS: &str = "/google.cloud.location.Locations/";
const IAM: &str = "/google.iam.v1.IAMPolicy/";

/// A REST method in a comparable form: `GET v1/projects/*/locations/*`.
type Route = String;

/// The facts that REST callers of a route see.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    path_field: String,
    query: BTreeSet<String>,
    request: Option<String>,
    response: String,
}

/// Returns the routes of the discovery document.
fn published() -> BTreeMap<Route, Facts> {
    let document: Value = serde_json::from_str(include_str!("../fixtures/discovery.json"))
        .expect("the fixture is JSON");
    let methods = document["methods"].as_array().expect("a list");
    let fact = |method: &Value| {
        let text = |key: &str| method[key].as_str().map(str::to_owned);
        let mut flat = text("flatPath").expect("each has one");
        while let Some((start, end)) = flat.find('{').zip(flat.find('}')) {
            flat.replace_range(start..=end, "*");
        }
        let query = method["query"].as_array().expect("a list").iter();
        let facts = Facts {
            path_field: text("pathParameter").expect("each has one"),
            query: query.filter_map(Value::as_str).map(str::to_owned).collect(),
            request: text("request").map(|name| simple(&name).to_owned()),
            response: simple(&text("response").expect("each has one")).to_owned(),
        };
        let verb = text("httpMethod").expect("each has one");
        (format!("{verb} {flat}"), facts)
    };
    methods.iter().map(fact).collect()
}

/// Returns a message's name without the document's prefix or the package.
fn simple(name: &str) -> &str {
    let name = name.rsplit('.').next().unwrap_or(name);
    name.strip_prefix("Apigateway").unwrap_or(name)
}

/// Returns the routes of the table.
fn ours() -> BTreeMap<Route, Facts> {
    let messages = messages();
    let mut routes = BTreeMap::new();
    for method in Method::all() {
        for rule in method.http() {
            let (route, variable) = flat(rule);
            let facts = facts(&messages, method, rule.body(), variable);
            let other = routes.insert(route, facts);
            assert!(
                other.is_none(),
                "{} has the route of another method",
                method.path()
            );
        }
    }
    routes
}

/// Converts `GET /v1/{name=a/*}:b` to `GET v1/a/*:b` with the variable `name`.
fn flat(rule: &HttpRule) -> (Route, &str) {
    let (before, rest) = rule.template().split_once('{').expect("a variable");
    let (variable, after) = rest.split_once('}').expect("its end");
    let (field, pattern) = variable.split_once('=').expect("a pattern");
    assert!(!after.contains('{'), "{}", rule.template());
    let before = before.trim_start_matches('/');
    (format!("{} {before}{pattern}{after}", rule.verb()), field)
}

fn facts(messages: &Messages, method: &Method, body: Body<'_>, variable: &str) -> Facts {
    let input = &messages[method.input()];
    let in_path = variable.split('.').next().unwrap_or(variable);
    let field = |name: &str| {
        let mut fields = input.field.iter();
        fields.find(|field| field.name() == name).expect("a field")
    };
    let (request, in_body) = match body {
        Body::None => (None, None),
        Body::All => (Some(simple(method.input()).to_owned()), None),
        Body::Field(name) => (Some(simple(field(name).type_name()).to_owned()), Some(name)),
    };
    let rest = input.field.iter().filter(|field| {
        body != Body::All && field.name() != in_path && Some(field.name()) != in_body
    });
    Facts {
        path_field: variable.rsplit('.').next().unwrap_or(variable).to_owned(),
        query: rest.flat_map(|field| query(messages, field)).collect(),
        request,
        response: simple(method.output()).to_owned(),
    }
}

/// Returns the query names of a field: its own, or those of the fields in it.
fn query(messages: &Messages, field: &FieldDescriptorProto) -> Vec<String> {
    let name = field.json_name().to_owned();
    let type_name = field.type_name().trim_start_matches('.');
    if field.r#type() != Type::Message || type_name == "google.protobuf.FieldMask" {
        return vec![name];
    }
    let within = messages[type_name].field.iter();
    within
        .map(|inner| format!("{name}.{}", inner.json_name()))
        .collect()
}

type Messages = BTreeMap<String, DescriptorProto>;

fn messages() -> Messages {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("embedded at build time");
    let files = set.file.into_iter().flat_map(|file| {
        let package = file.package().to_owned();
        let named =
            move |message: DescriptorProto| (format!("{package}.{}", message.name()), message);
        file.message_type.into_iter().map(named)
    });
    files.collect()
}

#[test]
fn the_table_has_the_thirty_rest_methods_of_the_discovery_document_and_no_other() {
    let mut published = published();
    assert_eq!(published.len(), 30);
    // The document has a parameter that no published proto has.
    let locations = published
        .get_mut("GET v1/projects/*/locations")
        .expect("it is there");
    assert!(locations.query.remove("extraLocationTypes"));
    let mut ours = ours();
    for (route, facts) in &published {
        assert_eq!(ours.remove(route).as_ref(), Some(facts), "{route}");
    }
    assert!(
        ours.is_empty(),
        "the document does not have {:?}",
        ours.keys()
    );
}

/// Service, method, routing key, policy, result type of the operation, and true if the method is idempotent.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    char,
    Option<&'static str>,
    bool,
);

/// Sorted by path.
#[rustfmt::skip]
const TABLE: [Row; 25] = [
    (GATEWAY, "CreateApi", "parent", 'M', Some("Api"), false),
    (GATEWAY, "CreateApiConfig", "parent", 'M', Some("ApiConfig"), false),
    (GATEWAY, "CreateGateway", "parent", 'M', Some("Gateway"), false),
    (GATEWAY, "DeleteApi", "name", 'M', Some("Empty"), true),
    (GATEWAY, "DeleteApiConfig", "name", 'M', Some("Empty"), true),
    (GATEWAY, "DeleteGateway", "name", 'M', Some("Empty"), true),
    (GATEWAY, "GetApi", "name", 'N', None, true),
    (GATEWAY, "GetApiConfig", "name", 'N', None, true),
    (GATEWAY, "GetGateway", "name", 'N', None, true),
    (GATEWAY, "ListApiConfigs", "parent", 'N', None, true),
    (GATEWAY, "ListApis", "parent", 'N', None, true),
    (GATEWAY, "ListGateways", "parent", 'N', None, true),
    (GATEWAY, "UpdateApi", "api.name", 'M', Some("Api"), false),
    (GATEWAY, "UpdateApiConfig", "api_config.name", 'M', Some("ApiConfig"), false),
    (GATEWAY, "UpdateGateway", "gateway.name", 'M', Some("Gateway"), false),
    (LOCATIONS, "GetLocation", "name", 'N', None, true),
    (LOCATIONS, "ListLocations", "name", 'N', None, true),
    (IAM, "GetIamPolicy", "resource", 'N', None, true),
    (IAM, "SetIamPolicy", "resource", 'N', None, false),
    (IAM, "TestIamPermissions", "resource", 'N', None, true),
    (OPERATIONS, "CancelOperation", "name", 'O', None, true),
    (OPERATIONS, "DeleteOperation", "name", 'O', None, true),
    (OPERATIONS, "GetOperation", "name", 'O', None, true),
    (OPERATIONS, "ListOperations", "name", 'O', None, true),
    (OPERATIONS, "WaitOperation", "name", 'N', None, true),
];

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Returns the timeout and the retry policy of the gRPC service config.
fn policy(letter: char) -> (Option<Duration>, Option<RetryPolicy>) {
    let mutations = RetryPolicy::default()
        .unlimited_attempts()
        .initial_backoff(secs(1))
        .max_backoff(secs(60))
        .multiplier(2.0)
        .codes([Code::Unknown, Code::Unavailable]);
    let operations = RetryPolicy::default()
        .max_attempts(5)
        .initial_backoff(Duration::from_millis(500))
        .max_backoff(secs(10))
        .multiplier(2.0)
        .codes([Code::Unavailable]);
    match letter {
        'M' => (Some(secs(60)), Some(mutations)),
        'O' => (Some(secs(10)), Some(operations)),
        _ => (None, None),
    }
}

#[test]
fn the_method_table_is_sorted_and_searchable_by_path() {
    let paths: Vec<_> = Method::all().iter().map(|method| method.path()).collect();
    let table = TABLE.map(|(service, name, ..)| format!("{service}{name}"));
    assert_eq!(paths, table);
    assert!(paths.is_sorted());
    for method in Method::all() {
        assert_eq!(Method::find(method.path()), Some(method));
        assert_eq!(
            method.path(),
            format!("/{}/{}", method.service(), method.name())
        );
    }
    for path in [
        "",
        "/",
        "/google.longrunning.Operations/Get",
        "GetOperation",
    ] {
        assert_eq!(Method::find(path), None);
    }
}

#[test]
fn each_method_has_the_timeouts_retries_and_operation_types_of_the_contract() {
    for (method, (_, name, _, letter, result, idempotent)) in Method::all().iter().zip(TABLE) {
        let (timeout, retry) = policy(letter);
        assert_eq!(
            (method.timeout(), method.retry()),
            (timeout, retry),
            "{name}"
        );
        assert_eq!(method.is_idempotent(), idempotent, "{name}");
        let server = if name == "GetOperation" { 5 } else { 60 };
        assert_eq!(method.server_deadline(), Some(secs(server)), "{name}");
        let operation = method
            .operation()
            .map(|types| (simple(types.result()), types.metadata()));
        let metadata = "google.cloud.apigateway.v1.OperationMetadata";
        assert_eq!(operation, result.map(|result| (result, metadata)), "{name}");
        let is_operation = method.output() == "google.longrunning.Operation";
        let of_gateway = method.path().starts_with(GATEWAY);
        assert_eq!(is_operation && of_gateway, result.is_some(), "{name}");
    }
}

#[test]
fn each_routing_key_is_the_variable_of_the_http_rules_and_the_path_of_a_string_field() {
    let messages = messages();
    for (method, (_, name, key, ..)) in Method::all().iter().zip(TABLE) {
        let keys: Vec<_> = method.routing().iter().map(|key| key.name()).collect();
        assert_eq!(keys, [key], "{name}");
        for rule in method.http() {
            assert_eq!(flat(rule).1, key, "{name}");
        }
        assert_eq!(method.http().is_empty(), name == "WaitOperation", "{name}");
        let mut message = &messages[method.input()];
        let mut kind = Type::Message;
        let steps = method.routing()[0].field();
        assert_eq!(steps.len(), key.split('.').count(), "{name}");
        for (number, part) in steps.iter().zip(key.split('.')) {
            let mut fields = message.field.iter();
            let field = fields.find(|field| field.name() == part).expect(part);
            assert_eq!(
                field.number(),
                i32::try_from(*number).expect("small"),
                "{name}"
            );
            kind = field.r#type();
            if kind == Type::Message {
                message = &messages[field.type_name().trim_start_matches('.')];
            }
        }
        assert_eq!(kind, Type::String, "{name}");
    }
}
