//! Contracts that are loaded at run time: their routing headers, their settings, and the errors of invalid sources.

use std::time::Duration;

use apigateway_grpc::Error;
use apigateway_grpc::contract::{Contract, ContractBuilder, InvalidContract, Unsupported};
use prost::Message as _;
use prost_types::{
    DescriptorProto, FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto,
};
use tonic::Code;
use tower::ServiceExt as _;

use crate::tables::{
    SERVICE, TableRequest, call, client, compressed, descriptor_set, message, response, routing,
    trailers,
};

fn contract() -> Contract {
    let contract = Contract::builder(&descriptor_set()).build();
    contract.expect("valid sources")
}

/// Returns the routing header that the server receives for a call.
async fn routing_of(method: &str, table_name: &str, app_profile_id: &str) -> Option<String> {
    let (client, log) = client(contract(), |_| {
        Ok(response(
            vec![Ok(message("a")), Ok(trailers(Code::Ok))],
            false,
        ))
    });
    let request = TableRequest {
        table_name: table_name.into(),
        app_profile_id: app_profile_id.into(),
        row: 7,
    };
    let row = call(&client, method, request).await.expect("an answer");
    assert_eq!(row.text, "a");
    routing(&log).map(|header| header.replace("%2F", "/"))
}

#[tokio::test]
async fn the_examples_of_routing_proto_have_the_headers_that_it_shows() {
    const TABLE: &str = "projects/proj_foo/instances/instance_bar/table/table_baz";
    let cases = [
        ("Example1", Some("app_profile_id=profiles/prof_qux")),
        ("Example2", Some("routing_id=profiles/prof_qux")),
        (
            "Example3A",
            Some("table_name=projects/proj_foo/instances/instance_bar/table/table_baz"),
        ),
        ("Example3B", None),
        (
            "Example3C",
            Some("table_name=projects/proj_foo/instances/instance_bar/table/table_baz"),
        ),
        ("Example4", Some("routing_id=projects/proj_foo")),
        (
            "Example5",
            Some("routing_id=projects/proj_foo/instances/instance_bar"),
        ),
        (
            "Example6A",
            Some("project_id=projects/proj_foo&instance_id=instances/instance_bar"),
        ),
        (
            "Example6B",
            Some("project_id=projects/proj_foo&instance_id=instances/instance_bar"),
        ),
        (
            "Example7",
            Some("project_id=projects/proj_foo&routing_id=profiles/prof_qux"),
        ),
        ("Example8", Some("routing_id=profiles/prof_qux")),
    ];
    for (method, expected) in cases {
        let header = routing_of(method, TABLE, "profiles/prof_qux").await;
        assert_eq!(header.as_deref(), expected, "{method}");
    }
    // The templates of `Example9` have `tables`, but the example request in routing.proto has `table`. So this call has a name
    // with `tables`.
    let table = TABLE.replace("table/", "tables/");
    let header = routing_of("Example9", &table, "profiles/prof_qux").await;
    assert_eq!(
        header.as_deref(),
        Some("table_location=instances/instance_bar&routing_id=prof_qux")
    );
}

#[tokio::test]
async fn a_routing_parameter_that_does_not_match_or_is_empty_is_not_sent() {
    let cases = [
        ("Example6A", "projects/p", "", None),
        ("Example6B", "projects/p", "", Some("project_id=projects/p")),
        ("Example7", "regions/r", "q", Some("routing_id=q")),
        ("Example8", "regions/r/x", "", Some("routing_id=regions/r")),
        ("Example9", "projects/p", "", Some("routing_id=projects/p")),
        ("Example9", "projects/p", "q", Some("routing_id=q")),
        ("Example1", "projects/p", "", None),
    ];
    for (method, table, profile, expected) in cases {
        let header = routing_of(method, table, profile).await;
        assert_eq!(header.as_deref(), expected, "{method} {table} {profile}");
    }
}

#[tokio::test]
async fn without_a_routing_annotation_the_variables_of_the_first_http_rule_are_sent() {
    let table = "projects/p/tables/t";
    let header = routing_of("GetTable", table, "profiles/q").await;
    assert_eq!(header.as_deref(), Some("table_name=projects/p/tables/t"));
    let header = routing_of("GetRow", table, "").await;
    assert_eq!(header.as_deref(), Some("table_name=projects/p/tables/t"));
    // An annotation without a parameter replaces the HTTP rule.
    assert_eq!(routing_of("Unrouted", table, "").await, None);
}

