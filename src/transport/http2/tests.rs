//! What a pool does where no runtime is left to do it.

use std::sync::mpsc;

use super::*;
use crate::transport::connect::{Protocols, Target};
use crate::transport::{Through, TlsOptions};

fn pool() -> Streams {
    let target = Target {
        uri: http::Uri::from_static("http://127.0.0.1:1"),
        connect_timeout: Duration::from_secs(1),
        tls: TlsOptions::default(),
        through: Through::Nothing,
        connector: None,
    };
    let keepalive = Keepalive {
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
    };
    let limits = Limits {
        connections: 2,
        http1: 1,
        streams: 1,
    };
    let connector = Connector::new(&target, Protocols::Http2).expect("valid");
    Streams::new("grpc", connector, keepalive, limits, 1)
}

/// A runtime that shuts down drops what is spawned on it at once, within `spawn`.
#[test]
fn a_runtime_that_shuts_down_is_not_held_up_by_a_call_that_needs_a_connection() {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime");
        let handle = runtime.handle().clone();
        drop(runtime);
        let _within = handle.enter();
        let pool = pool();
        let mut call = Box::pin(pool.send(GrpcRequest::new(tonic::body::Body::empty())));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(call.as_mut().poll(&mut cx).is_pending(), "nobody connects");
        drop(call);
        // Nothing of it is left: the next call that waits has its own connection begun.
        let counts = pool.shared.kept.with(|kept| {
            let waiting = kept.waiting();
            kept.begin_waiting();
            (waiting, kept.begin_connecting())
        });
        tell.send(counts).ok();
    });
    let counts = told.recv_timeout(Duration::from_secs(20));
    assert_eq!(counts.expect("it is held up"), (0, 1));
}
