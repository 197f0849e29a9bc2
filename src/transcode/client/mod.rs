//! The client direction: sends gRPC calls as HTTP/JSON requests, and returns the JSON responses as gRPC responses.

mod gzip;
mod request;
mod response;
mod stream;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::{Authority, Parts, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use crate::call::intermediary;
use crate::call::phase::{self, Phase};
use crate::call::transport_error::TransportError;
use crate::call::{self, BodyBuffer, GrpcRequest, GrpcResponse};
use crate::transcode::json::JsonOptions;
use crate::transcode::rules::{Method, Rules};
use request::Request;
use response::ResponseReader;
use stream::GrpcStream;
use tower::BoxError;

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// Default maximum number of bytes of a response message, as in tonic's clients.
const DEFAULT_MAX_RESPONSE: usize = 4 << 20;

/// Sends gRPC calls over HTTP/JSON, through any HTTP client that is a tower service.
///
/// It replaces a `Channel` under a generated client. Calls that HTTP/JSON cannot express fail with UNIMPLEMENTED before
/// anything is sent: calls of methods without a rule, and of methods that stream their requests. [`Rules::unserved`]
/// lists rules that are not served. An error response becomes its [`Status`], with details. A broken connection becomes
/// UNAVAILABLE, and so does a response from a captive portal or a proxy. Redirects are not followed. There is no
/// timeout: add one around the service. Dropping the future of a call drops its HTTP request.
///
/// # Values in the path
///
/// Values of path variables are percent-encoded, as `google/api/http.proto` specifies. So they may contain `%`, control
/// characters such as line breaks, and, in a variable of one segment, `/`.
/// [`TranscodeLayer`](super::TranscodeLayer) decodes the same value. These values fail with INVALID_ARGUMENT before
/// anything is sent:
///
/// - an empty value, and an empty segment where the template has `*`. A `**` may have empty segments, as in `a//b`.
/// - a segment `.` or `..`. URL libraries, proxies and servers remove these from paths, even if they are
///   percent-encoded (RFC 3986 §6.2.2), so the server would see another path.
/// - a value that does not match the pattern of its variable.
///
/// ```
/// use apigateway_grpc::model::GetOperationRequest;
/// use apigateway_grpc::proto::google::longrunning::operations_client::OperationsClient;
/// use apigateway_grpc::transcode::{Rest, Rules};
/// use apigateway_grpc::{http, tonic, tower};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Any HTTP client: hyper-util's, or a function.
/// let http = tower::service_fn(|request: http::Request<tonic::body::Body>| async move {
///     assert_eq!(request.uri().path(), "/v1/projects/p/locations/l/operations/o");
///     Ok::<_, std::convert::Infallible>(http::Response::new(r#"{"done": true}"#.to_owned()))
/// });
/// let mut client = OperationsClient::new(Rest::new(Rules::api_gateway(), http));
/// let name = "projects/p/locations/l/operations/o".to_owned();
/// let operation = client.get_operation(GetOperationRequest { name }).await?.into_inner();
/// assert!(operation.done);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Rest<S> {
    http: S,
    settings: Arc<Settings>,
}

#[derive(Clone, Debug)]
struct Settings {
    rules: Rules,
    origin: Option<(Scheme, Authority)>,
    /// The host of all requests, if the HTTP client sets it and request URLs lack it.
    host: Option<String>,
    options: JsonOptions,
    max_bytes: usize,
}

impl<S> Rest<S> {
    /// Creates a service that sends calls by these rules over this HTTP client.
    pub fn new(rules: Rules, http: S) -> Self {
        let settings = Settings {
            rules,
            origin: None,
            host: None,
            options: JsonOptions::default(),
            max_bytes: DEFAULT_MAX_RESPONSE,
        };
        Self {
            http,
            settings: Arc::new(settings),
        }
    }

    /// Sets the origin of all requests, such as `https://example.com`. By default it is the origin of the generated
    /// client. A URL without a scheme or a host restores the default.
    #[must_use]
    pub fn origin(mut self, origin: &Uri) -> Self {
        let parts = (origin.scheme().cloned(), origin.authority().cloned());
        Arc::make_mut(&mut self.settings).origin = match parts {
            (Some(scheme), Some(authority)) => Some((scheme, authority)),
            _ => None,
        };
        self
    }

