//! What follows what in a wait for an operation: a function without clock, chance or calls.

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Code, Status};

use super::schedule::ScheduleRef;
use crate::call::pushback::retry_delay;
use crate::call::transport_error::Failure;

/// How to treat a finished operation that has neither a response nor an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingResult {
    /// As an error.
    Fail,
    /// As a success with an empty result.
    Empty,
    /// As a success if the target proves one: the resource is ready, or missing after a delete. This applies to an update too,
    /// since the server reported that it is done, without an error. If the resource cannot be read, as an error.
    #[default]
    CheckTarget,
}

/// Where a wait stands.
#[derive(Clone, Debug)]
pub(crate) struct WaitState {
    began: Instant,
    schedule: ScheduleRef,
    missing_result: MissingResult,
    /// How many polls were made since something last changed.
    unchanged_polls: u32,
    /// How many polls in a row failed in a way that is counted.
    failures: u32,
    /// Whether the next poll is the one at the end of the time.
    last: bool,
    /// What the target is being looked at for.
    probing: Option<GiveUp>,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    /// A poll was answered.
    Answered {
        completion: Completion,
        changed: bool,
    },
    /// A poll failed.
    PollFailed(CallFailure),
    /// The target was looked at.
    Probed(Verdict),
    /// The target could not be read. One that does not exist was read.
    ProbeFailed(CallFailure),
}

/// A call that failed, as far as the next step depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallFailure {
    pub(crate) code: Code,
    /// The delay that the server asked for.
    pub(crate) retry_after: Option<Duration>,
    /// Every further call will fail in the same way, whatever the code says.
    pub(crate) permanent: bool,
}

impl CallFailure {
    pub(crate) fn of(status: &Status) -> Self {
        Self {
            code: status.code(),
            retry_after: retry_delay(status),
            permanent: Failure::of(status).is_some_and(Failure::is_lasting),
        }
    }
}

/// Whether an operation is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    Running,
    /// With a response or an error.
    Result,
    /// With neither.
    NoResult,
}

/// What the target says of an operation that does not itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The operation succeeded.
    Succeeded,
    /// It is still under way.
    Running,
    /// It did not, or there is no telling.
    Unproven,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wait so long, then poll.
    Sleep(Duration),
    /// Look at the target, if it is known; else it is [`Verdict::Unproven`].
    Probe,
    /// The operation is done, or its target stands for that.
    Finish,
    GiveUp(GiveUp),
}

/// The reason why a wait ended without the operation's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GiveUp {
    TimedOut,
    /// A poll failed in a way that does not pass.
    Failed,
    /// The server does not know it, or no longer.
    Expired,
    MissingResult,
}

impl WaitState {
    pub(crate) fn new(
        began: Instant,
        schedule: ScheduleRef,
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

    /// What a poll that is made now may take.
    pub(crate) fn poll_timeout(&self, now: Instant) -> Duration {
        self.schedule.timeout_of_poll(self.remaining(now))
    }

    /// Returns the timeout of a poll that starts now. One that starts after the end of the time, as when a wait is
    /// taken up again, is the last.
    pub(crate) fn begin_poll(&mut self, now: Instant) -> Duration {
        self.last |= self.remaining(now).is_zero();
        self.poll_timeout(now)
    }

    /// Returns the timeout of a read of the target that starts now. `round_deadline` is the moment at which the poll
    /// before it would have timed out: after the end of the time, poll and read share one poll's timeout.
    pub(crate) fn probe_timeout(&self, now: Instant, round_deadline: Instant) -> Duration {
        match self.remaining(now) {
            Duration::ZERO => round_deadline.saturating_duration_since(now),
            _ => self.poll_timeout(now),
        }
    }

    /// How long after the start of an operation that was just started the first poll comes.
    pub(crate) fn first_poll(&mut self, now: Instant, random: f64) -> Next {
        self.sleep(None, now, random)
    }

    /// Returns the moment at which the wait ends at the latest: its total and one poll's timeout after it began.
    /// `None` if there is no such moment.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let longest = self.schedule.total().checked_add(self.poll_limit())?;
        self.began.checked_add(longest)
    }

    /// Returns the timeout of a poll for which enough of the total remains.
    pub(crate) fn poll_limit(&self) -> Duration {
        self.schedule.timeout_of_poll(Duration::MAX)
    }

    /// Returns whether the next poll is the one at the end of the total.
    pub(crate) fn is_last(&self) -> bool {
        self.last
    }

    /// Applies an answer that came before the next poll of this wait was due, since another wait asked for it. The
    /// operation is not done. Returns the delay until the next poll, which does not grow by such an answer; `None` if
    /// that poll stays due when it was.
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

    /// `random` is from 0 to 1.
    pub(crate) fn step(&mut self, event: Event, now: Instant, random: f64) -> Next {
        match event {
            Event::Answered {
                completion,
                changed,
            } => self.answered(completion, changed, now, random),
            Event::PollFailed(failure) => match self.classify_and_count(failure) {
                // Its target may well be known where it is not, or not any more.
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

    /// The target could not be read: it is read later if that may help. If not, the wait ends as it would for a
    /// target that tells nothing, since the operation itself is over or gone.
    fn probe_failed(&mut self, failure: CallFailure, now: Instant, random: f64) -> Next {
        let why = self.probing.take().unwrap_or(GiveUp::Expired);
        match self.classify_and_count(failure) {
            FailureClass::Counted | FailureClass::Transient if !self.last => {
                self.sleep(failure.retry_after, now, random)
            }
            _ => Next::GiveUp(why),
        }
    }

    /// Returns the kind of a failure, and counts it. One too many is as good as fatal.
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

    /// Until the next poll. One that would come after the end of the time comes at the end, and is the
    /// last.
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

/// What a failed poll says of the polls to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailureClass {
    /// It passes by itself: the network, a restart, a server that is busy.
    Transient,
    /// It may pass, or be a fault that stays.
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
