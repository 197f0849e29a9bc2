//! An HTTP reply as a gRPC one: the message, or the status.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use prost::Message as _;
use prost_types::Any;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::pb;

use super::SCHEMA;
use super::json::{self, Next, Scan};
use crate::contract::Method;

/// How much of a body that is no JSON is shown.
const EXCERPT: usize = 160;

/// The longest `google.protobuf.Duration`.
const LONGEST: prost_types::Duration = prost_types::Duration {
    seconds: 315_576_000_000,
    nanos: 0,
};

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// The encoded reply message.
///
/// # Errors
///
/// The status that the reply tells, or that its form amounts to.
pub(crate) fn reply(
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<u8>, Status> {
    let output = SCHEMA
        .find(method.output)
        .ok_or_else(|| Status::internal("the reply's type is unknown"))?;
    if !status.is_success() || is_error(body) {
        return Err(match serde_json::from_slice::<Value>(body) {
            Ok(json) => error(status, headers, json),
            Err(_) => not_json(status, headers, body),
        });
    }
    let is_empty = SCHEMA.message(output).fields.is_empty() || status == StatusCode::NO_CONTENT;
    if is_empty && body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    json::read(&SCHEMA, output, body, json::JsonOptions::default()).map_err(|why| {
        let well_formed = Scan::new(body).and_then(|mut scan| {
            scan.skip()?;
            scan.end()
        });
        // A page of a proxy is told as such, a reply of the service by what is wrong with it.
        match well_formed {
            Ok(()) => Status::internal(format!("the reply is not a {}: {why}", method.output)),
            Err(_) => not_json(status, headers, body),
        }
    })
}

/// An error body may come with status 200. An operation has an `error` too, but never alone.
fn is_error(body: &[u8]) -> bool {
    let (mut members, mut first) = (0, false);
    let object = |scan: &mut Scan<'_>, name: std::borrow::Cow<'_, str>| {
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

/// The three shapes of an error body: `{"error": {…}}` with details or with `errors`, and the bare
/// `{"code", "message", "details"}`; the first may stand in an array.
fn error(http: StatusCode, headers: &HeaderMap, json: Value) -> Status {
    let json = match json {
        Value::Array(mut items) if !items.is_empty() => items.swap_remove(0),
        other => other,
    };
    let (body, wrapped) = match json.get("error") {
        Some(error) if error.is_object() => (error, true),
        _ => (&json, false),
    };
    let named = body["status"].as_str().and_then(code_by_name);
    // The bare shape has the gRPC number; the wrapped one repeats the HTTP status.
    let numbered = body["code"]
        .as_i64()
        .filter(|code| !wrapped && (1..=16).contains(code));
    let numbered = numbered
        .and_then(|code| i32::try_from(code).ok())
        .map(Code::from_i32);
    let code = named
        .or(numbered)
        .filter(|code| *code != Code::Ok)
        .unwrap_or_else(|| code_by_http(http));
    let text = body["message"]
        .as_str()
        .or_else(|| json["error"].as_str())
        .or_else(|| json["error_description"].as_str());
    let message = text.map_or_else(|| format!("HTTP {}", http.as_u16()), str::to_owned);
    let mut details: Vec<Any> = Vec::new();
    for detail in body["details"].as_array().into_iter().flatten() {
        // One that cannot be read hides no other.
        details.extend(any(detail));
    }
    with_details(code, message, details, headers)
}

/// An error detail of its JSON form.
fn any(detail: &Value) -> Option<Any> {
    let id = SCHEMA.find("google.protobuf.Any")?;
    let bytes = json::read(
        &SCHEMA,
        id,
        detail.to_string().as_bytes(),
        json::JsonOptions::default(),
    );
    Any::decode(bytes.ok()?.as_slice()).ok()
}

/// A body that is no JSON: a proxy's page, or cut off.
fn not_json(http: StatusCode, headers: &HeaderMap, body: &[u8]) -> Status {
    let media = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media = media.unwrap_or("no content type");
    let code = if http.is_success() {
        Code::Unknown
    } else {
        code_by_http(http)
    };
    let text = format!(
        "the server answered HTTP {} with {media}, which is not JSON",
        http.as_u16()
    );
    let text = match excerpt(body) {
        shown if shown.is_empty() => text,
        shown => format!("{text}: {shown}"),
    };
    with_details(code, text, Vec::new(), headers)
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

fn with_details(code: Code, message: String, mut details: Vec<Any>, headers: &HeaderMap) -> Status {
    if let Some(delay) = retry_after(headers, SystemTime::now())
        && !details.iter().any(|detail| detail.type_url == RETRY_INFO)
    {
        let delay = prost_types::Duration::try_from(delay).unwrap_or(LONGEST);
        let info = pb::RetryInfo {
            retry_delay: Some(delay),
        };
        details.push(Any {
            type_url: RETRY_INFO.to_owned(),
            value: info.encode_to_vec(),
        });
    }
    if details.is_empty() {
        return Status::new(code, message);
    }
    let whole = pb::Status {
        code: code as i32,
        message: message.clone(),
        details,
    };
    Status::with_details(code, message, whole.encode_to_vec().into())
}

/// RFC 9110 §10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

fn code_by_name(name: &str) -> Option<Code> {
    (0..=16)
        .map(Code::from_i32)
        .find(|code| screaming(*code) == name)
}

/// The code's name as Google's JSON has it.
pub(crate) fn screaming(code: Code) -> String {
    let name = format!("{code:?}");
    let mut out = String::new();
    for (index, char) in name.char_indices() {
        if index > 0 && char.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(char.to_ascii_uppercase());
    }
    out
}

fn code_by_http(http: StatusCode) -> Code {
    match http.as_u16() {
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        405 | 501 => Code::Unimplemented,
        408 | 504 => Code::DeadlineExceeded,
        409 => Code::Aborted,
        416 => Code::OutOfRange,
        429 => Code::ResourceExhausted,
        499 => Code::Cancelled,
        502 | 503 => Code::Unavailable,
        _ if http.is_client_error() => Code::FailedPrecondition,
        _ if http.is_server_error() => Code::Internal,
        _ => Code::Unknown,
    }
}
