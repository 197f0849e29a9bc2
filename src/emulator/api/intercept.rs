//! Intercepts every call of the API: records it and applies its fault.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;

use super::bearer_auth::TokenGrant;
use super::core::Core;
use super::decompress::{MAX_REQUEST, decompress_body, take_gzip};
use super::request_check;
#[cfg(feature = "rest")]
use crate::call::UnreadableRequest;
use crate::call::wire_format;
use crate::call::{self, BodyBuffer, GrpcRequest, GrpcResponse, JsonType, PassThrough, Transcoded};
use crate::contract::Method;
use crate::emulator::connection::ConnectionHandle;
use crate::emulator::error;
use crate::emulator::error::details::mark_legacy;
use crate::emulator::faults::FaultAction;
use crate::emulator::faults::operation_plan::OperationPlan;
use crate::emulator::faults::received_call::{CallEnd, NewCall, Peer, Via};
use crate::emulator::state::Tables;
use crate::emulator::state::operation::OPERATION;
use crate::emulator::state::resource::Resource;
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};

/// The request header that asks for a partial response. Over REST, the query parameter `fields` has the same meaning.
const FIELD_MASK: &str = "x-goog-fieldmask";

/// The code INTERNAL in the headers of a response.
const INTERNAL: &[u8] = b"13";

/// A generated service whose calls are intercepted.
#[derive(Clone, Debug)]
pub(crate) struct Intercept<S> {
    core: Arc<Core>,
    service: S,
}

/// The part of a fault that the method itself applies. The request has it in its extensions.
#[derive(Clone, Debug)]
pub(crate) enum FaultEffect {
    Nothing,
    Stale,
    Plan(OperationPlan),
}

/// The resource or operation that a call names.
#[derive(Debug, Default)]
struct CallTarget {
    name: String,
    /// The parent of a resource that is to be created.
    parent: String,
}

impl<S> Intercept<S> {
    pub(crate) fn new(core: &Arc<Core>, service: S) -> Self {
        Self {
            core: Arc::clone(core),
            service,
        }
    }
}

impl<S: NamedService> NamedService for Intercept<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<GrpcRequest> for Intercept<S>
where
    S: Service<GrpcRequest, Response = GrpcResponse, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = GrpcResponse;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<GrpcResponse, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: GrpcRequest) -> Self::Future {
        // This instance was polled ready, so it serves this call. Its clone serves the next call.
        let clone = self.service.clone();
        let service = std::mem::replace(&mut self.service, clone);
        let core = Arc::clone(&self.core);
        Box::pin(async move {
            let mut record = CallRecord::new(&core);
            let response = mark_legacy(intercept(&core, service, request, &mut record).await?);
            // Waits for the storage, so that no response reports a state that a crash could undo.
            let durable = core.state.durable().await;
            let response = durable.map_or_else(Status::into_http, |()| response);
            Ok(record.end(response).await)
        })
    }
}

/// Records the end of a call. If the record is dropped without an end, the client has cancelled the call or the call has
/// panicked.
struct CallRecord<'c> {
    core: &'c Core,
    /// The number of the call. `None` before the call is recorded, and after its end is recorded.
    sequence: Option<u64>,
    fault: Option<u64>,
    html: Option<StatusCode>,
    is_cut: bool,
}

impl<'c> CallRecord<'c> {
    fn new(core: &'c Core) -> Self {
        Self {
            core,
            sequence: None,
            fault: None,
            html: None,
            is_cut: false,
        }
    }

    /// Records the end of the call, and returns its response.
    async fn end(mut self, response: GrpcResponse) -> GrpcResponse {
        if self.sequence.is_none() {
            return response;
        }
        if self.is_cut {
            self.record(Err(Status::unavailable("the connection was closed")), None);
            return response;
        }
        if let Some(html) = self.html {
            let text = format!("the response is an HTML page with HTTP {}", html.as_u16());
            self.record(Err(Status::unknown(text)), None);
            return response;
        }
        if let Some(status) = Status::from_header_map(response.headers()) {
            self.record(Err(status), None);
            return response;
        }
        let (head, mut body) = response.into_parts();
        // All methods are unary, and their responses are in memory.
        let (mut payload, mut trailers) = (BodyBuffer::default(), None);
        while let Some(frame) = body.frame().await {
            match frame.map(Frame::into_data) {
                Ok(Ok(piece)) => payload.push(piece),
                Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
                Err(status) => {
                    self.record(Err(status.clone()), None);
                    return status.into_http();
                }
            }
        }
        let payload = payload.take_bytes();
        let error = trailers.as_ref().and_then(|trailers| {
            match trailers.get(Status::GRPC_STATUS)?.as_bytes() {
                b"0" => None,
                _ => Status::from_header_map(trailers),
            }
        });
        let result = error.map_or(Ok(()), Err);
        self.record(result, call::single_message(&payload));
        let body = UnaryBody { payload, trailers };
        GrpcResponse::from_parts(head, Body::new(body))
    }

