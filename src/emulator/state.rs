//! What the emulator holds: resources of three kinds, and the operations on them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::Status;

use super::calls::Calls;
use super::fault::Faults;
use super::plan::{Cancelling, OperationPlan};
use super::resource::Resource;
use super::running::{Clock, Due, Operations, Verb, Work, later};
use super::table::Table;
use super::tokens::Tokens;
use super::verbs;
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};
use crate::proto::google::iam::v1::Policy;
use crate::proto::google::longrunning::{Operation, operation};

/// All state, behind one lock. What an operation does at its end is done by whoever looks next.
#[derive(Debug)]
pub(super) struct State {
    times: Times,
    pub(super) tokens: Tokens,
    pub(super) faults: Faults,
    pub(super) calls: Calls,
    /// Told when an operation ends before its time.
    pub(super) sooner: Notify,
    tables: Mutex<Tables>,
}

/// How long operations run.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    pub(super) usual: Duration,
    /// By the path of the method.
    pub(super) by_method: BTreeMap<&'static str, Duration>,
}

#[derive(Debug)]
pub(super) struct Tables {
    pub(super) clock: Clock,
    pub(super) apis: Table<Api>,
    pub(super) configs: Table<ApiConfig>,
    pub(super) gateways: Table<Gateway>,
    /// By the name of the resource.
    pub(super) policies: BTreeMap<String, Policy>,
    /// How many policies have been set.
    pub(super) revision: u64,
    pub(super) operations: Operations,
}

impl State {
    pub(super) fn new(times: Times, tokens: Tokens) -> Self {
        let clock = Clock::start();
        Self {
            times,
            tokens,
            faults: Faults::default(),
            calls: Calls::new(clock.began),
            sooner: Notify::new(),
            tables: Mutex::new(Tables::new(clock)),
        }
    }

    /// The tables as they are now.
    pub(super) fn now(&self) -> MutexGuard<'_, Tables> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.settle(Instant::now());
        tables
    }

    /// Forgets all resources and operations.
    pub(super) fn clear(&self) {
        let mut tables = self.now();
        *tables = Tables::new(tables.clock);
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
        let work = Work {
            verb,
            half: R::HALF.filter(|_| verb == Verb::Create && !plan.stopped),
            end: verbs::end::<R>,
        };
        let mut holds = vec![target.to_owned()];
        if verb == Verb::Create {
            holds.extend(R::creation_hold(target));
        }
        let name = tables.operations.start(work, target, holds, plan);
        tables.operation(&name, false).unwrap_or_default()
    }

    /// Asks for the end of a running operation.
    pub(super) fn cancel(&self, tables: &mut Tables, name: &str) -> Result<(), Status> {
        let now = Instant::now();
        let running = tables.operations.rows.get_mut(name);
        let Some(running) = running.filter(|running| running.result.is_none()) else {
            return Ok(());
        };
        let cancelled = || Status::cancelled("the operation was cancelled");
        let end = match running.plan.cancelling.clone() {
            Cancelling::Unimplemented => {
                return Err(Status::unimplemented("this operation cannot be cancelled"));
            }
            Cancelling::Honoured => Some((cancelled(), now)),
            Cancelling::HonouredAfter(time) => Some((cancelled(), later(now, time))),
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

impl Tables {
    fn new(clock: Clock) -> Self {
        Self {
            clock,
            apis: Table::default(),
            configs: Table::default(),
            gateways: Table::default(),
            policies: BTreeMap::new(),
            revision: 0,
            operations: Operations::default(),
        }
    }

    /// An operation that is not forgotten, as a client sees it.
    pub(super) fn operation(&self, name: &str, stale: bool) -> Option<Operation> {
        let running = self.operations.get(name)?;
        Some(running.operation(name, self.clock, stale))
    }

    /// The kind of a thing that came to be less than this time ago.
    pub(super) fn younger(&self, name: &str, than: Duration) -> Option<&'static str> {
        let now = Instant::now();
        if let Some(running) = self.operations.get(name) {
            return (now - running.began < than).then_some(super::operations::OPERATION);
        }
        let now = self.clock.time(now);
        self.created::<Api>(name, now, than)
            .or_else(|| self.created::<ApiConfig>(name, now, than))
            .or_else(|| self.created::<Gateway>(name, now, than))
    }

    fn created<R: Resource>(
        &self,
        name: &str,
        now: Timestamp,
        than: Duration,
    ) -> Option<&'static str> {
        let created = R::table(self).get(name)?.create_time()?;
        let age = SystemTime::try_from(now)
            .ok()?
            .duration_since(SystemTime::try_from(created).ok()?);
        age.is_ok_and(|age| age < than).then_some(R::KIND)
    }

    fn settle(&mut self, now: Instant) {
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
                    let time = self.clock.time(at);
                    let response = (work.end)(self, &target, work.verb, ended, time);
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
