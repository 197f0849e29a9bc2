//! The results of operations.

use std::borrow::Cow;
use std::fmt::{self, Debug};

use prost::{Message, Name};
use prost_types::Any;

use super::error::OperationErrorKind;
use super::snapshot::{Snapshot, type_name};
use crate::proto::google::longrunning::operation::Result as Outcome;

/// The result of an operation: any message type. With [`Any`], a result of any type is returned as received.
///
/// A result is decoded only if the type URL of the response has the expected full name. A type that implements [`Name`], such
/// as [`Api`](crate::model::Api), supplies this name. For another type, the caller passes the name.
pub trait OperationResult: Message + Default + Debug + 'static {}

impl<M: Message + Default + Debug + 'static> OperationResult for M {}

/// The full name of the message type of a result, such as `google.cloud.apigateway.v1.Api`.
#[derive(Clone)]
pub(crate) enum ResultType {
    /// The function that returns the name of a type with [`Name`].
    Known(fn() -> String),
    /// The name that the caller passed.
    #[cfg(feature = "google")]
    Named(std::sync::Arc<str>),
}

impl ResultType {
    /// Returns the result type of messages of type `R`.
    pub(crate) fn of<R: Name>() -> Self {
        Self::Known(R::full_name)
    }

    pub(crate) fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Known(name) => name().into(),
            #[cfg(feature = "google")]
            Self::Named(name) => (&**name).into(),
        }
    }

    /// Returns true for `Any`, which accepts a result of any type.
    pub(crate) fn is_raw(&self) -> bool {
        self.name() == Any::full_name()
    }
}

impl Debug for ResultType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// Returns the result of an operation that is done.
pub(crate) fn read<R: OperationResult>(
    snapshot: &Snapshot,
    expected: &ResultType,
) -> Result<R, OperationErrorKind> {
    match snapshot.outcome() {
        Some(Outcome::Error(status)) if status.code == tonic::Code::Cancelled as i32 => {
            Err(OperationErrorKind::Cancelled(status.clone()))
        }
        Some(Outcome::Error(status)) => Err(OperationErrorKind::Failed(status.clone())),
        Some(Outcome::Response(any)) => {
            let decoded = match expected.is_raw() {
                true => R::decode(any.encode_to_vec().as_slice()),
                false if type_name(any) != expected.name() => {
                    return Err(OperationErrorKind::WrongResult {
                        expected: expected.name().into_owned(),
                        found: any.clone(),
                    });
                }
                false => R::decode(any.value.as_slice()),
            };
            decoded.map_err(|reason| OperationErrorKind::MalformedResult {
                reason,
                found: any.clone(),
            })
        }
        // Only with `MissingResult::Empty` can an operation succeed without a result. The default value replaces the result.
        None => Ok(R::default()),
    }
}
