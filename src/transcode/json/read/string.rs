//! The strings of a JSON text: borrowed from it unless they have escapes (RFC 8259 §7).

use std::borrow::Cow;

use crate::transcode::json::read::error::Result;
use crate::transcode::json::read::lexer::Scan;
use crate::transcode::json::write::text::stop;

impl<'a> Scan<'a> {
    /// Reads a string.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            // Another value is not what is wanted; no value is no JSON.
            self.next()?;
            return self.fault("a string expected");
        }
        self.at += 1;
        let begin = self.at;
        let plain = self.plain()?;
        match self.bytes()[self.at] {
            b'"' => {
                self.at += 1;
                Ok(Cow::Borrowed(plain))
            }
            _ => {
                let mut out = String::with_capacity(2 * (self.at - begin) + 16);
                out.push_str(plain);
                self.escaped(&mut out)?;
                Ok(Cow::Owned(out))
            }
        }
    }

    /// Up to the end of the string or its next escape.
    fn plain(&mut self) -> Result<&'a str> {
        let begin = self.at;
        let Some(length) = stop(&self.bytes()[begin..]) else {
            return self.broken("a string does not end");
        };
        self.at += length;
        if self.bytes()[self.at] < 0x20 {
            return self.broken("a control character in a string");
        }
        // It begins after a quote or an escape and ends before one, which are ASCII.
        Ok(&self.text[begin..self.at])
    }

    fn escaped(&mut self, out: &mut String) -> Result<()> {
        loop {
            if self.bytes()[self.at] == b'"' {
                self.at += 1;
                return Ok(());
            }
            self.at += 1;
            let escape = self.bytes().get(self.at).copied();
            self.at += 1;
            out.push(match escape {
                Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
                Some(b'b') => '\u{8}',
                Some(b'f') => '\u{c}',
                Some(b'n') => '\n',
                Some(b'r') => '\r',
                Some(b't') => '\t',
                Some(b'u') => self.unicode()?,
                _ => {
                    self.at -= 1;
                    return self.broken("this is no escape");
                }
            });
            let plain = self.plain()?;
            out.push_str(plain);
        }
    }

    /// The character of `\u`, of which two make one beyond the basic plane.
    fn unicode(&mut self) -> Result<char> {
        let first = self.hex()?;
        let code = match first {
            0xd800..=0xdbff => {
                if !self.bytes()[self.at..].starts_with(b"\\u") {
                    return self.broken("half of a surrogate pair");
                }
                self.at += 2;
                let second = self.hex()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return self.broken("half of a surrogate pair");
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            other => other,
        };
        match char::from_u32(code) {
            Some(char) => Ok(char),
            None => self.broken("half of a surrogate pair"),
        }
    }

    fn hex(&mut self) -> Result<u32> {
        let digits = self.bytes().get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let text = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match text.and_then(|text| u32::from_str_radix(text, 16).ok()) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.broken("four hexadecimal digits expected"),
        }
    }
}
