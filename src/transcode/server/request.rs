//! Converts an HTTP request into a gRPC request.

use std::borrow::Cow;

use ::http_body::Body as _;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method as Verb, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt as _, Full};
use tonic::Status;
use tonic::body::Body;

use crate::call::{
    BodyBuffer, GrpcRequest, JsonType, MESSAGE_PREFIX_LEN, Transcoded, UnreadableRequest,
};
use crate::transcode::json::{self, JsonOptions};
use crate::transcode::rules::router::{Route, RuleId};
use crate::transcode::rules::rule::{RequestBody, Rule};
use crate::transcode::rules::{Method, Rules};
use crate::transcode::server::query::Query;
use crate::transcode::server::refusal::{Invalid, Refusal, too_large};
use crate::transcode::server::{encoding, media_type, path};
use crate::transcode::{grpc_frames, http_body};

/// Header that replaces the verb of a POST, for clients that can send only GET and POST.
const OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// Maximum number of bytes of a rejected request that are read, as a multiple of the limit on the body.
const DRAINED: usize = 4;

const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// The gRPC call of an HTTP request.
pub(crate) struct Call {
    pub(crate) grpc_request: GrpcRequest,
    pub(crate) target: RuleId,
    pub(crate) enums_as_numbers: bool,
}

/// Converts an HTTP request.
///
/// Before a request is rejected, its body is read, at most [`DRAINED`] times the limit: many clients do not read a
/// response while they send. The body is not read if the client waits for permission to send it (`Expect`).
pub(crate) async fn call(
    rules: &Rules,
    request: GrpcRequest,
    options: JsonOptions,
    max_bytes: usize,
) -> Result<Call, Refusal> {
    let (mut head, body) = request.into_parts();
    let mut body = Incoming {
        is_wanted: !head.headers.contains_key(header::EXPECT),
        body,
    };
    match read(rules, &mut head, &mut body, options, max_bytes).await {
        Ok(read) => Ok(Call {
            target: read.target,
            enums_as_numbers: read.enums_as_numbers,
            grpc_request: grpc_request(rules, head, read),
        }),
        Err(refusal) => {
            if body.is_wanted {
                body.drain(max_bytes.saturating_mul(DRAINED)).await;
            }
            let unreadable = unreadable(rules, head, &refusal.status).map(Box::new);
            Err(Refusal {
                unreadable,
                ..refusal
            })
        }
    }
}

/// A request that was read: the message, and the other data of the gRPC call.
struct ReadRequest {
    target: RuleId,
    message: Bytes,
    /// The headers for the system parameters of the query.
    headers: Vec<(HeaderName, HeaderValue)>,
    enums_as_numbers: bool,
}

/// Returns a request that was rejected, if its path has a rule.
fn unreadable(rules: &Rules, mut head: Parts, status: &Status) -> Option<UnreadableRequest> {
    let (target, segments) = route(rules, &head).ok()?;
    let (method, rule) = rules.target(target);
    let mut path_fields = Vec::new();
    let (schema, input) = (rules.schema(), method.input);
    // An invalid path sets no fields.
    let fields = path::put(schema, input, rule, &segments, 0..0, &mut path_fields);
    let path_fields = fields.map_or_else(|_| Bytes::new(), |()| path_fields.into());
    drop(segments);
    remove_connection_headers(&mut head.headers);
    let media = head.headers.get(header::CONTENT_TYPE).cloned();
    head.extensions.insert(Transcoded);
    if let Some(media) = media {
        head.extensions.insert(JsonType(media));
    }
    Some(UnreadableRequest {
        method: method.path.clone(),
        head,
        path_fields,
        status: status.clone(),
    })
}

/// The body of a request.
struct Incoming {
    body: Body,
    /// True if the client sends the body: it sent no `Expect`, or it received 100 Continue (RFC 9110 §10.1.1).
    is_wanted: bool,
}

impl Incoming {
    /// Reads the whole body, up to a number of bytes.
    async fn whole(&mut self, max_bytes: usize) -> Result<Bytes, Status> {
        if self.least() > max_bytes {
            return Err(too_large(max_bytes));
        }
        self.is_wanted = true;
        let mut pieces = BodyBuffer::default();
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| {
                Status::invalid_argument(format!("cannot read the body: {error}"))
            })?;
            let piece = frame.into_data().unwrap_or_default();
            if piece.len() > max_bytes - pieces.len() {
                return Err(too_large(max_bytes));
            }
            pieces.push(piece);
        }
        Ok(pieces.take_bytes())
    }

    /// Reads the rest, up to a number of bytes. Reads nothing if the rest is known to be longer.
    async fn drain(&mut self, mut left: usize) {
        if self.least() > left {
            return;
        }
        while left > 0
            && let Some(Ok(frame)) = self.body.frame().await
        {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        }
    }

    /// Returns the minimum number of bytes that are left.
    fn least(&self) -> usize {
        usize::try_from(self.body.size_hint().lower()).unwrap_or(usize::MAX)
    }
}

