//! The door of the emulator: every call is noted here, and here its fault happens to it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use super::calls::Via;
use super::decompress::decompressed;
use super::errors::legacy;
use super::fault::Action;
use super::plan::OperationPlan;
use super::refusal;
use super::socket::Line;
use super::state::State;
use crate::call::wire_format;
use crate::call::{self, Reply, Rpc, Transcoded, Verbatim};
use crate::contract::Method;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Maximum number of bytes of a request, decompressed. The files of a config may have 10 MiB.
pub(super) const MAX_REQUEST: usize = 16 << 20;

/// A generated service behind the door.
#[derive(Clone, Debug)]
pub(super) struct Door<S> {
    state: Arc<State>,
    service: S,
}

/// What a fault leaves for the service to do, in the extensions of a request.
#[derive(Clone, Debug)]
pub(super) enum Given {
    Nothing,
    Stale,
    Plan(OperationPlan),
}

/// What a call is about.
#[derive(Debug, Default)]
struct About {
    name: String,
    /// Of a resource that is to be created.
    parent: String,
}

impl<S> Door<S> {
    pub(super) fn new(state: &Arc<State>, service: S) -> Self {
        Self {
            state: Arc::clone(state),
            service,
        }
    }
}

impl<S: NamedService> NamedService for Door<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Rpc> for Door<S>
where
    S: Service<Rpc, Response = Reply, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, rpc: Rpc) -> Self::Future {
        // The one that was made ready is called, and its clone waits for the next call.
        let clone = self.service.clone();
        let service = std::mem::replace(&mut self.service, clone);
        let state = Arc::clone(&self.state);
        Box::pin(async move {
            let reply = legacy(enter(&state, service, rpc).await?);
            // Nothing is told that a crash could take back.
            Ok(state
                .kept()
                .await
                .map_or_else(Status::into_http, |()| reply))
        })
    }
}

async fn enter<S>(state: &State, mut service: S, rpc: Rpc) -> Result<Reply, Infallible>
where
    S: Service<Rpc, Response = Reply, Error = Infallible>,
{
    let rpc = match decompressed(rpc) {
        Ok(rpc) => rpc,
        Err(refused) => return Ok(refused.into_http()),
    };
    let (mut head, body) = rpc.into_parts();
    let Some(method) = Method::find(head.uri.path()) else {
        return service.call(Rpc::from_parts(head, body)).await;
    };
    let payload = match Limited::new(body, MAX_REQUEST + call::PREFIX)
        .collect()
        .await
    {
        Ok(collected) => collected.to_bytes(),
        Err(error) => return Ok(state.details.reply(refused(error).into_http())),
    };
    // A copy: what is kept must not hold the connection's buffers.
    let message = call::message(&payload).map(Bytes::copy_from_slice);
    let about = About::read(method, message.as_deref().unwrap_or_default());
    let via = match head.extensions.get::<Transcoded>() {
        Some(Transcoded) => Via::Rest,
        None => Via::Grpc,
    };
    state
        .calls
        .add(method, via, &about.name, &head.headers, message);
    match state.tokens.check(method, &about.name, &head.headers) {
        Ok(allowed) => drop(head.extensions.insert(allowed)),
        Err(refused) => return Ok(refused.into_http()),
    }
    if let Err(refused) = state.world.check_reachable(&about.name) {
        return Ok(state.details.reply(refused.into_http()));
    }
    let names = [about.name.as_str(), about.parent.as_str()];
    let action = state
        .faults
        .take(method, &names, |action| happens(state, action, &about.name));
    let line = head.extensions.get::<Line>().cloned();
    match action {
        None => {}
        Some(Action::Stale) => drop(head.extensions.insert(Given::Stale)),
        Some(Action::Operation(plan)) => drop(head.extensions.insert(Given::Plan(plan))),
        Some(Action::Delay(time)) => tokio::time::sleep(time).await,
        Some(Action::LoseReply) => {
            service.call(whole(head, payload)).await?;
            return Ok(broken(line));
        }
        Some(Action::DropConnection) => return Ok(broken(line)),
        Some(Action::Fail(status)) => return Ok(status.into_http()),
        Some(Action::NotFoundFor(time)) => {
            let kind = state.now().younger(&about.name, time);
            let missing = refusal::not_found(kind.unwrap_or_default(), &about.name);
            return Ok(state.details.reply(missing.into_http()));
        }
        Some(Action::Html(status)) => return Ok(html(status)),
        Some(Action::Respond(message)) => return Ok(reply(&message)),
    }
    let reply = service.call(whole(head, payload)).await?;
    Ok(state.details.reply(reply))
}

