//! Requests over raw streams, in which headers are not normalised.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use apigateway_grpc::emulator::{Emulator, EmulatorBuilder, Server};
use apigateway_grpc::tonic::transport::server::{Connected, TcpConnectInfo};
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::StatusExt as _;
use bytes::Bytes;
use http::{HeaderMap, Request, Uri};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The connection of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Link {
    /// TCP from the loopback.
    Tcp,
    /// TLS over TCP from the loopback.
    #[cfg(feature = "tls")]
    Tls,
    /// A connection from another machine, to the address 192.0.2.7.
    Remote,
    /// A pipe within the process.
    Pipe,
}

/// The protocol of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    Http1,
    Http2,
    Grpc,
}

/// The response to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The body as JSON, or null.
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    /// The status and the reason, such as `403 ORIGIN_NOT_ALLOWED`.
    pub(crate) fn short(&self) -> String {
        if let Some(status) = self.grpc() {
            let info = status.get_details_error_info();
            let reason = info.map(|info| info.reason).unwrap_or_default();
            return format!("{:?} {reason}", status.code()).trim().to_owned();
        }
        let details = self.body["error"]["details"].as_array();
        let reason = details.and_then(|details| details[0]["reason"].as_str());
        let text = format!("{} {}", self.status, reason.unwrap_or_default());
        text.trim().to_owned()
    }

    pub(crate) fn message(&self) -> String {
        match self.grpc() {
            Some(status) => status.message().to_owned(),
            None => self.body["error"]["message"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        }
    }

    fn grpc(&self) -> Option<Status> {
        let status = Status::from_header_map(&self.headers)?;
        Some(match status.code() {
            Code::Ok => Status::ok(""),
            _ => status,
        })
    }
}

/// An emulator with all kinds of connections.
pub(crate) struct Port {
    pub(crate) server: Server,
    #[cfg(feature = "tls")]
    tls: (Server, std::sync::Arc<rustls::ClientConfig>),
    remote: mpsc::UnboundedSender<Remote>,
    pipes: mpsc::UnboundedSender<DuplexStream>,
    _serving: [JoinHandle<io::Result<()>>; 2],
}

/// A pipe that has addresses.
pub(crate) struct Remote(DuplexStream);

impl Connected for Remote {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        TcpConnectInfo {
            local_addr: "192.0.2.7:8470".parse().ok(),
            remote_addr: "192.0.2.1:50000".parse().ok(),
        }
    }
}

impl AsyncRead for Remote {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Remote {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

fn serving<I>(emulator: &Emulator) -> (mpsc::UnboundedSender<I>, JoinHandle<io::Result<()>>)
where
    I: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static,
{
    let (sender, receiver) = mpsc::unbounded_channel();
    let incoming = futures_util::stream::unfold(receiver, |mut receiver| async {
        Some((Ok::<I, io::Error>(receiver.recv().await?), receiver))
    });
    let emulator = emulator.clone();
    let serving = tokio::spawn(async move { emulator.serve_with_incoming(incoming).await });
    (sender, serving)
}

impl Port {
    /// Serves on all kinds of connections, with the settings of the builder. The emulator with TLS has its own state.
    pub(crate) async fn start(builder: EmulatorBuilder) -> Self {
        let server = builder.clone().start().await.expect("a free port");
        let (remote, one) = serving(server.emulator());
        let (pipes, other) = serving(server.emulator());
        Self {
            server,
            #[cfg(feature = "tls")]
            tls: encrypted(builder).await,
            remote,
            pipes,
            _serving: [one, other],
        }
    }

    async fn connect(&self, link: Link, way: Way) -> Box<dyn Stream> {
        match link {
            Link::Tcp => {
                let tcp = TcpStream::connect(self.server.address()).await;
                Box::new(tcp.expect("it listens"))
            }
            #[cfg(feature = "tls")]
            Link::Tls => {
                let (server, config) = &self.tls;
                let mut config = (**config).clone();
                config.alpn_protocols = match way {
                    Way::Http1 => vec![b"http/1.1".to_vec()],
                    Way::Http2 | Way::Grpc => vec![b"h2".to_vec()],
                };
                let tcp = TcpStream::connect(server.address()).await;
                let name = "localhost".try_into().expect("a name");
                let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
                let stream = connector.connect(name, tcp.expect("it listens")).await;
                Box::new(stream.expect("TLS"))
            }
            Link::Remote => {
                let _ = way;
                let (ours, theirs) = tokio::io::duplex(64 << 10);
                self.remote.send(Remote(theirs)).expect("it serves");
                Box::new(ours)
            }
            Link::Pipe => {
                let (ours, theirs) = tokio::io::duplex(64 << 10);
                self.pipes.send(theirs).expect("it serves");
                Box::new(ours)
            }
        }
    }

