//! An HTTP reply as a gRPC one: the message, or the status.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use tonic::{Code, Status};

use crate::call::transport_error::Failure;
use crate::transcode::client::intermediary;
use crate::transcode::json::{self, JsonOptions, Next, Scan};
use crate::transcode::rules::rule::{Response, Rule};
use crate::transcode::rules::{Method, Rules};
use crate::transcode::schema::{Kind, Message, Repeat, Schema, Shape};
use crate::transcode::status::{code_by_http, code_by_name};
use crate::transcode::{error_body, grpc_frames, http_body};

/// How much of a body that is no JSON is shown.
const EXCERPT: usize = 160;

/// What a reply is read by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'r> {
    pub(crate) rules: &'r Rules,
    pub(crate) method: &'r Method,
    pub(crate) rule: &'r Rule,
    pub(crate) options: JsonOptions,
    /// The host that the request was for, if it is known.
    pub(crate) host: Option<&'r str>,
}

impl Reading<'_> {
    /// The reply message, framed as gRPC has it.
    ///
    /// # Errors
    ///
    /// The status that the reply tells, or that its form amounts to.
    pub(crate) fn unary(
        self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Bytes, Status> {
        if !status.is_success() {
            return Err(self.failure(status, headers, body));
        }
        match self.rule.response {
            Response::Raw(number) => return grpc_frames::frame(self.raw(number, headers, body)),
            _ if self.is_error(body) => return Err(self.failure(status, headers, body)),
            _ => {}
        }
        let output = self.rules.schema().message(self.method.output);
        let empty = output.fields.is_empty() || status == StatusCode::NO_CONTENT;
        // A page is no reply, however little stands in it.
        let blank = body.iter().all(u8::is_ascii_whitespace) && !intermediary::is_html(headers);
        if empty && blank {
            return grpc_frames::frame(grpc_frames::buffer(0));
        }
        self.message(body).map_err(|why| {
            let well_formed = Scan::new(body).and_then(|mut scan| {
                scan.skip()?;
                scan.end()
            });
            // A page of a proxy is told as such, a reply of the service by what is wrong with it.
            match well_formed {
                Ok(()) => why,
                Err(_) => self.not_json(status, headers, body),
            }
        })
    }

    /// One message of its JSON text, framed.
    pub(crate) fn message(self, text: &[u8]) -> Result<Bytes, Status> {
        let schema = self.rules.schema();
        let output = self.method.output;
        let wire = match self.rule.response {
            Response::Field(place) => json::read_field(schema, output, place, text, self.options)
                .map(|field| {
                    let mut out = grpc_frames::buffer(field.len());
                    out.extend_from_slice(&field);
                    out
                }),
            _ => {
                let mut out = grpc_frames::buffer(text.len() / 4 * 3);
                json::read_onto(schema, output, text, self.options, &mut out).map(|()| out)
            }
        };
        let wire = wire.map_err(|why| {
            let name = &schema.message(output).name;
            Status::internal(format!("the reply is not a {name}: {why}"))
        })?;
        grpc_frames::frame(wire)
    }

    /// A `google.api.HttpBody` of a reply as it is, or a message whose field of a number is one.
    pub(crate) fn raw(self, number: Option<u32>, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
        let mut out = grpc_frames::buffer(0);
        let of = (self.rules.schema(), self.method.output);
        http_body::put(of, number, headers, body, &mut out);
        out
    }

    /// Returns whether a body that came with a success is an error body all the same: `{"error": {…}}`.
    ///
    /// A message that has a field `error` may look like one. It is an error body only if it has `code` and `status`
    /// as Google's have them, and the field's type has no `status`. In a stream, where the HTTP status is sent
    /// before the failure, `code` and `status` decide alone.
    pub(crate) fn is_error(self, body: &[u8]) -> bool {
        let Some(is_google) = lone_error(body) else {
            return false;
        };
        match self.known_error() {
            Known::Nothing => true,
            Known::Error => is_google,
            Known::Status => is_google && self.method.server_streaming,
        }
    }

    /// Returns what the reply's message knows of an error body.
    fn known_error(self) -> Known {
        let schema = self.rules.schema();
        let output = schema.message(self.method.output);
        let of = match self.rule.response {
            Response::Field(place) => match output.fields.get(place) {
                Some(field) if field.repeat == Repeat::Map => return Known::Status,
                Some(field) if field.repeat == Repeat::Once => field.kind,
                _ => return Known::Nothing,
            },
            _ => Kind::Message(self.method.output),
        };
        let Some(message) = object(schema, of) else {
            return if is_open(schema, of) {
                Known::Status
            } else {
                Known::Nothing
            };
        };
        let Some((_, error)) = message.field_named("error") else {
            return Known::Nothing;
        };
        let inner = object(schema, error.kind);
        let status = inner.is_some_and(|inner| inner.field_named("status").is_some());
        if status || error.repeat == Repeat::Map || is_open(schema, error.kind) {
            Known::Status
        } else {
            Known::Error
        }
    }

    /// The status of a reply that is a failure.
    pub(crate) fn failure(self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Status {
        match serde_json::from_slice::<Value>(body) {
            Ok(json) => error_body::read(self.rules.schema(), status, headers, json),
            Err(_) => self.not_json(status, headers, body),
        }
    }

    /// A body that is no JSON: a proxy's page, or cut off. What the service did not answer is UNAVAILABLE,
    /// since it passes, and since the service may not have been asked at all.
    fn not_json(self, http: StatusCode, headers: &HeaderMap, body: &[u8]) -> Status {
        let stranger = intermediary::shown(http, headers, self.host);
        let (code, who) = match &stranger {
            Some(_) => (
                Code::Unavailable,
                "something else than the service answered",
            ),
            None if http.is_success() => (Code::Unknown, "the server answered"),
            None => (code_by_http(http), "the server answered"),
        };
        let media = headers.get(header::CONTENT_TYPE);
        let media = media.map_or_else(String::new, |media| excerpt(media.as_bytes()));
        let media = match media.as_str() {
            "" => "no content type",
            media => media,
        };
        let how = stranger.as_deref().unwrap_or_default();
        let mut text = format!(
            "{who} HTTP {} with {media}, which is not JSON{how}",
            http.as_u16()
        );
        let shown = excerpt(body);
        if !shown.is_empty() {
            text = format!("{text}: {shown}");
        }
        let status = error_body::with_details(code, text, Vec::new(), headers);
        match stranger {
            Some(_) => Failure::stranger(status),
            None => status,
        }
    }
}

/// What a message has of an error body's members.
enum Known {
    /// No field `error`.
    Nothing,
    /// A field `error` without a `status` in it.
    Error,
    /// Both, or any member there may be.
    Status,
}

/// The message of a kind whose JSON form has a member for each field.
fn object(schema: &Schema, kind: Kind) -> Option<&Message> {
    match kind {
        Kind::Message(id) => Some(schema.message(id)).filter(|of| of.shape == Shape::Object),
        _ => None,
    }
}

/// Whether the JSON form of a kind is an object with members of any name.
fn is_open(schema: &Schema, kind: Kind) -> bool {
    let Kind::Message(id) = kind else {
        return false;
    };
    matches!(
        schema.message(id).shape,
        Shape::Struct | Shape::Value | Shape::Any
    )
}

/// Returns, for an object whose only member is an object `error`, whether that has a number `code` and a `status` that
/// names a gRPC code, as Google's error bodies do. Returns `None` for anything else.
fn lone_error(body: &[u8]) -> Option<bool> {
    // Nearly every reply begins with another name, which its first bytes tell.
    let rest = body.trim_ascii_start().strip_prefix(b"{")?;
    if !rest.trim_ascii_start().starts_with(b"\"error\"") {
        return None;
    }
    let mut members = 0;
    let (mut has_code, mut has_status) = (false, false);
    let error = |scan: &mut Scan<'_>, name: Cow<'_, str>| match (&*name, scan.next()?) {
        ("code", Next::Number) => scan.number().map(|_| has_code = true),
        ("status", Next::String) => {
            let code = scan.string().map(|name| code_by_name(&name))?;
            has_status = code.is_some_and(|code| code != Code::Ok);
            Ok(())
        }
        _ => scan.skip(),
    };
    let mut error = Some(error);
    let object = |scan: &mut Scan<'_>, name: Cow<'_, str>| {
        members += 1;
        // Anything else is an ordinary reply, and its rest need not be looked at.
        match error.take().filter(|_| name == "error") {
            Some(error) if scan.next()? == Next::Object => scan.object(error),
            _ => scan.fault(""),
        }
    };
    Scan::new(body)
        .and_then(|mut scan| scan.object(object))
        .ok()
        .filter(|()| members == 1)?;
    Some(has_code && has_status)
}

/// The beginning of a body on one line, without what could deceive a terminal.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * EXCERPT)]);
    let printable = text
        .chars()
        .map(|char| if deceives(char) { ' ' } else { char })
        .collect::<String>();
    let words = printable.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// Control characters, and those that are invisible or turn the direction of writing.
fn deceives(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
