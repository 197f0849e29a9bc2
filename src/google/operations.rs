//! The operations of a service.

use std::sync::Arc;
use std::time::Duration;

use prost::{Message, Name};

use crate::client::list::List;
use crate::contract::Method;
use crate::error::Error;
use crate::operation::clients::Clients;
use crate::operation::{Handle, Operation, OperationResult, ResultType, Verb};
use crate::proto::google::longrunning::{
    CancelOperationRequest, DeleteOperationRequest, GetOperationRequest, ListOperationsRequest,
    Operation as OperationMessage, WaitOperationRequest,
};

/// The long-running operations of a service. [`Client::operations`](super::Client::operations) returns this.
///
/// A method of a generated client that starts an operation returns a `google.longrunning.Operation`. Its Rust type may come
/// from any crate. Pass this message to [`started`](Self::started), which returns an [`Operation`] to await, watch, cancel or
/// resume:
///
/// ```
/// # #[cfg(feature = "emulator")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use apigateway_grpc::emulator::Emulator;
/// # use apigateway_grpc::proto::google::cloud::apigateway::v1::api_gateway_service_client::ApiGatewayServiceClient;
/// # let emulator = Emulator::builder().build();
/// use apigateway_grpc::contract::Contract;
/// use apigateway_grpc::google;
/// use apigateway_grpc::model::{Api, CreateApiRequest};
///
/// let client = google::Client::builder(Contract::api_gateway())
///     .transport_service(emulator.service())
///     .anonymous()
///     .build()?;
/// let mut service = ApiGatewayServiceClient::new(client.stack());
/// let parent = "projects/p/locations/global".to_owned();
/// let request = CreateApiRequest { parent, api_id: "a".into(), api: Some(Api::default()) };
/// let response = service.create_api(request).await?.into_inner();
///
/// let operation = client.operations().started::<Api>(&response)?;
/// let handle = operation.handle();
/// let api: Api = operation.await?;
///
/// // Also in another process:
/// let again: Api = client.operations().resume::<Api>(&handle)?.await?;
/// assert_eq!(api, again);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "emulator"))]
/// # fn main() {}
/// ```
///
/// The type of the result is the `response_type` of `google.longrunning.operation_info` in the method's definition. If the Rust
/// type does not implement [`Name`], as in some generated crates, pass its full name to [`started_as`](Self::started_as). With
/// [`Any`](prost_types::Any) as the type, a result of any type is returned as received.
///
/// Names of operations may have any form: `projects/{project}/locations/{location}/operations/{operation}`,
/// `operations/{operation}`, or a number.
#[derive(Clone, Debug)]
pub struct Operations {
    clients: Clients,
}

impl Operations {
    pub(crate) fn new(clients: &Clients) -> Self {
        Self {
            clients: clients.clone(),
        }
    }

    /// Returns the operation that a method has started. `response` is the method's response, a `google.longrunning.Operation`
    /// of any crate.
    ///
    /// # Errors
    ///
    /// Returns an error if the response is not such a message, if the name of the operation is invalid, or if the operation is
    /// not done and has no name. Without a name, it cannot be polled. An operation that is done may have no name (AIP-151); its
    /// [handle](Operation::handle) cannot be resumed.
    pub fn started<R: OperationResult + Name>(
        &self,
        response: &impl Message,
    ) -> Result<Operation<R>, Error> {
        self.start(response, ResultType::of::<R>())
    }

    /// Returns the operation that a method has started, as [`started`](Self::started) does. `result` is the full name of the
    /// type of its result, such as `google.spanner.admin.database.v1.Database`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`started`](Self::started).
    pub fn started_as<R: OperationResult>(
        &self,
        response: &impl Message,
        result: &str,
    ) -> Result<Operation<R>, Error> {
        self.start(response, result_type(result)?)
    }

    fn start<R: OperationResult>(
        &self,
        response: &impl Message,
        result: ResultType,
    ) -> Result<Operation<R>, Error> {
        // The messages of all crates have the same encoding.
        let encoded = response.encode_to_vec();
        let message = OperationMessage::decode(encoded.as_slice()).map_err(|error| {
            Error::protocol(format!("invalid google.longrunning.Operation: {error}"))
        })?;
        // An operation that is done may have no name, since it is not polled. Every other name must be accepted by `resume`.
        if !message.name.is_empty() {
            check_name(&message.name).map_err(|error| {
                Error::protocol(format!("invalid google.longrunning.Operation: {error}"))
            })?;
        }
        Operation::started(&self.clients, message, None, Verb::Unknown, result)
    }

