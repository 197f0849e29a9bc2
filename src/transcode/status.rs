//! Conversion between gRPC codes and HTTP statuses (`google/rpc/code.proto`).

use http::StatusCode;
use tonic::Code;

use crate::call::status_code;

/// Returns the code of a name such as `NOT_FOUND`.
pub(crate) fn code_by_name(name: &str) -> Option<Code> {
    (0..=16)
        .map(Code::from_i32)
        .find(|code| status_code::name(*code) == name)
}

/// Returns the code for an HTTP status whose body names no code.
pub(crate) fn code_by_http(http: StatusCode) -> Code {
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
        // 407 and 511 are sent by an intermediary, not by the service.
        407 | 502 | 503 | 511 => Code::Unavailable,
        _ if http.is_client_error() => Code::FailedPrecondition,
        _ if http.is_server_error() => Code::Internal,
        _ => Code::Unknown,
    }
}

/// Returns the HTTP status of a code.
pub(crate) fn http_by_code(code: Code) -> StatusCode {
    let number = match code {
        Code::Ok => 200,
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::DeadlineExceeded => 504,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::PermissionDenied => 403,
        Code::Unauthenticated => 401,
        Code::ResourceExhausted => 429,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
    };
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_http_status_and_its_name() {
        // `google/rpc/code.proto`.
        let table = [
            (0, 200, "OK"),
            (1, 499, "CANCELLED"),
            (2, 500, "UNKNOWN"),
            (3, 400, "INVALID_ARGUMENT"),
            (4, 504, "DEADLINE_EXCEEDED"),
            (5, 404, "NOT_FOUND"),
            (6, 409, "ALREADY_EXISTS"),
            (7, 403, "PERMISSION_DENIED"),
            (8, 429, "RESOURCE_EXHAUSTED"),
            (9, 400, "FAILED_PRECONDITION"),
            (10, 409, "ABORTED"),
            (11, 400, "OUT_OF_RANGE"),
            (12, 501, "UNIMPLEMENTED"),
            (13, 500, "INTERNAL"),
            (14, 503, "UNAVAILABLE"),
            (15, 500, "DATA_LOSS"),
            (16, 401, "UNAUTHENTICATED"),
        ];
        for (number, http, name) in table {
            let code = Code::from_i32(number);
            assert_eq!(http_by_code(code).as_u16(), http, "{name}");
            assert_eq!(status_code::name(code), name);
            assert_eq!(code_by_name(name), Some(code));
        }
        assert_eq!(code_by_name("NONE"), None);
    }
}