    /// Returns the number of calls that reached the API.
    pub(crate) fn calls(&self) -> usize {
        let plain = self.server.emulator().calls().len();
        #[cfg(feature = "tls")]
        let plain = plain + self.tls.0.emulator().calls().len();
        plain
    }

    /// Sends a request: `line` has its method and target, and the first header is the host.
    pub(crate) async fn send(&self, link: Link, way: Way, line: &str, headers: &[&str]) -> Answer {
        let stream = self.connect(link, way).await;
        let answer = async {
            match way {
                Way::Http1 => http1(stream, line, headers).await,
                Way::Http2 | Way::Grpc => http2(stream, way, link, line, headers).await,
            }
        };
        let answer = tokio::time::timeout(Duration::from_secs(60), answer).await;
        answer.unwrap_or_else(|_| panic!("{line} {headers:?}: no answer"))
    }
}

#[cfg(feature = "tls")]
async fn encrypted(builder: EmulatorBuilder) -> (Server, std::sync::Arc<rustls::ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let rcgen::CertifiedKey { cert, signing_key } = made.expect("a certificate");
    let server = builder.tls(cert.pem(), signing_key.serialize_pem());
    let server = server.start().await.expect("a free port");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der().clone()).expect("a certificate");
    #[cfg(feature = "tls-aws-lc")]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "tls-aws-lc"))]
    let provider = rustls::crypto::ring::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (server, config.into())
}

/// Sends a request over HTTP/1.1 to an address.
pub(crate) async fn send_to(address: SocketAddr, line: &str, headers: &[&str]) -> Answer {
    let tcp = TcpStream::connect(address).await.expect("it listens");
    http1(Box::new(tcp), line, headers).await
}

/// The body of a write over HTTP/JSON.
fn body(line: &str) -> &'static str {
    match line.split(' ').next() {
        Some("POST" | "PATCH") => "{}",
        _ => "",
    }
}

async fn http1(mut stream: Box<dyn Stream>, line: &str, headers: &[&str]) -> Answer {
    let version = if line.contains(" HTTP/") {
        ""
    } else {
        " HTTP/1.1"
    };
    let body = body(line);
    let mut request = format!("{line}{version}\r\nconnection: close\r\n");
    if !body.is_empty() {
        request.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    for header in headers {
        request.push_str(&format!("{header}\r\n"));
    }
    request.push_str(&format!("\r\n{body}"));
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    // A TLS connection may end without `close_notify`.
    stream.read_to_end(&mut answer).await.ok();
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer to {request:?}: {answer:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(": ").expect("a header");
        let name = http::HeaderName::try_from(name).expect("a name");
        (name, value.parse().expect("a value"))
    });
    Answer {
        status: status.expect("a status").parse().expect("a number"),
        headers: fields.collect(),
        body: serde_json::from_str(body).unwrap_or_default(),
        text: body.to_owned(),
    }
}

async fn http2(
    stream: Box<dyn Stream>,
    way: Way,
    link: Link,
    line: &str,
    headers: &[&str],
) -> Answer {
    let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    let driving = tokio::spawn(connection);
    let (method, path) = line.split_once(' ').expect("a method and a path");
    let mut headers = headers.iter().map(|header| {
        let (name, value) = header.split_once(": ").expect("a header");
        (name.to_lowercase(), value)
    });
    let (_, authority) = headers.next().expect("a host");
    #[cfg(feature = "tls")]
    let encrypted = link == Link::Tls;
    #[cfg(not(feature = "tls"))]
    let encrypted = link != link;
    let scheme = if encrypted { "https" } else { "http" };
    let uri = Uri::builder().scheme(scheme).authority(authority);
    let uri = uri.path_and_query(path).build().expect("a URI");
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let body = match way {
        Way::Grpc => {
            let names = request.headers_ref().expect("valid");
            if !names.contains_key("content-type") {
                request = request.header("content-type", "application/grpc");
            }
            // An empty message.
            Bytes::from_static(&[0; 5])
        }
        Way::Http1 | Way::Http2 => Bytes::from_static(body(line).as_bytes()),
    };
    let mut client = client.ready().await.expect("open");
    let request = request.body(()).expect("a request");
    let (response, mut sending) = client.send_request(request, false).expect("sent");
    // A refused request may already have its response.
    sending.send_data(body, true).ok();
    let (head, mut body) = response.await.expect("an answer").into_parts();
    let mut headers = head.headers;
    let mut bytes = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        body.flow_control()
            .release_capacity(data.len())
            .expect("held");
        bytes.extend_from_slice(&data);
    }
    if let Ok(Some(trailers)) = body.trailers().await {
        headers.extend(trailers);
    }
    driving.abort();
    Answer {
        status: head.status.as_u16(),
        headers,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
        text: String::from_utf8_lossy(&bytes).into_owned(),
    }
}
