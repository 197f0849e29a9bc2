//! Reads a JSON text once, from the beginning, without a tree. A string without escapes is not copied.

use std::borrow::Cow;

use crate::transcode::json::options::MAX_DEPTH;
use crate::transcode::json::read::error::{JsonError, Result};
use crate::transcode::json::text::stop;

/// A position in a JSON text.
#[derive(Clone, Debug)]
pub(crate) struct Lexer<'a> {
    pub(crate) text: &'a str,
    pub(crate) at: usize,
    depth: usize,
}

/// The type of the next value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

impl<'a> Lexer<'a> {
    /// Creates a lexer. The text is checked for UTF-8 once, so that no string in it has to be checked.
    ///
    /// # Errors
    ///
    /// If the text is not UTF-8, or begins with a byte order mark.
    pub(crate) fn new(text: &'a [u8]) -> Result<Self> {
        if text.starts_with(b"\xef\xbb\xbf") {
            return Self::of("").syntax_error("the text begins with a byte order mark");
        }
        std::str::from_utf8(text).map(Self::of).map_err(|error| {
            let why = "the text is not UTF-8".to_owned();
            JsonError::new(error.valid_up_to(), why).into_final()
        })
    }

    pub(crate) fn of(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
        }
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// Returns an error at this position: the value is invalid for its type.
    #[cold]
    pub(crate) fn error<T>(&self, why: impl Into<String>) -> Result<T> {
        Err(JsonError::new(self.at, why.into()))
    }

    /// Returns an error at this position: the text is not JSON.
    #[cold]
    pub(crate) fn syntax_error<T>(&self, why: impl Into<String>) -> Result<T> {
        Err(JsonError::new(self.at, why.into()).into_final())
    }

    /// Skips white space (RFC 8259 §2). Returns the next byte, without reading it.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes().get(self.at) {
                Some(&byte) if byte > b' ' => return Some(byte),
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    pub(crate) fn next(&mut self) -> Result<Token> {
        match self.peek() {
            Some(b'"') => Ok(Token::String),
            Some(b'-' | b'0'..=b'9') => Ok(Token::Number),
            Some(b'{') => Ok(Token::Object),
            Some(b'[') => Ok(Token::Array),
            Some(b't') => Ok(Token::True),
            Some(b'f') => Ok(Token::False),
            Some(b'n') => Ok(Token::Null),
            Some(_) => self.syntax_error("expected a value"),
            None => self.syntax_error("expected a value, found the end of the text"),
        }
    }

    /// Returns whether the next value is `null`. No other value begins with an `n`.
    pub(crate) fn is_null(&mut self) -> bool {
        self.peek() == Some(b'n')
    }

    /// Checks that only white space is left.
    pub(crate) fn end(&mut self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.syntax_error("unexpected text after the value"),
        }
    }

    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Reads the beginning of an object or an array. Returns whether it has content.
    #[inline]
    pub(crate) fn enter(&mut self, open: u8, close: u8) -> Result<bool> {
        if !self.take(open) {
            self.next()?;
            return self.error(format!("expected `{}`", char::from(open)));
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.syntax_error("nesting is deeper than 100 levels");
        }
        let has = !self.take(close);
        self.depth -= usize::from(!has);
        Ok(has)
    }

    /// Reads the separator after a member or an element. Returns whether another one follows.
    #[inline]
    pub(crate) fn more(&mut self, close: u8) -> Result<bool> {
        if self.take(b',') {
            return Ok(true);
        }
        if !self.take(close) {
            return self.syntax_error(format!("expected `,` or `{}`", char::from(close)));
        }
        self.depth -= 1;
        Ok(false)
    }

    /// Skips white space. Returns the rest of the text, without reading it.
    #[inline]
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.peek();
        self.bytes().get(self.at..).unwrap_or_default()
    }

    /// Skips bytes that [`Lexer::rest`] returned.
    #[inline]
    pub(crate) fn pass(&mut self, length: usize) {
        self.at += length;
    }

    /// Reads a name of an object, and the colon after it.
    pub(crate) fn name(&mut self) -> Result<Cow<'a, str>> {
        let Some(b'"') = self.peek() else {
            return self.syntax_error("expected a name in quotes");
        };
        let name = self.string()?;
        if self.take(b':') {
            Ok(name)
        } else {
            self.syntax_error("expected `:`")
        }
    }

    /// Reads an object. `each` is called with every name, and must read the value.
    pub(crate) fn object(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<()>,
    ) -> Result<()> {
        let mut more = self.enter(b'{', b'}')?;
        while more {
            let name = self.name()?;
            each(self, name)?;
            more = self.more(b'}')?;
        }
        Ok(())
    }

    /// Returns an error for a duplicate key.
    #[cold]
    pub(crate) fn duplicate_key<T>(&self, name: &str) -> Result<T> {
        self.error(format!("duplicate key `{name}`"))
    }

    /// Checks that the keys of an object are distinct.
    pub(crate) fn distinct(&self, mut names: Vec<Cow<'_, str>>) -> Result<()> {
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => self.duplicate_key(&pair[0]),
            None => Ok(()),
        }
    }

    /// Reads an array. `each` is called for every element, and must read it.
    pub(crate) fn array(&mut self, mut each: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        let mut more = self.enter(b'[', b']')?;
        while more {
            each(self)?;
            more = self.more(b']')?;
        }
        Ok(())
    }

    /// Reads `null`, `true` or `false`.
    pub(crate) fn word(&mut self, word: &str) -> Result<()> {
        if !self.rest().starts_with(word.as_bytes()) {
            return self.syntax_error(format!("expected `{word}`"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Reads a number (RFC 8259 §6). Returns its text.
    pub(crate) fn number(&mut self) -> Result<&'a str> {
        self.peek();
        let begin = self.at;
        self.at += usize::from(self.bytes().get(begin) == Some(&b'-'));
        let whole = self.digits();
        let zero_led = whole > 1 && self.bytes().get(self.at - whole) == Some(&b'0');
        let mut fits = whole > 0 && !zero_led;
        if self.bytes().get(self.at) == Some(&b'.') {
            self.at += 1;
            fits &= self.digits() > 0;
        }
        if let Some(b'e' | b'E') = self.bytes().get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes().get(self.at), Some(b'+' | b'-')));
            fits &= self.digits() > 0;
        }
        if !fits {
            self.at = begin;
            return self.syntax_error("invalid number");
        }
        // Digits, signs, a point and an `e` are ASCII.
        Ok(&self.text[begin..self.at])
    }

    fn digits(&mut self) -> usize {
        let rest = &self.bytes()[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        digits
    }

    /// Skips a value of any type.
    pub(crate) fn skip(&mut self) -> Result<()> {
        match self.next()? {
            Token::Object => self.object(|lexer, _| lexer.skip()),
            Token::Array => self.array(Self::skip),
            Token::String => self.string().map(drop),
            Token::Number => self.number().map(drop),
            Token::True => self.word("true"),
            Token::False => self.word("false"),
            Token::Null => self.word("null"),
        }
    }
}

