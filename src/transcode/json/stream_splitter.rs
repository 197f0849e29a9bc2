//! Splits a stream of JSON texts as it arrives: the elements of an array, or one text per line.
//!
//! An object, an array or a string is complete at its closing character. A number or a literal is complete at the
//! character after it, since more digits may follow.

use bytes::{Buf as _, BytesMut};

/// Splits a stream into its JSON texts.
#[derive(Debug)]
pub(crate) struct StreamSplitter {
    /// The received bytes that were not returned: an unfinished text and the bytes after it.
    unread: BytesMut,
    /// Number of bytes of `unread` that were scanned.
    scanned: usize,
    lines: bool,
    state: State,
    /// Maximum number of bytes of a text.
    most: usize,
}

/// Position of the next byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the `[` of the array.
    Array,
    /// Before the first element, or the `]` of an empty array.
    First,
    /// Before a text: after a comma, or at the beginning of a line.
    Text,
    /// In a number or a literal.
    Scalar,
    /// In an object or an array, this many levels deep.
    Nested(usize),
    /// In a string, this many levels deep.
    Quoted(usize),
    /// After the backslash of such a string.
    Escaped(usize),
    /// After a text, before the comma, bracket or line break that follows it.
    Separator,
    /// After the `]` of the array.
    End,
}

impl StreamSplitter {
    /// Creates a splitter. With `lines` the stream has one text per line (NDJSON), otherwise it is an array.
    pub(crate) fn new(lines: bool, most: usize) -> Self {
        Self {
            unread: BytesMut::new(),
            scanned: 0,
            lines,
            state: if lines { State::Text } else { State::Array },
            most,
        }
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.unread.extend_from_slice(piece);
    }

    /// Returns the next text that is complete.
    ///
    /// # Errors
    ///
    /// If the stream is malformed between its texts, or a text is too long.
    pub(crate) fn next(&mut self) -> Result<Option<BytesMut>, String> {
        while let Some(byte) = self.unread.get(self.scanned).copied() {
            let after = match self.state {
                State::Scalar if ends_scalar(byte) => {
                    self.state = State::Separator;
                    return Ok(Some(self.take()));
                }
                State::Scalar => State::Scalar,
                State::Nested(_) | State::Quoted(_) | State::Escaped(_) => inside(self.state, byte),
                _ => {
                    self.state = between(self.state, byte, self.lines)?;
                    // Drop separators at once, so that a keepalive of blanks needs no memory.
                    match self.state {
                        State::Scalar | State::Nested(_) | State::Quoted(_) => self.scanned += 1,
                        _ => self.unread.advance(1),
                    }
                    continue;
                }
            };
            self.scanned += 1;
            self.state = after;
            if after == State::Separator {
                return Ok(Some(self.take()));
            }
        }
        if self.unread.len() > self.most {
            return Err(format!("a JSON text is larger than {} bytes", self.most));
        }
        Ok(None)
    }

    /// Returns the last text when the stream has ended: a number or literal on a line without a line break.
    ///
    /// # Errors
    ///
    /// If the stream is truncated.
    pub(crate) fn end(&mut self) -> Result<Option<BytesMut>, String> {
        match self.state {
            State::End => Ok(None),
            State::Text | State::Separator if self.lines => Ok(None),
            State::Scalar if self.lines => {
                self.state = State::Separator;
                Ok(Some(self.take()))
            }
            _ => Err("the stream is truncated".to_owned()),
        }
    }

    /// Removes and returns the scanned bytes.
    fn take(&mut self) -> BytesMut {
        self.unread.split_to(std::mem::take(&mut self.scanned))
    }
}

/// Returns the state after a byte within an object, an array or a string.
fn inside(state: State, byte: u8) -> State {
    match (state, byte) {
        (State::Nested(depth), b'"') => State::Quoted(depth),
        (State::Nested(depth), b'{' | b'[') => State::Nested(depth.saturating_add(1)),
        (State::Nested(depth), b'}' | b']') => closed(depth.saturating_sub(1)),
        (State::Quoted(depth), b'\\') => State::Escaped(depth),
        (State::Quoted(depth), b'"') => closed(depth),
        (State::Escaped(depth), _) => State::Quoted(depth),
        (same, _) => same,
    }
}

/// Returns the state after a closing character that leaves this many levels open.
fn closed(depth: usize) -> State {
    match depth {
        0 => State::Separator,
        _ => State::Nested(depth),
    }
}

/// Returns the state after a byte between texts, or after the first byte of a text.
fn between(state: State, byte: u8, lines: bool) -> Result<State, String> {
    Ok(match (state, byte) {
        (State::Separator, b'\n') if lines => State::Text,
        (_, b' ' | b'\t' | b'\r' | b'\n') => state,
        (State::Array, b'[') => State::First,
        (State::Array, _) => return Err("the stream is not a JSON array".to_owned()),
        (State::First, b']') => State::End,
        (State::Separator, b',') if !lines => State::Text,
        (State::Separator, b']') if !lines => State::End,
        (State::Separator, _) if lines => {
            return Err("a line has more than one JSON text".to_owned());
        }
        (State::Separator, _) => return Err("an element is not followed by `,` or `]`".to_owned()),
        (State::End, _) => return Err("the stream continues after its array".to_owned()),
        (_, b'"') => State::Quoted(0),
        (_, b'{' | b'[') => State::Nested(1),
        (_, b',' | b']' | b'}' | b':') => return Err("an element has no value".to_owned()),
        _ => State::Scalar,
    })
}

