//! A wait through ten minutes of a captive portal, which answers everything with its own page.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use apigateway_grpc::transcode::{Rest, Rules};
use http::HeaderValue;
use tokio::time::Instant;
use tonic::body::Body;

use crate::common::{self, NAME};

const PORTAL: Duration = Duration::from_secs(600);

fn reply(http: u16, media: &'static str, body: &'static str) -> GrpcResponse {
    let mut reply = GrpcResponse::new(Body::new(body.to_owned()));
    *reply.status_mut() = http.try_into().expect("a status");
    let media = HeaderValue::from_static(media);
    reply.headers_mut().insert("content-type", media);
    reply
}

fn page(http: u16) -> GrpcResponse {
    let mut page = reply(http, "text/html", "<!doctype html><h1>Log in</h1>");
    let elsewhere = HeaderValue::from_static("https://portal.example.net/");
    page.headers_mut().insert("location", elsewhere);
    page
}

/// Waits for an operation. For ten minutes the portal answers each call with a page of this HTTP status. Later calls get the
/// response of `after`.
async fn wait_through_portal(http: u16, rest: bool, after: fn() -> GrpcResponse) {
    let began = Instant::now();
    let pages = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&pages);
    let answer = tower::service_fn(move |_: GrpcRequest| {
        let portal = began.elapsed() < PORTAL;
        counted.fetch_add(u32::from(portal), Ordering::Relaxed);
        let reply = if portal { page(http) } else { after() };
        std::future::ready(Ok::<_, Infallible>(reply))
    });
    let builder = ApiGateway::builder();
    let client = if rest {
        let rest = Rest::new(Rules::api_gateway(), answer);
        builder.transport_service(rest).anonymous().build()
    } else {
        builder.transport_service(answer).anonymous().build()
    };
    let client = client.expect("valid");
    let operation = client.operation::<Api>(NAME).expect("a name");
    operation.await.expect("the portal has ended");
    assert!(began.elapsed() >= PORTAL, "{http} {rest}");
    assert!(pages.load(Ordering::Relaxed) > 20, "{http} {rest}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_survives_ten_minutes_of_a_captive_portal_over_rest() {
    let json = || {
        let body = r#"{"name": "projects/p/locations/global/operations/o", "done": true,
            "response": {"@type": "type.googleapis.com/google.cloud.apigateway.v1.Api"}}"#;
        reply(200, "application/json", body)
    };
    for http in [200, 302, 404, 407, 502, 503, 504, 511] {
        wait_through_portal(http, true, json).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_survives_ten_minutes_of_a_captive_portal_over_grpc() {
    let grpc = || common::ok(&crate::play::succeeded());
    for http in [200, 302, 407, 502, 503, 504, 511] {
        wait_through_portal(http, false, grpc).await;
    }
}
