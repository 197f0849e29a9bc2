//! The emulator's clock, and moments that keep their meaning in another process.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;
use tokio::time::Instant;

/// A moment, as the time since the Unix epoch. An `Instant` would have no meaning after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) Duration);

/// A clock that starts at the wall clock's time and advances with tokio's clock, which a test may pause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) started_at: Instant,
    wall: Moment,
}

impl Moment {
    /// Returns the moment this much later, or the latest moment.
    pub(crate) fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// Returns the time since an earlier moment, or zero if that is later.
    pub(crate) fn since(self, other: Self) -> Duration {
        self.0.saturating_sub(other.0)
    }
}

impl From<SystemTime> for Moment {
    /// A time before 1970 becomes the epoch. It means that the wall clock was never set.
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl From<Moment> for Timestamp {
    fn from(moment: Moment) -> Self {
        Self {
            seconds: i64::try_from(moment.0.as_secs()).unwrap_or(i64::MAX),
            // Nanoseconds are below one billion.
            nanos: i32::try_from(moment.0.subsec_nanos()).unwrap_or_default(),
        }
    }
}

impl Clock {
    pub(crate) fn start(wall: Moment) -> Self {
        Self {
            started_at: Instant::now(),
            wall,
        }
    }

    pub(crate) fn now(self) -> Moment {
        self.wall.after(self.started_at.elapsed())
    }
}
