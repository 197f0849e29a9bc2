//! Decides whether and when a failed call is retried: pure functions without a clock or a random source.

use std::time::Duration;

use tonic::Code;

use crate::call::pushback::Pushback;
use crate::contract::RetryPolicy;

/// The facts about a failed attempt that the decision needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct FailedAttempt {
    pub(super) code: Code,
    /// True if the server certainly did not process the attempt.
    pub(super) unsent: bool,
    /// Number of attempts that count against the policy's maximum.
    pub(super) attempts: u32,
    /// Number of counted attempts since the last pushback.
    pub(super) backoff_attempts: u32,
    /// The minimum delay that the server asks for, from its pushback or its `RetryInfo`.
    pub(super) hint: Option<Duration>,
    pub(super) pushback: Option<Pushback>,
    /// The time until the deadline; `None` if there is no deadline.
    pub(super) remaining: Option<Duration>,
}

/// Returns the delay before a retry; `None` if the call is not retried. The delay is the server's pushback, or is drawn with
/// full jitter from an exponential backoff. It is at least the server's hint.
pub(super) fn decide(
    policy: &RetryPolicy,
    idempotent: bool,
    failed: &FailedAttempt,
    random: f64,
) -> Option<Duration> {
    let is_below_limit = policy
        .max_attempts
        .is_none_or(|limit| failed.attempts < limit);
    let is_safe = failed.unsent || idempotent;
    let is_retryable = policy.codes.contains(failed.code);
    if !(is_below_limit && is_safe && is_retryable) {
        return None;
    }
    let delay = match failed.pushback {
        Some(Pushback::Never) => return None,
        Some(Pushback::After(delay)) => delay,
        None => backoff(policy, failed.backoff_attempts, random),
    };
    let delay = delay.max(failed.hint.unwrap_or_default());
    // A delay beyond the deadline would only replace the error by a timeout.
    failed
        .remaining
        .is_none_or(|remaining| delay < remaining)
        .then_some(delay)
}

fn backoff(policy: &RetryPolicy, failed: u32, random: f64) -> Duration {
    let exponent = i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX);
    let bound = policy.initial_backoff.as_secs_f64() * policy.multiplier.powi(exponent);
    let bound = Duration::try_from_secs_f64(bound).unwrap_or(policy.max_backoff);
    bound.min(policy.max_backoff).mul_f64(random)
}

