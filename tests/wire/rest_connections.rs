//! The idle connections of REST: their reuse, and the time at which they are closed.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::{ApiGateway, CallOptions, Transport};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::connection::{builder, listener, tasks, tasks_end};
use crate::http1::{Server, json, reply};
use crate::http2::NAME;

const DONE: &str = r#"{"name":"projects/p/locations/l/operations/o","done":true}"#;

fn client(endpoint: String) -> ApiGateway {
    let client = builder(endpoint).transport(Transport::Rest).build();
    client.expect("the settings are valid")
}

/// Reads one request without a body.
async fn request(stream: &mut BufReader<TcpStream>) -> bool {
    let mut line = String::new();
    loop {
        line.clear();
        match stream.read_line(&mut line).await {
            Ok(0) | Err(_) => return false,
            Ok(_) if line == "\r\n" => return true,
            Ok(_) => {}
        }
    }
}

async fn accept(listener: &TcpListener) -> BufReader<TcpStream> {
    let (stream, _) = listener.accept().await.expect("the client connects");
    BufReader::new(stream)
}

async fn done(client: &ApiGateway) -> bool {
    let operation = client.get_operation(NAME).await;
    operation.expect("it was answered").done
}

#[tokio::test]
async fn sequential_calls_share_a_connection_and_concurrent_calls_do_not() {
    let server = Server::always(json(200, DONE)).await;
    let client = client(server.endpoint());
    for _ in 0..20 {
        assert!(done(&client).await);
    }
    assert_eq!(server.connections(), 1);
    assert_eq!(
        server.requests()[19].header("host"),
        server.address.to_string()
    );
    let calls = (0..5).map(|_| done(&client));
    assert!(
        futures_util::future::join_all(calls)
            .await
            .iter()
            .all(|done| *done)
    );
    assert!(server.connections() <= 6, "{}", server.connections());
    let before = server.connections();
    let calls = (0..before).map(|_| done(&client));
    futures_util::future::join_all(calls).await;
    assert_eq!(server.connections(), before, "all connections are reused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sequential_calls_share_a_connection_on_any_thread() {
    let server = Server::always(json(200, DONE)).await;
    let client = client(server.endpoint());
    for _ in 0..200 {
        let client = client.clone();
        let call = tokio::spawn(async move { done(&client).await });
        assert!(call.await.expect("no panic"));
    }
    assert_eq!(server.connections(), 1);
}

/// A server may close an idle connection at any time. A call that gets a closed connection uses another connection and does not
/// fail.
#[tokio::test]
async fn a_connection_that_the_server_closed_while_idle_fails_no_call() {
    for noticed in [true, false] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let (close, closed) = std::sync::mpsc::channel();
        let server = std::thread::spawn(move || {
            for _ in 0..10 {
                let (mut stream, _) = listener.accept().expect("the client connects");
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream
                        .read_exact(&mut byte)
                        .expect("the client sends a request");
                    head.extend(byte);
                }
                stream
                    .write_all(&json(200, DONE))
                    .expect("the client reads");
                drop(stream);
                close.send(()).expect("the test waits");
            }
        });
        let client = builder(format!("http://{address}"))
            .transport(Transport::Rest)
            .retry(RetryPolicy::NEVER)
            .build()
            .expect("the settings are valid");
        for _ in 0..10 {
            assert!(done(&client).await);
            // The connection has ended. The runtime notices the end before the next call only if `noticed` is true.
            closed.recv().expect("the server closes it");
            if noticed {
                tokio::time::sleep(Duration::from_millis(20)).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
        server.join().expect("every connection was used once");
    }
}

/// The unread rest of a response is not read as the next response.
#[tokio::test]
async fn a_connection_whose_response_was_dropped_is_not_reused() {
    let (listener, endpoint) = listener().await;
    let (begin, begun) = tokio::sync::oneshot::channel();
    let server = tokio::spawn(async move {
        let mut first = accept(&listener).await;
        assert!(request(&mut first).await);
        let reply =
            "HTTP/1.1 200 -\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
        first.write_all(reply.as_bytes()).await.expect("written");
        // The client drops the call some time after the beginning of the response.
        tokio::time::sleep(Duration::from_millis(50)).await;
        begin.send(()).expect("the test waits");
        let mut second = accept(&listener).await;
        assert!(request(&mut second).await);
        second.write_all(&json(200, DONE)).await.expect("written");
        // The client closed the first connection.
        let mut rest = Vec::new();
        first.read_to_end(&mut rest).await.ok();
        assert!(rest.is_empty(), "{rest:?}");
    });
    let client = client(endpoint);
    tokio::select! {
        called = client.get_operation(NAME) => panic!("the response is incomplete: {called:?}"),
        sent = begun => sent.expect("the server received the first request"),
    }
    assert!(done(&client).await);
    tokio::time::timeout(Duration::from_secs(60), server)
        .await
        .expect("the connection of the dropped call is closed")
        .expect("the server received the expected requests");
}

/// After a response with `connection: close` the connection ends.
#[tokio::test]
async fn a_connection_with_connection_close_is_not_reused() {
    let reply = format!(
        "HTTP/1.1 200 -\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{DONE}",
        DONE.len()
    );
    let server = Server::always(reply.into_bytes()).await;
    let client = client(server.endpoint());
    for _ in 0..3 {
        assert!(done(&client).await);
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_connection_that_was_idle_for_too_long_is_closed() {
    let (listener, endpoint) = listener().await;
    let client = client(endpoint);
    let (called, mut stream) = tokio::join!(done(&client), async {
        let mut stream = accept(&listener).await;
        assert!(request(&mut stream).await);
        stream.write_all(&json(200, DONE)).await.expect("written");
        stream
    });
    assert!(called);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::resume();
    let open = tokio::time::timeout(Duration::from_millis(100), stream.read_u8()).await;
    assert!(
        open.is_err(),
        "the connection was closed too early: {open:?}"
    );
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(180)).await;
    tokio::time::resume();
    let closed = tokio::time::timeout(Duration::from_secs(60), stream.read_u8()).await;
    assert!(closed.expect("it is closed").is_err());
    drop(client);
}

/// The connection is in use when idle connections are checked, and is idle afterwards.
#[tokio::test]
async fn a_connection_is_closed_when_it_is_idle_after_a_long_call() {
    let (listener, endpoint) = listener().await;
    let client = client(endpoint);
    let options = CallOptions::default().timeout(Duration::from_secs(600));
    let patient = client.with_options(options);
    let (called, mut stream) = tokio::join!(done(&patient), async {
        let mut stream = accept(&listener).await;
        assert!(request(&mut stream).await);
        // Two checks happen in this time.
        tokio::time::pause();
        for _ in 0..2 {
            tokio::time::advance(Duration::from_secs(95)).await;
            tokio::task::yield_now().await;
        }
        tokio::time::resume();
        stream.write_all(&json(200, DONE)).await.expect("written");
        stream
    });
    assert!(called);
    tokio::time::pause();
    for _ in 0..2 {
        tokio::time::advance(Duration::from_secs(95)).await;
    }
    tokio::time::resume();
    let closed = tokio::time::timeout(Duration::from_secs(60), stream.read_u8()).await;
    assert!(closed.expect("it is closed").is_err());
    drop(client);
}

/// The server rejects a large request before the client has sent all of it. The connection may then never be ready for another
/// call.
#[tokio::test]
async fn a_call_does_not_wait_for_a_connection_that_is_slow_to_become_ready() {
    let (listener, endpoint) = listener().await;
    let client = client(endpoint);
    let config = apigateway_grpc::proto::google::cloud::apigateway::v1::ApiConfig {
        display_name: "x".repeat(16 << 20),
        ..Default::default()
    };
    let parent = "projects/p/locations/global/apis/a";
    let large = client.create_api_config(parent, "c", config);
    let (refused, _unread) = tokio::join!(large, async {
        let mut stream = accept(&listener).await;
        assert!(request(&mut stream).await);
        let refusal = json(409, r#"{"error":{"code":409,"status":"ABORTED"}}"#);
        stream.write_all(&refusal).await.expect("written");
        stream
    });
    let error = refused.expect_err("it was refused");
    assert_eq!(error.code(), Some(apigateway_grpc::tonic::Code::Aborted));
    let next = async {
        tokio::join!(done(&client), async {
            let mut stream = accept(&listener).await;
            assert!(request(&mut stream).await);
            stream.write_all(&json(200, DONE)).await.expect("written");
        })
    };
    let next = tokio::time::timeout(Duration::from_secs(60), next).await;
    assert!(next.expect("the call has another connection").0);
}

#[tokio::test]
async fn calls_wait_for_a_connection_at_the_maximum() {
    let (listener, endpoint) = listener().await;
    let client = builder(endpoint)
        .transport(Transport::Rest)
        .max_connections(2)
        .build()
        .expect("the settings are valid");
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { done(&client).await })
        })
        .collect();
    let mut first = accept(&listener).await;
    let mut second = accept(&listener).await;
    assert!(request(&mut first).await && request(&mut second).await);
    let third = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(third.is_err(), "a third connection was opened");

    // A waiting call ends at its deadline.
    let options = CallOptions::default().timeout(Duration::from_millis(50));
    let hurried = client.with_options(options);
    let error = hurried
        .get_operation(NAME)
        .await
        .expect_err("no connection is free");
    assert!(error.is_timeout(), "{error}");

    // The two waiting calls use the same connections.
    for stream in [&mut first, &mut second] {
        stream.write_all(&json(200, DONE)).await.expect("written");
    }
    assert!(request(&mut first).await && request(&mut second).await);
    for stream in [&mut first, &mut second] {
        stream.write_all(&json(200, DONE)).await.expect("written");
    }
    for call in calls {
        assert!(call.await.expect("no panic"));
    }
}

