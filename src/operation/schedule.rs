//! The schedule of polls.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;

/// The delays between the polls of an operation, and the limits of the wait.
///
/// The delay before the n-th poll is `initial × multiplier^(n-1)`, at most `max`, with a random deviation of up to 25 %, and at
/// least 250 ms. The delays start again from the first one when the metadata of the operation changes. A server may ask for a
/// longer delay (`RetryInfo`), up to a minute.
///
/// ```
/// use std::time::Duration;
/// use apigateway_grpc::operation::Schedule;
///
/// let schedule = Schedule::default()
///     .delays(Duration::from_secs(2), 1.5, Duration::from_secs(20))?
///     .total_timeout(Duration::from_secs(900));
/// assert_eq!(schedule.total(), Duration::from_secs(900));
/// assert!(Schedule::default().delays(Duration::from_secs(2), 0.5, Duration::from_secs(20)).is_err());
/// # Ok::<(), apigateway_grpc::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    initial: Duration,
    multiplier: f64,
    max: Duration,
    total: Duration,
    poll: Duration,
    failures: u32,
    grace: Duration,
}

/// The shortest delay.
const MIN_DELAY: Duration = Duration::from_millis(250);
/// The longest delay. Every clock can represent a time that is this far away.
const MAX_DELAY: Duration = Duration::from_secs(365 * 24 * 3600);
/// The longest delay that a server can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

impl Default for Schedule {
    fn default() -> Self {
        Self::from_to(1, 20)
    }
}

impl Schedule {
    /// Returns a schedule with this first and longest delay, in seconds. The other values are the defaults.
    pub(super) const fn from_to(initial: u64, max: u64) -> Self {
        Self {
            initial: Duration::from_secs(initial),
            multiplier: 1.5,
            max: Duration::from_secs(max),
            total: Duration::from_secs(20 * 60),
            poll: Duration::from_secs(10),
            failures: 5,
            grace: Duration::from_secs(10),
        }
    }

    /// Sets the first delay, the factor by which delays grow, and the longest delay. The defaults are one second, 1.5 and 20
    /// seconds. A delay of more than a year becomes a year, and a first delay above `max` becomes `max`.
    ///
    /// # Errors
    ///
    /// Returns an error if the multiplier is not a finite number of at least 1, or if a delay is zero.
    pub fn delays(self, initial: Duration, multiplier: f64, max: Duration) -> Result<Self, Error> {
        if !multiplier.is_finite() || multiplier < 1.0 {
            return Err(Error::configuration(format!(
                "schedule: invalid multiplier {multiplier}: must be a finite number of at least 1"
            )));
        }
        if initial.is_zero() || max.is_zero() {
            return Err(Error::configuration(format!(
                "schedule: invalid delays {initial:?} to {max:?}: must be above zero"
            )));
        }
        Ok(Self {
            initial,
            multiplier,
            max,
            ..self
        })
    }

    /// Sets the total time of a wait, 20 minutes by default. A last poll is made at the end of this time, so a wait ends at
    /// most one poll timeout after its total. With [`Duration::MAX`] the time is not limited. With zero, one poll is made.
    #[must_use]
    pub fn total_timeout(self, total: Duration) -> Self {
        Self { total, ..self }
    }

    /// Sets the timeout of one poll, ten seconds by default. The server may take five seconds to answer, so a timeout below
    /// five seconds drops polls that would have succeeded.
    ///
    /// # Errors
    ///
    /// Returns an error if the timeout is zero.
    pub fn poll_timeout(self, poll: Duration) -> Result<Self, Error> {
        if poll.is_zero() {
            return Err(Error::configuration(
                "schedule: invalid poll timeout 0: must be above zero",
            ));
        }
        Ok(Self { poll, ..self })
    }

    /// Sets how many polls in a row may fail with codes such as INTERNAL and UNKNOWN, 5 by default. Transient failures, such as
    /// UNAVAILABLE, are not counted: they are retried until the total timeout.
    #[must_use]
    pub fn max_failures(self, failures: u32) -> Self {
        Self { failures, ..self }
    }

    /// Sets the time from the start of the wait during which polls that fail with NOT_FOUND are retried, ten seconds by
    /// default. A server may not know an operation that has just been started.
    #[must_use]
    pub fn not_found_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Returns the time for the whole wait.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.total
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    pub(crate) fn grace(&self) -> Duration {
        self.grace
    }

    /// Returns the timeout of a poll that starts when this much of the total timeout remains. If nothing remains, the poll has
    /// the whole poll timeout.
    pub(crate) fn timeout_of_poll(&self, remaining: Duration) -> Duration {
        if remaining.is_zero() {
            self.poll
        } else {
            remaining.min(self.poll)
        }
    }

