//! The state of an operation, and its update by answers of the server.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prost_types::Any;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::clients::Clients;
use super::profile::{Facts, ServiceProfile};
use super::resource_probe;
use super::schedule::Schedule;
use super::snapshot::Snapshot;
use super::state_machine::{Completion, Event, Verdict};
use super::verb::Verb;
use crate::proto::google::longrunning::Operation as Message;
use crate::proto::google::longrunning::operation::Result as Outcome;

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
    /// Returns the known facts about the operation. `profile` is the profile of its service.
    ///
    /// The target and the verb from the method or the handle have precedence over the metadata, since metadata that contradicts
    /// them could cause a false proof. For example, metadata with another target would let the state of that other resource
    /// prove a success. Metadata with the verb `create` would let the ready target of an update prove one.
    pub(crate) fn facts(&self, profile: &dyn ServiceProfile) -> Facts {
        let known = metadata_facts(&self.snapshot, profile);
        Facts {
            verb: self.verb.or(known.verb),
            target: self.target.clone().or(known.target),
            began: known.began.or(self.began),
        }
    }

    /// Returns the default schedule of the service for the operation.
    pub(crate) fn schedule(&self, profile: &dyn ServiceProfile) -> Arc<Schedule> {
        let facts = self.facts(profile);
        profile.schedule(facts.verb, facts.target.as_deref())
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
        let facts = self.facts(clients.profile());
        let done = self.snapshot.is_done();
        let clients = clients.clone();
        async move {
            let Some(target) = &facts.target else {
                return Ok((Verdict::Unproven, None));
            };
            let found = match resource_probe::read_resource(&clients, target, timeout).await {
                None => return Ok((Verdict::Unproven, None)),
                Some(Ok(found)) => Some(found),
                Some(Err(status)) if status.code() == Code::NotFound => None,
                Some(Err(status)) => return Err(status),
            };
            Ok(resource_probe::judge(found, &facts, done))
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

/// Returns the facts in the metadata of an operation.
pub(crate) fn metadata_facts(snapshot: &Snapshot, profile: &dyn ServiceProfile) -> Facts {
    let metadata = snapshot.raw().metadata.as_ref();
    metadata.map_or_else(Facts::default, |metadata| profile.facts(metadata))
}
