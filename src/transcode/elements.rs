//! A stream of JSON texts, taken apart as it comes in: an array, or a line each.

use bytes::BytesMut;

/// The texts of a stream that are whole.
#[derive(Debug)]
pub(super) struct Elements {
    unread: BytesMut,
    /// Up to here it has been looked at.
    looked: usize,
    form: Form,
    depth: usize,
    within_string: bool,
    escaped: bool,
    /// The most bytes that a text may have.
    most: usize,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A text a line.
    Lines,
    /// Before the bracket that opens the array.
    Before,
    /// Where a text may begin; the array may end if it has none.
    First,
    Text,
    /// After the bracket that closes it.
    After,
}

impl Elements {
    pub(super) fn new(lines: bool, most: usize) -> Self {
        Self {
            unread: BytesMut::new(),
            looked: 0,
            form: if lines { Form::Lines } else { Form::Before },
            depth: 0,
            within_string: false,
            escaped: false,
            most,
        }
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        self.unread.extend_from_slice(piece);
    }

    /// The next text that is whole.
    ///
    /// # Errors
    ///
    /// If this is no array where one should be, or a text is too long.
    pub(super) fn next(&mut self) -> Result<Option<BytesMut>, String> {
        while let Some(byte) = self.unread.get(self.looked).copied() {
            self.looked += 1;
            if self.inside(byte) {
                continue;
            }
            match (self.form, byte) {
                (Form::Lines, b'\n') => {
                    if let Some(text) = self.cut() {
                        return Ok(Some(text));
                    }
                }
                (Form::Lines, _) => {}
                (_, b' ' | b'\t' | b'\r' | b'\n') => {}
                (Form::Before, b'[') => {
                    self.form = Form::First;
                    self.cut();
                }
                (Form::Before, _) => return Err("this is no JSON array".to_owned()),
                (Form::First | Form::Text, b']') => {
                    let empty = self.form == Form::First;
                    self.form = Form::After;
                    match self.cut() {
                        None if empty => {}
                        text => return Ok(Some(text.unwrap_or_default())),
                    }
                }
                (Form::First | Form::Text, b',') => {
                    self.form = Form::Text;
                    return Ok(Some(self.cut().unwrap_or_default()));
                }
                (Form::First | Form::Text, _) => self.form = Form::Text,
                (Form::After, _) => return Err("the stream goes on after its array".to_owned()),
            }
        }
        if self.unread.len() > self.most {
            return Err(format!("a text is larger than {} bytes", self.most));
        }
        Ok(None)
    }

    /// What is left when the stream has ended: a last line without its end.
    ///
    /// # Errors
    ///
    /// If the stream is cut off.
    pub(super) fn end(&mut self) -> Result<Option<BytesMut>, String> {
        match self.form {
            Form::After => Ok(None),
            Form::Lines => {
                self.looked += 1;
                Ok(self.cut())
            }
            _ => Err("the stream is cut off".to_owned()),
        }
    }

    /// Whether the byte is within an object, an array or a string of a text.
    fn inside(&mut self, byte: u8) -> bool {
        if self.within_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.within_string = false,
                _ => {}
            }
            return true;
        }
        if matches!(self.form, Form::Before | Form::After) {
            return false;
        }
        let inside = self.depth > 0;
        match byte {
            b'"' => self.within_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' if inside => self.depth -= 1,
            _ => return inside,
        }
        if self.form == Form::First {
            self.form = Form::Text;
        }
        true
    }

    /// Takes out what was looked at, without the byte that ended it; `None` if that is white space.
    fn cut(&mut self) -> Option<BytesMut> {
        let end = self.looked.min(self.unread.len());
        let mut text = self.unread.split_to(end);
        if self.looked == end {
            text.truncate(end.saturating_sub(1));
        }
        self.looked = 0;
        text.iter()
            .any(|byte| !byte.is_ascii_whitespace())
            .then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: bool, text: &str, size: usize) -> Result<Vec<String>, String> {
        let mut elements = Elements::new(lines, 64);
        let mut found = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            elements.push(piece);
            while let Some(text) = elements.next()? {
                found.push(text);
            }
        }
        found.extend(elements.end()?);
        let texts = found.into_iter().map(|text| {
            String::from_utf8(text.to_vec())
                .expect("it is text")
                .trim()
                .to_owned()
        });
        Ok(texts.collect())
    }

    #[test]
    fn an_array_is_taken_apart_however_it_comes_in() {
        let cases: [(&str, &[&str]); 6] = [
            ("[]", &[]),
            (" [ ] \n", &[]),
            (
                r#"[{"a":[1,2]}, {"b":"],[{"}]"#,
                &[r#"{"a":[1,2]}"#, r#"{"b":"],[{"}"#],
            ),
            (r#"["a\"]", 1 ,true]"#, &[r#""a\"]""#, "1", "true"]),
            ("[[1],[2]]", &["[1]", "[2]"]),
            ("[1,,2]", &["1", "", "2"]),
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
    fn lines_are_taken_apart_even_if_a_text_has_several() {
        let text = "{\"a\":1}\n\n{\n\"b\": \"x\\\"\"\n}\n[1]\n2";
        for size in 1..=text.len() {
            let expected = ["{\"a\":1}", "{\n\"b\": \"x\\\"\"\n}", "[1]", "2"];
            assert_eq!(
                read(true, text, size).expect("lines"),
                expected,
                "by {size}"
            );
        }
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_refused() {
        for text in ["", "[", "[1", "[1,", "{}", "[] x", "[1] [2]"] {
            assert!(read(false, text, 1).is_err(), "{text}");
        }
        let long = format!("[\"{}\"]", "x".repeat(99));
        assert!(read(false, &long, 10).is_err());
    }
}
