//! The state machine of a wait. It computes the next step from the state, an event, the time and a random number. It has no
//! clock and makes no calls.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tonic::{Code, Status};

use super::schedule::Schedule;
use crate::call::pushback::retry_delay;
use crate::call::transport_error::TransportError;

/// How to treat a finished operation that has neither a response nor an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingResult {
    /// Return the error [`OperationErrorKind::MissingResult`](super::OperationErrorKind::MissingResult).
    Fail,
    /// Return a success with an empty result.
    Empty,
    /// Probe the target, and return a success if the target proves one. A missing resource proves that a delete succeeded. A
    /// ready resource proves that any other operation succeeded. This includes an update, since the server has reported the
    /// update as done, without an error. While the resource is changing, the wait continues. Otherwise, or if the resource
    /// cannot be read, return the same error as [`MissingResult::Fail`].
    #[default]
    CheckTarget,
}

/// The state of a wait.
#[derive(Clone, Debug)]
pub(crate) struct WaitState {
    began: Instant,
    schedule: Arc<Schedule>,
    missing_result: MissingResult,
    /// Number of polls since the last change.
    unchanged_polls: u32,
    /// Number of counted failures in a row.
    failures: u32,
    /// True if the next poll is the last one, at the end of the total timeout.
    last: bool,
    /// The reason why the target is being probed.
    probing: Option<GiveUp>,
}

/// An event of a wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    /// A poll was answered.
    Answered {
        completion: Completion,
        changed: bool,
    },
    /// A poll failed.
    PollFailed(CallFailure),
    /// The target was probed.
    Probed(Verdict),
    /// The target could not be read. A missing target is a result of a probe, not a failure.
    ProbeFailed(CallFailure),
}

/// The properties of a failed call that decide the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallFailure {
    pub(crate) code: Code,
    /// The delay that the server asked for.
    pub(crate) retry_after: Option<Duration>,
    /// True if every further call will fail in the same way, whatever the code.
    pub(crate) permanent: bool,
}

impl CallFailure {
    pub(crate) fn from_status(status: &Status) -> Self {
        Self {
            code: status.code(),
            retry_after: retry_delay(status),
            permanent: TransportError::from_status(status)
                .is_some_and(TransportError::is_permanent),
        }
    }
}

/// The completion of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    Running,
    /// Done, with a response or an error.
    Result,
    /// Done, with neither a response nor an error.
    NoResult,
}

/// The outcome of an operation as far as the state of its target proves it. Used if the server does not report the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The operation succeeded.
    Succeeded,
    /// The operation is still running.
    Running,
    /// The operation did not succeed, or the target proves nothing.
    Unproven,
}

/// The next step of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Sleep this long, then poll.
    Sleep(Duration),
    /// Probe the target. If the target is unknown, the verdict is [`Verdict::Unproven`].
    Probe,
    /// The operation is done, or its target proves success.
    Finish,
    GiveUp(GiveUp),
}

/// The reason why a wait ended without the operation's own outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GiveUp {
    TimedOut,
    /// A poll failed permanently, or too many polls failed.
    Failed,
    /// The server does not know the operation, or no longer knows it.
    Expired,
    MissingResult,
}

impl WaitState {
    pub(crate) fn new(
        began: Instant,
        schedule: Arc<Schedule>,
        missing_result: MissingResult,
    ) -> Self {
        Self {
            began,
            schedule,
            missing_result,
            unchanged_polls: 0,
            failures: 0,
            last: false,
            probing: None,
        }
    }

    pub(crate) fn set_missing_result(&mut self, missing_result: MissingResult) {
        self.missing_result = missing_result;
    }

    pub(crate) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    fn remaining(&self, now: Instant) -> Duration {
        self.schedule.total().saturating_sub(self.elapsed(now))
    }

    /// Returns true if the total timeout is over at this time.
    pub(crate) fn is_over_at(&self, time: Instant) -> bool {
        self.remaining(time).is_zero()
    }

    /// Returns the timeout of a poll that starts now.
    pub(crate) fn poll_timeout(&self, now: Instant) -> Duration {
        self.schedule.timeout_of_poll(self.remaining(now))
    }

    /// Allows further polls after the next one, which the caller makes at once. Without this, the wait would end after that poll
    /// if the poll had been planned as the last one, at the end of the total timeout.
    pub(crate) fn poll_now(&mut self) {
        self.last = false;
    }

    /// Returns the timeout of a poll that starts now. A poll that starts after the end of the total timeout is the last one.
    /// This happens if the future of a wait was dropped, and a later call continues the wait.
    pub(crate) fn begin_poll(&mut self, now: Instant) -> Duration {
        self.last |= self.remaining(now).is_zero();
        self.poll_timeout(now)
    }

    /// Returns the timeout of a probe that starts now. After the end of the total timeout, a poll and its probe share one poll
    /// timeout, which ends at `round_deadline`.
    pub(crate) fn probe_timeout(&self, now: Instant, round_deadline: Instant) -> Duration {
        match self.remaining(now) {
            Duration::ZERO => round_deadline.saturating_duration_since(now),
            _ => self.poll_timeout(now),
        }
    }

    /// Returns the delay before the first poll of an operation that was just started.
    pub(crate) fn first_poll(&mut self, now: Instant, random: f64) -> Next {
        self.sleep(None, now, random)
    }

