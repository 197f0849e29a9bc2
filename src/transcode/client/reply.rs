//! An HTTP reply as a gRPC one: the message, or the status.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use tonic::{Code, Status};

use super::super::json::{self, JsonOptions, Next, Scan};
use super::super::rule::{Response, Rule};
use super::super::rules::{Method, Rules};
use super::super::status::code_by_http;
use super::super::{error_body, frames, http_body};
use super::stranger;
use crate::failure::Failure;

/// How much of a body that is no JSON is shown.
const EXCERPT: usize = 160;

/// What a reply is read by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'r> {
    pub(super) rules: &'r Rules,
    pub(super) method: &'r Method,
    pub(super) rule: &'r Rule,
    pub(super) options: JsonOptions,
    /// The host that the request was for, if it is known.
    pub(super) host: Option<&'r str>,
}

impl Reading<'_> {
    /// The reply message, framed as gRPC has it.
    ///
    /// # Errors
    ///
    /// The status that the reply tells, or that its form amounts to.
    pub(super) fn unary(
        self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Bytes, Status> {
        if !status.is_success() {
            return Err(self.failure(status, headers, body));
        }
        match self.rule.response {
            Response::Raw(number) => return frames::frame(raw(number, headers, body)),
            _ if is_error(body) => return Err(self.failure(status, headers, body)),
            _ => {}
        }
        let output = self.rules.schema().message(self.method.output);
        let empty = output.fields.is_empty() || status == StatusCode::NO_CONTENT;
        // A page is no reply, however little stands in it.
        let blank = body.iter().all(u8::is_ascii_whitespace) && !stranger::is_html(headers);
        if empty && blank {
            return frames::frame(frames::buffer(0));
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
    pub(super) fn message(self, text: &[u8]) -> Result<Bytes, Status> {
        let schema = self.rules.schema();
        let output = self.method.output;
        let wire = match self.rule.response {
            Response::Field(place) => json::read_field(schema, output, place, text, self.options)
                .map(|field| {
                    let mut out = frames::buffer(field.len());
                    out.extend_from_slice(&field);
                    out
                }),
            _ => {
                let mut out = frames::buffer(text.len() / 4 * 3);
                json::read_onto(schema, output, text, self.options, &mut out).map(|()| out)
            }
        };
        let wire = wire.map_err(|why| {
            let name = &schema.message(output).name;
            Status::internal(format!("the reply is not a {name}: {why}"))
        })?;
        frames::frame(wire)
    }

    /// The status of a reply that is a failure.
    pub(super) fn failure(self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Status {
        match serde_json::from_slice::<Value>(body) {
            Ok(json) => error_body::read(self.rules.schema(), status, headers, json),
            Err(_) => self.not_json(status, headers, body),
        }
    }

    /// A body that is no JSON: a proxy's page, or cut off. What the service did not answer is UNAVAILABLE,
    /// since it passes, and since the service may not have been asked at all.
    fn not_json(self, http: StatusCode, headers: &HeaderMap, body: &[u8]) -> Status {
        let stranger = stranger::shown(http, headers, self.host);
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

/// A `google.api.HttpBody` of a reply as it is, or a message whose field of a number is one.
pub(super) fn raw(number: Option<u32>, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let mut out = frames::buffer(0);
    http_body::put(number, headers, body, &mut out);
    out
}

/// An error body may come with status 200. An operation has an `error` too, but never alone.
pub(super) fn is_error(body: &[u8]) -> bool {
    // Nearly every reply begins with another name, which its first bytes tell.
    let begins = body.trim_ascii_start().strip_prefix(b"{");
    if begins.is_none_or(|rest| !rest.trim_ascii_start().starts_with(b"\"error\"")) {
        return false;
    }
    let (mut members, mut first) = (0, false);
    let object = |scan: &mut Scan<'_>, name: Cow<'_, str>| {
        members += 1;
        first |= name == "error" && scan.next()? == Next::Object;
        // Anything else is an ordinary reply, and its rest need not be looked at.
        if first && members == 1 {
            scan.skip()
        } else {
            scan.fault("")
        }
    };
    let read = Scan::new(body).and_then(|mut scan| scan.object(object));
    read.is_ok() && first
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
