//! Where a call is, so that one whose time runs out can say so.
//!
//! The deadline layer keeps the phase of its call, and lends it to the thread while the call is polled. What lies
//! below enters a phase by a store there: no allocation, nothing shared, nothing handed down. What is
//! entered outside of any call with a deadline is read by nobody.

use std::cell::Cell;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

/// What a call waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A layer or a transport of the user's, before the call goes to it.
    #[default]
    Unsent,
    #[cfg_attr(
        not(feature = "auth"),
        expect(dead_code, reason = "there are no credentials")
    )]
    Credentials,
    /// A connection to this address, which has come so far.
    Connecting(Arc<str>, Step),
    /// A stream of an HTTP/2 connection.
    Stream,
    /// A connection of HTTP/1.1, of which there are as many as there may be.
    #[cfg_attr(
        not(feature = "rest"),
        expect(dead_code, reason = "gRPC has streams alone")
    )]
    Connection,
    /// The head of the response.
    Response,
    /// The rest of the response.
    ReadingResponse,
    /// The time of the next attempt.
    Backoff,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Waiting for the time of the next attempt, since the last one failed.
    Pause,
    Resolving,
    Tcp,
    Tunnel,
    Tls,
    Settings,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent => f.write_str("not sent"),
            Self::Credentials => f.write_str("waiting for credentials"),
            Self::Connecting(place, step) => write!(f, "connecting to {place} ({step})"),
            Self::Stream => f.write_str("waiting for a free stream"),
            Self::Connection => f.write_str("waiting for a free connection"),
            Self::Response => f.write_str("waiting for the response"),
            Self::ReadingResponse => f.write_str("reading the response"),
            Self::Backoff => f.write_str("waiting before the next attempt"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pause => "pausing after a failed attempt",
            Self::Resolving => "resolving the name",
            Self::Tcp => "waiting for TCP",
            Self::Tunnel => "asking the proxy for a tunnel",
            Self::Tls => "in the TLS handshake",
            Self::Settings => "waiting for its HTTP/2 SETTINGS",
        })
    }
}

thread_local! {
    /// That of the call which is being polled.
    static CURRENT: Cell<Phase> = const { Cell::new(Phase::Unsent) };
}

/// The phase begins for the call that is being polled.
pub(crate) fn enter(phase: Phase) {
    replace(phase);
}

fn replace(phase: Phase) -> Phase {
    // A thread that ends has no cell any more, and nobody who would read it.
    let replaced = CURRENT.try_with(|current| current.replace(phase));
    replaced.unwrap_or_default()
}

/// Polls a call that is in this phase, and takes over the one that it is in then.
pub(crate) fn poll_in<T>(phase: &mut Phase, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
    let outer = replace(std::mem::take(phase));
    let polled = poll();
    *phase = replace(outer);
    polled
}

/// Does it in a phase of its own, which the call that is being polled is in as well.
pub(crate) async fn track<F: Future>(phase: &mut Phase, task: F) -> F::Output {
    let mut task = pin!(task);
    std::future::poll_fn(|cx| {
        let polled = poll_in(phase, || task.as_mut().poll(cx));
        enter(phase.clone());
        polled
    })
    .await
}

/// What many calls wait for while one task does it: the phase of that task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<Mutex<Phase>>);

impl Progress {
    /// Does it, and tells the phase each time that it waits.
    pub(crate) async fn track<F: Future>(&self, task: F) -> F::Output {
        let mut phase = Phase::Unsent;
        let mut task = pin!(task);
        std::future::poll_fn(|cx| {
            let polled = poll_in(&mut phase, || task.as_mut().poll(cx));
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = phase.clone();
            polled
        })
        .await
    }

    pub(crate) fn phase(&self) -> Phase {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Enters a phase, ready at once.
    fn entering(entered: Phase) -> Poll<()> {
        enter(entered);
        Poll::Ready(())
    }

    #[test]
    fn a_call_keeps_its_phase_whatever_else_its_thread_does() {
        let (mut one, mut other) = (Phase::Unsent, Phase::Unsent);
        let _ = poll_in(&mut one, || entering(Phase::Response));
        let _ = poll_in(&mut other, || entering(Phase::Stream));
        enter(Phase::Backoff);
        // Nothing new is entered.
        let _ = poll_in(&mut one, || Poll::Ready(()));
        assert_eq!((one, other), (Phase::Response, Phase::Stream));
    }

    #[test]
    fn a_call_within_another_leaves_that_one_its_phase() {
        let (mut outer, mut inner) = (Phase::Unsent, Phase::Unsent);
        let _ = poll_in(&mut outer, || {
            enter(Phase::ReadingResponse);
            poll_in(&mut inner, || entering(Phase::Response))
        });
        assert_eq!((outer, inner), (Phase::ReadingResponse, Phase::Response));
    }

    #[test]
    fn a_task_tells_its_phase_to_others_and_to_no_call_on_its_thread() {
        let progress = Progress::default();
        let task = progress.track(async {
            enter(Phase::Stream);
            std::future::pending::<()>().await;
        });
        let mut task = pin!(task);
        let mut call = Phase::Response;
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = poll_in(&mut call, || task.as_mut().poll(&mut cx));
        assert_eq!((call, progress.phase()), (Phase::Response, Phase::Stream));
    }
}
