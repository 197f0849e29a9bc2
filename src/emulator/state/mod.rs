//! What the emulator holds: resources of three kinds, and the operations on them.

pub(super) mod change_set;
pub(super) mod clock;
pub(super) mod environment;
#[cfg(test)]
mod invariants;
pub(super) mod limits;
pub(super) mod location;
pub(super) mod operation;
pub(super) mod resource;
pub(super) mod table;
pub(super) mod tracked_map;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tonic::Status;

use crate::emulator::api::bearer_auth::Tokens;
use crate::emulator::error;
use crate::emulator::error::details::Details;
use crate::emulator::faults::Faults;
use crate::emulator::faults::operation_plan::{Cancelling, OperationPlan};
use crate::emulator::faults::received_call::Calls;
use crate::emulator::storage::Keeper;
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};
use crate::proto::google::iam::v1::Policy;
use crate::proto::google::longrunning::Operation;
use crate::proto::google::longrunning::operation::Result as OperationResult;
use clock::{Clock, Moment};
use environment::World;
use operation::{Due, Operations, Verb, Work};
use resource::Resource;
use table::Table;
use tracked_map::Rows;

/// All state, behind one lock. What an operation does at its end is done by whoever looks next.
#[derive(Debug)]
pub(crate) struct State {
    times: Times,
    pub(crate) tokens: Tokens,
    pub(crate) world: World,
    pub(crate) details: Details,
    pub(crate) faults: Faults,
    pub(crate) calls: Calls,
    /// Told when an operation ends before its time.
    pub(crate) sooner: Notify,
    tables: Mutex<Tables>,
    keeper: Keeper,
}

/// The tables as they are now, locked. When this is let go of, what has changed is handed over to be kept.
#[derive(Debug)]
pub(crate) struct Now<'s> {
    tables: MutexGuard<'s, Tables>,
    keeper: &'s Keeper,
}

/// How long operations run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    pub(crate) usual: Duration,
    /// By the path of the method.
    pub(crate) by_method: BTreeMap<&'static str, Duration>,
}

pub(crate) struct Tables {
    pub(crate) clock: Clock,
    pub(crate) apis: Table<Api>,
    pub(crate) configs: Table<ApiConfig>,
    pub(crate) gateways: Table<Gateway>,
    /// By the name of the resource.
    pub(crate) policies: Rows<Policy>,
    /// How many policies have been set.
    pub(crate) revision: u64,
    pub(crate) operations: Operations,
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is in them are the bodies of requests.
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}

impl State {
    pub(crate) fn new(
        times: Times,
        tokens: Tokens,
        world: World,
        details: Details,
        tables: Tables,
        keeper: Keeper,
    ) -> Self {
        Self {
            times,
            tokens,
            world,
            details,
            faults: Faults::default(),
            calls: Calls::new(tables.clock.began),
            sooner: Notify::new(),
            tables: Mutex::new(tables),
            keeper,
        }
    }

