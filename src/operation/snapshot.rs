//! What is known of an operation at a moment.

use prost::{Message as _, Name as _};
use prost_types::Any;

use crate::proto::google::cloud::apigateway::v1::OperationMetadata;
use crate::proto::google::cloud::apigateway::v1::operation_metadata::Diagnostic;
use crate::proto::google::longrunning::Operation as Message;
use crate::proto::google::longrunning::operation::Result as Outcome;

/// An operation as it was last seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    message: Message,
}

/// What the service says of an operation's progress.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Metadata {
    /// Nothing.
    Absent,
    /// What this service says.
    Known(Box<OperationMetadata>),
    /// A message of another type, as it came.
    Unknown(Any),
    /// A message that claims to be [`OperationMetadata`] and cannot be read as that, as it came.
    Malformed(Any),
}

impl Snapshot {
    pub(crate) fn new(message: Message) -> Self {
        Self { message }
    }

    /// Its name, `projects/{project}/locations/{location}/operations/{operation}`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.message.name
    }

    /// Whether it has ended, however.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.message.done
    }

    /// The operation as it came, its result and its metadata as `Any`.
    #[must_use]
    pub fn raw(&self) -> &Message {
        &self.message
    }

    /// Its metadata. Nothing about it is an error: what cannot be read is given as it came.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        let Some(any) = &self.message.metadata else {
            return Metadata::Absent;
        };
        if type_name(any) != OperationMetadata::full_name() {
            return Metadata::Unknown(any.clone());
        }
        match OperationMetadata::decode(any.value.as_slice()) {
            Ok(metadata) => Metadata::Known(Box::new(metadata)),
            Err(_) => Metadata::Malformed(any.clone()),
        }
    }

    pub(crate) fn known(&self) -> Option<OperationMetadata> {
        match self.metadata() {
            Metadata::Known(metadata) => Some(*metadata),
            _ => None,
        }
    }

    /// The full name of what it is done to, if the metadata says so.
    #[must_use]
    pub fn target(&self) -> Option<String> {
        let target = self.known()?.target;
        Some(target).filter(|target| !target.is_empty())
    }

    /// What the service found wrong with what it was given, such as a line of an OpenAPI document.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        self.known().map(|it| it.diagnostics).unwrap_or_default()
    }

    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.message.result.as_ref()
    }

    /// Takes what was seen later. The name stays: a poll's reply may lack it. What is done stays done: a
    /// replica that lags behind may answer later. Whether anything has changed.
    pub(crate) fn update(&mut self, mut later: Message) -> bool {
        if self.message.done && !later.done {
            return false;
        }
        if !self.message.name.is_empty() {
            later.name.clone_from(&self.message.name);
        }
        let changed = self.message != later;
        self.message = later;
        changed
    }
}

/// The full name that a type URL ends in. One that was carried from JSON has its own within.
pub(crate) fn type_name(any: &Any) -> &str {
    any.type_url.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_stays_done_and_a_name_stays_whatever_comes_later() {
        let done = Message {
            name: "n".to_owned(),
            done: true,
            ..Message::default()
        };
        let mut snapshot = Snapshot::new(done.clone());
        let older = Message {
            done: false,
            ..done.clone()
        };
        assert!(!snapshot.update(older));
        assert_eq!(*snapshot.raw(), done);
        let nameless = Message {
            name: String::new(),
            metadata: Some(Any::default()),
            ..done
        };
        assert!(snapshot.update(nameless));
        assert_eq!(snapshot.name(), "n");
        assert!(snapshot.raw().metadata.is_some());
    }
}
