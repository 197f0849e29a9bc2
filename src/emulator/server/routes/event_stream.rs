//! The events of the admin service as server-sent events (HTML Standard §9.2).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::Either;
use futures_util::stream;
use http::{HeaderName, HeaderValue, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message as _;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::call::{self, GrpcRequest, GrpcResponse, PassThrough, Transcoded};
use crate::emulator::api::core::Core;
use crate::emulator::connection::ConnectionHandle;
use crate::emulator::events::{Listener, StreamHandle, event_name};
use crate::emulator::messages::{Event, WatchEventsRequest, to_json};
use crate::emulator::server::access::is_admin_allowed;
use crate::emulator::server::aux_services::EventSource;

/// Path of the method. The transcoder has replaced the path of the HTTP rule with it.
const PATH: &str = "/apigateway_grpc.emulator.v1.Admin/WatchEvents";

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Time without an event after which a comment is sent, so that proxies do not close the connection.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Puts [`EventStream`] before a service.
#[derive(Clone, Debug)]
pub(super) struct EventStreamLayer(EventSource);

impl EventStreamLayer {
    pub(super) fn new(source: EventSource) -> Self {
        Self(source)
    }
}

impl<S> Layer<S> for EventStreamLayer {
    type Service = EventStream<S>;

    fn layer(&self, inner: S) -> EventStream<S> {
        EventStream {
            inner,
            source: self.0.clone(),
        }
    }
}

/// Serves the stream of events over HTTP. All other requests, and the stream over gRPC, go to the inner service.
#[derive(Clone, Debug)]
pub(super) struct EventStream<S> {
    inner: S,
    source: EventSource,
}

impl<S> Service<GrpcRequest> for EventStream<S>
where
    S: Service<GrpcRequest, Response = GrpcResponse>,
{
    type Response = GrpcResponse;
    type Error = S::Error;
    type Future = Either<S::Future, Responding<S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: GrpcRequest) -> Self::Future {
        let is_http = request.extensions().get::<Transcoded>().is_some();
        if request.uri().path() != PATH || !is_http || !is_admin_allowed(&request) {
            return Either::Left(self.inner.call(request));
        }
        let core = Arc::clone(&self.source.core);
        let connection = request.extensions().get::<ConnectionHandle>().cloned();
        let opened = self.source.streams.open(connection);
        Either::Right(Box::pin(async move {
            let after = after(request).await;
            Ok(respond(&core, opened, after))
        }))
    }
}

/// The future of the response to a request for the stream of events.
type Responding<E> = Pin<Box<dyn Future<Output = Result<GrpcResponse, E>> + Send>>;

/// Returns the number of the event after which the stream continues. Returns `None` for a stream that starts now.
async fn after(request: GrpcRequest) -> Option<u64> {
    // A browser that reconnects sends the query of the first request again, so the header has precedence. An invalid
    // header counts as 0, which is no event's number, so the stream starts with `lost`.
    if let Some(value) = request.headers().get(LAST_EVENT_ID) {
        let text = value.to_str().ok().map(str::trim);
        return Some(text.and_then(|text| text.parse().ok()).unwrap_or_default());
    }
    // The transcoder has written the message, so it is valid.
    let payload = request.into_body().collect().await.ok()?.to_bytes();
    let message = WatchEventsRequest::decode(call::single_message(&payload)?);
    message.ok()?.after
}

fn respond(core: &Arc<Core>, opened: StreamHandle, after: Option<u64>) -> GrpcResponse {
    let state = (
        Listener::new(core, after),
        opened,
        // A stream that continues may have no event for a long time. Such a stream begins with an empty comment, so that the
        // server sends the response head at once.
        after.is_some(),
    );
    let frames = stream::unfold(state, |(mut listener, mut opened, is_first)| async move {
        let text = if is_first {
            Bytes::from_static(b":\n\n")
        } else {
            tokio::select! {
                () = opened.stopped() => return None,
                text = next(&mut listener) => text,
            }
        };
        Some((
            Ok::<_, Status>(Frame::data(text)),
            (listener, opened, false),
        ))
    });
    let frames: Pin<Box<dyn futures_core::Stream<Item = _> + Send>> = Box::pin(frames);
    let mut response = GrpcResponse::new(Body::new(StreamBody::new(frames)));
    let headers = response.headers_mut();
    let media = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, media);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(PassThrough);
    response
}

/// Returns the text of the next event. Returns a comment if no event follows within [`KEEPALIVE`].
async fn next(listener: &mut Listener<Core>) -> Bytes {
    match listener.next(Instant::now().checked_add(KEEPALIVE)).await {
        Some(event) => text(&event),
        None => Bytes::from_static(b":\n\n"),
    }
}

fn text(event: &Event) -> Bytes {
    let (name, number) = (event_name(event), event.number);
    match to_json(event) {
        // `to_json` returns one line, as a `data` field needs.
        Ok(json) => format!("id: {number}\nevent: {name}\ndata: {json}\n\n").into(),
        Err(_) => {
            let before = number.saturating_sub(1);
            let data = format!(r#"{{"number":"{number}","lost":{{"from":"{before}"}}}}"#);
            format!("id: {number}\nevent: lost\ndata: {data}\n\n").into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::Emulator;
    use crate::emulator::events::Streams;

    async fn next_text(body: &mut Body) -> Option<String> {
        let frame = body.frame().await?.expect("no error");
        let data = frame.into_data().expect("data");
        Some(String::from_utf8(data.to_vec()).expect("text"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_comment_is_sent_after_each_15_seconds_without_an_event() {
        let emulator = Emulator::builder().build();
        let (end, streams) = Streams::new();
        let mut body = respond(&emulator.core, streams.open(None), None).into_body();
        let hello = next_text(&mut body).await.expect("an event");
        assert!(hello.contains("\nevent: hello\n"), "{hello}");
        let start = Instant::now();
        for seconds in [15, 30] {
            assert_eq!(next_text(&mut body).await.as_deref(), Some(":\n\n"));
            assert_eq!(start.elapsed().as_secs(), seconds);
        }
        // An event restarts the 15 seconds.
        tokio::time::advance(Duration::from_secs(10)).await;
        emulator.clear_calls();
        let cleared = next_text(&mut body).await.expect("an event");
        assert!(cleared.contains("\nevent: calls_cleared\n"), "{cleared}");
        assert_eq!(next_text(&mut body).await.as_deref(), Some(":\n\n"));
        assert_eq!(start.elapsed().as_secs(), 55);
        drop(end);
        assert_eq!(next_text(&mut body).await, None);
    }
}
