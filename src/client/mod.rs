//! The public face of the service.

mod api;
mod api_config;
pub(crate) mod builder;
pub mod field_mask;
mod gateway;
mod iam;
pub mod list;
mod location;
mod operation;
pub mod request;

use prost_types::FieldMask;

use self::builder::Builder;
use self::field_mask::Mask;
use self::list::List;
use self::list::ListRequest;
use self::request::Request;
use crate::call::CallOptions;
use crate::error::Error;
use crate::proto::google::cloud::apigateway::v1::api_gateway_service_client::ApiGatewayServiceClient;
use crate::proto::google::cloud::location::locations_client::LocationsClient;
use crate::proto::google::iam::v1::iam_policy_client::IamPolicyClient;
use crate::proto::google::longrunning::operations_client::OperationsClient;
use crate::stack::Stack;
use crate::stack::clients::Clients;
#[cfg(feature = "rest")]
use crate::transport::RestFallback;
use crate::transport::{ActiveTransport, Transport};

/// A client of Google API Gateway and its operations.
///
/// It is cheap to clone, and its clones share connections, credentials and the throttling of retries. It
/// connects with the first call. Dropping the future of a call ends it here, and resets its stream
/// or closes its HTTP/1.1 connection; the server may have begun it.
///
/// # Runtimes
///
/// A connection is a task of a tokio runtime: the one of the call that opened the connection. Calls from other runtimes
/// share the connection while its runtime runs. When the runtime ends, its connections end, and the next call opens
/// another. If the runtime exists but is not polled, such as a `current_thread` runtime outside of `block_on`, calls on its
/// connections wait until their deadline; give such a runtime a client of its own.
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
    active: Option<ActiveTransport>,
}

impl ApiGateway {
    /// Begins with the defaults of every knob.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(clients: Clients, active: Option<ActiveTransport>) -> Self {
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
        self.active.as_ref().map(ActiveTransport::transport)
    }

    /// Since when calls go over REST in place of gRPC, and why; `None` as long as they do not.
    ///
    /// Only [`Transport::GrpcWithRestFallback`] falls back. It does on what shows that gRPC cannot work on this
    /// path, once REST has answered there. Then all calls go over REST. Every five minutes one of them tries
    /// gRPC first, one that may be repeated; when gRPC answers it, be it with an error, calls are back. Going over
    /// is told as a warning of `tracing` as well, going back at level info.
    ///
    /// ```
    /// # fn watch(client: &apigateway_grpc::ApiGateway) {
    /// if let Some(fallback) = client.fallback() {
    ///     println!("over REST for {:?}: {}", fallback.lasting, fallback.reason);
    /// }
    /// # }
    /// ```
    #[cfg(feature = "rest")]
    #[must_use]
    pub fn fallback(&self) -> Option<RestFallback> {
        self.active.as_ref().and_then(ActiveTransport::fallback)
    }

    /// Sends any request of the contract. The calls below are short forms of it.
    ///
    /// [`request`](crate::client::request) has an example.
    ///
    /// # Errors
    ///
    /// If a resource name is not of the form that the method's HTTP rule has, an id is none, or an update
    /// has no mask that fits, nothing is sent. If the call fails, the error names the method and the
    /// resource.
    pub async fn send<R: Request>(&self, request: R) -> Result<R::Reply, Error> {
        request::send(&self.clients, request).await
    }

    /// The list that any request for pages begins.
    ///
    /// ```
    /// # use apigateway_grpc::ApiGateway;
    /// # fn list(client: &ApiGateway) {
    /// use apigateway_grpc::proto::google::longrunning::ListOperationsRequest;
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

    /// The mask of an update; the error says which.
    fn mask(
        &self,
        mask: impl Into<Mask>,
        name: &str,
        doing: &str,
    ) -> Result<Option<FieldMask>, Error> {
        let mask = mask.into().into_field_mask();
        mask.map(Some).map_err(|error| error.doing(doing, name))
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
