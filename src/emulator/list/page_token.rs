//! Page tokens (AIP-158): the last item of a page, and a checksum over the list's request.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::{Message, Oneof};
use prost_types::Timestamp;
use tonic::Status;

use super::field::FieldValue;
use crate::emulator::error;

/// The last item of a page: its name and its sort key. The next page starts after this name and key, even if the item has been
/// deleted since.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PageToken {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, repeated, tag = "2")]
    key: Vec<Part>,
    /// Checksum over the fields above and the list's request.
    #[prost(fixed64, tag = "3")]
    check: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Part {
    #[prost(oneof = "Written", tags = "1, 2, 3, 4")]
    value: Option<Written>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Written {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Flag(bool),
    #[prost(int64, tag = "3")]
    Number(i64),
    #[prost(message, tag = "4")]
    Time(Timestamp),
}

impl PageToken {
    pub(crate) fn new(name: &str, key: &[FieldValue<'_>]) -> Self {
        let parts = key.iter().map(|value| Part {
            value: match value {
                FieldValue::Text(text) => Some(Written::Text(text.clone().into_owned())),
                FieldValue::Flag(flag) => Some(Written::Flag(*flag)),
                FieldValue::Number(number) => Some(Written::Number(*number)),
                FieldValue::Time(time) => Some(Written::Time(*time)),
                // An unset value is a part without a value. Maps and messages have no order and are in no sort key.
                FieldValue::Unset | FieldValue::Map(_) | FieldValue::Message => None,
            },
        });
        Self {
            name: name.to_owned(),
            key: parts.collect(),
            check: 0,
        }
    }

    /// Parses a token. An empty token is the start of the list. `list` has the parts of the request that all pages share.
    ///
    /// # Errors
    ///
    /// If the token is not from a page of this list.
    pub(crate) fn parse(token: &str, list: &[&str]) -> Result<Self, Status> {
        if token.is_empty() {
            return Ok(Self::default());
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok();
        let page_token = bytes.and_then(|bytes| Self::decode(bytes.as_slice()).ok());
        // Encodes the token again with the correct checksum. A token with a wrong checksum differs from the result.
        if let Some(page_token) =
            page_token.filter(|page_token| page_token.clone().into_text(list) == token)
        {
            return Ok(page_token);
        }
        let why = "is not from this list: all fields but page_size must stay the same";
        Err(error::invalid("page_token", why))
    }

    pub(crate) fn into_text(mut self, list: &[&str]) -> String {
        self.check = self.sum(list);
        URL_SAFE_NO_PAD.encode(self.encode_to_vec())
    }

    pub(crate) fn is_start(&self) -> bool {
        self.name.is_empty()
    }

    pub(crate) fn key(&self) -> Vec<FieldValue<'_>> {
        let parts = self.key.iter().map(|part| match &part.value {
            Some(Written::Text(text)) => FieldValue::Text(Cow::Borrowed(text)),
            Some(Written::Flag(flag)) => FieldValue::Flag(*flag),
            Some(Written::Number(number)) => FieldValue::Number(*number),
            Some(Written::Time(time)) => FieldValue::Time(*time),
            None => FieldValue::Unset,
        });
        parts.collect()
    }

    /// Returns the FNV-1a checksum. It detects mistakes only. A forged token is no risk: it can only start the list at
    /// another item.
    fn sum(&self, list: &[&str]) -> u64 {
        let own = Self {
            check: 0,
            ..self.clone()
        };
        let own = own.encode_to_vec();
        let parts = list.iter().map(|part| part.as_bytes()).chain([&own[..]]);
        parts.fold(0xcbf2_9ce4_8422_2325, |sum, part| {
            // The lengths distinguish `ab`, `c` from `a`, `bc`.
            let length = part.len().to_be_bytes();
            length.iter().chain(part).fold(sum, |sum, byte| {
                (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_token_is_parsed_for_its_own_list_only() {
        let time = Timestamp {
            seconds: 7,
            nanos: 9,
        };
        let key = [
            FieldValue::text("a"),
            FieldValue::Flag(true),
            FieldValue::Number(-3),
            FieldValue::Time(time),
            FieldValue::Unset,
        ];
        let token = PageToken::new("n", &key).into_text(&["apis", "p", ""]);
        let read = PageToken::parse(&token, &["apis", "p", ""]).expect("its own");
        assert_eq!(read.name, "n");
        assert_eq!(format!("{:?}", read.key()), format!("{key:?}"));
        for list in [&["apis", "p", "x"][..], &["apis", "", "p"], &["apis", "p"]] {
            assert!(PageToken::parse(&token, list).is_err(), "{list:?}");
        }
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(bytes).expect("text");
            assert!(
                PageToken::parse(&other, &["apis", "p", ""]).is_err(),
                "{other}"
            );
        }
        for garbage in ["x", "not a token", "AA==", &token[1..]] {
            assert!(PageToken::parse(garbage, &["apis", "p", ""]).is_err());
        }
        assert!(PageToken::parse("", &[]).expect("no token").is_start());
    }
}
