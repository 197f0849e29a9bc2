//! Access control: which requests of web pages and other machines are served.
//!
//! Every request on the port passes [`Access`] before it is routed. [`decide`] makes the decision from the head of the
//! request and its connection; this file applies it.

mod admin_only;
mod decision;
mod host;
mod response;
mod settings;
mod token;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{HeaderMap, HeaderValue, header};
use tonic::body::Body;
use tower::{Layer, Service};

use super::http_limits::check_head;
use super::request_body::with_timeout;
use crate::call::{GrpcRequest, GrpcResponse};
use crate::emulator::connection::ConnectionHandle;
use admin_only::AdminAllowed;
#[cfg(feature = "rest")]
pub(super) use admin_only::is_admin_allowed;
pub(super) use admin_only::require_admin_allowed;
use decision::{Facts, Outcome, RouteGroup, decide};
pub(super) use settings::{AccessRules, AccessSettings};

/// Time in seconds for which a browser may cache the response to a preflight request.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("600");

/// Puts [`Access`] before a service.
#[derive(Clone, Debug)]
pub(super) struct AccessLayer(Arc<AccessRules>);

impl AccessLayer {
    pub(super) fn new(rules: AccessRules) -> Self {
        Self(Arc::new(rules))
    }

    /// Returns true if the page is served.
    pub(super) fn has_page(&self) -> bool {
        self.0.has_page()
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = Access<S>;

    fn layer(&self, inner: S) -> Access<S> {
        Access {
            inner,
            rules: Arc::clone(&self.0),
        }
    }
}

/// Serves the requests that are allowed, and rejects all others before they are routed.
#[derive(Clone, Debug)]
pub(super) struct Access<S> {
    inner: S,
    rules: Arc<AccessRules>,
}

impl<S> Service<GrpcRequest> for Access<S>
where
    S: Service<GrpcRequest, Response = GrpcResponse>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = GrpcResponse;
    type Error = S::Error;
    type Future =
        Either<S::Future, Pin<Box<dyn Future<Output = Result<GrpcResponse, S::Error>> + Send>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: GrpcRequest) -> Self::Future {
        let mut request = with_timeout(request);
        let connection = request.extensions().get::<ConnectionHandle>();
        if let Some(connection) = connection {
            connection.set_has_request(request.version());
        }
        if let Some(refused) = check_head(&request) {
            return Either::Right(Box::pin(async { Ok(refused) }));
        }
        let group = RouteGroup::of(&request, self.rules.has_page());
        let facts = Facts {
            group,
            method: request.method(),
            is_local: connection.is_some_and(ConnectionHandle::is_peer_loopback),
            local: connection.and_then(ConnectionHandle::local_address),
            is_encrypted: connection.is_some_and(ConnectionHandle::is_encrypted),
            authority: request.uri().authority().map(http::uri::Authority::as_str),
            headers: request.headers(),
        };
        let cors = Cors::new(&self.rules, &facts);
        match decide(&self.rules, &facts) {
            Outcome::Allow => {}
            Outcome::Preflight => return Either::Right(Box::pin(async { Ok(preflight(cors)) })),
            Outcome::Refuse(refusal) => {
                return Either::Right(Box::pin(async move {
                    Ok(cors.on(response::refuse(request, &refusal).await))
                }));
            }
        }
        if group == RouteGroup::Admin {
            request.extensions_mut().insert(AdminAllowed);
        }
        let response = self.inner.call(request);
        match cors {
            Cors::Off => Either::Left(response),
            cors => Either::Right(Box::pin(async move { Ok(cors.on(response.await?)) })),
        }
    }
}

/// Returns the response to a preflight request of an allowed origin (Fetch Standard §3.3.3).
fn preflight(cors: Cors) -> GrpcResponse {
    let mut response = GrpcResponse::new(Body::empty());
    *response.status_mut() = http::StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    // The wildcard does not include `Authorization`.
    let names = HeaderValue::from_static("authorization, *");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
    cors.on(response)
}

/// The headers by which a browser lets a web page read a response.
#[derive(Debug)]
enum Cors {
    /// No origin is allowed.
    Off,
    /// Some origins are allowed, but not the origin of this request.
    Other,
    Allowed(HeaderValue),
}

impl Cors {
    fn new(rules: &AccessRules, facts: &Facts<'_>) -> Self {
        match rules.allowed_origin(facts.headers) {
            Some(origin) => Self::Allowed(origin.clone()),
            None if rules.allows_origins() => Self::Other,
            None => Self::Off,
        }
    }

    fn on(self, mut response: GrpcResponse) -> GrpcResponse {
        let headers = response.headers_mut();
        match self {
            Self::Off => {}
            Self::Other => vary(headers),
            Self::Allowed(origin) => {
                vary(headers);
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                let all = HeaderValue::from_static("*");
                headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, all);
            }
        }
        response
    }
}

/// Marks a response that depends on the origin, for caches.
fn vary(headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}
