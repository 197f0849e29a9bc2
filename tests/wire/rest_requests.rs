//! All requests over REST: their headers, the encoding of names, and names that are rejected before
//! anything is sent.

use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{GetApiRequest, ListApisRequest};
use apigateway_grpc::proto::google::iam::v1::GetIamPolicyRequest;
use apigateway_grpc::tonic::{Code, Request};
use apigateway_grpc::{ApiGateway, Error, Transport};

use crate::call::{client, sent};
use crate::http1::{Server, json};

const API: &str = "projects/p/locations/l/apis/a";

#[tokio::test]
async fn a_request_has_the_headers_of_rest_and_none_of_grpc() {
    let get = GetApiRequest { name: API.into() };
    let request = sent(async |client| {
        let mut get = Request::new(get);
        get.set_timeout(Duration::from_secs(3));
        get.metadata_mut()
            .insert("x-of-mine", "kept".parse().expect("text"));
        client.service_client().get_api(get).await.map(drop)
    })
    .await;
    let api_client = request.header("x-goog-api-client");
    let rest = concat!("rest/", env!("CARGO_PKG_VERSION"));
    assert!(api_client.starts_with("gl-rust/"), "{api_client}");
    assert!(api_client.ends_with(rest), "{api_client}");
    assert!(!api_client.contains("grpc/"), "{api_client}");
    assert!(request.header("user-agent").starts_with("apigateway-grpc/"));
    assert_eq!(request.header("accept"), "application/json");
    assert_eq!(request.header("x-of-mine"), "kept");
    assert_eq!(request.header("host"), request_host(&request));
    for name in request.headers.keys().map(http::HeaderName::as_str) {
        let of_grpc = name == "te" || name.starts_with("grpc-") || name == "content-type";
        assert!(!of_grpc, "{name} was sent");
    }
}

fn request_host(request: &crate::http1::Request) -> &str {
    let host = request.header("host");
    assert!(host.starts_with("127.0.0.1:"), "{host}");
    host
}

#[tokio::test]
async fn a_body_has_the_json_content_type() {
    let request = sent(async |client| {
        let name = "projects/p/locations/l/operations/o";
        let cancelled = client.cancel_operation(name).await;
        cancelled.map_err(|error| error.status().expect("a call").clone())
    })
    .await;
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("content-length"), "2");
}

#[tokio::test]
async fn a_quota_project_is_sent_once() {
    let server = Server::script([json(200, "{}")]).await;
    let client = ApiGateway::builder()
        .endpoint(server.endpoint())
        .transport(Transport::Rest)
        .retry(RetryPolicy::NEVER)
        .quota_project("billed")
        .anonymous()
        .build()
        .expect("valid");
    let get = GetApiRequest { name: API.into() };
    client.service_client().get_api(get).await.expect("a reply");
    let [request] = server.requests().try_into().expect("one request");
    let sent: Vec<_> = request
        .headers
        .get_all("x-goog-user-project")
        .iter()
        .collect();
    assert_eq!(sent, ["billed"]);
}

#[tokio::test]
async fn a_name_is_encoded_once_and_never_normalised() {
    let cases = [
        ("a b", "a%20b"),
        ("ü", "%C3%BC"),
        ("%2e%2e", "%252e%252e"),
        ("%2F", "%252F"),
        ("a?b#c", "a%3Fb%23c"),
        ("a:cancel", "a%3Acancel"),
        ("a+b&c=d", "a%2Bb%26c%3Dd"),
        ("-_.~", "-_.~"),
        ("...", "..."),
        ("a\\b", "a%5Cb"),
    ];
    for (id, encoded) in cases {
        let get = GetApiRequest {
            name: format!("projects/p/locations/l/apis/{id}"),
        };
        let request =
            sent(async |client| client.service_client().get_api(get).await.map(drop)).await;
        assert_eq!(
            request.line,
            format!("GET /v1/projects/p/locations/l/apis/{encoded}")
        );
    }
}

#[tokio::test]
async fn query_values_are_encoded() {
    let list = ListApisRequest {
        parent: "projects/p/locations/l".into(),
        filter: "a=\"b&c\"/é+%\n".into(),
        ..Default::default()
    };
    let request =
        sent(async |client| client.service_client().list_apis(list).await.map(drop)).await;
    assert_eq!(
        request.line,
        "GET /v1/projects/p/locations/l/apis?filter=a%3D%22b%26c%22%2F%C3%A9%2B%25%0A"
    );
}

#[tokio::test]
async fn control_characters_in_a_name_of_the_generated_client_are_percent_encoded() {
    let name = "projects/p/locations/l/apis/a\n\0\u{7f}\u{85}".to_owned();
    let get = GetApiRequest { name };
    let request = sent(async |client| client.service_client().get_api(get).await.map(drop)).await;
    assert_eq!(
        request.line,
        "GET /v1/projects/p/locations/l/apis/a%0A%00%7F%C2%85"
    );
}

#[tokio::test]
async fn a_name_without_a_route_is_an_error_with_the_routes_and_nothing_is_sent() {
    let server = Server::script([]).await;
    let client = client(&server);
    let names = [
        "",
        "a",
        "apis/a",
        "projects/p/locations/l/apis",
        "projects/p/locations/l/apis/",
        "projects/p/locations/l/apis/a/b",
        "projects/p/locations/l/gateways/g",
        "projects/../locations/l/apis/a",
        "projects/p/locations/./apis/a",
        "projects//locations/l/apis/a",
        "/projects/p/locations/l/apis/a",
    ];
    for name in names {
        let status = client
            .service_client()
            .get_api(GetApiRequest { name: name.into() })
            .await
            .expect_err(name);
        assert_eq!(status.code(), Code::InvalidArgument, "{name:?}: {status}");
        assert!(Error::from(status.clone()).is_unsent(), "{name:?}");
        let tried = "GET /v1/{name=projects/*/locations/*/apis/*}";
        assert!(status.message().contains(tried), "{name:?}: {status}");
        assert!(
            !status.message().contains(char::is_control),
            "{name:?}: {status}"
        );
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_resource_that_matches_no_binding_is_an_error_with_all_bindings() {
    let server = Server::script([]).await;
    let get = GetIamPolicyRequest {
        resource: "projects/p/locations/l/others/o".into(),
        options: None,
    };
    let status = client(&server)
        .iam_policy_client()
        .get_iam_policy(get)
        .await
        .expect_err("no route");
    for pattern in ["*/gateways/*}", "locations/*/apis/*}", "apis/*/configs/*}"] {
        assert!(status.message().contains(pattern), "{status}");
    }
    assert_eq!(server.connections(), 0);
}