/// Returns the delay before a transparent retry; `None` if there is no such retry. The first one has no delay.
pub(super) fn transparent_retry_delay(
    limit: u32,
    retries: u32,
    remaining: Option<Duration>,
) -> Option<Duration> {
    let doubled = |times| Duration::from_millis(1).saturating_mul(2_u32.saturating_pow(times));
    let delay = retries.checked_sub(1).map_or(Duration::ZERO, doubled);
    let in_time = remaining.is_none_or(|remaining| delay < remaining);
    (retries < limit && in_time).then_some(delay)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::CodeSet;

    const POLICY: RetryPolicy = RetryPolicy {
        max_attempts: Some(3),
        initial_backoff: Duration::from_secs(1),
        max_backoff: Duration::from_secs(3),
        multiplier: 2.0,
        codes: CodeSet::of(&[Code::Unavailable]),
    };

    const FAILED: FailedAttempt = FailedAttempt {
        code: Code::Unavailable,
        unsent: false,
        attempts: 1,
        backoff_attempts: 1,
        hint: None,
        pushback: None,
        remaining: None,
    };

    #[test]
    fn a_retry_is_made_only_if_it_is_safe_and_useful() {
        let second = Some(Duration::from_secs(1));
        let cases = [
            ("an idempotent call", true, FAILED, second),
            ("a call that may have been processed", false, FAILED, None),
            (
                "a call that was not sent",
                false,
                FailedAttempt {
                    unsent: true,
                    ..FAILED
                },
                second,
            ),
            (
                "another code",
                true,
                FailedAttempt {
                    code: Code::Internal,
                    ..FAILED
                },
                None,
            ),
            (
                "the last attempt",
                true,
                FailedAttempt {
                    attempts: 3,
                    ..FAILED
                },
                None,
            ),
            (
                "the second attempt",
                true,
                FailedAttempt {
                    attempts: 2,
                    backoff_attempts: 2,
                    ..FAILED
                },
                Some(Duration::from_secs(2)),
            ),
            (
                "the second attempt after a pushback",
                true,
                FailedAttempt {
                    attempts: 2,
                    ..FAILED
                },
                second,
            ),
            (
                "a pushback, which has no jitter",
                true,
                FailedAttempt {
                    pushback: Some(Pushback::After(Duration::from_millis(5))),
                    ..FAILED
                },
                Some(Duration::from_millis(5)),
            ),
            (
                "a pushback beyond the longest backoff",
                true,
                FailedAttempt {
                    pushback: Some(Pushback::After(Duration::from_secs(60))),
                    ..FAILED
                },
                Some(Duration::from_secs(60)),
            ),
            (
                "a hint above a pushback",
                true,
                FailedAttempt {
                    hint: Some(Duration::from_secs(9)),
                    pushback: Some(Pushback::After(Duration::from_millis(5))),
                    ..FAILED
                },
                Some(Duration::from_secs(9)),
            ),
            (
                "a pushback that forbids a retry, even with a hint",
                true,
                FailedAttempt {
                    hint: second,
                    pushback: Some(Pushback::Never),
                    ..FAILED
                },
                None,
            ),
            (
                "a pushback for a call that may have been processed",
                false,
                FailedAttempt {
                    pushback: Some(Pushback::After(Duration::ZERO)),
                    ..FAILED
                },
                None,
            ),
            (
                "a pushback with another code",
                true,
                FailedAttempt {
                    code: Code::Internal,
                    pushback: Some(Pushback::After(Duration::ZERO)),
                    ..FAILED
                },
                None,
            ),
            (
                "a pushback on the last attempt",
                true,
                FailedAttempt {
                    attempts: 3,
                    pushback: Some(Pushback::After(Duration::ZERO)),
                    ..FAILED
                },
                None,
            ),
            (
                "a pushback beyond the deadline",
                true,
                FailedAttempt {
                    pushback: Some(Pushback::After(Duration::from_secs(60))),
                    remaining: second,
                    ..FAILED
                },
                None,
            ),
            (
                "a hint above",
                true,
                FailedAttempt {
                    hint: Some(Duration::from_secs(9)),
                    ..FAILED
                },
                Some(Duration::from_secs(9)),
            ),
            (
                "a hint below",
                true,
                FailedAttempt {
                    hint: Some(Duration::ZERO),
                    ..FAILED
                },
                second,
            ),
            (
                "no time left",
                true,
                FailedAttempt {
                    remaining: second,
                    ..FAILED
                },
                None,
            ),
            (
                "time left",
                true,
                FailedAttempt {
                    remaining: Some(Duration::from_secs(2)),
                    ..FAILED
                },
                second,
            ),
        ];
        for (name, idempotent, failed, expected) in cases {
            assert_eq!(
                decide(&POLICY, idempotent, &failed, 1.0),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn the_delay_is_drawn_from_zero_to_a_bound_that_saturates() {
        let endless = RetryPolicy {
            max_attempts: None,
            multiplier: 1e300,
            ..POLICY
        };
        let late = FailedAttempt {
            attempts: u32::MAX,
            backoff_attempts: u32::MAX,
            ..FAILED
        };
        assert_eq!(decide(&POLICY, true, &FAILED, 0.0), Some(Duration::ZERO));
        assert_eq!(decide(&endless, true, &late, 1.0), Some(POLICY.max_backoff));
    }

    #[test]
    fn transparent_retries_begin_at_once_and_have_growing_delays_within_the_deadline() {
        let millis = Duration::from_millis;
        let cases = [
            (0, 0, None, None),
            (1, 0, None, Some(Duration::ZERO)),
            (1, 1, None, None),
            (16, 1, None, Some(millis(1))),
            (16, 4, None, Some(millis(8))),
            (16, 16, None, None),
            (u32::MAX, 1000, None, Some(millis(u32::MAX.into()))),
            (16, 4, Some(millis(9)), Some(millis(8))),
            (16, 4, Some(millis(8)), None),
            (1, 0, Some(Duration::ZERO), None),
        ];
        for (limit, retries, remaining, expected) in cases {
            let delay = transparent_retry_delay(limit, retries, remaining);
            assert_eq!(delay, expected, "{limit} {retries} {remaining:?}");
        }
    }
}
