//! Servers that are wrong on purpose, where no other test has them: `README.md` tells which are where.

use std::io::Write as _;
use std::sync::OnceLock;
use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::tonic::Code;
use apigateway_grpc::{ApiGateway, Error, Transport};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Response;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tonic_types::pb;

use crate::run::API;
use crate::seen::Seen;
use crate::source::SECRET;
use crate::source::TOKEN;

/// What a call may take; nothing here but silence should take as long.
const DEADLINE: Duration = Duration::from_secs(4);

const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

fn client(endpoint: &str, transport: Transport) -> ApiGateway {
    ApiGateway::builder()
        .endpoint(endpoint)
        .transport(transport)
        .access_token(TOKEN)
        .timeout(DEADLINE)
        .retry(RetryPolicy::NEVER)
        .max_reply_size(64 << 10)
        .build()
        .expect("valid")
}

/// Where the servers live: what they log is not the client's.
fn beyond() -> &'static Runtime {
    static BEYOND: OnceLock<Runtime> = OnceLock::new();
    BEYOND.get_or_init(crate::servers)
}

/// How one call ended; all that was seen so far has no secret in it.
async fn called(seen: &Seen, endpoint: &str, transport: Transport) -> Result<(), Error> {
    let client = client(endpoint, transport);
    let called = tokio::time::timeout(DEADLINE * 3, client.get_api(API)).await;
    let called = called.expect("it ends with its deadline").map(drop);
    if let Err(error) = &called {
        seen.add_error(error);
        assert!(error.to_string().len() < 2000, "{error}");
    }
    assert_eq!(seen.leak(SECRET, "hyper"), None);
    called
}

/// A server that greets each connection, reads what it is asked, answers with these bytes and then repeats others for
/// as long as somebody takes them.
async fn saying(greeting: &'static [u8], answer: Vec<u8>, forever: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("it listens"));
    beyond().spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (answer, forever) = (answer.clone(), forever.clone());
            tokio::spawn(async move {
                stream.write_all(greeting).await?;
                // A request is there once its path is, which neither protocol hides at the length of ours.
                let mut asked = Vec::new();
                while asked.len() < 200 {
                    if stream.read_buf(&mut asked).await? == 0 {
                        return Ok(());
                    }
                }
                stream.write_all(&answer).await?;
                while !forever.is_empty() {
                    stream.write_all(&forever).await?;
                }
                let mut rest = [0; 1024];
                while stream.read(&mut rest).await? > 0 {}
                std::io::Result::Ok(())
            });
        }
    });
    endpoint
}

/// A server of HTTP/2 that answers each call with this head, and then with bodies or none.
async fn answering(head: Response<()>, body: Option<Bytes>, ends: bool) -> (String, Ended) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("it listens"));
    let (tell, ended) = mpsc::unbounded_channel();
    beyond().spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(
                stream,
                head.clone(),
                body.clone(),
                ends,
                tell.clone(),
            ));
        }
    });
    (endpoint, ended)
}

/// Told when a reply was given up.
type Ended = mpsc::UnboundedReceiver<()>;

async fn serve(
    stream: TcpStream,
    head: Response<()>,
    body: Option<Bytes>,
    ends: bool,
    tell: mpsc::UnboundedSender<()>,
) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(call) = connection.accept().await {
        let (_, mut respond) = call?;
        let mut sending = respond.send_response(head.clone(), ends)?;
        let (body, tell) = (body.clone(), tell.clone());
        tokio::spawn(async move {
            while let Some(body) = &body {
                sending.reserve_capacity(body.len());
                match std::future::poll_fn(|cx| sending.poll_capacity(cx)).await {
                    Some(Ok(room)) => {
                        let some = body.slice(..room.min(body.len()));
                        if sending.send_data(some, false).is_err() {
                            break;
                        }
                    }
                    _ => break,
                }
            }
            tell.send(()).ok();
        });
    }
    Ok(())
}

fn grpc() -> http::response::Builder {
    Response::builder().header("content-type", "application/grpc")
}

