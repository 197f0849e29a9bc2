//! Proxies. Every connection is a tunnel, and a failed tunnel counts as a failed connection. The environment variables are
//! tested in `src/transport/connect/proxy` and by `tests/command`.

use std::net::SocketAddr;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::{ApiGateway, Builder, Error, Transport};
use tokio::net::TcpListener;

use crate::connection::within_some_limit;
use crate::http2::{self, NAME};
use crate::proxy_server::{Answer, Proxy};

/// A client of a host that only a proxy can reach.
fn client(endpoint: &str, proxy: &Proxy) -> Builder {
    ApiGateway::builder()
        .endpoint(endpoint)
        .proxy(proxy.url())
        .retry(RetryPolicy::NEVER)
        .anonymous()
}

async fn read(builder: Builder) -> Result<(), Error> {
    let operation = builder.build().expect("valid").get_operation(NAME).await?;
    assert_eq!(operation.name, NAME);
    Ok(())
}

fn nowhere() -> SocketAddr {
    "127.0.0.1:1".parse().expect("an address")
}

/// Each transport of this build.
fn transports() -> Vec<Transport> {
    vec![
        Transport::Grpc,
        #[cfg(feature = "rest")]
        Transport::Rest,
        #[cfg(feature = "rest")]
        Transport::GrpcWithRestFallback,
    ]
}

/// Returns the error text of a call whose tunnel fails, without the expected first words.
async fn refused(builder: Builder, endpoint: &str, proxy: impl std::fmt::Display) -> String {
    let error = read(builder).await.expect_err("no connection");
    assert!(
        error.is_connect() && error.is_unsent() && error.is_unavailable(),
        "{error}"
    );
    let text = error.to_string();
    let start = format!(
        "get operation {NAME}: unavailable: cannot connect to {endpoint} through the proxy {proxy}: "
    );
    let rest = text.strip_prefix(&start);
    rest.unwrap_or_else(|| panic!("{text}\n{start}")).to_owned()
}

#[tokio::test]
async fn grpc_without_tls_uses_one_tunnel_for_several_calls() {
    let server = http2::Server::start(|_| http2::Answer::Operation).await;
    let proxy = Proxy::start(server.address, |_| Answer::Tunnel).await;
    let client = client("http://gateway.test", &proxy).build();
    let client = client.expect("valid");
    for _ in 0..2 {
        client.get_operation(NAME).await.expect("an operation");
    }
    assert_eq!((server.connections(), server.calls()), (1, 2));
    let expected = "CONNECT gateway.test:80 HTTP/1.1\nhost: gateway.test:80";
    assert_eq!(proxy.requests(), [expected]);
}

#[tokio::test]
async fn a_tunnel_is_requested_by_host_and_port() {
    let cases = [
        ("http://gateway.test:8080", "gateway.test:8080"),
        ("http://192.0.2.1", "192.0.2.1:80"),
        ("http://[2001:db8::1]:81", "[2001:db8::1]:81"),
        // A proxy that was set is used for localhost, too.
        ("http://localhost:82", "localhost:82"),
        ("http://127.0.0.1:1", "127.0.0.1:1"),
    ];
    let server = http2::Server::start(|_| http2::Answer::Operation).await;
    for (endpoint, authority) in cases {
        let proxy = Proxy::start(server.address, |_| Answer::Tunnel).await;
        read(client(endpoint, &proxy)).await.expect("an operation");
        let expected = format!("CONNECT {authority} HTTP/1.1\nhost: {authority}");
        assert_eq!(proxy.requests(), [expected]);
    }
}

#[tokio::test]
async fn only_the_proxy_gets_the_user_of_its_url() {
    let server = http2::Server::start(|_| http2::Answer::Operation).await;
    let proxy = Proxy::start(server.address, |_| Answer::Tunnel).await;
    let url = format!("http://me:p%40ss@{}", proxy.address);
    read(client("http://gateway.test", &proxy).proxy(url))
        .await
        .expect("an operation");
    // `echo -n me:p@ss | base64`
    let expected = "CONNECT gateway.test:80 HTTP/1.1\nhost: gateway.test:80\n\
                    proxy-authorization: Basic bWU6cEBzcw==";
    assert_eq!(proxy.requests(), [expected]);
}

