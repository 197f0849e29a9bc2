//! The headers of every call: routing, client, user agent and quota project.

use crate::common::{NAME, done, mock_client, ok};
use apigateway_grpc::proto::google::cloud::apigateway::v1::{
    Api, CreateApiRequest, Gateway, UpdateGatewayRequest,
};
use apigateway_grpc::proto::google::longrunning::{GetOperationRequest, Operation};
use apigateway_grpc::{ApiGateway, Builder, CallOptions};
use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::Request;

/// Returns the headers of the one call that `call` makes.
async fn sent(
    with: impl FnOnce(Builder) -> Builder,
    call: impl AsyncFnOnce(ApiGateway),
) -> HeaderMap {
    let (client, mut server) = mock_client(with);
    let answer = async {
        let (rpc, answer) = server.next_request().await;
        answer.send_response(done());
        rpc.into_parts().0.headers
    };
    let ((), headers) = tokio::join!(call(client.clone()), answer);
    server.expect_no_more_requests(client).await;
    headers
}

async fn get_operation(client: ApiGateway) {
    client.get_operation(NAME).await.expect("answered");
}

fn all<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let values = headers.get_all(name).iter();
    values
        .map(|value| value.to_str().expect("the value is text"))
        .collect()
}

const ROUTING: &str = "x-goog-request-params";

#[tokio::test]
async fn the_routing_header_has_the_name_percent_encoded() {
    let headers = sent(|it| it, get_operation).await;
    let expected = "name=projects%2Fp%2Flocations%2Fglobal%2Foperations%2Fo";
    assert_eq!(all(&headers, ROUTING), [expected]);
}

#[tokio::test]
async fn the_routing_header_of_a_create_has_the_parent() {
    let call = async |client: ApiGateway| {
        let request = CreateApiRequest {
            parent: "projects/é p/locations/global".into(),
            api_id: "a".into(),
            api: None,
        };
        let answered = client.service_client().create_api(request).await;
        answered.expect("answered");
    };
    let headers = sent(|it| it, call).await;
    let expected = "parent=projects%2F%C3%A9%20p%2Flocations%2Fglobal";
    assert_eq!(all(&headers, ROUTING), [expected]);
}

#[tokio::test]
async fn the_routing_header_of_an_update_has_the_name_within_the_resource() {
    let call = async |client: ApiGateway| {
        let gateway = Gateway {
            name: "projects/p/locations/l/gateways/g~1".into(),
            ..Gateway::default()
        };
        let request = UpdateGatewayRequest {
            gateway: Some(gateway),
            update_mask: None,
        };
        let answered = client.service_client().update_gateway(request).await;
        answered.expect("answered");
    };
    let headers = sent(|it| it, call).await;
    let expected = "gateway.name=projects%2Fp%2Flocations%2Fl%2Fgateways%2Fg~1";
    assert_eq!(all(&headers, ROUTING), [expected]);
}

#[tokio::test]
async fn a_wait_is_routed_by_its_name_though_it_has_no_http_rule() {
    let call = async |client: ApiGateway| {
        let answered = client.wait_operation(NAME, std::time::Duration::from_secs(1));
        answered.await.expect("answered");
    };
    let headers = sent(|it| it, call).await;
    let expected = "name=projects%2Fp%2Flocations%2Fglobal%2Foperations%2Fo";
    assert_eq!(all(&headers, ROUTING), [expected]);
}

#[tokio::test]
async fn an_empty_name_has_no_routing_header() {
    let call = async |client: ApiGateway| {
        let request = GetOperationRequest::default();
        let answered = client.operations_client().get_operation(request).await;
        answered.expect("answered");
    };
    let headers = sent(|it| it, call).await;
    assert!(all(&headers, ROUTING).is_empty(), "{headers:?}");
}

#[tokio::test]
async fn the_api_client_header_names_rust_this_crate_and_the_tonic_of_the_lock_file() {
    let headers = sent(|it| it, get_operation).await;
    let [value] = all(&headers, "x-goog-api-client")[..] else {
        panic!("not once: {headers:?}");
    };
    let [rust, gapic, grpc] = value.split(' ').collect::<Vec<_>>()[..] else {
        panic!("not three parts: {value}");
    };
    let rust = rust.strip_prefix("gl-rust/1.").expect("a version of Rust");
    assert!(rust.starts_with(|first: char| first.is_ascii_digit()));
    assert_eq!(gapic, concat!("gapic/", env!("CARGO_PKG_VERSION")));
    assert_eq!(grpc, format!("grpc/{}", locked("tonic")));
}

/// Returns the version of a package in `Cargo.lock`.
fn locked(package: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock");
    let text = std::fs::read_to_string(path).expect("the lock file is committed");
    let line = format!("name = \"{package}\"");
    let mut lines = text.lines().skip_while(|text| *text != line);
    let version = lines.nth(1).expect("the package is locked");
    let version = version.strip_prefix("version = ").expect("a version");
    version.trim_matches('"').to_owned()
}

const OURS: &str = concat!("apigateway-grpc/", env!("CARGO_PKG_VERSION"));

#[tokio::test]
async fn the_user_agent_names_this_crate_by_default() {
    let headers = sent(|it| it, get_operation).await;
    assert_eq!(all(&headers, "user-agent"), [OURS]);
}

#[tokio::test]
async fn the_users_part_of_the_user_agent_is_first() {
    let headers = sent(|it| it.user_agent("mine/1.2"), get_operation).await;
    assert_eq!(all(&headers, "user-agent"), [format!("mine/1.2 {OURS}")]);
}

