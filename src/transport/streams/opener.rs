//! Opens connections, which are there once the server's first frame is.

use std::io;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::{BoxError, Http2, Keepalive};
use crate::failure::{CANNOT_CONNECT, NOT_HTTP2};
use crate::phase::Step;
use crate::transport::connect::Connector;
use crate::transport::greeting::Greeting;
use crate::transport::link::Link;

/// Opens connections.
#[derive(Clone)]
pub(super) struct Opener {
    connector: Connector,
    http2: http2::Builder<TokioExecutor>,
}

impl Opener {
    pub(super) fn new(connector: Connector, keepalive: Keepalive) -> Self {
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(keepalive.interval)
            .keep_alive_timeout(keepalive.timeout)
            .keep_alive_while_idle(false)
            .adaptive_window(true);
        Self { connector, http2 }
    }

    pub(super) async fn open(&self) -> Result<(Http2, usize), BoxError> {
        let link = self.connector.connect().await?;
        self.greet(link).await
    }

    /// The connection, once the server has shown that it speaks HTTP/2 and how many streams it allows.
    pub(super) async fn greet(&self, link: Link) -> Result<(Http2, usize), BoxError> {
        self.connector.enter(Step::Settings);
        let greeting = Greeting::default();
        let link = link.expecting_http2(greeting.clone());
        let (http2, connection) = self.http2.handshake(link).await?;
        tokio::spawn(async move {
            // The calls on it have their own word of it.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
        });
        let timeout = self.connector.timeout();
        match tokio::time::timeout(timeout, greeting.streams()).await {
            Ok(Ok(streams)) => Ok((http2, streams)),
            Ok(Err(error)) if says_all(&error) => Err(error.into()),
            Ok(Err(error)) => Err(self.connector.cannot_connect(error.into())),
            Err(_) => {
                let text = format!("no HTTP/2 SETTINGS from the peer within {timeout:?}");
                Err(self.connector.cannot_connect(text.into()))
            }
        }
    }
}

/// Whether the connection's error needs no more words: the peer is none of HTTP/2, or has refused us by TLS.
fn says_all(error: &io::Error) -> bool {
    let text = error.to_string();
    text.starts_with(NOT_HTTP2) || text.starts_with(CANNOT_CONNECT)
}
