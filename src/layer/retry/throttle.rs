//! Retry throttling as gRPC has it (gRFC A6): a bucket of tokens that all calls of a client share.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::Error;

/// When a client whose calls keep failing stops trying them again, as in gRPC's `retryThrottling`.
///
/// All calls of a client and of its clones share one bucket. It begins full. An attempt that fails with a
/// code on which its method is tried again, or in a way that forbids it, takes one token out, and a call that succeeds puts `token_ratio` of one back.
/// As long as no more than half of the tokens are left, a call that fails is not tried again: its caller
/// gets the error that it failed with. First attempts are always made, and so are those that follow on
/// renewed credentials or on a stream that the server refused unseen, which take nothing out.
///
/// Polls of operations are calls of one attempt. They fill and empty the bucket as others do; when they are
/// made again is up to their [`Schedule`](crate::operation::Schedule), throttled or not.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RetryThrottling {
    /// How many tokens the bucket holds, from 1 to 1000. By default 100: a connection that breaks takes all
    /// its calls with it, and with the ten tokens of gRPC's own examples all but the first four of them
    /// would be left without another attempt.
    pub max_tokens: u32,
    /// What a call that succeeds puts back, in tokens, from 0.001 to `max_tokens`; by default 0.1. So where
    /// a server keeps failing one attempt in eleven or more, there will be no further attempts before long.
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
    /// Sets how many tokens the bucket holds, from 1 to 1000.
    #[must_use]
    pub const fn max_tokens(mut self, tokens: u32) -> Self {
        self.max_tokens = tokens;
        self
    }

    /// Sets how many tokens a successful call puts back, from 0.001 to `max_tokens`.
    #[must_use]
    pub const fn token_ratio(mut self, ratio: f64) -> Self {
        self.token_ratio = ratio;
        self
    }

    pub(crate) fn check(self) -> Result<Self, Error> {
        if !(1..=1000).contains(&self.max_tokens) {
            return Err(Error::configuration(
                "retry_throttling: max_tokens must be from 1 to 1000",
            ));
        }
        // Written so that no number that is none gets through.
        if !(0.001..=f64::from(self.max_tokens)).contains(&self.token_ratio) {
            return Err(Error::configuration(
                "retry_throttling: token_ratio must be from 0.001 to max_tokens",
            ));
        }
        Ok(self)
    }
}

/// The bucket. It counts thousandths of a token.
#[derive(Debug)]
pub(super) struct Throttle {
    tokens: AtomicU32,
    most: u32,
    back: u32,
}

const TOKEN: u32 = 1000;

impl Throttle {
    /// A full one, of values that were checked.
    pub(super) fn new(throttling: RetryThrottling) -> Self {
        let most = throttling.max_tokens.saturating_mul(TOKEN);
        // It is at most `max_tokens`, so it fits; a cast saturates anyway.
        let back = (throttling.token_ratio * f64::from(TOKEN)).round() as u32;
        Self {
            tokens: AtomicU32::new(most),
            most,
            back,
        }
    }

    /// A call succeeded.
    pub(super) fn give(&self) {
        // Mostly it is full, and a look costs less than a change that all threads have to hear of.
        if self.tokens.load(Ordering::Relaxed) < self.most {
            self.change(|tokens| tokens.saturating_add(self.back).min(self.most));
        }
    }

    /// An attempt failed.
    pub(super) fn take(&self) {
        self.change(|tokens| tokens.saturating_sub(TOKEN));
    }

    /// Whether a call may be tried again.
    pub(super) fn allows(&self) -> bool {
        self.tokens.load(Ordering::Relaxed) > self.most / 2
    }

    fn change(&self, to: impl Fn(u32) -> u32) {
        let tokens = &self.tokens;
        // It always gives a value, so there is no error.
        let _ = tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| Some(to(old)));
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
            throttle.take();
            assert!(throttle.allows(), "{throttle:?}");
        }
        throttle.take();
        assert!(!throttle.allows(), "half is not enough: {throttle:?}");
        throttle.give();
        assert!(throttle.allows(), "{throttle:?}");
    }

    #[test]
    fn the_bucket_neither_overflows_nor_goes_below_nothing() {
        let throttle = Throttle::new(throttling(2, 0.001));
        throttle.give();
        throttle.take();
        assert!(!throttle.allows(), "it was no more than full");
        for _ in 0..10 {
            throttle.take();
        }
        for _ in 0..1000 {
            throttle.give();
        }
        assert!(!throttle.allows());
        throttle.give();
        assert!(throttle.allows(), "it was no less than empty: {throttle:?}");
    }

    #[test]
    fn what_would_never_throttle_or_never_end_is_refused() {
        for refused in [
            throttling(0, 0.1),
            throttling(1001, 0.1),
            throttling(10, 0.0),
            throttling(10, 0.0009),
            throttling(10, -1.0),
            throttling(10, 10.1),
            throttling(10, f64::NAN),
            throttling(10, f64::INFINITY),
        ] {
            assert!(refused.check().is_err(), "{refused:?}");
        }
        for taken in [
            RetryThrottling::default(),
            throttling(1, 1.0),
            throttling(1000, 0.001),
        ] {
            assert!(taken.check().is_ok(), "{taken:?}");
        }
    }
}
