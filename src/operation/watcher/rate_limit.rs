//! The rate limit of a watcher's calls.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;

/// The lowest rate that can be set: one call in 1000 seconds.
const MIN_RATE: f64 = 0.001;
/// The lowest rate to which RESOURCE_EXHAUSTED reduces the limit. A lower rate would stop all polls for a long time.
const MIN_LOWERED_RATE: f64 = 0.2;
/// After this time without RESOURCE_EXHAUSTED, the rate rises by a tenth of the configured rate.
const RECOVERY_INTERVAL: Duration = Duration::from_secs(10);
/// Maximum burst after a pause: the number of calls that the rate allows in this time.
const BURST: Duration = Duration::from_secs(1);

/// Limits the calls of a watcher to a number per second. A call is counted only when it is made, so a turn without a call does
/// not use up the limit.
#[derive(Debug)]
pub(super) struct RateLimit {
    configured: f64,
    rate: f64,
    /// Earliest time of the next call.
    next: Instant,
    /// Time of the last change of the rate.
    changed: Instant,
}

impl RateLimit {
    pub(super) fn new(rate: f64, now: Instant) -> Self {
        Self {
            configured: rate,
            rate,
            next: now,
            changed: now,
        }
    }

    /// Returns `rate` if it is a finite number of at least [`MIN_RATE`].
    pub(super) fn check(rate: f64) -> Result<f64, Error> {
        if rate.is_finite() && rate >= MIN_RATE {
            return Ok(rate);
        }
        Err(Error::configuration(format!(
            "invalid rate {rate:?} of a watcher: must be a finite number of calls a second, at least {MIN_RATE}"
        )))
    }

    /// Returns the time at which the next call may be made.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Counts a call that is made now.
    pub(super) fn count_call(&mut self, now: Instant) {
        if self.rate < self.configured
            && now.saturating_duration_since(self.changed) >= RECOVERY_INTERVAL
        {
            self.rate = (self.rate + self.configured / 10.0).min(self.configured);
            self.changed = now;
        }
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        // The interval is at most 1 / MIN_RATE seconds.
        let interval = Duration::try_from_secs_f64(1.0 / self.rate).unwrap_or_default();
        self.next = self.next.max(earliest) + interval;
    }

    /// Halves the rate after RESOURCE_EXHAUSTED, at most once a second and down to the lowest rate. Returns true if the rate
    /// changed.
    pub(super) fn lower(&mut self, now: Instant) -> bool {
        let lowered = self.rate < self.configured;
        if lowered && now.saturating_duration_since(self.changed) < Duration::from_secs(1) {
            return false;
        }
        let before = self.rate;
        self.rate = (before / 2.0).max(MIN_LOWERED_RATE.min(self.configured));
        self.changed = now;
        self.rate < before
    }

    /// Returns the current rate in calls per second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes this many calls, each as soon as it may be made. Returns the time of the last call.
    fn make(limit: &mut RateLimit, calls: usize, mut now: Instant) -> Instant {
        for _ in 0..calls {
            now = now.max(limit.next());
            limit.count_call(now);
        }
        now
    }

    #[test]
    fn a_burst_of_one_second_is_followed_by_calls_at_the_rate() {
        let start = Instant::now();
        let mut limit = RateLimit::new(10.0, start);
        let began = start + Duration::from_secs(60);
        let took = (make(&mut limit, 110, began) - began).as_secs_f64();
        assert!((took - 9.9).abs() < 0.2, "{took}");
    }

    #[test]
    fn resource_exhausted_halves_the_rate_which_recovers_afterwards() {
        let mut now = Instant::now();
        let mut limit = RateLimit::new(8.0, now);
        assert!(limit.lower(now));
        assert!(
            !limit.lower(now),
            "the rate is halved at most once a second"
        );
        assert!((limit.rate() - 4.0).abs() < 1e-9);
        now += Duration::from_secs(2);
        limit.lower(now);
        assert!((limit.rate() - 2.0).abs() < 1e-9);
        for _ in 0..99 {
            now += RECOVERY_INTERVAL;
            limit.count_call(now);
        }
        assert!((limit.rate() - 8.0).abs() < 1e-9, "{}", limit.rate());
        for _ in 0..99 {
            now += Duration::from_secs(2);
            limit.lower(now);
        }
        now += Duration::from_secs(2);
        assert!(!limit.lower(now), "the lowest rate is not lowered");
        assert!(
            (limit.rate() - MIN_LOWERED_RATE).abs() < 1e-9,
            "{}",
            limit.rate()
        );
    }

    #[test]
    fn an_invalid_rate_is_rejected_and_extreme_rates_do_not_overflow() {
        for rate in [0.0, -1.0, 1e-300, 0.0009, f64::NAN, f64::INFINITY, f64::MIN] {
            let error = RateLimit::check(rate).expect_err("an invalid rate");
            assert!(error.is_invalid_setting());
            assert!(error.to_string().contains("at least 0.001"), "{error}");
        }
        for rate in [MIN_RATE, 20.0, f64::MAX] {
            let now = Instant::now();
            let mut limit = RateLimit::new(RateLimit::check(rate).expect("a valid rate"), now);
            limit.lower(now);
            make(&mut limit, 10, now);
        }
    }
}