async fn read(
    rules: &Rules,
    head: &mut Parts,
    body: &mut Incoming,
    options: JsonOptions,
    max_bytes: usize,
) -> Result<ReadRequest, Refusal> {
    media_type::check(&head.headers)?;
    let is_form = head.method == Verb::POST && take_override(head)?;
    let (target, segments) = route(rules, head)?;
    let (method, rule) = rules.target(target);
    if method.client_streaming {
        let text = "client streaming is not supported over HTTP/JSON: use gRPC";
        return Err(Status::unimplemented(text).into());
    }
    let invalid = |why: String| Invalid::from(why).status();
    let encoding = encoding::of(&head.headers)?;
    let mut body = encoding.decode(body.whole(max_bytes).await?, max_bytes)?;
    let mut query = Cow::Borrowed(head.uri.query().unwrap_or_default());
    if is_form {
        let form = std::mem::take(&mut body);
        append(&mut query, &form).map_err(invalid)?;
    }
    let mut message = grpc_frames::buffer(body.len());
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
    let from_body = MESSAGE_PREFIX_LEN..message.len();
    let query = Query::read(schema, input, rule, &query, &message[from_body.clone()]);
    let query = query.map_err(Invalid::status)?;
    message.extend_from_slice(&query.wire);
    path::put(schema, input, rule, &segments, from_body, &mut message).map_err(invalid)?;
    Ok(ReadRequest {
        target,
        message: grpc_frames::frame(message)?,
        headers: query.headers,
        enums_as_numbers: query.enums_as_numbers,
    })
}

/// Replaces the verb of a POST with the one in `X-HTTP-Method-Override`, if there is one. Returns true if the new verb
/// is GET and the body is a form with the query. Clients send such a form if a URL would be too long.
///
/// # Errors
///
/// If the header is not exactly one verb.
fn take_override(head: &mut Parts) -> Result<bool, Status> {
    let Some(named) = head.headers.get(&OVERRIDE) else {
        return Ok(false);
    };
    let verb = Verb::from_bytes(named.as_bytes()).ok();
    let others = head.headers.get_all(&OVERRIDE).iter();
    let (Some(verb), 1) = (verb, others.count()) else {
        let text = "invalid `x-http-method-override`: must be one HTTP method, such as PATCH";
        return Err(Status::invalid_argument(text));
    };
    head.headers.remove(&OVERRIDE);
    head.method = verb;
    let media = head
        .headers
        .get(header::CONTENT_TYPE)
        .map(media_type::media_type);
    let is_form = media.is_some_and(|media| media.eq_ignore_ascii_case(FORM));
    Ok(head.method == Verb::GET && is_form)
}

/// Appends a form to a query.
fn append(query: &mut Cow<'_, str>, form: &[u8]) -> Result<(), String> {
    let form = std::str::from_utf8(form).map_err(|_| "invalid form: must be UTF-8")?;
    let query = query.to_mut();
    query.push('&');
    query.push_str(form.trim_ascii());
    Ok(())
}

fn route<'p>(rules: &Rules, head: &'p Parts) -> Result<(RuleId, Vec<&'p str>), Refusal> {
    let path = head.uri.path();
    match rules.router().find(&head.method, path) {
        Route::Found(target, segments) => Ok((target, segments)),
        Route::Others(allow) => {
            let text = format!("method {} not allowed for {path}", head.method);
            let allow: Vec<&str> = allow.iter().map(Verb::as_str).collect();
            let allow = HeaderValue::from_str(&allow.join(", ")).ok();
            Err(Refusal {
                status: Status::unimplemented(text),
                http: StatusCode::METHOD_NOT_ALLOWED,
                header: allow.map(|allow| (header::ALLOW, allow)),
                unreadable: None,
            })
        }
        Route::Nothing => {
            let text = format!("no route for {} {path}", head.method);
            Err(Status::not_found(text).into())
        }
    }
}

/// Writes the fields that the body sets. An empty body sets none.
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
        RequestBody::None if empty || body.trim_ascii() == b"{}" => Ok(()),
        RequestBody::None => Err(format!(
            "unexpected body: the rule `{}` accepts no body",
            rule.text
        )),
        RequestBody::Raw(number) => {
            http_body::put((schema, method.input), number, headers, body, out);
            Ok(())
        }
        _ if empty => Ok(()),
        RequestBody::All => json::read_onto(schema, method.input, body, options, out),
        RequestBody::Field(place) => {
            let field = json::read_field(schema, method.input, place, body, options)?;
            out.extend_from_slice(&field);
            Ok(())
        }
    }
}

fn grpc_request(rules: &Rules, mut head: Parts, read: ReadRequest) -> GrpcRequest {
    let (method, _) = rules.target(read.target);
    head.method = Verb::POST;
    head.version = Version::HTTP_2;
    let mut uri = std::mem::take(&mut head.uri).into_parts();
    uri.path_and_query = method.path.parse().ok();
    // The path of a method is always a valid URI.
    head.uri = Uri::from_parts(uri).unwrap_or_else(|_| method.path.parse().unwrap_or_default());
    remove_connection_headers(&mut head.headers);
    let media = HeaderValue::from_static("application/grpc");
    if let Some(media) = head.headers.insert(header::CONTENT_TYPE, media) {
        head.extensions.insert(JsonType(media));
    }
    let trailers = HeaderValue::from_static("trailers");
    head.headers.insert(header::TE, trailers);
    head.extensions.insert(Transcoded);
    for (name, value) in read.headers {
        // A header of the request takes precedence over a system parameter.
        head.headers.entry(name).or_insert(value);
    }
    GrpcRequest::from_parts(head, Body::new(Full::new(read.message)))
}

/// Removes the headers of the connection, of the HTTP body, and of gRPC's compression.
fn remove_connection_headers(headers: &mut HeaderMap) {
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
        headers.remove(name);
    }
    for name in [
        "keep-alive",
        "proxy-connection",
        "grpc-encoding",
        "grpc-accept-encoding",
    ] {
        headers.remove(name);
    }
}
