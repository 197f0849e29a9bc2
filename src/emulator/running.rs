//! Operations, running and done.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use prost::Message as _;
use prost_types::{Any, Timestamp};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::pb;

use super::plan::OperationPlan;
use super::state::Tables;
use crate::proto::google::cloud::apigateway::v1::OperationMetadata;
use crate::proto::google::longrunning::{Operation, operation};

/// The version of the service that starts operations.
pub(super) const API_VERSION: &str = "v1";

/// All operations, with what is to happen to them in the order of its time.
#[derive(Debug, Default)]
pub(super) struct Operations {
    /// By name.
    pub(super) rows: BTreeMap<String, Running>,
    /// The names of those that are not forgotten: running, and done.
    pub(super) by_done: [BTreeMap<String, ()>; 2],
    due: BTreeSet<(Instant, Due, String)>,
    /// The operation under way on what, by the name of that.
    holds: BTreeMap<String, String>,
    started: u64,
}

/// What happens to an operation at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Half,
    End,
    Forget,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Create,
    Update,
    Delete,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    Cancelled,
    Failed,
}

/// What is done to a resource by its operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) verb: Verb,
    /// Halfway.
    pub(super) half: Option<fn(&mut Tables, &str)>,
    /// At the end; what it gives is the response of an operation that is done.
    pub(super) end: fn(&mut Tables, &str, Verb, Ended, Timestamp) -> Any,
}

/// An operation, running or done.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) began: Instant,
    pub(super) ends: Instant,
    pub(super) target: String,
    pub(super) work: Work,
    pub(super) plan: OperationPlan,
    /// Cancelled, or failed by being cancelled.
    pub(super) cancelled: Option<Status>,
    pub(super) requested_cancellation: bool,
    pub(super) result: Option<operation::Result>,
    /// Deleted by a client, or expired, which stops nothing: it is not shown, and ends on its own.
    pub(super) forgotten: bool,
    holds: Vec<String>,
}

/// The wall clock at an instant: the clock of a test may be paused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) began: Instant,
    wall: SystemTime,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            began: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    pub(super) fn time(self, instant: Instant) -> Timestamp {
        (self.wall + instant.saturating_duration_since(self.began)).into()
    }
}

impl Verb {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

impl Operations {
    /// Starts an operation and gives its name. What it holds, no other operation can hold meanwhile.
    pub(super) fn start(
        &mut self,
        work: Work,
        target: &str,
        holds: Vec<String>,
        plan: OperationPlan,
    ) -> String {
        self.started += 1;
        let location = target.split('/').take(4).collect::<Vec<_>>().join("/");
        let name = format!("{location}/operations/operation-{:08x}", self.started);
        let began = Instant::now();
        let takes = plan.takes.unwrap_or_default();
        let ends = later(began, takes);
        self.due.insert((ends, Due::End, name.clone()));
        if work.half.is_some() {
            let half = later(began, takes / 2);
            self.due.insert((half, Due::Half, name.clone()));
        }
        if let Some(time) = plan.forgotten {
            let forgotten = later(began, time);
            self.due.insert((forgotten, Due::Forget, name.clone()));
        }
        self.by_done[0].insert(name.clone(), ());
        for held in &holds {
            self.holds.insert(held.clone(), name.clone());
        }
        let running = Running {
            began,
            ends,
            target: target.to_owned(),
            work,
            plan,
            cancelled: None,
            requested_cancellation: false,
            result: None,
            forgotten: false,
            holds,
        };
        self.rows.insert(name.clone(), running);
        name
    }

    /// The operation under way on something.
    pub(super) fn under_way(&self, held: &str) -> Option<&str> {
        self.holds.get(held).map(String::as_str)
    }

    /// What is to happen next, if its time has come.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Instant, Due, String)> {
        let (at, ..) = self.due.first()?;
        if *at > now {
            return None;
        }
        self.due.pop_first()
    }

    /// Ends a running operation with a status, at the latest at this instant.
    pub(super) fn end_with(&mut self, name: &str, status: Status, at: Instant) {
        if let Some(running) = self.rows.get_mut(name)
            && at <= running.ends
        {
            let due = (running.ends, Due::End, name.to_owned());
            self.due.remove(&due);
            running.cancelled = Some(status);
            running.ends = at;
            self.due.insert((at, Due::End, due.2));
        }
    }

    /// Notes the end of an operation, and lets go of what it held.
    pub(super) fn ended(&mut self, name: &str, result: operation::Result) {
        let Some(running) = self.rows.get_mut(name) else {
            return;
        };
        for held in running.holds.drain(..) {
            self.holds.remove(&held);
        }
        running.result = Some(result);
        if running.forgotten {
            self.rows.remove(name);
        } else {
            let [running, done] = &mut self.by_done;
            done.extend(running.remove_entry(name));
        }
    }

    /// Shows an operation no more. What it does goes on.
    pub(super) fn forget(&mut self, name: &str) {
        if let Some(running) = self.rows.get_mut(name) {
            running.forgotten = true;
            if running.result.is_some() {
                self.rows.remove(name);
            }
            for names in &mut self.by_done {
                names.remove(name);
            }
        }
    }

    /// An operation that is not forgotten.
    pub(super) fn get(&self, name: &str) -> Option<&Running> {
        self.rows.get(name).filter(|running| !running.forgotten)
    }
}

impl Running {
    /// How it ends, and the status if that is not its response.
    pub(super) fn end(&self) -> (Ended, Option<pb::Status>) {
        let status = self.cancelled.as_ref().or(self.plan.fails.as_ref());
        match status {
            None => (Ended::Done, None),
            Some(status) if status.code() == Code::Cancelled => {
                (Ended::Cancelled, Some(written(status)))
            }
            Some(status) => (Ended::Failed, Some(written(status))),
        }
    }

    /// The operation as a client sees it; a stale one is as it was when it was started.
    pub(super) fn operation(&self, name: &str, clock: Clock, stale: bool) -> Operation {
        let mut metadata = OperationMetadata {
            create_time: Some(clock.time(self.began)),
            target: self.target.clone(),
            verb: self.work.verb.name().to_owned(),
            api_version: API_VERSION.to_owned(),
            ..Default::default()
        };
        let result = self.result.clone().filter(|_| !stale);
        if !stale {
            self.advance(&mut metadata, clock);
        }
        Operation {
            name: name.to_owned(),
            metadata: Any::from_msg(&metadata).ok(),
            done: result.is_some(),
            result,
        }
    }

    /// How far it has come, in words.
    pub(super) fn message(&self) -> &str {
        let now = match self.result {
            Some(_) => self.ends,
            None => Instant::now(),
        };
        let reached = self.plan.progress.iter().rev();
        let mut reached = reached.filter(|(after, _)| *after <= now - self.began);
        reached.next().map_or("", |(_, message)| message)
    }

    fn advance(&self, metadata: &mut OperationMetadata, clock: Clock) {
        metadata.requested_cancellation = self.requested_cancellation;
        self.message().clone_into(&mut metadata.status_message);
        if self.result.is_some() {
            metadata.end_time = Some(clock.time(self.ends));
            metadata.diagnostics.clone_from(&self.plan.diagnostics);
        }
    }
}

/// An instant after another. A time that no clock can tell is as good as a century.
pub(super) fn later(instant: Instant, time: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    instant + time.min(CENTURY)
}

/// A status as a message, with the details that it has.
pub(super) fn written(status: &Status) -> pb::Status {
    let details = pb::Status::decode(status.details()).unwrap_or_default();
    pb::Status {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: details.details,
    }
}
