//! The state of an operation at one moment.

use prost::{Message, Name};
use prost_types::Any;

use crate::error::Error;
use crate::proto::google::cloud::apigateway::v1::OperationMetadata;
use crate::proto::google::cloud::apigateway::v1::operation_metadata::Diagnostic;
use crate::proto::google::longrunning::Operation;
use crate::proto::google::longrunning::operation::Result as Outcome;

/// The state of an operation, as received from the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    message: Operation,
}

/// The metadata of an operation, which describes its progress.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Metadata {
    /// The operation has no metadata.
    Absent,
    /// The metadata of API Gateway.
    Known(Box<OperationMetadata>),
    /// A message of another type, as received.
    Unknown(Any),
    /// A message with the type of [`OperationMetadata`] that cannot be decoded, as received.
    Malformed(Any),
}

impl Snapshot {
    pub(crate) fn new(message: Operation) -> Self {
        Self { message }
    }

    /// Returns the name, such as `projects/{project}/locations/{location}/operations/{operation}`.
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
    pub fn raw(&self) -> &Operation {
        &self.message
    }

    /// Returns the metadata, decoded as [`OperationMetadata`] of API Gateway. Metadata is returned as received if it has another
    /// type or cannot be decoded.
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

    /// Returns the metadata as a message of type `M`; `None` if the operation has no metadata.
    ///
    /// # Errors
    ///
    /// Returns an error if the metadata is a message of another type, or if it cannot be decoded. [`raw`](Self::raw) has the
    /// metadata as received.
    pub fn metadata_as<M: Message + Name + Default>(&self) -> Result<Option<M>, Error> {
        self.metadata_named(&M::full_name())
    }

    /// Returns the metadata as a message of type `M`, for a type that does not implement [`Name`]; `None` if the operation has
    /// no metadata. `type_name` is the full name of the message, such as
    /// `google.spanner.admin.database.v1.CreateDatabaseMetadata`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`metadata_as`](Self::metadata_as).
    pub fn metadata_named<M: Message + Default>(
        &self,
        type_name: &str,
    ) -> Result<Option<M>, Error> {
        let Some(any) = &self.message.metadata else {
            return Ok(None);
        };
        let refused = |text: String| Error::protocol(text).context("get operation", self.name());
        let found = self::type_name(any);
        if found != type_name {
            let found = found.escape_debug();
            return Err(refused(format!(
                "metadata type is {found}, expected {type_name}"
            )));
        }
        let decoded = M::decode(any.value.as_slice());
        let decoded = decoded.map_err(|error| refused(format!("invalid {type_name}: {error}")))?;
        Ok(Some(decoded))
    }

    pub(crate) fn known(&self) -> Option<OperationMetadata> {
        match self.metadata() {
            Metadata::Known(metadata) => Some(*metadata),
            _ => None,
        }
    }

    /// Returns the full name of the target in the metadata of API Gateway; `None` if the metadata does not have it.
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
    pub(crate) fn update(&mut self, mut later: Operation) -> bool {
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
    fn metadata_of_another_type_and_malformed_metadata_are_errors() {
        let metadata = OperationMetadata {
            verb: "create".to_owned(),
            ..OperationMetadata::default()
        };
        let with = |metadata: Option<Any>| {
            Snapshot::new(Operation {
                name: "n".to_owned(),
                metadata,
                ..Operation::default()
            })
        };
        let any = Any::from_msg(&metadata).expect("it is encoded");
        let found = with(Some(any.clone())).metadata_as().expect("its type");
        assert_eq!(found, Some(metadata));
        let none = with(None).metadata_as::<OperationMetadata>();
        assert_eq!(none.expect("no metadata"), None);
        let other = with(Some(any)).metadata_named::<OperationMetadata>("x.Y");
        let other = other.expect_err("another type");
        assert!(other.is_invalid_response());
        assert_eq!(
            other.to_string(),
            "get operation n: metadata type is google.cloud.apigateway.v1.OperationMetadata, expected x.Y"
        );
        let broken = Any {
            type_url: "type.googleapis.com/x.Y".to_owned(),
            value: vec![0xff],
        };
        let broken = with(Some(broken)).metadata_named::<OperationMetadata>("x.Y");
        let broken = broken.expect_err("it is malformed").to_string();
        assert!(
            broken.starts_with("get operation n: invalid x.Y: "),
            "{broken}"
        );
    }

    #[test]
    fn updates_change_neither_the_name_nor_the_end() {
        let done = Operation {
            name: "n".to_owned(),
            done: true,
            ..Operation::default()
        };
        let mut snapshot = Snapshot::new(done.clone());
        let older = Operation {
            done: false,
            ..done.clone()
        };
        assert!(!snapshot.update(older));
        assert_eq!(*snapshot.raw(), done);
        let nameless = Operation {
            name: String::new(),
            metadata: Some(Any::default()),
            ..done
        };
        assert!(snapshot.update(nameless));
        assert_eq!(snapshot.name(), "n");
        assert!(snapshot.raw().metadata.is_some());
    }
}
