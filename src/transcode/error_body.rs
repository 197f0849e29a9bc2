//! Reads and writes the error bodies of Google's REST services.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use prost::Message as _;
use prost_types::Any;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::pb;

use crate::call::LegacyReason;
use crate::call::status_code;
use crate::transcode::json::{JsonOptions, quoted};
use crate::transcode::rules::Rules;
use crate::transcode::schema::Schema;
use crate::transcode::status::{code_by_http, code_by_name};

/// The longest `google.protobuf.Duration`.
const LONGEST: prost_types::Duration = prost_types::Duration {
    seconds: 315_576_000_000,
    nanos: 0,
};

const ANY: &str = "google.protobuf.Any";
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// Returns the status of an error body. The body may have one of three shapes: `{"error": {…}}` with `details`, the
/// same with `errors`, and the bare `{"code", "message", "details"}`. The first two may be in an array.
pub(crate) fn read(schema: &Schema, http: StatusCode, headers: &HeaderMap, json: Value) -> Status {
    let json = match json {
        Value::Array(mut items) if !items.is_empty() => items.swap_remove(0),
        other => other,
    };
    let (body, wrapped) = match json.get("error") {
        Some(error) if error.is_object() => (error, true),
        _ => (&json, false),
    };
    let named = body["status"].as_str().and_then(code_by_name);
    // In the bare shape `code` is the number of a gRPC code; in the others it repeats the HTTP status.
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
    // A detail that cannot be read is left out, and the others are kept.
    let details = body["details"].as_array().into_iter().flatten();
    let details = details.filter_map(|detail| read_detail(schema, detail));
    with_details(code, message, details.collect(), headers)
}

fn read_detail(schema: &Schema, detail: &Value) -> Option<Any> {
    let url = detail["@type"].as_str().unwrap_or_default();
    let text = detail.to_string();
    let wire = with_known_type(schema, url, |schema| {
        schema.json_to_wire(ANY, text.as_bytes(), JsonOptions::default())
    });
    Any::decode(wire.ok()?.as_slice()).ok()
}

/// Converts an error detail with the given schema, or with this crate's own schema if the given one lacks the type.
/// This crate's schema has the standard details of `google.rpc`.
fn with_known_type<T>(schema: &Schema, url: &str, by: impl Fn(&Schema) -> T) -> T {
    let name = url.rsplit('/').next().unwrap_or_default();
    if schema.find(name).is_some() && schema.find(ANY).is_some() {
        by(schema)
    } else {
        by(Rules::api_gateway().schema())
    }
}

