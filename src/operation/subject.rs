//! What is known of an operation, and what an answer adds to it.

use prost_types::Any;
use tonic::{Code, Status};

use super::schedule::Timetable;
use super::snapshot::Snapshot;
use super::step::{Ending, Event, Target};
use super::target;
use crate::clients::Clients;
use crate::proto::google::longrunning::Operation as Message;
use crate::proto::google::longrunning::operation::Result as Ended;

/// An operation, as far as it is known.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) snapshot: Snapshot,
    /// What it is done to, as far as it is known before its metadata says so.
    pub(crate) target: Option<String>,
    /// Whether it ends in nothing, as deletes do.
    pub(crate) deletes: bool,
}

/// What a look at a target came to.
pub(crate) type Looked = Result<(Target, Option<Any>), Status>;

impl Subject {
    /// What it is done to.
    pub(crate) fn target(&self) -> Option<String> {
        self.snapshot.target().or_else(|| self.target.clone())
    }

    fn verb(&self) -> String {
        self.snapshot.known().map(|it| it.verb).unwrap_or_default()
    }

    /// The schedule that fits it.
    pub(crate) fn schedule(&self) -> Timetable {
        Timetable::fitting(&self.verb(), self.target().as_deref().unwrap_or_default())
    }

    /// Takes a poll's answer.
    pub(crate) fn answered(&mut self, message: Message) -> Event {
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

    /// A look at its target, which needs nothing of this any more.
    pub(crate) fn look(&self, clients: &Clients) -> impl Future<Output = Looked> + Send + use<> {
        let (target, clients) = (self.target(), clients.clone());
        let deletes = self.deletes || self.verb() == "delete";
        async move {
            let Some(target) = target else {
                return Ok((Target::Silent, None));
            };
            match target::look(&clients, &target).await {
                Ok(found) => Ok(target::judge(found, deletes)),
                Err(status) if status.code() == Code::NotFound && deletes => {
                    let empty = Any::from_msg(&()).unwrap_or_default();
                    Ok((Target::Settled, Some(empty)))
                }
                Err(status) if status.code() == Code::NotFound => Ok((Target::Silent, None)),
                Err(status) => Err(status),
            }
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