#[tokio::test]
async fn bytes_of_the_server_that_arrive_with_the_proxys_response_are_read() {
    let server = http2::Server::start(|_| http2::Answer::Operation).await;
    let greeting = b"HTTP/1.1 200 OK\r\n\r\nSSH-2.0-OpenSSH_9.2\r\n";
    let proxy = Proxy::start(server.address, |_| Answer::BytesAndTunnel(greeting)).await;
    let error = read(client("http://gateway.test", &proxy)).await;
    let error = error.expect_err("no HTTP/2").to_string();
    assert!(error.contains("not an HTTP/2 SETTINGS frame"), "{error}");
}

#[tokio::test]
async fn a_proxy_that_refuses_a_tunnel_is_one_error_with_its_address_and_status() {
    let cases: [(&[u8], &str); 9] = [
        (
            b"HTTP/1.1 407 s3cr3t\r\nproxy-authenticate: Basic\r\ncontent-length: 5\r\n\r\nlogin",
            "the proxy responded with HTTP 407 Proxy Authentication Required",
        ),
        (
            b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
            "the proxy responded with HTTP 403 Forbidden",
        ),
        (
            b"HTTP/1.0 502 -\r\n\r\n<html>",
            "the proxy responded with HTTP 502 Bad Gateway",
        ),
        (
            b"HTTP/1.1 302 Found\r\nlocation: http://login.test/\r\n\r\n",
            "the proxy responded with HTTP 302 Found",
        ),
        (b"", "the proxy closed the connection without a response"),
        (
            b"HTTP/1.1 200 O",
            "the proxy closed the connection without a response",
        ),
        (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            "the response of the proxy is not HTTP/1.1",
        ),
        (
            &[0, 0, 0, 4, 0, 0, 0, 0, 0],
            "the response of the proxy is not HTTP/1.1",
        ),
        (
            &[b'a'; 64 << 10],
            "the response of the proxy is not HTTP/1.1",
        ),
    ];
    for (bytes, why) in cases {
        let proxy = Proxy::start(nowhere(), move |_| Answer::Bytes(bytes)).await;
        for transport in transports() {
            let builder = client("http://gateway.test:1", &proxy).transport(transport);
            let text = refused(builder, "http://gateway.test:1", proxy.url()).await;
            assert_eq!(text, why, "{transport:?}");
        }
    }
}

#[tokio::test]
async fn an_unreachable_proxy_is_named_in_the_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    drop(listener);
    for transport in transports() {
        let builder = ApiGateway::builder().endpoint("http://gateway.test");
        let builder = builder.proxy(format!("me:s3cr3t@{address}")).anonymous();
        let builder = builder.retry(RetryPolicy::NEVER).transport(transport);
        let shown = format!("http://{address}");
        let text = refused(builder, "http://gateway.test", shown).await;
        let expected = "cannot connect to the proxy: Connection refused";
        assert!(text.starts_with(expected), "{text}");
    }
}

