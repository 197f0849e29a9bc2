//! Opens connections, which are there once the server's first frame is.

use std::io;

use super::allowed::Allowed;
use super::http2::Http2;
use super::{BoxError, Keepalive};
use crate::failure::{CANNOT_CONNECT, NOT_HTTP2};
use crate::metrics::Counted;
use crate::phase::Step;
use crate::transport::connect::Connector;
use crate::transport::greeting::Greeting;
use crate::transport::link::Link;

/// Opens connections.
#[derive(Clone)]
pub(super) struct Opener {
    transport: &'static str,
    connector: Connector,
    keepalive: Keepalive,
}

impl Opener {
    pub(super) fn new(transport: &'static str, connector: Connector, keepalive: Keepalive) -> Self {
        Self {
            transport,
            connector,
            keepalive,
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
        self.connector.enter(Step::Settings);
        let greeting = Greeting::default();
        let link = link.expecting_http2(greeting.clone());
        let allowed = Allowed::default();
        let told = allowed.clone();
        let tell = move |streams| {
            told.set(streams);
            changed();
        };
        let counted = Counted::connection(self.transport);
        let http2 = Http2::new(link, self.keepalive, tell, counted).await?;
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
