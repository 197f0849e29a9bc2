//! The state and settings that all services of an emulator share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tonic::Status;

use super::bearer_auth::BearerTokens;
use crate::emulator::error;
use crate::emulator::error::details::Details;
use crate::emulator::events::{Hub, WatchedCore};
use crate::emulator::faults::Faults;
use crate::emulator::faults::received_call::CallLog;
use crate::emulator::messages::Settings;
use crate::emulator::state::State;
use crate::emulator::state::clock::Clock;
use crate::emulator::state::environment::Environment;

/// The state and the settings of an emulator, which all its services share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) state: State,
    pub(crate) times: OperationTimes,
    pub(crate) environment: Environment,
    pub(crate) tokens: BearerTokens,
    pub(crate) details: Details,
    pub(crate) faults: Arc<Faults>,
    pub(crate) calls: CallLog,
    pub(crate) events: Arc<Hub>,
    /// The settings as the admin service returns them.
    pub(crate) settings: Settings,
    /// Notified when the end of an operation moves to an earlier time, and when the clock is set.
    pub(crate) ended_early: Notify,
}

/// The time for which operations run.
#[derive(Clone, Debug, Default)]
pub(crate) struct OperationTimes {
    pub(crate) default: Duration,
    /// Exceptions from the default, by the path of the method.
    pub(crate) by_method: BTreeMap<&'static str, Duration>,
}

impl Core {
    /// Deletes all resources, operations, faults and recorded calls.
    pub(crate) fn reset(&self) {
        // A call locks the state while it holds the lock of the faults. The other order could deadlock, so the faults are cleared
        // before the state is locked.
        self.faults.clear();
        self.calls.clear();
        let mut tables = self.state.lock();
        tables.clear();
        self.events.reset(&mut tables);
        drop(tables);
        self.ended_early.notify_waiters();
    }

    /// Deletes the recorded calls and their counts.
    pub(crate) fn clear_calls(&self) {
        self.calls.clear();
        self.events.calls_cleared();
    }

    /// Sets the clock, and applies the steps of operations (such as progress, end and expiry) that are due at the new time.
    /// Waiters continue with the new time.
    ///
    /// # Errors
    ///
    /// FAILED_PRECONDITION if a test has paused tokio's clock, or the error of `set`. The clock is then unchanged.
    pub(crate) fn set_clock<T>(
        &self,
        set: impl FnOnce(&mut Clock) -> Result<T, Status>,
    ) -> Result<T, Status> {
        if Clock::is_tokio_paused() {
            return Err(error::tokio_clock_paused());
        }
        let mut tables = self.state.lock();
        let done = set(&mut tables.clock)?;
        let clock = tables.clock;
        self.calls.set_clock(clock.now().into(), clock.is_paused());
        self.events.clock_changed(&tables);
        drop(tables);
        // Locking the state applies the steps that are due.
        drop(self.state.lock());
        self.ended_early.notify_waiters();
        Ok(done)
    }
}

impl WatchedCore for Core {
    fn state(&self) -> &State {
        &self.state
    }

    fn hub(&self) -> &Hub {
        &self.events
    }
}

/// The handlers of all services.
#[derive(Clone, Debug)]
pub(super) struct Services(pub(super) Arc<Core>);
