//! The gRPC status in the head or the trailers of a reply, checked before tonic sees it.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use tonic::{Code, Status};

/// As tonic reads base64: with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the gRPC status in headers or trailers says, if there is one. What is malformed about it is
/// dropped or replaced, since tonic would panic on it: a code that was sent is worth more than the text
/// that goes with it.
pub(crate) fn outcome(headers: &mut HeaderMap) -> Option<Result<(), Status>> {
    if headers.get(Status::GRPC_STATUS)? == "0" {
        // tonic reads these of a reply that is OK as well, and panics on them as well.
        if headers.len() > 1 {
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