    /// Returns an operation that was started elsewhere, by its name. No call is made before the operation is awaited or polled.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is invalid.
    pub fn operation<R: OperationResult + Name>(
        &self,
        name: impl Into<String>,
    ) -> Result<Operation<R>, Error> {
        self.resumed(name.into(), ResultType::of::<R>())
    }

    /// Returns an operation that was started elsewhere, as [`operation`](Self::operation) does. `result` is the full name of
    /// the type of its result.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`operation`](Self::operation).
    pub fn operation_as<R: OperationResult>(
        &self,
        name: impl Into<String>,
        result: &str,
    ) -> Result<Operation<R>, Error> {
        self.resumed(name.into(), result_type(result)?)
    }

    fn resumed<R: OperationResult>(
        &self,
        name: String,
        result: ResultType,
    ) -> Result<Operation<R>, Error> {
        check_name(&name).map_err(|error| error.context("resume operation", &name))?;
        Ok(Operation::resumed(
            &self.clients,
            name,
            Verb::Unknown,
            result,
        ))
    }

    /// Returns an operation by its handle, which may come from another process.
    ///
    /// # Errors
    ///
    /// Returns an error if the operation is of another service, if its result is not an `R`, or if the name, the verb or the
    /// start time in the handle is invalid.
    pub fn resume<R: OperationResult + Name>(
        &self,
        handle: &Handle,
    ) -> Result<Operation<R>, Error> {
        self.resume_by(handle, ResultType::of::<R>())
    }

    /// Returns an operation by its handle, as [`resume`](Self::resume) does. `result` is the full name of the type of its
    /// result.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`resume`](Self::resume).
    pub fn resume_as<R: OperationResult>(
        &self,
        handle: &Handle,
        result: &str,
    ) -> Result<Operation<R>, Error> {
        self.resume_by(handle, result_type(result)?)
    }

    fn resume_by<R: OperationResult>(
        &self,
        handle: &Handle,
        result: ResultType,
    ) -> Result<Operation<R>, Error> {
        handle.check(self.clients.profile().service(), &result)?;
        let operation = self.resumed(handle.name().to_owned(), result)?;
        Ok(operation.described_by(handle))
    }

    /// Reads an operation. The error of a failed operation is in its `result`, and is not an error of this call.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is invalid, in which case nothing is sent, or if the call fails. The error names the
    /// operation.
    pub async fn get(&self, name: impl Into<String>) -> Result<OperationMessage, Error> {
        let name = name.into();
        self.call("get operation", &name, async |name| {
            let request = GetOperationRequest { name };
            self.clients.operations().get_operation(request).await
        })
        .await
    }

    /// Lists the operations of a parent. The form of the parent depends on the service, such as
    /// `projects/{project}/locations/{location}` for Cloud Run, and
    /// `projects/{project}/instances/{instance}/databases/{database}/operations` for Spanner.
    pub fn list(&self, parent: impl Into<String>) -> List<ListOperationsRequest> {
        let request = ListOperationsRequest {
            name: parent.into(),
            ..ListOperationsRequest::default()
        };
        List::of_any_parent(&self.clients, request)
    }

    /// Requests that the service cancel an operation. The operation may succeed nevertheless; read it for its outcome
    /// (AIP-151).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`get`](Self::get). A service without cancellation returns UNIMPLEMENTED.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the service may or may not have received the request.
    pub async fn cancel(&self, name: impl Into<String>) -> Result<(), Error> {
        let name = name.into();
        self.call("cancel operation", &name, async |name| {
            let request = CancelOperationRequest { name };
            self.clients.operations().cancel_operation(request).await
        })
        .await
    }

    /// Deletes the record of an operation. The work of the operation continues.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the service may or may not have deleted the record.
    pub async fn delete(&self, name: impl Into<String>) -> Result<(), Error> {
        let name = name.into();
        self.call("delete operation", &name, async |name| {
            let request = DeleteOperationRequest { name };
            self.clients.operations().delete_operation(request).await
        })
        .await
    }

