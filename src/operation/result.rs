//! What operations end in.

use prost::{Message, Name};

use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};

/// What an operation of the service ends in: an [`Api`], an [`ApiConfig`], a [`Gateway`], or `()` for a
/// delete.
pub trait OperationResult: sealed::Sealed + Message + Name + Default + 'static {}

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
