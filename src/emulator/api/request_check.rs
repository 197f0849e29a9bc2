//! Checks that the message of a request, or of a response that a fault gives, can be decoded.

use prost::Message;

use crate::contract::Method;

/// Decodes the request message of a method, and drops it. A method that is not in the contract is not checked.
///
/// # Errors
///
/// If the message cannot be decoded. The error has the field.
pub(super) fn check(method: &Method, message: &[u8]) -> Result<(), String> {
    let name = method.input().rsplit('.').next().unwrap_or_default();
    decode_request(method.path(), message).map_err(|why| format!("invalid {name}: {why}"))
}

/// Decodes the response message of a method, and drops it. A method that is not in the contract is not checked.
///
/// # Errors
///
/// If the message cannot be decoded. The error has the field.
pub(super) fn check_response(method: &Method, message: &[u8]) -> Result<(), String> {
    let name = method.output().rsplit('.').next().unwrap_or_default();
    decode_response(method.path(), message).map_err(|why| format!("invalid {name}: {why}"))
}

macro_rules! decoders {
    ($($path:literal: $request:ty => $response:ty,)*) => {
        fn decode_request(path: &str, message: &[u8]) -> Result<(), String> {
            match path {
                $($path => decode::<$request>(message),)*
                _ => Ok(()),
            }
        }

        fn decode_response(path: &str, message: &[u8]) -> Result<(), String> {
            match path {
                $($path => decode::<$response>(message),)*
                _ => Ok(()),
            }
        }
    };
}

include!(concat!(env!("OUT_DIR"), "/decoders.rs"));

fn decode<M: Message + Default>(message: &[u8]) -> Result<(), String> {
    M::decode(message)
        .map(drop)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_every_method_is_checked() {
        for method in Method::all() {
            assert_eq!(check(method, b""), Ok(()), "{}", method.name);
            assert_eq!(check_response(method, b""), Ok(()), "{}", method.name);
            check_response(method, b"\x0a\x05a").expect_err(method.name());
            let invalid = check(method, b"\x0a\x05a").expect_err(method.name());
            let name = method.input.rsplit('.').next().unwrap_or_default();
            assert!(
                invalid.starts_with(&format!("invalid {name}: ")),
                "{invalid}"
            );
        }
    }
}
