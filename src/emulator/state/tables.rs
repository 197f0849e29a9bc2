//! The tables of the state.

use std::fmt;

use super::clock::Clock;
use super::operation::OperationTable;
use super::table::Table;
use super::tracked_map::TrackedMap;
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};
use crate::proto::google::iam::v1::Policy;
use crate::proto::google::longrunning::Operation;

/// All resources, policies and operations.
pub(crate) struct Tables {
    pub(crate) clock: Clock,
    pub(crate) apis: Table<Api>,
    pub(crate) configs: Table<ApiConfig>,
    pub(crate) gateways: Table<Gateway>,
    /// Policies by the name of the resource.
    pub(crate) policies: TrackedMap<Policy>,
    /// Number of policies that have been set. The etag of a policy is made from it.
    pub(crate) policies_set: u64,
    pub(crate) operations: OperationTable,
    /// Changes are recorded for the listeners of events.
    is_watched: bool,
}

impl Tables {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            apis: Table::default(),
            configs: Table::default(),
            gateways: Table::default(),
            policies: TrackedMap::default(),
            policies_set: 0,
            operations: OperationTable::default(),
            is_watched: false,
        }
    }

    /// Sets whether the observer gets the changes.
    pub(crate) fn set_watched(&mut self, is_watched: bool) {
        self.is_watched = is_watched;
    }

    pub(super) fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// Returns true if there are neither resources nor operations.
    pub(crate) fn is_empty(&self) -> bool {
        self.apis.rows().is_empty()
            && self.configs.rows().is_empty()
            && self.gateways.rows().is_empty()
            && self.operations.rows.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        let Self {
            clock: _,
            apis,
            configs,
            gateways,
            policies,
            policies_set,
            operations,
            is_watched: _,
        } = self;
        apis.clear();
        configs.clear();
        gateways.clear();
        policies.clear();
        *policies_set = 0;
        operations.clear();
    }

    /// Returns an operation as clients see it, unless it is deleted or expired.
    pub(crate) fn operation(&self, name: &str, is_stale: bool) -> Option<Operation> {
        let record = self.operations.get(name)?;
        Some(record.to_operation(name, self.clock.now(), is_stale))
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Prints no fields, since the rows have the contents of requests.
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}