    fn record(&mut self, result: Result<(), Status>, response: Option<&[u8]>) {
        let Some(sequence) = self.sequence.take() else {
            return;
        };
        let error = result.err();
        let end = CallEnd {
            code: error.as_ref().map_or(Code::Ok, Status::code),
            error,
            response,
            fault: self.fault,
            is_cut: self.is_cut,
            html: self.html,
        };
        let events = &self.core.events;
        let ended = self.core.calls.end(sequence, end, events.is_recording());
        if let Some(ended) = ended {
            events.call_ended(ended);
        }
    }
}

impl Drop for CallRecord<'_> {
    fn drop(&mut self) {
        if self.sequence.is_none() {
            return;
        }
        self.is_cut = true;
        let status = match std::thread::panicking() {
            true => Status::internal("a panic ended the call"),
            false => Status::cancelled("the client cancelled the call"),
        };
        self.record(Err(status), None);
    }
}

/// Records a call, applies its fault, and calls the service.
async fn intercept<S>(
    core: &Core,
    mut service: S,
    request: GrpcRequest,
    record: &mut CallRecord<'_>,
) -> Result<GrpcResponse, Infallible>
where
    S: Service<GrpcRequest, Response = GrpcResponse, Error = Infallible>,
{
    let (mut head, body) = request.into_parts();
    let Some(method) = Method::find(head.uri.path()) else {
        return Ok(error::unknown_method(head.uri.path()).into_http());
    };
    let payload = read_payload(&mut head.headers, body).await;
    let message = payload.as_ref().ok();
    let message = message.and_then(|payload| call::single_message(payload));
    // The recorded message is a copy, so that it does not keep the buffers of the connection.
    let message = message.map(Bytes::copy_from_slice);
    let target = CallTarget::read(method, message.as_deref().unwrap_or_default());
    let connection = head.extensions.get::<ConnectionHandle>().cloned();
    let grant = core.tokens.check(method, &target.name, &head.headers);
    let partial = head.headers.get(FIELD_MASK).map(HeaderValue::as_bytes);
    let is_partial = !matches!(partial, None | Some(b"" | b"*"));
    // Moved and not copied, since the methods read no headers.
    let headers = std::mem::take(&mut head.headers);
    let received = received(method, &head.extensions, headers, &target.name, message);
    record.sequence = Some(core.calls.add(received));
    let payload = match payload {
        Ok(payload) => payload,
        Err(status) => return Ok(core.details.apply(status.into_http())),
    };
    match grant {
        Ok(TokenGrant::All) => {}
        Ok(TokenGrant::Nothing) => drop(head.extensions.insert(TokenGrant::Nothing)),
        Err(status) => return Ok(status.into_http()),
    }
    if is_partial {
        return Ok(error::partial_response().into_http());
    }
    if let Err(status) = core.environment.check_reachable(&target.name) {
        return Ok(core.details.apply(status.into_http()));
    }
    let names = [target.name.as_str(), target.parent.as_str()];
    let fault = core
        .faults
        .take(method, &names, |action| applies(core, action, &target.name));
    let (number, action) = fault.unzip();
    record.fault = number;
    match action {
        None => {}
        Some(FaultAction::Stale) => drop(head.extensions.insert(FaultEffect::Stale)),
        Some(FaultAction::Operation(plan)) => {
            head.extensions.insert(FaultEffect::Plan(plan));
        }
        Some(FaultAction::Delay(time)) => tokio::time::sleep(time).await,
        Some(FaultAction::LoseResponse) => {
            service.call(with_payload(head, payload)).await?;
            record.is_cut = true;
            return Ok(broken_connection(connection));
        }
        Some(FaultAction::DropConnection) => {
            record.is_cut = true;
            return Ok(broken_connection(connection));
        }
        Some(FaultAction::Fail(status)) => return Ok(status.into_http()),
        Some(FaultAction::NotFoundFor(age)) => {
            let kind = kind_if_younger(&core.state.lock(), &target.name, age);
            let missing = error::not_found(kind.unwrap_or_default(), &target.name);
            return Ok(core.details.apply(missing.into_http()));
        }
        Some(FaultAction::Html(status)) => {
            record.html = Some(status);
            return Ok(html_page(status));
        }
        Some(FaultAction::Respond(message)) => return Ok(given(method, &message)),
    }
    let response = service.call(with_payload(head, payload.clone())).await?;
    // tonic returns INTERNAL for an invalid message. It is a mistake of the client, so return INVALID_ARGUMENT, as the
    // transcoder does.
    let code = response.headers().get(Status::GRPC_STATUS);
    if code.map(HeaderValue::as_bytes) == Some(INTERNAL)
        && let Some(message) = call::single_message(&payload)
        && let Err(why) = request_check::check(method, message)
    {
        return Ok(error::undecodable(&why).into_http());
    }
    Ok(core.details.apply(response))
}

