//! Operations, running and done.

use std::collections::{BTreeMap, BTreeSet};

use prost::Name;
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::pb;

use super::clock::Moment;
use super::tracked_map::TrackedMap;
use crate::emulator::error;
use crate::emulator::faults::operation_plan::OperationPlan;
use crate::proto::google::cloud::apigateway::v1::OperationMetadata;
use crate::proto::google::longrunning::{Operation, operation};

/// The kind of operations, as errors name it.
pub(crate) const OPERATION: &str = "Operation";

/// The version of the service that starts operations.
pub(crate) const API_VERSION: &str = "v1";

/// All operations, and their events in the order of time.
#[derive(Debug, Default)]
pub(crate) struct OperationTable {
    /// Operations by name.
    pub(crate) rows: TrackedMap<OperationRecord>,
    /// The names of visible operations: those that run, and those that are done.
    pub(crate) by_done: [BTreeMap<String, ()>; 2],
    pub(crate) events: BTreeSet<(Moment, Event, String)>,
    /// The held locks, each with the name of the operation that holds it.
    pub(crate) locks: BTreeMap<String, String>,
    /// Number of operations that have been started. The name of an operation is made from it.
    pub(crate) started: u64,
}

/// An event in the life of an operation. Events that are due at the same moment happen in the order of the
/// variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// A progress message of the plan becomes visible.
    Progress,
    /// Half of the operation's time has passed.
    Midpoint,
    End,
    /// From now on the operation is not found.
    Expiry,
}

/// The verb of an operation, as its metadata has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Update,
    Delete,
}

/// The kind of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResourceKind {
    Api,
    ApiConfig,
    Gateway,
}

/// The outcome of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeded,
    Cancelled,
    Failed,
}

/// The effect of an operation: its verb and the kind of its resource. [`lifecycle`](super::lifecycle) applies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) verb: Verb,
    pub(crate) kind: ResourceKind,
}

/// An operation, running or done.
#[derive(Debug)]
pub(crate) struct OperationRecord {
    pub(crate) started_at: Moment,
    pub(crate) ends_at: Moment,
    pub(crate) target: String,
    pub(crate) effect: Effect,
    pub(crate) plan: OperationPlan,
    /// The status with which a cancellation ends the operation.
    pub(crate) cancelled: Option<Status>,
    pub(crate) requested_cancellation: bool,
    pub(crate) result: Option<operation::Result>,
    /// Deleted by a client, or expired. The operation is not visible, and its effect continues.
    pub(crate) is_hidden: bool,
    /// No two operations hold the same lock.
    pub(crate) locks: Vec<String>,
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

impl Effect {
    /// Returns true if an end with this status removes the resource, as the cancellation of a creation does.
    pub(crate) fn removes_target(self, status: &Status) -> bool {
        self.verb == Verb::Create && status.code() == Code::Cancelled
    }

    /// Returns true if the effect has a midpoint: a config is ACTIVATING in the second half of its creation.
    fn has_midpoint(self) -> bool {
        self.verb == Verb::Create && self.kind == ResourceKind::ApiConfig
    }
}

impl OperationTable {
    /// Adds an operation and returns its name.
    pub(super) fn start(
        &mut self,
        effect: Effect,
        target: &str,
        locks: Vec<String>,
        plan: OperationPlan,
        now: Moment,
    ) -> String {
        self.started += 1;
        let location = target.split('/').take(4).collect::<Vec<_>>().join("/");
        let name = format!("{location}/operations/operation-{:08x}", self.started);
        let takes = plan.takes.unwrap_or_default();
        let record = OperationRecord {
            started_at: now,
            ends_at: now.after(takes),
            target: target.to_owned(),
            effect,
            plan,
            cancelled: None,
            requested_cancellation: false,
            result: None,
            is_hidden: false,
            locks,
        };
        self.insert(name.clone(), record);
        name
    }

    /// Adds an operation, new or stored, with its events and locks.
    pub(crate) fn insert(&mut self, name: String, record: OperationRecord) {
        let (plan, is_done) = (&record.plan, record.result.is_some());
        if !is_done {
            let end = (record.ends_at, Event::End, name.clone());
            self.events.insert(end);
            if record.effect.has_midpoint() && !plan.stopped {
                self.events
                    .insert((record.midpoint(), Event::Midpoint, name.clone()));
            }
            for (after, _) in &plan.progress {
                let progress = record.started_at.after(*after);
                self.events
                    .insert((progress, Event::Progress, name.clone()));
            }
            for lock in &record.locks {
                self.locks.insert(lock.clone(), name.clone());
            }
        }
        if !record.is_hidden {
            if let Some(time) = plan.forgotten {
                let expiry = record.started_at.after(time);
                self.events.insert((expiry, Event::Expiry, name.clone()));
            }
            self.by_done[usize::from(is_done)].insert(name.clone(), ());
        }
        self.rows.insert(name, record);
    }

    pub(super) fn clear(&mut self) {
        let Self {
            rows,
            by_done,
            events,
            locks,
            started,
        } = self;
        rows.clear();
        *by_done = Default::default();
        events.clear();
        locks.clear();
        *started = 0;
    }

    /// Returns the name of the operation that holds a lock.
    pub(crate) fn locked_by(&self, lock: &str) -> Option<&str> {
        self.locks.get(lock).map(String::as_str)
    }