/// Returns whether a number or literal ends before this byte.
fn ends_scalar(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}' | b'[' | b'{' | b':' | b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: bool, text: &str, size: usize) -> Result<Vec<String>, String> {
        let mut splitter = StreamSplitter::new(lines, 64);
        let mut found = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            splitter.push(piece);
            while let Some(text) = splitter.next()? {
                found.push(text);
            }
        }
        found.extend(splitter.end()?);
        let texts = found
            .into_iter()
            .map(|text| String::from_utf8(text.to_vec()).expect("it is text"));
        Ok(texts.collect())
    }

    /// Returns the number of complete texts after each byte.
    fn complete(lines: bool, text: &str) -> Vec<usize> {
        let mut splitter = StreamSplitter::new(lines, 64);
        let mut count = 0;
        let counts = text.bytes().map(|byte| {
            splitter.push(&[byte]);
            while splitter.next().expect("well-formed").is_some() {
                count += 1;
            }
            count
        });
        counts.collect()
    }

    #[test]
    fn an_array_is_split_wherever_its_pieces_end() {
        let cases: [(&str, &[&str]); 6] = [
            ("[]", &[]),
            (" [ ] \n", &[]),
            (
                r#"[{"a":[1,2]}, {"b":"],[{"}]"#,
                &[r#"{"a":[1,2]}"#, r#"{"b":"],[{"}"#],
            ),
            (
                r#"["a\"]", 1 ,true ,{"é":"\\"}, null]"#,
                &[r#""a\"]""#, "1", "true", r#"{"é":"\\"}"#, "null"],
            ),
            ("[[1],[2]]", &["[1]", "[2]"]),
            ("[-1.5e3]", &["-1.5e3"]),
        ];
        for (text, expected) in cases {
            for size in 1..=text.len() {
                assert_eq!(
                    read(false, text, size).expect(text),
                    expected,
                    "{text} by {size}"
                );
            }
        }
    }

    #[test]
    fn lines_are_split_even_if_a_text_has_several() {
        let text = "{\"a\":1}\n\n{\n\"b\": \"x\\\"\"\n}\r\n[1]\n\"s\"\n2";
        for size in 1..=text.len() {
            let expected = ["{\"a\":1}", "{\n\"b\": \"x\\\"\"\n}", "[1]", "\"s\"", "2"];
            assert_eq!(
                read(true, text, size).expect("lines"),
                expected,
                "by {size}"
            );
        }
    }

    #[test]
    fn an_object_an_array_and_a_string_are_complete_at_their_closing_character() {
        let text = r#"[{"a":{}},[[]],"\"",{}]"#;
        let counts = [
            (0, 0),  // [
            (8, 0),  // {"a":{}
            (9, 1),  // {"a":{}}
            (13, 1), // ,[[]
            (14, 2), // ]
            (18, 2), // ,"\"
            (19, 3), // "
            (22, 4), // ,{}
            (23, 4), // ]
        ];
        let found = complete(false, text);
        for (bytes, count) in counts {
            let after = bytes.max(1) - 1;
            assert_eq!(found[after], count, "{} of {text}", &text[..=after]);
        }
        assert_eq!(complete(true, "{}\n[]\n"), [0, 1, 1, 1, 2, 2]);
    }

    #[test]
    fn a_number_and_a_literal_are_complete_at_the_next_character() {
        assert_eq!(complete(false, "[12,3 ]"), [0, 0, 0, 1, 1, 2, 2]);
        assert_eq!(complete(true, "true\n1\n"), [0, 0, 0, 0, 1, 1, 2]);
    }

    #[test]
    fn a_stream_that_is_cut_off_or_malformed_between_its_texts_is_an_error() {
        let arrays = [
            "", "[", "[1", "[1,", "[{}", "[{}]x", "{}", "[] x", "[1] [2]", "[1,,2]", "[,1]",
            "[1,]", "[{}{}]", "[1 2]", "[1}", "[\"a",
        ];
        for text in arrays {
            assert!(read(false, text, 1).is_err(), "{text}");
        }
        for text in ["{", "\"a", "{}{}\n", "1 2\n", "{},{}\n"] {
            assert!(read(true, text, 1).is_err(), "{text}");
        }
    }

    #[test]
    fn a_text_is_bounded_and_white_space_between_texts_is_not() {
        let long = format!("[\"{}\"]", "x".repeat(99));
        assert!(read(false, &long, 10).is_err());
        let blanks = format!("[{}1]", " ".repeat(999));
        assert_eq!(read(false, &blanks, 10).expect("well-formed"), ["1"]);
    }
}
