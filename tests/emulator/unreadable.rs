//! The records of requests that could not be read: over HTTP/JSON, and over gRPC.

use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::messages::event::Event as Kind;
use apigateway_grpc::emulator::{Emulator, Via};
use apigateway_grpc::tonic::{Code, Status};
use futures_util::StreamExt as _;
use http::HeaderValue;
use tower::ServiceExt as _;

use crate::faces::forms::grpc;
use crate::http::{ok, send};
use crate::{API, PARENT, emulator};

#[tokio::test]
async fn a_rest_request_that_cannot_be_read_is_recorded_with_its_error() {
    let server = Emulator::builder().start().await.expect("a free port");
    let mut events = server.emulator().events();
    events.next().await.expect("hello");
    let json = "content-type: application/json\r\nauthorization: Bearer hush\r\n";
    let apis = format!("/v1/{PARENT}/apis");
    let wait = format!("/v1/{PARENT}/operations/o:cancel");
    let rows = [
        (
            format!("POST {apis}?apiId=a"),
            json,
            r#"{"nope": 1}"#,
            Method::CREATE_API,
            PARENT,
            Code::InvalidArgument,
        ),
        (
            format!("PATCH /v1/{API}"),
            json,
            "{",
            Method::UPDATE_API,
            API,
            Code::InvalidArgument,
        ),
        (
            format!("GET /v1/{API}?nope=1"),
            "",
            "",
            Method::GET_API,
            API,
            Code::InvalidArgument,
        ),
        (
            format!("GET {apis}?pageSize=x"),
            "",
            "",
            Method::LIST_APIS,
            PARENT,
            Code::InvalidArgument,
        ),
        (
            format!("GET {apis}/%FF"),
            "",
            "",
            Method::GET_API,
            "",
            Code::InvalidArgument,
        ),
        (
            format!("POST {apis}"),
            "content-encoding: br\r\n",
            "x",
            Method::CREATE_API,
            PARENT,
            Code::Unimplemented,
        ),
        (
            format!("DELETE /v1/{API}"),
            "content-type: application/grpc-web\r\n",
            "",
            Method::DELETE_API,
            API,
            Code::Unimplemented,
        ),
        (
            format!("POST {wait}"),
            json,
            "[]",
            Method::CANCEL_OPERATION,
            &wait[4..wait.len() - 7],
            Code::InvalidArgument,
        ),
    ];
    for (line, headers, body, method, name, code) in &rows {
        let answer = send(&server, line, headers, body).await;
        assert!(answer.status >= 400, "{line}: {}", answer.body);
        let calls = server.emulator().calls();
        let call = calls.last().expect("a call");
        assert_eq!(
            (call.method.path(), call.name.as_str()),
            (method.path(), *name),
            "{line}"
        );
        assert_eq!((call.via, call.code), (Via::Rest, Some(*code)), "{line}");
        let error = call.error.as_ref().expect("an error");
        assert_eq!(answer.body["error"]["message"], error.message(), "{line}");
        assert!(
            call.message.is_none() && call.latency.is_some() && !call.is_cut,
            "{line}"
        );
        assert_eq!(call.http_version, Some(http::Version::HTTP_11));
        let event = events.next().await.expect("an event").event;
        let Some(Kind::Call(event)) = event else {
            panic!("{line}: {event:?}");
        };
        assert_eq!(
            (event.sequence, event.resource),
            (call.sequence, call.name.clone())
        );
        assert!(!call.headers.contains_key("host"), "{line}");
        if *headers == json {
            assert_eq!(call.headers["content-type"], "application/json");
            assert_eq!(call.headers["authorization"], "(masked)");
        }
    }
    assert_eq!(server.emulator().calls().len(), rows.len());
    assert_eq!(server.emulator().call_count(Method::CREATE_API), 2);

    // A path without a method, and a request of the admin service, are not calls.
    for line in [
        "GET /v1/nothing",
        "POST /emulator/v1/faults",
        "PUT /v1/projects/p/locations/global/apis/a",
    ] {
        let answer = send(&server, line, json, r#"{"nope": 1}"#).await;
        assert!(answer.status >= 400, "{line}: {}", answer.body);
    }
    assert_eq!(server.emulator().calls().len(), rows.len());
}

#[tokio::test]
async fn the_recorded_headers_of_a_rest_call_are_those_of_its_client() {
    let server = Emulator::builder().start().await.expect("a free port");
    let create = format!("POST /v1/{PARENT}/apis?apiId=a&key=hush");
    let json = "content-type: application/json; charset=utf-8\r\nx-of-mine: 1\r\n";
    assert_eq!(send(&server, &create, json, "{}").await.status, 200);
    ok(&server, &format!("GET /v1/{PARENT}/apis"), "").await;
    let get = format!("GET /v1/{API}");
    assert_eq!(send(&server, &get, "", "").await.status, 200);
    let calls = server.emulator().calls();
    let [created, _, read] = &calls[..] else {
        panic!("{calls:?}");
    };
    assert_eq!(
        created.headers["content-type"],
        "application/json; charset=utf-8"
    );
    assert_eq!(created.headers["x-of-mine"], "1");
    assert_eq!(created.headers["x-goog-api-key"], "(masked)");
    for call in &calls {
        assert!(!call.headers.contains_key("te"), "{call:?}");
    }
    assert!(!read.headers.contains_key("content-type"), "{read:?}");
}

#[tokio::test(start_paused = true)]
async fn a_grpc_request_that_is_too_large_or_has_an_unknown_encoding_is_recorded_with_its_error() {
    let emulator = emulator();
    let too_large = grpc(Method::GET_API, &vec![b'x'; 17 << 20], false);
    let mut unknown = grpc(Method::GET_API, b"", false);
    let encoding = HeaderValue::from_static("br");
    unknown.headers_mut().insert("grpc-encoding", encoding);
    for request in [too_large, unknown] {
        let response = emulator.service().oneshot(request).await;
        response.expect("a response");
    }
    let calls = emulator.calls();
    let codes: Vec<_> = calls.iter().map(|call| call.code).collect();
    assert_eq!(
        codes,
        [Some(Code::InvalidArgument), Some(Code::Unimplemented)]
    );
    for call in &calls {
        assert_eq!((call.via, call.method.name()), (Via::Grpc, "GetApi"));
        assert!(call.message.is_none() && call.error.is_some(), "{call:?}");
    }
    assert_eq!(emulator.call_count(Method::GET_API), 2);
}

#[tokio::test]
async fn an_unknown_service_or_method_is_unimplemented_with_the_known_ones() {
    let server = Emulator::builder().start().await.expect("a free port");
    let channel = tonic::transport::Channel::from_shared(server.endpoint()).expect("an address");
    let channel = channel.connect().await.expect("it listens");
    for (path, known) in [
        (
            "/no.Such/Method",
            "the services of the API are google.cloud.apigateway.v1.ApiGatewayService",
        ),
        ("/", "the services of the API are"),
        (
            "/google.cloud.apigateway.v1.ApiGatewayService/Get",
            "ListGateways",
        ),
    ] {
        let request = || {
            let mut request = grpc(Method::GET_API, b"", false);
            *request.uri_mut() = format!("{}{path}", server.endpoint())
                .parse()
                .expect("a URI");
            request
        };
        let in_process = server.emulator().service().oneshot(request()).await;
        let served = channel.clone().oneshot(request()).await;
        for response in [in_process.expect("a response"), served.expect("a response")] {
            let status = Status::from_header_map(response.headers()).expect("a status");
            assert_eq!(status.code(), Code::Unimplemented, "{path}");
            let start = format!("unknown method `{path}`: ");
            assert!(status.message().starts_with(&start), "{status}");
            assert!(status.message().contains(known), "{status}");
        }
    }
    assert!(server.emulator().calls().is_empty());
}
