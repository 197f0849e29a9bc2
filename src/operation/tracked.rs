//! What is known of an operation, and what an answer adds to it.

use std::time::{Duration, SystemTime};

use prost_types::Any;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::resource_probe;
use super::schedule::Timetable;
use super::snapshot::Snapshot;
use super::state_machine::{Ending, Event, Target};
use super::verb::Verb;
use crate::proto::google::longrunning::Operation as Message;
use crate::proto::google::longrunning::operation::Result as Ended;
use crate::stack::clients::Clients;

/// An operation, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject {
    pub(crate) snapshot: Snapshot,
    /// The target, as far as it is known without the metadata.
    pub(crate) target: Option<String>,
    /// The verb, as far as it is known without the metadata.
    pub(crate) verb: Verb,
    /// The time at which the operation began, by the server's clock, as far as it is known before the metadata
    /// says so.
    pub(crate) began: Option<SystemTime>,
    /// The moment of the latest answer about the operation; `None` if there was none in this process.
    pub(crate) seen: Option<Instant>,
}

/// What a look at a target came to.
pub(crate) type Looked = Result<(Target, Option<Any>), Status>;

impl Subject {
    /// Returns the target of the method that started the operation or of the handle, or else the one that the metadata
    /// says: metadata that says another target of a create must not make that one a proof.
    pub(crate) fn target(&self) -> Option<String> {
        self.target.clone().or_else(|| self.snapshot.target())
    }

    /// Returns the verb of the method that started the operation, or else the one that the metadata says: metadata that
    /// says `create` of an update must not make its target a proof.
    pub(crate) fn verb(&self) -> Verb {
        if self.verb != Verb::Unknown {
            return self.verb;
        }
        let known = self.snapshot.known();
        known.map(|it| Verb::parse(&it.verb)).unwrap_or_default()
    }

    /// Returns when the operation began, by the server's clock.
    pub(crate) fn began(&self) -> Option<SystemTime> {
        let said = self.snapshot.known().and_then(|it| it.create_time);
        let said = said.and_then(|time| SystemTime::try_from(time).ok());
        said.or(self.began)
    }

    /// The schedule that fits it.
    pub(crate) fn schedule(&self) -> Timetable {
        let target = self.target().unwrap_or_default();
        Timetable::fitting(self.verb().as_str(), &target)
    }

    /// Takes a poll's answer.
    pub(crate) fn answered(&mut self, message: Message) -> Event {
        self.seen = Some(Instant::now());
        let changed = self.snapshot.update(message);
        Event::Answered {
            ending: self.ending(),
            changed,
        }
    }

    pub(crate) fn ending(&self) -> Ending {
        match (self.snapshot.is_done(), self.snapshot.ending()) {
            (false, _) => Ending::None,
            (true, Some(_)) => Ending::Result,
            (true, None) => Ending::Nothing,
        }
    }

    /// Reads the target and judges the operation by it, within `timeout`. The future does not borrow the subject.
    pub(crate) fn look(
        &self,
        clients: &Clients,
        timeout: Duration,
    ) -> impl Future<Output = Looked> + Send + use<> {
        let (target, clients) = (self.target(), clients.clone());
        let question = resource_probe::Question {
            verb: self.verb(),
            began: self.began(),
            done: self.snapshot.is_done(),
        };
        async move {
            let Some(target) = target else {
                return Ok((Target::Silent, None));
            };
            let found = match resource_probe::look(&clients, &target, timeout).await {
                Ok(found) => Some(found),
                Err(status) if status.code() == Code::NotFound => None,
                Err(status) => return Err(status),
            };
            Ok(resource_probe::judge(found, &question))
        }
    }

    /// Takes what its target showed: that may stand for a result.
    pub(crate) fn looked(&mut self, target: Target, result: Option<Any>) -> Event {
        if let Some(result) = result {
            let mut message = self.snapshot.raw().clone();
            message.done = true;
            message.result = Some(Ended::Response(result));
            self.snapshot.update(message);
        }
        Event::Seen(target)
    }
}
