//! Bearer tokens of an emulator that requires them.
#![cfg(feature = "auth")]

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::emulator::{Emulator, Server};
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::StatusExt as _;
use apigateway_grpc::{ApiGateway, Transport};

use crate::{API, create, get};

async fn served() -> Server {
    let builder = Emulator::builder()
        .require_token("right")
        .require_token("right-too")
        .token_without_permissions("weak");
    builder.start().await.expect("a free port")
}

fn client(server: &Server, transport: Transport, token: Option<&str>) -> ApiGateway {
    let builder = ApiGateway::builder()
        .endpoint(server.endpoint())
        .transport(transport)
        .retry(RetryPolicy::NEVER);
    let built = match token {
        Some(token) => builder.access_token(token).build(),
        None => builder.anonymous().build(),
    };
    built.expect("valid")
}

fn transports() -> Vec<Transport> {
    vec![
        Transport::Grpc,
        #[cfg(feature = "rest")]
        Transport::Rest,
    ]
}

fn reason(status: &Status) -> String {
    let info = status.get_details_error_info().expect("details");
    info.reason
}

#[tokio::test]
async fn a_call_needs_a_known_token() {
    let server = served().await;
    for transport in transports() {
        for (token, why) in [
            (None, "CREDENTIALS_MISSING"),
            (Some("wrong"), "ACCESS_TOKEN_INVALID"),
            (Some("righ"), "ACCESS_TOKEN_INVALID"),
        ] {
            let client = client(&server, transport, token);
            let refused = get(&client, API).await.expect_err("no such token");
            assert_eq!(refused.code(), Code::Unauthenticated, "{token:?}");
            assert_eq!(reason(&refused), why);
            assert!(!refused.message().contains("wrong"));
        }
        for token in ["right", "right-too"] {
            let client = client(&server, transport, Some(token));
            let found = get(&client, API).await.expect_err("nothing is there");
            assert_eq!(found.code(), Code::NotFound);
        }
    }
}

#[tokio::test]
async fn a_call_with_a_token_without_permissions_is_denied() {
    let server = served().await;
    for transport in transports() {
        let weak = client(&server, transport, Some("weak"));
        let denied = create(&weak, "a").await.expect_err("no permission");
        assert_eq!(denied.code(), Code::PermissionDenied);
        let info = denied.get_details_error_info().expect("details");
        assert_eq!(info.reason, "IAM_PERMISSION_DENIED");
        assert_eq!(info.metadata["permission"], "apigateway.apis.create");
        assert_eq!(info.metadata["resource"], API);
        let right = client(&server, transport, Some("right"));
        let found = get(&right, API).await.expect_err("nothing is there");
        assert_eq!(found.code(), Code::NotFound);
    }
}

#[tokio::test]
async fn test_iam_permissions_returns_none_for_a_token_without_permissions() {
    let server = served().await;
    for transport in transports() {
        let right = client(&server, transport, Some("right"));
        // With the second transport this create fails, since the api already exists.
        create(&right, "a").await.ok();
        let weak = client(&server, transport, Some("weak"));
        for (client, expected) in [(&right, 1), (&weak, 0)] {
            let permissions = ["apigateway.apis.get"];
            let granted = client.test_iam_permissions(API, permissions).await;
            assert_eq!(granted.expect("no permission is needed").len(), expected);
        }
    }
}

#[cfg(feature = "rest")]
#[tokio::test]
async fn a_rejection_over_http_asks_for_a_bearer_token() {
    use crate::http::send;

    let server = served().await;
    let answer = send(&server, &format!("GET /v1/{API}"), "", "").await;
    assert_eq!(answer.status, 401);
    assert!(
        answer.head.contains("www-authenticate: bearer"),
        "{}",
        answer.head
    );
    for (headers, query, status) in [
        ("authorization: bearer right\r\n", "", 404),
        ("", "?access_token=right", 404),
        ("authorization: Basic right\r\n", "", 401),
    ] {
        let answer = send(&server, &format!("GET /v1/{API}{query}"), headers, "").await;
        assert_eq!(answer.status, status, "{headers}{query}: {}", answer.body);
    }
    // Callers on localhost need no token for the admin service.
    let calls = send(&server, "GET /emulator/v1/calls", "", "").await;
    assert_eq!(calls.status, 200);
}
