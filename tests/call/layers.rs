//! Layers and transports of users: the requests that they see, the changes that they can make, and their errors.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use crate::common::{NAME, done, mock_client, mock_transport};
use apigateway_grpc::ApiGateway;
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use http::HeaderMap;
use http_body_util::{BodyExt as _, Limited};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::util::{MapErrLayer, MapRequestLayer, MapResponseLayer};
use tower::{Layer, Service, ServiceBuilder};

/// A layer that records the headers of requests.
fn seeing(
    seen: &Arc<Mutex<Vec<HeaderMap>>>,
) -> MapRequestLayer<impl Fn(GrpcRequest) -> GrpcRequest + Clone + use<>> {
    let seen = Arc::clone(seen);
    MapRequestLayer::new(move |rpc: GrpcRequest| {
        let mut seen = seen.lock().expect("not poisoned");
        seen.push(rpc.headers().clone());
        rpc
    })
}

#[tokio::test(start_paused = true)]
async fn a_layer_sees_the_call_and_an_attempt_layer_each_attempt() {
    let (calls, attempts) = (Arc::default(), Arc::default());
    let (mock, mut server) = mock_transport();
    let builder = ApiGateway::builder().transport_service(mock).anonymous();
    let builder = builder.layer(seeing(&calls));
    let client = builder.attempt_layer(seeing(&attempts)).build();
    let client = client.expect("the settings are valid");
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        for _ in 0..2 {
            let (_, answer) = server.next_request().await;
            answer.send_error(Status::unavailable("away"));
        }
        let (_, answer) = server.next_request().await;
        answer.send_response(done());
    });
    assert!(result.expect("the third attempt succeeded").done);
    let (calls, attempts) = (
        calls.lock().expect("not poisoned"),
        attempts.lock().expect("not poisoned"),
    );
    assert_eq!((calls.len(), attempts.len()), (1, 3));
    // A call layer sees the request of the generated client, and an attempt layer sees the request that is sent.
    assert!(!calls[0].contains_key("x-goog-api-client"));
    for attempt in attempts.iter() {
        for header in ["x-goog-api-client", "x-goog-request-params", "grpc-timeout"] {
            assert!(attempt.contains_key(header), "{header}");
        }
    }
}

#[cfg(feature = "auth")]
#[tokio::test(start_paused = true)]
async fn no_layer_of_the_user_sees_the_credentials() {
    let seen = Arc::default();
    let (client, mut server) = {
        let (mock, server) = mock_transport();
        let builder = ApiGateway::builder()
            .transport_service(mock)
            .access_token("t");
        let builder = builder.layer(seeing(&seen));
        let client = builder.attempt_layer(seeing(&seen)).build();
        (client.expect("the settings are valid"), server)
    };
    let (result, sent) = tokio::join!(client.get_operation(NAME), async {
        let (rpc, answer) = server.next_request().await;
        answer.send_response(done());
        rpc.into_parts().0.headers
    });
    assert!(result.expect("it was answered").done);
    assert_eq!(sent["authorization"], "Bearer t");
    let seen = seen.lock().expect("not poisoned");
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| !seen.contains_key("authorization")));
}

#[tokio::test(start_paused = true)]
async fn layers_nest_in_the_order_in_which_they_are_set() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |text: &'static str| {
        let order = Arc::clone(&order);
        MapRequestLayer::new(move |rpc: GrpcRequest| {
            order.lock().expect("not poisoned").push(text);
            rpc
        })
    };
    let (mock, mut server) = mock_transport();
    let client = ApiGateway::builder()
        .transport_service(mock)
        .anonymous()
        .attempt_layer(note("attempt 1"))
        .layer(note("call 1"))
        .attempt_layer(note("attempt 2"))
        .layer(note("call 2"))
        .build()
        .expect("the settings are valid");
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let (_, answer) = server.next_request().await;
        answer.send_response(done());
    });
    assert!(result.expect("it was answered").done);
    let order = order.lock().expect("not poisoned");
    assert_eq!(*order, ["call 1", "call 2", "attempt 1", "attempt 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_layer_may_change_the_type_of_the_body() {
    let limit =
        || MapResponseLayer::new(|reply: GrpcResponse| reply.map(|body| Limited::new(body, 4096)));
    let boxed = || {
        MapResponseLayer::new(|reply: http::Response<Limited<Body>>| {
            reply.map(|body| body.boxed_unsync())
        })
    };
    let both = || {
        ServiceBuilder::new()
            .layer(boxed())
            .layer(limit())
            .into_inner()
    };
    let (mock, mut server) = mock_transport();
    let client = ApiGateway::builder()
        .transport_service(limit().layer(mock))
        .anonymous()
        .layer(both())
        .attempt_layer(both())
        .build()
        .expect("the settings are valid");
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let (_, answer) = server.next_request().await;
        answer.send_response(done());
    });
    assert!(result.expect("it was answered").done);
}

/// An error of a user, with or without a status as its source.
#[derive(Debug)]
struct Mine(Option<Status>);

impl fmt::Display for Mine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("of mine")
    }
}

impl std::error::Error for Mine {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_ref().map(|status| status as _)
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_layer_becomes_a_status_with_the_code_of_its_source() {
    let cases = [
        (Mine(None), Code::Unknown),
        (Mine(Some(Status::aborted("no"))), Code::Aborted),
    ];
    for (mine, code) in cases {
        let mine = Arc::new(Mutex::new(Some(mine)));
        let layer = MapErrLayer::new(move |_: Status| {
            let mine = mine.lock().expect("not poisoned").take();
            mine.expect("a call fails once")
        });
        let (mock, mut server) = mock_transport();
        let builder = ApiGateway::builder().transport_service(mock).anonymous();
        let client = builder.layer(layer).build().expect("valid");
        let (result, ()) = tokio::join!(client.get_operation(NAME), async {
            let (_, answer) = server.next_request().await;
            answer.send_error(Status::internal("whatever"));
        });
        let error = result.expect_err("the layer replaced the error");
        assert_eq!(error.code(), Some(code), "{error}");
        assert!(error.to_string().starts_with("get operation "));
    }
}

/// A transport that fails to become ready.
#[derive(Clone)]
struct Broken(Code, Arc<AtomicUsize>);

impl Service<GrpcRequest> for Broken {
    type Response = GrpcResponse;
    type Error = Status;
    type Future = std::future::Ready<Result<GrpcResponse, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Err(Status::new(self.0, "it is broken")))
    }

    fn call(&mut self, _: GrpcRequest) -> Self::Future {
        unreachable!("it is never ready")
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_poll_ready_keeps_its_code_and_counts_as_an_attempt() {
    for (code, attempts) in [(Code::PermissionDenied, 1), (Code::Unavailable, 5)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let broken = Broken(code, Arc::clone(&asked));
        let builder = ApiGateway::builder().transport_service(broken).anonymous();
        let client = builder.build().expect("the settings are valid");
        let error = client.get_operation(NAME).await.expect_err("broken");
        assert_eq!(error.code(), Some(code));
        assert!(error.to_string().ends_with(": it is broken"), "{error}");
        assert_eq!(asked.load(Ordering::Relaxed), attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_transport_keeps_the_status_that_it_wraps() {
    let (client, mut server) = mock_client(|it| it);
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let error = Mine(Some(Status::already_exists("it does")));
        server.next_request().await.1.send_error(error);
    });
    let error = result.expect_err("it failed");
    assert_eq!(error.code(), Some(Code::AlreadyExists));
    server.expect_no_more_requests(client).await;
}
