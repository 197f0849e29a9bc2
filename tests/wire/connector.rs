//! Connectors of the user in place of TCP: the URIs that a connector receives, and the client's behaviour over its streams.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::{ApiGateway, Builder, CallOptions, Error, Transport};
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::connection::{tasks, tasks_end, within_some_limit};
use crate::http2::{Answer, NAME, Server};
use crate::pool::until;
use crate::proxy_server::{Answer as Proxied, Proxy};

fn transports() -> Vec<Transport> {
    vec![
        Transport::Grpc,
        #[cfg(feature = "rest")]
        Transport::Rest,
        #[cfg(feature = "rest")]
        Transport::GrpcWithRestFallback,
    ]
}

/// A client of an address that only its connector can reach.
fn client(endpoint: &str, transport: Transport) -> Builder {
    ApiGateway::builder()
        .endpoint(endpoint)
        .transport(transport)
        .retry(RetryPolicy::NEVER)
        .no_proxy()
        .anonymous()
}

async fn refused(builder: Builder) -> Error {
    let client = builder.build().expect("valid");
    let call = tokio::time::timeout(Duration::from_secs(60), client.get_operation(NAME));
    let error = call.await.expect("it ends").expect_err("no connection");
    assert!(
        error.is_connect() && error.is_unsent() && error.is_unavailable(),
        "{error}"
    );
    error
}

/// A connector that always connects to one address and records the requested URIs.
#[derive(Clone)]
struct FixedConnector {
    to: SocketAddr,
    requested: Arc<Mutex<Vec<String>>>,
}

impl FixedConnector {
    fn to(to: SocketAddr) -> Self {
        let requested = Arc::default();
        Self { to, requested }
    }

    fn set_on(&self, builder: Builder) -> Builder {
        let Self { to, requested } = self.clone();
        builder.connector(tower::service_fn(move |uri: Uri| {
            requested
                .lock()
                .expect("not poisoned")
                .push(uri.to_string());
            async move { TcpStream::connect(to).await.map(TokioIo::new) }
        }))
    }

    fn requested(&self) -> Vec<String> {
        self.requested.lock().expect("not poisoned").clone()
    }
}

#[cfg(all(unix, feature = "emulator"))]
#[tokio::test]
async fn calls_go_over_a_unix_socket() {
    use apigateway_grpc::emulator::Emulator;
    use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
    use tokio::net::{UnixListener, UnixStream};

    let folder = std::env::temp_dir().join(format!("connector-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("gateway.sock");
    let listener = UnixListener::bind(&path).expect("a new socket");
    let incoming = futures_util::stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await;
        Some((accepted.map(|(io, _)| io), listener))
    });
    let emulator = Emulator::builder().build();
    let serving = tokio::spawn({
        let emulator = emulator.clone();
        async move { emulator.serve_with_incoming(incoming).await }
    });
    for (number, transport) in transports().into_iter().enumerate() {
        let path = path.clone();
        let connector = tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let builder = client("http://localhost", transport).connector(connector);
        let client = builder.build().expect("valid");
        let id = format!("a-{number}");
        let created = client
            .create_api("projects/p/locations/global", &id, Api::default())
            .await
            .expect("started");
        let api = created.await.expect("an api");
        assert!(api.name.ends_with(&id), "{}", api.name);
    }
    serving.abort();
    std::fs::remove_dir_all(folder).expect("it was there");
}

#[tokio::test]
async fn an_error_of_the_connector_is_reported_with_the_address() {
    type Failure = fn() -> io::Error;
    let unnamed: Failure = || io::ErrorKind::AddrNotAvailable.into();
    let named: Failure = || io::Error::other("connector refused");
    let failures = [
        (unnamed, "address not available"),
        (named, "connector refused"),
    ];
    for (failure, why) in failures {
        for transport in transports() {
            let shut =
                tower::service_fn(
                    move |_: Uri| async move { Err::<TokioIo<TcpStream>, _>(failure()) },
                );
            let builder = client("http://gateway.test:81", transport).connector(shut);
            let error = refused(builder).await.to_string();
            let expected = format!(
                "get operation {NAME}: unavailable: cannot connect to http://gateway.test:81: {why}"
            );
            assert_eq!(error, expected, "{transport:?}");
        }
    }
}

