//! Responses of hostile or broken peers. Each causes one error that names the operation, and no panic.

mod compression;

use std::time::Duration;

use crate::common::{NAME, done, framed, grpc, mock_client};
use apigateway_grpc::Error;
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::stack::GrpcResponse;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, ErrorDetails, StatusExt as _, pb};

/// Returns the error of a read with this response.
async fn error(reply: GrpcResponse) -> Error {
    let (client, mut server) =
        mock_client(|it| it.retry(apigateway_grpc::contract::RetryPolicy::NEVER));
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        server.next_request().await.1.send_response(reply);
    });
    server.expect_no_more_requests(client).await;
    let error = result.expect_err("the response is invalid");
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("get operation {NAME}: ")),
        "{text}"
    );
    error
}

fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| {
        let value = HeaderValue::from_bytes(value).expect("header bytes");
        (http::HeaderName::from_static(name), value)
    });
    pairs.collect()
}

/// Returns two responses: the status in the head without a body, and the status in the trailers after a body.
fn both(status: &HeaderMap) -> [GrpcResponse; 2] {
    let mut head = grpc(Body::empty());
    head.headers_mut().extend(status.clone());
    [head, ended(framed(&pb::Status::default()), status)]
}

/// Returns a response with this body and these trailers.
fn ended(body: Vec<u8>, trailers: &HeaderMap) -> GrpcResponse {
    let trailers = std::future::ready(Some(Ok(trailers.clone())));
    grpc(Body::new(
        Full::new(Bytes::from(body)).with_trailers(trailers),
    ))
}

#[tokio::test]
async fn malformed_details_keep_code_and_message() {
    for details in [&b"!!!"[..], b"=", b"\xff\xfe", b"A", b"CAUSBA===="] {
        let status = headers(&[
            ("grpc-status", b"5"),
            ("grpc-message", b"no such operation"),
        ]);
        for mut reply in both(&status) {
            let details = HeaderValue::from_bytes(details).expect("header bytes");
            if reply.headers().contains_key("grpc-status") {
                reply
                    .headers_mut()
                    .insert("grpc-status-details-bin", details);
            } else {
                let mut status = status.clone();
                status.insert("grpc-status-details-bin", details);
                reply = ended(framed(&pb::Status::default()), &status);
            }
            let error = error(reply).await;
            assert!(error.is_not_found(), "{error}");
            assert!(error.to_string().ends_with("not found: no such operation"));
            assert!(error.details().is_empty() && error.raw_details().is_empty());
        }
    }
}

#[tokio::test]
async fn an_ok_response_stays_ok_with_any_details_and_message() {
    let odd = headers(&[
        ("grpc-status", b"0"),
        ("grpc-message", b"%ff%fe"),
        ("grpc-status-details-bin", b"!!!"),
    ]);
    let operation = done()
        .into_body()
        .collect()
        .await
        .expect("whole")
        .to_bytes();
    let mut in_head = grpc(Body::new(Full::new(operation.clone())));
    in_head.headers_mut().extend(odd.clone());
    for reply in [in_head, ended(operation.to_vec(), &odd)] {
        let (client, mut server) = mock_client(|it| it);
        let (result, ()) = tokio::join!(client.get_operation(NAME), async {
            server.next_request().await.1.send_response(reply);
        });
        assert!(result.expect("its status is OK").done);
    }
}

#[tokio::test]
async fn details_are_decoded_from_head_and_trailers() {
    let mut details = ErrorDetails::with_error_info("GONE", "apigateway.googleapis.com", []);
    details.set_retry_info(Some(Duration::from_secs(7)));
    let status = Status::with_error_details(Code::NotFound, "gone", details);
    let status = status.into_http::<()>().into_parts().0.headers;
    for reply in both(&status) {
        let details = error(reply).await.details();
        let [ErrorDetail::RetryInfo(retry), ErrorDetail::ErrorInfo(info)] = &details[..] else {
            panic!("not the two: {details:?}");
        };
        assert_eq!(info.reason, "GONE");
        assert_eq!(retry.retry_delay, Some(Duration::from_secs(7)));
    }
}

#[tokio::test]
async fn unknown_and_malformed_details_do_not_hide_other_details() {
    let any = |name: &str, value: Vec<u8>| prost_types::Any {
        type_url: format!("type.googleapis.com/{name}"),
        value,
    };
    let info = pb::ErrorInfo {
        reason: "GONE".into(),
        ..pb::ErrorInfo::default()
    };
    let details = vec![
        any("some.Unknown", b"\x0a\x01x".to_vec()),
        any("google.rpc.RetryInfo", b"\xff\xff".to_vec()),
        any("google.rpc.ErrorInfo", info.encode_to_vec()),
    ];
    let whole = pb::Status {
        code: 5,
        message: "gone".into(),
        details: details.clone(),
    };
    let bytes = whole.encode_to_vec().into();
    let error = error(Status::with_details(Code::NotFound, "gone", bytes).into_http()).await;
    let [ErrorDetail::ErrorInfo(info)] = &error.details()[..] else {
        panic!("not the one: {:?}", error.details());
    };
    assert_eq!(info.reason, "GONE");
    assert_eq!(error.raw_details(), details);
}