/// Records a request over HTTP/JSON that has the route of a method, but could not be converted into a call.
#[cfg(feature = "rest")]
pub(crate) fn record_unreadable(core: &Core, request: &UnreadableRequest) {
    let Some(method) = Method::find(&request.method) else {
        // Calls of the admin service are not recorded.
        return;
    };
    let CallTarget { name, parent } = CallTarget::read(method, &request.path_fields);
    // For a create, record the parent. The id is in the query, which was not read, so the name ends with `/`.
    let name = if name.ends_with('/') { parent } else { name };
    let (extensions, headers) = (&request.head.extensions, request.head.headers.clone());
    let received = received(method, extensions, headers, &name, None);
    let mut record = CallRecord::new(core);
    record.sequence = Some(core.calls.add(received));
    record.record(Err(request.status.clone()), None);
}

/// Returns the record of a call that has arrived.
fn received<'c>(
    method: &'static Method,
    extensions: &Extensions,
    headers: HeaderMap,
    name: &'c str,
    message: Option<Bytes>,
) -> NewCall<'c> {
    let transcoded = extensions.get::<Transcoded>();
    let connection = extensions.get::<ConnectionHandle>();
    NewCall {
        method,
        via: transcoded.map_or(Via::Grpc, |_| Via::Rest),
        name,
        headers,
        json_type: extensions.get().map(|JsonType(media)| media.clone()),
        message,
        http_version: connection.map(ConnectionHandle::http_version),
        peer: match connection {
            None => Peer::Unknown,
            Some(connection) if connection.is_peer_loopback() => Peer::Loopback,
            Some(_) => Peer::Remote,
        },
    }
}

/// Reads the body of a request, decompressed.
///
/// # Errors
///
/// UNIMPLEMENTED for an unknown encoding, INVALID_ARGUMENT above the size limit, or the error of the body.
async fn read_payload(headers: &mut HeaderMap, mut body: Body) -> Result<Bytes, Status> {
    if take_gzip(headers)? {
        body = decompress_body(body);
    }
    let mut payload = BodyBuffer::default();
    while let Some(frame) = body.frame().await {
        let piece = frame?.into_data().unwrap_or_default();
        if payload.len() + piece.len() > call::MESSAGE_PREFIX_LEN + MAX_REQUEST {
            return Err(error::request_too_large(MAX_REQUEST));
        }
        payload.push(piece);
    }
    Ok(payload.take_bytes())
}

/// Returns true if a fault applies to a call with this target. `NotFoundFor` depends on the age of the target.
fn applies(core: &Core, action: &FaultAction, name: &str) -> bool {
    match action {
        FaultAction::NotFoundFor(age) => kind_if_younger(&core.state.lock(), name, *age).is_some(),
        _ => true,
    }
}

/// Returns the kind of a resource or operation if it was created less than `age` ago.
fn kind_if_younger(tables: &Tables, name: &str, age: Duration) -> Option<&'static str> {
    let now = tables.clock.now();
    if let Some(record) = tables.operations.get(name) {
        return (now.since(record.started_at) < age).then_some(OPERATION);
    }
    resource_if_younger::<Api>(tables, name, age)
        .or_else(|| resource_if_younger::<ApiConfig>(tables, name, age))
        .or_else(|| resource_if_younger::<Gateway>(tables, name, age))
}

fn resource_if_younger<R: Resource>(
    tables: &Tables,
    name: &str,
    age: Duration,
) -> Option<&'static str> {
    let created = R::table(tables).get(name)?.create_time()?;
    let created = SystemTime::try_from(created).ok()?;
    (tables.clock.now().since(created.into()) < age).then_some(R::KIND)
}

fn with_payload(head: Parts, payload: Bytes) -> GrpcRequest {
    let body = UnaryBody {
        payload,
        trailers: None,
    };
    GrpcRequest::from_parts(head, Body::new(body))
}

/// The body of a request or a response, in memory.
#[derive(Debug)]
struct UnaryBody {
    /// Empty after it was read.
    payload: Bytes,
    trailers: Option<HeaderMap>,
}

impl http_body::Body for UnaryBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.payload.is_empty() {
            let payload = std::mem::take(&mut self.payload);
            return Poll::Ready(Some(Ok(Frame::data(payload))));
        }
        let trailers = self.trailers.take();
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.payload.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.payload.len()).unwrap_or(u64::MAX))
    }
}

