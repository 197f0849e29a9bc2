//! The client, [`ApiGateway`], with its builder, requests and lists.

mod api;
mod api_config;
pub(crate) mod builder;
pub mod field_mask;
mod gateway;
mod iam;
pub mod list;
mod location;
pub mod model;
mod operation;
pub mod request;

use prost_types::FieldMask;

use self::builder::Builder;
use self::field_mask::UpdateMask;
use self::list::List;
use self::list::ListRequest;
use self::request::RequestMessage;
use crate::call::CallOptions;
use crate::contract::Contract;
use crate::error::Error;
use crate::operation::clients::Clients;
use crate::proto::google::cloud::apigateway::v1::api_gateway_service_client::ApiGatewayServiceClient;
use crate::proto::google::cloud::location::locations_client::LocationsClient;
use crate::proto::google::iam::v1::iam_policy_client::IamPolicyClient;
use crate::proto::google::longrunning::operations_client::OperationsClient;
use crate::stack::Stack;
#[cfg(feature = "rest")]
use crate::transport::RestFallback;
use crate::transport::endpoint::EMULATOR_HOST;
use crate::transport::{ActiveTransport, Transport};

/// A client of Google API Gateway and its operations.
///
/// A client is cheap to clone, and its clones share connections, credentials and the throttling of retries. A client connects
/// on its first call. Dropping the future of a call resets its stream or closes its HTTP/1.1 connection; the server may have
/// begun to process the call.
///
/// # Runtimes
///
/// A connection is a task on the Tokio runtime of the call that opened the connection. Calls from other runtimes share the
/// connection while its runtime runs. When the runtime ends, its connections end, and the next call opens another. If the
/// runtime exists but is not polled, such as a `current_thread` runtime outside of `block_on`, calls on its connections wait
/// until their deadline; give such a runtime a client of its own.
///
/// Outside of a Tokio runtime with I/O and time drivers, a call panics when its future is polled.
///
/// ```
/// # #[cfg(feature = "emulator")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), apigateway_grpc::Error> {
/// # use apigateway_grpc::{emulator::Emulator, model::CreateApiRequest};
/// # let emulator = Emulator::builder().build();
/// # let client = apigateway_grpc::ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
/// # let request = CreateApiRequest { parent: "projects/p/locations/global".into(), api_id: "a".into(), api: None };
/// # let name = client.service_client().create_api(request).await?.into_inner().name;
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
    active: Option<ActiveTransport>,
}

impl ApiGateway {
    /// Returns a builder with the default of every setting.
    pub fn builder() -> Builder {
        Builder::new(Contract::api_gateway(), Some(EMULATOR_HOST))
    }

    pub(crate) fn new(clients: Clients, active: Option<ActiveTransport>) -> Self {
        Self { clients, active }
    }

    /// Returns a client with these options for its calls, on the same connections. An option that is not set keeps its value
    /// from this client.
    #[must_use]
    pub fn with_options(&self, options: CallOptions) -> Self {
        Self {
            clients: self.clients.with_options(options),
            active: self.active.clone(),
        }
    }

    /// Returns the transport that carries calls now; `None` for a transport of yours.
    ///
    /// With [`Transport::GrpcWithRestFallback`], the result is [`Transport::Rest`] during a fallback, and [`Transport::Grpc`]
    /// otherwise.
    #[must_use]
    pub fn active_transport(&self) -> Option<Transport> {
        self.active.as_ref().map(ActiveTransport::transport)
    }

    /// Returns the duration and the reason of the current fallback to REST; `None` while calls use gRPC.
    ///
    /// Only [`Transport::GrpcWithRestFallback`] falls back. If a failure shows that gRPC cannot work on the path to the server,
    /// and REST has answered on this path, all calls use REST. Every five minutes one call that may be repeated tries gRPC
    /// first. If gRPC answers it, even with an error, calls use gRPC again. A fallback is logged as a warning, the return to
    /// gRPC at level info.
    ///
    /// ```
    /// # fn watch(client: &apigateway_grpc::ApiGateway) {
    /// if let Some(fallback) = client.fallback() {
    ///     println!("over REST for {:?}: {}", fallback.duration, fallback.reason);
    /// }
    /// # }
    /// ```
    #[cfg(feature = "rest")]
    #[must_use]
    pub fn fallback(&self) -> Option<RestFallback> {
        self.active.as_ref().and_then(ActiveTransport::fallback)
    }

    /// Sends any request of the service. The other methods are short forms of this one.
    ///
    /// [`request`](crate::client::request) has an example.
    ///
    /// # Errors
    ///
    /// If a resource name, an id or the mask of an update is invalid, nothing is sent. If the call fails, the error names the
    /// method and the resource.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the server may or may not have processed the request.
    pub async fn send<R: RequestMessage>(&self, request: R) -> Result<R::Response, Error> {
        request::send(&self.clients, request).await
    }

    /// Returns the list for any request whose responses are pages.
    ///
    /// ```
    /// # use apigateway_grpc::ApiGateway;
    /// # fn list(client: &ApiGateway) {
    /// use apigateway_grpc::model::ListOperationsRequest;
    ///
    /// let operations = client.list(ListOperationsRequest {
    ///     name: "projects/p/locations/-".into(),
    ///     return_partial_success: true,
    ///     ..ListOperationsRequest::default()
    /// });
    /// # let _ = operations;
    /// # }
    /// ```
    pub fn list<R: ListRequest>(&self, request: R) -> List<R> {
        List::new(&self.clients, request)
    }

    /// Returns the mask of an update. Its error names the action and the resource.
    fn mask(
        &self,
        mask: impl Into<UpdateMask>,
        name: &str,
        action: &str,
    ) -> Result<Option<FieldMask>, Error> {
        let mask = mask.into().into_field_mask();
        mask.map(Some).map_err(|error| error.context(action, name))
    }

    /// Returns the generated client of APIs, configs and gateways, over this client's stack.
    #[must_use]
    pub fn service_client(&self) -> ApiGatewayServiceClient<Stack> {
        self.clients.service()
    }

    /// Returns the generated client of operations, over this client's stack.
    #[must_use]
    pub fn operations_client(&self) -> OperationsClient<Stack> {
        self.clients.operations()
    }

    /// Returns the generated client of locations, over this client's stack.
    #[must_use]
    pub fn locations_client(&self) -> LocationsClient<Stack> {
        self.clients.locations()
    }

    /// Returns the generated client of IAM policies, over this client's stack.
    #[must_use]
    pub fn iam_policy_client(&self) -> IamPolicyClient<Stack> {
        self.clients.iam_policy()
    }

    /// Returns the stack itself, for any other generated client: `SomeClient::new(client.stack())`.
    #[must_use]
    pub fn stack(&self) -> Stack {
        self.clients.stack()
    }
}
