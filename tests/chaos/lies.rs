//! Faults that are invalid responses.

use std::io::Write as _;
use std::sync::LazyLock;

use apigateway_grpc::tonic::Code::{self, Internal, ResourceExhausted, Unavailable, Unknown};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use prost::Message as _;
use tonic_types::pb;

use crate::fault::{Fault, Inject, Outcome};
use crate::liar::{Http2, Lie, Raw, Then};

const TOO_MUCH: Outcome = Outcome::Refused(&[ResourceExhausted]);
/// The codes of calls that fail after one of these faults, over a connection to the liar.
pub(crate) const AFTERWARDS: &[Code] = &[Unavailable, Internal, Unknown, ResourceExhausted];

pub(crate) const LIES: &[Fault] = &[
    Fault {
        // Over HTTP/1.1 the client accepts such headers, and returns the error in the body.
        rest: Some(Outcome::Refused(&[Unavailable])),
        ..lie(
            "headers of 64 KB",
            "one header field of 64 KiB",
            Lie {
                http2: Http2::Reply(|_| {
                    (
                        grpc()
                            .header("x-large", LARGE.as_str())
                            .body(())
                            .expect("a head"),
                        Then::Nothing,
                    )
                }),
                http1: |_| {
                    let head = format!("HTTP/1.1 404 Not Found\r\nx-large: {}\r\n", *LARGE);
                    http1(
                        &head,
                        br#"{"error":{"code":503,"status":"UNAVAILABLE","message":"later"}}"#,
                    )
                },
            },
            TOO_MUCH,
        )
    },
    lie(
        "headers without an end",
        "header fields until the client stops reading",
        Lie {
            http2: Http2::Frames(|_| Raw(frame(1, 0, &[0x88]), frame(9, 0, &long_field()))),
            http1: |_| {
                Raw(
                    b"HTTP/1.1 200 OK\r\n".to_vec(),
                    b"x-more: and more\r\n".repeat(64),
                )
            },
        },
        Outcome::Refused(&[Unavailable, Internal, ResourceExhausted]),
    ),
    Fault {
        // The limit is a setting of the client, so further polls would fail in the same way.
        outlived: false,
        ..lie(
            "body without an end",
            "a body that is sent until the client stops reading",
            ENDLESS,
            TOO_MUCH,
        )
    },
    Fault {
        outlived: false,
        ..lie(
            "compressed bomb",
            "64 MiB of blanks in 64 KB",
            Lie {
                http2: Http2::Reply(|_| {
                    let mut message = vec![1];
                    message.extend(length(&BOMB));
                    message.extend(BOMB.iter());
                    let head = grpc().header("grpc-encoding", "gzip");
                    let trailers = HeaderMap::from_iter([status("0")]);
                    (
                        head.body(()).expect("a head"),
                        Then::Once(message.into(), trailers),
                    )
                }),
                http1: |_| http1("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n", &BOMB),
            },
            TOO_MUCH,
        )
    },
    lie(
        "malformed frames",
        "HTTP/2: nine invalid frames in turn; HTTP/1.1: seven invalid responses in turn",
        Lie {
            http2: Http2::Frames(|number| Raw(FRAMES[number % FRAMES.len()].to_vec(), Vec::new())),
            http1: |number| Raw(HEADS[number % HEADS.len()].to_vec(), Vec::new()),
        },
        Outcome::Refused(&[Unavailable, Internal]),
    ),
    lie(
        "malformed trailers",
        "gRPC: six invalid trailers in turn; REST: six invalid error bodies in turn",
        Lie {
            http2: Http2::Reply(|number| {
                (
                    grpc().body(()).expect("a head"),
                    Then::Once(Bytes::new(), trailers(number)),
                )
            }),
            http1: |number| {
                http1(
                    "HTTP/1.1 503 Service Unavailable\r\n",
                    ERRORS[number % ERRORS.len()],
                )
            },
        },
        Outcome::Refused(&[Unavailable, Internal, Unknown]),
    ),
    lie(
        "status against details",
        "gRPC: UNAVAILABLE with details of NOT_FOUND; REST: 404 with a body of UNAVAILABLE",
        Lie {
            http2: Http2::Reply(|_| {
                let other = pb::Status {
                    code: 5,
                    message: "something else".into(),
                    details: Vec::new(),
                };
                let details = BASE64_STANDARD.encode(other.encode_to_vec());
                let head = grpc()
                    .header("grpc-status", "14")
                    .header("grpc-status-details-bin", details);
                (head.body(()).expect("a head"), Then::Nothing)
            }),
            http1: |_| {
                http1(
                    "HTTP/1.1 404 Not Found\r\n",
                    br#"{"error":{"code":404,"status":"UNAVAILABLE","message":"later"}}"#,
                )
            },
        },
        Outcome::Refused(&[Unavailable]),
    ),
];

