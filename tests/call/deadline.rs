//! The maximum duration of a call, from the contract and from options. It bounds everything below the deadline layer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::common::{NAME, grpc, mock_client};
use apigateway_grpc::proto::google::longrunning::GetOperationRequest;
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse, Stack};
use apigateway_grpc::{ApiGateway, CallOptions};
use http_body_util::StreamBody;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Request, Status};
use tower::{Service, ServiceExt as _};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn options(timeout: Duration) -> CallOptions {
    CallOptions::default().timeout(timeout)
}

/// A service that accepts a call and never answers.
#[derive(Clone)]
struct Silent;

impl Service<GrpcRequest> for Silent {
    type Response = GrpcResponse;
    type Error = Status;
    type Future = std::future::Pending<Result<GrpcResponse, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: GrpcRequest) -> Self::Future {
        std::future::pending()
    }
}

fn silent() -> ApiGateway {
    let builder = ApiGateway::builder().transport_service(Silent).anonymous();
    builder.build().expect("the settings are valid")
}

/// Returns the time after which a call of this method ends by its deadline.
async fn time_of(stack: Stack, path: &str) -> Duration {
    let began = Instant::now();
    let mut rpc = GrpcRequest::default();
    *rpc.uri_mut() = path.parse().expect("a path");
    let status = stack
        .oneshot(rpc)
        .await
        .expect_err("the server does not answer");
    assert_eq!(status.code(), Code::DeadlineExceeded, "{path}");
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_method_has_the_timeout_of_the_service_config_or_else_the_servers_deadline() {
    let cases = [
        ("/google.longrunning.Operations/GetOperation", 10),
        ("/google.longrunning.Operations/ListOperations", 10),
        ("/google.longrunning.Operations/CancelOperation", 10),
        ("/google.longrunning.Operations/WaitOperation", 60),
        (
            "/google.cloud.apigateway.v1.ApiGatewayService/CreateApi",
            60,
        ),
        ("/google.cloud.apigateway.v1.ApiGatewayService/GetApi", 60),
        ("/google.cloud.location.Locations/GetLocation", 60),
        ("/google.iam.v1.IAMPolicy/SetIamPolicy", 60),
    ];
    for (path, timeout) in cases {
        assert_eq!(
            time_of(silent().stack(), path).await,
            secs(timeout),
            "{path}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_ends_in_an_error_that_names_the_operation() {
    let error = silent().get_operation(NAME).await.expect_err("it hangs");
    assert!(error.is_timeout());
    let expected = format!(
        "get operation {NAME}: deadline exceeded: no response within 10s, still waiting for the response"
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_option_of_the_call_takes_precedence() {
    let builder = ApiGateway::builder().transport_service(Silent).anonymous();
    let client = builder.timeout(secs(7)).build().expect("valid");
    let took = async |client: &ApiGateway, request: Request<GetOperationRequest>| {
        let began = Instant::now();
        let result = client.operations_client().get_operation(request).await;
        assert_eq!(result.expect_err("hangs").code(), Code::DeadlineExceeded);
        began.elapsed()
    };
    let plain = || Request::new(GetOperationRequest { name: NAME.into() });
    assert_eq!(took(&client, plain()).await, secs(7), "of the client");

    let patient = client.with_options(options(secs(20)));
    assert_eq!(took(&patient, plain()).await, secs(20), "of the handle");
    let outer = patient.with_options(CallOptions::default());
    assert_eq!(
        took(&outer, plain()).await,
        secs(20),
        "options without a timeout"
    );

    let mut request = plain();
    request.extensions_mut().insert(options(secs(3)));
    assert_eq!(took(&patient, request).await, secs(3), "of the request");

    let mut request = plain();
    request.extensions_mut().insert(options(secs(3)));
    request.set_timeout(secs(2));
    assert_eq!(took(&patient, request).await, secs(2), "of tonic's request");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_beyond_the_clock_never_elapses() {
    let (client, mut server) = mock_client(|it| it.timeout(Duration::MAX));
    let (operation, ()) = tokio::join!(client.get_operation(NAME), async {
        let (rpc, answer) = server.next_request().await;
        assert!(!rpc.headers().contains_key("grpc-timeout"));
        tokio::time::sleep(secs(3600)).await;
        answer.send_response(crate::common::done());
    });
    assert!(operation.expect("there is no deadline").done);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_sends_the_remaining_time() {
    let (client, mut server) = mock_client(|it| it);
    let ((), result) = tokio::join!(
        async {
            let (rpc, answer) = server.next_request().await;
            assert_eq!(remaining(&rpc), secs(10));
            tokio::time::sleep(secs(4)).await;
            answer.send_error(Status::unavailable("away"));
            let (rpc, answer) = server.next_request().await;
            // The delay between the attempts is at most half a second.
            assert!((secs(5)..=secs(6)).contains(&remaining(&rpc)));
            answer.send_response(crate::common::done());
        },
        client.get_operation(NAME)
    );
    assert!(result.expect("the second attempt succeeds").done);
    server.expect_no_more_requests(client).await;
}

fn remaining(rpc: &GrpcRequest) -> Duration {
    let value = rpc.headers()["grpc-timeout"].to_str().expect("text");
    let micros = value
        .strip_suffix('u')
        .expect("a few seconds in microseconds");
    Duration::from_micros(micros.parse().expect("digits"))
}

/// A service that is never ready.
#[derive(Clone)]
struct Busy;

impl Service<GrpcRequest> for Busy {
    type Response = GrpcResponse;
    type Error = Status;
    type Future = std::future::Pending<Result<GrpcResponse, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Pending
    }

    fn call(&mut self, _: GrpcRequest) -> Self::Future {
        unreachable!("it is never ready")
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_a_transport_that_is_never_ready() {
    let builder = ApiGateway::builder().transport_service(Busy).anonymous();
    let client = builder.build().expect("valid");
    let path = "/google.longrunning.Operations/GetOperation";
    assert_eq!(time_of(client.stack(), path).await, secs(10));
    let error = client.get_operation(NAME).await.expect_err("never ready");
    assert!(
        error.to_string().ends_with("10s, still not sent"),
        "{error}"
    );
}

/// A service whose first clone is ready for a call, which fails with UNAVAILABLE. Later clones are never ready.
struct Once {
    cloned: Arc<AtomicUsize>,
    number: usize,
}

impl Clone for Once {
    fn clone(&self) -> Self {
        Self {
            cloned: Arc::clone(&self.cloned),
            number: self.cloned.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl Service<GrpcRequest> for Once {
    type Response = GrpcResponse;
    type Error = Status;
    type Future = std::future::Ready<Result<GrpcResponse, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        match self.number {
            0 => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    fn call(&mut self, _: GrpcRequest) -> Self::Future {
        std::future::ready(Err(Status::unavailable("away")))
    }
}

#[tokio::test(start_paused = true)]
async fn an_unsent_last_attempt_is_reported_as_unsent() {
    let cloned = Arc::new(AtomicUsize::new(0));
    let once = Once {
        cloned: Arc::clone(&cloned),
        number: 0,
    };
    let builder = ApiGateway::builder().transport_service(once).anonymous();
    let client = builder.build().expect("valid");
    cloned.store(0, Ordering::Relaxed);
    let error = client.get_operation(NAME).await.expect_err("never ready");
    assert!(
        cloned.load(Ordering::Relaxed) > 1,
        "at least one earlier attempt was made"
    );
    assert!(
        error.to_string().ends_with("10s, still not sent"),
        "{error}"
    );
}

/// A body that never returns a frame.
struct Stalled;

impl futures_util::Stream for Stalled {
    type Item = Result<http_body::Frame<bytes::Bytes>, Status>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_a_body_that_stalls_after_its_head() {
    let (client, mut server) = mock_client(|it| it);
    let began = Instant::now();
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let (_, answer) = server.next_request().await;
        answer.send_response(grpc(Body::new(StreamBody::new(Stalled))));
    });
    let error = result.expect_err("the body hangs");
    assert!(error.is_timeout(), "{error}");
    assert!(
        error.to_string().ends_with("still reading the response"),
        "{error}"
    );
    assert_eq!(began.elapsed(), secs(10));
}

#[tokio::test]
async fn the_deadline_covers_a_silent_peer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let builder = ApiGateway::builder().endpoint(format!("http://{address}"));
    let client = builder.timeout(Duration::from_millis(200)).build();
    let client = client.expect("valid");
    let error = client.get_operation(NAME).await.expect_err("silence");
    assert!(error.is_timeout(), "{error}");
}

#[cfg(feature = "auth")]
mod credentials {
    use apigateway_grpc::google_cloud_auth::credentials::{CacheableResource, CredentialsProvider};
    use apigateway_grpc::google_cloud_auth::errors::CredentialsError;
    use http::{Extensions, HeaderMap};

    use super::*;

    #[derive(Debug)]
    struct Hanging;

    impl CredentialsProvider for Hanging {
        async fn headers(
            &self,
            _: Extensions,
        ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
            std::future::pending().await
        }

        async fn universe_domain(&self) -> Option<String> {
            None
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_covers_credentials_that_hang() {
        let (client, server) = mock_client(|it| it.credentials(Hanging).timeout(secs(3)));
        let began = Instant::now();
        let error = client.get_operation(NAME).await.expect_err("they hang");
        assert!(error.is_timeout(), "{error}");
        assert_eq!(began.elapsed(), secs(3));
        server.expect_no_more_requests(client).await;
    }
}
