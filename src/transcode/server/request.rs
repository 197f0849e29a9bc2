//! An HTTP request as a gRPC one.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method as Verb, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tonic::Status;
use tonic::body::Body;

use super::super::json::{self, JsonOptions};
use super::super::route::{Route, Target};
use super::super::rule::{Body as BodyForm, Rule};
use super::super::rules::{Method, Rules};
use super::super::status::http_by_code;
use super::super::{error_body, frames, http_body};
use super::query::Query;
use super::{path, reply};
use crate::call::{PREFIX, Reply, Rpc, Transcoded};

/// A call that an HTTP request makes.
pub(super) struct Call {
    pub(super) rpc: Rpc,
    pub(super) target: Target,
    pub(super) enums_as_numbers: bool,
}

/// Why there is no call, and the HTTP status for it.
pub(super) struct Refusal {
    status: Status,
    http: StatusCode,
    /// The HTTP methods that the path is there for.
    allow: Vec<Verb>,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self {
            http: http_by_code(status.code()),
            status,
            allow: Vec::new(),
        }
    }
}

impl Refusal {
    pub(super) fn reply(&self, rules: &Rules, options: JsonOptions) -> Reply {
        let body = error_body::write(rules.schema(), self.http, &self.status, None, options);
        let mut reply = reply::json(self.http, body);
        let allow: Vec<&str> = self.allow.iter().map(Verb::as_str).collect();
        if !allow.is_empty()
            && let Ok(allow) = HeaderValue::from_str(&allow.join(", "))
        {
            reply.headers_mut().insert(header::ALLOW, allow);
        }
        reply
    }
}

/// The gRPC request for an HTTP one.
///
/// A refusal comes when the request has been read to its end, or to the bound: some clients fail if they are
/// answered while they still send, and HTTP/1.1 loses the connection. Who asks first whether to send is told at once.
pub(super) async fn call(
    rules: &Rules,
    request: Rpc,
    options: JsonOptions,
    most: usize,
) -> Result<Call, Refusal> {
    let (head, body) = request.into_parts();
    let asks_first = head.headers.contains_key(header::EXPECT);
    let mut body = Limited::new(body, most);
    let call = read(rules, head, &mut body, options, most).await;
    if call.is_err() && !asks_first {
        while let Some(Ok(_)) = body.frame().await {}
    }
    call
}

async fn read(
    rules: &Rules,
    head: Parts,
    body: &mut Limited<Body>,
    options: JsonOptions,
    most: usize,
) -> Result<Call, Refusal> {
    let (target, segments) = route(rules, &head)?;
    let (method, rule) = rules.target(target);
    if method.client_streaming {
        let text = "the method streams its requests, which HTTP/JSON cannot: it needs gRPC";
        return Err(Status::unimplemented(text).into());
    }
    let invalid = |why: String| Status::invalid_argument(why);
    let body = read_body(&head.headers, body, most).await?;
    let mut message = frames::buffer(body.len());
    put_body(
        rules,
        method,
        rule,
        &head.headers,
        &body,
        options,
        &mut message,
    )
    .map_err(invalid)?;
    let (schema, input) = (rules.schema(), method.input);
    let from_body = PREFIX..message.len();
    let text = head.uri.query().unwrap_or_default();
    let query = Query::read(schema, input, rule, text, &message[from_body.clone()]);
    let query = query.map_err(invalid)?;
    message.extend_from_slice(&query.wire);
    path::put(schema, input, rule, &segments, from_body, &mut message).map_err(invalid)?;
    let enums_as_numbers = query.enums_as_numbers;
    drop(segments);
    Ok(Call {
        rpc: rpc(head, method, frames::frame(message)?, query.headers),
        target,
        enums_as_numbers,
    })
}

fn route<'p>(rules: &Rules, head: &'p Parts) -> Result<(Target, Vec<&'p str>), Refusal> {
    let path = head.uri.path();
    match rules.router().find(&head.method, path) {
        Route::Found(target, segments) => Ok((target, segments)),
        Route::Others(allow) => {
            let text = format!("{path} is not there for {}", head.method);
            Err(Refusal {
                status: Status::unimplemented(text),
                http: StatusCode::METHOD_NOT_ALLOWED,
                allow,
            })
        }
        Route::Nothing => {
            let text = format!("no method is at {} {path}", head.method);
            Err(Status::not_found(text).into())
        }
    }
}

async fn read_body(
    headers: &HeaderMap,
    body: &mut Limited<Body>,
    most: usize,
) -> Result<Bytes, Status> {
    let encoding = headers.get(header::CONTENT_ENCODING);
    if let Some(encoding) = encoding.filter(|encoding| *encoding != "identity") {
        let name = String::from_utf8_lossy(encoding.as_bytes());
        let text = format!("the body has the content encoding `{name}`, which is not served");
        return Err(Status::invalid_argument(text));
    }
    match body.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let text = format!("the body is larger than {most} bytes");
            Err(Status::invalid_argument(text))
        }
        Err(error) => Err(Status::invalid_argument(format!(
            "the body cannot be read: {error}"
        ))),
    }
}

/// Writes what of the message the body has. An empty body has nothing.
fn put_body(
    rules: &Rules,
    method: &Method,
    rule: &Rule,
    headers: &HeaderMap,
    body: &[u8],
    options: JsonOptions,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let schema = rules.schema();
    let empty = body.iter().all(u8::is_ascii_whitespace);
    match rule.body {
        // Some clients send an empty object with every request.
        BodyForm::None if empty || body.trim_ascii() == b"{}" => Ok(()),
        BodyForm::None => Err(format!("`{}` takes no body", rule.text)),
        BodyForm::Raw(number) => {
            http_body::put(number, headers, body, out);
            Ok(())
        }
        _ if empty => Ok(()),
        BodyForm::All => json::read_onto(schema, method.input, body, options, out),
        BodyForm::Field(place) => {
            let field = json::read_field(schema, method.input, place, body, options)?;
            out.extend_from_slice(&field);
            Ok(())
        }
    }
}

fn rpc(
    mut head: Parts,
    method: &Method,
    message: Bytes,
    system: Vec<(HeaderName, HeaderValue)>,
) -> Rpc {
    head.method = Verb::POST;
    head.version = Version::HTTP_2;
    let mut uri = std::mem::take(&mut head.uri).into_parts();
    uri.path_and_query = method.path.parse().ok();
    // A method's path is one, whatever else the address has.
    head.uri = Uri::from_parts(uri).unwrap_or_else(|_| method.path.parse().unwrap_or_default());
    for name in [
        header::HOST,
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::EXPECT,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::ACCEPT,
        header::ACCEPT_ENCODING,
    ] {
        head.headers.remove(name);
    }
    for name in [
        "keep-alive",
        "proxy-connection",
        "grpc-encoding",
        "grpc-accept-encoding",
    ] {
        head.headers.remove(name);
    }
    let media = HeaderValue::from_static("application/grpc");
    head.headers.insert(header::CONTENT_TYPE, media);
    let trailers = HeaderValue::from_static("trailers");
    head.headers.insert(header::TE, trailers);
    head.extensions.insert(Transcoded);
    for (name, value) in system {
        // What the request says in a header of its own holds.
        head.headers.entry(name).or_insert(value);
    }
    Rpc::from_parts(head, Body::new(Full::new(message)))
}
