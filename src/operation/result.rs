//! What operations end in.

use std::fmt::Debug;

use prost::{Message, Name};

use super::error::OperationErrorKind;
use super::snapshot::{Snapshot, type_name};
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};
use crate::proto::google::longrunning::operation::Result as Ended;

/// What an operation of the service ends in: an [`Api`], an [`ApiConfig`], a [`Gateway`], or `()` for a
/// delete.
pub trait OperationResult: sealed::Sealed + Message + Name + Default + Debug + 'static {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! results {
    ($($message:ty),*) => { $(
        impl sealed::Sealed for $message {}
        impl OperationResult for $message {}
    )* };
}

results!(Api, ApiConfig, Gateway, ());

/// The result of an operation that is done.
pub(crate) fn read<R: OperationResult>(snapshot: &Snapshot) -> Result<R, OperationErrorKind> {
    match snapshot.ending() {
        Some(Ended::Error(status)) if status.code == tonic::Code::Cancelled as i32 => {
            Err(OperationErrorKind::Cancelled(status.clone()))
        }
        Some(Ended::Error(status)) => Err(OperationErrorKind::Failed(status.clone())),
        Some(Ended::Response(any)) => {
            let wrong = || OperationErrorKind::WrongResult {
                expected: R::full_name(),
                found: any.clone(),
            };
            if type_name(any) != R::full_name() {
                return Err(wrong());
            }
            R::decode(any.value.as_slice()).map_err(|_| wrong())
        }
        // A delete may well end in nothing, and so may what the policy lets.
        None => Ok(R::default()),
    }
}
