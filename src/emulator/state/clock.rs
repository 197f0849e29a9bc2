//! The emulator's clock, and moments that keep their meaning in another process.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;
use tokio::time::Instant;

/// A moment, as the time since the Unix epoch. An `Instant` would have no meaning after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) Duration);

/// The last second of the year 9999, after which a time has no JSON form.
const LAST_SECOND: u64 = 253_402_300_799;

/// The latest moment, at the end of the year 9999. The clock stops there.
const LATEST: Moment = Moment(Duration::new(LAST_SECOND, 999_999_999));

/// The emulator's clock. It starts at the wall clock's time and advances with tokio's clock, which a test may pause. The
/// emulator's clock can also be advanced and paused without tokio's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// The instant at which the emulator was created in this process.
    pub(crate) started_at: Instant,
    /// The time at `since`, plus later advances. If the clock is paused, this is the current time.
    wall: Moment,
    since: Instant,
    is_paused: bool,
    advanced: Duration,
    /// Number of times that the clock was set.
    changes: u64,
}

impl Moment {
    /// Returns the moment this much later, or the latest moment.
    pub(crate) fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time)).min(LATEST)
    }

    /// Returns the time since another moment, or zero if the other moment is later.
    pub(crate) fn since(self, other: Self) -> Duration {
        self.0.saturating_sub(other.0)
    }
}

impl From<SystemTime> for Moment {
    /// A time before 1970 becomes the epoch. A wall clock that was never set can have such a time. A time after the latest
    /// moment becomes the latest moment.
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).unwrap_or_default()).min(LATEST)
    }
}

impl From<Moment> for SystemTime {
    fn from(moment: Moment) -> Self {
        UNIX_EPOCH.checked_add(moment.0).unwrap_or(UNIX_EPOCH)
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
        let now = Instant::now();
        Self {
            started_at: now,
            wall,
            since: now,
            is_paused: false,
            advanced: Duration::ZERO,
            changes: 0,
        }
    }

    pub(crate) fn now(self) -> Moment {
        match self.is_paused {
            true => self.wall,
            false => self.wall.after(self.since.elapsed()),
        }
    }

    pub(crate) fn is_paused(self) -> bool {
        self.is_paused
    }

    /// Returns the time by which the clock was advanced.
    pub(crate) fn advanced(self) -> Duration {
        self.advanced
    }

    /// Advances the clock. Returns false, and changes nothing, if the new time would be beyond the year 9999.
    pub(crate) fn advance(&mut self, by: Duration) -> bool {
        let is_valid = self.now().0.saturating_add(by) <= LATEST.0;
        if is_valid {
            self.wall = self.wall.after(by);
            self.advanced = self.advanced.saturating_add(by);
            self.changes += 1;
        }
        is_valid
    }

    /// Sets the time, and pauses or resumes the clock.
    pub(crate) fn set(&mut self, now: Moment, is_paused: bool) {
        self.wall = now;
        self.since = Instant::now();
        self.is_paused = is_paused;
        self.changes += 1;
    }

    /// Returns the number of times that the clock was set.
    #[cfg_attr(
        not(feature = "emulator-data"),
        expect(dead_code, reason = "a data file records the changes")
    )]
    pub(crate) fn changes(self) -> u64 {
        self.changes
    }

    /// Returns true if a test has paused tokio's clock. Then only tokio can advance the emulator's clock.
    ///
    /// Waits two microseconds and checks that tokio's clock has not advanced, since tokio has no method for this.
    pub(crate) fn is_tokio_paused() -> bool {
        let (tokio, system) = (Instant::now(), std::time::Instant::now());
        while system.elapsed() < Duration::from_micros(2) {
            std::hint::spin_loop();
        }
        tokio.elapsed().is_zero()
    }
}
