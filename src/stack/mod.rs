//! The stack: the layers of a call, in order. Any generated client can use the stack of a client.
//!
//! ```
//! # #[cfg(feature = "emulator")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use apigateway_grpc::{ApiGateway, emulator::Emulator};
//! # let emulator = Emulator::builder().build();
//! # let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
//! use apigateway_grpc::model::ListOperationsRequest;
//! use apigateway_grpc::proto::google::longrunning::operations_client::OperationsClient;
//!
//! let mut operations = OperationsClient::new(client.stack());
//! let request = ListOperationsRequest {
//!     name: "projects/p/locations/global".into(),
//!     ..ListOperationsRequest::default()
//! };
//! let page = operations.list_operations(request).await?.into_inner();
//! assert!(page.operations.is_empty());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "emulator"))]
//! # fn main() {}
//! ```

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::Status;
use tower::util::{ServiceExt as _, option_layer};
use tower::{Service, ServiceBuilder};

pub use crate::call::service::{GrpcLayer, GrpcService};
pub use crate::call::{GrpcRequest, GrpcResponse};

use crate::call::CallOptions;
use crate::call::phase::{self, Phase};
use crate::call::service::{Normalize, NormalizeLayer};
use crate::layer::deadline::DeadlineLayer;
use crate::layer::headers::HeadersLayer;
use crate::layer::metrics::MetricsLayer;
use crate::layer::response_check::ResponseCheckLayer;
use crate::layer::retry::RetryLayer;
use crate::layer::trace::TraceLayer;

pub(crate) mod credentials;

/// The layers that the builder configures.
#[derive(Debug)]
pub(crate) struct Layers {
    /// The user's layers around whole calls, outermost first.
    pub(crate) call: Vec<UserLayer>,
    pub(crate) trace: TraceLayer,
    pub(crate) metrics: MetricsLayer,
    pub(crate) headers: HeadersLayer,
    pub(crate) retry: RetryLayer,
    /// The user's layers around each attempt, outermost first.
    pub(crate) attempt: Vec<UserLayer>,
    pub(crate) auth: Option<credentials::Layer>,
    pub(crate) response_check: ResponseCheckLayer,
}

/// Assembles the stack over a transport. `calls` and `attempts` list their layers outermost first.
pub(crate) fn stack<T: GrpcService>(layers: Layers, transport: T) -> Stack {
    let calls = ServiceBuilder::new()
        .layer(layers.trace) // its span includes all layers below
        .layer(layers.metrics) // within the span, so that a recorder can read the span
        .layer(layers.headers) // sets the headers that all attempts share
        .layer(DeadlineLayer) // limits all attempts and the waits between them
        .layer(layers.retry) // repeats the attempts
        .layer(NormalizeLayer); // converts the body and the error of the service below
    let attempts = ServiceBuilder::new()
        .layer(option_layer(layers.auth)) // below retry, so that each attempt has current credentials
        .layer(layers.response_check) // no unchecked response reaches the layers above
        .layer(NormalizeLayer) // converts the transport's error to a status
        .service(transport);
    // Without attempt layers of the user, the layers of an attempt need no `Stack` of their own, which would box the future of
    // each attempt.
    let stack = match layers.attempt.as_slice() {
        [] => Stack::new(calls.service(attempts)),
        // The user's layers see each attempt before credentials and `grpc-accept-encoding` are added.
        users => Stack::new(calls.service(wrapped(users, Stack::new(Normalize::new(attempts))))),
    };
    // The user's layers see each call as the generated client made it, and its outcome.
    wrapped(&layers.call, stack)
}

/// A layer of the user. It wraps one stack into another.
#[derive(Clone)]
pub(crate) struct UserLayer(Arc<dyn Fn(Stack) -> Stack + Send + Sync>);