#[tokio::test]
async fn headers_of_64_kilobytes_are_read_or_are_one_clear_error() {
    let seen = Seen::default();
    let _capturing = seen.capture();
    let large = "h".repeat(64 << 10);
    let head = grpc().header("x-large", &large).header("grpc-status", "5");
    let (endpoint, _ended) = answering(head.body(()).expect("a head"), None, true).await;
    let error = called(&seen, &endpoint, Transport::Grpc).await;
    let error = error.expect_err("HTTP/2 has a bound for it");
    assert_eq!(error.code(), Some(Code::ResourceExhausted), "{error}");

    let answer = format!(
        "HTTP/1.1 200 OK\r\nx-large: {large}\r\ncontent-length: {}\r\n\r\n{{\"name\":\"{API}\"}}",
        API.len() + 11
    );
    let endpoint = saying(b"", answer.into_bytes(), Vec::new()).await;
    called(&seen, &endpoint, Transport::Rest)
        .await
        .expect("HTTP/1.1 has room for it");
}

#[tokio::test]
async fn headers_without_an_end_are_one_clear_error() {
    let seen = Seen::default();
    let _capturing = seen.capture();
    let frame = |kind: u8, flags: u8, payload: &[u8]| {
        let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags, 0, 0, 0, 1]);
        frame.extend(payload);
        frame
    };
    // A field that is not to be indexed, its name and value given: what `a: bbb…` is in HPACK.
    let mut field = vec![0, 1, b'a', 127, 128, 7];
    field.extend([b'b'; 127 + 7 * 128]);
    let continued = frame(9, 0, &field);
    let endpoint = saying(SETTINGS, frame(1, 0, &[0x88]), continued).await;
    let error = called(&seen, &endpoint, Transport::Grpc).await;
    let error = error.expect_err("it has no end");
    assert_ne!(error.code(), Some(Code::DeadlineExceeded), "{error}");

    let head = b"HTTP/1.1 200 OK\r\n".to_vec();
    let endpoint = saying(b"", head, b"x-more: and more\r\n".repeat(64)).await;
    let error = called(&seen, &endpoint, Transport::Rest).await;
    let error = error.expect_err("it has no end");
    assert_ne!(error.code(), Some(Code::DeadlineExceeded), "{error}");
}

#[tokio::test]
async fn a_grpc_body_without_an_end_is_given_up_at_the_bound() {
    let seen = Seen::default();
    let _capturing = seen.capture();
    let mut first = vec![0];
    first.extend(u32::MAX.to_be_bytes());
    first.extend([b'x'; 4096]);
    let head = grpc().body(()).expect("a head");
    let (endpoint, mut ended) = answering(head, Some(first.into()), false).await;
    let error = called(&seen, &endpoint, Transport::Grpc).await;
    let error = error.expect_err("it has no end");
    assert_eq!(error.code(), Some(Code::ResourceExhausted), "{error}");
    let told = tokio::time::timeout(DEADLINE, ended.recv()).await;
    assert!(told.is_ok(), "the server was not told to stop");
}

/// 64 MiB of nothing in 64 KB, where 64 KiB are the most.
#[tokio::test]
async fn compressed_bombs_are_one_clear_error_over_any_transport() {
    let seen = Seen::default();
    let _capturing = seen.capture();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let nothing = vec![b' '; 1 << 20];
    for _ in 0..64 {
        packer.write_all(&nothing).expect("memory");
    }
    let bomb = packer.finish().expect("memory");
    let mut message = vec![1];
    message.extend(u32::try_from(bomb.len()).expect("small").to_be_bytes());
    message.extend(&bomb);
    let head = grpc().header("grpc-encoding", "gzip");
    let head = head.body(()).expect("a head");
    let (grpc, _ended) = answering(head, Some(message.into()), false).await;
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        bomb.len()
    )
    .into_bytes();
    answer.extend(&bomb);
    let rest = saying(b"", answer, Vec::new()).await;
    let both = Transport::GrpcWithRestFallback;
    for (endpoint, transport) in [
        (&grpc, Transport::Grpc),
        (&grpc, both),
        (&rest, Transport::Rest),
    ] {
        let error = called(&seen, endpoint, transport).await;
        let error = error.expect_err("it is too large");
        let codes = [Code::ResourceExhausted, Code::Unimplemented, Code::Internal];
        let code = error.code().expect("a call");
        assert!(codes.contains(&code), "{transport:?}: {error}");
    }
}