impl FaultEffect {
    /// Returns the effect in the extensions of a request.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or(Self::Nothing)
    }

    pub(crate) fn is_stale(&self) -> bool {
        matches!(self, Self::Stale)
    }

    pub(crate) fn plan(&self) -> Option<&OperationPlan> {
        match self {
            Self::Plan(plan) => Some(plan),
            Self::Nothing | Self::Stale => None,
        }
    }
}

impl CallTarget {
    /// Reads the target from the request message. For a create it is the name of the new resource.
    fn read(method: &Method, message: &[u8]) -> Self {
        let routing = method.routing.first();
        let name = routing.and_then(|key| wire_format::text(message, &key.field));
        let name = name.unwrap_or_default().to_owned();
        if !method.name.starts_with("Create") {
            let parent = String::new();
            return Self { name, parent };
        }
        // In all three create requests the id is the second field, and the path ends with the collection.
        let id = wire_format::text(message, &[2]).unwrap_or_default();
        let template = method.http.first().map_or("", |rule| rule.template());
        let collection = template.rsplit('/').next().unwrap_or_default();
        Self {
            name: format!("{name}/{collection}/{id}"),
            parent: name,
        }
    }
}

/// Closes the connection of a call, before the response can be written. A call in the same process ends with the returned
/// response.
fn broken_connection(connection: Option<ConnectionHandle>) -> GrpcResponse {
    if let Some(connection) = connection {
        connection.close();
    }
    let text = "connection dropped by a fault of the emulator";
    let status = Status::unavailable(text);
    let failing = Full::new(Bytes::new()).map_err(|never| match never {});
    let failing = failing.with_trailers(std::future::ready(Some(Err(status))));
    grpc(Body::new(failing))
}

/// Returns an HTML page, as a proxy sends it.
fn html_page(status: StatusCode) -> GrpcResponse {
    // The `Display` of an unregistered status has the text `<unknown status code>`, which is not valid HTML.
    let title = match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_str()),
        None => status.as_str().to_owned(),
    };
    let page = format!(
        "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    );
    let mut response = GrpcResponse::new(Body::new(Full::new(page.into())));
    *response.status_mut() = status;
    let media = HeaderValue::from_static("text/html; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response.extensions_mut().insert(PassThrough);
    response
}

/// Returns the response with the message of a fault. A message that cannot be decoded is INTERNAL: it has no JSON, and a gRPC
/// client returns INTERNAL for it.
fn given(method: &Method, message: &[u8]) -> GrpcResponse {
    match request_check::check_response(method, message) {
        Ok(()) => unary(message),
        Err(why) => Status::internal(format!("the fault responds with an {why}")).into_http(),
    }
}

/// Returns a successful response with an encoded message.
fn unary(message: &[u8]) -> GrpcResponse {
    let mut framed = BytesMut::with_capacity(call::MESSAGE_PREFIX_LEN + message.len());
    framed.put_u8(0);
    // No message of a test has 4 GiB.
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    let mut trailers = HeaderMap::new();
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    grpc(Body::new(UnaryBody {
        payload: framed.freeze(),
        trailers: Some(trailers),
    }))
}

fn grpc(body: Body) -> GrpcResponse {
    let mut response = GrpcResponse::new(body);
    let media = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::emulator::Emulator;

    /// A service whose calls panic.
    #[derive(Clone)]
    struct Panics;

    impl Service<GrpcRequest> for Panics {
        type Response = GrpcResponse;
        type Error = Infallible;
        type Future = Pin<Box<dyn Future<Output = Result<GrpcResponse, Infallible>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: GrpcRequest) -> Self::Future {
            Box::pin(async { panic!("a test of a panic") })
        }
    }

    fn get_api() -> GrpcRequest {
        let message = Bytes::from_static(&[0; call::MESSAGE_PREFIX_LEN]);
        let mut request = GrpcRequest::new(Body::new(Full::new(message)));
        *request.uri_mut() = Method::GET_API.path.parse().expect("a path");
        request
    }

    #[tokio::test]
    async fn a_call_that_panics_is_recorded_as_failed() {
        let emulator = Emulator::builder().build();
        let mut service = Intercept::new(&emulator.core, Panics);
        let call = AssertUnwindSafe(service.call(get_api()));
        call.catch_unwind().await.expect_err("it panics");
        // The emulator accepts further calls.
        let mut service = emulator.service();
        let response = service.call(get_api()).await.expect("a response");
        assert_eq!(response.headers()[Status::GRPC_STATUS], "3");
        let calls = emulator.calls();
        let ends: Vec<_> = calls.iter().map(|call| (call.code, call.is_cut)).collect();
        let expected = [
            (Some(Code::Internal), true),
            (Some(Code::InvalidArgument), false),
        ];
        assert_eq!(ends, expected, "{calls:?}");
        assert!(calls[0].latency.is_some());
    }
}
