//! Page tokens: where a page ended, and which list it was of (AIP-158).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::{Message, Oneof};
use prost_types::Timestamp;
use tonic::Status;

use super::field::Value;
use crate::emulator::error;

/// Where a page ended: at the item of a name, and at what an order sorts it by. So the next page begins
/// rightly even if that item is gone by then.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Cursor {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, repeated, tag = "2")]
    key: Vec<Part>,
    /// Of the above and of the list's request.
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

impl Cursor {
    pub(crate) fn new(name: &str, key: &[Value<'_>]) -> Self {
        let parts = key.iter().map(|value| Part {
            value: match value {
                Value::Text(text) => Some(Written::Text(text.clone().into_owned())),
                Value::Flag(flag) => Some(Written::Flag(*flag)),
                Value::Number(number) => Some(Written::Number(*number)),
                Value::Time(time) => Some(Written::Time(*time)),
                // What has no order is in no key.
                Value::Unset | Value::Map(_) | Value::Message => None,
            },
        });
        Self {
            name: name.to_owned(),
            key: parts.collect(),
            check: 0,
        }
    }

    /// What a token says; no token is the beginning. `list` is what all pages of a list have in common.
    ///
    /// # Errors
    ///
    /// If the token is not from a page of this list.
    pub(crate) fn read(token: &str, list: &[&str]) -> Result<Self, Status> {
        if token.is_empty() {
            return Ok(Self::default());
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok();
        let cursor = bytes.and_then(|bytes| Self::decode(bytes.as_slice()).ok());
        // A token that was given is what would be given again.
        if let Some(cursor) = cursor.filter(|cursor| cursor.clone().token(list) == token) {
            return Ok(cursor);
        }
        let why = "is none of this list: all but the page size must stay as it was";
        Err(error::invalid("page_token", why))
    }

    pub(crate) fn token(mut self, list: &[&str]) -> String {
        self.check = self.sum(list);
        URL_SAFE_NO_PAD.encode(self.encode_to_vec())
    }

    pub(crate) fn is_beginning(&self) -> bool {
        self.name.is_empty()
    }

    pub(crate) fn key(&self) -> Vec<Value<'_>> {
        let parts = self.key.iter().map(|part| match &part.value {
            Some(Written::Text(text)) => Value::Text(Cow::Borrowed(text)),
            Some(Written::Flag(flag)) => Value::Flag(*flag),
            Some(Written::Number(number)) => Value::Number(*number),
            Some(Written::Time(time)) => Value::Time(*time),
            None => Value::Unset,
        });
        parts.collect()
    }

    /// FNV-1a: it tells mistakes, not forgers, who could only read a list from elsewhere.
    fn sum(&self, list: &[&str]) -> u64 {
        let own = Self {
            check: 0,
            ..self.clone()
        };
        let own = own.encode_to_vec();
        let parts = list.iter().map(|part| part.as_bytes()).chain([&own[..]]);
        parts.fold(0xcbf2_9ce4_8422_2325, |sum, part| {
            // The length tells where a part ends.
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
    fn a_token_leads_back_to_its_place_in_its_own_list_alone() {
        let time = Timestamp {
            seconds: 7,
            nanos: 9,
        };
        let key = [
            Value::text("a"),
            Value::Flag(true),
            Value::Number(-3),
            Value::Time(time),
            Value::Unset,
        ];
        let token = Cursor::new("n", &key).token(&["apis", "p", ""]);
        let read = Cursor::read(&token, &["apis", "p", ""]).expect("its own");
        assert_eq!(read.name, "n");
        assert_eq!(format!("{:?}", read.key()), format!("{key:?}"));
        for list in [&["apis", "p", "x"][..], &["apis", "", "p"], &["apis", "p"]] {
            assert!(Cursor::read(&token, list).is_err(), "{list:?}");
        }
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(bytes).expect("text");
            assert!(Cursor::read(&other, &["apis", "p", ""]).is_err(), "{other}");
        }
        for garbage in ["x", "not a token", "AA==", &token[1..]] {
            assert!(Cursor::read(garbage, &["apis", "p", ""]).is_err());
        }
        assert!(Cursor::read("", &[]).expect("no token").is_beginning());
    }
}