#[tokio::test]
async fn a_message_that_is_not_utf8_is_repaired_and_its_code_kept() {
    for message in [&b"gone %ff%fe"[..], b"gone \xff"] {
        let mut status = headers(&[("grpc-status", b"5")]);
        let message = HeaderValue::from_bytes(message).expect("header bytes");
        status.insert("grpc-message", message);
        for reply in both(&status) {
            let error = error(reply).await;
            assert!(error.is_not_found(), "{error}");
            assert!(error.to_string().contains("gone \u{fffd}"), "{error}");
        }
    }
}

#[tokio::test]
async fn an_invalid_status_code_is_unknown() {
    for code in [&b"17"[..], b"-1", b"x", b"", b"00"] {
        let mut status = headers(&[("grpc-message", b"odd")]);
        let code = HeaderValue::from_bytes(code).expect("header bytes");
        status.insert("grpc-status", code);
        for reply in both(&status) {
            assert_eq!(error(reply).await.code(), Some(Code::Unknown));
        }
    }
}

fn page(status: u16, media: &'static str, body: &'static str) -> GrpcResponse {
    let reply = http::Response::builder().status(status);
    let reply = reply.header("content-type", media);
    reply
        .body(Body::new(Full::new(body.into())))
        .expect("valid")
}

#[tokio::test]
async fn a_response_that_is_not_grpc_is_reported_with_its_http_status_and_media_type() {
    let cases = [
        // Captive portals send the next four statuses. Such a failure is transient.
        (200, Code::Unavailable),
        (302, Code::Unavailable),
        (407, Code::Unavailable),
        (511, Code::Unavailable),
        (400, Code::Internal),
        (401, Code::Unauthenticated),
        (403, Code::PermissionDenied),
        (404, Code::Unavailable),
        (429, Code::Unavailable),
        (500, Code::Unknown),
        (502, Code::Unavailable),
        (503, Code::Unavailable),
        (504, Code::Unavailable),
    ];
    for (status, code) in cases {
        let error = error(page(status, "text/html", "<h1>Sign in</h1>")).await;
        assert_eq!(error.code(), Some(code), "{status}");
        let said = format!("HTTP {status} and text/html, which is not gRPC");
        assert!(error.to_string().contains(&said), "{error}");
        assert!(
            !error.to_string().contains("Sign in"),
            "the error shows the body: {error}"
        );
    }
    let other = error(page(200, "application/json", "{}")).await;
    assert_eq!(other.code(), Some(Code::Unknown));
    let error = error(http::Response::new(Body::empty())).await;
    assert!(error.to_string().contains("no content type"), "{error}");
}