impl UserLayer {
    pub(crate) fn new<L: GrpcLayer<Stack> + Send + Sync + 'static>(layer: L) -> Self {
        Self(Arc::new(move |inner| {
            Stack::new(Normalize::new(layer.wrap(inner)))
        }))
    }
}

impl fmt::Debug for UserLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserLayer")
    }
}

/// Wraps a stack in the user's layers, the first one outermost.
fn wrapped(layers: &[UserLayer], stack: Stack) -> Stack {
    let inside_out = layers.iter().rev();
    inside_out.fold(stack, |inner, layer| (layer.0)(inner))
}

/// The assembled stack, ready for any generated client: `SomeClient::new(client.stack())`.
///
/// A stack is cheap to clone, and always ready. A call waits within its own future until the transport is ready; if the
/// transport fails to become ready, the call returns the error. A call boxes its future once for the whole stack, and once for
/// each layer of yours. Each attempt boxes its future once for a transport of yours, and once for each attempt layer of yours;
/// the first attempt layer costs one box more.
///
/// # Runtimes
///
/// Calls need a Tokio runtime, and a connection ends with the runtime in which it was opened; see
/// [`ApiGateway`](crate::ApiGateway#runtimes).
///
/// # Cancel safety
///
/// Dropping the future of a call ends the call. The server may have processed the call by then, or may still do so.
#[derive(Clone)]
pub struct Stack {
    erased: Arc<dyn Erased>,
    options: Option<Arc<CallOptions>>,
}

type BoxFuture = Pin<Box<dyn Future<Output = Result<GrpcResponse, Status>> + Send>>;

trait Erased: Send + Sync {
    fn start(&self, request: GrpcRequest) -> BoxFuture;
}

impl<S> Erased for S
where
    S: Service<GrpcRequest, Response = GrpcResponse, Error = Status>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    fn start(&self, request: GrpcRequest) -> BoxFuture {
        Box::pin(self.clone().oneshot(request))
    }
}

impl Stack {
    /// Returns a stack that consists only of a user's service.
    pub(crate) fn of_service(service: impl GrpcService) -> Self {
        Self::new(UserTransport(Normalize::new(service)))
    }

    fn new<S>(service: S) -> Self
    where
        S: Service<GrpcRequest, Response = GrpcResponse, Error = Status>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        Self {
            erased: Arc::new(service),
            options: None,
        }
    }

    pub(crate) fn options(&self) -> Option<&CallOptions> {
        self.options.as_deref()
    }

    /// Returns the same stack with these options for its calls. Options that are `None` keep their previous values.
    #[must_use]
    pub fn with_options(&self, options: CallOptions) -> Self {
        let options = match &self.options {
            Some(own) => options.or(own),
            None => options,
        };
        Self {
            erased: Arc::clone(&self.erased),
            options: Some(Arc::new(options)),
        }
    }
}

impl Service<GrpcRequest> for Stack {
    type Response = GrpcResponse;
    type Error = Status;
    type Future = BoxFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: GrpcRequest) -> BoxFuture {
        if let Some(options) = &self.options {
            let own = request
                .extensions_mut()
                .remove::<CallOptions>()
                .unwrap_or_default();
            request.extensions_mut().insert(own.or(options));
        }
        self.erased.start(request)
    }
}

/// A user's transport. A call waits here until the transport is ready, and its request is not sent before. The layers above do
/// not wait, since a stack is always ready.
#[derive(Clone)]
struct UserTransport<T>(Normalize<T>);

impl<T: GrpcService> Service<GrpcRequest> for UserTransport<T> {
    type Response = GrpcResponse;
    type Error = Status;
    type Future = <Normalize<T> as Service<GrpcRequest>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        let ready = self.0.poll_ready(cx);
        if ready.is_pending() {
            phase::enter(Phase::Unsent);
        }
        ready
    }

    fn call(&mut self, request: GrpcRequest) -> Self::Future {
        phase::enter(Phase::Response);
        self.0.call(request)
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}