/// Returns a status with its details. A `Retry-After` header becomes a `RetryInfo`, unless the details have one.
pub(crate) fn with_details(
    code: Code,
    message: String,
    mut details: Vec<Any>,
    headers: &HeaderMap,
) -> Status {
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

/// Returns the delay of a `Retry-After` header, which is a number of seconds or a date (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Returns the error body of a status, `{"error": {…}}`, with this HTTP status. If a legacy reason is given, the body
/// has the list `errors`.
pub(crate) fn write(
    schema: &Schema,
    http: StatusCode,
    status: &Status,
    legacy: Option<LegacyReason>,
    options: JsonOptions,
) -> String {
    let http = http.as_u16();
    let message = quoted(status.message());
    let name = status_code::name(status.code());
    let mut out = format!(r#"{{"error":{{"code":{http},"message":{message}"#);
    if let Some(LegacyReason(reason)) = legacy {
        let reason = quoted(reason);
        out.push_str(&format!(
            r#","errors":[{{"message":{message},"domain":"global","reason":{reason}}}]"#
        ));
    }
    out.push_str(&format!(r#","status":"{name}""#));
    let mut separator = ",\"details\":[";
    for detail in details(status) {
        let any = detail.encode_to_vec();
        let json = with_known_type(schema, &detail.type_url, |schema| {
            schema.wire_to_json(ANY, &any, options)
        });
        if let Ok(json) = json {
            out.push_str(separator);
            out.push_str(&json);
            separator = ",";
        }
    }
    out.push_str(if separator == "," { "]}}" } else { "}}" });
    out
}

/// Returns the delay of the `RetryInfo` in whole seconds, for a `Retry-After` header.
pub(crate) fn retry_delay(status: &Status) -> Option<u64> {
    let info = details(status)
        .into_iter()
        .find(|detail| detail.type_url == RETRY_INFO)?;
    let delay = pb::RetryInfo::decode(info.value.as_slice())
        .ok()?
        .retry_delay?;
    let delay = Duration::try_from(delay).ok()?;
    Some(delay.as_secs() + u64::from(delay.subsec_nanos() > 0))
}

fn details(status: &Status) -> Vec<Any> {
    // Details that are not a `google.rpc.Status` are ignored.
    pb::Status::decode(status.details()).map_or_else(|_| Vec::new(), |whole| whole.details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcode::status::http_by_code;

    fn round(status: &Status) -> Status {
        let rules = Rules::api_gateway();
        let http = http_by_code(status.code());
        let json = write(rules.schema(), http, status, None, JsonOptions::default());
        let json = serde_json::from_str(&json).expect("it is JSON");
        read(rules.schema(), http, &HeaderMap::new(), json)
    }

    #[test]
    fn a_status_is_read_back_as_it_was_written() {
        let details = [
            Any::from_msg(&prost_types::Duration {
                seconds: 1,
                nanos: 5,
            })
            .expect("it encodes"),
            Any {
                type_url: RETRY_INFO.to_owned(),
                value: Vec::new(),
            },
        ];
        for code in (1..=16).map(Code::from_i32) {
            let text = "with \"quotes\", é and\nlines".to_owned();
            for count in 0..=2 {
                let status = with_details(
                    code,
                    text.clone(),
                    details[..count].to_vec(),
                    &HeaderMap::new(),
                );
                let back = round(&status);
                assert_eq!(back.code(), code);
                assert_eq!(back.message(), text);
                assert_eq!(back.details(), status.details());
            }
        }
    }

    #[test]
    fn a_detail_of_an_unknown_type_is_written_as_bytes_beside_the_others() {
        let unknown = Any {
            type_url: "example.com/un.Known".to_owned(),
            value: vec![1, 2],
        };
        let retry = Any {
            type_url: RETRY_INFO.to_owned(),
            value: Vec::new(),
        };
        let whole = vec![unknown, retry];
        let status = with_details(Code::Aborted, "x".to_owned(), whole, &HeaderMap::new());
        let rules = Rules::api_gateway();
        let http = StatusCode::CONFLICT;
        let json = write(rules.schema(), http, &status, None, JsonOptions::default());
        let expected = r#""details":[{"@type":"example.com/un.Known","value":"AQI="},{"@type":"type.googleapis.com/google.rpc.RetryInfo"}]}}"#;
        assert!(json.ends_with(expected), "{json}");
    }

    #[test]
    fn a_legacy_reason_adds_the_list_errors_and_does_not_change_the_status() {
        let rules = Rules::api_gateway();
        let (http, text) = (StatusCode::NOT_FOUND, "no \"a\"");
        let status = Status::not_found(text);
        let legacy = Some(LegacyReason("notFound"));
        let json = write(
            rules.schema(),
            http,
            &status,
            legacy,
            JsonOptions::default(),
        );
        let expected = r#"{"error":{"code":404,"message":"no \"a\"","errors":[{"message":"no \"a\"","domain":"global","reason":"notFound"}],"status":"NOT_FOUND"}}"#;
        assert_eq!(json, expected);
        let json = serde_json::from_str(&json).expect("it is JSON");
        let back = read(rules.schema(), http, &HeaderMap::new(), json);
        assert_eq!((back.code(), back.message()), (Code::NotFound, text));
        assert!(back.details().is_empty());
    }

    #[test]
    fn retry_info_is_a_retry_after_in_whole_seconds() {
        let retry = |nanos| {
            let info = pb::RetryInfo {
                retry_delay: Some(prost_types::Duration { seconds: 2, nanos }),
            };
            let any = Any {
                type_url: RETRY_INFO.to_owned(),
                value: info.encode_to_vec(),
            };
            let status = with_details(
                Code::Unavailable,
                String::new(),
                vec![any],
                &HeaderMap::new(),
            );
            retry_delay(&status)
        };
        assert_eq!(retry(0), Some(2));
        assert_eq!(retry(1), Some(3));
        assert_eq!(retry_delay(&Status::unavailable("")), None);
    }
}
