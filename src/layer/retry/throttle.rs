//! Retry throttling (gRFC A6): a token bucket that all calls of a client share.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::Error;

/// Settings of retry throttling, as in gRPC's `retryThrottling` (gRFC A6). A client whose calls keep failing stops retrying
/// them.
///
/// A client and its clones share one token bucket, which is full at first. An attempt that fails with a retryable code, or
/// whose pushback forbids a retry, removes one token. A call that succeeds adds `token_ratio` tokens. While at most half of the
/// tokens are left, failed calls are not retried and return their error. First attempts, transparent retries and retries with
/// refreshed credentials are not throttled. Transparent retries and retries with refreshed credentials also remove no token.
///
/// Polls of operations add and remove tokens, too. Each poll is a single attempt. The
/// [`Schedule`](crate::operation::Schedule) decides when to poll again, and is not throttled.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RetryThrottling {
    /// Maximum number of tokens, from 1 to 1000. The default is 100. If a connection breaks, all its calls fail at once; with
    /// the ten tokens of gRPC's examples, only four of these calls would be retried.
    pub max_tokens: u32,
    /// Number of tokens that a successful call adds, from 0.001 to `max_tokens`. The default is 0.1, so retries stop if more
    /// than about one attempt in eleven keeps failing.
    pub token_ratio: f64,
}

impl Default for RetryThrottling {
    fn default() -> Self {
        Self {
            max_tokens: 100,
            token_ratio: 0.1,
        }
    }
}

impl RetryThrottling {
    /// Sets the maximum number of tokens, from 1 to 1000. Another value makes `build` fail.
    #[must_use]
    pub const fn max_tokens(mut self, tokens: u32) -> Self {
        self.max_tokens = tokens;
        self
    }

    /// Sets the number of tokens that a successful call adds, from 0.001 to `max_tokens`. Another value makes `build` fail.
    #[must_use]
    pub const fn token_ratio(mut self, ratio: f64) -> Self {
        self.token_ratio = ratio;
        self
    }

    pub(crate) fn check(self) -> Result<Self, Error> {
        if !(1..=1000).contains(&self.max_tokens) {
            return Err(Error::configuration(format!(
                "invalid `max_tokens` {} in `retry_throttling`: must be from 1 to 1000",
                self.max_tokens
            )));
        }
        // In this form the check rejects NaN, too.
        if !(0.001..=f64::from(self.max_tokens)).contains(&self.token_ratio) {
            return Err(Error::configuration(format!(
                "invalid `token_ratio` {} in `retry_throttling`: must be from 0.001 to `max_tokens` ({})",
                self.token_ratio, self.max_tokens
            )));
        }
        Ok(self)
    }
}

/// The token bucket. It counts thousandths of a token.
#[derive(Debug)]
pub(super) struct Throttle {
    tokens: AtomicU32,
    capacity: u32,
    /// The thousandths of a token that a successful call adds.
    refill: u32,
}

/// One token, in thousandths.
const TOKEN: u32 = 1000;

impl Throttle {
    /// Creates a full bucket from checked settings.
    pub(super) fn new(throttling: RetryThrottling) -> Self {
        let capacity = throttling.max_tokens.saturating_mul(TOKEN);
        // The number is at most `max_tokens` times `TOKEN`, so it fits into `u32`. A cast would saturate anyway.
        let refill = (throttling.token_ratio * f64::from(TOKEN)).round() as u32;
        Self {
            tokens: AtomicU32::new(capacity),
            capacity,
            refill,
        }
    }

    /// Adds tokens for a successful call.
    pub(super) fn record_success(&self) {
        // The bucket is usually full, and a load is cheaper than a write that all threads have to see.
        if self.tokens.load(Ordering::Relaxed) < self.capacity {
            self.update(|tokens| tokens.saturating_add(self.refill).min(self.capacity));
        }
    }

    /// Removes a token for a failed attempt.
    pub(super) fn record_failure(&self) {
        self.update(|tokens| tokens.saturating_sub(TOKEN));
    }

    /// Returns whether a retry is allowed.
    pub(super) fn allows(&self) -> bool {
        self.tokens.load(Ordering::Relaxed) > self.capacity / 2
    }

    fn update(&self, next: impl Fn(u32) -> u32) {
        let tokens = &self.tokens;
        // The closure always returns a value, so there is no error.
        let _ = tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| Some(next(old)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttling(max_tokens: u32, token_ratio: f64) -> RetryThrottling {
        RetryThrottling {
            max_tokens,
            token_ratio,
        }
    }

    #[test]
    fn more_than_half_of_the_tokens_must_be_left() {
        let throttle = Throttle::new(throttling(10, 0.5));
        for _ in 0..4 {
            throttle.record_failure();
            assert!(throttle.allows(), "{throttle:?}");
        }
        throttle.record_failure();
        assert!(
            !throttle.allows(),
            "half of the tokens do not allow a retry: {throttle:?}"
        );
        throttle.record_success();
        assert!(throttle.allows(), "{throttle:?}");
    }

    #[test]
    fn the_bucket_stays_between_zero_and_its_maximum() {
        let throttle = Throttle::new(throttling(2, 0.001));
        throttle.record_success();
        throttle.record_failure();
        assert!(!throttle.allows(), "the bucket was not above its maximum");
        for _ in 0..10 {
            throttle.record_failure();
        }
        for _ in 0..1000 {
            throttle.record_success();
        }
        assert!(!throttle.allows());
        throttle.record_success();
        assert!(
            throttle.allows(),
            "the bucket was not below zero: {throttle:?}"
        );
    }

    #[test]
    fn settings_out_of_range_are_rejected() {
        for invalid in [
            throttling(0, 0.1),
            throttling(1001, 0.1),
            throttling(10, 0.0),
            throttling(10, 0.0009),
            throttling(10, -1.0),
            throttling(10, 10.1),
            throttling(10, f64::NAN),
            throttling(10, f64::INFINITY),
        ] {
            assert!(invalid.check().is_err(), "{invalid:?}");
        }
        for valid in [
            RetryThrottling::default(),
            throttling(1, 1.0),
            throttling(1000, 0.001),
        ] {
            assert!(valid.check().is_ok(), "{valid:?}");
        }
    }
}
