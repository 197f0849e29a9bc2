//! A TLS server, with certificates of a test authority.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ALL_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::http2::{self, Answer};

#[cfg(feature = "tls-aws-lc")]
use rustls::crypto::aws_lc_rs::default_provider;
#[cfg(not(feature = "tls-aws-lc"))]
use rustls::crypto::ring::default_provider;

/// A test certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::SeqCst));
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a certificate");
        Arc::new(roots)
    }

    /// Returns a certificate for a host, and its key.
    pub(crate) fn issue(&self, host: &str) -> (Certificate, KeyPair) {
        self.issue_for(host, 1975..4096)
    }

    /// Returns a certificate that is valid from the beginning of one year to the beginning of another.
    pub(crate) fn issue_for(&self, host: &str, years: Range<i32>) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
        params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        (params.signed_by(&key, &self.0).expect("a certificate"), key)
    }
}

/// Returns the configuration of a server for this host. With `clients`, the server requires a client certificate of that
/// authority.
pub(crate) fn config(
    authority: &Authority,
    host: &str,
    alpn: &[&str],
    clients: Option<&Authority>,
) -> Arc<ServerConfig> {
    config_of(authority.issue(host), alpn, clients, ALL_VERSIONS)
}

/// Like `config`, with any certificate and these TLS versions.
pub(crate) fn config_of(
    (certificate, key): (Certificate, KeyPair),
    alpn: &[&str],
    clients: Option<&Authority>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let provider = Arc::new(default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .expect("the provider supports the versions");
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(clients) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(clients.roots(), provider);
            config.with_client_cert_verifier(verifier.build().expect("it has roots"))
        }
    };
    let chain = vec![CertificateDer::from(certificate)];
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let mut config = config
        .with_single_cert(chain, key)
        .expect("the key matches the certificate");
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A TLS server of gRPC and HTTP/JSON, over HTTP/2 or HTTP/1.1 by ALPN. It stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Number of connections that have finished the TLS handshake.
    connections: Arc<AtomicUsize>,
    /// Number of connections that have ended, with or without a finished TLS handshake.
    #[cfg_attr(
        not(feature = "rest"),
        expect(dead_code, reason = "only tests of REST read this")
    )]
    ended: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(authority: &Authority, host: &str, alpn: &[&str]) -> Self {
        Self::with(authority, host, alpn, None).await
    }

    /// Starts a server. With `clients`, the server requires a client certificate of that authority.
    pub(crate) async fn with(
        authority: &Authority,
        host: &str,
        alpn: &[&str],
        clients: Option<&Authority>,
    ) -> Self {
        Self::of(config(authority, host, alpn, clients)).await
    }

    pub(crate) async fn of(config: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let acceptor = TlsAcceptor::from(config);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let ended = Arc::new(AtomicUsize::new(0));
        let ending = Arc::clone(&ended);
        Self {
            address: listener.local_addr().expect("it listens"),
            connections,
            ended,
            task: tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
                    let ending = Arc::clone(&ending);
                    tokio::spawn(async move {
                        speak(acceptor, stream, counted).await;
                        ending.fetch_add(1, Ordering::SeqCst);
                    });
                }
            }),
        }
    }

    #[cfg(feature = "rest")]
    pub(crate) fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const OPERATION: &str = r#"{"name": "projects/p/locations/l/operations/o"}"#;

async fn speak(acceptor: TlsAcceptor, stream: TcpStream, connections: Arc<AtomicUsize>) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    connections.fetch_add(1, Ordering::SeqCst);
    #[cfg(feature = "rest")]
    if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        return crate::http1::answer(stream, &crate::http1::json(200, OPERATION)).await;
    }
    http2::serve(stream, |request| {
        let grpc = request
            .headers()
            .get("content-type")
            .is_some_and(|media| media == "application/grpc");
        assert_eq!(request.uri().scheme_str(), Some("https"));
        if grpc {
            Answer::Operation
        } else {
            Answer::Page(200, "application/json", OPERATION)
        }
    })
    .await;
}
