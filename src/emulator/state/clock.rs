//! The emulator's time: moments that mean the same in another process, by tokio's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;
use tokio::time::Instant;

/// A moment, as the time since the Unix epoch. An instant of tokio's would mean nothing after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) Duration);

/// What the time is: the wall clock as it was at the beginning, and tokio's clock from then on, which in a test
/// may be paused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) began: Instant,
    wall: Moment,
}

impl Moment {
    /// The moment this much later. A time that no clock can tell is as good as the end of all time.
    pub(crate) fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// How long after another one it is, which is no time at all if it is before that.
    pub(crate) fn since(self, other: Self) -> Duration {
        self.0.saturating_sub(other.0)
    }
}

impl From<SystemTime> for Moment {
    /// A wall clock before 1970 is one that was never set.
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl From<Moment> for Timestamp {
    fn from(moment: Moment) -> Self {
        Self {
            seconds: i64::try_from(moment.0.as_secs()).unwrap_or(i64::MAX),
            // Less than a billion.
            nanos: i32::try_from(moment.0.subsec_nanos()).unwrap_or_default(),
        }
    }
}

impl Clock {
    pub(crate) fn start(wall: Moment) -> Self {
        Self {
            began: Instant::now(),
            wall,
        }
    }

    pub(crate) fn now(self) -> Moment {
        self.wall.after(self.began.elapsed())
    }
}
