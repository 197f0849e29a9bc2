//! The addresses to which credentials are sent, and those to which they are not. The table of all decisions is in
//! `src/transport/endpoint/credential.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::google_cloud_auth::credentials::{
    CacheableResource, CredentialsProvider, EntityTag,
};
use apigateway_grpc::google_cloud_auth::errors::CredentialsError;
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use apigateway_grpc::{ApiGateway, Builder, Error, Transport};
use http::{Extensions, HeaderMap, HeaderValue};
use hyper_util::client::legacy::connect::HttpConnector;
use tonic::{Code, Status};

use crate::http1::{Server, json};
use crate::http2::NAME;
use crate::proxy_server::{Answer, Proxy};

const OPERATION: &str = r#"{"name": "projects/p/locations/l/operations/o"}"#;

/// Each type of credential that can be set on the builder, and its header.
fn with_credentials(builder: impl Fn() -> Builder) -> [(Builder, &'static str); 3] {
    [
        (builder().access_token("t"), "authorization"),
        (builder().api_key("k"), "x-goog-api-key"),
        (builder().credentials(InUniverse(None)), "authorization"),
    ]
}

fn client(endpoint: &str) -> Builder {
    let builder = ApiGateway::builder().endpoint(endpoint);
    builder.transport(Transport::Rest).retry(RetryPolicy::NEVER)
}

fn refusal(builder: Builder) -> String {
    let error: Error = builder.build().expect_err("refused");
    assert!(error.is_invalid_setting(), "{error}");
    error.to_string()
}

#[tokio::test]
async fn names_below_localhost_are_loopback_without_dns_and_get_credentials_in_plaintext() {
    let server = Server::always(json(200, OPERATION)).await;
    let port = server.address.port();
    for host in ["localhost", "foo.localhost", "a.b.LOCALHOST."] {
        for (builder, header) in with_credentials(|| client(&format!("http://{host}:{port}"))) {
            let client = builder.build().expect("the address is loopback");
            client.get_operation(NAME).await.expect("an operation");
            let request = server.requests().pop().expect("a request");
            assert_ne!(request.header(header), "", "{host} {header}");
        }
    }
}

#[tokio::test]
async fn names_below_localhost_get_no_credential_with_a_custom_connector_or_transport() {
    for (builder, _) in with_credentials(|| client("http://foo.localhost")) {
        let text = refusal(builder.connector(HttpConnector::new()));
        assert!(text.contains("http://foo.localhost is plaintext"), "{text}");
    }
    let transport = tower::service_fn(|_: GrpcRequest| async {
        Err::<GrpcResponse, _>(Status::aborted("sent"))
    });
    let builder = ApiGateway::builder().endpoint("http://foo.localhost");
    let builder = builder.transport_service(transport).access_token("t");
    builder
        .build()
        .expect_err("another resolver may look up the name in DNS");
}

#[tokio::test]
async fn no_credential_is_sent_in_plaintext_through_a_proxy_on_another_machine() {
    for proxy in [
        "http://proxy.test:3128",
        "https://proxy.test:3128",
        "http://192.0.2.1",
    ] {
        for (builder, _) in with_credentials(|| client("http://localhost:1").proxy(proxy)) {
            let text = refusal(builder);
            assert!(
                text.contains("http://localhost:1 is plaintext and the proxy"),
                "{text}"
            );
        }
        let anonymous = client("http://localhost:1").proxy(proxy).anonymous();
        anonymous.build().expect("there is no credential");
        let encrypted = client("https://localhost:1").proxy(proxy).access_token("t");
        encrypted.build().expect("the tunnel is encrypted");
    }
    let server = Server::always(json(200, OPERATION)).await;
    let proxy = Proxy::start(server.address, |_| Answer::Tunnel).await;
    let builder = client("http://localhost:1")
        .proxy(proxy.url())
        .access_token("t");
    let client = builder.build().expect("the proxy is on loopback");
    client.get_operation(NAME).await.expect("an operation");
    assert_eq!(server.requests()[0].header("authorization"), "Bearer t");
}

/// Credentials that belong to a universe domain.
#[derive(Clone, Copy, Debug)]
struct InUniverse(Option<&'static str>);

impl CredentialsProvider for InUniverse {
    async fn headers(
        &self,
        _: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let value = HeaderValue::from_static("Bearer token");
        Ok(CacheableResource::New {
            entity_tag: EntityTag::new(),
            data: HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]),
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        self.0.map(str::to_owned)
    }
}

#[tokio::test]
async fn credentials_of_another_universe_are_not_sent() {
    let cases = [
        (None, None, true),
        (Some("googleapis.com"), None, true),
        (Some("u.test"), Some("u.test"), true),
        (Some("u.test"), None, false),
        (None, Some("u.test"), false),
    ];
    for (own, client, sent) in cases {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let transport = tower::service_fn(move |rpc: GrpcRequest| {
            assert_eq!(rpc.headers()["authorization"], "Bearer token");
            counted.fetch_add(1, Ordering::SeqCst);
            async { Err::<GrpcResponse, _>(Status::not_found("received")) }
        });
        let builder = ApiGateway::builder().transport_service(transport);
        let builder = builder
            .credentials(InUniverse(own))
            .retry(RetryPolicy::NEVER);
        let client = match client {
            Some(domain) => builder.universe_domain(domain).build(),
            None => builder.build(),
        };
        let client = client.expect("the settings are valid");
        let error = client.get_operation(NAME).await.expect_err("no answer");
        assert_eq!(calls.load(Ordering::SeqCst), usize::from(sent), "{own:?}");
        if !sent {
            assert_eq!(error.code(), Some(Code::Unauthenticated), "{error}");
            assert!(error.is_unsent(), "{error}");
            assert!(error.to_string().contains("u.test"), "{error}");
        }
    }
}