/// Dropping a call closes its connection and frees its permit.
#[tokio::test]
async fn a_dropped_call_frees_its_permit() {
    let (listener, endpoint) = listener().await;
    let client = builder(endpoint)
        .transport(Transport::Rest)
        .max_connections(1)
        .build()
        .expect("the settings are valid");
    for _ in 0..3 {
        let given_up = client.clone();
        let call = tokio::spawn(async move { done(&given_up).await });
        let mut stream = accept(&listener).await;
        assert!(request(&mut stream).await);
        call.abort();
        assert!(!request(&mut stream).await, "the connection is still open");
    }
    let (called, ()) = tokio::join!(done(&client), async {
        let mut stream = accept(&listener).await;
        assert!(request(&mut stream).await);
        stream.write_all(&json(200, DONE)).await.expect("written");
    });
    assert!(called);
}

#[tokio::test]
async fn no_task_is_left_after_a_client_is_dropped() {
    let (listener, endpoint) = listener().await;
    let before = tasks();
    let client = client(endpoint);
    let (called, mut stream) = tokio::join!(done(&client), async {
        let mut stream = accept(&listener).await;
        assert!(request(&mut stream).await);
        stream.write_all(&json(200, DONE)).await.expect("written");
        stream
    });
    assert!(called && tasks() > before);
    drop(client);
    let closed = tokio::time::timeout(Duration::from_secs(60), stream.read_u8()).await;
    assert!(closed.expect("it is closed").is_err());
    tasks_end(before).await;
}

