//! Hostile servers: what the client must not send to them or read from them. The expected results of calls to such servers are
//! in the table (`lies.rs`).

use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::tonic::Code;
use apigateway_grpc::{ApiGateway, Error, Transport};
use http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::liar::{Http2, Liar, Lie, Raw, Then};
use crate::lies::ENDLESS;
use crate::run::API;
use crate::seen::Seen;
use crate::source::SECRET;
use crate::source::TOKEN;

/// Maximum duration of a call. Only a call to a silent server would reach it.
const DEADLINE: Duration = Duration::from_secs(30);

fn client(endpoint: &str, transport: Transport) -> ApiGateway {
    ApiGateway::builder()
        .endpoint(endpoint)
        .transport(transport)
        .access_token(TOKEN)
        .timeout(DEADLINE)
        .retry(RetryPolicy::NEVER)
        .max_response_size(64 << 10)
        .build()
        .expect("valid")
}

/// Returns a runtime with threads for the servers. `Seen` captures only the logs of the client's thread.
fn beyond() -> &'static Runtime {
    static BEYOND: OnceLock<Runtime> = OnceLock::new();
    BEYOND.get_or_init(crate::servers)
}

/// Returns the result of one call. Asserts that nothing observed so far contains a secret.
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

async fn liar(lie: Lie) -> (String, Liar) {
    let started = beyond().spawn(Liar::start(lie)).await;
    let liar = started.expect("no panic").expect("a free port");
    (format!("http://{}", liar.address), liar)
}

#[tokio::test]
async fn an_endless_response_is_stopped() {
    let seen = Seen::default();
    let _capturing = seen.capture();
    let (endpoint, liar) = liar(ENDLESS).await;
    let error = called(&seen, &endpoint, Transport::Grpc).await;
    let error = error.expect_err("it has no end");
    assert_eq!(error.code(), Some(Code::ResourceExhausted), "{error}");
    let closed = async {
        while liar.given_up.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let closed = tokio::time::timeout(DEADLINE, closed).await;
    assert!(closed.is_ok(), "the response is still read");
}

/// The target of the redirects.
static ELSEWHERE: OnceLock<String> = OnceLock::new();

fn location() -> &'static str {
    ELSEWHERE.get().map(String::as_str).unwrap_or_default()
}

const REDIRECTS: [u16; 4] = [301, 302, 307, 308];

#[tokio::test]
async fn no_credential_follows_a_redirect_over_any_transport() {
    let seen = Seen::default();
    let _capturing = seen.capture();
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = elsewhere.local_addr().expect("it listens");
    ELSEWHERE.set(format!("http://{address}/")).expect("once");
    let (endpoint, _liar) = liar(Lie {
        http2: Http2::Reply(|number| {
            let status = REDIRECTS[number % 4];
            let head = Response::builder().status(status);
            let head = head.header("location", location()).body(());
            (head.expect("a head"), Then::Nothing)
        }),
        http1: |number| {
            let (status, location) = (REDIRECTS[number % 4], location());
            let answer = format!(
                "HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
            );
            Raw(answer.into_bytes(), Vec::new())
        },
    })
    .await;
    for transport in [
        Transport::Grpc,
        Transport::Rest,
        Transport::GrpcWithRestFallback,
    ] {
        for _ in REDIRECTS {
            let error = called(&seen, &endpoint, transport).await;
            error.expect_err("a redirect is no answer");
        }
    }
    let came = tokio::time::timeout(Duration::from_millis(100), elsewhere.accept()).await;
    assert!(came.is_err(), "the client followed the redirect");
}

#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
#[tokio::test]
async fn a_server_that_drops_tls_gets_no_request() {
    let seen = Seen::default();
    let _capturing = seen.capture();
    // A protocol_version alert, a ServerHello of TLS 1.0, and plaintext HTTP.
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
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let sent = answer.clone();
        beyond().spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut received = vec![0; 4096];
                let read = stream.read(&mut received).await.unwrap_or_default();
                stream.write_all(&sent).await.ok();
                received.truncate(read);
                stream.read_to_end(&mut received).await.ok();
                sender.send(received).ok();
            }
        });
        for transport in [
            Transport::Grpc,
            Transport::Rest,
            Transport::GrpcWithRestFallback,
        ] {
            // The handshake fails before a certificate is checked, so the CA certificates of the machine do not matter.
            let error = called(&seen, &endpoint, transport)
                .await
                .expect_err("no TLS");
            assert!(error.is_connect() && error.is_unsent(), "{error}");
        }
        drop(answer);
        let mut connections = 0;
        loop {
            // There is a connection for each call. A call with the fallback may have made a second one.
            let limit = match connections < 3 {
                true => DEADLINE,
                false => Duration::from_millis(100),
            };
            let Ok(Some(received)) = tokio::time::timeout(limit, receiver.recv()).await else {
                break;
            };
            connections += 1;
            let received = String::from_utf8_lossy(&received);
            assert!(
                !received.contains(TOKEN) && !received.contains("HTTP/"),
                "{received}"
            );
        }
        assert!(connections >= 3, "{connections}");
    }
}