    /// Returns the delay after the `n`-th poll since the last change. `random` is from 0 to 1.
    pub(crate) fn delay(&self, n: u32, retry_after: Option<Duration>, random: f64) -> Duration {
        let exponent = i32::try_from(n).unwrap_or(i32::MAX);
        let grown = self.initial.as_secs_f64() * self.multiplier.powi(exponent);
        let middle = grown.min(self.max.min(MAX_DELAY).as_secs_f64());
        let jittered = middle * (0.75 + random / 2.0);
        Duration::try_from_secs_f64(jittered)
            .unwrap_or(MAX_DELAY)
            .clamp(MIN_DELAY, MAX_DELAY)
            .max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER))
    }
}

/// Returns the time after a delay. A time that the clock cannot represent becomes one in the far future.
pub(crate) fn later(now: Instant, delay: Duration) -> Instant {
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    now.checked_add(delay).unwrap_or(now + 30 * year)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn delays_grow_stay_within_their_jitter_and_never_overflow() {
        let schedule = Schedule::default();
        assert_eq!(schedule.delay(1, None, 0.5), Duration::from_millis(1500));
        assert_eq!(schedule.delay(0, None, 0.0), Duration::from_millis(750));
        assert_eq!(schedule.delay(0, None, 1.0), Duration::from_millis(1250));
        assert_eq!(schedule.delay(u32::MAX, None, 1.0), secs(25));
        let tiny = Duration::from_nanos(1);
        let tiny = schedule.delays(tiny, 1.0, tiny).expect("valid");
        assert_eq!(tiny.delay(u32::MAX, None, 0.0), MIN_DELAY);
        let huge = schedule.delays(Duration::MAX, f64::MAX, secs(7));
        assert_eq!(huge.expect("valid").delay(2, None, 0.5), secs(7));
    }

    #[test]
    fn the_servers_delay_raises_the_delay_up_to_a_limit() {
        let schedule = Schedule::default();
        assert_eq!(schedule.delay(0, Some(secs(5)), 0.5), secs(5));
        assert_eq!(schedule.delay(0, Some(Duration::ZERO), 0.5), secs(1));
        assert_eq!(schedule.delay(0, Some(Duration::MAX), 0.5), secs(60));
    }

    #[test]
    fn settings_that_cannot_work_are_refused_with_the_value_and_the_rule() {
        let schedule = Schedule::default();
        for (multiplier, text) in [
            (0.0, "invalid multiplier 0"),
            (0.99, "invalid multiplier 0.99"),
            (-1.0, "invalid multiplier -1"),
            (1e-300, "invalid multiplier 0.00000"),
            (f64::NAN, "invalid multiplier NaN"),
            (f64::INFINITY, "invalid multiplier inf"),
            (f64::NEG_INFINITY, "invalid multiplier -inf"),
        ] {
            let refused = schedule.delays(secs(1), multiplier, secs(2));
            let refused = refused.expect_err("delays would not grow");
            assert!(refused.is_invalid_setting());
            let refused = refused.to_string();
            assert!(refused.contains(text), "{refused}");
            assert!(refused.ends_with("of at least 1"), "{refused}");
        }
        for (initial, max) in [(Duration::ZERO, secs(1)), (secs(1), Duration::ZERO)] {
            let refused = schedule.delays(initial, 1.5, max);
            let refused = refused.expect_err("polls without a pause").to_string();
            assert!(refused.contains("must be above zero"), "{refused}");
        }
        let refused = schedule.poll_timeout(Duration::ZERO);
        let refused = refused.expect_err("no poll could be answered").to_string();
        assert!(refused.contains("must be above zero"), "{refused}");
    }

    #[test]
    fn extreme_delays_saturate_within_what_a_clock_can_represent() {
        let tiny = Duration::from_nanos(1);
        let extremes = [tiny, secs(1), Duration::from_secs(u64::MAX), Duration::MAX];
        let now = tokio::time::Instant::now();
        for initial in extremes {
            for max in extremes {
                for multiplier in [1.0, 1.0 + f64::EPSILON, 1e300, f64::MAX] {
                    let schedule = Schedule::default().delays(initial, multiplier, max);
                    let schedule = schedule.expect("valid");
                    for n in [0, 1, 2, u32::MAX] {
                        for random in [0.0, 0.5, 1.0] {
                            let delay = schedule.delay(n, Some(Duration::MAX), random);
                            assert!(
                                delay >= MIN_DELAY && delay <= MAX_DELAY,
                                "{schedule:?}: {delay:?}"
                            );
                            assert!(now.checked_add(delay).is_some());
                        }
                    }
                }
            }
        }
        let longest = Schedule::default().delays(Duration::MAX, 1.0, Duration::MAX);
        assert_eq!(longest.expect("valid").delay(0, None, 0.5), MAX_DELAY);
    }

    #[test]
    fn a_poll_has_the_poll_timeout_or_the_rest_of_the_total_timeout() {
        let schedule = Schedule::default();
        assert_eq!(schedule.timeout_of_poll(secs(60)), secs(10));
        assert_eq!(schedule.timeout_of_poll(secs(3)), secs(3));
        assert_eq!(schedule.timeout_of_poll(Duration::ZERO), secs(10));
        let patient = schedule.poll_timeout(secs(30)).expect("valid");
        assert_eq!(patient.timeout_of_poll(secs(60)), secs(30));
    }
}
