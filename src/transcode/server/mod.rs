//! The server direction: converts HTTP/JSON requests into gRPC requests, and gRPC responses into JSON.

mod conflict;
mod encoding;
mod field_path;
pub(crate) mod media_type;
mod path;
mod query;
mod refusal;
mod request;
mod response;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::TryFutureExt as _;
use futures_util::future::{Either, MapOk};
use tonic::body::Body;
use tower::{BoxError, Layer, Service};

use crate::call::transport_error::TransportError;
use crate::call::{GrpcRequest, GrpcResponse};
use crate::transcode::json::JsonOptions;
use crate::transcode::rules::Rules;
use response::ResponseWriter;

/// Default maximum number of bytes of a request body: twice the limit of tonic's servers on a message, since JSON is
/// longer.
const DEFAULT_MAX_REQUEST: usize = 8 << 20;

/// A layer with which a tonic service accepts HTTP/JSON requests beside gRPC requests.
///
/// It wraps [`tonic::service::Routes`] or any other gRPC service, such as a `Channel` to another server. A gRPC
/// request passes unchanged: a POST with the content type `application/grpc` or `application/grpc+proto`, with or
/// without parameters. Every other request is matched to a rule, and its response has the form that Google's REST
/// services use. An error has the body `{"error": {…}}`. A path without a rule is answered with 404, and a path
/// without a rule for the HTTP method with 405 and `Allow`. A stream of responses is a JSON array, or one text per
/// line.
///
/// Unknown fields and unknown query parameters are rejected. The system parameters `key`, `quotaUser`, `userProject`,
/// `fields`, `access_token` and `oauth_token` become headers of the gRPC request. `alt` must select JSON. A `callback`
/// with a value is rejected, since JSONP is not served. `prettyPrint`, `uploadType`, `upload_protocol` and `$.xgafv`
/// have no effect. All these names may begin with `$`. Any other name that begins with `$` is rejected. A request whose
/// path, query or body is invalid fails with INVALID_ARGUMENT and a `BadRequest`. [`Rules::unserved`] lists the rules
/// that cannot be served.
///
/// # Path, query and body
///
/// Values in the path are percent-decoded. In a variable of several segments, `%2F` stays encoded
/// (`google/api/http.proto`). A segment `.` or `..`, encoded or not, is rejected with INVALID_ARGUMENT, because
/// proxies resolve such segments and may have changed the path. Only `**` matches empty segments.
///
/// Each field, and each oneof, must be set in only one place. Otherwise the request is rejected with INVALID_ARGUMENT,
/// and the error names the fields and both places. A message may be set in parts by path, query and body; the parts
/// are merged. A field of the path may also be in the body in two cases, because clients send a whole resource as the
/// body of an update:
///
/// - the body may repeat the value of the path;
/// - if the field, or a message that it is in, is `OUTPUT_ONLY`, the body may have any value, which is ignored
///   (AIP-203).
///
/// A default value of a field without presence, such as `0`, counts as not set: it is absent on the wire.
///
/// # Requests
///
/// If the specifications leave a choice, requests are read as Envoy's transcoder and Google's services read them.
///
/// | request | how it is read |
/// |---|---|
/// | `Content-Encoding: gzip` (or `x-gzip`, `identity`) | The body is decompressed, within the limit of [`max_request`](Self::max_request). An empty body is accepted, even with `gzip`. Another encoding is answered with 415, the code UNIMPLEMENTED and `Accept-Encoding`. |
/// | POST with `X-HTTP-Method-Override` | The verb in the header replaces POST. The header is not in the gRPC request. In a request with another verb, the header has no effect and is forwarded. |
/// | POST with `X-HTTP-Method-Override: GET` and a body of the type `application/x-www-form-urlencoded` | The form is added to the query. Clients send it if a URL would be too long. |
/// | `application/grpc-web`, `application/grpc+json` and the like | 415 with the code UNIMPLEMENTED, whatever the path. gRPC-Web needs a layer of its own in front of this one, such as `tonic-web`. |
/// | several `Content-Type` headers | 400 with the code INVALID_ARGUMENT, since parsers differ in which header they use. |
/// | a full URL or a fragment in the request target | Only the path and the query are used. |
/// | HEAD | As any verb without a rule: 405, or 404 if the path has no rule. |
/// | `bytes` | Base64 in either alphabet, with or without padding. White space is skipped, such as the line breaks of MIME (RFC 2045). |
/// | a boolean in a path or query | `true`, `t`, `yes`, `y`, `1` and `false`, `f`, `no`, `n`, `0`, in capital or small letters. In a body only JSON's `true` and `false`. |
/// | a field mask | In camel case or in snake case. A capital letter becomes an underscore and the small letter; everything else stays, such as `labels.team_2`. The key of a map may be in backticks (AIP-161) and stays unchanged. |
///
/// # Sizes
///
/// A body larger than [`max_request`](Self::max_request), before or after decompression, is rejected with 400 and the
/// code INVALID_ARGUMENT, as by Google's services. Before a rejection the body is read, up to four times the limit,
/// because some clients send the whole request before they read the response. If the body is known to be larger than that,
/// the request is answered at once, and HTTP/1.1 closes the connection. Responses have no limit unless
/// [`max_response`](Self::max_response) sets one, as with tonic's servers.
///
/// A tonic server that accepts HTTP/JSON and gRPC on one port, over HTTP/1.1 and HTTP/2:
///
/// ```no_run
/// // Not run: it would serve for ever.
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # use apigateway_grpc::emulator::Emulator;
/// # use apigateway_grpc::tonic;
/// use apigateway_grpc::transcode::{Rules, TranscodeLayer};
///
/// tonic::transport::Server::builder()
///     .accept_http1(true)
///     .layer(TranscodeLayer::new(Rules::api_gateway()))
///     .add_routes(Emulator::builder().build().service())
///     .serve("127.0.0.1:8080".parse()?)
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TranscodeLayer {
    settings: Settings,
}