/// Reads one request without a body, and returns its line.
fn request_line(stream: &mut std::net::TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream
            .read_exact(&mut byte)
            .expect("the client sends a request");
        head.extend(byte);
    }
    let head = String::from_utf8(head).expect("text");
    head.lines().next().unwrap_or_default().to_owned()
}

/// The first of three concurrent calls gets the only permit, with an idle connection that the server has closed. The call then
/// opens another connection. The other two calls wait until the first call has ended.
#[tokio::test]
async fn a_call_whose_idle_connection_was_closed_keeps_its_permit() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it listens");
    let (close, closed) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let mut lines = Vec::new();
        // The server closes each connection after one response. All responses but the first announce this with a `connection`
        // header. Without the announcement, a later request could be sent while its connection closes, and would fail.
        let head = "200 -\r\ncontent-type: application/json\r\nconnection: close";
        let announced = reply(head, DONE.as_bytes());
        for response in [&json(200, DONE), &announced, &announced, &announced] {
            let (mut stream, _) = listener.accept().expect("the client connects");
            lines.push(request_line(&mut stream));
            stream.write_all(response).expect("the client reads");
            drop(stream);
            close.send(()).ok();
        }
        lines
    });
    let client = builder(format!("http://{address}"))
        .transport(Transport::Rest)
        .retry(RetryPolicy::NEVER)
        .max_connections(1)
        .build()
        .expect("the settings are valid");
    assert!(done(&client).await);
    // This blocks the only thread of the runtime, so the client does not notice the end of the connection.
    closed.recv().expect("the server closes it");
    let call = |name: &'static str| {
        let client = client.clone();
        async move { client.get_operation(name).await.expect("it was answered") }
    };
    tokio::join!(
        call("projects/p/locations/l/operations/1"),
        call("projects/p/locations/l/operations/2"),
        call("projects/p/locations/l/operations/3"),
    );
    let lines = server.join().expect("every connection was used once");
    let last: Vec<_> = lines[1..]
        .iter()
        .map(|line| line.trim_end_matches(" HTTP/1.1"))
        .filter_map(|line| line.rsplit('/').next())
        .collect();
    assert_eq!(last, ["1", "2", "3"]);
}

