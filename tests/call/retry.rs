//! Retries of failed calls: which calls, how often, after which delay, and with which request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{NAME, done, grpc, mock_client};
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::proto::google::cloud::apigateway::v1::CreateApiRequest;
use apigateway_grpc::proto::google::longrunning::{GetOperationRequest, Operation};
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use apigateway_grpc::{ApiGateway, CallOptions};
use http_body_util::{BodyExt as _, Empty};
use tokio::time::Instant;
use tonic::{Code, GrpcMethod, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::ServiceExt as _;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

async fn create(client: &ApiGateway) -> Result<Operation, Status> {
    let request = CreateApiRequest {
        parent: "projects/p/locations/global".into(),
        api_id: "a".into(),
        api: None,
    };
    let created = client.service_client().create_api(request).await;
    created.map(tonic::Response::into_inner)
}

async fn bytes(rpc: GrpcRequest) -> bytes::Bytes {
    let collected = rpc.into_body().collect().await;
    collected.expect("the body is whole").to_bytes()
}

#[tokio::test(start_paused = true)]
async fn a_read_has_five_attempts_with_the_same_bytes_and_headers() {
    let (client, mut server) = mock_client(|it| it);
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let mut first = None;
        for attempt in 1..=5 {
            let (mut rpc, answer) = server.next_request().await;
            rpc.headers_mut().remove("grpc-timeout");
            let asked = (rpc.uri().clone(), rpc.headers().clone(), bytes(rpc).await);
            assert!(!asked.2.is_empty());
            assert_eq!(*first.get_or_insert(asked.clone()), asked, "{attempt}");
            answer.send_error(Status::unavailable(format!("away {attempt}")));
        }
    });
    let error = result.expect_err("every attempt failed");
    assert!(
        error.to_string().ends_with("unavailable: away 5"),
        "{error}"
    );
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_read_succeeds_with_its_first_good_attempt() {
    let (client, mut server) = mock_client(|it| it);
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        server
            .next_request()
            .await
            .1
            .send_error(Status::unavailable("away"));
        server.next_request().await.1.send_response(done());
    });
    assert!(result.expect("the second attempt succeeded").done);
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn an_error_that_the_policy_does_not_list_is_returned_at_once() {
    let codes = [
        Code::Internal,
        Code::Unknown,
        Code::NotFound,
        Code::Aborted,
        Code::ResourceExhausted,
        Code::DeadlineExceeded,
        Code::PermissionDenied,
    ];
    for code in codes {
        let (client, mut server) = mock_client(|it| it);
        let (result, ()) = tokio::join!(client.get_operation(NAME), async {
            server
                .next_request()
                .await
                .1
                .send_error(Status::new(code, "no"));
        });
        assert_eq!(result.expect_err("refused").code(), Some(code));
        server.expect_no_more_requests(client).await;
    }
}

/// Returns UNAVAILABLE with this delay before a retry.
fn retry_in(wait: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(wait));
    Status::with_error_details(Code::Unavailable, "retry later", details)
}

