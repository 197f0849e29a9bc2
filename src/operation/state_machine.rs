//! What follows what in a wait for an operation: a function without clock, chance or calls.

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Code, Status};

use super::schedule::Timetable;
use crate::call::pushback::retry_delay;
use crate::call::transport_error::Failure;

/// What to take an operation for that is done and has neither a response nor an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WithoutResult {
    /// For an error.
    Fail,
    /// For an empty result.
    Empty,
    /// For a success if its target proves one: the resource is ready, or missing after a delete. That applies to an
    /// update too, since the server said that it is done and reported no error. If the resource cannot be read, for an error.
    #[default]
    LookAtTarget,
}

/// Where a wait stands.
#[derive(Clone, Debug)]
pub(crate) struct Wait {
    began: Instant,
    schedule: Timetable,
    without_result: WithoutResult,
    /// How many polls were made since something last changed.
    quiet: u32,
    /// How many polls in a row failed in a way that is counted.
    failures: u32,
    /// Whether the next poll is the one at the end of the time.
    last: bool,
    /// What the target is being looked at for.
    looking: Option<Why>,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    /// A poll was answered.
    Answered { ending: Ending, changed: bool },
    /// A poll failed.
    Failed(CallFailure),
    /// The target was looked at.
    Seen(Target),
    /// The target could not be read. One that does not exist was read.
    Unread(CallFailure),
}

/// A call that failed, as far as the next step depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallFailure {
    pub(crate) code: Code,
    /// The delay that the server asked for.
    pub(crate) asked: Option<Duration>,
    /// Every further call will fail in the same way, whatever the code says.
    pub(crate) lasting: bool,
}

impl CallFailure {
    pub(crate) fn of(status: &Status) -> Self {
        Self {
            code: status.code(),
            asked: retry_delay(status),
            lasting: Failure::of(status).is_some_and(Failure::is_lasting),
        }
    }
}

/// Whether an operation is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    None,
    /// With a response or an error.
    Result,
    /// With neither.
    Nothing,
}

/// What the target says of an operation that does not itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The operation succeeded.
    Settled,
    /// It is still under way.
    Busy,
    /// It did not, or there is no telling.
    Silent,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wait so long, then poll.
    Sleep(Duration),
    /// Look at the target, if it is known; else it is [`Target::Silent`].
    Look,
    /// The operation is done, or its target stands for that.
    Finish,
    GiveUp(Why),
}

/// Why a wait ended without the operation's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    TimedOut,
    /// A poll failed in a way that does not pass.
    Failed,
    /// The server does not know it, or no longer.
    Expired,
    WithoutResult,
}

impl Wait {
    pub(crate) fn new(began: Instant, schedule: Timetable, without_result: WithoutResult) -> Self {
        Self {
            began,
            schedule,
            without_result,
            quiet: 0,
            failures: 0,
            last: false,
            looking: None,
        }
    }

    pub(crate) fn set_without_result(&mut self, without_result: WithoutResult) {
        self.without_result = without_result;
    }

    pub(crate) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    fn remaining(&self, now: Instant) -> Duration {
        self.schedule.total().saturating_sub(self.elapsed(now))
    }

    /// What a poll that is made now may take.
    pub(crate) fn poll_timeout(&self, now: Instant) -> Duration {
        self.schedule.poll_timeout(self.remaining(now))
    }

    /// Returns the timeout of a poll that starts now. One that starts after the end of the time, as when a wait is
    /// taken up again, is the last.
    pub(crate) fn begin_poll(&mut self, now: Instant) -> Duration {
        self.last |= self.remaining(now).is_zero();
        self.poll_timeout(now)
    }

    /// Returns the timeout of a read of the target that starts now. `round_ends` is the moment at which the poll
    /// before it would have timed out: after the end of the time, poll and read share one poll's timeout.
    pub(crate) fn look_timeout(&self, now: Instant, round_ends: Instant) -> Duration {
        match self.remaining(now) {
            Duration::ZERO => round_ends.saturating_duration_since(now),
            _ => self.poll_timeout(now),
        }
    }

