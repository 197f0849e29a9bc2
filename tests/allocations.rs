//! The allocations of a call: one box for the whole stack, one for a user's transport, and one for each layer of the user. If
//! the user has attempt layers, each attempt needs another box. This file has no other test, because the counter is the
//! allocator of the process.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use apigateway_grpc::ApiGateway;
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse, Stack};
use apigateway_grpc::tower::{Service, layer::layer_fn};
use bytes::Bytes;
use http_body_util::Full;
use tonic::body::Body;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Answers at once, and counts its clones.
struct Transport {
    clones: Arc<AtomicUsize>,
}

impl Clone for Transport {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::Relaxed);
        Self {
            clones: Arc::clone(&self.clones),
        }
    }
}

impl Service<GrpcRequest> for Transport {
    type Response = GrpcResponse;
    type Error = Infallible;
    type Future = Ready<Result<GrpcResponse, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: GrpcRequest) -> Self::Future {
        let mut reply =
            GrpcResponse::new(Body::new(Full::new(Bytes::from_static(&[0, 0, 0, 0, 0]))));
        let headers = reply.headers_mut();
        headers.insert(
            "content-type",
            http::HeaderValue::from_static("application/grpc"),
        );
        headers.insert("grpc-status", http::HeaderValue::from_static("0"));
        ready(Ok(reply))
    }
}

/// A layer that passes everything through.
#[derive(Clone)]
struct Pass<S>(S);

impl<S: Service<GrpcRequest>> Service<GrpcRequest> for Pass<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, rpc: GrpcRequest) -> S::Future {
        self.0.call(rpc)
    }
}

fn rpc() -> GrpcRequest {
    let name = b"\0\0\0\0\x24\x0a\x22projects/p/locations/l/operations/";
    let mut rpc = GrpcRequest::new(Body::new(Full::new(Bytes::from_static(name))));
    *rpc.method_mut() = http::Method::POST;
    *rpc.uri_mut() = http::Uri::from_static("/google.longrunning.Operations/GetOperation");
    rpc
}

/// Returns the allocations of `call` itself, and those of the returned future until its end.
async fn cost(stack: &mut Stack) -> (u64, u64) {
    let rpc = rpc();
    let before = dhat::HeapStats::get().total_blocks;
    let call = stack.call(rpc);
    let called = dhat::HeapStats::get().total_blocks;
    let reply = call.await.expect("the transport answers");
    let ended = dhat::HeapStats::get().total_blocks;
    drop(reply);
    (called - before, ended - called)
}

#[tokio::test(flavor = "current_thread")]
async fn a_call_boxes_one_future_and_one_more_for_each_layer_of_the_user() {
    let clones = Arc::new(AtomicUsize::new(0));
    let transport = || Transport {
        clones: Arc::clone(&clones),
    };
    let bare = ApiGateway::builder()
        .transport_service(transport())
        .anonymous();
    let layered = ApiGateway::builder()
        .transport_service(transport())
        .anonymous()
        .layer(layer_fn(Pass))
        .layer(layer_fn(Pass))
        .attempt_layer(layer_fn(Pass))
        .attempt_layer(layer_fn(Pass));
    let mut bare = bare.build().expect("valid").stack();
    let mut layered = layered.build().expect("valid").stack();
    let _profiler = dhat::Profiler::builder().testing().build();
    // The first calls fill caches.
    cost(&mut bare).await;
    cost(&mut layered).await;

    let before = clones.load(Ordering::Relaxed);
    let (boxed, within) = cost(&mut bare).await;
    assert_eq!(
        clones.load(Ordering::Relaxed) - before,
        1,
        "one clone a call"
    );
    assert_eq!(boxed, 1, "one box a call");
    let (boxed, within_layers) = cost(&mut layered).await;
    assert_eq!(
        clones.load(Ordering::Relaxed) - before,
        2,
        "the layers add no clone"
    );
    assert_eq!(boxed, 1, "one box when the call begins");
    // Four boxes are for the four layers. The fifth is for the attempt, which needs a box only if the user has attempt layers.
    assert_eq!(
        within_layers,
        within + 5,
        "one box for each layer, and one for the attempt"
    );
    // Five allocations are the response of `Transport`, and one is the box around the transport. The rest are the bodies, the
    // headers, the routing value and the context of the call. None of them is a future of a layer.
    assert!(within <= 26, "{within} allocations within a call");
    println!("allocations in a call over the stack: {boxed} box + {within}");
}
