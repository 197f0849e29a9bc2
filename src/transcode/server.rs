//! HTTP/JSON before a tonic server: a request becomes a gRPC one by its rule, and the reply JSON.

mod conflict;
mod path;
mod query;
mod reply;
mod request;
mod stream;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::TryFutureExt as _;
use futures_util::future::{Either, MapOk};
use http::header;
use tonic::body::Body;
use tower::{Layer, Service};

use super::json::JsonOptions;
use super::rules::Rules;
use crate::call::{Reply, Rpc};
use crate::failure::Failure;
use reply::Reading;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The most bytes of a message, as tonic's own servers have it.
const MOST: usize = 4 << 20;

/// Has a tonic service take HTTP/JSON requests beside gRPC ones.
///
/// It stands before [`tonic::service::Routes`] or any other gRPC service, a `Channel` to another server
/// among them. Requests whose content type is `application/grpc` pass as they are. All others are looked
/// up by the rules and answered as Google's REST services do: errors as `{"error": {…}}`, 404 where there
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
    most: usize,
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
                most: MOST,
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

    /// The most bytes that the body of a request or a message of a reply may have; 4 MiB by default.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.settings.most = bytes;
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

fn is_grpc<A>(request: &http::Request<A>) -> bool {
    let media = request.headers().get(header::CONTENT_TYPE);
    media.is_some_and(|media| media.as_bytes().starts_with(b"application/grpc"))
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
        most,
    } = settings;
    let call = match request::call(&rules, request, options, most).await {
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
        most,
    };
    match inner.call(call.rpc).await {
        Ok(reply) => reading.reply(reply).await,
        Err(error) => reading.failure(&Failure::status(error.into())),
    }
}
