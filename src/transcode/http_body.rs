//! `google.api.HttpBody`: a body that is not JSON, with its content type.

use http::{HeaderMap, header};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use crate::transcode::schema::{MessageId, Schema};

/// Writes a body as an `HttpBody`. The `HttpBody` is the whole message, or the field with this number if there is one.
pub(crate) fn put(
    (schema, id): (&Schema, MessageId),
    number: Option<u32>,
    headers: &HeaderMap,
    body: &[u8],
    out: &mut Vec<u8>,
) {
    let field = number.and_then(|number| schema.message(id).field_numbered(number));
    let grouped = field.is_some_and(|(_, field)| field.delimited);
    write(number, grouped, headers, body, out);
}

fn write(number: Option<u32>, grouped: bool, headers: &HeaderMap, body: &[u8], out: &mut Vec<u8>) {
    let media = headers.get(header::CONTENT_TYPE);
    let media = media
        .and_then(|media| media.to_str().ok())
        .unwrap_or_default();
    let fields = [(1, media.as_bytes()), (2, body)];
    let fields = fields.into_iter().filter(|(_, bytes)| !bytes.is_empty());
    // The keys of both fields take one byte each.
    let length = fields.clone().map(|(_, bytes)| bytes.len()).map(size).sum();
    out.reserve(size(length) + 4);
    match number {
        Some(number) if grouped => encode_key(number, WireType::StartGroup, out),
        Some(number) => {
            encode_key(number, WireType::LengthDelimited, out);
            encode_varint(length as u64, out);
        }
        None => {}
    }
    for (field, bytes) in fields {
        encode_key(field, WireType::LengthDelimited, out);
        encode_varint(bytes.len() as u64, out);
        out.extend_from_slice(bytes);
    }
    if let Some(number) = number.filter(|_| grouped) {
        encode_key(number, WireType::EndGroup, out);
    }
}

/// Returns the encoded length of a field with this many bytes.
fn size(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_the_message_or_a_field_of_it() {
        let mut headers = HeaderMap::new();
        let put = |number, headers: &HeaderMap, body: &[u8]| {
            let mut out = b"before".to_vec();
            write(number, false, headers, body, &mut out);
            out.split_off(6)
        };
        assert_eq!(put(None, &headers, b""), b"");
        assert_eq!(put(Some(3), &headers, b""), b"\x1a\x00");
        assert_eq!(put(None, &headers, b"abc"), b"\x12\x03abc");
        headers.insert(header::CONTENT_TYPE, "a/b".parse().expect("a media type"));
        assert_eq!(put(None, &headers, b"c"), b"\x0a\x03a/b\x12\x01c");
        assert_eq!(
            put(Some(16), &headers, b"c"),
            b"\x82\x01\x08\x0a\x03a/b\x12\x01c"
        );
        let long = put(Some(1), &headers, &[0; 200]);
        assert_eq!(long[..11], *b"\x0a\xd0\x01\x0a\x03a/b\x12\xc8\x01");
        assert_eq!(long.len(), 3 + 0xd0);
        let mut group = Vec::new();
        write(Some(3), true, &headers, b"c", &mut group);
        assert_eq!(group, b"\x1b\x0a\x03a/b\x12\x01c\x1c");
    }
}
