//! Credentials that fail, hang or answer late, and the delay before they are created again.

use std::ffi::OsString;

use google_cloud_auth::credentials::CredentialsProvider;

use super::*;

/// Credentials of the metadata server, which behave like google-cloud-auth's.
#[derive(Clone, Copy, Debug)]
enum Metadata {
    Hangs,
    Unreachable,
    NotFound,
    Token,
}

impl CredentialsProvider for Metadata {
    async fn headers(&self, _: Extensions) -> Result<CacheableHeaders, CredentialsError> {
        match self {
            Self::Hangs => std::future::pending().await,
            Self::Unreachable => Err(CredentialsError::from_msg(true, "error sending request")),
            Self::NotFound => Err(CredentialsError::from_msg(
                false,
                "the HTTP transport reports a [404] error: ",
            )),
            Self::Token => Ok(CacheableHeaders::New {
                entity_tag: EntityTag::new(),
                data: HeaderMap::new(),
            }),
        }
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

fn provider(metadata: Metadata, address: &str) -> Provider {
    let address = OsString::from(address);
    let server = MetadataServer::locate(|_| Some(address.clone()), String::new());
    let server = server.expect("valid");
    let factory: Factory = Arc::new(move || {
        Ok(Created {
            credentials: metadata.into(),
            origin: Origin::MetadataServer(server.clone()),
        })
    });
    Provider::from_factory(factory).expect("it does not fail")
}

#[tokio::test]
async fn without_a_metadata_server_the_call_fails_soon_with_no_credentials_found() {
    let reached = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let reached = reached.local_addr().expect("bound").to_string();
    // The probe takes a second at most, even if a token may take far longer.
    let token_timeout = Duration::from_secs(60);
    let missing = (Code::Unauthenticated, "no credentials found");
    let cases = [
        (Metadata::Hangs, "127.0.0.1:1", Some(missing)),
        (Metadata::Unreachable, "127.0.0.1:1", Some(missing)),
        // A response of the library's request decides, even if the probe makes no connection.
        (
            Metadata::NotFound,
            "127.0.0.1:1",
            Some((Code::Unauthenticated, "responded with HTTP 404")),
        ),
        (Metadata::Token, "127.0.0.1:1", None),
        (
            Metadata::Unreachable,
            &reached,
            Some((Code::Unavailable, "cannot connect to")),
        ),
        (Metadata::Token, &reached, None),
    ];
    for (metadata, address, expected) in cases {
        let began = Instant::now();
        let answer = provider(metadata, address)
            .headers(None, token_timeout)
            .await;
        assert!(
            began.elapsed() < token_timeout / 2,
            "{metadata:?} {address}"
        );
        match (answer, expected) {
            (Ok(_), None) => {}
            (Err(status), Some((code, text))) => {
                assert_eq!(status.code(), code, "{status}");
                assert!(status.message().contains(text), "{status}");
            }
            (Ok(_), Some(_)) => panic!("{metadata:?} {address}"),
            (Err(status), None) => panic!("{status}"),
        }
    }
}

#[tokio::test]
async fn calls_at_the_same_time_share_one_probe_of_the_metadata_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let provider = provider(Metadata::Hangs, &address);
    let calls = (0..50).map(|_| provider.headers(None, Duration::from_millis(200)));
    for answer in futures_util::future::join_all(calls).await {
        let status = answer.expect_err("no answer");
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    }
    let mut probes = 0;
    let soon = Duration::from_millis(100);
    while let Ok(accepted) = tokio::time::timeout(soon, listener.accept()).await {
        accepted.expect("a connection");
        probes += 1;
    }
    assert_eq!(probes, 1);
}

/// Credentials of the metadata server that answer once the test has sent `true`, even if an earlier call was dropped. They
/// stand for google-cloud-auth's, whose request runs in a task of its own.
#[derive(Debug)]
struct Slow(tokio::sync::watch::Receiver<bool>);

impl CredentialsProvider for Slow {
    async fn headers(&self, _: Extensions) -> Result<CacheableHeaders, CredentialsError> {
        let mut answered = self.0.clone();
        answered
            .wait_for(|answered| *answered)
            .await
            .expect("the test goes on");
        Ok(CacheableHeaders::New {
            entity_tag: EntityTag::new(),
            data: HeaderMap::new(),
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

/// Returns a listener that accepts no further connection, since its queue is full (on Linux).
async fn full() -> (tokio::net::TcpListener, Vec<tokio::net::TcpStream>) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a free port");
    let listener = socket.listen(1).expect("it listens");
    let address = listener.local_addr().expect("it listens");
    let mut filling = Vec::new();
    for _ in 0..64 {
        let connected = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(100), connected).await {
            Ok(connected) => filling.push(connected.expect("it listens")),
            Err(_) => return (listener, filling),
        }
    }
    panic!("the queue is never full here");
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn a_slow_metadata_server_is_not_reported_as_missing_and_the_next_call_gets_its_answer() {
    let (listener, _filling) = full().await;
    let address = listener.local_addr().expect("bound").to_string();
    let (sender, answered) = tokio::sync::watch::channel(false);
    let created = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&created);
    let server = MetadataServer::locate(|_| Some(OsString::from(&address)), "SEARCHED".to_owned());
    let server = server.expect("valid");
    let factory: Factory = Arc::new(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(Created {
            credentials: Slow(answered.clone()).into(),
            origin: Origin::MetadataServer(server.clone()),
        })
    });
    let provider = Provider::from_factory(factory).expect("it does not fail");
    let token_timeout = Duration::from_secs(3);
    for _ in 0..2 {
        let began = Instant::now();
        let status = provider
            .headers(None, token_timeout)
            .await
            .expect_err("it is late");
        assert_eq!(began.elapsed().as_secs(), 1);
        assert_eq!(status.code(), Code::Unauthenticated, "{status}");
        let text = status.message();
        let start =
            "no credentials found within 1s: SEARCHED, and the metadata server http://127.0.0.1:";
        assert!(text.starts_with(start), "{text}");
        assert!(text.contains("did not accept a connection"), "{text}");
        assert!(text.contains("retry the call"), "{text}");
        assert!(
            !text.contains("connection to the metadata server"),
            "{text}"
        );
    }
    sender.send(true).expect("the credentials wait");
    provider
        .headers(None, token_timeout)
        .await
        .expect("they have their answer");
    assert_eq!(
        created.load(std::sync::atomic::Ordering::SeqCst),
        1,
        "no credentials were created again"
    );
}

/// A call waits for the factory of another call without blocking, and at most for its own token_timeout.
#[tokio::test(start_paused = true)]
async fn a_call_waits_for_the_factory_of_another_call_until_its_token_timeout() {
    let provider = provider(Metadata::Token, "127.0.0.1:1");
    provider.state().current = None;
    let lock = provider.creating.lock().await;
    let began = Instant::now();
    let token_timeout = Duration::from_secs(3);
    let status = provider
        .headers(None, token_timeout)
        .await
        .expect_err("another call holds the lock");
    assert_eq!(began.elapsed(), token_timeout);
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    assert!(
        status.message().contains("not created within 3s"),
        "{status}"
    );
    drop(lock);
    provider
        .headers(None, token_timeout)
        .await
        .expect("it creates them");
}

#[test]
fn the_delay_doubles_up_to_a_maximum_and_has_a_jitter_of_a_quarter() {
    let cases = [
        (1, false, 1),
        (2, false, 2),
        (6, false, 32),
        (7, false, 60),
        (u32::MAX, false, 60),
        (4, true, 8),
        (5, true, 10),
        (u32::MAX, true, 10),
    ];
    for (failures, transient, secs) in cases {
        let most = Duration::from_secs(secs);
        assert_eq!(delay(failures, transient, 0.0), most, "{failures}");
        assert_eq!(
            delay(failures, transient, 1.0),
            most.mul_f64(0.75),
            "{failures}"
        );
    }
}
