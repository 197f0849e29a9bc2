//! What the emulator holds: resources of three kinds, and the operations on them.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tonic::Status;

use super::calls::Calls;
use super::clock::{Clock, Moment};
use super::data::Keeper;
use super::errors::Details;
use super::fault::Faults;
use super::plan::{Cancelling, OperationPlan};
use super::refusal;
use super::resource::Resource;
use super::rows::Rows;
use super::running::{Due, Operations, Verb, Work};
use super::table::Table;
use super::tokens::Tokens;
use super::world::World;
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};
use crate::proto::google::iam::v1::Policy;
use crate::proto::google::longrunning::{Operation, operation};

/// All state, behind one lock. What an operation does at its end is done by whoever looks next.
#[derive(Debug)]
pub(super) struct State {
    times: Times,
    pub(super) tokens: Tokens,
    pub(super) world: World,
    pub(super) details: Details,
    pub(super) faults: Faults,
    pub(super) calls: Calls,
    /// Told when an operation ends before its time.
    pub(super) sooner: Notify,
    tables: Mutex<Tables>,
    keeper: Keeper,
}

/// The tables as they are now, locked. When this is let go of, what has changed is handed over to be kept.
#[derive(Debug)]
pub(super) struct Now<'s> {
    tables: MutexGuard<'s, Tables>,
    keeper: &'s Keeper,
}

/// How long operations run.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    pub(super) usual: Duration,
    /// By the path of the method.
    pub(super) by_method: BTreeMap<&'static str, Duration>,
}

pub(super) struct Tables {
    pub(super) clock: Clock,
    pub(super) apis: Table<Api>,
    pub(super) configs: Table<ApiConfig>,
    pub(super) gateways: Table<Gateway>,
    /// By the name of the resource.
    pub(super) policies: Rows<Policy>,
    /// How many policies have been set.
    pub(super) revision: u64,
    pub(super) operations: Operations,
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is in them are the bodies of requests.
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}

impl State {
    pub(super) fn new(
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
    pub(super) fn now(&self) -> Now<'_> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let now = tables.clock.now();
        tables.settle(now);
        Now {
            tables,
            keeper: &self.keeper,
        }
    }

    /// Waits until all that has been done so far would survive a crash. An error says that it would not.
    pub(super) async fn kept(&self) -> Result<(), Status> {
        self.keeper.kept().await
    }

    /// Forgets all resources and operations.
    pub(super) fn clear(&self) {
        self.now().clear();
    }

    /// Starts the operation of a method.
    pub(super) fn start<R: Resource>(
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
    pub(super) fn cancel(&self, tables: &mut Tables, name: &str) -> Result<(), Status> {
        let now = tables.clock.now();
        let running = tables.operations.rows.get_mut(name);
        let Some(running) = running.filter(|running| running.result.is_none()) else {
            return Ok(());
        };
        let end = match running.plan.cancelling.clone() {
            Cancelling::Unimplemented => return Err(refusal::no_cancelling()),
            Cancelling::Honoured => Some((refusal::cancelled(), now)),
            Cancelling::HonouredAfter(time) => Some((refusal::cancelled(), now.after(time))),
            Cancelling::Fails(status) => Some((status, now)),
            Cancelling::Ignored => None,
        };
        running.requested_cancellation = true;
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
    pub(super) fn new(clock: Clock) -> Self {
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
    pub(super) fn operation(&self, name: &str, stale: bool) -> Option<Operation> {
        let running = self.operations.get(name)?;
        Some(running.operation(name, self.clock.now(), stale))
    }

    /// The kind of a thing that came to be less than this time ago.
    pub(super) fn younger(&self, name: &str, than: Duration) -> Option<&'static str> {
        let now = self.clock.now();
        if let Some(running) = self.operations.get(name) {
            return (now.since(running.began) < than).then_some(super::operations::OPERATION);
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
                        None => operation::Result::Response(response),
                        Some(status) => operation::Result::Error(status),
                    };
                    self.operations.ended(&name, result);
                }
            }
        }
    }
}