    /// Returns the time of the next event.
    pub(crate) fn next_event_at(&self) -> Option<Moment> {
        self.events.first().map(|(at, ..)| *at)
    }

    /// Removes and returns the next event that is due.
    pub(super) fn next_event(&mut self, now: Moment) -> Option<(Moment, Event, String)> {
        let (at, ..) = self.events.first()?;
        if *at > now {
            return None;
        }
        self.events.pop_first()
    }

    /// Ends a running operation with a status at a moment. Has no effect if the operation is due to end before that moment.
    pub(super) fn end_with(&mut self, name: &str, status: Status, at: Moment) {
        if let Some(record) = self.rows.get_mut(name)
            && at <= record.ends_at
        {
            let end = (record.ends_at, Event::End, name.to_owned());
            self.events.remove(&end);
            record.cancelled = Some(status);
            record.ends_at = at;
            self.events.insert((at, Event::End, end.2));
        }
    }

    /// Moves the end of a running operation to an earlier moment.
    pub(super) fn end_at(&mut self, name: &str, at: Moment) {
        if let Some(record) = self.rows.get_mut(name) {
            self.events
                .remove(&(record.ends_at, Event::End, name.to_owned()));
            record.ends_at = at;
            self.events.insert((at, Event::End, name.to_owned()));
        }
    }

    /// Stores the result of an operation, releases its locks and removes its events, except its expiry.
    pub(super) fn finish(&mut self, name: &str, result: operation::Result) {
        let Some(record) = self.rows.get_mut(name) else {
            return;
        };
        for lock in record.locks.drain(..) {
            self.locks.remove(&lock);
        }
        for (after, _) in &record.plan.progress {
            let at = record.started_at.after(*after);
            self.events.remove(&(at, Event::Progress, name.to_owned()));
        }
        self.events
            .remove(&(record.midpoint(), Event::Midpoint, name.to_owned()));
        record.result = Some(result);
        if record.is_hidden {
            self.rows.remove(name);
        } else {
            let [running, done] = &mut self.by_done;
            done.extend(running.remove_entry(name));
        }
    }

    /// Hides an operation. If it is running, its effect continues.
    pub(crate) fn hide(&mut self, name: &str) {
        if let Some(record) = self.rows.get_mut(name) {
            record.is_hidden = true;
            if record.result.is_some() {
                self.rows.remove(name);
            }
            for names in &mut self.by_done {
                names.remove(name);
            }
        }
    }

    /// Returns true if a resource is being created and its creation was cancelled, so that it will be removed.
    pub(crate) fn will_be_removed(&self, name: &str) -> bool {
        let record = self.locked_by(name).and_then(|name| self.rows.get(name));
        record.is_some_and(|record| {
            let cancelled = record.cancelled.as_ref();
            record.target == name
                && cancelled.is_some_and(|status| record.effect.removes_target(status))
        })
    }

    /// Returns a visible operation.
    pub(crate) fn get(&self, name: &str) -> Option<&OperationRecord> {
        self.rows.get(name).filter(|record| !record.is_hidden)
    }
}

impl OperationRecord {
    /// Returns the moment at which half of the planned time has passed.
    fn midpoint(&self) -> Moment {
        let takes = self.plan.takes.unwrap_or_default();
        self.started_at.after(takes / 2)
    }

    /// Returns how the operation ends, and its error unless it succeeds.
    pub(super) fn outcome(&self) -> (Outcome, Option<pb::Status>) {
        let status = self.cancelled.as_ref().or(self.plan.fails.as_ref());
        match status {
            None => (Outcome::Succeeded, None),
            Some(status) if status.code() == Code::Cancelled => {
                (Outcome::Cancelled, Some(error::to_proto(status)))
            }
            Some(status) => (Outcome::Failed, Some(error::to_proto(status))),
        }
    }

    /// Returns the operation as clients see it. A stale read sees the operation as it was at its start.
    pub(crate) fn to_operation(&self, name: &str, now: Moment, is_stale: bool) -> Operation {
        let mut metadata = OperationMetadata {
            create_time: Some(self.started_at.into()),
            target: self.target.clone(),
            verb: self.effect.verb.name().to_owned(),
            api_version: API_VERSION.to_owned(),
            ..Default::default()
        };
        let result = self.result.clone().filter(|_| !is_stale);
        if !is_stale {
            self.write_progress(&mut metadata, now);
        }
        Operation {
            name: name.to_owned(),
            metadata: Some(to_any(&metadata)),
            done: result.is_some(),
            result,
        }
    }

    /// Returns the last progress message of the plan whose time has come.
    pub(crate) fn status_message(&self, now: Moment) -> &str {
        let now = match self.result {
            Some(_) => self.ends_at,
            None => now,
        };
        let mut messages = self.plan.progress.iter().rev();
        let last = messages.find(|(after, _)| *after <= now.since(self.started_at));
        last.map_or("", |(_, message)| message)
    }

    fn write_progress(&self, metadata: &mut OperationMetadata, now: Moment) {
        metadata.requested_cancellation = self.requested_cancellation;
        self.status_message(now)
            .clone_into(&mut metadata.status_message);
        if self.result.is_some() {
            metadata.end_time = Some(self.ends_at.into());
            metadata.diagnostics.clone_from(&self.plan.diagnostics);
        }
    }
}

/// Packs a message. `Any::from_msg` would grow its buffer in small steps.
pub(super) fn to_any<M: Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}
