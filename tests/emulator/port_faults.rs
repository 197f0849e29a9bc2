//! Faults on a port, over gRPC and over REST.
#![cfg(feature = "rest")]

use std::time::Duration;

use apigateway_grpc::contract::{Method, RetryPolicy};
use apigateway_grpc::emulator::{Emulator, Server, Via};
use apigateway_grpc::http::StatusCode;
use apigateway_grpc::prost_types::Any;
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::{ErrorDetails, StatusExt as _};
use apigateway_grpc::{ApiGateway, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{API, PARENT, create, get};

const BOTH: [(Transport, Via); 2] = [(Transport::Grpc, Via::Grpc), (Transport::Rest, Via::Rest)];

async fn served() -> (Emulator, Server) {
    let emulator = Emulator::builder().build();
    let server = emulator.start("127.0.0.1:0").await.expect("a free port");
    (emulator, server)
}

fn client(server: &Server, transport: Transport) -> ApiGateway {
    let builder = ApiGateway::builder().endpoint(server.endpoint());
    let builder = builder.transport(transport).retry(RetryPolicy::NEVER);
    builder.anonymous().build().expect("valid")
}

/// Sends an HTTP/1.1 request and returns everything that is received until the connection ends.
async fn raw(server: &Server, path: &str) -> String {
    let mut stream = TcpStream::connect(server.address())
        .await
        .expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let limit = Duration::from_secs(120);
    let read = tokio::time::timeout(limit, stream.read_to_end(&mut answer)).await;
    // A reset ends the connection too.
    read.expect("it ends").ok();
    String::from_utf8(answer).expect("it is text")
}

#[tokio::test]
async fn a_status_fault_keeps_its_details_over_grpc_and_rest() {
    let (emulator, server) = served().await;
    for (transport, via) in BOTH {
        let client = client(&server, transport);
        let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(7)));
        let status = Status::with_error_details(Code::ResourceExhausted, "slowly", details);
        let _fault = emulator.on(Method::GET_API).named(API).fail(status);
        let failed = get(&client, API)
            .await
            .expect_err("a fault makes the call fail");
        assert_eq!(
            (failed.code(), failed.message()),
            (Code::ResourceExhausted, "slowly"),
            "{via:?}"
        );
        let info = failed.get_details_retry_info().expect("details");
        assert_eq!(info.retry_delay, Some(Duration::from_secs(7)), "{via:?}");
        let call = emulator.calls().pop().expect("a call");
        assert_eq!((call.via, call.name.as_str()), (via, API));
    }
}

#[tokio::test]
async fn a_connection_is_closed_without_a_response_over_grpc_and_rest() {
    let (emulator, server) = served().await;
    for (transport, via) in BOTH {
        let client = client(&server, transport);
        for id in ["dropped", "lost"] {
            let on = emulator.on(Method::CREATE_API);
            let _fault = match id {
                "lost" => on.lose_response(),
                _ => on.drop_connection(),
            };
            let id = format!("{id}-{}", format!("{via:?}").to_lowercase());
            let failed = create(&client, &id).await.expect_err("no answer");
            assert_eq!(failed.code(), Code::Unavailable, "{id}: {failed}");
            let found = get(&client, &format!("{PARENT}/apis/{id}")).await;
            let code = found.map_or_else(|status| status.code(), |_| Code::Ok);
            let expected = match id.starts_with("lost") {
                true => Code::Ok,
                false => Code::NotFound,
            };
            assert_eq!(code, expected, "{id}");
        }
    }
}

#[tokio::test]
async fn a_dropped_connection_is_closed_before_a_response() {
    let (emulator, server) = served().await;
    let fault = emulator.on(Method::GET_API).times(2).drop_connection();
    let path = format!("/v1/{API}");
    for _ in 0..2 {
        assert_eq!(raw(&server, &path).await, "");
    }
    drop(fault);
    assert!(raw(&server, &path).await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn an_html_page_is_unchanged_over_grpc_and_rest() {
    let (emulator, server) = served().await;
    let _page = emulator.on(Method::GET_API).html(StatusCode::BAD_GATEWAY);
    let answer = raw(&server, &format!("/v1/{API}")).await;
    assert!(
        answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
        "{answer}"
    );
    assert!(answer.contains("content-type: text/html"), "{answer}");
    assert!(answer.contains("<h1>502 Bad Gateway</h1>"), "{answer}");
    for (transport, via) in BOTH {
        let _fault = emulator.on(Method::GET_API).html(StatusCode::BAD_GATEWAY);
        let failed = get(&client(&server, transport), API)
            .await
            .expect_err("a page");
        assert_eq!(failed.code(), Code::Unavailable, "{via:?}");
    }
}

#[tokio::test]
async fn an_html_page_with_an_unregistered_status_has_only_the_number() {
    let (emulator, server) = served().await;
    let status = StatusCode::from_u16(999).expect("a status");
    let _page = emulator.on(Method::GET_API).html(status);
    let answer = raw(&server, &format!("/v1/{API}")).await;
    assert!(answer.starts_with("HTTP/1.1 999 "), "{answer}");
    assert!(answer.contains("<title>999</title>"), "{answer}");
    assert!(answer.contains("<h1>999</h1>"), "{answer}");
}

#[tokio::test]
async fn a_response_fault_and_a_delay_apply_over_grpc_and_rest() {
    let (emulator, server) = served().await;
    for (transport, via) in BOTH {
        let client = client(&server, transport);
        let display_name = format!("{via:?}");
        let answer = Api {
            display_name,
            ..Default::default()
        };
        let _delayed = emulator
            .on(Method::GET_API)
            .delay(Duration::from_millis(50));
        let _given = emulator.on(Method::GET_API).respond(&answer);
        let began = std::time::Instant::now();
        assert_eq!(
            get(&client, API).await.expect_err("none").code(),
            Code::NotFound
        );
        assert!(began.elapsed() >= Duration::from_millis(50), "{via:?}");
        assert_eq!(get(&client, API).await.expect("an answer"), answer);
    }
}

#[tokio::test]
async fn a_call_whose_response_cannot_be_decoded_is_recorded_as_internal() {
    let (emulator, server) = served().await;
    // Field 2 of an API is a message, and the bytes are not one.
    let undecodable = Any {
        type_url: "a".into(),
        value: vec![0xff],
    };
    for (transport, via) in BOTH {
        let _given = emulator.on(Method::GET_API).respond(&undecodable);
        let failed = get(&client(&server, transport), API).await;
        let failed = failed.expect_err("no API");
        assert_eq!(failed.code(), Code::Internal, "{via:?} {failed}");
        let calls = emulator.calls();
        let call = calls.last().expect("a call");
        assert_eq!(call.via, via);
        assert_eq!(call.code, Some(Code::Internal), "{via:?}");
    }
}
