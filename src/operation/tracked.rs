//! The state of an operation, and its update by answers of the server.

use std::time::{Duration, SystemTime};

use prost_types::Any;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::resource_probe;
use super::schedule::ScheduleRef;
use super::snapshot::Snapshot;
use super::state_machine::{Completion, Event, Verdict};
use super::verb::Verb;
use crate::proto::google::longrunning::Operation as Message;
use crate::proto::google::longrunning::operation::Result as Outcome;
use crate::stack::clients::Clients;

/// The known state of an operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrackedOperation {
    pub(crate) snapshot: Snapshot,
    /// The target from the method or the handle. If it is `None`, the metadata may have the target.
    pub(crate) target: Option<String>,
    /// The verb from the method, the handle or the type of the result. If it is unknown, the metadata may have the verb.
    pub(crate) verb: Verb,
    /// The time at which the operation began, by the server's clock, from the handle. The time in the metadata has precedence.
    pub(crate) began: Option<SystemTime>,
    /// Time of the latest answer about the operation; `None` if this process received none.
    pub(crate) last_seen: Option<Instant>,
}

/// The result of a probe of the target.
pub(crate) type ProbeResult = Result<(Verdict, Option<Any>), Status>;

impl TrackedOperation {
    /// Returns the target from the method or the handle, or else from the metadata. The method and the handle have precedence:
    /// if the metadata contradicts them, the state of another resource must not count as proof.
    pub(crate) fn target(&self) -> Option<String> {
        self.target.clone().or_else(|| self.snapshot.target())
    }

    /// Returns the verb from the method, the handle or the type of the result, or else from the metadata. The metadata comes
    /// last: if the metadata of an update has the verb `create`, the ready target must not count as proof.
    pub(crate) fn verb(&self) -> Verb {
        if self.verb != Verb::Unknown {
            return self.verb;
        }
        let known = self.snapshot.known();
        known.map(|it| Verb::parse(&it.verb)).unwrap_or_default()
    }

    /// Returns the time at which the operation began, by the server's clock.
    pub(crate) fn began(&self) -> Option<SystemTime> {
        let said = self.snapshot.known().and_then(|it| it.create_time);
        let said = said.and_then(|time| SystemTime::try_from(time).ok());
        said.or(self.began)
    }

    /// Returns the schedule that fits the operation.
    pub(crate) fn schedule(&self) -> ScheduleRef {
        let target = self.target().unwrap_or_default();
        ScheduleRef::fitting(self.verb().as_str(), &target)
    }

    /// Applies the answer to a poll.
    pub(crate) fn apply_answer(&mut self, message: Message) -> Event {
        self.last_seen = Some(Instant::now());
        let changed = self.snapshot.update(message);
        Event::Answered {
            completion: self.completion(),
            changed,
        }
    }

    pub(crate) fn completion(&self) -> Completion {
        match (self.snapshot.is_done(), self.snapshot.outcome()) {
            (false, _) => Completion::Running,
            (true, Some(_)) => Completion::Result,
            (true, None) => Completion::NoResult,
        }
    }

    /// Probes the target within `timeout`. Returns the verdict about the operation, and its result if the verdict is success.
    /// The future does not borrow the operation.
    pub(crate) fn probe(
        &self,
        clients: &Clients,
        timeout: Duration,
    ) -> impl Future<Output = ProbeResult> + Send + use<> {
        let (target, clients) = (self.target(), clients.clone());
        let context = resource_probe::ProbeContext {
            verb: self.verb(),
            began: self.began(),
            done: self.snapshot.is_done(),
        };
        async move {
            let Some(target) = target else {
                return Ok((Verdict::Unproven, None));
            };
            let found = match resource_probe::read_resource(&clients, &target, timeout).await {
                Ok(found) => Some(found),
                Err(status) if status.code() == Code::NotFound => None,
                Err(status) => return Err(status),
            };
            Ok(resource_probe::judge(found, &context))
        }
    }

    /// Applies the result of a probe of the target, which may supply the result of the operation.
    pub(crate) fn apply_probe(&mut self, verdict: Verdict, result: Option<Any>) -> Event {
        if let Some(result) = result {
            let mut message = self.snapshot.raw().clone();
            message.done = true;
            message.result = Some(Outcome::Response(result));
            self.snapshot.update(message);
        }
        Event::Probed(verdict)
    }
}