fn refused(error: BoxError) -> Status {
    if error.is::<LengthLimitError>() {
        return refusal::too_large(MAX_REQUEST);
    }
    Status::from_error(error)
}

/// Whether a fault that goes by the state as well happens to a call about a name.
fn happens(state: &State, action: &Action, name: &str) -> bool {
    match action {
        Action::NotFoundFor(time) => state.now().younger(name, *time).is_some(),
        _ => true,
    }
}

fn whole(head: Parts, payload: Bytes) -> Rpc {
    Rpc::from_parts(head, Body::new(Full::new(payload)))
}

impl Given {
    /// What is in the extensions of a request.
    pub(super) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or(Self::Nothing)
    }

    pub(super) fn is_stale(&self) -> bool {
        matches!(self, Self::Stale)
    }

    pub(super) fn plan(&self) -> Option<&OperationPlan> {
        match self {
            Self::Plan(plan) => Some(plan),
            Self::Nothing | Self::Stale => None,
        }
    }
}

impl About {
    fn read(method: &Method, message: &[u8]) -> Self {
        let routing = method.routing.first();
        let name = routing.and_then(|key| wire_format::text(message, key.field));
        let name = name.unwrap_or_default().to_owned();
        if !method.name.starts_with("Create") {
            let parent = String::new();
            return Self { name, parent };
        }
        // In all three, the id is the second field, and the collection ends the path.
        let id = wire_format::text(message, &[2]).unwrap_or_default();
        let template = method.http.first().map_or("", |rule| rule.template);
        let collection = template.rsplit('/').next().unwrap_or_default();
        Self {
            name: format!("{name}/{collection}/{id}"),
            parent: name,
        }
    }
}

/// What comes over a connection that breaks. If there is one, it is closed before this can be written.
fn broken(line: Option<Line>) -> Reply {
    if let Some(line) = line {
        line.cut();
    }
    let text = "the emulator was told to drop the connection";
    let status = Status::unavailable(text);
    let failing = Full::new(Bytes::new()).map_err(|never| match never {});
    let failing = failing.with_trailers(std::future::ready(Some(Err(status))));
    grpc(Body::new(failing))
}

/// A page as a proxy has it.
fn html(status: StatusCode) -> Reply {
    let page = format!(
        "<!DOCTYPE html>\n<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n"
    );
    let mut reply = Reply::new(Body::new(Full::new(page.into())));
    *reply.status_mut() = status;
    let media = HeaderValue::from_static("text/html; charset=UTF-8");
    reply.headers_mut().insert(header::CONTENT_TYPE, media);
    reply.extensions_mut().insert(Verbatim);
    reply
}

/// A message as a reply that is OK.
fn reply(message: &[u8]) -> Reply {
    let mut framed = BytesMut::with_capacity(call::PREFIX + message.len());
    framed.put_u8(0);
    // Nobody writes four gigabytes into a test.
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    let mut trailers = HeaderMap::new();
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    let body = Full::new(framed.freeze());
    let body = body.with_trailers(std::future::ready(Some(Ok(trailers))));
    grpc(Body::new(body))
}

fn grpc(body: Body) -> Reply {
    let mut reply = Reply::new(body);
    let media = HeaderValue::from_static("application/grpc");
    reply.headers_mut().insert(header::CONTENT_TYPE, media);
    reply
}