/// Strings (RFC 8259 §7), borrowed from the text unless they have escapes.
impl<'a> Lexer<'a> {
    /// Reads a string.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            // Report a syntax error if no value is next.
            self.next()?;
            return self.error("expected a string");
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

    /// Reads up to the end of the string or its next escape.
    fn plain(&mut self) -> Result<&'a str> {
        let begin = self.at;
        let Some(length) = stop(&self.bytes()[begin..]) else {
            return self.syntax_error("unterminated string");
        };
        self.at += length;
        if self.bytes()[self.at] < 0x20 {
            return self.syntax_error("control character in a string: must be escaped");
        }
        // The slice begins after a quote or an escape and ends before one, and these are ASCII.
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
                    return self.syntax_error("invalid escape");
                }
            });
            let plain = self.plain()?;
            out.push_str(plain);
        }
    }

    /// Reads the character of a `\u`, or of two for a surrogate pair.
    fn unicode(&mut self) -> Result<char> {
        let first = self.hex()?;
        let code = match first {
            0xd800..=0xdbff => {
                if !self.bytes()[self.at..].starts_with(b"\\u") {
                    return self.syntax_error("unpaired surrogate");
                }
                self.at += 2;
                let second = self.hex()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return self.syntax_error("unpaired surrogate");
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            other => other,
        };
        match char::from_u32(code) {
            Some(char) => Ok(char),
            None => self.syntax_error("unpaired surrogate"),
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
            None => self.syntax_error("expected four hexadecimal digits"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(text: &[u8]) -> Result<()> {
        let mut lexer = Lexer::new(text)?;
        lexer.skip()?;
        lexer.end()
    }

    #[test]
    fn every_json_text_is_read_and_nothing_else() {
        let good: [&[u8]; 9] = [
            b"null",
            b" [ 1 , -2.5e+3 , 0 ] ",
            b"{}",
            b"[]",
            b"{\"a\":{\"b\":[true,false]}}",
            b"\"\\u00e9\\ud83d\\ude00\\n\"",
            "\"é\"".as_bytes(),
            b"0.1",
            b"1E5",
        ];
        for text in good {
            assert!(skip(text).is_ok(), "{}", String::from_utf8_lossy(text));
        }
        let bad: [&[u8]; 24] = [
            b"",
            b"{",
            b"[1,]",
            b"{\"a\"}",
            b"{\"a\":1,}",
            b"{a:1}",
            b"01",
            b"1.",
            b".5",
            b"1e",
            b"+1",
            b"-",
            b"tru",
            b"\"",
            b"\"\\x\"",
            b"\"\\u12\"",
            b"\"\\ud800\"",
            b"\"\\udc00\"",
            b"\"\n\"",
            b"\"\xff\"",
            b"1 2",
            b"\xef\xbb\xbf{}",
            b"NaN",
            b"'a'",
        ];
        for text in bad {
            assert!(skip(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn nesting_ends_at_a_bound() {
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(skip(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(skip(nested(MAX_DEPTH + 1).as_bytes()).is_err());
        assert!(skip("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn an_error_has_its_position() {
        assert_eq!(skip(b"[1, x]").expect_err("no value").at(), 4);
        assert_eq!(skip(b"\"ab\xff\"").expect_err("no text").at(), 3);
    }
}
