//! Opens HTTP/2 connections. A connection is open once the server preface has been read.

use tokio::task::AbortHandle;
use tower::BoxError;

use super::connection::Http2Connection;
use super::keepalive::Keepalive;
use super::pool::MaxConcurrentStreams;
use crate::call::phase::{Phase, Step};
use crate::call::transport_error::UnusableConnection;
use crate::telemetry::GaugeGuard;
use crate::transport::connect::{Connector, IoStream, ServerPreface, catch_panic};

/// Opens HTTP/2 connections to one address.
#[derive(Clone)]
pub(super) struct Opener {
    /// The transport's name, for metrics.
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

    /// Returns the phase of a call that waits for the next attempt to connect.
    pub(super) fn pause_phase(&self) -> Phase {
        self.connector.phase(Step::Pause)
    }

    /// Opens a connection. See [`handshake`](Self::handshake) for `on_change`.
    pub(super) async fn open(
        &self,
        on_change: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Http2Connection, MaxConcurrentStreams), BoxError> {
        let stream = self.connector.connect().await?;
        self.handshake(stream, on_change).await
    }

    /// Performs the HTTP/2 handshake. Returns the connection and the number of streams that the server allows.
    ///
    /// The connect timeout bounds the whole handshake, since writing to the stream may hang as well as reading from it.
    /// `on_change` is called when the server changes the number of streams, and when the peer is suspected to be dead.
    ///
    /// # Errors
    ///
    /// If the peer does not support HTTP/2, refuses the connection, or does not send its preface within the connect timeout.
    pub(super) async fn handshake(
        &self,
        stream: IoStream,
        on_change: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Http2Connection, MaxConcurrentStreams), BoxError> {
        self.connector.enter(Step::Settings);
        let timeout = self.connector.timeout();
        let exchange = catch_panic(self.exchange_settings(stream, on_change));
        let error = match tokio::time::timeout(timeout, exchange).await {
            Ok(Ok(opened)) => return Ok(opened),
            Ok(Err(error)) => match error.downcast::<UnusableConnection>() {
                Ok(unusable) => return Err(self.connector.unusable(*unusable)),
                Err(error) => error,
            },
            Err(_) => format!("no HTTP/2 SETTINGS from the server within {timeout:?}").into(),
        };
        Err(self.connector.cannot_connect(error))
    }

    async fn exchange_settings(
        &self,
        stream: IoStream,
        on_change: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Http2Connection, MaxConcurrentStreams), BoxError> {
        let preface = ServerPreface::default();
        let stream = stream.expect_preface(preface.clone());
        let cause = stream.cause();
        let server_limit = MaxConcurrentStreams::default();
        let changed_limit = server_limit.clone();
        let on_capacity_change = move |streams| {
            changed_limit.set(streams);
            on_change();
        };
        let gauge = GaugeGuard::connection(self.transport);
        let exchange = async {
            let (connection, driver) =
                Http2Connection::new(stream, self.keepalive, on_capacity_change, gauge).await?;
            let abort_guard = AbortOnDrop(Some(driver));
            let streams = preface.max_concurrent_streams().await?;
            abort_guard.disarm();
            server_limit.set_first(streams);
            Ok((connection, server_limit))
        };
        // Take the cause from the stream, since h2 keeps only the kind and the text of an I/O error.
        exchange.await.map_err(|error: BoxError| match cause.get() {
            Some(cause) => cause.clone().into(),
            None => error,
        })
    }
}

/// Aborts the task of a connection whose handshake did not finish. Otherwise the task would try to close the connection
/// gracefully, which may take the keepalive interval and timeout.
struct AbortOnDrop(Option<AbortHandle>);

impl AbortOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(driver) = &self.0 {
            driver.abort();
        }
    }
}
