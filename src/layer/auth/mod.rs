//! Adds Google credentials to every attempt of a call, under any tonic client.
//!
//! [`AuthLayer`] adds the headers of [`Credentials`] to each request, marked sensitive. The headers are cached, and refreshed
//! in the background, so usually only the first call waits for credentials. If the server returns UNAUTHENTICATED, the layer
//! requests headers from the credentials again; if the new headers have another entity tag, the call is sent once more.
//!
//! # Failures
//!
//! If the credentials fail, the call fails before anything is sent. The error names the source (the metadata server, or the
//! type and path of the credential file and the variable that named it), the endpoint, the cause as the endpoint reports it,
//! and the next step. The code of the error is
//!
//! - UNAUTHENTICATED if someone has to fix the cause: no credentials on this machine, a revoked login, HTTP 4xx, a page of
//!   HTML, an unknown certificate authority. The call is not retried.
//! - UNAVAILABLE if the cause is transient: HTTP 5xx, 408 and 429, a refused connection. The call is retried by its policy.
//! - DEADLINE_EXCEEDED if the credentials return no headers within the layer's [`token_timeout`](AuthLayer::token_timeout), or
//!   if the credentials do not name their universe within 2 s. The call is not retried.
//! - INTERNAL if google-cloud-auth or a factory panicked.
//!
//! No error, log or `Debug` output shows a token, a key or the content of a file. An error shows only these parts of a
//! response: the fields `error`, `error_subtype`, `error_description`, `error_uri`, `status` and `message` of JSON; the title
//! of an HTML page; and an excerpt of other text, without anything that looks like a token. For the same reason the error of
//! google-cloud-auth is not its [`source`](std::error::Error::source).
//!
//! # Recovery
//!
//! Credentials of a factory ([`AuthLayer::from_factory`]) and the application default credentials of
//! [`Builder`](crate::Builder) are created again after they have failed. So a client recovers when the source of its tokens
//! recovers, and reads a changed credential file. Credentials that were passed to [`AuthLayer::new`] are never created again:
//! after an error that google-cloud-auth classifies as permanent, they return this error for every call.
//!
//! # Example
//!
//! This example adds the layer under a generated client, over TLS. For Google, use the address
//! `https://apigateway.googleapis.com`, the roots of the system (`ClientTlsConfig::with_native_roots`), and credentials from
//! `Builder::default().build()?` of [`credentials`](google_cloud_auth::credentials).
//!
//! ```
//! # #[cfg(all(feature = "emulator", feature = "tls-aws-lc"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use apigateway_grpc::emulator::Emulator;
//! # let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
//! # let emulator = Emulator::builder().tls(made.cert.pem(), made.signing_key.serialize_pem());
//! # let server = emulator.start().await?;
//! # let (address, root) = (server.endpoint(), made.cert.pem());
//! use apigateway_grpc::google_cloud_auth::credentials::api_key_credentials::Builder;
//! use apigateway_grpc::layer::auth::AuthLayer;
//! use apigateway_grpc::model::ListOperationsRequest;
//! use apigateway_grpc::proto::google::longrunning::operations_client::OperationsClient;
//! use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
//! use tower::ServiceBuilder;
//!
//! let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(root));
//! let endpoint = Endpoint::from_shared(address)?.tls_config(tls)?;
//! let auth = AuthLayer::new(Builder::new("a-key").build(), endpoint.uri())?;
//! let channel = ServiceBuilder::new().layer(auth).service(endpoint.connect_lazy());
//! let request = ListOperationsRequest {
//!     name: "projects/p/locations/global".into(),
//!     ..Default::default()
//! };
//! let page = OperationsClient::new(channel).list_operations(request).await?.into_inner();
//! assert!(page.operations.is_empty());
//! # server.stop().await?;
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "emulator", feature = "tls-aws-lc")))]
//! # fn main() {}
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use google_cloud_auth::credentials::Credentials;
use http::Uri;
use pin_project_lite::pin_project;
use tonic::{Code, Status};
use tower::util::ServiceExt as _;
use tower::{Layer, Service};

use crate::call::phase::{self, Phase};
use crate::call::service::{GrpcService, Normalize};
use crate::call::transport_error::TransportError;
use crate::call::{CallContext, CredentialsRefreshed, GrpcRequest, GrpcResponse};
use crate::error::Error;
use crate::transport::endpoint::is_plaintext_remote;