    /// Lets the server wait for an operation, for at most `timeout`. Returns the latest state, which may not be done. Few
    /// services offer this method; to wait with any service, await an [`operation`](Self::operation).
    ///
    /// One call is made. The server may return earlier: many servers wait for at most a minute. The call itself has a timeout
    /// too, 60 seconds by default. So that the answer arrives in time, the server is asked to wait for at most the call
    /// timeout minus five seconds. If the call timeout is below ten seconds, the server is asked to wait for at most half of
    /// it. To wait for longer, set [`CallOptions::timeout`](crate::CallOptions::timeout) or call this method again.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`get`](Self::get). The call fails with UNIMPLEMENTED if the server does not offer the method. Over
    /// REST the call also fails with UNIMPLEMENTED if the service configuration has no HTTP rule for the method.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing on the server.
    pub async fn wait(
        &self,
        name: impl Into<String>,
        timeout: Duration,
    ) -> Result<OperationMessage, Error> {
        let name = name.into();
        let timeout = timeout.min(longest_wait(self.clients.timeout(Method::WAIT_OPERATION)));
        // A timeout that the message cannot represent is omitted.
        let timeout = prost_types::Duration::try_from(timeout).ok();
        self.call("wait for operation", &name, async |name| {
            let request = WaitOperationRequest { name, timeout };
            self.clients.operations().wait_operation(request).await
        })
        .await
    }

    /// Makes a call about an operation.
    async fn call<T>(
        &self,
        action: &str,
        name: &str,
        call: impl AsyncFnOnce(String) -> Result<tonic::Response<T>, tonic::Status>,
    ) -> Result<T, Error> {
        let called = async {
            check_name(name)?;
            Ok(call(name.to_owned()).await?.into_inner())
        };
        called
            .await
            .map_err(|error: Error| error.context(action, name))
    }
}

/// Returns the longest time for which the server may wait in a call with this timeout.
fn longest_wait(call_timeout: Duration) -> Duration {
    const MARGIN: Duration = Duration::from_secs(5);
    match call_timeout.checked_sub(MARGIN) {
        Some(longest) if longest >= MARGIN => longest,
        _ => call_timeout / 2,
    }
}

/// Returns the result type with this full name.
///
/// # Errors
///
/// Returns an error if the name is not a full name of a message, for example a type URL.
fn result_type(result: &str) -> Result<ResultType, Error> {
    let is_word = |word: &str| {
        let mut chars = word.chars();
        let first = chars
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
        first && chars.all(|char| char.is_ascii_alphanumeric() || char == '_')
    };
    if !result.split('.').all(is_word) {
        return Err(Error::configuration(format!(
            "invalid result type `{}`: must be the full name of a message, such as google.spanner.admin.database.v1.Database",
            result.escape_debug()
        )));
    }
    Ok(ResultType::Named(Arc::from(result)))
}

/// Checks the name of an operation, whatever its form.
///
/// # Errors
///
/// Returns an error if the name or one of its segments is empty, if a segment is `.` or `..`, or if the name has a control
/// character.
fn check_name(name: &str) -> Result<(), Error> {
    let is_invalid = |segment: &str| matches!(segment, "" | "." | "..");
    if name.split('/').any(is_invalid) || name.chars().any(char::is_control) {
        let name = name.escape_debug();
        return Err(Error::name(format!(
            "invalid operation name `{name}`: must have no empty segment, no segment `.` or `..`, and no control character"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_any_form_is_accepted_and_one_that_could_address_another_resource_is_not() {
        for name in [
            "projects/p/locations/l/operations/o",
            "projects/p/instances/i/databases/d/operations/_auto_1",
            "operations/o",
            "1234567890",
        ] {
            check_name(name).expect(name);
        }
        for name in [
            "",
            "/operations/o",
            "operations/",
            "a//b",
            "a/../b",
            "a/.",
            "a\nb",
        ] {
            let refused = check_name(name).expect_err(name);
            assert!(refused.is_invalid_name(), "{refused}");
        }
    }
}
