//! The paths of field masks, which JSON has in camel case and the wire in snake case.

use super::wire::put_varint;

/// Writes the fields of a mask whose JSON form is this text. A path that is as the wire has it stays so.
///
/// # Errors
///
/// If a path could not be told back.
pub(super) fn parse(text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    for path in text.split(',').filter(|path| !path.is_empty()) {
        let capitals = path.bytes().filter(u8::is_ascii_uppercase).count();
        // Field 1, with its length before it.
        out.push(0x0a);
        put_varint((path.len() + capitals) as u64, out);
        let begin = out.len();
        for byte in path.bytes() {
            if byte.is_ascii_uppercase() {
                out.push(b'_');
            }
            out.push(byte.to_ascii_lowercase());
        }
        if !comes_back(&out[begin..]) {
            return Err(format!("`{path}` is no path of a field mask"));
        }
    }
    Ok(())
}

/// Writes a path as JSON has it; `None` for one that cannot be told back, or not without escapes.
pub(super) fn write(path: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !comes_back(path) {
        return None;
    }
    let mut bytes = path.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'_' => bytes.next()?.to_ascii_uppercase(),
            byte => *byte,
        });
    }
    Some(())
}

/// Whether a path of the wire is read out of its JSON form again: what that has in capitals is what
/// stands after an underscore. An empty one would be none.
fn comes_back(path: &[u8]) -> bool {
    let told = |(at, byte): (usize, &u8)| match byte {
        b'_' => path.get(at + 1).is_some_and(u8::is_ascii_lowercase),
        b'A'..=b'Z' | b'"' | b'\\' | b',' | 0..=0x1f => false,
        _ => true,
    };
    !path.is_empty() && path.iter().enumerate().all(told)
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
        for path in [
            "",
            "displayName",
            "a__b",
            "a_1",
            "a_",
            "a,b",
            "a\"b",
            "a\nb",
        ] {
            assert_eq!(written(path), None, "{path}");
        }
    }

    #[test]
    fn both_spellings_of_a_path_are_read() {
        for text in ["displayName.x,,a", "display_name.x,a,"] {
            let mut out = Vec::new();
            assert_eq!(parse(text, &mut out), Ok(()));
            assert_eq!(out, b"\x0a\x0edisplay_name.x\x0a\x01a");
        }
    }

    #[test]
    fn a_path_that_could_not_be_told_back_is_not_read() {
        for text in [
            "-_/xS", "a_1", "a_", "a__b", "a_B", "b,a\"b", "a\\b", "a\nb",
        ] {
            assert!(parse(text, &mut Vec::new()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_read_is_told_and_read_again_as_it_was() {
        for text in [
            "DisplayName",
            "_a",
            "a.B",
            "a b",
            "labels.`x/y`",
            "ä1Ö",
            "*",
        ] {
            let mut out = Vec::new();
            assert_eq!(parse(text, &mut out), Ok(()), "{text}");
            let told = written(std::str::from_utf8(&out[2..]).expect("UTF-8")).expect(text);
            let mut again = Vec::new();
            assert_eq!(parse(&told, &mut again), Ok(()), "{text}");
            assert_eq!(again, out, "{text}");
        }
    }
}
