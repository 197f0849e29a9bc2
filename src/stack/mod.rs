//! The stack: the one place where the order of the layers is written.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::Status;
use tower::util::{Either, ServiceExt as _, option_layer};
use tower::{Service, ServiceBuilder};

pub use crate::call::service::{GrpcLayer, GrpcService};
pub use crate::call::{GrpcRequest, GrpcResponse};

use crate::call::CallOptions;
use crate::call::service::{Normalize, NormalizeLayer, UserLayer};
use crate::layer::deadline::DeadlineLayer;
use crate::layer::headers::HeadersLayer;
use crate::layer::metrics::{Metrics, MetricsLayer};
use crate::layer::response_check::{ResponseCheck, ResponseCheckLayer};
use crate::layer::retry::RetryLayer;
use crate::layer::trace::TraceLayer;

pub(crate) mod clients;
pub(crate) mod credentials;

/// The layers whose settings are the client's.
#[derive(Debug)]
pub(crate) struct Layers<L, A> {
    /// The user's, around whole calls.
    pub(crate) call: L,
    pub(crate) trace: TraceLayer,
    pub(crate) measure: MetricsLayer,
    pub(crate) headers: HeadersLayer,
    pub(crate) retry: RetryLayer,
    /// The user's, around each attempt.
    pub(crate) attempt: A,
    pub(crate) auth: Option<credentials::Layer>,
    pub(crate) guard: ResponseCheckLayer,
}

/// Assembles the stack over a transport, outermost first.
pub(crate) fn stack<T, L, A>(layers: Layers<L, A>, transport: T) -> Stack
where
    T: GrpcService,
    A: GrpcLayer<Authenticated<T>>,
    L: GrpcLayer<Core<A::Service>>,
{
    Stack::new(
        ServiceBuilder::new()
            .layer(NormalizeLayer) // what the user's layers give, in our vocabulary
            .layer(UserLayer(layers.call)) // sees a call as the generated client made it, and its outcome
            .layer(layers.trace) // spans everything of ours
            .layer(layers.measure) // within the span, so that a recorder may look at it
            .layer(layers.headers) // what all attempts share is set once
            .layer(DeadlineLayer) // bounds all attempts and the waits between them
            .layer(layers.retry) // repeats what lies below
            .layer(NormalizeLayer) // what the user's layers give, in our vocabulary
            .layer(UserLayer(layers.attempt)) // sees each attempt as the server will, but for its credentials
            .layer(option_layer(layers.auth)) // below retry: each attempt has fresh credentials
            .layer(layers.guard) // nothing unchecked goes up
            .layer(NormalizeLayer) // a transport's own error becomes a status
            .service(transport),
    )
}

/// What a layer around each attempt stands on.
pub type Authenticated<T> =
    Either<credentials::Layered<ResponseCheck<Normalize<T>>>, ResponseCheck<Normalize<T>>>;

/// What a layer around whole calls stands on: our own layers, over those around each attempt.
pub type Core<S> = crate::layer::trace::Trace<
    Metrics<
        crate::layer::headers::Headers<
            crate::layer::deadline::Deadline<crate::layer::retry::Retry<Normalize<S>>>,
        >,
    >,
>;

/// The assembled stack, ready for any generated client: `SomeClient::new(client.stack())`.
///
/// It is cheap to clone. A call clones what lies below once and boxes its future once, whatever the
/// layers are; readiness is waited for within the call, so a failure comes as the status that it is.
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

    /// The same stack, whose calls have these options; where they are silent, those it had.
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

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}
