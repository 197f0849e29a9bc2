//! What the emulator holds: apis, and the operations on them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use prost_types::{Any, Timestamp};
use tokio::time::Instant;
use tonic::Code;
use tonic_types::pb;

use crate::proto::google::cloud::apigateway::v1::{Api, OperationMetadata, api};
use crate::proto::google::longrunning::{Operation, operation};

/// All state, behind one lock. What an operation does at its end is done by whoever looks next.
#[derive(Debug)]
pub(super) struct State {
    operation_time: Duration,
    began: (Instant, SystemTime),
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
pub(super) struct Tables {
    /// By name.
    pub(super) apis: BTreeMap<String, Api>,
    /// By name.
    pub(super) operations: BTreeMap<String, Running>,
    started: u64,
}

/// An operation, running or done.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) ends: Instant,
    metadata: OperationMetadata,
    pub(super) result: Option<operation::Result>,
    /// Deleted by a client, which stops nothing: it is no longer shown, and ends on its own.
    pub(super) forgotten: bool,
}

/// One page of a table, with the token of the next: the last name that was shown.
pub(super) fn page<V, T>(
    table: &BTreeMap<String, V>,
    prefix: &str,
    token: &str,
    size: usize,
    show: impl Fn(&str, &V) -> Option<T>,
) -> (Vec<T>, String) {
    let after = Bound::Excluded(prefix.max(token));
    let later = table.range::<str, _>((after, Bound::Unbounded));
    let named = later.take_while(|(name, _)| name.starts_with(prefix));
    let mut shown = named
        .filter_map(|(name, value)| Some((name, show(name, value)?)))
        .peekable();
    let mut items = Vec::new();
    let mut last = "";
    while items.len() < size
        && let Some((name, item)) = shown.next()
    {
        items.push(item);
        last = name;
    }
    let token = shown.peek().map_or("", |_| last).to_owned();
    (items, token)
}

impl State {
    pub(super) fn new(operation_time: Duration) -> Self {
        let began = (Instant::now(), SystemTime::now());
        Self {
            operation_time,
            began,
            tables: Mutex::default(),
        }
    }

    /// The tables as they are now.
    pub(super) fn now(&self) -> MutexGuard<'_, Tables> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.settle(Instant::now(), |instant| self.time(instant));
        tables
    }

    /// Starts an operation and gives its name.
    pub(super) fn start(&self, tables: &mut Tables, verb: &str, target: &str) -> Operation {
        tables.started += 1;
        let location = target.split('/').take(4).collect::<Vec<_>>().join("/");
        let name = format!("{location}/operations/operation-{:08x}", tables.started);
        let now = Instant::now();
        let metadata = OperationMetadata {
            create_time: Some(self.time(now)),
            target: target.to_owned(),
            verb: verb.to_owned(),
            api_version: "v1".to_owned(),
            ..Default::default()
        };
        let running = Running {
            ends: now + self.operation_time,
            metadata,
            result: None,
            forgotten: false,
        };
        let operation = running.operation(&name);
        tables.operations.insert(name, running);
        operation
    }

    /// Ends a running operation as cancelled.
    pub(super) fn cancel(&self, tables: &mut Tables, name: &str) {
        let now = Instant::now();
        let end = self.time(now);
        let Some(running) = tables
            .operations
            .get_mut(name)
            .filter(|running| running.result.is_none())
        else {
            return;
        };
        running.metadata.requested_cancellation = true;
        let status = pb::Status {
            code: Code::Cancelled as i32,
            message: "the operation was cancelled".to_owned(),
            details: Vec::new(),
        };
        running.end(now, end, operation::Result::Error(status));
        let (verb, target) = (
            running.metadata.verb.clone(),
            running.metadata.target.clone(),
        );
        match verb.as_str() {
            "create" => drop(tables.apis.remove(&target)),
            _ => tables.set_state(&target, api::State::Active, end),
        }
    }

    /// An instant as the wall clock has it: the clock of a test may be paused.
    pub(super) fn time(&self, instant: Instant) -> Timestamp {
        let (began, wall) = self.began;
        (wall + instant.saturating_duration_since(began)).into()
    }
}

impl Tables {
    /// The operation under way on a resource.
    pub(super) fn under_way(&self, target: &str) -> Option<&str> {
        let mut running = self
            .operations
            .iter()
            .filter(|(_, running)| running.result.is_none());
        running
            .find(|(_, running)| running.metadata.target == target)
            .map(|(name, _)| name.as_str())
    }

    /// An operation that is not forgotten.
    pub(super) fn operation(&self, name: &str) -> Option<&Running> {
        self.operations
            .get(name)
            .filter(|running| !running.forgotten)
    }

    fn settle(&mut self, now: Instant, time: impl Fn(Instant) -> Timestamp) {
        let due = |running: &Running| running.result.is_none() && running.ends <= now;
        let due: Vec<String> = self
            .operations
            .iter()
            .filter(|(_, running)| due(running))
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            let Some(running) = self.operations.get(&name) else {
                continue;
            };
            let (ends, target) = (running.ends, running.metadata.target.clone());
            let response = if running.metadata.verb == "delete" {
                self.apis.remove(&target);
                Any::from_msg(&())
            } else {
                self.set_state(&target, api::State::Active, time(ends));
                Any::from_msg(&self.apis.get(&target).cloned().unwrap_or_default())
            };
            let result = operation::Result::Response(response.unwrap_or_default());
            if let Some(running) = self.operations.get_mut(&name) {
                running.end(ends, time(ends), result);
            }
        }
    }

    pub(super) fn set_state(&mut self, api: &str, state: api::State, time: Timestamp) {
        if let Some(api) = self.apis.get_mut(api) {
            api.set_state(state);
            api.update_time = Some(time);
        }
    }
}

impl Running {
    /// The operation as a client sees it.
    pub(super) fn operation(&self, name: &str) -> Operation {
        Operation {
            name: name.to_owned(),
            metadata: Any::from_msg(&self.metadata).ok(),
            done: self.result.is_some(),
            result: self.result.clone(),
        }
    }

    fn end(&mut self, at: Instant, time: Timestamp, result: operation::Result) {
        self.ends = at;
        self.metadata.end_time = Some(time);
        self.result = Some(result);
    }
}
