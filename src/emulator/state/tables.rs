//! The tables of the state.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::clock::{Clock, Moment};
use super::operation::{OPERATION, OperationTable};
use super::resource::Resource;
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
    /// By the name of the resource.
    pub(crate) policies: TrackedMap<Policy>,
    /// Number of policies that have been set. The etag of a policy is made from it.
    pub(crate) policies_set: u64,
    pub(crate) operations: OperationTable,
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
        }
    }

    pub(super) fn clear(&mut self) {
        let Self {
            clock: _,
            apis,
            configs,
            gateways,
            policies,
            policies_set,
            operations,
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

    /// Returns the kind of a resource or operation if it was created less than `age` ago.
    pub(crate) fn kind_if_younger(&self, name: &str, age: Duration) -> Option<&'static str> {
        let now = self.clock.now();
        if let Some(record) = self.operations.get(name) {
            return (now.since(record.started_at) < age).then_some(OPERATION);
        }
        self.resource_if_younger::<Api>(name, now, age)
            .or_else(|| self.resource_if_younger::<ApiConfig>(name, now, age))
            .or_else(|| self.resource_if_younger::<Gateway>(name, now, age))
    }

    fn resource_if_younger<R: Resource>(
        &self,
        name: &str,
        now: Moment,
        age: Duration,
    ) -> Option<&'static str> {
        let created = R::table(self).get(name)?.create_time()?;
        let created = SystemTime::try_from(created).ok()?;
        (now.since(created.into()) < age).then_some(R::KIND)
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The rows have the contents of requests.
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}