#[derive(Clone, Debug)]
struct Settings {
    rules: Rules,
    options: JsonOptions,
    max_request: usize,
    max_response: usize,
}

impl TranscodeLayer {
    /// Creates a layer that accepts requests by these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let options = JsonOptions {
            strict: true,
            ..JsonOptions::default()
        };
        Self {
            settings: Settings {
                rules,
                options,
                max_request: DEFAULT_MAX_REQUEST,
                max_response: usize::MAX,
            },
        }
    }

    /// Sets the JSON options for reading requests and writing responses. By default reading is strict, and enums are
    /// written as names. A request can select numbers with `$alt=json;enum-encoding=int`.
    #[must_use]
    pub fn json(mut self, options: JsonOptions) -> Self {
        self.settings.options = options;
        self
    }

    /// Sets the maximum number of bytes of a request body, before and after decompression; 8 MiB by default.
    ///
    /// Set about twice the server's limit on a message, which is 4 MiB for tonic's servers. JSON is longer than the
    /// message on the wire, by a third for `bytes`. With twice the limit, the server's limit decides, and JSON and
    /// gRPC requests accept the same messages.
    #[must_use]
    pub fn max_request(mut self, bytes: usize) -> Self {
        self.settings.max_request = bytes;
        self
    }

    /// Sets the maximum number of bytes of a response message, or of each message of a stream, before it becomes JSON.
    /// By default there is no limit. A larger message fails with RESOURCE_EXHAUSTED.
    #[must_use]
    pub fn max_response(mut self, bytes: usize) -> Self {
        self.settings.max_response = bytes;
        self
    }
}

impl<S> Layer<S> for TranscodeLayer {
    type Service = Transcode<S>;

    fn layer(&self, inner: S) -> Transcode<S> {
        Transcode {
            inner,
            settings: self.settings.clone(),
        }
    }
}

/// The service of a [`TranscodeLayer`]. It returns failures of the inner service as error responses, except for gRPC
/// requests.
#[derive(Clone, Debug)]
pub struct Transcode<S> {
    inner: S,
    settings: Settings,
}

type Boxed<E> = Pin<Box<dyn Future<Output = Result<GrpcResponse, E>> + Send>>;

impl<S, A, B> Service<http::Request<A>> for Transcode<S>
where
    S: Service<GrpcRequest, Response = http::Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send,
    A: http_body::Body<Data = Bytes> + Send + 'static,
    A::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = GrpcResponse;
    type Error = S::Error;
    type Future = Either<MapOk<S::Future, fn(http::Response<B>) -> GrpcResponse>, Boxed<S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<A>) -> Self::Future {
        if media_type::is_grpc(&request) {
            let passed = self.inner.call(request.map(Body::new));
            return Either::Left(passed.map_ok(|response| response.map(Body::new)));
        }
        // Call the service that was made ready, and keep its clone for the next call.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let settings = self.settings.clone();
        let request = request.map(Body::new);
        Either::Right(Box::pin(async move {
            Ok(serve(inner, settings, request).await)
        }))
    }
}

/// Returns the response to an HTTP/JSON request. A failure is a response too.
async fn serve<S, B>(mut inner: S, settings: Settings, request: GrpcRequest) -> GrpcResponse
where
    S: Service<GrpcRequest, Response = http::Response<B>>,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let Settings {
        rules,
        mut options,
        max_request,
        max_response,
    } = settings;
    let call = match request::call(&rules, request, options, max_request).await {
        Ok(call) => call,
        Err(refusal) => return refusal.into_response(&rules, options),
    };
    if call.enums_as_numbers {
        options.enums_as_numbers = true;
    }
    let writer = ResponseWriter {
        rules: &rules,
        target: call.target,
        options,
        max_bytes: max_response,
    };
    match inner.call(call.grpc_request).await {
        Ok(response) => writer.respond(response).await,
        Err(error) => writer.failure(&TransportError::to_status(error.into())),
    }
}
