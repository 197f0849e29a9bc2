//! HTTP/JSON before a tonic server: a request becomes a gRPC one by its rule, and the reply JSON.

mod conflict;
mod encoding;
mod path;
mod query;
mod request;
mod response;
mod stream;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::TryFutureExt as _;
use futures_util::future::{Either, MapOk};
use http::{HeaderValue, header};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::call::transport_error::Failure;
use crate::call::{Reply, Rpc};
use crate::transcode::json::JsonOptions;
use crate::transcode::rules::Rules;
use response::Reading;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The default limit on a request's body: twice that of tonic's servers on a message, since its JSON is longer.
const MAX_REQUEST: usize = 8 << 20;

/// Has a tonic service take HTTP/JSON requests beside gRPC ones.
///
/// It stands before [`tonic::service::Routes`] or any other gRPC service, a `Channel` to another server
/// among them. A gRPC request passes as it is: a POST with the content type `application/grpc` or
/// `application/grpc+proto`, with or without parameters. All others are looked up by the rules and answered as Google's REST services do: errors as `{"error": {…}}`, 404 where there
/// is no route, 405 with `Allow` for another HTTP method, a stream of replies as a JSON array or a line
/// each. Unknown fields and query names are refused, system parameters such as `$alt` are known. Some of
/// these become headers of the gRPC request: `key`, `quotaUser`, `userProject`, `fields`, `access_token`;
/// those that only shape the text, such as `prettyPrint`, have no effect. Rules that cannot be served are listed
/// by [`Rules::unserved`].
///
/// # Path, query and body
///
/// Values in the path are decoded exactly, whatever they are; in a variable of several segments `%2F` stays as it
/// is (`google/api/http.proto`). A segment `.` or `..`, encoded or not, is INVALID_ARGUMENT: a proxy on the way may
/// have removed others, so nothing is known about the path that the client meant. Only `**` has empty segments.
///
/// Each field is set in one place, or the request is INVALID_ARGUMENT and the error names the field and both
/// places; likewise two members of one oneof. Messages that path, query and body set in part are merged. There
/// are two exceptions, for the path and the body, since clients send a whole resource as the body of an update:
///
/// - the body may repeat the value of the path;
/// - if the field, or a message that it is in, is `OUTPUT_ONLY`, the body may have any value, which is ignored
///   (AIP-203).
///
/// A default value of a field without presence, such as `0`, is no value here: on the wire it is absent.
///
/// # Requests
///
/// Where the specifications leave a choice, requests are read as Envoy's transcoder and Google's services read them.
///
/// | request | how it is read |
/// |---|---|
/// | `Content-Encoding: gzip` (or `x-gzip`, `identity`) | The body is decompressed, within the limit of [`max_request`](Self::max_request). An empty body is empty, whatever the header says. Another encoding is 415 with the code UNIMPLEMENTED and an `Accept-Encoding`. |
/// | POST with `X-HTTP-Method-Override` | The verb that the header names takes the place of POST, for every method that has a rule of the verb. The header is left out of the gRPC request. On other verbs the header has no meaning and passes. |
/// | the same with GET, and a body of the type `application/x-www-form-urlencoded` | The form is added to the query. Clients send it where an address would be too long. |
/// | `application/grpc-web`, `application/grpc+json` and the like | 415 with the code UNIMPLEMENTED, whatever the path: gRPC-Web needs a layer of its own, such as `tonic-web`, before this one. |
/// | several `Content-Type` headers | 400 with the code INVALID_ARGUMENT, since parsers differ in the one that they read. |
/// | a fragment, or a full URL, as the request target | The path and the query alone count. |
/// | HEAD | As any verb without a rule: 405, or 404 where there is no route. |
/// | `bytes` | Base64 of either alphabet, with padding or without. White space is passed over, such as the line breaks of MIME (RFC 2045). |
/// | a boolean in a path or query | `true`, `t`, `yes`, `y`, `1` and `false`, `f`, `no`, `n`, `0`, in capital or small letters. In a body only JSON's `true` and `false`. |
/// | a field mask | In camel case or in snake case. A capital letter becomes an underscore and the small letter, everything else stays, as `labels.team_2` does. The key of a map may be enclosed in backticks (AIP-161) and stays as it is. |
///
/// # Sizes
///
/// A body that is larger than [`max_request`](Self::max_request), before or after decompression, is 400 with the code
/// INVALID_ARGUMENT, which Google's services answer over gRPC as well. Before any refusal the body is read, so that
/// clients that send first and read then find the answer, up to four times the limit. After that, or if the
/// request's `Content-Length` is above that, the answer comes at once and HTTP/1.1 closes the connection. Replies have no limit
/// unless [`max_reply`](Self::max_reply) sets one, as tonic's servers have none.
///
/// With a tonic server both go to one port, over HTTP/1.1 and HTTP/2:
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
    max_reply: usize,
}