/// A client learns only from ALPN whether the server supports HTTP/2, so further calls wait for the first connection.
#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
#[tokio::test]
async fn concurrent_first_calls_wait_for_the_protocol_of_the_first_connection() {
    use crate::tls_server::{Authority, Server};

    let authority = Authority::new();
    for (alpn, connections) in [("h2", 1..=1), ("http/1.1", 2..=20)] {
        let server = Server::start(&authority, "localhost", &[alpn]).await;
        let endpoint = format!("https://localhost:{}", server.address.port());
        let client = builder(endpoint)
            .transport(Transport::Rest)
            .retry(RetryPolicy::NEVER)
            .ca_certificates(authority.pem())
            .build()
            .expect("valid");
        let calls = (0..20).map(|_| client.get_operation(NAME));
        let calls = futures_util::future::join_all(calls);
        let calls = tokio::time::timeout(Duration::from_secs(60), calls).await;
        for call in calls.expect("they end") {
            call.expect("it was answered");
        }
        let opened = server.connections();
        assert!(connections.contains(&opened), "{alpn}: {opened}");
    }
}

/// The calls that waited for the first connection get its error. Otherwise each of these calls would wait for the connect
/// timeout again.
#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
#[tokio::test]
async fn concurrent_first_calls_get_the_error_of_the_first_connection() {
    crate::connection::within_some_limit(async |limit| {
        let (silent, endpoint) = listener().await;
        let client = builder(endpoint.replace("http:", "https:"))
            .transport(Transport::Rest)
            .retry(RetryPolicy::NEVER)
            .connect_timeout(limit)
            .build()
            .expect("valid");
        let calls = (0..20).map(|_| client.get_operation(NAME));
        for call in futures_util::future::join_all(calls).await {
            let error = call.expect_err("the server does not answer");
            assert!(error.is_connect() && error.is_unsent(), "{error}");
            if !error.to_string().contains("in the TLS handshake") {
                return Err(error.to_string());
            }
        }
        silent.accept().await.expect("the first connection");
        let other = tokio::time::timeout(Duration::from_millis(100), silent.accept()).await;
        assert!(other.is_err(), "another call connected again");
        Ok(())
    })
    .await;
}

/// If the call that connects on behalf of all calls is dropped, the next waiting call connects.
#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
#[tokio::test]
async fn if_the_first_call_is_dropped_the_next_one_connects() {
    use crate::tls_server::{Authority, config};
    use tokio_rustls::TlsAcceptor;

    let authority = Authority::new();
    let acceptor = TlsAcceptor::from(config(&authority, "localhost", &["h2"], None));
    let (listener, endpoint) = listener().await;
    let client = builder(endpoint.replace("http://127.0.0.1", "https://localhost"))
        .transport(Transport::Rest)
        .retry(RetryPolicy::NEVER)
        .ca_certificates(authority.pem())
        .build()
        .expect("valid");
    let call = || {
        let client = client.clone();
        tokio::spawn(async move { done(&client).await })
    };
    let first = call();
    // The handshake is not answered.
    let (held, _) = listener.accept().await.expect("it connects");
    let second = call();
    let other = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(other.is_err(), "the second call did not wait");
    first.abort();
    let (stream, _) = listener.accept().await.expect("the second call connects");
    let stream = acceptor.accept(stream).await.expect("a handshake");
    tokio::spawn(crate::http2::serve(stream, |_| {
        crate::http2::Answer::Page(200, "application/json", DONE)
    }));
    assert!(second.await.expect("no panic"));
    drop(held);
}

/// The tasks of idle connections end with the runtime of the first calls.
#[tokio::test]
async fn a_client_works_after_its_first_runtime_has_ended() {
    let server = Server::always(json(200, DONE)).await;
    let client = builder(server.endpoint())
        .transport(Transport::Rest)
        .retry(RetryPolicy::NEVER)
        .build()
        .expect("valid");
    for ended in 1..=2 {
        let elsewhere = client.clone();
        let used = tokio::task::spawn_blocking(move || {
            let first = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            assert!(first.block_on(done(&elsewhere)));
        });
        used.await.expect("it ends");
        let called = tokio::time::timeout(Duration::from_secs(60), done(&client)).await;
        assert!(called.expect("the call does not hang"));
        // The connection of the test's runtime stays open. The pool hands out the most recently used connection first, so the
        // next round begins with this one.
        assert!(
            server.connections() <= 1 + ended,
            "{}",
            server.connections()
        );
    }
}
