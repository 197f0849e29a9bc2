//! The state of an operation at one moment.

use prost::{Message as _, Name as _};
use prost_types::Any;

use crate::proto::google::cloud::apigateway::v1::OperationMetadata;
use crate::proto::google::cloud::apigateway::v1::operation_metadata::Diagnostic;
use crate::proto::google::longrunning::Operation as Message;
use crate::proto::google::longrunning::operation::Result as Outcome;

/// The state of an operation, as received from the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    message: Message,
}

/// The metadata of an operation, which describes its progress.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Metadata {
    /// The operation has no metadata.
    Absent,
    /// The metadata of this service.
    Known(Box<OperationMetadata>),
    /// A message of another type, as received.
    Unknown(Any),
    /// A message with the type of [`OperationMetadata`] that cannot be decoded, as received.
    Malformed(Any),
}

impl Snapshot {
    pub(crate) fn new(message: Message) -> Self {
        Self { message }
    }

    /// Returns the name, `projects/{project}/locations/{location}/operations/{operation}`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.message.name
    }

    /// Returns true if the operation has ended, with success or failure.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.message.done
    }

    /// Returns the message as received, with its result and its metadata as `Any`.
    #[must_use]
    pub fn raw(&self) -> &Message {
        &self.message
    }

    /// Returns the metadata. Metadata that cannot be decoded is not an error: it is returned as received.
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

    /// Returns the full name of the target; `None` if the metadata does not have it.
    #[must_use]
    pub fn target(&self) -> Option<String> {
        let target = self.known()?.target;
        Some(target).filter(|target| !target.is_empty())
    }

    /// Returns the problems that the service found in the request, such as an invalid line of an OpenAPI document.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        self.known().map(|it| it.diagnostics).unwrap_or_default()
    }

    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.message.result.as_ref()
    }

    /// Applies a later answer. Returns true if it changed the state. The name is kept, since the response to a poll may lack
    /// it. An operation that is done stays done, since a lagging replica may answer later.
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

/// Returns the full name of a message type from its type URL.
pub(crate) fn type_name(any: &Any) -> &str {
    any.type_url.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_change_neither_the_name_nor_the_end() {
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