#[tokio::test]
async fn a_request_in_gzip_has_a_routing_header() {
    for (encoding, expected) in [
        ("gzip", Some("table_name=projects/p/tables/t")),
        ("zstd", None),
    ] {
        let (client, log) = client(contract(), |_| {
            let frames = vec![Ok(message("a")), Ok(trailers(Code::Ok))];
            Ok(response(frames, false))
        });
        let request = TableRequest {
            table_name: "projects/p/tables/t".into(),
            ..TableRequest::default()
        };
        let request = compressed(&format!("/{SERVICE}/GetTable"), encoding, &request);
        client.stack().oneshot(request).await.expect("an answer");
        let header = routing(&log).map(|header| header.replace("%2F", "/"));
        assert_eq!(header.as_deref(), expected, "{encoding}");
        let log = log.lock().expect("not poisoned");
        let sent = &log[0].headers["grpc-encoding"];
        assert_eq!(sent, encoding, "the request is sent unchanged");
    }
}

#[test]
fn the_settings_of_a_method_override_those_of_its_service_and_the_default() {
    let set = descriptor_set();
    let contract = Contract::builder(&set)
        .service_config(
            "
type: google.api.Service
name: other.googleapis.com
http:
  rules:
  - selector: tables.v1.Tables.GetTable
    post: /v2/{app_profile_id=profiles/*}:get
    body: '*'
    additional_bindings:
    - put: /v2/{table_name=tables/*}
backend:
  rules:
  - selector: '*'
    deadline: 90
  - selector: tables.v1.Tables.*
    deadline: 4.5
  - selector: tables.v1.Tables.GetRow
    deadline: 2
",
        )
        .grpc_service_config(
            r#"{"methodConfig": [
                {"name": [{}], "timeout": "9s"},
                {"name": [{"service": "tables.v1.Tables"}], "timeout": "1.5s",
                 "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "60s",
                                 "backoffMultiplier": 1.3, "retryableStatusCodes": ["UNAVAILABLE", "UNKNOWN"]}},
                {"name": [{"service": "tables.v1.Tables", "method": "ReadRows"}],
                 "retryPolicy": {"initialBackoff": "1s", "maxBackoff": "2s",
                                 "backoffMultiplier": 2, "retryableStatusCodes": [14]}}
            ]}"#,
        )
        .build()
        .expect("valid sources");
    assert_eq!(contract.default_host(), Some("other.googleapis.com"));
    assert_eq!(contract.services().collect::<Vec<_>>(), [SERVICE]);
    let find = |method: &str| {
        contract
            .find(&format!("/{SERVICE}/{method}"))
            .expect(method)
    };
    let get = find("GetTable");
    let rules: Vec<_> = get
        .http()
        .iter()
        .map(|rule| (rule.verb(), rule.template()))
        .collect();
    assert_eq!(
        rules,
        [
            ("POST", "/v2/{app_profile_id=profiles/*}:get"),
            ("PUT", "/v2/{table_name=tables/*}")
        ]
    );
    assert_eq!(get.timeout(), Some(Duration::from_millis(1500)));
    assert_eq!(get.server_deadline(), Some(Duration::from_millis(4500)));
    let retry = get.retry().expect("a policy");
    assert_eq!((retry.max_attempts, retry.multiplier), (Some(4), 1.3));
    // A POST of this service is idempotent only if its policy retries UNAVAILABLE but not UNKNOWN. This policy retries both.
    assert!(!get.is_idempotent());
    assert!(find("GetRow").is_idempotent(), "a GET");
    assert_eq!(
        find("GetRow").server_deadline(),
        Some(Duration::from_secs(2))
    );
    let read = find("ReadRows");
    assert!(read.is_server_streaming() && !read.is_client_streaming());
    assert_eq!(read.timeout(), None, "the config of the method has none");
    assert!(
        read.retry()
            .is_some_and(|retry| retry.codes.contains(Code::Unavailable))
    );
}

#[test]
fn unsupported_parts_of_the_sources_are_listed_with_the_reason() {
    let set = descriptor_set();
    let contract = Contract::builder(&set)
        .service_config(
            "
http: {rules: [{selector: tables.v1.Tables.Gone, get: /v1/gone}]}
backend:
  rules:
  - {selector: '*', deadline: 1}
  - {selector: 'tables.v1.*', deadline: 1}
  - {selector: 'tables.v1.Tables.*', deadline: 1}
  - {selector: tables.v1.Tables.GetRow, deadline: 1}
  - {selector: 'tables.v1.Table.*', deadline: 1}
  - {selector: tables.v1.Tables.Late, deadline: 1}
  - {selector: 'tables.v1.Unread.*'}
",
        )
        .grpc_service_config(
            r#"{"methodConfig": [
                {"name": [{"service": "tables.v1.Tables", "method": "Lost"}], "timeout": "1s"},
                {"name": [{"service": "tables.v1"}, {"service": "tables.v1.Tables"}], "timeout": "2s"}
            ]}"#,
        )
        .build()
        .expect("valid sources");
    let unsupported: Vec<String> = contract
        .unsupported()
        .iter()
        .map(Unsupported::to_string)
        .collect();
    assert_eq!(
        unsupported,
        [
            "tables.v1.Tables.GetRow: routing header: `row` is not a string",
            "tables.v1.Tables.WriteRows: the requests are a stream: no routing header, no retries, no REST",
            "tables.v1.Tables.ExchangeRows: the requests are a stream: no routing header, no retries, no REST",
            "tables.v1.Tables.Gone: a configuration selects this method, which the descriptor set lacks",
            "tables.v1.Tables.Lost: a configuration selects this method, which the descriptor set lacks",
            "tables.v1: a configuration selects this service, which the descriptor set lacks",
            "tables.v1.Table.*: a configuration selects these methods, which the descriptor set lacks",
            "tables.v1.Tables.Late: a configuration selects this method, which the descriptor set lacks",
        ]
    );
}

/// The text of the error for these configurations.
fn refused(service_config: Option<&str>, grpc_config: Option<&str>) -> String {
    let set = descriptor_set();
    let mut builder = Contract::builder(&set);
    if let Some(config) = service_config {
        builder = builder.service_config(config);
    }
    if let Some(config) = grpc_config {
        builder = builder.grpc_service_config(config);
    }
    let error: InvalidContract = builder.build().expect_err("invalid");
    let text = error.to_string();
    let error = Error::from(error);
    assert!(error.is_invalid_setting());
    assert_eq!(error.to_string(), text);
    text
}

#[test]
fn an_invalid_service_configuration_is_one_error_that_names_the_place() {
    let cases = [
        ("{", "invalid service configuration: not JSON: "),
        ("a: [", "invalid service configuration: not YAML: "),
        (
            "- a",
            "invalid service configuration [\"a\"]: must be an object",
        ),
        (
            "htp: {}",
            "unknown field `htp` of service configuration: known are name, http, ",
        ),
        (
            "http: 1",
            "invalid service configuration.http 1: must be an object",
        ),
        (
            "http: {rules: {}}",
            "invalid service configuration.http.rules {}: must be a list",
        ),
        (
            "http: {rules: [{get: /v1/a}]}",
            "invalid service configuration.http.rules[0]: it has no `selector`",
        ),
        (
            "http: {rules: [{selector: a.B.C}]}",
            "invalid service configuration.http.rules[0]: it has no HTTP method",
        ),
        (
            "http: {rules: [{selector: a.B.C, gett: /v1/a, get: /v1/b}]}",
            "unknown field `gett` of service configuration.http.rules[0]",
        ),
        (
            "http: {rules: [{selector: a.B.C, get: /v1/a, post: /v1/b}]}",
            "invalid service configuration.http.rules[0]: it has two HTTP methods, GET and POST",
        ),
        (
            "http: {rules: [{selector: a.B.C, get: /a, additional_bindings: [{put: /b, custom: {kind: HEAD, path: /c}}]}]}",
            "invalid service configuration.http.rules[0].additionalBindings[0]: it has two HTTP methods, PUT and HEAD",
        ),
        (
            "backend: {rules: [{selector: '*', deadline: -1}]}",
            "invalid service configuration.backend.rules[0].deadline -1: must be a number of seconds",
        ),
        (
            "backend: {rules: [{selector: 'a.B*', deadline: 1}]}",
            "invalid service configuration.backend.rules[0].selector `a.B*`: must be the name of a method",
        ),
        (
            "backend: {rules: [{deadline: 1}]}",
            "invalid service configuration.backend.rules[0].selector ``: must be the name of a method",
        ),
        (
            "producer_project_id: a\nproducerProjectId: b",
            "duplicate field of service configuration: `producerProjectId` and `producer_project_id` are the same field",
        ),
    ];
    for (config, expected) in cases {
        let error = refused(Some(config), None);
        assert!(error.starts_with(expected), "{config}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn an_invalid_grpc_service_config_is_one_error_that_names_the_place() {
    let policy = |change: (&str, &str)| {
        let policy = r#"{"maxAttempts": 5, "initialBackoff": "1s", "maxBackoff": "2s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}"#;
        let policy = policy.replace(change.0, change.1);
        format!(r#"{{"methodConfig": [{{"name": [{{}}], "retryPolicy": {policy}}}]}}"#)
    };
    let cases = [
        (
            "nothing".to_owned(),
            "invalid gRPC service config: not JSON: ",
        ),
        (
            "[]".to_owned(),
            "invalid gRPC service config []: must be an object",
        ),
        (
            r#"{"methodconfig": []}"#.to_owned(),
            "unknown field `methodconfig` of gRPC service config: known are methodConfig, ",
        ),
        (
            r#"{"methodConfig": [{"timeout": "5"}]}"#.to_owned(),
            "invalid gRPC service config.methodConfig[0].timeout \"5\": must be seconds with the suffix `s`",
        ),
        (
            r#"{"methodConfig": [{"timeout": "-5s"}]}"#.to_owned(),
            "invalid gRPC service config.methodConfig[0].timeout \"-5s\": ",
        ),
        (
            r#"{"methodConfig": [{"name": [{"method": "M"}]}]}"#.to_owned(),
            "invalid gRPC service config.methodConfig[0].name[0]: the method `M` has no `service`",
        ),
        (
            r#"{"methodConfig": [{"name": [{}]}, {"timeout": "5s", "name": [{}]}]}"#.to_owned(),
            "duplicate name gRPC service config.methodConfig[1].name[0] {}: ",
        ),
        (
            policy(("5", "1")),
            "invalid gRPC service config.methodConfig[0].retryPolicy.maxAttempts 1: must be an integer above 1",
        ),
        (
            policy(("initialBackoff", "initialBackof")),
            "missing gRPC service config.methodConfig[0].retryPolicy.initialBackoff",
        ),
        (
            policy(("1s", "0s")),
            "invalid gRPC service config.methodConfig[0].retryPolicy.initialBackoff \"0s\": must be above zero",
        ),
        (
            policy(("2s", "0.0s")),
            "invalid gRPC service config.methodConfig[0].retryPolicy.maxBackoff \"0s\": must be above zero",
        ),
        (
            r#"{"methodConfig": [], "method_config": []}"#.to_owned(),
            "duplicate field of gRPC service config: `methodConfig` and `method_config` are the same field",
        ),
        (
            policy((": 2,", ": 0,")),
            "invalid gRPC service config.methodConfig[0].retryPolicy.backoffMultiplier 0: must be a number above zero",
        ),
        (
            policy(("UNAVAILABLE", "GONE")),
            "invalid gRPC service config.methodConfig[0].retryPolicy.retryableStatusCodes[0] \"GONE\": ",
        ),
    ];
    for (config, expected) in cases {
        let error = refused(None, Some(&config));
        assert!(error.starts_with(expected), "{config}: {error}");
    }
}

#[test]
fn the_last_backend_rule_that_selects_a_method_applies() {
    let deadline = |rules: [(&str, u64); 3]| {
        let rules = rules.map(|(selector, seconds)| {
            format!(r#"{{"selector": "{selector}", "deadline": {seconds}}}"#)
        });
        let config = format!(r#"{{"backend": {{"rules": [{}]}}}}"#, rules.join(", "));
        let set = descriptor_set();
        let contract = Contract::builder(&set).service_config(&config).build();
        let contract = contract.expect("valid sources");
        let method = contract.find(&format!("/{SERVICE}/GetRow"));
        method.expect("in the set").server_deadline()
    };
    let rules = [
        ("*", 1),
        ("tables.*", 2),
        ("tables.v1.Tables.GetRow", 3),
        ("tables.v1.Tables.Get", 4),
        ("tables.v2.*", 5),
    ];
    let [all, package, method, other, elsewhere] = rules;
    let cases = [
        ([all, package, method], Some(3)),
        ([method, package, all], Some(1)),
        ([all, method, package], Some(2)),
        ([package, other, elsewhere], Some(2)),
        ([other, elsewhere, other], None),
    ];
    for (rules, expected) in cases {
        assert_eq!(
            deadline(rules),
            expected.map(Duration::from_secs),
            "{rules:?}"
        );
    }
}

/// A full name repeats the names of its package and of the enclosing messages. So the full names of a crafted set of 200 kB would
/// take gigabytes.
#[test]
fn the_full_names_of_a_descriptor_set_are_limited() {
    let error = |package: usize, messages: usize| {
        let message = |number| DescriptorProto {
            name: Some(format!("M{number}")),
            ..DescriptorProto::default()
        };
        let service = ServiceDescriptorProto {
            name: Some("S".to_owned()),
            ..ServiceDescriptorProto::default()
        };
        let file = FileDescriptorProto {
            package: Some("p".repeat(package)),
            message_type: (0..messages).map(message).collect(),
            service: vec![service],
            ..FileDescriptorProto::default()
        };
        let set = FileDescriptorSet { file: vec![file] }.encode_to_vec();
        let built = Contract::builder(&set).build();
        built.map_or_else(|error| error.to_string(), |_| "valid".to_owned())
    };
    assert_eq!(error(900, 1_000), "valid");
    assert_eq!(
        error(900, 20_000),
        "invalid descriptor set: its full names have more than 16777216 bytes in total"
    );
    assert_eq!(error(998, 0), "valid");
    assert_eq!(
        error(999, 0),
        "invalid descriptor set: the full name of `S` has 1001 bytes, at most 1000 are supported"
    );
}

#[test]
fn long_texts_of_the_sources_are_cut_in_errors() {
    let long = "x".repeat(100_000);
    let set = descriptor_set();
    let missing = Contract::builder(&set).service(&long).build();
    let errors = [
        missing.expect_err("no such service").to_string(),
        refused(Some(&format!("{{\"{long}\": 1}}")), None),
        refused(None, Some(&format!(r#"{{"methodConfig": "{long}"}}"#))),
        refused(
            None,
            Some(&format!(
                r#"{{"methodConfig": [{{"name": [{{"method": "{long}"}}]}}]}}"#
            )),
        ),
    ];
    for error in errors {
        assert!(error.len() < 1_000 && error.contains("xx…"), "{error}");
    }
}

/// Published configs of Google have a policy without a code, or the same name twice.
#[test]
fn a_policy_without_a_code_and_a_repeated_name_are_accepted() {
    let method = r#"{"service": "tables.v1.Tables", "method": "GetRow"}"#;
    let policy = r#"{"initialBackoff": "1s", "maxBackoff": "2s", "backoffMultiplier": 2}"#;
    let config = format!(
        r#"{{"methodConfig": [{{"name": [{method}, {method}], "timeout": "5s", "retryPolicy": {policy}}}]}}"#
    );
    let set = descriptor_set();
    let contract = Contract::builder(&set).grpc_service_config(&config).build();
    let contract = contract.expect("valid sources");
    let method = contract.find(&format!("/{SERVICE}/GetRow"));
    let method = method.expect("in the set");
    assert_eq!(method.timeout(), Some(Duration::from_secs(5)));
    let retry = method.retry().expect("a policy");
    assert_eq!(retry.codes.iter().count(), 0);
}

#[test]
fn a_selection_of_services_includes_the_operations() {
    let contract = Contract::builder(apigateway_grpc::proto::FILE_DESCRIPTOR_SET)
        .service("google.cloud.location.Locations")
        .build()
        .expect("valid sources");
    let services: Vec<_> = contract.services().collect();
    let expected = [
        "google.cloud.location.Locations",
        "google.longrunning.Operations",
    ];
    assert_eq!(services, expected);
}

/// Returns a set of these services in packages of their own, each with its default host.
fn set_of_services(services: &[(&str, &str)]) -> Vec<u8> {
    let file = |(name, host): &(&str, &str)| {
        let (package, service) = name.rsplit_once('.').expect("a package");
        let host = [
            &[0xca, 0x41, u8::try_from(host.len()).expect("short")],
            host.as_bytes(),
        ];
        let host = if host[1].is_empty() {
            Vec::new()
        } else {
            host.concat()
        };
        let nested = |tag: u8, text: &[u8]| {
            [&[tag, u8::try_from(text.len()).expect("short")], text].concat()
        };
        let service = [nested(0x0a, service.as_bytes()), nested(0x1a, &host)].concat();
        nested(
            0x0a,
            &[nested(0x12, package.as_bytes()), nested(0x32, &service)].concat(),
        )
    };
    services.iter().flat_map(file).collect()
}

#[test]
fn the_default_host_is_that_of_the_main_service_and_not_of_a_mixin() {
    const OPERATIONS: (&str, &str) = ("google.longrunning.Operations", "lro.example.com");
    const LOCATIONS: (&str, &str) = ("google.cloud.location.Locations", "locations.example.com");
    const POLICY: (&str, &str) = ("google.iam.v1.IAMPolicy", "iam.example.com");
    const OWN: (&str, &str) = ("own.v1.Own", "own.example.com");
    const HOSTLESS: (&str, &str) = ("own.v1.Hostless", "");
    let cases: [(&[_], _, _); 6] = [
        (&[OPERATIONS, LOCATIONS, POLICY, OWN], None, Some(OWN.1)),
        (&[OPERATIONS, OWN], Some(OWN.0), Some(OWN.1)),
        (&[OPERATIONS, OWN], Some(OPERATIONS.0), Some(OPERATIONS.1)),
        (&[OPERATIONS, HOSTLESS, OWN], None, Some(OWN.1)),
        (&[OPERATIONS, HOSTLESS], None, None),
        (&[POLICY, OPERATIONS], None, Some(POLICY.1)),
    ];
    for (services, selected, expected) in cases {
        let set = set_of_services(services);
        let builder = Contract::builder(&set);
        let builder = selected.into_iter().fold(builder, ContractBuilder::service);
        let contract = builder.build().expect("a valid set");
        assert_eq!(
            contract.default_host(),
            expected,
            "{services:?} {selected:?}"
        );
    }
    // In the embedded set, the files that API Gateway imports precede its own files.
    let embedded = Contract::builder(apigateway_grpc::proto::FILE_DESCRIPTOR_SET).build();
    let embedded = embedded.expect("the sources of the build");
    assert_eq!(embedded.default_host(), Some("apigateway.googleapis.com"));
}

#[test]
fn an_empty_name_of_a_service_configuration_counts_as_unset() {
    let set = descriptor_set();
    let builder = Contract::builder(&set).service_config("name: ''");
    let host = |builder: ContractBuilder<'_>| {
        let contract = builder.build().expect("valid sources");
        contract.default_host().map(str::to_owned)
    };
    assert_eq!(
        host(builder.clone()).as_deref(),
        Some("tables.googleapis.com")
    );
    let builder = builder.service_config("name: first.test");
    let builder = builder.service_config(r#"{"name": ""}"#);
    assert_eq!(host(builder).as_deref(), Some("first.test"));
}

#[test]
fn an_invalid_descriptor_set_or_service_is_one_error() {
    let error = |set: &[u8]| {
        Contract::builder(set)
            .build()
            .expect_err("invalid")
            .to_string()
    };
    assert!(error(b"no set").starts_with("invalid descriptor set: "));
    assert_eq!(error(b""), "invalid descriptor set: it has no service");
    let set = descriptor_set();
    let truncated = error(&set[..set.len() - 3]);
    assert!(
        truncated.starts_with("invalid descriptor set: "),
        "{truncated}"
    );
    let missing = Contract::builder(&set).service("tables.v1.Table").build();
    assert_eq!(
        missing.expect_err("invalid").to_string(),
        "the descriptor set has no service `tables.v1.Table`: it has tables.v1.Tables"
    );
    let mut compiler = protox::Compiler::new(["proto"]).expect("a folder");
    compiler.include_imports(false);
    compiler
        .open_file("google/cloud/apigateway/v1/apigateway_service.proto")
        .expect("a file");
    let alone = error(&compiler.encode_file_descriptor_set());
    assert!(
        alone.ends_with("ApiGatewayService.ListGateways: it must include its imports"),
        "{alone}"
    );
}
