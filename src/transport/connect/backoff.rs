//! The delay between attempts to connect to an address that cannot be reached.

use std::time::Duration;

use tokio::time::Instant;

use super::shared_error::SharedError;

/// The delay after the first failure. Each further failure doubles the delay. The first delay is short, since most faults are
/// brief.
const INITIAL_DELAY: Duration = Duration::from_millis(10);

/// Maximum delay. Calls wait for the next attempt, so a server that has become reachable is used after at most this delay.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// The failed attempts of a pool to connect, and the delay before the next attempt.
#[derive(Debug, Default)]
pub(crate) struct ConnectBackoff {
    /// Number of failures since the pool was created.
    failures: u64,
    delay: Duration,
    last: Option<(SharedError, Instant)>,
}

impl ConnectBackoff {
    /// Records a failed attempt. Failures within one delay double the delay only once, since their attempts were made together.
    ///
    /// Returns the previous error. The caller drops the error after the lock is released, since the drop may run code of the
    /// user.
    pub(crate) fn failed(&mut self, error: SharedError) -> Option<SharedError> {
        self.failures += 1;
        if self.next_attempt().is_none() {
            self.delay = (self.delay * 2).clamp(INITIAL_DELAY, MAX_DELAY);
        }
        let previous = self.last.replace((error, Instant::now()));
        previous.map(|(error, _)| error)
    }

    /// Records a successful attempt. Returns the last error, which the caller drops after the lock is released.
    pub(crate) fn succeeded(&mut self) -> Option<SharedError> {
        self.delay = Duration::ZERO;
        self.last.take().map(|(error, _)| error)
    }

    /// Returns the time of the next attempt, or `None` if it may begin now.
    pub(crate) fn next_attempt(&self) -> Option<Instant> {
        self.pause_end(self.delay)
    }

    /// Returns the end of a pause of this length after the last failure. Returns `None` if the pause is over, or if no attempt
    /// has failed since the last success.
    pub(crate) fn pause_end(&self, pause: Duration) -> Option<Instant> {
        let (_, failed_at) = self.last.as_ref()?;
        let end = *failed_at + pause;
        (end > Instant::now()).then_some(end)
    }

    /// Returns whether the last attempt failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.last.is_some()
    }

    /// Returns the number of failures since the pool was created.
    pub(crate) fn failures(&self) -> u64 {
        self.failures
    }

    /// Returns the last error if an attempt has failed since [`failures`](Self::failures) returned `failures`, and no attempt
    /// has succeeded since.
    #[cfg(feature = "rest")]
    pub(crate) fn failed_since(&self, failures: u64) -> Option<SharedError> {
        let (error, _) = self.last.as_ref()?;
        (self.failures > failures).then(|| error.clone())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn error() -> SharedError {
        SharedError::new("refused".into())
    }

    #[tokio::test(start_paused = true)]
    async fn the_delay_doubles_with_each_failure_up_to_a_second_and_a_success_resets_it() {
        let mut backoff = ConnectBackoff::default();
        assert_eq!(backoff.next_attempt(), None);
        for millis in [10, 20, 40, 80, 160, 320, 640, 1000, 1000] {
            backoff.failed(error());
            let delay = Duration::from_millis(millis);
            assert_eq!(backoff.next_attempt(), Some(Instant::now() + delay));
            advance(delay).await;
            assert_eq!(backoff.next_attempt(), None);
            assert!(backoff.is_failing());
        }
        backoff.succeeded();
        assert!(!backoff.is_failing());
        backoff.failed(error());
        let expected = Instant::now() + INITIAL_DELAY;
        assert_eq!(backoff.next_attempt(), Some(expected));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_of_simultaneous_attempts_count_as_one() {
        let mut backoff = ConnectBackoff::default();
        for _ in 0..10 {
            backoff.failed(error());
        }
        let expected = Instant::now() + INITIAL_DELAY;
        assert_eq!(backoff.next_attempt(), Some(expected));
    }

    #[cfg(feature = "rest")]
    #[test]
    fn a_failure_is_returned_to_calls_that_waited_for_the_attempt() {
        let mut backoff = ConnectBackoff::default();
        let failures = backoff.failures();
        assert!(backoff.failed_since(failures).is_none());
        backoff.failed(error());
        assert!(backoff.failed_since(failures).is_some());
        assert!(backoff.failed_since(backoff.failures()).is_none());
        backoff.succeeded();
        assert!(backoff.failed_since(failures).is_none());
    }
}