    /// How long after the start of an operation that was just started the first poll comes.
    pub(crate) fn first(&mut self, now: Instant, random: f64) -> Next {
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
        self.schedule.poll_timeout(Duration::MAX)
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
        self.quiet = match changed {
            true => 0,
            false => self.quiet.saturating_sub(1),
        };
        match self.sleep(None, now, random) {
            Next::Sleep(delay) => Some(delay),
            _ => None,
        }
    }

    /// `random` is from 0 to 1.
    pub(crate) fn step(&mut self, event: Event, now: Instant, random: f64) -> Next {
        match event {
            Event::Answered { ending, changed } => self.answered(ending, changed, now, random),
            Event::Failed(failure) => match self.weigh(failure) {
                // Its target may well be known where it is not, or not any more.
                Kind::Missing => {
                    if self.elapsed(now) < self.schedule.grace() {
                        return self.sleep(failure.asked, now, random);
                    }
                    self.looking = Some(Why::Expired);
                    Next::Look
                }
                Kind::Fatal => Next::GiveUp(Why::Failed),
                Kind::Counted | Kind::Passing => self.sleep(failure.asked, now, random),
            },
            Event::Seen(target) => match (target, self.looking.take()) {
                (Target::Settled, _) => Next::Finish,
                (Target::Busy, _) => self.sleep(None, now, random),
                (Target::Silent, why) => Next::GiveUp(why.unwrap_or(Why::Expired)),
            },
            Event::Unread(failure) => self.unread(failure, now, random),
        }
    }

    fn answered(&mut self, ending: Ending, changed: bool, now: Instant, random: f64) -> Next {
        match (ending, self.without_result) {
            (Ending::None, _) => {
                self.failures = 0;
                if changed {
                    self.quiet = 0;
                }
                self.sleep(None, now, random)
            }
            (Ending::Result, _) | (Ending::Nothing, WithoutResult::Empty) => Next::Finish,
            (Ending::Nothing, WithoutResult::Fail) => Next::GiveUp(Why::WithoutResult),
            (Ending::Nothing, WithoutResult::LookAtTarget) => {
                self.looking = Some(Why::WithoutResult);
                Next::Look
            }
        }
    }

    /// The target could not be read: it is read later if that may help. If not, the wait ends as it would for a
    /// target that tells nothing, since the operation itself is over or gone.
    fn unread(&mut self, failure: CallFailure, now: Instant, random: f64) -> Next {
        let why = self.looking.take().unwrap_or(Why::Expired);
        match self.weigh(failure) {
            Kind::Counted | Kind::Passing if !self.last => self.sleep(failure.asked, now, random),
            _ => Next::GiveUp(why),
        }
    }

    /// Returns the kind of a failure, and counts it. One too many is as good as fatal.
    fn weigh(&mut self, failure: CallFailure) -> Kind {
        match kind(failure.code) {
            _ if failure.lasting => Kind::Fatal,
            Kind::Counted if self.failures >= self.schedule.failures() => Kind::Fatal,
            Kind::Counted => {
                self.failures += 1;
                Kind::Counted
            }
            kind => kind,
        }
    }

    /// Until the next poll. One that would come after the end of the time comes at the end, and is the
    /// last.
    fn sleep(&mut self, asked: Option<Duration>, now: Instant, random: f64) -> Next {
        self.looking = None;
        if self.last {
            return Next::GiveUp(Why::TimedOut);
        }
        let delay = self.schedule.delay(self.quiet, asked, random);
        let remaining = self.remaining(now);
        self.quiet = self.quiet.saturating_add(1);
        self.last = delay >= remaining;
        Next::Sleep(delay.min(remaining))
    }
}

/// What a failed poll says of the polls to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It passes by itself: the network, a restart, a server that is busy.
    Passing,
    /// It may pass, or be a fault that stays.
    Counted,
    Missing,
    Fatal,
}

fn kind(code: Code) -> Kind {
    match code {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Cancelled => Kind::Passing,
        Code::Internal | Code::Unknown | Code::DataLoss | Code::Ok => Kind::Counted,
        Code::NotFound => Kind::Missing,
        Code::InvalidArgument
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => Kind::Fatal,
    }
}

#[cfg(test)]
mod tests;
