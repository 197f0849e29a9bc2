//! HTTP/JSON under the generated clients: a gRPC request becomes an HTTP one by the contract's rule, and
//! the JSON that comes back a gRPC reply.

use std::io::Read as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

use super::connect::{Connector, Protocols, Target};
use crate::call::{self, Reply, Rpc};
use crate::contract::Method;
use crate::error::Error;
use crate::failure::Failure;
use crate::transcode::{self, Request};

/// Carries calls over HTTP/1.1 or HTTP/2. Connections are kept; redirects are not followed.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    client: Client<Connector, Full<Bytes>>,
    origin: String,
    max_reply: usize,
}

impl Rest {
    pub(crate) fn connect(target: &Target, max_reply: usize) -> Result<Self, Error> {
        let connector = Connector::new(target, Protocols::Any)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self {
            client,
            origin: target.origin(),
            max_reply,
        })
    }
}

impl Service<Rpc> for Rest {
    type Response = Reply;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, rpc: Rpc) -> Self::Future {
        Box::pin(carry(self.clone(), rpc))
    }
}

async fn carry(rest: Rest, rpc: Rpc) -> Result<Reply, Status> {
    let (method, request) =
        prepare(&rest.origin, rpc).map_err(|status| Failure::unsent(status, None))?;
    let reply = rest
        .client
        .request(request)
        .await
        .map_err(|error| Failure::status(error.into()))?;
    let (head, body) = reply.into_parts();
    if is_grpc(&head.headers) {
        // A transcoding proxy that cannot put a status into JSON passes it on as it came.
        return Ok(Reply::from_parts(head, Body::new(body)));
    }
    let body = match Limited::new(body, rest.max_reply).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_large(rest.max_reply)),
        Err(error) => return Err(Failure::status(error)),
    };
    let body = decompress(&head.headers, body, rest.max_reply)?;
    grpc_reply(method, head.status, &head.headers, &body)
}

/// The HTTP form of a call.
///
/// # Errors
///
/// If it has none.
fn prepare(
    origin: &str,
    rpc: Rpc,
) -> Result<(&'static Method, http::Request<Full<Bytes>>), Status> {
    let (head, body) = rpc.into_parts();
    let path = head.uri.path();
    let method = Method::find(path)
        .ok_or_else(|| Status::unimplemented(format!("{path} has no HTTP route, it needs gRPC")))?;
    let payload = call::read_at_once(body)?;
    let message = call::message(&payload)
        .ok_or_else(|| Status::internal("a compressed request cannot travel over REST"))?;
    let request = transcode::request(method, message)?;
    Ok((method, http_request(origin, request, head.headers)?))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    media.is_some_and(|media| media.starts_with(b"application/grpc"))
        && headers.contains_key(Status::GRPC_STATUS)
}

fn too_large(max_reply: usize) -> Status {
    Status::resource_exhausted(format!("the reply is larger than {max_reply} bytes"))
}

fn http_request(
    origin: &str,
    request: Request,
    headers: HeaderMap,
) -> Result<http::Request<Full<Bytes>>, Status> {
    let uri: Uri = format!("{origin}{}", request.target)
        .parse()
        .map_err(|error| {
            Status::invalid_argument(format!("the request has no address: {error}"))
        })?;
    let has_body = request.body.is_some();
    let mut out = http::Request::new(Full::new(request.body.unwrap_or_default().into()));
    *out.uri_mut() = uri;
    *out.method_mut() = request
        .verb
        .parse()
        .map_err(|_| Status::internal("the rule's verb is not one"))?;
    *out.headers_mut() = rest_headers(headers);
    if has_body {
        out.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
    }
    Ok(out)
}

/// The headers of the call but for those that only gRPC has.
fn rest_headers(mut headers: HeaderMap) -> HeaderMap {
    for name in [header::CONTENT_TYPE, header::TE, header::CONTENT_LENGTH] {
        headers.remove(name);
    }
    let grpc: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("grpc-") || name.as_str().ends_with("-bin"))
        .cloned()
        .collect();
    grpc.iter().for_each(|name| drop(headers.remove(name)));
    if let Some(client) = headers.get_mut("x-goog-api-client") {
        *client = over_rest(client);
    }
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    headers
}

/// `… grpc/0.14.9` names what carries a call; here that is `rest/` and this crate's version.
fn over_rest(client: &HeaderValue) -> HeaderValue {
    let text = client.to_str().unwrap_or_default();
    let tokens = text
        .split(' ')
        .map(|token| match token.starts_with("grpc/") {
            true => concat!("rest/", env!("CARGO_PKG_VERSION")),
            false => token,
        });
    HeaderValue::try_from(tokens.collect::<Vec<_>>().join(" ")).unwrap_or_else(|_| client.clone())
}

/// The body without its `content-encoding`, which may be gzip, as we asked.
fn decompress(headers: &HeaderMap, body: Bytes, max_reply: usize) -> Result<Bytes, Status> {
    match headers
        .get(header::CONTENT_ENCODING)
        .map(HeaderValue::as_bytes)
    {
        None | Some(b"" | b"identity") => Ok(body),
        Some(b"gzip" | b"x-gzip") => {
            let mut out = Vec::new();
            let bound = u64::try_from(max_reply)
                .unwrap_or(u64::MAX)
                .saturating_add(1);
            let mut decoder = flate2::read::MultiGzDecoder::new(&body[..]).take(bound);
            decoder.read_to_end(&mut out).map_err(|error| {
                Status::internal(format!("the reply's gzip is broken: {error}"))
            })?;
            if out.len() > max_reply {
                Err(too_large(max_reply))
            } else {
                Ok(out.into())
            }
        }
        Some(other) => {
            let name = String::from_utf8_lossy(other);
            Err(Status::internal(format!(
                "the reply has the content encoding `{name}`, which was not asked for"
            )))
        }
    }
}

/// As a gRPC server would have answered.
fn grpc_reply(
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Reply, Status> {
    let message = transcode::reply(method, status, headers, body)?;
    let Ok(length) = u32::try_from(message.len()) else {
        return Err(Status::new(
            Code::ResourceExhausted,
            "the reply is larger than gRPC can carry",
        ));
    };
    let mut framed = Vec::with_capacity(call::PREFIX + message.len());
    framed.push(0);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&message);
    let mut reply = Reply::new(Body::new(Full::new(framed.into())));
    reply.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    reply
        .headers_mut()
        .insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    Ok(reply)
}
