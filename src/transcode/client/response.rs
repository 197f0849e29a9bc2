//! Converts an HTTP response into a gRPC message or status.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use tonic::{Code, Status};

use crate::call::intermediary;
use crate::call::transport_error::TransportError;
use crate::transcode::json::{self, JsonOptions, Lexer, Token};
use crate::transcode::rules::rule::{ResponseBody, Rule};
use crate::transcode::rules::{Method, Rules};
use crate::transcode::schema::{Cardinality, FieldKind, Message, Schema, Shape};
use crate::transcode::status::{code_by_http, code_by_name};
use crate::transcode::{error_body, grpc_frames, http_body};

/// Maximum number of characters of a body that an error shows.
const EXCERPT: usize = 160;

/// Reads the responses of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseReader<'r> {
    pub(crate) rules: &'r Rules,
    pub(crate) method: &'r Method,
    pub(crate) rule: &'r Rule,
    pub(crate) options: JsonOptions,
    /// The host of the request, if it is known.
    pub(crate) host: Option<&'r str>,
}

impl ResponseReader<'_> {
    /// Returns the response message in a gRPC frame.
    ///
    /// # Errors
    ///
    /// Returns the status of an error response, or a status for a malformed response.
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
            ResponseBody::Raw(number) => {
                return grpc_frames::frame(self.raw(number, headers, body));
            }
            _ if self.is_error(body) => return Err(self.failure(status, headers, body)),
            _ => {}
        }
        let output = self.rules.schema().message(self.method.output);
        let empty = output.fields.is_empty() || status == StatusCode::NO_CONTENT;
        // A blank HTML page does not count as an empty response.
        let blank = body.iter().all(u8::is_ascii_whitespace) && !intermediary::is_html(headers);
        if empty && blank {
            return grpc_frames::frame(grpc_frames::buffer(0));
        }
        self.message(body).map_err(|why| {
            let well_formed = Lexer::new(body).and_then(|mut lexer| {
                lexer.skip()?;
                lexer.end()
            });
            // If the body is JSON, the error is the reason why the message is invalid. Otherwise the body is a proxy's
            // page or is truncated.
            match well_formed {
                Ok(()) => why,
                Err(_) => self.not_json(status, headers, body),
            }
        })
    }

    /// Returns the gRPC frame of a message in JSON.
    pub(crate) fn message(self, text: &[u8]) -> Result<Bytes, Status> {
        let schema = self.rules.schema();
        let output = self.method.output;
        let wire = match self.rule.response {
            ResponseBody::Field(place) => {
                json::read_field(schema, output, place, text, self.options).map(|field| {
                    let mut out = grpc_frames::buffer(field.len());
                    out.extend_from_slice(&field);
                    out
                })
            }
            _ => {
                let mut out = grpc_frames::buffer(text.len() / 4 * 3);
                json::read_onto(schema, output, text, self.options, &mut out).map(|()| out)
            }
        };
        let wire = wire.map_err(|why| {
            let name = &schema.message(output).name;
            Status::internal(format!("invalid {name} in the response: {why}"))
        })?;
        grpc_frames::frame(wire)
    }

    /// Returns the message for a response body that is not JSON: a `google.api.HttpBody`, or a message whose field with
    /// this number is an `HttpBody`.
    pub(crate) fn raw(self, number: Option<u32>, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
        let mut out = grpc_frames::buffer(0);
        let output = (self.rules.schema(), self.method.output);
        http_body::put(output, number, headers, body, &mut out);
        out
    }

    /// Returns whether the body of a successful response is an error body, `{"error": {…}}`.
    ///
    /// - If the response message has no field `error`, every such body is an error body.
    /// - If the message has a field `error`, the body is an error body only if its `code` and `status` are as in Google's
    ///   error bodies.
    /// - If that field can also have a `status`, the body is an error body only in a stream. A stream can fail after its
    ///   HTTP status was sent, so no other sign of the failure is possible.
    pub(crate) fn is_error(self, body: &[u8]) -> bool {
        let Some(is_google) = sole_error_member(body) else {
            return false;
        };
        match self.known_error() {
            ErrorField::Nothing => true,
            ErrorField::Error => is_google,
            ErrorField::Status => is_google && self.method.server_streaming,
        }
    }

    /// Returns which members of an error body the response message has.
    fn known_error(self) -> ErrorField {
        let schema = self.rules.schema();
        let output = schema.message(self.method.output);
        let kind = match self.rule.response {
            ResponseBody::Field(place) => match output.fields.get(place) {
                Some(field) if field.repeat == Cardinality::Map => return ErrorField::Status,
                Some(field) if field.repeat == Cardinality::Once => field.kind,
                _ => return ErrorField::Nothing,
            },
            _ => FieldKind::Message(self.method.output),
        };
        let Some(message) = object(schema, kind) else {
            return if is_open(schema, kind) {
                ErrorField::Status
            } else {
                ErrorField::Nothing
            };
        };
        let Some((_, error)) = message.field_named("error") else {
            return ErrorField::Nothing;
        };
        let inner = object(schema, error.kind);
        let status = inner.is_some_and(|inner| inner.field_named("status").is_some());
        if status || error.repeat == Cardinality::Map || is_open(schema, error.kind) {
            ErrorField::Status
        } else {
            ErrorField::Error
        }
    }

    /// Returns the status of an error response.
    pub(crate) fn failure(self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Status {
        match serde_json::from_slice::<Value>(body) {
            Ok(json) => error_body::read(self.rules.schema(), status, headers, json),
            Err(_) => self.not_json(status, headers, body),
        }
    }

    /// Returns the status for a body that is not JSON: a page of a proxy, or a truncated response. The response of an
    /// intermediary is UNAVAILABLE, because it is transient and the service may not have received the request.
    fn not_json(self, http: StatusCode, headers: &HeaderMap, body: &[u8]) -> Status {
        let stranger = intermediary::detect(http, headers, self.host);
        let (code, who) = match &stranger {
            Some(_) => (Code::Unavailable, "an intermediary responded with"),
            None if http.is_success() => (Code::Unknown, "the server responded with"),
            None => (code_by_http(http), "the server responded with"),
        };
        let media = headers.get(header::CONTENT_TYPE);
        let media = media.map_or_else(String::new, |media| excerpt(media.as_bytes()));
        let media = match media.as_str() {
            "" => "no content type",
            media => media,
        };
        let how = stranger.as_deref().unwrap_or_default();
        let mut text = format!(
            "{who} HTTP {} and {media}, which is not JSON{how}",
            http.as_u16()
        );
        let shown = excerpt(body);
        if !shown.is_empty() {
            text = format!("{text}: {shown}");
        }
        let status = error_body::with_details(code, text, Vec::new(), headers);
        match stranger {
            Some(_) => TransportError::intermediary(status),
            None => status,
        }
    }
}