#[tokio::test]
async fn a_response_without_a_status_is_an_error() {
    let bare = || grpc(Body::new(Full::new(framed(&pb::Status::default()).into())));
    for reply in [
        bare(),
        grpc(Body::empty()),
        ended(vec![], &HeaderMap::new()),
    ] {
        let error = error(reply).await;
        assert_eq!(error.code(), Some(Code::Internal));
        assert!(
            error.to_string().contains("without a gRPC status"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn truncated_invalid_or_compressed_frames_are_errors() {
    let ok = headers(&[("grpc-status", b"0")]);
    let cut = framed(&pb::Status {
        message: "a message".into(),
        ..pb::Status::default()
    });
    let cut = cut[..cut.len() - 3].to_vec();
    let garbage = b"<html>no frame at all</html>".to_vec();
    let compressed = vec![1, 0, 0, 0, 2, 0x0a, 0x00];
    let no_message = vec![0, 0, 0, 0, 2, 0xff, 0xff];
    let endless = vec![0, 0xff, 0xff, 0xff, 0xff, 0];
    let empty = vec![];
    for body in [cut, garbage, compressed, no_message, endless, empty] {
        let error = error(ended(body.clone(), &ok)).await;
        let code = error.code().expect("a call failed");
        assert!(
            matches!(
                code,
                Code::Internal | Code::OutOfRange | Code::Unimplemented
            ),
            "{body:?}: {error}"
        );
    }
}

#[tokio::test]
async fn a_second_message_of_a_unary_response_is_internal_even_if_truncated() {
    let ok = headers(&[("grpc-status", b"0")]);
    let message = framed(&Operation::default());
    for second in [&message[..], &message[..2], &[0]] {
        let error = error(ended([&message[..], second].concat(), &ok)).await;
        assert_eq!(error.code(), Some(Code::Internal), "{error}");
        assert!(
            error.to_string().contains("more than one message"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_response_above_the_limit_is_refused() {
    let reply = || done().into_body().collect();
    let size = reply().await.expect("whole").to_bytes().len();
    for (bound, fits) in [(size, true), (size - 1, false)] {
        let (client, mut server) = mock_client(|it| it.max_response_size(bound));
        let (result, ()) = tokio::join!(client.get_operation(NAME), async {
            server.next_request().await.1.send_response(done());
        });
        assert_eq!(result.is_ok(), fits, "{bound}");
        if let Err(error) = result {
            let said =
                format!("larger than {bound} bytes, the limit of this client (max_response_size)");
            assert_eq!(error.code(), Some(Code::ResourceExhausted));
            assert!(error.to_string().contains(&said), "{error}");
            assert!(
                error.to_string().ends_with("(max_response_size)"),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn if_there_are_several_codes_the_first_that_is_not_ok_is_used() {
    for codes in [[&b"0"[..], b"5"], [b"5", b"0"], [b"5", b"7"]] {
        let mut status = HeaderMap::new();
        for code in codes {
            let code = HeaderValue::from_bytes(code).expect("header bytes");
            status.append("grpc-status", code);
        }
        for reply in both(&status) {
            let error = error(reply).await;
            assert!(error.is_not_found(), "{codes:?}: {error}");
        }
    }
    let ok = headers(&[("grpc-status", b"0"), ("grpc-status", b"0")]);
    let (client, mut server) = mock_client(|it| it);
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let operation = framed(&Operation::default());
        server
            .next_request()
            .await
            .1
            .send_response(ended(operation, &ok));
    });
    result.expect("both are OK");
}

#[tokio::test]
async fn a_long_media_type_is_cut_in_the_error() {
    let mut reply = page(502, "", "");
    let media = HeaderValue::try_from("x".repeat(60_000)).expect("header text");
    reply.headers_mut().insert("content-type", media);
    let text = error(reply).await.to_string();
    assert!(
        text.len() < 300 && text.contains("HTTP 502 and xxx"),
        "{text}"
    );
}

/// Returns the error of a response with these trailers and a further trailer of 2,000 bytes. The limit on metadata is
/// 1,000 bytes.
async fn over(status: &HeaderMap) -> Error {
    let mut status = status.clone();
    let padding = HeaderValue::try_from("x".repeat(2000)).expect("header text");
    status.insert("x-padding", padding);
    let (client, mut server) = mock_client(|it| {
        let never = apigateway_grpc::contract::RetryPolicy::NEVER;
        it.retry(never).max_metadata_size(1000)
    });
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        server
            .next_request()
            .await
            .1
            .send_response(ended(vec![], &status));
    });
    result.expect_err("it failed")
}

#[tokio::test]
async fn metadata_over_the_limit_keeps_the_parts_of_the_status_that_fit() {
    let mut details = ErrorDetails::with_error_info("GONE", "apigateway.googleapis.com", []);
    let small = Status::with_error_details(Code::NotFound, "gone", details.clone());
    details.set_debug_info(vec!["x".repeat(1000)], "");
    let large = Status::with_error_details(Code::NotFound, "gone", details);
    for (status, kept, dropped) in [(small, 1, "metadata"), (large, 0, "error details")] {
        let mut trailers = status.into_http::<()>().into_parts().0.headers;
        trailers.insert("grpc-retry-pushback-ms", HeaderValue::from_static("70"));
        let error = over(&trailers).await;
        assert!(error.is_not_found(), "{error}");
        assert_eq!(error.details().len(), kept);
        let text = format!("not found: gone; {dropped} dropped: ");
        assert!(error.to_string().contains(&text), "{error}");
        let status = error.status().expect("a status");
        let metadata = status.metadata();
        assert!(metadata.contains_key("grpc-retry-pushback-ms"));
        assert!(!metadata.contains_key("x-padding"));
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_cut_between_its_characters() {
    let text = "é".repeat(1000);
    let encoded = text.bytes().map(|byte| format!("%{byte:X}"));
    let encoded: String = encoded.collect();
    let status = [
        ("grpc-status", &b"5"[..]),
        ("grpc-message", encoded.as_bytes()),
    ];
    let error = over(&headers(&status)).await;
    let expected = format!("not found: {}…; metadata dropped: ", "é".repeat(500));
    assert!(error.to_string().contains(&expected), "{error}");
}
