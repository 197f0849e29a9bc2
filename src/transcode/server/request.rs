//! An HTTP request as a gRPC one.

use std::borrow::Cow;

use ::http_body::Body as _;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method as Verb, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt as _, Full};
use tonic::Status;
use tonic::body::Body;

use crate::call::{BodyBuffer, GrpcRequest, GrpcResponse, MESSAGE_PREFIX_LEN, Transcoded};
use crate::transcode::json::{self, JsonOptions};
use crate::transcode::rules::router::{Route, Target};
use crate::transcode::rules::rule::{Body as BodyForm, Rule};
use crate::transcode::rules::{Method, Rules};
use crate::transcode::server::query::Query;
use crate::transcode::server::{encoding, media_type, path, response};
use crate::transcode::status::http_by_code;
use crate::transcode::{error_body, grpc_frames, http_body};

/// Names the verb of a POST, for clients that can send only GET and POST.
const OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// The part of a refused request that is read, as a multiple of the limit on its size.
const DRAINED: usize = 4;

const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// A call that an HTTP request makes.
pub(crate) struct Call {
    pub(crate) rpc: GrpcRequest,
    pub(crate) target: Target,
    pub(crate) enums_as_numbers: bool,
}

/// Why there is no call, and the HTTP status for it.
pub(crate) struct Refusal {
    pub(crate) status: Status,
    pub(crate) http: StatusCode,
    /// Names what would be accepted.
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self {
            http: http_by_code(status.code()),
            status,
            header: None,
        }
    }
}

impl Refusal {
    pub(crate) fn reply(self, rules: &Rules, options: JsonOptions) -> GrpcResponse {
        let body = error_body::write(rules.schema(), self.http, &self.status, None, options);
        let mut reply = response::json(self.http, body);
        reply.headers_mut().extend(self.header);
        reply
    }
}

/// The gRPC request for an HTTP one.
///
/// Before a request is refused, its body is read, since many clients read no answer while they send, and HTTP/1.1 loses
/// the connection with it. Of a body that is far above the limit only a part is read. A client that asks first whether
/// to send (`Expect`) is answered at once.
pub(crate) async fn call(
    rules: &Rules,
    request: GrpcRequest,
    options: JsonOptions,
    most: usize,
) -> Result<Call, Refusal> {
    let (head, body) = request.into_parts();
    let mut body = Incoming {
        is_wanted: !head.headers.contains_key(header::EXPECT),
        body,
    };
    let call = read(rules, head, &mut body, options, most).await;
    if call.is_err() && body.is_wanted {
        body.drain(most.saturating_mul(DRAINED)).await;
    }
    call
}

/// The body of a request.
struct Incoming {
    body: Body,
    /// Whether the client sends the body: from the beginning, or since it was asked to (RFC 9110 §10.1.1).
    is_wanted: bool,
}

impl Incoming {
    /// Reads the whole body, up to a number of bytes.
    async fn whole(&mut self, most: usize) -> Result<Bytes, Status> {
        if self.least() > most {
            return Err(too_large(most));
        }
        self.is_wanted = true;
        let mut pieces = BodyBuffer::default();
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| {
                Status::invalid_argument(format!("the body cannot be read: {error}"))
            })?;
            let piece = frame.into_data().unwrap_or_default();
            if piece.len() > most - pieces.len() {
                return Err(too_large(most));
            }
            pieces.push(piece);
        }
        Ok(pieces.take_bytes())
    }

    /// Reads the rest, up to a number of bytes; nothing if it is known to be longer.
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

    /// The least number of bytes that are still to come.
    fn least(&self) -> usize {
        usize::try_from(self.body.size_hint().lower()).unwrap_or(usize::MAX)
    }
}

