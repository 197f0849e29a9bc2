//! The pool in a runtime that has shut down.

use std::sync::mpsc;

use super::*;
use crate::transport::TlsOptions;
use crate::transport::connect::{ConnectConfig, Protocols, ProxyMode};

fn pool() -> Http2Pool {
    let config = ConnectConfig {
        uri: http::Uri::from_static("http://127.0.0.1:1"),
        variable: None,
        connect_timeout: Duration::from_secs(1),
        tls: TlsOptions::default(),
        proxy: ProxyMode::Direct,
        connector: None,
    };
    let keepalive = Keepalive {
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
    };
    let limits = PoolLimits {
        connections: 2,
        http1: 1,
        streams: 1,
    };
    let connector = Connector::new(&config, Protocols::Http2).expect("valid");
    Http2Pool::new("grpc", connector, keepalive, limits, 1)
}

/// A runtime that has shut down drops a task within `spawn`.
#[test]
fn a_call_does_not_block_a_runtime_that_has_shut_down() {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime");
        let handle = runtime.handle().clone();
        drop(runtime);
        let _context = handle.enter();
        let pool = pool();
        let mut call = Box::pin(pool.send(GrpcRequest::new(tonic::body::Body::empty())));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(
            call.as_mut().poll(&mut cx).is_pending(),
            "no task opens a connection"
        );
        drop(call);
        // The dropped call left nothing behind: the next waiting call starts its own attempt.
        let counts = pool.shared.state.with(|state| {
            let waiting = state.waiting();
            state.begin_waiting();
            (waiting, state.begin_connecting())
        });
        sender.send(counts).ok();
    });
    let counts = receiver.recv_timeout(Duration::from_secs(20));
    assert_eq!(counts.expect("the call blocks"), (0, 1));
}
