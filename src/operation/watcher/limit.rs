//! How many calls a second may be made, shared by all of a watcher.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The rate is never lowered further than this, or a busy hour would stop all.
const LEAST: f64 = 0.2;
/// After so long without a refusal the rate is raised by a tenth of what was set.
const CALM: Duration = Duration::from_secs(10);

/// Lets calls pass one by one, in the order in which they came.
#[derive(Debug)]
pub(super) struct Limit {
    set: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rate: f64,
    /// When the next call may pass.
    next: Instant,
    /// When the rate was last changed.
    changed: Instant,
}

impl Limit {
    /// So many calls a second; as many may pass at once after a pause of a second.
    pub(super) fn new(rate: f64) -> Self {
        let now = Instant::now();
        let state = State {
            rate,
            next: now,
            changed: now,
        };
        Self {
            set: rate,
            state: Mutex::new(state),
        }
    }

    /// Waits for the call's turn. A turn that is given up is lost, which lets one call less pass.
    pub(super) async fn pass(&self) {
        let turn = self.turn(Instant::now());
        tokio::time::sleep_until(turn).await;
    }

    fn turn(&self, now: Instant) -> Instant {
        let mut state = self.state();
        if state.rate < self.set && now.saturating_duration_since(state.changed) >= CALM {
            state.rate = (state.rate + self.set / 10.0).min(self.set);
            state.changed = now;
        }
        // A second's worth is saved up at most.
        let saved = Duration::from_secs(1);
        let earliest = now.checked_sub(saved).unwrap_or(now);
        let turn = state.next.max(earliest);
        state.next = turn + Duration::from_secs_f64(1.0 / state.rate);
        turn.max(now)
    }

    /// The server asked for less: half of it, once a second.
    pub(super) fn lower(&self) {
        let now = Instant::now();
        let mut state = self.state();
        let lowered = state.rate < self.set;
        if lowered && now.saturating_duration_since(state.changed) < Duration::from_secs(1) {
            return;
        }
        state.rate = (state.rate / 2.0).max(LEAST.min(self.set));
        state.changed = now;
        tracing::debug!(rate = state.rate, "the server asked for fewer calls");
    }

    /// Calls a second, as they pass now.
    pub(super) fn rate(&self) -> f64 {
        self.state().rate
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_pass_at_the_rate_after_what_a_pause_has_saved() {
        let limit = Limit::new(10.0);
        tokio::time::advance(Duration::from_secs(60)).await;
        let began = Instant::now();
        for _ in 0..110 {
            limit.pass().await;
        }
        let took = began.elapsed().as_secs_f64();
        assert!((took - 9.9).abs() < 0.2, "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_halves_the_rate_and_calm_brings_it_back() {
        let limit = Limit::new(8.0);
        limit.lower();
        limit.lower();
        assert!(
            (limit.rate() - 4.0).abs() < 1e-9,
            "many refusals at once are one"
        );
        tokio::time::advance(Duration::from_secs(2)).await;
        limit.lower();
        assert!((limit.rate() - 2.0).abs() < 1e-9);
        for _ in 0..99 {
            tokio::time::advance(Duration::from_secs(10)).await;
            limit.pass().await;
        }
        assert!((limit.rate() - 8.0).abs() < 1e-9, "{}", limit.rate());
        for _ in 0..99 {
            tokio::time::advance(Duration::from_secs(2)).await;
            limit.lower();
        }
        assert!((limit.rate() - LEAST).abs() < 1e-9, "{}", limit.rate());
    }
}