    /// The tables as they are now.
    pub(crate) fn now(&self) -> Now<'_> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let now = tables.clock.now();
        tables.settle(now);
        Now {
            tables,
            keeper: &self.keeper,
        }
    }

    /// Waits until all that has been done so far would survive a crash. An error says that it would not.
    pub(crate) async fn kept(&self) -> Result<(), Status> {
        self.keeper.kept().await
    }

    /// Forgets all resources and operations.
    pub(crate) fn clear(&self) {
        self.now().clear();
    }

    /// Starts the operation of a method.
    pub(crate) fn start<R: Resource>(
        &self,
        tables: &mut Tables,
        verb: Verb,
        target: &str,
        plan: Option<&OperationPlan>,
    ) -> Operation {
        let mut plan = plan.cloned().unwrap_or_default();
        let path = R::method(verb).path;
        let usual = self.times.by_method.get(path).unwrap_or(&self.times.usual);
        plan.takes.get_or_insert(*usual);
        let work = Work::of::<R>(verb);
        let mut holds = vec![target.to_owned()];
        if verb == Verb::Create {
            holds.extend(R::creation_hold(target));
        }
        let now = tables.clock.now();
        let name = tables.operations.start(work, target, holds, plan, now);
        tables.operation(&name, false).unwrap_or_default()
    }

    /// Asks for the end of a running operation.
    pub(crate) fn cancel(&self, tables: &mut Tables, name: &str) -> Result<(), Status> {
        let now = tables.clock.now();
        let running = tables.operations.rows.get_mut(name);
        let Some(running) = running.filter(|running| running.result.is_none()) else {
            return Ok(());
        };
        let end = match running.plan.cancelling.clone() {
            Cancelling::Unimplemented => return Err(error::no_cancelling()),
            Cancelling::Honoured => Some((error::cancelled(), now)),
            Cancelling::HonouredAfter(time) => Some((error::cancelled(), now.after(time))),
            Cancelling::Fails(status) => Some((status, now)),
            Cancelling::Ignored => None,
        };
        running.requested_cancellation = true;
        let (work, target) = (running.work, running.target.clone());
        // Cancelling is best effort: a resource that others use by now stays, and its creation goes on.
        let end = end
            .filter(|(status, _)| !work.undoes(status) || (work.used)(tables, &target).is_none());
        // Asking again does not put the end off.
        if let Some((status, at)) = end {
            tables.operations.end_with(name, status, at);
            tables.settle(now);
            self.sooner.notify_waiters();
        }
        Ok(())
    }
}

impl Deref for Now<'_> {
    type Target = Tables;

    fn deref(&self) -> &Tables {
        &self.tables
    }
}

impl DerefMut for Now<'_> {
    fn deref_mut(&mut self) -> &mut Tables {
        &mut self.tables
    }
}

impl Drop for Now<'_> {
    fn drop(&mut self) {
        // Still under the lock, so that changes are kept in the order in which they were made.
        self.keeper.take(&mut self.tables);
    }
}

impl Tables {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            apis: Table::default(),
            configs: Table::default(),
            gateways: Table::default(),
            policies: Rows::default(),
            revision: 0,
            operations: Operations::default(),
        }
    }

    fn clear(&mut self) {
        let Self {
            clock: _,
            apis,
            configs,
            gateways,
            policies,
            revision,
            operations,
        } = self;
        apis.clear();
        configs.clear();
        gateways.clear();
        policies.clear();
        *revision = 0;
        operations.clear();
    }

    /// An operation that is not forgotten, as a client sees it.
    pub(crate) fn operation(&self, name: &str, stale: bool) -> Option<Operation> {
        let running = self.operations.get(name)?;
        Some(running.operation(name, self.clock.now(), stale))
    }

    /// The kind of a thing that came to be less than this time ago.
    pub(crate) fn younger(&self, name: &str, than: Duration) -> Option<&'static str> {
        let now = self.clock.now();
        if let Some(running) = self.operations.get(name) {
            return (now.since(running.began) < than)
                .then_some(crate::emulator::api::operations::OPERATION);
        }
        self.created::<Api>(name, now, than)
            .or_else(|| self.created::<ApiConfig>(name, now, than))
            .or_else(|| self.created::<Gateway>(name, now, than))
    }

    fn created<R: Resource>(
        &self,
        name: &str,
        now: Moment,
        than: Duration,
    ) -> Option<&'static str> {
        let created = R::table(self).get(name)?.create_time()?;
        let created = SystemTime::try_from(created).ok()?;
        (now.since(created.into()) < than).then_some(R::KIND)
    }

    fn settle(&mut self, now: Moment) {
        while let Some((at, due, name)) = self.operations.next(now) {
            let Some(running) = self.operations.rows.get(&name) else {
                continue;
            };
            let (target, work) = (running.target.clone(), running.work);
            match due {
                Due::Forget => self.operations.forget(&name),
                Due::Half => {
                    if let Some(half) = work.half.filter(|_| running.result.is_none()) {
                        half(self, &target);
                    }
                }
                Due::End => {
                    let (ended, status) = running.end();
                    let response = (work.end)(self, &target, work.verb, ended, at.into());
                    let result = match status {
                        None => OperationResult::Response(response),
                        Some(status) => OperationResult::Error(status),
                    };
                    self.operations.ended(&name, result);
                }
            }
        }
    }
}
