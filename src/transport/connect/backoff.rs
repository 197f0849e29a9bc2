//! The delay between attempts to connect to an address that cannot be reached.

use std::time::Duration;

use tokio::time::Instant;

use super::shared_error::SharedError;

/// The delay after the first failure, short since most faults are brief. It doubles with each further one.
const FIRST: Duration = Duration::from_millis(10);

/// The longest delay. Calls wait for it, so that it also bounds how late a server that is back is found.
const MOST: Duration = Duration::from_secs(1);

/// The failures since the last success.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Number of failures ever.
    failures: u64,
    delay: Duration,
    last: Option<(SharedError, Instant)>,
}

impl Backoff {
    /// An attempt failed. Failures within the delay are of attempts that were made together, and count as one.
    /// Returns the error before, which the caller drops: it may be a user's.
    pub(crate) fn failed(&mut self, error: SharedError) -> Option<SharedError> {
        self.failures += 1;
        if self.until().is_none() {
            self.delay = (self.delay * 2).clamp(FIRST, MOST);
        }
        let before = self.last.replace((error, Instant::now()));
        before.map(|(error, _)| error)
    }

    /// An attempt succeeded. Returns the last error, which the caller drops.
    pub(crate) fn succeeded(&mut self) -> Option<SharedError> {
        self.delay = Duration::ZERO;
        self.last.take().map(|(error, _)| error)
    }

    /// Returns when the next attempt may begin, if that is later than now.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.within(self.delay)
    }

    /// Returns the end of this delay after the last failure, if it is later than now.
    pub(crate) fn within(&self, delay: Duration) -> Option<Instant> {
        let (_, failed) = self.last.as_ref()?;
        let end = *failed + delay;
        (end > Instant::now()).then_some(end)
    }

    /// Returns whether the last attempt failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.last.is_some()
    }

    /// Returns the number of failures ever.
    pub(crate) fn failures(&self) -> u64 {
        self.failures
    }

    /// Returns the error of an attempt that failed since there were so many failures, unless one succeeded later.
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
    async fn the_delay_doubles_with_each_failure_up_to_a_second_and_ends_with_a_success() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.until(), None);
        for millis in [10, 20, 40, 80, 160, 320, 640, 1000, 1000] {
            backoff.failed(error());
            let delay = Duration::from_millis(millis);
            assert_eq!(backoff.until(), Some(Instant::now() + delay));
            advance(delay).await;
            assert_eq!(backoff.until(), None);
            assert!(backoff.is_failing());
        }
        backoff.succeeded();
        assert!(!backoff.is_failing());
        backoff.failed(error());
        assert_eq!(backoff.until(), Some(Instant::now() + FIRST));
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_that_were_made_together_fail_as_one() {
        let mut backoff = Backoff::default();
        for _ in 0..10 {
            backoff.failed(error());
        }
        assert_eq!(backoff.until(), Some(Instant::now() + FIRST));
    }

    #[cfg(feature = "rest")]
    #[test]
    fn a_failure_is_reported_to_those_who_waited_for_it() {
        let mut backoff = Backoff::default();
        let before = backoff.failures();
        assert!(backoff.failed_since(before).is_none());
        backoff.failed(error());
        assert!(backoff.failed_since(before).is_some());
        assert!(backoff.failed_since(backoff.failures()).is_none());
        backoff.succeeded();
        assert!(backoff.failed_since(before).is_none());
    }
}