mod adc;
mod ca_roots;
mod cause;
mod credential_file;
mod metadata_server;
mod origin;
mod recovery;
mod redact;
mod rejection;
mod request_copy;
mod token_cache;
mod universe;

use origin::Origin;
use recovery::{Created, Factory, Provider};
use redact::redact;
use rejection::Rejection;
use request_copy::RequestCopy;
use token_cache::{Headers, TokenCache};
pub(crate) use universe::of_universe;

/// Adds the headers of [`Credentials`] to each call of the service below.
#[derive(Clone, Debug)]
pub struct AuthLayer {
    source: Arc<TokenCache>,
}

impl AuthLayer {
    /// Default of [`token_timeout`](Self::token_timeout): 8 s. It is shorter than the usual deadline, so that the error of a
    /// hanging token source names the source.
    pub const DEFAULT_TOKEN_TIMEOUT: Duration = Duration::from_secs(8);

    /// Returns a layer with these credentials for calls to `endpoint`. The credentials are never created again after they have
    /// failed. [`from_factory`](Self::from_factory) returns a layer that creates them again.
    ///
    /// # Errors
    ///
    /// If the endpoint is plaintext and not a loopback address: credentials are never sent there.
    pub fn new(credentials: impl Into<Credentials>, endpoint: &Uri) -> Result<Self, Error> {
        check(endpoint)?;
        Ok(Self::for_checked(credentials.into()))
    }

    /// Returns a layer with these credentials, for calls to an endpoint that was checked before.
    pub(crate) fn for_checked(credentials: Credentials) -> Self {
        Self::with(Provider::fixed(credentials))
    }

    /// Returns a layer with the credentials of a factory, for calls to `endpoint`. The factory is called once now, and again
    /// after its credentials have failed. Credentials of google-cloud-auth by themselves never recover from an error that the
    /// library classifies as permanent, from a panic, or from the end of the runtime in which they were created.
    ///
    /// If credentials that are at least 1 s old fail, the same call creates new ones and uses them. If newer credentials or the
    /// factory fail, calls fail at once with this error until a delay has passed. The next call then calls the factory. The
    /// delay is 1 s after the first failure, and doubles with each failure in a row up to 60 s, or up to 10 s if the failure is
    /// transient. Each delay is shortened by up to a quarter at random. Credentials that have returned nothing for 7 s are
    /// replaced, too. This time doubles with each such replacement in a row, up to 15 minutes.
    ///
    /// The factory runs in the task of a call, one call at a time, and blocks the thread of that task until it returns. Other
    /// calls that need credentials wait for the factory without blocking their threads, at most for the
    /// [`token_timeout`](Self::token_timeout); then they fail with DEADLINE_EXCEEDED. If the factory itself makes a call over
    /// this layer, that call waits like the others. If the factory returns an error or panics, the call fails with
    /// UNAUTHENTICATED or INTERNAL, as for any other failure of the credentials.
    ///
    /// # Cancel safety
    ///
    /// Dropping a call that waits for credentials is safe: the other calls continue to use these credentials.
    ///
    /// ```
    /// # let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    /// # rt.block_on(async {
    /// use apigateway_grpc::layer::auth::AuthLayer;
    /// use google_cloud_auth::credentials::mds;
    ///
    /// let uri = http::Uri::from_static("https://apigateway.googleapis.com");
    /// let auth = AuthLayer::from_factory(|| mds::Builder::default().build(), &uri).expect("valid");
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// If the endpoint is plaintext and not a loopback address, or if the factory fails or panics.
    pub fn from_factory<F, C, E>(factory: F, endpoint: &Uri) -> Result<Self, Error>
    where
        F: Fn() -> Result<C, E> + Send + Sync + 'static,
        C: Into<Credentials>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        check(endpoint)?;
        Self::with_factory(Arc::new(move || created(factory())))
    }

    /// Returns a layer with the credentials of a user's factory, for a client in this universe whose endpoint was checked
    /// before.
    pub(crate) fn from_checked_factory<F, C, E>(factory: F, universe: &str) -> Result<Self, Error>
    where
        F: Fn() -> Result<C, E> + Send + Sync + 'static,
        C: Into<Credentials>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self::with_factory(in_universe(move || created(factory()), universe))
    }

    /// Returns a layer with application default credentials of this scope, for a client in this universe whose endpoint was
    /// checked before.
    pub(crate) fn application_default(scope: &'static str, universe: &str) -> Result<Self, Error> {
        let create = adc::factory(scope);
        Self::with_factory(in_universe(move || create(), universe))
    }

    fn with_factory(factory: Factory) -> Result<Self, Error> {
        let provider = Provider::from_factory(factory);
        let provider = provider.map_err(|rejection| Error::configuration(rejection.text()))?;
        Ok(Self::with(provider))
    }

    fn with(provider: Provider) -> Self {
        Self {
            source: Arc::new(TokenCache::new(provider, Self::DEFAULT_TOKEN_TIMEOUT)),
        }
    }

    /// Sets the maximum time that a call waits for its credentials. After this time, the call fails with DEADLINE_EXCEEDED.
    /// The default is 8 s.
    #[must_use]
    pub fn token_timeout(self, token_timeout: Duration) -> Self {
        Self {
            source: Arc::new(self.source.with_token_timeout(token_timeout)),
        }
    }
}

