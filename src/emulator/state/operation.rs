//! Operations, running and done.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use prost_types::{Any, Timestamp};
use tonic::{Code, Status};
use tonic_types::pb;

use super::Tables;
use super::clock::Moment;
use super::tracked_map::Rows;
use crate::emulator::faults::operation_plan::OperationPlan;
use crate::proto::google::cloud::apigateway::v1::OperationMetadata;
use crate::proto::google::longrunning::{Operation, operation};

/// The version of the service that starts operations.
pub(crate) const API_VERSION: &str = "v1";

/// All operations, with what is to happen to them in the order of its time.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    /// By name.
    pub(crate) rows: Rows<Running>,
    /// The names of those that are not forgotten: running, and done.
    pub(crate) by_done: [BTreeMap<String, ()>; 2],
    pub(crate) due: BTreeSet<(Moment, Due, String)>,
    /// The operation under way on what, by the name of that.
    pub(crate) holds: BTreeMap<String, String>,
    pub(crate) started: u64,
}

/// What happens to an operation at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    Half,
    End,
    Forget,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Update,
    Delete,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Done,
    Cancelled,
    Failed,
}

/// What is done to a resource by its operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) verb: Verb,
    /// Halfway.
    pub(crate) half: Option<fn(&mut Tables, &str)>,
    /// Why its resource cannot be taken away.
    pub(crate) used: fn(&Tables, &str) -> Option<String>,
    /// At the end; what it gives is the response of an operation that is done.
    pub(crate) end: fn(&mut Tables, &str, Verb, Ended, Timestamp) -> Any,
}

/// An operation, running or done.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) began: Moment,
    pub(crate) ends: Moment,
    pub(crate) target: String,
    pub(crate) work: Work,
    pub(crate) plan: OperationPlan,
    /// Cancelled, or failed by being cancelled.
    pub(crate) cancelled: Option<Status>,
    pub(crate) requested_cancellation: bool,
    pub(crate) result: Option<operation::Result>,
    /// Deleted by a client, or expired, which stops nothing: it is not shown, and ends on its own.
    pub(crate) forgotten: bool,
    pub(crate) holds: Vec<String>,
}

impl Verb {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

impl Operations {
    /// Starts an operation and gives its name. What it holds, no other operation can hold meanwhile.
    pub(crate) fn start(
        &mut self,
        work: Work,
        target: &str,
        holds: Vec<String>,
        plan: OperationPlan,
        began: Moment,
    ) -> String {
        self.started += 1;
        let location = target.split('/').take(4).collect::<Vec<_>>().join("/");
        let name = format!("{location}/operations/operation-{:08x}", self.started);
        let takes = plan.takes.unwrap_or_default();
        let ends = began.after(takes);
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
        self.take_up(name.clone(), running);
        name
    }

    /// Takes up an operation, a new one or one that was kept: what is to happen to it, and what it holds.
    pub(crate) fn take_up(&mut self, name: String, running: Running) {
        let (plan, done) = (&running.plan, running.result.is_some());
        if !done {
            self.due.insert((running.ends, Due::End, name.clone()));
            if running.work.half.is_some() && !plan.stopped {
                let half = running.began.after(plan.takes.unwrap_or_default() / 2);
                self.due.insert((half, Due::Half, name.clone()));
            }
            for held in &running.holds {
                self.holds.insert(held.clone(), name.clone());
            }
        }
        if !running.forgotten {
            if let Some(time) = plan.forgotten {
                let forgotten = running.began.after(time);
                self.due.insert((forgotten, Due::Forget, name.clone()));
            }
            self.by_done[usize::from(done)].insert(name.clone(), ());
        }
        self.rows.insert(name, running);
    }

    pub(crate) fn clear(&mut self) {
        let Self {
            rows,
            by_done,
            due,
            holds,
            started,
        } = self;
        rows.clear();
        *by_done = Default::default();
        due.clear();
        holds.clear();
        *started = 0;
    }

    /// The operation under way on something.
    pub(crate) fn under_way(&self, held: &str) -> Option<&str> {
        self.holds.get(held).map(String::as_str)
    }

    /// What is to happen next, if its time has come.
    pub(crate) fn next(&mut self, now: Moment) -> Option<(Moment, Due, String)> {
        let (at, ..) = self.due.first()?;
        if *at > now {
            return None;
        }
        self.due.pop_first()
    }

    /// Ends a running operation with a status, at the latest at this moment.
    pub(crate) fn end_with(&mut self, name: &str, status: Status, at: Moment) {
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
    pub(crate) fn ended(&mut self, name: &str, result: operation::Result) {
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
    pub(crate) fn forget(&mut self, name: &str) {
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

    /// Whether a resource is being created and will not be, since that was cancelled.
    pub(crate) fn is_being_undone(&self, name: &str) -> bool {
        let running = self.under_way(name).and_then(|name| self.rows.get(name));
        running.is_some_and(|running| {
            let cancelled = running.cancelled.as_ref();
            running.target == name && cancelled.is_some_and(|status| running.work.undoes(status))
        })
    }

    /// An operation that is not forgotten.
    pub(crate) fn get(&self, name: &str) -> Option<&Running> {
        self.rows.get(name).filter(|running| !running.forgotten)
    }
}

impl Work {
    /// Whether an end with this status takes its resource away: a creation that is cancelled does.
    pub(crate) fn undoes(&self, status: &Status) -> bool {
        self.verb == Verb::Create && status.code() == Code::Cancelled
    }
}

impl Running {
    /// How it ends, and the status if that is not its response.
    pub(crate) fn end(&self) -> (Ended, Option<pb::Status>) {
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
    pub(crate) fn operation(&self, name: &str, now: Moment, stale: bool) -> Operation {
        let mut metadata = OperationMetadata {
            create_time: Some(self.began.into()),
            target: self.target.clone(),
            verb: self.work.verb.name().to_owned(),
            api_version: API_VERSION.to_owned(),
            ..Default::default()
        };
        let result = self.result.clone().filter(|_| !stale);
        if !stale {
            self.advance(&mut metadata, now);
        }
        Operation {
            name: name.to_owned(),
            metadata: Any::from_msg(&metadata).ok(),
            done: result.is_some(),
            result,
        }
    }

    /// How far it has come, in words.
    pub(crate) fn message(&self, now: Moment) -> &str {
        let now = match self.result {
            Some(_) => self.ends,
            None => now,
        };
        let reached = self.plan.progress.iter().rev();
        let mut reached = reached.filter(|(after, _)| *after <= now.since(self.began));
        reached.next().map_or("", |(_, message)| message)
    }

    fn advance(&self, metadata: &mut OperationMetadata, now: Moment) {
        metadata.requested_cancellation = self.requested_cancellation;
        self.message(now).clone_into(&mut metadata.status_message);
        if self.result.is_some() {
            metadata.end_time = Some(self.ends.into());
            metadata.diagnostics.clone_from(&self.plan.diagnostics);
        }
    }
}

/// A status as a message, with the details that it has.
pub(crate) fn written(status: &Status) -> pb::Status {
    let details = pb::Status::decode(status.details()).unwrap_or_default();
    pb::Status {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: details.details,
    }
}
