//! The calls on a connection, and whether its peer is still there.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::sync::Notify;

use super::{BoxError, Keepalive, Slot};
use crate::transport::link::Cause;

/// What is known of a connection.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// How many calls are on it.
    calls: AtomicUsize,
    /// Whether the next call on it is to be told of.
    idle: AtomicBool,
    called: Notify,
    /// Whether a call was given up before its answer was whole, and nothing was heard of the peer since.
    doubted: AtomicBool,
    /// Why it was given up, if it was.
    given_up: OnceLock<String>,
    /// Why the peer refused the connection, if it did.
    cause: Cause,
}

impl Life {
    pub(super) fn new(cause: Cause) -> Self {
        Self {
            cause,
            ..Self::default()
        }
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Ends when a ping found no answer. One is sent with the first call after the interval, or without any if one
    /// was given up that had no answer: who calls seldom and briefly would meet a dead connection again and again.
    pub(super) async fn silence(&self, pings: Option<PingPong>, keepalive: Keepalive) {
        let Some(mut pings) = pings else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(keepalive.interval).await;
            self.needed().await;
            let pong = pings.ping(Ping::opaque());
            match tokio::time::timeout(keepalive.timeout, pong).await {
                Ok(Ok(_)) => self.doubted.store(false, Ordering::SeqCst),
                // The connection has ended, and says so by itself.
                Ok(Err(_)) => return std::future::pending().await,
                Err(_) => return,
            }
        }
    }

    /// Waits for a call, unless there is one, or was one that has left a doubt.
    async fn needed(&self) {
        self.idle.store(true, Ordering::SeqCst);
        while self.calls() == 0 && !self.doubted.load(Ordering::SeqCst) {
            self.called.notified().await;
        }
        self.idle.store(false, Ordering::SeqCst);
    }

    /// Says why it ends.
    pub(super) fn give_up(&self, timeout: Duration) {
        let why = format!("the connection is dead: no answer to a ping within {timeout:?}");
        tracing::debug!("{why}");
        self.given_up.get_or_init(|| why);
    }
}

/// A call on a connection, which has a stream as long as this is there.
#[derive(Debug)]
pub(super) struct OnIt {
    life: Arc<Life>,
    answered: bool,
    _slot: Slot,
}

impl OnIt {
    pub(super) fn new(life: &Arc<Life>, slot: Slot) -> Self {
        life.calls.fetch_add(1, Ordering::SeqCst);
        // After the call is counted: whoever has seen none has said so before.
        if life.idle.load(Ordering::SeqCst) {
            life.called.notify_one();
        }
        Self {
            life: Arc::clone(life),
            answered: false,
            _slot: slot,
        }
    }

    /// The answer was whole.
    pub(super) fn end(mut self) {
        self.answered = true;
    }

    /// The error of its stream. Of a connection that ended by an i/o error h2 has not the cause.
    pub(super) fn explain(mut self, error: h2::Error) -> BoxError {
        self.answered = true;
        if !error.is_io() {
            return error.into();
        }
        match (self.life.given_up.get(), self.life.cause.get()) {
            (Some(why), _) => io::Error::new(io::ErrorKind::TimedOut, why.clone()).into(),
            (None, Some(cause)) => cause.clone().into(),
            (None, None) => error.into(),
        }
    }
}

impl Drop for OnIt {
    fn drop(&mut self) {
        if !self.answered {
            self.life.doubted.store(true, Ordering::SeqCst);
        }
        self.life.calls.fetch_sub(1, Ordering::SeqCst);
    }
}
