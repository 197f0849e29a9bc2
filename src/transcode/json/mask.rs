//! The paths of field masks, which JSON has in camel case and the wire in snake case.

use super::wire::put_varint;

/// Writes the fields of a mask whose JSON form is this text. A path that is as the wire has it stays so.
pub(super) fn parse(text: &str, out: &mut Vec<u8>) {
    for path in text.split(',').filter(|path| !path.is_empty()) {
        let capitals = path.bytes().filter(u8::is_ascii_uppercase).count();
        // Field 1, with its length before it.
        out.push(0x0a);
        put_varint((path.len() + capitals) as u64, out);
        for byte in path.bytes() {
            if byte.is_ascii_uppercase() {
                out.push(b'_');
            }
            out.push(byte.to_ascii_lowercase());
        }
    }
}

/// Writes a path as JSON has it; `None` for one that cannot be told back, or not without escapes.
pub(super) fn write(path: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut bytes = path.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'_' => bytes
                .next()
                .filter(|byte| byte.is_ascii_lowercase())?
                .to_ascii_uppercase(),
            b'A'..=b'Z' | b'"' | b'\\' | b',' | 0..=0x1f => return None,
            byte => *byte,
        });
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(path: &str) -> Option<String> {
        let mut out = Vec::new();
        write(path.as_bytes(), &mut out)?;
        String::from_utf8(out).ok()
    }

    #[test]
    fn a_path_is_told_only_if_it_can_be_told_back() {
        assert_eq!(written("display_name.x").as_deref(), Some("displayName.x"));
        for path in ["displayName", "a__b", "a_1", "a_", "a,b", "a\"b", "a\nb"] {
            assert_eq!(written(path), None, "{path}");
        }
    }

    #[test]
    fn both_spellings_of_a_path_are_read() {
        for text in ["displayName.x,,a", "display_name.x,a,"] {
            let mut out = Vec::new();
            parse(text, &mut out);
            assert_eq!(out, b"\x0a\x0edisplay_name.x\x0a\x01a");
        }
    }
}
