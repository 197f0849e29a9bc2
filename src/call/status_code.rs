//! The names of gRPC's codes, as Google's JSON and OpenTelemetry have them.

use tonic::Code;

/// The name of a code, such as `NOT_FOUND` (`google/rpc/code.proto`).
pub(crate) fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Returns the code with this name, such as `NOT_FOUND`, or this number from 0 to 16.
pub(crate) fn parse(text: &str) -> Option<Code> {
    let number = text.parse::<u32>().ok();
    let code = |candidate: i32| {
        let code = Code::from_i32(candidate);
        (name(code) == text || number == u32::try_from(candidate).ok()).then_some(code)
    };
    (0..=16).find_map(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_by_its_name_and_its_number() {
        for number in 0..=16 {
            let code = Code::from_i32(number);
            assert_eq!(parse(name(code)), Some(code));
            assert_eq!(parse(&number.to_string()), Some(code));
        }
        for text in ["", "17", "-1", "unavailable", "GONE", "4294967296"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
