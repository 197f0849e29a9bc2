//! Events that could make calls wait forever: failed attempts to connect, runtimes that end, servers that lower their
//! stream limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::{ApiGateway, CallOptions};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime;

use crate::connection::{builder, listener, within_some_limit};
use crate::frames::{self, Peer};
use crate::http2::{Answer, NAME};
use crate::pool::until;
use crate::pool_server::{Behaviour, Server};

/// Makes a call, and fails if the call hangs.
async fn answered(client: &ApiGateway) {
    let called = tokio::time::timeout(Duration::from_secs(60), client.get_operation(NAME));
    let called = called.await.expect("the call does not hang");
    called.expect("an operation");
}

/// All streams stay in use, so only the end of the pause after a failed attempt to connect can wake the waiting call.
#[tokio::test]
async fn a_waiting_call_gets_a_new_connection_after_the_pause() {
    let server = Server::start(Behaviour {
        max_streams: Some(1),
        holds: true,
        ..Behaviour::default()
    })
    .await;
    let (proxy, endpoint) = listener().await;
    let address = proxy.local_addr().expect("it listens");
    let behind = server.endpoint().trim_start_matches("http://").to_owned();
    let through = behind.clone();
    let (hold, held) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (client, _) = proxy.accept().await?;
        // Accept no further connection. Bind a socket that does not listen, so that no other program takes the port.
        drop(proxy);
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        hold.send(socket).expect("the test waits");
        pass(client, through).await
    });
    let client = builder(endpoint).retry(RetryPolicy::NEVER).build();
    let client = client.expect("valid");
    let first = tokio::spawn({
        let client = client.clone();
        async move { answered(&client).await }
    });
    until(|| server.calls() == 1).await;
    let second = tokio::spawn({
        let client = client.clone();
        async move { answered(&client).await }
    });
    // The attempt to connect fails.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let proxy = held.await.expect("the port is held").listen(8);
    let proxy = proxy.expect("it listens");
    tokio::spawn(async move {
        let (client, _) = proxy.accept().await?;
        pass(client, behind).await
    });
    until(|| server.calls() == 2).await;
    server.answer(true);
    first.await.expect("answered");
    second.await.expect("answered");
}

async fn pass(mut client: TcpStream, server: String) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let passed = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    passed.map(drop)
}

/// The tasks of connections and of attempts to connect end with the runtime of the first calls.
#[tokio::test]
async fn a_client_works_after_its_first_runtime_has_ended() {
    let server = Server::start(Behaviour {
        max_streams: Some(2),
        ..Behaviour::default()
    });
    let server = Arc::new(server.await);
    // A proxy passes connections to the server. While `silence` is true, it keeps new connections open without an answer, so
    // that opening them never ends.
    let (silent, endpoint) = listener().await;
    let behind = server.endpoint().trim_start_matches("http://").to_owned();
    let silence = Arc::new(AtomicBool::new(false));
    let silently = Arc::clone(&silence);
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((client, _)) = silent.accept().await {
            if silently.load(Ordering::SeqCst) {
                held.push(client);
            } else {
                tokio::spawn(pass(client, behind.clone()));
            }
        }
    });
    let client = builder(endpoint).retry(RetryPolicy::NEVER);
    let client = client.build().expect("valid");
    let elsewhere = client.clone();
    server.answer(true);
    let used = tokio::task::spawn_blocking({
        let (silence, server) = (Arc::clone(&silence), Arc::clone(&server));
        move || {
            let first = runtime::Builder::new_current_thread().enable_all().build();
            let first = first.expect("a runtime");
            first.block_on(async {
                answered(&elsewhere).await;
                server.answer(false);
                silence.store(true, Ordering::SeqCst);
                for _ in 0..5 {
                    let elsewhere = elsewhere.clone();
                    tokio::spawn(async move { elsewhere.get_operation(NAME).await });
                }
                until(|| server.calls() == 3).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            });
            // Two calls are in flight, three wait, and a connection is being opened.
            drop(first);
        }
    });
    used.await.expect("it ends");
    silence.store(false, Ordering::SeqCst);
    server.answer(true);
    for _ in 0..3 {
        answered(&client).await;
    }
    assert_eq!(server.calls(), 6);
}

/// SETTINGS may come at any time (RFC 9113 §6.5.3).
#[tokio::test]
async fn a_server_that_lowers_its_stream_limit_gets_more_connections_and_no_call_hangs() {
    let (listener, endpoint) = listener().await;
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut peer = Peer::new(stream).await?;
                // SETTINGS_MAX_CONCURRENT_STREAMS is 2 from now on.
                let first = peer.read_to(frames::HEADERS).await?.stream();
                peer.settings(&[0, 3, 0, 0, 0, 2]).await?;
                peer.reply(first, &Answer::message()).await?;
                while peer.read().await.is_ok() {}
                std::io::Result::Ok(())
            });
        }
    });
    let client = builder(endpoint).retry(RetryPolicy::NEVER);
    let client = client.build().expect("valid");
    answered(&client).await;
    // The pool reads the new limit when it sends the next call.
    within_some_limit(async |limit| {
        let options = CallOptions::default().timeout(limit);
        let short = client.with_options(options);
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let short = short.clone();
            calls.spawn(async move { short.get_operation(NAME).await });
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        // Each later connection answers only its first call.
        let ended = tokio::time::timeout(Duration::from_secs(120), calls.join_all()).await;
        let ended = ended.expect("each call ends at its deadline");
        let late = ended.iter().filter(|ended| {
            let error = ended.as_ref().err();
            error.is_some_and(apigateway_grpc::Error::is_timeout)
        });
        let answered = ended.iter().filter(|ended| ended.is_ok()).count();
        assert_eq!(late.count() + answered, 6, "{ended:?}");
        match answered {
            0 => Err(format!("{ended:?}")),
            _ => Ok(()),
        }
    })
    .await;
    assert!(
        connections.load(Ordering::SeqCst) >= 2,
        "the client opened no further connection"
    );
}

/// When a runtime ends, its connections end: calls on them fail, and the next calls connect again.
#[tokio::test]
async fn a_call_over_a_connection_of_another_runtime_ends_with_that_runtime() {
    let server = Server::start(Behaviour {
        holds: true,
        ..Behaviour::default()
    });
    let server = Arc::new(server.await);
    let client = builder(server.endpoint()).retry(RetryPolicy::NEVER);
    let client = client.build().expect("valid");
    let (opened, is_open) = tokio::sync::oneshot::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let elsewhere = client.clone();
    let other = tokio::task::spawn_blocking(move || {
        let other = runtime::Builder::new_current_thread().enable_all().build();
        other.expect("a runtime").block_on(async {
            let call = tokio::spawn(async move { elsewhere.get_operation(NAME).await });
            opened.send(()).expect("the test waits for it");
            ended.await.expect("the test ends the runtime");
            drop(call);
        });
    });
    is_open.await.expect("it runs");
    until(|| server.calls() == 1).await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.get_operation(NAME).await }
    });
    until(|| server.calls() == 2).await;
    assert_eq!(server.opened(), 1, "both share a connection");
    end.send(()).expect("it runs");
    other.await.expect("it ends");
    let call = tokio::time::timeout(Duration::from_secs(60), call).await;
    let error = call.expect("it ends").expect("no panic");
    let error = error.expect_err("the connection has ended");
    assert!(error.is_unavailable() && !error.is_unsent(), "{error}");
    server.answer(true);
    answered(&client).await;
    assert_eq!(server.opened(), 2);
}
