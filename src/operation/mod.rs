//! Long-running operations: awaited, watched, resumed and cancelled.

mod result;

use std::marker::PhantomData;

use crate::clients::Clients;
use crate::error::Error;
use crate::proto::google::longrunning::Operation as Message;

pub use result::OperationResult;

/// An operation that ends in an `R`: an `Api`, an `ApiConfig`, a `Gateway`, or nothing.
#[derive(Clone, Debug)]
#[must_use = "the operation goes on at the server whether it is awaited or not"]
pub struct Operation<R> {
    clients: Clients,
    latest: Message,
    /// What it is done to, as far as it is known before its metadata says so.
    target: Option<String>,
    result: PhantomData<fn() -> R>,
}

impl<R: OperationResult> Operation<R> {
    /// The operation that a method has just started on `target`.
    ///
    /// # Errors
    ///
    /// If the reply is neither done nor has a name: there is nothing to ask for again.
    pub(crate) fn started(
        clients: &Clients,
        reply: Message,
        target: Option<String>,
    ) -> Result<Self, Error> {
        Ok(Self {
            clients: clients.clone(),
            latest: reply,
            target,
            result: PhantomData,
        })
    }

    /// Its name, `projects/{project}/locations/{location}/operations/{operation}`; empty for one that was
    /// done when it was started (AIP-151).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.latest.name
    }
}