    /// Returns the latest time at which the wait ends: one poll timeout after its total timeout. `None` if there is no limit.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let longest = self.schedule.total().checked_add(self.poll_limit())?;
        self.began.checked_add(longest)
    }

    /// Returns the timeout of a poll if enough of the total timeout remains.
    pub(crate) fn poll_limit(&self) -> Duration {
        self.schedule.timeout_of_poll(Duration::MAX)
    }

    /// Returns true if the next poll is the last one, at the end of the total timeout.
    pub(crate) fn is_last(&self) -> bool {
        self.last
    }

    /// Applies an answer to another wait's poll, which arrived before this wait's next poll was due. The operation is not done.
    /// Returns the delay until the next poll; `None` if the time of that poll does not change. Such an answer does not make the
    /// delays grow.
    pub(crate) fn answered_early(
        &mut self,
        changed: bool,
        now: Instant,
        random: f64,
    ) -> Option<Duration> {
        self.failures = 0;
        if self.last {
            return None;
        }
        self.unchanged_polls = match changed {
            true => 0,
            false => self.unchanged_polls.saturating_sub(1),
        };
        match self.sleep(None, now, random) {
            Next::Sleep(delay) => Some(delay),
            _ => None,
        }
    }

    /// Applies an event, and returns the next step. `random` is from 0 to 1.
    pub(crate) fn step(&mut self, event: Event, now: Instant, random: f64) -> Next {
        match event {
            Event::Answered {
                completion,
                changed,
            } => self.answered(completion, changed, now, random),
            Event::PollFailed(failure) => match self.classify_and_count(failure) {
                // The target may prove the outcome of an operation that the server does not know.
                FailureClass::NotFound => {
                    if self.elapsed(now) < self.schedule.grace() {
                        return self.sleep(failure.retry_after, now, random);
                    }
                    self.probing = Some(GiveUp::Expired);
                    Next::Probe
                }
                FailureClass::Fatal => Next::GiveUp(GiveUp::Failed),
                FailureClass::Counted | FailureClass::Transient => {
                    self.sleep(failure.retry_after, now, random)
                }
            },
            Event::Probed(target) => match (target, self.probing.take()) {
                (Verdict::Succeeded, _) => Next::Finish,
                (Verdict::Running, _) => self.sleep(None, now, random),
                (Verdict::Unproven, why) => Next::GiveUp(why.unwrap_or(GiveUp::Expired)),
            },
            Event::ProbeFailed(failure) => self.probe_failed(failure, now, random),
        }
    }

    fn answered(
        &mut self,
        completion: Completion,
        changed: bool,
        now: Instant,
        random: f64,
    ) -> Next {
        match (completion, self.missing_result) {
            (Completion::Running, _) => {
                self.failures = 0;
                if changed {
                    self.unchanged_polls = 0;
                }
                self.sleep(None, now, random)
            }
            (Completion::Result, _) | (Completion::NoResult, MissingResult::Empty) => Next::Finish,
            (Completion::NoResult, MissingResult::Fail) => Next::GiveUp(GiveUp::MissingResult),
            (Completion::NoResult, MissingResult::CheckTarget) => {
                self.probing = Some(GiveUp::MissingResult);
                Next::Probe
            }
        }
    }

    /// Applies a failed probe. If another probe may succeed, the wait continues. Otherwise the wait ends as if the target proved
    /// nothing, since the operation itself is done or gone.
    fn probe_failed(&mut self, failure: CallFailure, now: Instant, random: f64) -> Next {
        let why = self.probing.take().unwrap_or(GiveUp::Expired);
        match self.classify_and_count(failure) {
            FailureClass::Counted | FailureClass::Transient if !self.last => {
                self.sleep(failure.retry_after, now, random)
            }
            _ => Next::GiveUp(why),
        }
    }

    /// Returns the class of a failure, and counts it. A counted failure above the limit is fatal.
    fn classify_and_count(&mut self, failure: CallFailure) -> FailureClass {
        match classify(failure.code) {
            _ if failure.permanent => FailureClass::Fatal,
            FailureClass::Counted if self.failures >= self.schedule.failures() => {
                FailureClass::Fatal
            }
            FailureClass::Counted => {
                self.failures += 1;
                FailureClass::Counted
            }
            kind => kind,
        }
    }

    /// Returns a sleep until the next poll. A poll that would start after the end of the total timeout is moved to that end,
    /// and is the last one.
    fn sleep(&mut self, retry_after: Option<Duration>, now: Instant, random: f64) -> Next {
        self.probing = None;
        if self.last {
            return Next::GiveUp(GiveUp::TimedOut);
        }
        let delay = self
            .schedule
            .delay(self.unchanged_polls, retry_after, random);
        let remaining = self.remaining(now);
        self.unchanged_polls = self.unchanged_polls.saturating_add(1);
        self.last = delay >= remaining;
        Next::Sleep(delay.min(remaining))
    }
}

/// The class of a failed poll or probe, which decides whether the wait continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailureClass {
    /// A transient failure, such as one of the network or of a busy server.
    Transient,
    /// A failure that may be transient or permanent.
    Counted,
    NotFound,
    Fatal,
}

fn classify(code: Code) -> FailureClass {
    match code {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Cancelled => FailureClass::Transient,
        Code::Internal | Code::Unknown | Code::DataLoss | Code::Ok => FailureClass::Counted,
        Code::NotFound => FailureClass::NotFound,
        Code::InvalidArgument
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => FailureClass::Fatal,
    }
}

#[cfg(test)]
mod tests;