    /// Sets the host to which the HTTP client sends all requests. It is compared with the host of a redirect, to
    /// detect an intermediary.
    pub(crate) fn host(mut self, host: Option<&str>) -> Self {
        Arc::make_mut(&mut self.settings).host = host.map(str::to_owned);
        self
    }

    /// Sets the JSON options for writing requests and reading responses. By default enums are written as names, and
    /// unknown fields are ignored.
    #[must_use]
    pub fn json(mut self, options: JsonOptions) -> Self {
        Arc::make_mut(&mut self.settings).options = options;
        self
    }

    /// Sets the maximum number of bytes of a response, or of each message of a stream; 4 MiB by default. A larger
    /// response or message fails with RESOURCE_EXHAUSTED.
    #[must_use]
    pub fn max_response(mut self, bytes: usize) -> Self {
        Arc::make_mut(&mut self.settings).max_bytes = bytes;
        self
    }
}

impl<S, B> Service<GrpcRequest> for Rest<S>
where
    S: Service<GrpcRequest, Response = http::Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = GrpcResponse;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<GrpcResponse, Status>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.http
            .poll_ready(cx)
            .map_err(|error| TransportError::to_status(error.into()))
    }

    fn call(&mut self, grpc_request: GrpcRequest) -> Self::Future {
        // Call the service that was made ready, and keep its clone for the next call.
        let clone = self.http.clone();
        let http = std::mem::replace(&mut self.http, clone);
        Box::pin(send(http, Arc::clone(&self.settings), grpc_request))
    }
}

async fn send<S, B>(
    mut http: S,
    settings: Arc<Settings>,
    grpc_request: GrpcRequest,
) -> Result<GrpcResponse, Status>
where
    S: Service<GrpcRequest, Response = http::Response<B>>,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let (head, body) = grpc_request.into_parts();
    let unsent = |status| TransportError::unsent(status, None);
    let method = method(&settings.rules, head.uri.path()).map_err(unsent)?;
    let payload = collect(body).await.map_err(unsent)?;
    let options = settings.options;
    let message = call::request_message(&head.headers, &payload).ok_or_else(|| {
        unsent(Status::internal(
            "invalid request: must be one message, uncompressed or in gzip",
        ))
    })?;
    let request = Request::new(&settings.rules, method, &message, options).map_err(unsent)?;
    let reader = ResponseReader {
        rules: &settings.rules,
        method,
        rule: request.rule,
        options,
        host: settings.own_host(),
    };
    let request = settings.http_request(request, head.uri, head.headers, method);
    let response = http
        .call(request.map_err(unsent)?)
        .await
        .map_err(|error| TransportError::to_status(error.into()))?;
    let (head, body) = response.into_parts();
    if is_grpc(&head.headers) {
        // Return a gRPC response unchanged: a transcoding proxy forwards a gRPC status that it cannot write as JSON.
        return Ok(GrpcResponse::from_parts(head, Body::new(body)));
    }
    if method.server_streaming && head.status.is_success() {
        gzip::refuse(&head.headers)?;
        let metadata = metadata(head.headers.clone(), false);
        let body = GrpcStream::new(reader, head.headers, body, settings.max_bytes);
        return Ok(grpc_response(metadata, Body::new(body)));
    }
    phase::enter(Phase::ReadingResponse);
    let body = whole(body, settings.max_bytes).await?;
    let body = match gzip::decompress(&head.headers, body, settings.max_bytes) {
        Ok(body) => body,
        // Report the intermediary, not the encoding of its page.
        Err(_) if intermediary::detect(head.status, &head.headers, reader.host).is_some() => {
            return Err(reader.failure(head.status, &head.headers, &[]));
        }
        Err(status) => return Err(status),
    };
    let message = reader.unary(head.status, &head.headers, &body)?;
    let metadata = metadata(head.headers, true);
    Ok(grpc_response(metadata, Body::new(Full::new(message))))
}

fn method<'r>(rules: &'r Rules, path: &str) -> Result<&'r Method, Status> {
    let unrouted = || Status::unimplemented(format!("no HTTP rule for {path}: use gRPC"));
    let method = rules.method(path).ok_or_else(unrouted)?;
    if method.client_streaming {
        let text = format!("client streaming of {path} is not supported over HTTP/JSON: use gRPC");
        return Err(Status::unimplemented(text));
    }
    Ok(method)
}

