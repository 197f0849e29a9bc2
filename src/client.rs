//! The public face of the service.

use std::time::Duration;

use crate::builder::Builder;
use crate::call::CallOptions;
use crate::clients::Clients;
use crate::error::Error;
use crate::operation::Handle;
use crate::operation::Operation as LongRunning;
use crate::operation::OperationResult;
use crate::operation::Watcher;
use crate::proto::google::cloud::apigateway::v1::api_gateway_service_client::ApiGatewayServiceClient;
use crate::proto::google::cloud::location::locations_client::LocationsClient;
use crate::proto::google::iam::v1::iam_policy_client::IamPolicyClient;
use crate::proto::google::longrunning::operations_client::OperationsClient;
use crate::proto::google::longrunning::{
    CancelOperationRequest, DeleteOperationRequest, GetOperationRequest, ListOperationsRequest,
    ListOperationsResponse, Operation, WaitOperationRequest,
};
use crate::resource;
use crate::stack::Stack;
use crate::transport::{Active, Transport};

/// A client of Google API Gateway and its operations.
///
/// It is cheap to clone, and its clones share connections, credentials and the retry budget. It connects
/// with the first call. Dropping the future of a call ends the call here; the server may have begun it.
///
/// ```
/// # #[cfg(feature = "emulator")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), apigateway_grpc::Error> {
/// # use apigateway_grpc::{emulator::Emulator, proto::google::cloud::apigateway::v1::CreateApiRequest};
/// # let emulator = Emulator::builder().build();
/// # let client = apigateway_grpc::ApiGateway::builder().with_transport(emulator.service()).anonymous().build()?;
/// # let request = CreateApiRequest { parent: "projects/p/locations/global".into(), api_id: "a".into(), api: None };
/// # let name = client.service().create_api(request).await?.into_inner().name;
/// let operation = client.get_operation(name).await?;
/// assert!(operation.done);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "emulator"))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
pub struct ApiGateway {
    clients: Clients,
    active: Option<Active>,
}