impl TranscodeLayer {
    /// Takes requests by these rules.
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
                max_request: MAX_REQUEST,
                max_reply: usize::MAX,
            },
        }
    }

    /// How requests are read and replies written; by default strictly, and with enums as names, which
    /// a request's `$alt=json;enum-encoding=int` changes.
    #[must_use]
    pub fn json(mut self, options: JsonOptions) -> Self {
        self.settings.options = options;
        self
    }

    /// Maximum number of bytes of a request's body, before and after decompression; 8 MiB by default.
    ///
    /// JSON is longer than the message that it becomes, by a third for `bytes`. So the limit should be about twice that of
    /// the server on a message, which is 4 MiB for tonic's servers. Then both faces accept the same messages, since
    /// the server's limit decides.
    #[must_use]
    pub fn max_request(mut self, bytes: usize) -> Self {
        self.settings.max_request = bytes;
        self
    }

    /// Maximum number of bytes of a reply's message, or of each message of a stream, before it becomes JSON; no
    /// limit by default. A larger one is answered with RESOURCE_EXHAUSTED.
    #[must_use]
    pub fn max_reply(mut self, bytes: usize) -> Self {
        self.settings.max_reply = bytes;
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

/// The service of a [`TranscodeLayer`].
#[derive(Clone, Debug)]
pub struct Transcode<S> {
    inner: S,
    settings: Settings,
}

type Boxed<E> = Pin<Box<dyn Future<Output = Result<Reply, E>> + Send>>;

impl<S, A, B> Service<http::Request<A>> for Transcode<S>
where
    S: Service<Rpc, Response = http::Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send,
    A: http_body::Body<Data = Bytes> + Send + 'static,
    A::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Reply;
    type Error = S::Error;
    type Future = Either<MapOk<S::Future, fn(http::Response<B>) -> Reply>, Boxed<S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<A>) -> Self::Future {
        if is_grpc(&request) {
            let passed = self.inner.call(request.map(Body::new));
            return Either::Left(passed.map_ok(|reply| reply.map(Body::new)));
        }
        // The one that was made ready is called, and its clone waits for the next call.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let settings = self.settings.clone();
        let request = request.map(Body::new);
        Either::Right(Box::pin(async move {
            Ok(serve(inner, settings, request).await)
        }))
    }
}

/// Returns whether a request is a gRPC request: a POST with one `Content-Type`, which is `application/grpc` or
/// `application/grpc+proto`, parameters aside.
fn is_grpc<A>(request: &http::Request<A>) -> bool {
    let mut values = request.headers().get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let media = media_type(value);
    let is = |known: &str| media.eq_ignore_ascii_case(known.as_bytes());
    request.method() == http::Method::POST
        && (is("application/grpc") || is("application/grpc+proto"))
}

/// Returns the media type of a `Content-Type`, without its parameters.
fn media_type(value: &HeaderValue) -> &[u8] {
    let bytes = value.as_bytes();
    let end = bytes.iter().position(|byte| *byte == b';');
    bytes[..end.unwrap_or(bytes.len())].trim_ascii()
}

/// Answers one HTTP/JSON request; whatever goes wrong is an answer too.
async fn serve<S, B>(mut inner: S, settings: Settings, request: Rpc) -> Reply
where
    S: Service<Rpc, Response = http::Response<B>>,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let Settings {
        rules,
        mut options,
        max_request,
        max_reply,
    } = settings;
    let call = match request::call(&rules, request, options, max_request).await {
        Ok(call) => call,
        Err(refusal) => return refusal.reply(&rules, options),
    };
    if call.enums_as_numbers {
        options.enums_as_numbers = true;
    }
    let reading = Reading {
        rules: &rules,
        target: call.target,
        options,
        most: max_reply,
    };
    match inner.call(call.rpc).await {
        Ok(reply) => reading.reply(reply).await,
        Err(error) => reading.failure(&Failure::status(error.into())),
    }
}
