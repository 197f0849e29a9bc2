//! The results of operations.

use std::fmt::Debug;

use prost::{Message, Name};
use prost_types::Any;

use super::error::OperationErrorKind;
use super::snapshot::{Snapshot, type_name};
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};
use crate::proto::google::longrunning::operation::Result as Outcome;

/// The result of an operation: an [`Api`], an [`ApiConfig`], a [`Gateway`], `()` for a delete, or [`Any`] for a result whose
/// type is not known, which is returned as received.
pub trait OperationResult: sealed::Sealed + Message + Default + Debug + 'static {
    /// Returns the full name of the message type, such as `google.cloud.apigateway.v1.Api`.
    fn type_name() -> String;
}

mod sealed {
    pub trait Sealed {}
}

/// Returns true if `R` is `Any`, which accepts a result of any type.
pub(crate) fn is_raw<R: OperationResult>() -> bool {
    R::type_name() == Any::full_name()
}

macro_rules! results {
    ($($message:ty),*) => { $(
        impl sealed::Sealed for $message {}
        impl OperationResult for $message {
            fn type_name() -> String {
                <Self as Name>::full_name()
            }
        }
    )* };
}

results!(Any, Api, ApiConfig, Gateway, ());

/// Returns the result of an operation that is done.
pub(crate) fn read<R: OperationResult>(snapshot: &Snapshot) -> Result<R, OperationErrorKind> {
    match snapshot.outcome() {
        Some(Outcome::Error(status)) if status.code == tonic::Code::Cancelled as i32 => {
            Err(OperationErrorKind::Cancelled(status.clone()))
        }
        Some(Outcome::Error(status)) => Err(OperationErrorKind::Failed(status.clone())),
        Some(Outcome::Response(any)) => {
            let wrong = || OperationErrorKind::WrongResult {
                expected: R::type_name(),
                found: any.clone(),
            };
            if is_raw::<R>() {
                return R::decode(any.encode_to_vec().as_slice()).map_err(|_| wrong());
            }
            if type_name(any) != R::type_name() {
                return Err(wrong());
            }
            R::decode(any.value.as_slice()).map_err(|_| wrong())
        }
        // A delete has no result, and with `MissingResult::Empty` the result of any operation may be missing.
        None => Ok(R::default()),
    }
}
