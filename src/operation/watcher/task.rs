//! The tasks behind a watcher: one on each Tokio runtime on which waits are polled. Each makes the calls that are
//! due, so the end of one runtime stops no wait of another.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::task::Poll;

use tokio::runtime;
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tonic::Status;

use super::Shared;
use super::calls::{Outcome, Plan, Request};
use super::effects::{Effects, contained};
use super::table::Next;
use crate::error::Error;
use crate::operation::waiter::{self, once};
use crate::proto::google::longrunning::{GetOperationRequest, ListOperationsRequest};
use crate::stack::clients::Clients;

/// Why nobody polls for a wait any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The wait is polled outside of any runtime, and no other one polls for it.
    NoRuntime,
    /// The runtime has been shut down.
    ShutDown,
    /// The watcher's task panicked.
    Panicked,
    /// A transport or a layer panicked.
    CallPanicked,
}

impl Lost {
    pub(super) fn error(self) -> Error {
        let text = match self {
            Self::NoRuntime => {
                "no Tokio runtime: a wait by a watcher must be polled within a Tokio runtime"
            }
            Self::ShutDown => "the Tokio runtime that polled the operation has been shut down",
            Self::Panicked => {
                "the task of the watcher panicked; a runtime must have its time driver enabled"
            }
            Self::CallPanicked => "a transport or a layer panicked in a call of the watcher",
        };
        Error::from(match self {
            Self::CallPanicked => Status::internal(text),
            Self::NoRuntime | Self::ShutDown | Self::Panicked => Status::cancelled(text),
        })
    }
}

/// The drivers of a watcher.
#[derive(Debug, Default)]
pub(super) struct Drivers {
    all: Vec<Record>,
    latest: u64,
}

#[derive(Debug)]
struct Record {
    number: u64,
    runtime: runtime::Id,
    notify: Arc<Notify>,
    /// True once a wait has seen this driver.
    relied_on: bool,
}

impl Drivers {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns whether this runtime has a driver.
    pub(super) fn is_on(&mut self, runtime: runtime::Id) -> bool {
        let mut all = self.all.iter_mut();
        let found = all.find(|driver| driver.runtime == runtime);
        found.map(|driver| driver.relied_on = true).is_some()
    }

    /// Adds a driver. Returns its number and what wakes it.
    pub(super) fn add(&mut self, runtime: runtime::Id) -> (u64, Arc<Notify>) {
        self.latest += 1;
        let notify = Arc::default();
        self.all.push(Record {
            number: self.latest,
            runtime,
            notify: Arc::clone(&notify),
            relied_on: false,
        });
        (self.latest, notify)
    }

    /// Removes a driver. Returns whether a wait relied on it.
    fn remove(&mut self, number: u64) -> bool {
        let index = self.all.iter().position(|driver| driver.number == number);
        index.is_some_and(|index| self.all.swap_remove(index).relied_on)
    }

    pub(super) fn notify(&self, effects: &mut Effects) {
        self.notify_others(0, effects);
    }

    /// Wakes all drivers but this one.
    pub(super) fn notify_others(&self, number: u64, effects: &mut Effects) {
        let others = self.all.iter().filter(|driver| driver.number != number);
        let others = others.map(|driver| Arc::clone(&driver.notify));
        effects.notified.extend(others);
    }
}

/// The task on one runtime. Dropping it, finished or not, hands its work to the others.
pub(super) struct Driver {
    pub(super) shared: Weak<Shared>,
    pub(super) number: u64,
    pub(super) notify: Arc<Notify>,
    pub(super) panicked: bool,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        shared.locked(|table| {
            let relied_on = table.drivers.remove(self.number);
            table.drop_calls(self.number);
            if !table.drivers.is_empty() {
                table.notify_drivers();
            } else if self.panicked {
                // A next task might panic as well, without end.
                table.lose_all(Lost::Panicked);
            } else if relied_on {
                table.wake_all();
            }
        });
    }
}

/// The calls of one driver.
struct Calls {
    tasks: JoinSet<Outcome>,
    numbers: HashMap<Id, u64>,
}

impl Driver {
    pub(super) async fn run(mut self) {
        let mut driving = Box::pin(self.poll());
        let polls = std::future::poll_fn(move |cx| {
            let poll = catch_unwind(AssertUnwindSafe(|| driving.as_mut().poll(cx)));
            poll.map_or(Poll::Ready(Err(())), |poll| poll.map(Ok))
        });
        let panicked = polls.await.is_err();
        self.panicked = panicked;
    }

    async fn poll(&self) {
        let mut calls = Calls {
            tasks: JoinSet::new(),
            numbers: HashMap::new(),
        };
        loop {
            let Some(shared) = self.shared.upgrade() else {
                return;
            };
            while let Some(ended) = calls.tasks.try_join_next_with_id() {
                calls.end(&shared, ended);
            }
            let next = calls.begin(&shared, self.number);
            // The task holds on to nothing while there is nothing to do but wait.
            drop(shared);
            let sleep = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep => {}
                () = self.notify.notified() => {}
                Some(ended) = calls.tasks.join_next_with_id() => {
                    if let Some(shared) = self.shared.upgrade() {
                        calls.end(&shared, ended);
                    }
                }
            }
        }
    }
}

impl Calls {
    /// Makes all calls that may be made now. Returns when there may be more to do.
    fn begin(&mut self, shared: &Shared, driver: u64) -> Option<Instant> {
        loop {
            let next = shared.locked(|table| table.next(driver, Instant::now()));
            let plan = match next {
                Next::Wait(until) => return until,
                Next::Call(plan) => plan,
            };
            let id = plan.id;
            let page_size = shared.page_size;
            let call = call(Arc::clone(&shared.clients), plan, page_size);
            let handle = self.tasks.spawn(call);
            self.numbers.insert(handle.id(), id);
            shared.locked(|table| table.began(id, handle));
        }
    }

    fn end(&mut self, shared: &Shared, ended: Result<(Id, Outcome), JoinError>) {
        let (task, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) if error.is_panic() => {
                let task = error.id();
                // The payload is foreign.
                contained(|| drop(error));
                (task, Outcome::Panicked)
            }
            Err(error) => (error.id(), Outcome::Dropped),
        };
        if let Some(id) = self.numbers.remove(&task) {
            let needless = shared.locked(|table| table.done(id, outcome, Instant::now()));
            drop(needless);
        }
    }
}

/// Makes one call of one attempt: when to try again is the schedule's.
async fn call(clients: Arc<Clients>, plan: Plan, page_size: i32) -> Outcome {
    let timeout = plan.timeout;
    match plan.request {
        Request::Poll(name) => {
            let request = GetOperationRequest {
                name: name.to_string(),
            };
            Outcome::Polled(waiter::get(&clients, request, None, timeout).await)
        }
        Request::Look(subject) => Outcome::Looked(subject.look(&clients, timeout).await),
        Request::Page { location, token } => {
            let mut request = tonic::Request::new(ListOperationsRequest {
                name: location.to_string(),
                page_size,
                page_token: token,
                ..ListOperationsRequest::default()
            });
            request.extensions_mut().insert(once(timeout));
            let page = clients.operations().list_operations(request).await;
            Outcome::Listed(page.map(tonic::Response::into_inner))
        }
    }
}
