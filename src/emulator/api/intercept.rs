//! Intercepts every call of the API: records it and applies its fault.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::BoxError;
use tower::Service;

use super::core::Core;
use super::decompress::{MAX_REQUEST, decompress};
use super::request_check;
use crate::call::wire_format;
use crate::call::{self, GrpcRequest, GrpcResponse, PassThrough, Transcoded};
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

/// The header of a partial response. Over REST it is the query parameter `fields`.
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
        // Calls the service that is ready, and keeps a clone of it for the next call.
        let clone = self.service.clone();
        let service = std::mem::replace(&mut self.service, clone);
        let core = Arc::clone(&self.core);
        Box::pin(async move {
            let mut record = CallRecord::new(&core);
            let response = mark_legacy(intercept(&core, service, request, &mut record).await?);
            // No response may report a state that a crash could undo, so this waits for the storage.
            let durable = core.state.durable().await;
            let response = durable.map_or_else(Status::into_http, |()| response);
            Ok(record.end(response).await)
        })
    }
}

/// Records the end of a call. A call that is dropped before has been cancelled by its client.
struct CallRecord<'c> {
    core: &'c Core,
    /// The number of the call. `None` before it is recorded, and after its end is.
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
        let (head, body) = response.into_parts();
        // All methods are unary, and their responses are in memory.
        let collected = match body.collect().await {
            Ok(collected) => collected,
            Err(status) => {
                self.record(Err(status.clone()), None);
                return status.into_http();
            }
        };
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let payload = collected.to_bytes();
        let code = trailers.get(Status::GRPC_STATUS);
        let error = match code.map(HeaderValue::as_bytes) {
            Some(b"0") | None => None,
            Some(_) => Status::from_header_map(&trailers),
        };
        let result = error.map_or(Ok(()), Err);
        self.record(result, call::single_message(&payload));
        let body = Full::new(payload).with_trailers(std::future::ready(Some(Ok(trailers))));
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
            events.call_ended(&ended);
        }
    }
}

impl Drop for CallRecord<'_> {
    fn drop(&mut self) {
        self.is_cut = true;
        self.record(
            Err(Status::cancelled("the client cancelled the call")),
            None,
        );
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
    let request = match decompress(request) {
        Ok(request) => request,
        Err(status) => return Ok(status.into_http()),
    };
    let (mut head, body) = request.into_parts();
    let Some(method) = Method::find(head.uri.path()) else {
        return Ok(error::unknown_method(head.uri.path()).into_http());
    };
    let payload = match Limited::new(body, MAX_REQUEST + call::MESSAGE_PREFIX_LEN)
        .collect()
        .await
    {
        Ok(collected) => collected.to_bytes(),
        Err(error) => return Ok(core.details.apply(body_error(error).into_http())),
    };
    // The recorded message is a copy, so that it does not keep the buffers of the connection.
    let message = call::single_message(&payload).map(Bytes::copy_from_slice);
    let target = CallTarget::read(method, message.as_deref().unwrap_or_default());
    let via = match head.extensions.get::<Transcoded>() {
        Some(Transcoded) => Via::Rest,
        None => Via::Grpc,
    };
    let connection = head.extensions.get::<ConnectionHandle>().cloned();
    let peer = match &connection {
        None => Peer::Unknown,
        Some(connection) if connection.is_peer_loopback() => Peer::Loopback,
        Some(_) => Peer::Remote,
    };
    record.sequence = Some(core.calls.add(NewCall {
        method,
        via,
        name: &target.name,
        headers: &head.headers,
        message,
        http_version: connection.as_ref().map(ConnectionHandle::http_version),
        peer,
    }));
    match core.tokens.check(method, &target.name, &head.headers) {
        Ok(grant) => drop(head.extensions.insert(grant)),
        Err(status) => return Ok(status.into_http()),
    }
    let partial = head.headers.get(FIELD_MASK).map(HeaderValue::as_bytes);
    if !matches!(partial, None | Some(b"" | b"*")) {
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
        Some(FaultAction::Respond(message)) => return Ok(unary(&message)),
    }
    let response = service.call(with_payload(head, payload.clone())).await?;
    // An invalid message gets INVALID_ARGUMENT, as from the transcoder, since it is a mistake of the client. tonic returns INTERNAL.
    let code = response.headers().get(Status::GRPC_STATUS);
    if code.map(HeaderValue::as_bytes) == Some(INTERNAL)
        && let Some(message) = call::single_message(&payload)
        && let Err(why) = request_check::check(method, message)
    {
        return Ok(error::undecodable(&why).into_http());
    }
    Ok(core.details.apply(response))
}

fn body_error(error: BoxError) -> Status {
    if error.is::<LengthLimitError>() {
        return error::request_too_large(MAX_REQUEST);
    }
    Status::from_error(error)
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
    GrpcRequest::from_parts(head, Body::new(Full::new(payload)))
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

/// Closes the connection of a call, before the response can be written. In process, the call ends with this response.
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
    let page = format!(
        "<!DOCTYPE html>\n<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n"
    );
    let mut response = GrpcResponse::new(Body::new(Full::new(page.into())));
    *response.status_mut() = status;
    let media = HeaderValue::from_static("text/html; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response.extensions_mut().insert(PassThrough);
    response
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
    let body = Full::new(framed.freeze());
    let body = body.with_trailers(std::future::ready(Some(Ok(trailers))));
    grpc(Body::new(body))
}

fn grpc(body: Body) -> GrpcResponse {
    let mut response = GrpcResponse::new(body);
    let media = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}