/// Converts the result of a user's factory.
fn created<C, E>(result: Result<C, E>) -> Result<Created, Rejection>
where
    C: Into<Credentials>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let credentials = result.map_err(|error| {
        let cause = redact(&error.into().to_string(), &[]);
        Rejection::permanent(format!("cannot create credentials: {cause}"))
    })?;
    Ok(Created {
        credentials: credentials.into(),
        origin: Origin::User,
    })
}

/// Returns a factory whose credentials return headers only if they belong to this universe.
fn in_universe(
    create: impl Fn() -> Result<Created, Rejection> + Send + Sync + 'static,
    universe: &str,
) -> Factory {
    let universe = universe.to_owned();
    Arc::new(move || {
        let created = create()?;
        Ok(Created {
            credentials: of_universe(created.credentials, &universe),
            ..created
        })
    })
}

/// Rejects an endpoint to which credentials are never sent.
fn check(endpoint: &Uri) -> Result<(), Error> {
    match is_plaintext_remote(endpoint) {
        true => Err(exposed(endpoint)),
        false => Ok(()),
    }
}

fn exposed(uri: &Uri) -> Error {
    let host = uri.authority().map_or("", http::uri::Authority::as_str);
    Error::configuration(format!(
        "http://{host} is plaintext and not a loopback address: credentials are never sent to it; use https, or remove this layer"
    ))
}

impl<S: Clone> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        let template = Arc::new(inner.clone());
        Auth {
            inner: Normalize::new(inner),
            template,
            source: Arc::clone(&self.source),
        }
    }
}

/// A service that adds credentials to its calls.
#[derive(Debug)]
pub struct Auth<S> {
    inner: Normalize<S>,
    /// The service that a second attempt clones, since `inner` is in use by then.
    template: Arc<S>,
    source: Arc<TokenCache>,
}

impl<S: Clone> Clone for Auth<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            template: Arc::clone(&self.template),
            source: Arc::clone(&self.source),
        }
    }
}

impl<S: GrpcService> Service<GrpcRequest> for Auth<S> {
    type Response = GrpcResponse;
    type Error = Status;
    type Future = Authorized<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: GrpcRequest) -> Authorized<S> {
        let replay = self.replay(&mut request);
        if is_plaintext_remote(request.uri()) {
            let status = Status::failed_precondition(exposed(request.uri()).to_string());
            return Authorized::boxed(std::future::ready(Err(status)));
        }
        if let Some(headers) = self.source.cached() {
            headers.apply(request.headers_mut());
            return Authorized {
                state: State::Direct {
                    call: self.inner.call(request),
                    replay: Some((replay, headers)),
                },
            };
        }
        // The call uses the ready service. The clone that replaces it must become ready before the next call.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        Authorized::boxed(first(inner, request, replay))
    }
}

impl<S: Clone> Auth<S> {
    /// Returns the data for a second attempt, which is made if the server rejects the credentials.
    fn replay(&self, request: &mut GrpcRequest) -> Replay<S> {
        let above = request.extensions().get::<CallContext>();
        let by = if request.extensions().get::<CredentialsRefreshed>().is_some() {
            ReplayBy::None
        } else if above.is_some_and(|call| call.payload.is_some()) {
            ReplayBy::Above
        } else {
            RequestCopy::of(request).map_or(ReplayBy::None, |copy| ReplayBy::Here {
                template: Arc::clone(&self.template),
                copy: Box::new(copy),
            })
        };
        Replay {
            source: Arc::clone(&self.source),
            by,
        }
    }
}