/// The members of an error body that a response message also has.
enum ErrorField {
    /// No field `error`.
    Nothing,
    /// A field `error` without a `status` in it.
    Error,
    /// A field `error` that has a `status` or accepts members of any name. Or the whole message accepts members of any
    /// name.
    Status,
}

/// Returns the message of a field type whose JSON form is an object with a member for each field.
fn object(schema: &Schema, kind: FieldKind) -> Option<&Message> {
    match kind {
        FieldKind::Message(id) => {
            Some(schema.message(id)).filter(|message| message.shape == Shape::Object)
        }
        _ => None,
    }
}

/// Returns whether the JSON form of a field type is an object with members of any name.
fn is_open(schema: &Schema, kind: FieldKind) -> bool {
    let FieldKind::Message(id) = kind else {
        return false;
    };
    matches!(
        schema.message(id).shape,
        Shape::Struct | Shape::Value | Shape::Any
    )
}

/// Parses an object whose only member is an object `error`. Returns whether `error` has a number `code` and a `status`
/// that names a gRPC code, as in Google's error bodies. Returns `None` for any other text.
fn sole_error_member(body: &[u8]) -> Option<bool> {
    // Most responses begin with another name, so checking the first bytes is enough.
    let rest = body.trim_ascii_start().strip_prefix(b"{")?;
    if !rest.trim_ascii_start().starts_with(b"\"error\"") {
        return None;
    }
    let mut members = 0;
    let (mut has_code, mut has_status) = (false, false);
    let error = |lexer: &mut Lexer<'_>, name: Cow<'_, str>| match (&*name, lexer.next()?) {
        ("code", Token::Number) => lexer.number().map(|_| has_code = true),
        ("status", Token::String) => {
            let code = lexer.string().map(|name| code_by_name(&name))?;
            has_status = code.is_some_and(|code| code != Code::Ok);
            Ok(())
        }
        _ => lexer.skip(),
    };
    let mut error = Some(error);
    let object = |lexer: &mut Lexer<'_>, name: Cow<'_, str>| {
        members += 1;
        // Anything else is an ordinary response, so stop reading.
        match error.take().filter(|_| name == "error") {
            Some(error) if lexer.next()? == Token::Object => lexer.object(error),
            _ => lexer.error(""),
        }
    };
    Lexer::new(body)
        .and_then(|mut lexer| lexer.object(object))
        .ok()
        .filter(|()| members == 1)?;
    Some(has_code && has_status)
}

/// Returns the beginning of a body on one line, without characters that could deceive the reader of a terminal.
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

/// Returns whether a character is a control character, is invisible, or changes the direction of writing.
fn deceives(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