#[tokio::test]
async fn a_silent_proxy_is_bounded_by_the_connect_timeout() {
    let proxy = Proxy::start(nowhere(), |_| Answer::Silence).await;
    for transport in transports() {
        within_some_limit(async |limit| {
            let builder = client("http://gateway.test", &proxy).transport(transport);
            let builder = builder.connect_timeout(limit);
            let text = refused(builder, "http://gateway.test", proxy.url()).await;
            let expected =
                format!("no connection within {limit:?}, still requesting a tunnel from the proxy");
            match text == expected {
                true => Ok(()),
                false => Err(text),
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_create_is_retried_if_there_was_no_tunnel() {
    use apigateway_grpc::proto::google::cloud::apigateway::v1::CreateApiRequest;

    let server = http2::Server::start(|_| http2::Answer::Operation).await;
    let busy = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let proxy = Proxy::start(server.address, |number| match number {
        1 => Answer::Bytes(busy),
        _ => Answer::Tunnel,
    });
    let proxy = proxy.await;
    let builder = ApiGateway::builder().endpoint("http://gateway.test");
    let client = builder.proxy(proxy.url()).anonymous().build();
    let request = CreateApiRequest {
        parent: "projects/p/locations/global".into(),
        api_id: "a".into(),
        api: None,
    };
    let created = client
        .expect("valid")
        .service_client()
        .create_api(request)
        .await;
    assert_eq!(created.expect("started").into_inner().name, NAME);
    assert_eq!((proxy.requests().len(), server.calls()), (2, 1));
}

#[test]
fn the_error_of_an_invalid_proxy_names_its_setting() {
    let builder = ApiGateway::builder().endpoint("http://gateway.test");
    let builder = builder.anonymous().proxy("gopher://me:s3cr3t@proxy");
    let error = builder.build().expect_err("refused");
    assert!(error.is_invalid_setting(), "{error}");
    let expected = "invalid `proxy`: unsupported scheme `gopher`: must be http or https";
    assert_eq!(error.to_string(), expected);
}

#[cfg(feature = "rest")]
mod rest {
    use super::*;
    use crate::http1::{Server, json};

    const OPERATION: &str = r#"{"name": "projects/p/locations/l/operations/o"}"#;

    #[tokio::test]
    async fn rest_without_tls_uses_one_tunnel_for_several_calls() {
        let server = Server::always(json(200, OPERATION)).await;
        let proxy = Proxy::start(server.address, |_| Answer::Tunnel).await;
        let url = format!("http://me:p%40ss@{}", proxy.address);
        let client = client("http://gateway.test", &proxy).proxy(url);
        let client = client.transport(Transport::Rest).build().expect("valid");
        for _ in 0..2 {
            client.get_operation(NAME).await.expect("an operation");
        }
        let [tunnel] = proxy.requests().try_into().expect("one tunnel");
        assert!(tunnel.starts_with("CONNECT gateway.test:80 "), "{tunnel}");
        assert!(tunnel.ends_with("Basic bWU6cEBzcw=="), "{tunnel}");
        for request in server.requests() {
            assert_eq!(request.line, format!("GET /v1/{NAME}"));
            assert_eq!(request.header("host"), "gateway.test");
            assert_eq!(request.header("proxy-authorization"), "");
        }
        assert_eq!((server.connections(), server.requests().len()), (1, 2));
    }

    #[tokio::test]
    async fn an_http1_server_behind_a_proxy_is_called_over_rest() {
        let server = Server::always(json(200, OPERATION)).await;
        let proxy = Proxy::start(server.address, |_| Answer::Tunnel).await;
        let client = client("http://gateway.test", &proxy);
        let client = client.transport(Transport::GrpcWithRestFallback).build();
        let client = client.expect("valid");
        client.get_operation(NAME).await.expect("an operation");
        assert_eq!(client.active_transport(), Some(Transport::Rest));
        assert_eq!((server.prefaces(), proxy.requests().len()), (1, 2));
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_both_transports_does_not_activate_the_fallback() {
        let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
        let proxy = Proxy::start(nowhere(), |_| Answer::Bytes(refusal)).await;
        let client = client("http://gateway.test", &proxy);
        let client = client.transport(Transport::GrpcWithRestFallback).build();
        let client = client.expect("valid");
        for tunnels in [2, 4] {
            let error = client.get_operation(NAME).await.expect_err("refused");
            assert!(error.is_connect(), "{error}");
            assert_eq!(client.active_transport(), Some(Transport::Grpc));
            assert_eq!(proxy.requests().len(), tunnels);
        }
    }
}

#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
mod tls {
    use std::sync::{Arc, Mutex};

    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::tls_server::{Authority, Server, config};

    #[tokio::test]
    async fn tls_through_a_tunnel_checks_the_name_of_the_server() {
        let authority = Authority::new();
        let server = Server::start(&authority, "gateway.test", &["h2", "http/1.1"]).await;
        for transport in transports() {
            let proxy = Proxy::start(server.address, |_| Answer::Tunnel).await;
            let client = client("https://gateway.test", &proxy).transport(transport);
            read(client.ca_certificates(authority.pem()))
                .await
                .expect("an operation");
            let expected = "CONNECT gateway.test:443 HTTP/1.1\nhost: gateway.test:443";
            assert_eq!(proxy.requests(), [expected]);
        }
    }

    #[tokio::test]
    async fn a_proxy_with_its_own_certificate_for_the_server_is_not_trusted() {
        let server = Server::start(&Authority::new(), "gateway.test", &["h2"]).await;
        let proxy = Proxy::start(server.address, |_| Answer::Tunnel).await;
        for transport in transports() {
            let client = client("https://gateway.test", &proxy).transport(transport);
            let client = client.ca_certificates(Authority::new().pem());
            let text = refused(client, "https://gateway.test", proxy.url()).await;
            assert!(text.contains("unknown issuer"), "{text}");
        }
        assert_eq!(server.connections(), 0);
    }

    /// The server plays the intercepting proxy: its certificate is trusted, and it supports only HTTP/1.1.
    #[cfg(feature = "rest")]
    #[tokio::test]
    async fn a_proxy_that_intercepts_tls_with_http1_only_is_called_over_rest() {
        let authority = Authority::new();
        let server = Server::start(&authority, "gateway.test", &["http/1.1"]).await;
        let proxy = Proxy::start(server.address, |_| Answer::Tunnel).await;
        let client = client("https://gateway.test", &proxy);
        let client = client.transport(Transport::GrpcWithRestFallback);
        let client = client.ca_certificates(authority.pem()).build();
        let client = client.expect("valid");
        client.get_operation(NAME).await.expect("an operation");
        assert_eq!(client.active_transport(), Some(Transport::Rest));
    }

    #[tokio::test]
    async fn an_https_proxy_gets_no_client_certificate() {
        let (authority, clients) = (Authority::new(), Authority::new());
        let server = Server::with(
            &authority,
            "gateway.test",
            &["h2", "http/1.1"],
            Some(&clients),
        )
        .await;
        let acceptor = TlsAcceptor::from(config(&authority, "127.0.0.1", &["http/1.1"], None));
        let requesting_certificate = TlsAcceptor::from(config(
            &authority,
            "127.0.0.1",
            &["http/1.1"],
            Some(&clients),
        ));
        let handshake_errors = Arc::new(Mutex::new(Vec::new()));
        let (certificate, key) = clients.issue("client.test");
        let client = |transport, proxy: &Proxy| {
            let client = client("https://gateway.test", proxy).transport(transport);
            let client = client.proxy(format!("https://me:p%40ss@{}", proxy.address));
            let client = client.client_identity(certificate.pem(), key.serialize_pem());
            client.ca_certificates(authority.pem())
        };
        for transport in transports() {
            let acceptor = acceptor.clone();
            let proxy = Proxy::over(
                server.address,
                |_| Answer::Tunnel,
                move |tcp| {
                    let accepting = acceptor.accept(tcp);
                    async { accepting.await.ok() }
                },
            );
            let proxy = proxy.await;
            read(client(transport, &proxy)).await.expect("an operation");
            let [request] = proxy.requests().try_into().expect("one tunnel");
            assert!(request.ends_with("Basic bWU6cEBzcw=="), "{request}");
        }
        let recorded = Arc::clone(&handshake_errors);
        let proxy = Proxy::over(
            server.address,
            |_| Answer::Tunnel,
            move |tcp| {
                let (accepting, recorded) =
                    (requesting_certificate.accept(tcp), Arc::clone(&recorded));
                async move {
                    let accepted = accepting.await;
                    recorded
                        .lock()
                        .expect("not poisoned")
                        .push(accepted.as_ref().err().map(ToString::to_string));
                    accepted.ok()
                }
            },
        );
        let proxy = proxy.await;
        read(client(Transport::Grpc, &proxy))
            .await
            .expect_err("the client sends no certificate");
        let recorded = handshake_errors
            .lock()
            .expect("not poisoned")
            .pop()
            .flatten();
        assert_eq!(recorded.as_deref(), Some("peer sent no certificates"));
    }

    #[tokio::test]
    async fn a_proxy_that_is_not_trusted_gets_no_request_and_is_named_in_the_error() {
        let acceptor = TlsAcceptor::from(config(&Authority::new(), "127.0.0.1", &[], None));
        let proxy = Proxy::over(
            nowhere(),
            |_| Answer::Tunnel,
            move |tcp| {
                let accepting = acceptor.accept(tcp);
                async { accepting.await.ok() }
            },
        );
        let proxy = proxy.await;
        for transport in transports() {
            let url = format!("https://{}", proxy.address);
            let client = client("https://gateway.test", &proxy).proxy(&url);
            let client = client.ca_certificates(Authority::new().pem());
            let text = refused(client.transport(transport), "https://gateway.test", url).await;
            assert!(text.starts_with("cannot connect to the proxy: "), "{text}");
            assert!(text.contains("unknown issuer"), "{text}");
        }
        assert!(proxy.requests().is_empty());
    }
}