pub(crate) const ENDLESS: Lie = Lie {
    http2: Http2::Reply(|_| {
        let mut first = vec![0];
        first.extend(u32::MAX.to_be_bytes());
        first.extend([b'x'; 4096]);
        (
            grpc().body(()).expect("a head"),
            Then::Forever(first.into()),
        )
    }),
    http1: |_| {
        Raw(
            b"HTTP/1.1 200 OK\r\n\r\n{\"name\":\"".to_vec(),
            vec![b'x'; 4096],
        )
    },
};

const fn lie(name: &'static str, how: &'static str, lie: Lie, outcome: Outcome) -> Fault {
    Fault {
        name,
        how,
        inject: Inject::Liar(lie),
        grpc: outcome,
        rest: Some(outcome),
        fallback: outcome,
        outlived: true,
    }
}

static LARGE: LazyLock<String> = LazyLock::new(|| "h".repeat(64 << 10));

static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let blanks = vec![b' '; 1 << 20];
    for _ in 0..64 {
        packer.write_all(&blanks).expect("memory");
    }
    packer.finish().expect("memory")
});

const FRAMES: [&[u8]; 9] = [
    // A frame of 16 MiB.
    &[255, 255, 255, 0, 0, 0, 0, 0, 1],
    // DATA before HEADERS, and on stream 0.
    &[0, 0, 1, 0, 0, 0, 0, 0, 1, 7],
    &[0, 0, 1, 0, 0, 0, 0, 0, 0, 7],
    // HEADERS with random bytes, and HEADERS of an unknown stream.
    &[0, 0, 3, 1, 4, 0, 0, 0, 1, 255, 255, 255],
    &[0, 0, 1, 1, 4, 0, 0, 0, 99, 0x88],
    // A short RST_STREAM, a WINDOW_UPDATE of zero, a short PING, and an unrequested PUSH_PROMISE.
    &[0, 0, 3, 3, 0, 0, 0, 0, 1, 0, 0, 0],
    &[0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    &[0, 0, 5, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5],
    &[0, 0, 5, 5, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0x82],
];

const HEADS: [&[u8]; 7] = [
    b"HTTP/1.1 abc\r\n\r\n",
    b"HTTP/7.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    b"HTTP/1.1 200 OK\r\n\0: x\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\0\r\n\r\n",
];

const ERRORS: [&[u8]; 6] = [
    b"{\"error\":5}",
    b"{\"error\":{\"code\":\"x\",\"status\":5}}",
    b"{\"error\":{\"status\":\"NO_SUCH_STATUS\",\"details\":7}}",
    b"[{\"error\":",
    b"\xff\xfe",
    b"",
];

fn trailers(number: usize) -> HeaderMap {
    let field = |name, value| (name, HeaderValue::from_static(value));
    let message = http::HeaderName::from_static("grpc-message");
    let details = http::HeaderName::from_static("grpc-status-details-bin");
    match number % 6 {
        0 => HeaderMap::from_iter([status("abc")]),
        1 => HeaderMap::from_iter([field(message, "no status")]),
        2 => HeaderMap::from_iter([status("-1")]),
        3 => HeaderMap::from_iter([status("13"), field(message, "%zz%")]),
        4 => HeaderMap::from_iter([status("14"), field(details, "!!!")]),
        // Status OK without a message.
        _ => HeaderMap::from_iter([status("0")]),
    }
}

fn status(code: &'static str) -> (http::HeaderName, HeaderValue) {
    let name = http::HeaderName::from_static("grpc-status");
    (name, HeaderValue::from_static(code))
}

fn grpc() -> http::response::Builder {
    Response::builder().header("content-type", "application/grpc")
}

fn http1(head: &str, body: &[u8]) -> Raw {
    let rest = "content-type: application/json\r\nconnection: close\r\n";
    let head = format!("{head}{rest}content-length: {}\r\n\r\n", body.len());
    Raw([head.as_bytes(), body].concat(), Vec::new())
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).expect("small").to_be_bytes()
}

/// Returns an HTTP/2 frame on the first stream.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = length(payload)[1..].to_vec();
    frame.extend([kind, flags, 0, 0, 0, 1]);
    frame.extend(payload);
    frame
}

/// Returns a literal field without indexing: `a: bbb…` in HPACK.
fn long_field() -> Vec<u8> {
    let mut field = vec![0, 1, b'a', 127, 128, 7];
    field.extend([b'b'; 127 + 7 * 128]);
    field
}