#[tokio::test]
async fn the_connector_is_bounded_by_the_connect_timeout() {
    for transport in transports() {
        let hanging =
            tower::service_fn(|_: Uri| std::future::pending::<io::Result<TokioIo<TcpStream>>>());
        let builder = client("http://gateway.test", transport).connector(hanging);
        let error = refused(builder.connect_timeout(Duration::from_millis(150))).await;
        let expected = "cannot connect to http://gateway.test: no connection within 150ms, still opening the TCP connection";
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

#[tokio::test]
async fn the_connector_gets_the_endpoint_or_the_proxy() {
    let server = Server::start(|_| Answer::Operation).await;
    for endpoint in ["http://gateway.test", "http://gateway.test:81"] {
        let connector = FixedConnector::to(server.address);
        let client = connector.set_on(client(endpoint, Transport::Grpc)).build();
        let client = client.expect("valid");
        for _ in 0..2 {
            client.get_operation(NAME).await.expect("an operation");
        }
        // Once per connection.
        assert_eq!(connector.requested(), [format!("{endpoint}/")]);
    }
    let proxy = Proxy::start(server.address, |_| Proxied::Tunnel).await;
    let connector = FixedConnector::to(proxy.address);
    let proxied = client("http://gateway.test", Transport::Grpc).proxy("http://proxy.test:3128");
    let client = connector.set_on(proxied).build().expect("valid");
    client.get_operation(NAME).await.expect("an operation");
    assert_eq!(connector.requested(), ["http://proxy.test:3128/"]);
    let expected = "CONNECT gateway.test:80 HTTP/1.1\nhost: gateway.test:80";
    assert_eq!(proxy.requests(), [expected]);
}

#[tokio::test]
async fn a_proxy_that_the_connector_cannot_reach_is_named_in_the_error() {
    for transport in transports() {
        let shut =
            tower::service_fn(|_: Uri| async { Err::<TokioIo<TcpStream>, _>("connector refused") });
        let proxied = client("http://gateway.test", transport).proxy("http://proxy.test:3128");
        let error = refused(proxied.connector(shut)).await;
        let expected = "cannot connect to http://gateway.test through the proxy \
                        http://proxy.test:3128: cannot connect to the proxy: connector refused";
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
#[tokio::test]
async fn tls_runs_above_the_connector_for_the_host_of_the_endpoint() {
    use crate::tls_server::{Authority, Server};

    let authority = Authority::new();
    let server = Server::start(&authority, "gateway.test", &["h2"]).await;
    for transport in transports() {
        let connector = FixedConnector::to(server.address);
        let to = |host: &str| {
            let builder = client(host, transport).ca_certificates(authority.pem());
            connector.set_on(builder)
        };
        let right = to("https://gateway.test").build().expect("valid");
        right.get_operation(NAME).await.expect("an operation");
        let error = refused(to("https://other.test")).await;
        assert!(
            error.to_string().contains("the certificate is for "),
            "{error}"
        );
        assert_eq!(connector.requested()[0], "https://gateway.test/");
    }
}

#[cfg(feature = "auth")]
#[test]
fn no_credential_is_sent_to_a_plaintext_address_through_a_connector() {
    let connector = FixedConnector::to(([127, 0, 0, 1], 1).into());
    let to = |endpoint: &str| {
        let builder = ApiGateway::builder().endpoint(endpoint).access_token("t");
        connector.set_on(builder.no_proxy()).build()
    };
    let error = to("http://gateway.test").expect_err("refused").to_string();
    assert!(error.contains("http://gateway.test"), "{error}");
    to("http://localhost").expect("a credential may be sent to localhost");
}

#[tokio::test]
async fn a_connector_is_called_only_when_it_is_ready() {
    use tower::Service;

    /// A connector that panics if it is called before it is ready.
    #[derive(Clone)]
    struct ReadyOnly(SocketAddr, bool);

    impl Service<Uri> for ReadyOnly {
        type Response = TokioIo<TcpStream>;
        type Error = io::Error;
        type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.1 = true;
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Uri) -> Self::Future {
            assert!(self.1, "called before it was ready");
            let to = self.0;
            Box::pin(async move { TcpStream::connect(to).await.map(TokioIo::new) })
        }
    }

    let server = Server::start(|_| Answer::Operation).await;
    let builder =
        client("http://gateway.test", Transport::Grpc).connector(ReadyOnly(server.address, false));
    let client = builder.build().expect("valid");
    client.get_operation(NAME).await.expect("an operation");
}

#[tokio::test]
async fn a_panic_of_the_connector_is_an_error_of_the_call_over_every_transport() {
    for transport in transports() {
        let panics = tower::service_fn(|_: Uri| async {
            let tried: io::Result<TokioIo<TcpStream>> = Err(io::ErrorKind::Other.into());
            tried.map_err(|_| -> io::Error { panic!("it is broken") })
        });
        let builder = client("http://somewhere", transport).connector(panics);
        let error = refused(builder).await.to_string();
        let expected = format!(
            "get operation {NAME}: unavailable: cannot connect to http://somewhere: the connector panicked"
        );
        assert_eq!(error, expected, "{transport:?}");
    }
}

/// A connector's stream that accepts a number of bytes. Further writes, and all reads, never complete.
struct HangingStream {
    accepts: usize,
    /// True if a further write panics instead.
    panics: bool,
    /// Counts the streams that were dropped.
    dropped: Arc<AtomicUsize>,
}

impl Drop for HangingStream {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl HangingStream {
    fn hangs<T>(&self) -> Poll<T> {
        assert!(!self.panics, "it is broken");
        Poll::Pending
    }
}

impl AsyncRead for HangingStream {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for HangingStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.accepts == 0 {
            return self.hangs();
        }
        let taken = bytes.len().min(self.accepts);
        self.accepts -= taken;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.hangs()
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.hangs()
    }
}

/// Adds a connector whose first stream hangs or panics, and whose later streams reach the server. Returns the builder, and a
/// counter of the dropped hanging streams.
fn hanging_once(
    builder: Builder,
    server: SocketAddr,
    accepts: usize,
    panics: bool,
) -> (Builder, Arc<AtomicUsize>) {
    let dropped = Arc::<AtomicUsize>::default();
    let stuck = Mutex::new(Some(HangingStream {
        accepts,
        panics,
        dropped: Arc::clone(&dropped),
    }));
    let stuck = Arc::new(stuck);
    let connector = tower::service_fn(move |_: Uri| {
        let stuck = stuck.lock().expect("not poisoned").take();
        async move {
            let io: Box<dyn Io> = match stuck {
                Some(stuck) => Box::new(stuck),
                None => Box::new(TcpStream::connect(server).await?),
            };
            io::Result::Ok(TokioIo::new(io))
        }
    });
    (builder.connector(connector), dropped)
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// The stream hangs at one of four places: before the client's preface, within it, after its 24 bytes (RFC 9113 §3.4), and after
/// everything that the client writes before it waits for the server, which is less than 1 MiB.
#[tokio::test]
async fn the_connect_timeout_bounds_an_http2_handshake_over_a_stream_that_hangs() {
    let server = Server::start(|_| Answer::Operation).await;
    let before = tasks();
    for accepts in [0, 10, 24, 1 << 20] {
        within_some_limit(async |limit| {
            let builder = client("http://gateway.test", Transport::Grpc);
            let builder = builder.connect_timeout(limit);
            let (builder, dropped) = hanging_once(builder, server.address, accepts, false);
            let client = builder.build().expect("valid");
            let call = tokio::time::timeout(Duration::from_secs(120), client.get_operation(NAME));
            let error = call.await.expect("it ends").expect_err("the stream hangs");
            assert!(error.is_connect() && error.is_unsent(), "{error}");
            let text = format!(
                "cannot connect to http://gateway.test: no HTTP/2 SETTINGS from the server within {limit:?}"
            );
            if !error.to_string().ends_with(&text) {
                return Err(error.to_string());
            }
            until(|| dropped.load(Ordering::SeqCst) == 1).await;
            let other = client.get_operation(NAME).await;
            other.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }
    drop(server);
    tasks_end(before - 1).await;
}

#[tokio::test]
async fn a_stream_that_panics_in_the_http2_handshake_is_an_error_of_the_call() {
    let server = Server::start(|_| Answer::Operation).await;
    for accepts in [0, 24, 1 << 20] {
        let builder = client("http://gateway.test", Transport::Grpc);
        let (builder, dropped) = hanging_once(builder, server.address, accepts, true);
        let client = builder.build().expect("valid");
        let call = tokio::time::timeout(Duration::from_secs(120), client.get_operation(NAME));
        let error = call.await.expect("it ends").expect_err("the stream panics");
        assert!(error.is_connect() && error.is_unsent(), "{error}");
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        client
            .get_operation(NAME)
            .await
            .expect("an operation over another connection");
    }
}

/// The connect timeout also bounds a tunnel and TLS. With a proxy, the stream hangs in the tunnel or in the TLS of the proxy.
#[cfg(all(
    any(feature = "tls-aws-lc", feature = "tls-ring"),
    any(feature = "tls-native-roots", feature = "tls-webpki-roots")
))]
#[tokio::test]
async fn the_connect_timeout_bounds_tls_and_a_tunnel_over_a_stream_that_hangs() {
    let nobody = ([127, 0, 0, 1], 1).into();
    for transport in transports() {
        for accepts in [0, 10, 1 << 20] {
            let encrypted = client("https://gateway.test", transport);
            let proxied = client("http://gateway.test", transport).proxy("http://proxy.test:1");
            let secret = client("http://gateway.test", transport).proxy("https://proxy.test:1");
            let cases = [
                (encrypted, "in the TLS handshake"),
                (proxied, "requesting a tunnel from the proxy"),
                (secret, "in the TLS handshake"),
            ];
            for (builder, step) in cases {
                let builder = builder.connect_timeout(Duration::from_millis(50));
                let (builder, dropped) = hanging_once(builder, nobody, accepts, false);
                let builder = builder.timeout(Duration::from_secs(120));
                // With a fallback, REST fails, too, since no server listens at the address. The call returns the error of gRPC.
                let error = refused(builder).await.to_string();
                assert!(error.contains(step), "{transport:?}, {accepts}: {error}");
                assert_eq!(
                    dropped.load(Ordering::SeqCst),
                    1,
                    "{transport:?}, {accepts}"
                );
            }
        }
    }
}

/// HTTP/1.1 has no handshake, so the stream hangs while the request is written, or after it has accepted the whole request.
#[cfg(feature = "rest")]
#[tokio::test]
async fn a_rest_call_over_a_hanging_stream_ends_at_its_deadline_and_the_next_call_has_another_connection()
 {
    let json = crate::http1::json(200, &format!(r#"{{"name": "{NAME}"}}"#));
    let server = crate::http1::Server::always(json).await;
    let before = tasks();
    for accepts in [0, 10, 1 << 20] {
        let builder = client("http://gateway.test", Transport::Rest);
        let builder = builder.timeout(Duration::from_millis(150));
        let (builder, dropped) = hanging_once(builder, server.address, accepts, false);
        let client = builder.build().expect("valid");
        let error = client
            .get_operation(NAME)
            .await
            .expect_err("the stream hangs");
        assert!(error.is_timeout(), "{error}");
        let options = CallOptions::default().timeout(Duration::from_secs(120));
        let patient = client.with_options(options);
        patient
            .get_operation(NAME)
            .await
            .expect("an operation over another connection");
        until(|| dropped.load(Ordering::SeqCst) == 1).await;
    }
    drop(server);
    tasks_end(before - 1).await;
}

/// A stream that never finishes closing.
struct NeverCloses(TcpStream);

impl AsyncRead for NeverCloses {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for NeverCloses {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

async fn leaves_no_task(server: SocketAddr, transport: Transport) {
    let before = tasks();
    let short = Duration::from_millis(500);
    let connector = tower::service_fn(move |_: Uri| async move {
        let io = TcpStream::connect(server).await?;
        io::Result::Ok(TokioIo::new(NeverCloses(io)))
    });
    let builder = client("http://gateway.test", transport).keepalive(short, short);
    let client = builder.connector(connector).build().expect("valid");
    client.get_operation(NAME).await.expect("an operation");
    assert!(tasks() > before);
    drop(client);
    // The server has a task for the connection, too.
    until(|| tasks() == before).await;
}

#[tokio::test]
async fn a_connection_whose_stream_never_closes_leaves_no_task_behind() {
    let server = Server::start(|_| Answer::Operation).await;
    leaves_no_task(server.address, Transport::Grpc).await;
}

#[cfg(feature = "rest")]
#[tokio::test]
async fn a_rest_connection_whose_stream_never_closes_leaves_no_task_behind() {
    let json = crate::http1::json(200, &format!(r#"{{"name": "{NAME}"}}"#));
    let server = crate::http1::Server::always(json).await;
    leaves_no_task(server.address, Transport::Rest).await;
}

/// A connector that fails until the server is back, and counts its calls.
#[derive(Clone)]
struct Outage {
    server: SocketAddr,
    requested: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Outage {
    fn of(server: SocketAddr) -> Self {
        Self {
            server,
            requested: Arc::default(),
            over: Arc::default(),
        }
    }

    fn requested(&self) -> usize {
        self.requested.load(Ordering::SeqCst)
    }

    fn build(&self, builder: Builder) -> ApiGateway {
        let outage = self.clone();
        let connector = tower::service_fn(move |_: Uri| {
            outage.requested.fetch_add(1, Ordering::SeqCst);
            let outage = outage.clone();
            async move {
                if !outage.over.load(Ordering::SeqCst) {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                TcpStream::connect(outage.server).await.map(TokioIo::new)
            }
        });
        builder.connector(connector).build().expect("valid")
    }
}

/// The delays are 10 ms after the first failure, then 20 ms, 40 ms, and so on up to one second.
async fn is_tried_with_growing_delays(server: SocketAddr, transport: Transport) {
    let outage = Outage::of(server);
    let client = outage.build(client("http://gateway.test", transport));
    let began = Instant::now();
    let mut failed = 0;
    while began.elapsed() < Duration::from_millis(1400) {
        let error = client.get_operation(NAME).await.expect_err("an outage");
        assert!(error.is_connect() && error.is_unsent(), "{error}");
        failed += 1;
    }
    // Each of these sequential calls made one attempt to connect. Only the delays limit their number.
    assert_eq!(outage.requested(), failed, "{transport:?}");
    assert!(failed <= 9, "{transport:?}: {failed}");
    // Concurrent calls share an attempt.
    let calls = (0..20).map(|_| client.get_operation(NAME));
    let calls = futures_util::future::join_all(calls).await;
    assert!(calls.iter().all(Result::is_err));
    assert_eq!(outage.requested(), failed + 1, "{transport:?}");
    // No call fails because of an attempt that ended before the call began.
    outage.over.store(true, Ordering::SeqCst);
    client
        .get_operation(NAME)
        .await
        .expect("the server is reachable again");
    // The last call needed only one attempt.
    assert_eq!(outage.requested(), failed + 2);
}

#[tokio::test]
async fn an_unreachable_address_is_tried_over_grpc_with_growing_delays_and_used_soon_after_it_recovers()
 {
    let server = Server::start(|_| Answer::Operation).await;
    is_tried_with_growing_delays(server.address, Transport::Grpc).await;
}

#[cfg(feature = "rest")]
#[tokio::test]
async fn an_unreachable_address_is_tried_over_rest_with_growing_delays_and_used_soon_after_it_recovers()
 {
    let json = crate::http1::json(200, &format!(r#"{{"name": "{NAME}"}}"#));
    let server = crate::http1::Server::always(json).await;
    is_tried_with_growing_delays(server.address, Transport::Rest).await;
}

#[tokio::test]
async fn the_error_of_a_deadline_names_the_pause_after_a_failed_attempt() {
    let nobody = ([127, 0, 0, 1], 1).into();
    for transport in transports() {
        // With a fallback, the call may use REST after it has waited for gRPC.
        if format!("{transport:?}").contains("Fallback") {
            continue;
        }
        let client = Outage::of(nobody).build(client("http://gateway.test", transport));
        for _ in 0..6 {
            client.get_operation(NAME).await.expect_err("an outage");
        }
        let short = client.with_options(CallOptions::default().timeout(Duration::from_millis(30)));
        let text = "connecting to http://gateway.test (waiting before the next connection attempt)";
        // On a slow machine the pause may be over when a call begins. That call then makes an attempt, whose failure begins
        // another pause.
        let mut errors = Vec::new();
        while errors.len() < 50 {
            let error = short.get_operation(NAME).await.expect_err("an outage");
            errors.push(error.to_string());
            if errors.iter().any(|error| error.ends_with(text)) {
                break;
            }
        }
        let last = errors.last().expect("at least one error");
        assert!(last.ends_with(text), "{transport:?}: {errors:#?}");
    }
}
