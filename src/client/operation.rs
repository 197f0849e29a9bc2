//! The methods for operations.

use std::time::Duration;

use prost::Name;

use super::ApiGateway;
use super::list::List;
use super::request::sealed::Call as _;
use crate::error::Error;
use crate::operation::{
    Handle, Operation as LongRunning, OperationResult, ResultType, Verb, Watcher,
};
use crate::proto::google::longrunning::{
    CancelOperationRequest, DeleteOperationRequest, GetOperationRequest, ListOperationsRequest,
    Operation, WaitOperationRequest,
};

impl ApiGateway {
    /// Reads an operation, `projects/{project}/locations/{location}/operations/{operation}`.
    ///
    /// The error of a failed operation is in its `result`, and is not an error of this call.
    ///
    /// # Errors
    ///
    /// If the name is invalid, nothing is sent. If the call fails, the error names the operation. An operation is not found if
    /// it never existed, was deleted or has expired.
    pub async fn get_operation(&self, name: impl Into<String>) -> Result<Operation, Error> {
        let name = name.into();
        let called = async {
            let request = GetOperationRequest { name: name.clone() };
            request.check()?;
            Ok(self
                .operations_client()
                .get_operation(request)
                .await?
                .into_inner())
        };
        // The call is boxed, so that the returned future is small: a caller that polls in a loop may store the future.
        let called = Box::pin(called).await;
        called.map_err(|error: Error| error.context("get operation", &name))
    }

    /// Lists the operations of a location, `projects/{project}/locations/{location}`, or of all locations,
    /// `projects/{project}/locations/-`. A list of all locations returns the operations of the reachable locations, unless the
    /// list is [strict](List::strict).
    ///
    /// ```
    /// # #[cfg(feature = "emulator")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), apigateway_grpc::Error> {
    /// # use apigateway_grpc::{ApiGateway, emulator::Emulator};
    /// let emulator = Emulator::builder().unreachable("us-east1").build();
    /// let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
    ///
    /// let page = client.list_operations("projects/p/locations/-").first_page().await?;
    /// assert_eq!(page.unreachable, ["projects/p/locations/us-east1"]);
    ///
    /// let strict = client.list_operations("projects/p/locations/-").strict();
    /// assert!(strict.first_page().await.is_err_and(|error| error.is_unavailable()));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "emulator"))]
    /// # fn main() {}
    /// ```
    pub fn list_operations(&self, parent: impl Into<String>) -> List<ListOperationsRequest> {
        let name = parent.into();
        self.list(ListOperationsRequest {
            // The service rejects this field in a list of one location.
            return_partial_success: name.ends_with("/locations/-"),
            name,
            ..ListOperationsRequest::default()
        })
    }

    /// Requests that the service cancel an operation. The operation may succeed nevertheless; read it for its outcome
    /// (AIP-151).
    ///
    /// # Errors
    ///
    /// As [`get_operation`](Self::get_operation). A service without cancellation returns UNIMPLEMENTED.
    pub async fn cancel_operation(&self, name: impl Into<String>) -> Result<(), Error> {
        let request = CancelOperationRequest { name: name.into() };
        self.send(request).await
    }

    /// Deletes the record of an operation. The work of the operation continues.
    ///
    /// # Errors
    ///
    /// As [`get_operation`](Self::get_operation).
    pub async fn delete_operation(&self, name: impl Into<String>) -> Result<(), Error> {
        let request = DeleteOperationRequest { name: name.into() };
        self.send(request).await
    }

    /// Lets the server wait for an operation, for `timeout` or a shorter time of the server's choice. Returns the latest state,
    /// which may not be done. The call itself ends at its deadline, 60 seconds by default
    /// ([`CallOptions::timeout`](crate::CallOptions::timeout)), even if `timeout` is longer.
    ///
    /// # Errors
    ///
    /// As [`get_operation`](Self::get_operation). The call fails with UNIMPLEMENTED if the server does not offer the method,
    /// and over REST, which has no such method.
    pub async fn wait_operation(
        &self,
        name: impl Into<String>,
        timeout: Duration,
    ) -> Result<Operation, Error> {
        let request = WaitOperationRequest {
            name: name.into(),
            // A timeout that the message cannot represent is not sent.
            timeout: prost_types::Duration::try_from(timeout).ok(),
        };
        self.send(request).await
    }

    /// Returns an operation that was started elsewhere, by its name. `R` is the type of its result:
    /// [`Api`](crate::model::Api), [`ApiConfig`](crate::model::ApiConfig), [`Gateway`](crate::model::Gateway), `()` for a
    /// delete, or [`Any`](prost_types::Any) if the type is not known. No call is made before the operation is awaited or
    /// polled.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is not of the form `projects/{project}/locations/{location}/operations/{operation}`.
    pub fn operation<R: OperationResult + Name>(
        &self,
        name: impl Into<String>,
    ) -> Result<LongRunning<R>, Error> {
        let request = GetOperationRequest { name: name.into() };
        let checked = request.check();
        checked.map_err(|error| error.context("resume operation", &request.name))?;
        // Of the operations of this service, only a delete has an empty result.
        let verb = match R::full_name() == <()>::full_name() {
            true => Verb::Delete,
            false => Verb::Unknown,
        };
        let result = ResultType::of::<R>();
        Ok(LongRunning::resumed(
            &self.clients,
            request.name,
            verb,
            result,
        ))
    }

    /// Returns an operation by its handle, which may come from another process.
    ///
    /// With [`Any`](prost_types::Any) as `R`, the handle of any operation can be resumed, and the result is returned as
    /// received.
    ///
    /// ```
    /// # #[cfg(feature = "emulator")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), apigateway_grpc::Error> {
    /// # use apigateway_grpc::{ApiGateway, emulator::Emulator, model::Api};
    /// # let emulator = Emulator::builder().build();
    /// # let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
    /// use apigateway_grpc::prost_types::Any;
    ///
    /// let handle = client.create_api("projects/p/locations/global", "a", Api::default()).await?.handle();
    /// let any: Any = client.resume::<Any>(&handle)?.await?;
    /// assert!(any.type_url.ends_with(handle.result()));
    /// let api: Api = client.resume::<Api>(&handle)?.await?;
    /// assert_eq!(api.display_name, "a");
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "emulator"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the operation belongs to another service, if its result is not an `R`, or if the name, the verb or
    /// the start time in the handle is invalid. Handles of earlier versions, which may lack the service, the verb and the time,
    /// are accepted.
    pub fn resume<R: OperationResult + Name>(
        &self,
        handle: &Handle,
    ) -> Result<LongRunning<R>, Error> {
        let service = self.clients.profile().service();
        handle.check(service, &ResultType::of::<R>())?;
        let operation = self.operation::<R>(handle.name())?;
        Ok(operation.described_by(handle))
    }

    /// Returns a watcher, which waits for many operations of this client with few calls. Each call of this method returns a
    /// watcher with its own rate limit.
    #[must_use]
    pub fn watcher(&self) -> Watcher {
        Watcher::new(&self.clients)
    }
}