impl ApiGateway {
    /// Begins with the defaults of every knob.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(clients: Clients, active: Option<Active>) -> Self {
        Self { clients, active }
    }

    /// The same client, whose calls have these options; where they are silent, those it had.
    #[must_use]
    pub fn with_options(&self, options: CallOptions) -> Self {
        Self {
            clients: self.clients.with_options(options),
            active: self.active.clone(),
        }
    }

    /// Which transport carries calls at the moment; `None` for one that was given to the builder.
    ///
    /// With [`Transport::GrpcWithRestFallback`] it is [`Transport::Grpc`] until the fallback happens.
    #[must_use]
    pub fn active_transport(&self) -> Option<Transport> {
        self.active.as_ref().map(Active::transport)
    }

    /// Reads an operation, `projects/{project}/locations/{location}/operations/{operation}`.
    ///
    /// One that ended in an error is read as well: the error is in its `result`.
    ///
    /// # Errors
    ///
    /// If the name is not of this form, nothing is sent. If the call fails, the error names the operation;
    /// it is not found when it never was, was deleted or has expired.
    pub async fn get_operation(&self, name: impl Into<String>) -> Result<Operation, Error> {
        let name = name.into();
        let called = async {
            resource::OPERATION.check(&name)?;
            let request = GetOperationRequest { name: name.clone() };
            Ok(self.operations().get_operation(request).await?.into_inner())
        };
        called
            .await
            .map_err(|error: Error| error.doing("get operation", &name))
    }

    /// Reads one page of the operations of a location, `projects/{project}/locations/{location}`.
    ///
    /// # Errors
    ///
    /// If the request's `name` is not of this form, nothing is sent. If the call fails, the error names
    /// the location.
    pub async fn list_operations(
        &self,
        request: ListOperationsRequest,
    ) -> Result<ListOperationsResponse, Error> {
        let name = request.name.clone();
        let called = async {
            resource::LOCATION.check(&name)?;
            Ok(self
                .operations()
                .list_operations(request)
                .await?
                .into_inner())
        };
        called
            .await
            .map_err(|error: Error| error.doing("list operations of", &name))
    }

    /// Asks the service to cancel an operation. That it was asked does not mean that it will: read the
    /// operation for its outcome (AIP-151).
    ///
    /// # Errors
    ///
    /// As [`get_operation`](Self::get_operation). A service without cancellation answers UNIMPLEMENTED.
    pub async fn cancel_operation(&self, name: impl Into<String>) -> Result<(), Error> {
        let name = name.into();
        let called = async {
            resource::OPERATION.check(&name)?;
            let request = CancelOperationRequest { name: name.clone() };
            self.operations().cancel_operation(request).await?;
            Ok(())
        };
        called
            .await
            .map_err(|error: Error| error.doing("cancel operation", &name))
    }

    /// Makes the service forget an operation. What it does goes on.
    ///
    /// # Errors
    ///
    /// As [`get_operation`](Self::get_operation).
    pub async fn delete_operation(&self, name: impl Into<String>) -> Result<(), Error> {
        let name = name.into();
        let called = async {
            resource::OPERATION.check(&name)?;
            let request = DeleteOperationRequest { name: name.clone() };
            self.operations().delete_operation(request).await?;
            Ok(())
        };
        called
            .await
            .map_err(|error: Error| error.doing("delete operation", &name))
    }

    /// Has the server wait for an operation, at most `timeout` or what the server sees fit, and gives its
    /// latest state. It may not be done.
    ///
    /// # Errors
    ///
    /// As [`get_operation`](Self::get_operation). UNIMPLEMENTED where the server does not offer it; over
    /// REST it never does.
    pub async fn wait_operation(
        &self,
        name: impl Into<String>,
        timeout: Duration,
    ) -> Result<Operation, Error> {
        let name = name.into();
        // A length that the message cannot hold is as good as none.
        let timeout = prost_types::Duration::try_from(timeout).ok();
        let called = async {
            resource::OPERATION.check(&name)?;
            let request = WaitOperationRequest {
                name: name.clone(),
                timeout,
            };
            Ok(self
                .operations()
                .wait_operation(request)
                .await?
                .into_inner())
        };
        called
            .await
            .map_err(|error: Error| error.doing("wait for operation", &name))
    }

    /// An operation that was started elsewhere, by its name: one that ends in an `R`, which is
    /// [`Api`](crate::proto::google::cloud::apigateway::v1::Api), an `ApiConfig`, a `Gateway`, or `()` for
    /// a delete. Nothing is asked before it is awaited or polled.
    ///
    /// # Errors
    ///
    /// If the name is not of the form `projects/{project}/locations/{location}/operations/{operation}`.
    pub fn operation<R: OperationResult>(
        &self,
        name: impl Into<String>,
    ) -> Result<LongRunning<R>, Error> {
        let name = name.into();
        resource::OPERATION
            .check(&name)
            .map_err(|error| error.doing("resume operation", &name))?;
        Ok(LongRunning::resumed(&self.clients, name, None))
    }

    /// An operation by the handle that was kept of it.
    ///
    /// # Errors
    ///
    /// If it ends in something else than an `R`, or if its name is not one.
    pub fn resume<R: OperationResult>(&self, handle: &Handle) -> Result<LongRunning<R>, Error> {
        let checked = resource::OPERATION.check(handle.name()).and_then(|()| {
            if handle.result() == R::full_name() {
                return Ok(());
            }
            let text = format!(
                "it ends in a {}, not in a {}",
                handle.result(),
                R::full_name()
            );
            Err(Error::message(text))
        });
        checked.map_err(|error| error.doing("resume operation", handle.name()))?;
        let target = handle.target().map(str::to_owned);
        Ok(LongRunning::resumed(
            &self.clients,
            handle.name().to_owned(),
            target,
        ))
    }

    /// One scheduler for many operations of this client.
    #[must_use]
    pub fn watcher(&self) -> Watcher {
        Watcher::new(&self.clients)
    }

    /// The generated client of apis, configs and gateways, over this client's stack.
    #[must_use]
    pub fn service(&self) -> ApiGatewayServiceClient<Stack> {
        self.clients.service()
    }

    /// The generated client of operations, over this client's stack.
    #[must_use]
    pub fn operations(&self) -> OperationsClient<Stack> {
        self.clients.operations()
    }

    /// The generated client of locations, over this client's stack.
    #[must_use]
    pub fn locations(&self) -> LocationsClient<Stack> {
        self.clients.locations()
    }

    /// The generated client of IAM policies, over this client's stack.
    #[must_use]
    pub fn iam_policy(&self) -> IamPolicyClient<Stack> {
        self.clients.iam_policy()
    }

    /// The stack itself, for any other generated client.
    #[must_use]
    pub fn stack(&self) -> Stack {
        self.clients.stack()
    }
}
