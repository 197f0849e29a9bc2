//! The gRPC status in the head or the trailers of a response, and the limit on the size of metadata. This module checks both
//! before tonic reads the response.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use tonic::{Code, Status};

const OK: &str = "0";

/// Maximum value of the limit on metadata, in bytes. The HTTP/2 transport decodes headers up to twice this size, so that the
/// status of a response over the limit can still be read.
pub(crate) const MAX_METADATA_SIZE: usize = 1 << 20;

/// Base64 with or without padding, as tonic accepts it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads the gRPC status in headers or trailers, if there is one. Malformed details are removed and a malformed message is
/// replaced, since tonic would panic on them; the code is kept.
///
/// If there are several codes, the first code that is not OK is used, since a proxy may add its error to an OK response.
pub(crate) fn outcome(headers: &mut HeaderMap) -> Option<Result<(), Status>> {
    if headers.get(Status::GRPC_STATUS)? == OK {
        let several = headers.len() > 1;
        if several && let Some(failure) = failure(headers).cloned() {
            headers.insert(Status::GRPC_STATUS, failure);
            return outcome(headers);
        }
        // tonic reads the details and the message of an OK response, too, and panics if they are malformed.
        if several {
            headers.remove(Status::GRPC_STATUS_DETAILS);
            headers.remove(Status::GRPC_MESSAGE);
        }
        return Some(Ok(()));
    }
    let details = headers.get(Status::GRPC_STATUS_DETAILS);
    if details.is_some_and(|value| BASE64.decode(value.as_bytes()).is_err()) {
        tracing::debug!("dropped malformed status details");
        headers.remove(Status::GRPC_STATUS_DETAILS);
    }
    if let Some(message) = headers.get_mut(Status::GRPC_MESSAGE)
        && let decoded = percent_decode(message.as_bytes())
        && let Err(_) = decoded.clone().decode_utf8()
    {
        let text = decoded.decode_utf8_lossy().into_owned();
        let encoded = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
        *message = HeaderValue::try_from(encoded).unwrap_or(HeaderValue::from_static(""));
    }
    let status = Status::from_header_map(headers)?;
    Some(match status.code() {
        Code::Ok => Ok(()),
        _ => Err(status),
    })
}

/// Returns the first code that is not OK.
fn failure(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut codes = headers.get_all(Status::GRPC_STATUS).iter();
    codes.find(|code| *code != OK)
}

/// Metadata that was dropped because it was over the limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excess {
    size: usize,
    limit: usize,
    /// True if error details were dropped as well.
    details: bool,
}

/// Drops metadata if it is larger than `limit`. The status, its message and the pushback are kept, and so are the error details
/// if they fit.
pub(crate) fn limit(headers: &mut HeaderMap, limit: usize) -> Option<Excess> {
    let size = size(headers);
    if size <= limit {
        return None;
    }
    let mut reduced = HeaderMap::new();
    let code = failure(headers).or(headers.get(Status::GRPC_STATUS));
    if let Some(code) = code.cloned() {
        reduced.insert(Status::GRPC_STATUS, code);
    }
    if let Some(message) = headers.remove(Status::GRPC_MESSAGE) {
        reduced.insert(Status::GRPC_MESSAGE, message);
    }
    // Two values are enough, since two or more mean `Pushback::Never`.
    for pushback in headers.get_all(PUSHBACK).iter().take(2) {
        reduced.append(PUSHBACK, pushback.clone());
    }
    let details = headers.remove(Status::GRPC_STATUS_DETAILS);
    let dropped = match details {
        Some(details) => {
            reduced.insert(Status::GRPC_STATUS_DETAILS, details);
            let too_large = self::size(&reduced) > limit;
            if too_large {
                reduced.remove(Status::GRPC_STATUS_DETAILS);
            }
            too_large
        }
        None => false,
    };
    *headers = reduced;
    Some(Excess {
        size,
        limit,
        details: dropped,
    })
}

/// The header with the delay that a server asks for before a retry (gRFC A6).
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// Returns the size of metadata in bytes, as HTTP/2 counts it: each name and value, and 32 bytes for each field (RFC 9113
/// §6.5.2).
fn size(headers: &HeaderMap) -> usize {
    let fields = headers.iter();
    fields
        .map(|(name, value)| name.as_str().len() + value.len() + 32)
        .sum()
}

impl Excess {
    /// Returns the status of a call that fails only because of its metadata. The wait for an operation continues after this
    /// status, since a later response may have less metadata.
    pub(crate) fn status(self) -> Status {
        let Self { size, limit, .. } = self;
        Status::resource_exhausted(format!(
            "the response has {size} bytes of metadata, above the limit of {limit} bytes (max_metadata_size)"
        ))
    }

    /// Returns the status of a failed call, with the dropped metadata described in its message.
    pub(crate) fn note(self, status: &Status) -> Status {
        let Self {
            size,
            limit,
            details,
        } = self;
        let mut message = status.message();
        if message.len() > limit {
            message = &message[..message.floor_char_boundary(limit)];
        }
        let cut = if message.len() < status.message().len() {
            "…"
        } else {
            ""
        };
        let dropped = if details { "error details" } else { "metadata" };
        let message = format!(
            "{message}{cut}; {dropped} dropped: {size} bytes of metadata are above the limit of {limit} bytes (max_metadata_size)"
        );
        let details = status.details().to_vec().into();
        Status::with_details_and_metadata(
            status.code(),
            message,
            details,
            status.metadata().clone(),
        )
    }
}