/// Waits for headers, then sends the request.
async fn first<S: GrpcService>(
    mut inner: Normalize<S>,
    mut request: GrpcRequest,
    replay: Replay<S>,
) -> Result<GrpcResponse, Status> {
    phase::enter(Phase::Credentials);
    let headers = replay.source.fetch().await?;
    headers.apply(request.headers_mut());
    let result = inner.call(request).await;
    if is_unauthenticated(&result) {
        replay.send(headers, result).await
    } else {
        result
    }
}

/// The data for a second attempt.
struct Replay<S> {
    source: Arc<TokenCache>,
    by: ReplayBy<S>,
}

/// The layer that makes the second attempt.
enum ReplayBy<S> {
    /// None: this is the second attempt, or the request is a stream.
    None,
    /// The retry layer above, which has a copy of the request.
    Above,
    /// This layer, if no layer above has a copy: under a tonic client of the user, or for a method that is not in the contract.
    Here {
        template: Arc<S>,
        copy: Box<RequestCopy>,
    },
}

impl<S: GrpcService> Replay<S> {
    /// Requests headers again. If they differ from the rejected ones, repeats the call here, or returns an error that makes the
    /// retry layer repeat the call. Otherwise returns `result`.
    async fn send(
        self,
        refused: Arc<Headers>,
        result: Result<GrpcResponse, Status>,
    ) -> Result<GrpcResponse, Status> {
        if matches!(self.by, ReplayBy::None) {
            return result;
        }
        phase::enter(Phase::Credentials);
        let headers = match self.source.fetch().await {
            Ok(headers) if headers.tag != refused.tag => headers,
            Ok(_) => return result,
            Err(status) => {
                tracing::debug!(code = ?status.code(), "cannot refresh the rejected credentials");
                return result;
            }
        };
        tracing::debug!("the server rejected the credentials, retrying with refreshed ones");
        let ReplayBy::Here { template, copy } = self.by else {
            return result.map_err(TransportError::credentials_refreshed);
        };
        let mut request = copy.request();
        headers.apply(request.headers_mut());
        Normalize::new(S::clone(&template)).oneshot(request).await
    }
}

/// Returns whether the server rejected the credentials. A rejection has its gRPC status or its HTTP status in the head of the
/// response.
fn is_unauthenticated(result: &Result<GrpcResponse, Status>) -> bool {
    match result {
        Err(status) => status.code() == Code::Unauthenticated,
        Ok(response) => {
            let code = response.headers().get(Status::GRPC_STATUS);
            response.status() == http::StatusCode::UNAUTHORIZED
                || code
                    .is_some_and(|code| Code::from_bytes(code.as_bytes()) == Code::Unauthenticated)
        }
    }
}

pin_project! {
    /// The future of a call with credentials. With cached headers it is not boxed.
    #[must_use = "futures do nothing unless polled"]
    pub struct Authorized<S: GrpcService> {
        #[pin]
        state: State<S>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S: GrpcService> {
        Direct {
            #[pin]
            call: <Normalize<S> as Service<GrpcRequest>>::Future,
            replay: Option<(Replay<S>, Arc<Headers>)>,
        },
        Boxed { call: Pin<Box<dyn Future<Output = Result<GrpcResponse, Status>> + Send>> },
    }
}

impl<S: GrpcService> Authorized<S> {
    fn boxed(call: impl Future<Output = Result<GrpcResponse, Status>> + Send + 'static) -> Self {
        Self {
            state: State::Boxed {
                call: Box::pin(call),
            },
        }
    }
}

impl<S: GrpcService> std::fmt::Debug for Authorized<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorized").finish_non_exhaustive()
    }
}

impl<S: GrpcService> Future for Authorized<S> {
    type Output = Result<GrpcResponse, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let replaying = match this.state.as_mut().project() {
                StateProj::Boxed { call } => return call.as_mut().poll(cx),
                StateProj::Direct { call, replay } => {
                    let result = ready!(call.poll(cx));
                    match replay.take().filter(|_| is_unauthenticated(&result)) {
                        Some((replay, headers)) => replay.send(headers, result),
                        None => return Poll::Ready(result),
                    }
                }
            };
            this.state.set(State::Boxed {
                call: Box::pin(replaying),
            });
        }
    }
}
