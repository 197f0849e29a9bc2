//! The state and settings that all services of an emulator share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::bearer_auth::BearerTokens;
use crate::emulator::error::details::Details;
use crate::emulator::faults::Faults;
use crate::emulator::faults::received_call::CallLog;
use crate::emulator::state::State;
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
    /// Notified when the end of an operation moves to an earlier time.
    pub(crate) ended_early: Notify,
}

/// The times that operations run.
#[derive(Clone, Debug, Default)]
pub(crate) struct OperationTimes {
    pub(crate) default: Duration,
    /// Exceptions from the default, by the path of the method.
    pub(crate) by_method: BTreeMap<&'static str, Duration>,
}

impl Core {
    /// Deletes all resources, operations, faults and recorded calls.
    pub(crate) fn reset(&self) {
        self.state.clear();
        self.faults.clear();
        self.calls.clear();
    }
}

/// The handlers of all services.
#[derive(Clone, Debug)]
pub(super) struct Services(pub(super) Arc<Core>);
