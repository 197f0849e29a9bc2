//! The tasks of a watcher: one on each Tokio runtime on which waits are polled. Each makes the calls that are due, so the end
//! of one runtime does not stop the waits of another.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::task::Poll;

use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::Shared;
use super::calls::{Outcome, PlannedCall, Request};
use super::table::Next;
use super::wait_end::{AbandonReason, catch_panic};
use crate::operation::attempt::{get_operation, single_attempt};
use crate::operation::clients::Clients;
use crate::proto::google::longrunning::{GetOperationRequest, ListOperationsRequest};

/// The task on one runtime. Its drop hands its work to the other tasks.
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
        let now = Instant::now();
        shared.with_table(|table| {
            let relied_on = table.drivers.remove(self.number);
            table.drop_calls(self.number, now);
            if !table.drivers.is_empty() {
                table.notify_drivers();
            } else if self.panicked {
                // The waits are ended, and not woken to start a new task, which might panic again.
                table.abandon_all(AbandonReason::Panicked, now);
            } else if relied_on {
                table.wake_all();
            }
        });
    }
}

/// The calls of one driver.
struct RunningCalls {
    tasks: JoinSet<Outcome>,
    numbers: HashMap<Id, u64>,
}

impl Driver {
    pub(super) async fn run(mut self) {
        let mut driving = Box::pin(self.drive());
        let polls = std::future::poll_fn(move |cx| {
            let poll = catch_unwind(AssertUnwindSafe(|| driving.as_mut().poll(cx)));
            poll.map_or(Poll::Ready(Err(())), |poll| poll.map(Ok))
        });
        let panicked = polls.await.is_err();
        self.panicked = panicked;
    }

    async fn drive(&self) {
        let mut calls = RunningCalls {
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
            // A sleeping task does not keep the watcher alive.
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

impl RunningCalls {
    /// Makes all calls that may be made now. Returns the time of the next action.
    fn begin(&mut self, shared: &Shared, driver: u64) -> Option<Instant> {
        loop {
            let next = shared.with_table(|table| table.next(driver, Instant::now()));
            let plan = match next {
                Next::Wait(until) => return until,
                Next::Call(plan) => plan,
            };
            let id = plan.id;
            let page_size = shared.page_size;
            let call = call(Arc::clone(&shared.clients), plan, page_size);
            let handle = self.tasks.spawn(call);
            self.numbers.insert(handle.id(), id);
            shared.with_table(|table| table.call_spawned(id, handle));
        }
    }

    fn end(&mut self, shared: &Shared, ended: Result<(Id, Outcome), JoinError>) {
        let (task, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) if error.is_panic() => {
                let task = error.id();
                // The drop of a panic's payload may run foreign code.
                catch_panic(|| drop(error));
                (task, Outcome::Panicked)
            }
            Err(error) => (error.id(), Outcome::Dropped),
        };
        if let Some(id) = self.numbers.remove(&task) {
            let needless = shared.with_table(|table| table.end_call(id, outcome, Instant::now()));
            drop(needless);
        }
    }
}

/// Makes one call in one attempt. The schedule decides when to retry.
async fn call(clients: Arc<Clients>, plan: PlannedCall, page_size: i32) -> Outcome {
    let timeout = plan.timeout;
    match plan.request {
        Request::Poll(name) => {
            let request = GetOperationRequest {
                name: name.to_string(),
            };
            Outcome::Polled(get_operation(&clients, request, None, timeout).await)
        }
        Request::Probe(tracked) => Outcome::Probed(tracked.probe(&clients, timeout).await),
        Request::Page { location, token } => {
            let mut request = tonic::Request::new(ListOperationsRequest {
                name: location.to_string(),
                page_size,
                page_token: token,
                ..ListOperationsRequest::default()
            });
            request.extensions_mut().insert(single_attempt(timeout));
            let page = clients.operations().list_operations(request).await;
            Outcome::Listed(page.map(tonic::Response::into_inner))
        }
    }
}
