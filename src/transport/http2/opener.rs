//! Opens connections, which are there once the server's first frame is.

use tokio::task::AbortHandle;

use super::allowed::Allowed;
use super::connection::Http2;
use super::{BoxError, Keepalive};
use crate::call::phase::{Phase, Step};
use crate::call::transport_error::Unusable;
use crate::telemetry::Counted;
use crate::transport::connect::Greeting;
use crate::transport::connect::Link;
use crate::transport::connect::{Connector, caught};

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

    /// The phase of a call that waits before the next attempt.
    pub(super) fn paused(&self) -> Phase {
        self.connector.phase(Step::Pause)
    }

    pub(super) async fn open(
        &self,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Http2, Allowed), BoxError> {
        let link = self.connector.connect().await?;
        self.greet(link, changed).await
    }

    /// Returns the connection once the server has shown that it speaks HTTP/2 and how many streams it allows. All of
    /// the handshake is within the connect timeout: writing to the stream may hang as well as reading from it.
    /// `changed` is called when the server allows another number of streams.
    pub(super) async fn greet(
        &self,
        link: Link,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Http2, Allowed), BoxError> {
        self.connector.enter(Step::Settings);
        let timeout = self.connector.timeout();
        let greeting = caught(self.handshake(link, changed));
        let error = match tokio::time::timeout(timeout, greeting).await {
            Ok(Ok(opened)) => return Ok(opened),
            Ok(Err(error)) if error.is::<Unusable>() => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => format!("no HTTP/2 SETTINGS from the peer within {timeout:?}").into(),
        };
        Err(self.connector.cannot_connect(error))
    }

    async fn handshake(
        &self,
        link: Link,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Http2, Allowed), BoxError> {
        let greeting = Greeting::default();
        let link = link.expecting_http2(greeting.clone());
        let cause = link.cause();
        let allowed = Allowed::default();
        let told = allowed.clone();
        let tell = move |streams| {
            told.set(streams);
            changed();
        };
        let counted = Counted::connection(self.transport);
        let opened = async {
            let (http2, driver) = Http2::new(link, self.keepalive, tell, counted).await?;
            let unfinished = Unfinished(Some(driver));
            let streams = greeting.streams().await?;
            unfinished.finish();
            allowed.set_first(streams);
            Ok((http2, allowed))
        };
        opened.await.map_err(|error: BoxError| match cause.get() {
            Some(cause) => cause.clone().into(),
            None => error,
        })
    }
}

/// A connection without the server's first frame. Dropping it ends the connection's task, which would otherwise try
/// to close the connection in good order, without a bound.
struct Unfinished(Option<AbortHandle>);

impl Unfinished {
    fn finish(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(driver) = &self.0 {
            driver.abort();
        }
    }
}
