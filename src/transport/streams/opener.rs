//! Opens connections, which are there once the server's first frame is.

use std::io;
use std::pin::Pin;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::allowed::Allowed;
use super::{BoxError, Http2, Keepalive};
use crate::failure::{CANNOT_CONNECT, NOT_HTTP2};
use crate::metrics::Counted;
use crate::transport::connect::Connector;
use crate::transport::greeting::Greeting;
use crate::transport::link::Link;

/// Opens connections.
#[derive(Clone)]
pub(super) struct Opener {
    transport: &'static str,
    connector: Connector,
    http2: http2::Builder<TokioExecutor>,
}

impl Opener {
    pub(super) fn new(transport: &'static str, connector: Connector, keepalive: Keepalive) -> Self {
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(keepalive.interval)
            .keep_alive_timeout(keepalive.timeout)
            .keep_alive_while_idle(false)
            .adaptive_window(true);
        Self {
            transport,
            connector,
            http2,
        }
    }

    pub(super) async fn open(
        &self,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Http2, Allowed), BoxError> {
        let link = self.connector.connect().await?;
        self.greet(link, changed).await
    }

    /// The connection, once the server has shown that it speaks HTTP/2 and how many streams it allows. Whether it
    /// allows more or fewer later is told as far as it is known, which is when there is something to do for a call.
    pub(super) async fn greet(
        &self,
        link: Link,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Http2, Allowed), BoxError> {
        let greeting = Greeting::default();
        let link = link.expecting_http2(greeting.clone());
        let (http2, mut connection) = self.http2.handshake(link).await?;
        let allowed = Allowed::default();
        let told = allowed.clone();
        let counted = Counted::connection(self.transport);
        tokio::spawn(async move {
            let _counted = counted;
            let mut last = connection.current_max_send_streams();
            let driven = std::future::poll_fn(|cx| {
                let ended = Pin::new(&mut connection).poll(cx);
                let streams = connection.current_max_send_streams();
                if streams != std::mem::replace(&mut last, streams) {
                    told.set(streams);
                    changed();
                }
                ended
            });
            // The calls on it have their own word of it.
            if let Err(error) = driven.await {
                tracing::debug!(%error, "a connection broke");
            }
        });
        let timeout = self.connector.timeout();
        match tokio::time::timeout(timeout, greeting.streams()).await {
            Ok(Ok(streams)) => {
                allowed.set_first(streams);
                Ok((http2, allowed))
            }
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
