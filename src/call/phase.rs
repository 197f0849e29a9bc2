//! The phase of a call, for the error of a missed deadline.
//!
//! The deadline layer stores the phase of its call, and moves it into a thread-local while it polls the call. The layers and
//! transports below enter a phase by a write to the thread-local, without an allocation or shared state. A phase that is
//! entered outside of a call with a deadline is ignored.

use std::cell::Cell;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

/// The phase of a call, named after the event that the call waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not sent yet. A call that waits in a user's layer, or until a user's transport is ready, is in this phase, too.
    #[default]
    Unsent,
    #[cfg_attr(
        not(feature = "auth"),
        expect(dead_code, reason = "there are no credentials")
    )]
    Credentials,
    /// Waiting for a connection to this address. The second value is the current step of connecting.
    Connecting(Arc<str>, Step),
    /// Waiting for a stream of an HTTP/2 connection.
    Stream,
    /// Waiting for an HTTP/1.1 connection; the limit is reached.
    #[cfg_attr(
        not(feature = "rest"),
        expect(dead_code, reason = "gRPC has only streams")
    )]
    Connection,
    /// Waiting for the head of the response.
    Response,
    /// Reading the body of the response.
    ReadingResponse,
    /// Waiting before the next attempt.
    Backoff,
}

/// A step of connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Waiting before the next attempt to connect, since the last one failed.
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
            Self::Pause => "waiting before the next connection attempt",
            Self::Resolving => "resolving the host name",
            Self::Tcp => "opening the TCP connection",
            Self::Tunnel => "requesting a tunnel from the proxy",
            Self::Tls => "in the TLS handshake",
            Self::Settings => "waiting for the HTTP/2 SETTINGS of the server",
        })
    }
}

thread_local! {
    /// The phase of the call that this thread polls.
    static CURRENT: Cell<Phase> = const { Cell::new(Phase::Unsent) };
}

/// Sets the phase of the call that is being polled.
pub(crate) fn enter(phase: Phase) {
    replace(phase);
}

fn replace(phase: Phase) -> Phase {
    // A thread that is ending may have dropped the thread-local. Nothing reads the phase on such a thread.
    let replaced = CURRENT.try_with(|current| current.replace(phase));
    replaced.unwrap_or_default()
}

/// Polls a call with `phase` as the current phase, and stores the phase that the poll has entered.
pub(crate) fn poll_in<T>(phase: &mut Phase, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
    let outer = replace(std::mem::take(phase));
    let polled = poll();
    *phase = replace(outer);
    polled
}

/// Runs a task and stores the phase of the task in `phase`. The call that awaits the task enters the same phase.
pub(crate) async fn track<F: Future>(phase: &mut Phase, task: F) -> F::Output {
    let mut task = pin!(task);
    std::future::poll_fn(|cx| {
        let polled = poll_in(phase, || task.as_mut().poll(cx));
        enter(phase.clone());
        polled
    })
    .await
}

/// The phase of a task that several calls wait for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<Mutex<Phase>>);

impl Progress {
    /// Runs a task, and publishes its phase after each poll.
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

    /// Enters a phase and returns ready.
    fn entering(entered: Phase) -> Poll<()> {
        enter(entered);
        Poll::Ready(())
    }

    #[test]
    fn a_call_keeps_its_phase_while_its_thread_polls_other_calls() {
        let (mut one, mut other) = (Phase::Unsent, Phase::Unsent);
        let _ = poll_in(&mut one, || entering(Phase::Response));
        let _ = poll_in(&mut other, || entering(Phase::Stream));
        enter(Phase::Backoff);
        // This poll enters no phase.
        let _ = poll_in(&mut one, || Poll::Ready(()));
        assert_eq!((one, other), (Phase::Response, Phase::Stream));
    }

    #[test]
    fn a_nested_call_does_not_change_the_phase_of_the_outer_one() {
        let (mut outer, mut inner) = (Phase::Unsent, Phase::Unsent);
        let _ = poll_in(&mut outer, || {
            enter(Phase::ReadingResponse);
            poll_in(&mut inner, || entering(Phase::Response))
        });
        assert_eq!((outer, inner), (Phase::ReadingResponse, Phase::Response));
    }

    #[test]
    fn a_task_publishes_its_phase_and_does_not_change_the_phase_of_a_call_on_its_thread() {
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