async fn read(
    rules: &Rules,
    mut head: Parts,
    body: &mut Incoming,
    options: JsonOptions,
    most: usize,
) -> Result<Call, Refusal> {
    check_media(&head.headers)?;
    let is_form = head.method == Verb::POST && take_override(&mut head)?;
    let (target, segments) = route(rules, &head)?;
    let (method, rule) = rules.target(target);
    if method.client_streaming {
        let text = "the method streams its requests, which HTTP/JSON cannot: it needs gRPC";
        return Err(Status::unimplemented(text).into());
    }
    let invalid = |why: String| Status::invalid_argument(why);
    let encoding = encoding::of(&head.headers)?;
    let mut body = encoding.decode(body.whole(most).await?, most)?;
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
    let query = query.map_err(invalid)?;
    message.extend_from_slice(&query.wire);
    path::put(schema, input, rule, &segments, from_body, &mut message).map_err(invalid)?;
    let enums_as_numbers = query.enums_as_numbers;
    drop(segments);
    Ok(Call {
        rpc: rpc(head, method, grpc_frames::frame(message)?, query.headers),
        target,
        enums_as_numbers,
    })
}

/// Checks that a request has at most one content type, and none of gRPC-Web or of gRPC with another codec.
fn check_media(headers: &HeaderMap) -> Result<(), Refusal> {
    const GRPC: &[u8] = b"application/grpc";
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(value) = values.next() else {
        return Ok(());
    };
    if values.next().is_some() {
        let text = "several `content-type` headers: must be at most one";
        return Err(Status::invalid_argument(text).into());
    }
    let media = media_type(value);
    let suffix = media
        .split_at_checked(GRPC.len())
        .filter(|(name, _)| name.eq_ignore_ascii_case(GRPC))
        .map(|(_, suffix)| suffix);
    match suffix {
        Some(suffix @ [b'+' | b'-', ..]) if !suffix.eq_ignore_ascii_case(b"+proto") => {
            let text = format!(
                "the content type `{}` is not served: must be that of JSON, or `application/grpc`",
                String::from_utf8_lossy(media)
            );
            Err(Refusal {
                status: Status::unimplemented(text),
                http: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                header: None,
            })
        }
        _ => Ok(()),
    }
}

/// Takes the verb that a POST names in its place (`X-HTTP-Method-Override`), if it names one. Returns whether the body
/// is then a form that has the query of a GET, which clients send where an address would be too long.
///
/// # Errors
///
/// If the header is not one verb.
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
    let media = head.headers.get(header::CONTENT_TYPE).map(media_type);
    let is_form = media.is_some_and(|media| media.eq_ignore_ascii_case(FORM));
    Ok(head.method == Verb::GET && is_form)
}

/// Adds what a form has to a query.
fn append(query: &mut Cow<'_, str>, form: &[u8]) -> Result<(), String> {
    let form = std::str::from_utf8(form).map_err(|_| "the form is not UTF-8")?;
    let query = query.to_mut();
    query.push('&');
    query.push_str(form.trim_ascii());
    Ok(())
}

fn route<'p>(rules: &Rules, head: &'p Parts) -> Result<(Target, Vec<&'p str>), Refusal> {
    let path = head.uri.path();
    match rules.router().find(&head.method, path) {
        Route::Found(target, segments) => Ok((target, segments)),
        Route::Others(allow) => {
            let text = format!("{path} is not there for {}", head.method);
            let allow: Vec<&str> = allow.iter().map(Verb::as_str).collect();
            let allow = HeaderValue::from_str(&allow.join(", ")).ok();
            Err(Refusal {
                status: Status::unimplemented(text),
                http: StatusCode::METHOD_NOT_ALLOWED,
                header: allow.map(|allow| (header::ALLOW, allow)),
            })
        }
        Route::Nothing => {
            let text = format!("no method is at {} {path}", head.method);
            Err(Status::not_found(text).into())
        }
    }
}

/// The answer to a body above the limit: code and words are those that Google's services have, over gRPC too.
pub(crate) fn too_large(most: usize) -> Status {
    Status::invalid_argument(format!(
        "Request payload size exceeds the limit: {most} bytes."
    ))
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
            http_body::put((schema, method.input), number, headers, body, out);
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
) -> GrpcRequest {
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
    GrpcRequest::from_parts(head, Body::new(Full::new(message)))
}
