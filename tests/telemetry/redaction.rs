//! A session over real sockets, with secrets in all headers, bodies and responses. No error, log, metric or `Debug` output
//! contains a secret, and neither do the recorded calls of the emulator.

use std::time::Duration;

use crate::seen::Seen;
use apigateway_grpc::contract::{Method, RetryPolicy};
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::{File, OpenApiDocument};
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, ApiConfig};
use apigateway_grpc::tonic::Status;
use apigateway_grpc::{ApiGateway, CallOptions, Transport};
use http::HeaderValue;

const SECRET: &str = "s3cr3t";
const TOKEN: &str = "ya29.s3cr3t-token";
const PARENT: &str = "projects/p/locations/global";

fn api(id: &str) -> Api {
    Api {
        name: format!("{PARENT}/apis/{id}"),
        display_name: "of s3cr3t content".into(),
        ..Api::default()
    }
}

/// Makes all kinds of calls over this transport, and records the errors.
async fn session(seen: &Seen, emulator: &Emulator, endpoint: &str, transport: Transport, id: &str) {
    let builder = ApiGateway::builder()
        .endpoint(endpoint)
        .transport(transport)
        .access_token(TOKEN)
        .retry(RetryPolicy::NEVER);
    seen.add(&format!("{builder:?}\n{builder:#?}\n"));
    let client = builder.build().expect("valid");
    let mut options = CallOptions::default();
    let value = HeaderValue::from_static("s3cr3t-header");
    options.headers.insert("x-tenant-key", value);
    seen.add(&format!("{options:?}\n{options:#?}\n"));
    let client = client.with_options(options);

    let created = client.create_api(PARENT, id, api(id)).await;
    let operation = created.expect("started");
    seen.add(&format!("{operation:?}\n{:?}\n", operation.handle()));
    let name = operation.name().to_owned();
    let created = operation.await.expect("an api");
    assert_eq!(created.display_name, "of s3cr3t content");
    let mut done = client.operation::<Api>(name).expect("a name");
    done.poll().await.expect("polled");
    seen.add(&format!("{done:?}\n{done:#?}\n"));
    let page = client.list_apis(PARENT).first_page().await.expect("a page");
    assert!(!page.items.is_empty());
    let file = File {
        path: "openapi.yaml".into(),
        contents: b"swagger: '2.0' # s3cr3t\n".to_vec(),
    };
    let config = ApiConfig {
        openapi_documents: vec![OpenApiDocument {
            document: Some(file),
        }],
        ..ApiConfig::default()
    };
    let parent = format!("{PARENT}/apis/{id}");
    // The document is invalid, so the emulator creates a diagnostic about its content.
    match client.create_api_config(parent, "c", config).await {
        Ok(started) => seen.add(&format!("{started:?}\n")),
        Err(error) => seen.add_error(&error),
    }
    let conflict = client.create_api(PARENT, id, api(id)).await;
    seen.add_error(&conflict.expect_err("the API exists"));

    // Each of these faults leaves one call without its response.
    let on = || emulator.on(Method::GET_API);
    let _failing = [
        on().fail(Status::internal("away")),
        on().drop_connection(),
        on().lose_response(),
        on().html(http::StatusCode::BAD_GATEWAY),
        on().delay(Duration::from_secs(30)),
    ];
    let hurried = CallOptions::default().timeout(Duration::from_millis(300));
    let hurried = client.with_options(hurried);
    for _ in 0..5 {
        let failed = hurried.get_api(format!("{PARENT}/apis/{id}")).await;
        match failed {
            Err(error) => seen.add_error(&error),
            // An HTML page in place of gRPC causes a fallback to REST, which answers.
            Ok(_) => assert_eq!(transport, Transport::GrpcWithRestFallback),
        }
    }
    seen.add(&format!("{client:?}\n{:?}\n", client.stack()));
    seen.add(&format!(
        "{:?} {:?}\n",
        client.service_client(),
        client.operations_client()
    ));
}

#[cfg(feature = "metrics")]
fn recorder() -> metrics_util::debugging::DebuggingRecorder {
    metrics_util::debugging::DebuggingRecorder::new()
}

#[tokio::test]
async fn nothing_that_is_emitted_by_a_client_or_the_emulator_shows_a_secret_or_a_body() {
    let seen = Seen::default();
    let _guard = seen.capture();
    #[cfg(feature = "metrics")]
    let recorder = recorder();
    #[cfg(feature = "metrics")]
    let _recording = metrics::set_default_local_recorder(&recorder);
    let emulator = Emulator::builder()
        .require_token(TOKEN)
        .operation_time(Duration::ZERO);
    seen.add(&format!("{emulator:?}\n"));
    let emulator = emulator.build();
    let server = emulator.start("127.0.0.1:0").await.expect("a free port");
    for (transport, id) in [
        (Transport::Grpc, "grpc"),
        (Transport::Rest, "rest"),
        (Transport::GrpcWithRestFallback, "both"),
    ] {
        session(&seen, &emulator, &server.endpoint(), transport, id).await;
    }
    seen.add(&format!(
        "{emulator:?}\n{:?}\n{server:?}\n",
        emulator.calls()
    ));
    #[cfg(feature = "metrics")]
    for (key, _, description, value) in recorder.snapshotter().snapshot().into_vec() {
        seen.add(&format!("{key:?} {description:?} {value:?}\n"));
    }
    // `leak` also fails if its second argument was not captured. So this also checks that the crates have logged and that the
    // calls are recorded.
    for text in ["h2::", "hyper::", "CreateApi", "ReceivedCall", "(masked)"] {
        assert_eq!(seen.leak(SECRET, text), None);
    }
    // The bytes of the secret as numbers, as `Debug` shows a byte vector.
    assert_eq!(seen.leak("115, 51, 99, 114, 51, 116", "h2::"), None);
}