#[tokio::test]
async fn headers_of_a_request_are_kept() {
    let call = async |client: ApiGateway| {
        let mut request = Request::new(GetOperationRequest { name: NAME.into() });
        let metadata = request.metadata_mut();
        metadata.insert("user-agent", "just-this/1".parse().expect("text"));
        metadata.insert(ROUTING, "name=elsewhere".parse().expect("text"));
        metadata.insert("x-of-mine", "kept".parse().expect("text"));
        let answered = client.operations_client().get_operation(request).await;
        answered.expect("answered");
    };
    let headers = sent(|it| it.user_agent("mine/1.2"), call).await;
    assert_eq!(all(&headers, "user-agent"), ["just-this/1"]);
    assert_eq!(all(&headers, ROUTING), ["name=elsewhere"]);
    assert_eq!(all(&headers, "x-of-mine"), ["kept"]);
}

#[tokio::test]
async fn the_quota_project_is_sent_once_and_only_if_set() {
    let headers = sent(|it| it.quota_project("payer"), get_operation).await;
    assert_eq!(all(&headers, "x-goog-user-project"), ["payer"]);
    let headers = sent(|it| it, get_operation).await;
    assert!(all(&headers, "x-goog-user-project").is_empty());
}

#[test]
fn an_invalid_header_value_is_refused_with_the_name_of_its_setting() {
    let refused = ApiGateway::builder().anonymous().user_agent("a\nb").build();
    let error = refused.expect_err("a line break is invalid in a header");
    assert!(error.is_invalid_setting() && error.to_string().contains("`user_agent`"));
    let refused = ApiGateway::builder()
        .anonymous()
        .quota_project("a\0")
        .build();
    let error = refused.expect_err("a NUL is invalid in a header");
    assert!(error.is_invalid_setting() && error.to_string().contains("`quota_project`"));
}

/// Returns a function that makes a call with these headers in its options.
fn with(further: &[(&'static str, &'static str)]) -> impl AsyncFnOnce(ApiGateway) {
    let mut options = CallOptions::default();
    for (name, value) in further {
        let value = HeaderValue::from_static(value);
        options.headers.append(HeaderName::from_static(name), value);
    }
    async move |client: ApiGateway| get_operation(client.with_options(options)).await
}

#[tokio::test]
async fn all_headers_of_the_options_are_sent() {
    let further = [("x-of-mine", "one"), ("x-of-mine", "two"), ("x-other", "3")];
    let headers = sent(|it| it, with(&further)).await;
    assert_eq!(all(&headers, "x-of-mine"), ["one", "two"]);
    assert_eq!(all(&headers, "x-other"), ["3"]);
    assert_eq!(all(&headers, "user-agent"), [OURS]);
}

#[tokio::test]
async fn user_agent_quota_project_and_routing_of_the_options_replace_those_of_the_client() {
    let further = [
        ("user-agent", "mine/1"),
        ("x-goog-user-project", "another"),
        (ROUTING, "name=elsewhere"),
    ];
    let headers = sent(|it| it.quota_project("payer"), with(&further)).await;
    for (name, value) in further {
        assert_eq!(all(&headers, name), [value]);
    }
}

#[tokio::test]
async fn headers_of_a_call_override_those_of_the_client() {
    let mut common = CallOptions::default();
    let value = HeaderValue::from_static;
    common.headers.insert("x-of-mine", value("of all"));
    common.headers.insert("x-common", value("of all"));
    let call = with(&[("x-of-mine", "one"), ("x-of-mine", "two")]);
    let headers = sent(|it| it.call_options(common), call).await;
    assert_eq!(all(&headers, "x-of-mine"), ["one", "two"]);
    assert_eq!(all(&headers, "x-common"), ["of all"]);
}

#[tokio::test]
async fn a_reserved_header_is_refused_and_named_in_the_error() {
    let reserved = [
        "authorization",
        "grpc-timeout",
        "grpc-anything",
        "te",
        "content-type",
        "x-goog-api-client",
        "host",
        "connection",
        "content-length",
    ];
    let (client, server) = mock_client(|it| it);
    for name in reserved {
        let mut options = CallOptions::default();
        options
            .headers
            .insert(name, HeaderValue::from_static("secret"));
        let shown = format!("{options:?}");
        assert!(shown.contains(name) && !shown.contains("secret"), "{shown}");
        let error = client.with_options(options).get_operation(NAME).await;
        let error = error.expect_err(name);
        let text = error.to_string();
        assert!(error.is_unsent() && text.contains(&format!("`{name}`")));
        assert!(!text.contains("secret"), "{text}");
    }
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn each_poll_of_an_operation_has_its_routing_header() {
    let (client, mut server) = mock_client(|it| it);
    let mut operation = client.operation::<Api>(NAME).expect("a name");
    let wait = async {
        operation
            .wait()
            .await
            .expect_err("it ends without a result");
    };
    let polls = async {
        let mut values = Vec::new();
        for done in [false, false, true] {
            let (rpc, answer) = server.next_request().await;
            values.push(rpc.headers()[ROUTING].clone());
            let name = NAME.to_owned();
            answer.send_response(ok(&Operation {
                name,
                done,
                ..Operation::default()
            }));
        }
        values
    };
    let ((), values) = tokio::join!(wait, polls);
    let expected = "name=projects%2Fp%2Flocations%2Fglobal%2Foperations%2Fo";
    assert_eq!(values, [expected; 3]);
}