#[tokio::test]
async fn frames_that_break_the_rules_of_http2_are_one_clear_error() {
    let seen = Seen::default();
    let _capturing = seen.capture();
    let cases: [(&str, &[u8]); 9] = [
        ("a frame of 16 MiB", &[255, 255, 255, 0, 0, 0, 0, 0, 1]),
        ("data before a head", &[0, 0, 1, 0, 0, 0, 0, 0, 1, 7]),
        ("data on no stream", &[0, 0, 1, 0, 0, 0, 0, 0, 0, 7]),
        (
            "a head of noise",
            &[0, 0, 3, 1, 4, 0, 0, 0, 1, 255, 255, 255],
        ),
        ("a head for nobody", &[0, 0, 1, 1, 4, 0, 0, 0, 99, 0x88]),
        ("a short reset", &[0, 0, 3, 3, 0, 0, 0, 0, 1, 0, 0, 0]),
        (
            "a window of nothing",
            &[0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
        ("a short ping", &[0, 0, 5, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5]),
        (
            "a push that nobody asked for",
            &[0, 0, 5, 5, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0x82],
        ),
    ];
    for (what, bytes) in cases {
        let endpoint = saying(SETTINGS, bytes.to_vec(), Vec::new()).await;
        let error = called(&seen, &endpoint, Transport::Grpc).await;
        let error = error.expect_err(what);
        assert!(
            matches!(error.code(), Some(Code::Internal | Code::Unavailable)),
            "{what}: {error}"
        );
    }
}

#[tokio::test]
async fn a_status_that_disagrees_with_its_details_is_what_the_status_says() {
    let seen = Seen::default();
    let _capturing = seen.capture();
    let other = pb::Status {
        code: 7,
        message: "something else".into(),
        details: Vec::new(),
    };
    let details = BASE64_STANDARD.encode(other.encode_to_vec());
    let head = grpc()
        .header("grpc-status", "5")
        .header("grpc-message", "no such api")
        .header("grpc-status-details-bin", details);
    let (endpoint, _ended) = answering(head.body(()).expect("a head"), None, true).await;
    let error = called(&seen, &endpoint, Transport::Grpc).await;
    let error = error.expect_err("a status");
    assert_eq!(error.code(), Some(Code::NotFound), "{error}");
    assert_eq!(error.status().expect("a call").message(), "no such api");
}

#[tokio::test]
async fn no_credential_follows_a_redirect_over_any_transport() {
    let seen = Seen::default();
    let _capturing = seen.capture();
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let location = format!("http://{}/", elsewhere.local_addr().expect("it listens"));
    for status in [301, 302, 307, 308] {
        let head = Response::builder()
            .status(status)
            .header("location", &location);
        let (grpc, _ended) = answering(head.body(()).expect("a head"), None, true).await;
        let answer = format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        );
        let rest = saying(b"", answer.into_bytes(), Vec::new()).await;
        let both = Transport::GrpcWithRestFallback;
        let cases = [(&grpc, Transport::Grpc), (&rest, Transport::Rest)];
        for (endpoint, transport) in cases.into_iter().chain([(&grpc, both), (&rest, both)]) {
            let error = called(&seen, endpoint, transport).await;
            error.expect_err("a redirect is no answer");
        }
    }
    let came = tokio::time::timeout(Duration::from_millis(100), elsewhere.accept()).await;
    assert!(came.is_err(), "somebody went there");
}

#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
#[tokio::test]
async fn a_server_that_goes_back_on_tls_is_told_nothing() {
    let seen = Seen::default();
    let _capturing = seen.capture();
    // An alert that the version is not known, a hello of TLS 1.0, and HTTP in plaintext.
    let mut hello = vec![22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0, 47, 0]);
    let cases = [
        vec![21, 3, 1, 0, 2, 2, 70],
        hello,
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec(),
    ];
    for answer in cases {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("https://{}", listener.local_addr().expect("it listens"));
        let (tell, mut told) = mpsc::unbounded_channel();
        let sent = answer.clone();
        beyond().spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = vec![0; 4096];
                let read = stream.read(&mut asked).await.unwrap_or_default();
                stream.write_all(&sent).await.ok();
                asked.truncate(read);
                stream.read_to_end(&mut asked).await.ok();
                tell.send(asked).ok();
            }
        });
        for transport in [
            Transport::Grpc,
            Transport::Rest,
            Transport::GrpcWithRestFallback,
        ] {
            // The roots of a machine are not needed to get this far.
            let error = called(&seen, &endpoint, transport)
                .await
                .expect_err("no TLS");
            assert!(error.is_connect() && error.is_unsent(), "{error}");
        }
        drop(answer);
        let mut connections = 0;
        while let Ok(Some(asked)) =
            tokio::time::timeout(Duration::from_millis(100), told.recv()).await
        {
            connections += 1;
            let asked = String::from_utf8_lossy(&asked);
            assert!(
                !asked.contains(TOKEN) && !asked.contains("HTTP/"),
                "{asked}"
            );
        }
        assert!(connections >= 3, "{connections}");
    }
}
