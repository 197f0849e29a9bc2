//! The stack: the one place where the order of the layers is written.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::Status;
use tower::util::{Either, ServiceExt as _, option_layer};
use tower::{Service, ServiceBuilder};

pub use crate::call::service::{Carrier, Wrap};
pub use crate::call::{Reply, Rpc};

use crate::call::CallOptions;
use crate::call::service::{Uniform, UniformLayer, Users};
use crate::layer::deadline::DeadlineLayer;
use crate::layer::headers::HeadersLayer;
use crate::layer::metrics::{Measure, MeasureLayer};
use crate::layer::response_check::{Guard, GuardLayer};
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
    pub(crate) measure: MeasureLayer,
    pub(crate) headers: HeadersLayer,
    pub(crate) retry: RetryLayer,
    /// The user's, around each attempt.
    pub(crate) attempt: A,
    pub(crate) auth: Option<credentials::Layer>,
    pub(crate) guard: GuardLayer,
}

/// Assembles the stack over a transport, outermost first.
pub(crate) fn stack<T, L, A>(layers: Layers<L, A>, transport: T) -> Stack
where
    T: Carrier,
    A: Wrap<Authenticated<T>>,
    L: Wrap<Core<A::Wrapped>>,
{
    Stack::new(
        ServiceBuilder::new()
            .layer(UniformLayer) // what the user's layers give, in our vocabulary
            .layer(Users(layers.call)) // sees a call as the generated client made it, and its outcome
            .layer(layers.trace) // spans everything of ours
            .layer(layers.measure) // within the span, so that a recorder may look at it
            .layer(layers.headers) // what all attempts share is set once
            .layer(DeadlineLayer) // bounds all attempts and the waits between them
            .layer(layers.retry) // repeats what lies below
            .layer(UniformLayer) // what the user's layers give, in our vocabulary
            .layer(Users(layers.attempt)) // sees each attempt as the server will, but for its credentials
            .layer(option_layer(layers.auth)) // below retry: each attempt has fresh credentials
            .layer(layers.guard) // nothing unchecked goes up
            .layer(UniformLayer) // a transport's own error becomes a status
            .service(transport),
    )
}

/// What a layer around each attempt stands on.
pub type Authenticated<T> = Either<credentials::Layered<Guard<Uniform<T>>>, Guard<Uniform<T>>>;

/// What a layer around whole calls stands on: our own layers, over those around each attempt.
pub type Core<S> = crate::layer::trace::Trace<
    Measure<
        crate::layer::headers::Headers<
            crate::layer::deadline::Deadline<crate::layer::retry::Retry<Uniform<S>>>,
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

type BoxFuture = Pin<Box<dyn Future<Output = Result<Reply, Status>> + Send>>;

trait Erased: Send + Sync {
    fn start(&self, rpc: Rpc) -> BoxFuture;
}

impl<S> Erased for S
where
    S: Service<Rpc, Response = Reply, Error = Status> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    fn start(&self, rpc: Rpc) -> BoxFuture {
        Box::pin(self.clone().oneshot(rpc))
    }
}

impl Stack {
    fn new<S>(service: S) -> Self
    where
        S: Service<Rpc, Response = Reply, Error = Status> + Clone + Send + Sync + 'static,
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

impl Service<Rpc> for Stack {
    type Response = Reply;
    type Error = Status;
    type Future = BoxFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut rpc: Rpc) -> BoxFuture {
        if let Some(options) = &self.options {
            let own = rpc
                .extensions_mut()
                .remove::<CallOptions>()
                .unwrap_or_default();
            rpc.extensions_mut().insert(own.or(options));
        }
        self.erased.start(rpc)
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}