/// Reads the whole body of a request, which is one message.
async fn collect(mut body: Body) -> Result<Bytes, Status> {
    let mut pieces = BodyBuffer::default();
    while let Some(frame) = body.frame().await {
        pieces.push(frame?.into_data().unwrap_or_default());
    }
    Ok(pieces.take_bytes())
}

/// Reads the whole body of a response, up to a number of bytes.
async fn whole<B>(mut body: B, max_bytes: usize) -> Result<Bytes, Status>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let mut pieces = BodyBuffer::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| TransportError::after_head(error.into()))?;
        let piece = frame.into_data().unwrap_or_default();
        if piece.len() > max_bytes.saturating_sub(pieces.len()) {
            return Err(gzip::too_large(max_bytes));
        }
        pieces.push(piece);
    }
    Ok(pieces.take_bytes())
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    media.is_some_and(|media| media.starts_with(b"application/grpc"))
        && headers.contains_key(Status::GRPC_STATUS)
}

impl Settings {
    fn own_host(&self) -> Option<&str> {
        let origin = self.origin.as_ref();
        let host = origin.map(|(_, authority)| authority.host());
        host.or(self.host.as_deref())
    }

    fn http_request(
        &self,
        request: Request<'_>,
        uri: Uri,
        headers: HeaderMap,
        method: &Method,
    ) -> Result<GrpcRequest, Status> {
        let mut parts = Parts::default();
        let own = uri.into_parts();
        (parts.scheme, parts.authority) = match &self.origin {
            Some((scheme, authority)) => (Some(scheme.clone()), Some(authority.clone())),
            None => (own.scheme, own.authority),
        };
        parts.path_and_query = Some(request.target);
        let uri = Uri::from_parts(parts)
            .map_err(|error| Status::invalid_argument(format!("invalid request URL: {error}")))?;
        let mut headers = http_headers(headers, method);
        let body = match request.body {
            None => Body::empty(),
            Some(content) => {
                headers.insert(header::CONTENT_TYPE, content.media);
                Body::new(Full::new(content.bytes))
            }
        };
        let mut out = GrpcRequest::new(body);
        *out.uri_mut() = uri;
        *out.method_mut() = request.verb;
        *out.headers_mut() = headers;
        Ok(out)
    }
}

/// Converts the headers of a call: removes those of gRPC, and sets `accept` and `accept-encoding`.
fn http_headers(mut headers: HeaderMap, method: &Method) -> HeaderMap {
    for name in [header::CONTENT_TYPE, header::TE, TIMEOUT, ACCEPT_ENCODING] {
        headers.remove(name);
    }
    // Most calls have no other gRPC headers, so this list is usually empty.
    let other = |name: &&HeaderName| {
        let name = name.as_str();
        name.starts_with("grpc-") || name.ends_with("-bin") || name == "content-length"
    };
    let others: Vec<HeaderName> = headers.keys().filter(other).cloned().collect();
    for name in others {
        headers.remove(name);
    }
    let accept = match (method.server_streaming, method.lines) {
        (true, true) => stream::LINES,
        _ => "application/json",
    };
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    if !method.server_streaming {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers
}

/// Converts the headers of a response: removes those of the connection and the encoding, and sets those of gRPC.
fn metadata(mut headers: HeaderMap, whole: bool) -> HeaderMap {
    headers.remove(header::CONTENT_LENGTH);
    // Most responses have no other such headers, so this list is usually empty.
    let is_removed = |name: &&HeaderName| {
        let framing = [
            header::CONTENT_ENCODING,
            header::TRANSFER_ENCODING,
            header::CONNECTION,
        ];
        framing.contains(name) || name.as_str().starts_with("grpc-")
    };
    let removed: Vec<HeaderName> = headers.keys().filter(is_removed).cloned().collect();
    for name in removed {
        headers.remove(name);
    }
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    if whole {
        headers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    }
    headers
}

/// Returns the response that a gRPC server would have sent.
fn grpc_response(headers: HeaderMap, body: Body) -> GrpcResponse {
    let mut response = GrpcResponse::new(body);
    *response.status_mut() = StatusCode::OK;
    *response.headers_mut() = headers;
    response
}