#[tokio::test(start_paused = true)]
async fn the_delay_from_the_server_is_the_minimum_backoff() {
    let (client, mut server) = mock_client(|it| it);
    let began = Instant::now();
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        server.next_request().await.1.send_error(retry_in(secs(3)));
        server.next_request().await.1.send_response(done());
    });
    assert!(result.expect("the second attempt succeeded").done);
    assert_eq!(began.elapsed(), secs(3));
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_delay_from_the_server_the_policy_bounds_the_backoff() {
    let (client, mut server) = mock_client(|it| it);
    let began = Instant::now();
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        server
            .next_request()
            .await
            .1
            .send_error(Status::unavailable("away"));
        server.next_request().await.1.send_response(done());
    });
    assert!(result.expect("the second attempt succeeded").done);
    assert!(began.elapsed() <= Duration::from_millis(500));
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_delay_beyond_the_deadline_returns_the_last_error_at_once() {
    let (client, mut server) = mock_client(|it| it);
    let began = Instant::now();
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        server.next_request().await.1.send_error(retry_in(secs(10)));
    });
    let error = result.expect_err("there is no time for a second attempt");
    assert!(error.is_unavailable() && !error.is_timeout(), "{error}");
    assert_eq!(began.elapsed(), secs(0));
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_create_that_may_have_been_processed_is_sent_once() {
    for code in [Code::Unavailable, Code::Unknown] {
        let (client, mut server) = mock_client(|it| it);
        let (result, ()) = tokio::join!(create(&client), async {
            server
                .next_request()
                .await
                .1
                .send_error(Status::new(code, "who knows"));
        });
        assert_eq!(result.expect_err("it failed").code(), code);
        server.expect_no_more_requests(client).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_declared_idempotent_is_retried_on_the_codes_of_its_policy() {
    for code in [Code::Unavailable, Code::Unknown] {
        let options = CallOptions::default().idempotent(true);
        let (client, mut server) = mock_client(|it| it.call_options(options));
        let (result, ()) = tokio::join!(create(&client), async {
            server
                .next_request()
                .await
                .1
                .send_error(Status::new(code, "who knows"));
            server.next_request().await.1.send_response(done());
        });
        assert!(result.expect("the second attempt succeeded").done);
        server.expect_no_more_requests(client).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_declared_not_idempotent_is_sent_once() {
    let options = CallOptions::default().idempotent(false);
    let (client, mut server) = mock_client(|it| it.call_options(options));
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        server
            .next_request()
            .await
            .1
            .send_error(Status::unavailable("away"));
    });
    assert!(result.expect_err("it failed").is_unavailable());
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_create_that_the_server_certainly_did_not_process_is_retried() {
    let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    let errors: [Box<dyn std::error::Error + Send + Sync>; 2] = [
        Box::new(tonic::ConnectError(Box::new(refused()))),
        Box::new(h2::Error::from(h2::Reason::REFUSED_STREAM)),
    ];
    for error in errors {
        let (client, mut server) = mock_client(|it| it);
        let (result, ()) = tokio::join!(create(&client), async {
            server.next_request().await.1.send_error(error);
            server.next_request().await.1.send_response(done());
        });
        assert!(result.expect("the second attempt succeeded").done);
        server.expect_no_more_requests(client).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_connection_broke_in_flight_is_sent_once() {
    let reset = || std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let errors: [Box<dyn std::error::Error + Send + Sync>; 2] = [
        Box::new(reset()),
        Box::new(h2::Error::from(h2::Reason::INTERNAL_ERROR)),
    ];
    for error in errors {
        let (client, mut server) = mock_client(|it| it);
        let (result, ()) = tokio::join!(create(&client), async {
            server.next_request().await.1.send_error(error);
        });
        result.expect_err("it broke");
        server.expect_no_more_requests(client).await;
    }
}

/// Returns a policy with three attempts and short delays.
fn quick() -> RetryPolicy {
    RetryPolicy::default()
        .max_attempts(3)
        .initial_backoff(Duration::from_millis(1))
        .max_backoff(Duration::from_millis(1))
}

#[tokio::test]
async fn a_create_to_a_closed_port_is_retried() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    let count = tower::util::MapRequestLayer::new(move |rpc: GrpcRequest| {
        counted.fetch_add(1, Ordering::Relaxed);
        rpc
    });
    let builder = ApiGateway::builder().endpoint(format!("http://{address}"));
    let builder = builder.retry(quick()).attempt_layer(count);
    let client = builder.build().expect("the settings are valid");
    let error = apigateway_grpc::Error::from(create(&client).await.expect_err("it is closed"));
    assert!(
        error.is_connect() && error.is_unsent() && error.is_unavailable(),
        "{error}"
    );
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn a_status_is_found_in_the_head_and_in_the_trailers() {
    let status = || Status::unavailable("away");
    let in_trailers = || {
        let trailers = status().into_http::<()>().into_parts().0.headers;
        let body = Empty::new().with_trailers(std::future::ready(Some(Ok(trailers))));
        grpc(tonic::body::Body::new(body))
    };
    let (client, mut server) = mock_client(|it| it);
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        server
            .next_request()
            .await
            .1
            .send_response(status().into_http());
        server.next_request().await.1.send_response(in_trailers());
        server.next_request().await.1.send_response(done());
    });
    assert!(result.expect("the third attempt succeeded").done);
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_with_the_never_policy_has_one_attempt() {
    let (client, mut server) = mock_client(|it| it.retry(RetryPolicy::NEVER));
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let refused = tonic::ConnectError("refused".into());
        server.next_request().await.1.send_error(refused);
    });
    assert!(result.expect_err("it failed").is_unsent());
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn retries_are_throttled_during_an_outage() {
    const CALLS: usize = 1000;
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    let down = tower::service_fn(move |_: GrpcRequest| {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Err::<GrpcResponse, _>(Status::unavailable("down")))
    });
    let builder = ApiGateway::builder().transport_service(down).anonymous();
    let client = builder.build().expect("the settings are valid");
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..CALLS {
        let client = client.clone();
        calls.spawn(async move { client.get_operation(NAME).await });
    }
    for result in calls.join_all().await {
        assert!(result.expect_err("it is down").is_unavailable());
    }
    let further = attempts.load(Ordering::Relaxed) - CALLS;
    // Every attempt fails, so retries end when half of the hundred tokens are used. Without throttling there would be 4000
    // retries.
    assert!((1..50).contains(&further), "{further}");
}

#[tokio::test(start_paused = true)]
async fn a_method_of_another_service_is_sent_once_and_its_body_may_be_a_stream() {
    let (client, mut server) = mock_client(|it| it);
    let (pieces, mut taken) = tokio::sync::mpsc::channel(1);
    let frames = futures_util::stream::poll_fn(move |cx| taken.poll_recv(cx));
    let body = http_body_util::StreamBody::new(frames);
    let mut rpc = GrpcRequest::new(tonic::body::Body::new(body));
    *rpc.uri_mut() = "/some.Other/Method".parse().expect("a path");
    let (result, ()) = tokio::join!(client.stack().oneshot(rpc), async {
        // The server receives the request before its body begins.
        let (rpc, answer) = server.next_request().await;
        let piece = Ok::<_, Status>(http_body::Frame::data("a piece".into()));
        pieces.send(piece).await.expect("it is read");
        drop(pieces);
        assert_eq!(bytes(rpc).await, "a piece");
        answer.send_error(Status::unavailable("away"));
    });
    assert_eq!(result.expect_err("away").code(), Code::Unavailable);
    server.expect_no_more_requests(client).await;
}

/// Each attempt has the extensions that the caller inserts into a request, and those of tonic.
#[tokio::test(start_paused = true)]
async fn a_retry_has_the_extensions_of_the_first_attempt() {
    #[derive(Clone, Debug, PartialEq)]
    struct Mark(u8);

    for mark in [None, Some(Mark(7))] {
        let (client, mut server) = mock_client(|it| it);
        let mut request = tonic::Request::new(GetOperationRequest { name: NAME.into() });
        if let Some(mark) = mark.clone() {
            request.extensions_mut().insert(mark);
        }
        let mut operations = client.operations_client();
        let (result, ()) = tokio::join!(operations.get_operation(request), async {
            for attempt in 1..=3 {
                let (rpc, answer) = server.next_request().await;
                let method = rpc.extensions().get::<GrpcMethod<'static>>();
                assert_eq!(
                    method.map(GrpcMethod::method),
                    Some("GetOperation"),
                    "{attempt}"
                );
                assert_eq!(rpc.extensions().get::<Mark>(), mark.as_ref(), "{attempt}");
                if attempt < 3 {
                    answer.send_error(Status::unavailable("away"));
                } else {
                    answer.send_response(done());
                }
            }
        });
        result.expect("the third attempt succeeded");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_above_the_limit_is_not_requested_again_under_any_policy() {
    let policy = RetryPolicy::default().codes([Code::ResourceExhausted]);
    let (client, mut server) = mock_client(|it| it.retry(policy).max_response_size(100));
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        // RESOURCE_EXHAUSTED of the server is retried, unlike the client's own limit.
        let (_, answer) = server.next_request().await;
        answer.send_error(Status::resource_exhausted("busy"));
        let (_, answer) = server.next_request().await;
        answer.send_response(crate::common::ok(&Operation {
            name: "x".repeat(200),
            ..Operation::default()
        }));
    });
    let error = result.expect_err("it is too large");
    assert_eq!(error.code(), Some(Code::ResourceExhausted));
    let text = error.to_string();
    assert!(text.contains("100 bytes"), "{text}");
    assert!(text.contains("max_response_size"), "{text}");
    server.expect_no_more_requests(client).await;
}
