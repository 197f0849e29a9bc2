//! A JSON text, read once from its beginning: no tree, and no copy of a string without escapes.

use std::borrow::Cow;

pub(crate) use crate::transcode::json::read::error::{Fault, Result};

/// How deep objects and arrays may nest.
pub(crate) const DEPTH: usize = 100;

/// A place in a JSON text.
#[derive(Clone, Debug)]
pub(crate) struct Scan<'a> {
    pub(crate) text: &'a str,
    pub(crate) at: usize,
    depth: usize,
}

/// The kind of value that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

impl<'a> Scan<'a> {
    /// # Errors
    ///
    /// If the text is not UTF-8. It is checked once, so that no string in it has to be.
    pub(crate) fn new(text: &'a [u8]) -> Result<Self> {
        if text.starts_with(b"\xef\xbb\xbf") {
            return Self::of("").broken("the text begins with a byte order mark");
        }
        std::str::from_utf8(text).map(Self::of).map_err(|error| {
            let why = "the text is not UTF-8".to_owned();
            Fault::new(error.valid_up_to(), why).finally()
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

    /// What the text says at this place is not what it should.
    #[cold]
    pub(crate) fn fault<T>(&self, why: impl Into<String>) -> Result<T> {
        Err(Fault::new(self.at, why.into()))
    }

    /// The text is no JSON.
    #[cold]
    pub(crate) fn broken<T>(&self, why: impl Into<String>) -> Result<T> {
        Err(Fault::new(self.at, why.into()).finally())
    }

    /// Skips white space (RFC 8259 §2) and shows the next byte.
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

    pub(crate) fn next(&mut self) -> Result<Next> {
        match self.peek() {
            Some(b'"') => Ok(Next::String),
            Some(b'-' | b'0'..=b'9') => Ok(Next::Number),
            Some(b'{') => Ok(Next::Object),
            Some(b'[') => Ok(Next::Array),
            Some(b't') => Ok(Next::True),
            Some(b'f') => Ok(Next::False),
            Some(b'n') => Ok(Next::Null),
            Some(_) => self.broken("no value begins with this"),
            None => self.broken("the text ends where a value should be"),
        }
    }

    /// Whether the next value is `null`, of which no other begins as it does.
    pub(crate) fn is_null(&mut self) -> bool {
        self.peek() == Some(b'n')
    }

    /// Nothing but white space is left.
    pub(crate) fn end(&mut self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.broken("the text goes on after its value"),
        }
    }

    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Goes into an object or an array; whether something is in it.
    #[inline]
    pub(crate) fn enter(&mut self, open: u8, close: u8) -> Result<bool> {
        if !self.take(open) {
            self.next()?;
            return self.fault(format!("`{}` expected", char::from(open)));
        }
        self.depth += 1;
        if self.depth > DEPTH {
            return self.broken("it nests too deeply");
        }
        let has = !self.take(close);
        self.depth -= usize::from(!has);
        Ok(has)
    }

    /// After a member or an element: whether there is another one.
    #[inline]
    pub(crate) fn more(&mut self, close: u8) -> Result<bool> {
        if self.take(b',') {
            return Ok(true);
        }
        if !self.take(close) {
            return self.broken(format!("`,` or `{}` expected", char::from(close)));
        }
        self.depth -= 1;
        Ok(false)
    }

    /// The rest of the text, from the next byte that is no white space.
    #[inline]
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.peek();
        self.bytes().get(self.at..).unwrap_or_default()
    }

    /// Passes over bytes that [`Scan::rest`] showed.
    #[inline]
    pub(crate) fn pass(&mut self, length: usize) {
        self.at += length;
    }

    /// Reads a name of an object, and the colon after it.
    pub(crate) fn name(&mut self) -> Result<Cow<'a, str>> {
        let Some(b'"') = self.peek() else {
            return self.broken("a name expected");
        };
        let name = self.string()?;
        if self.take(b':') {
            Ok(name)
        } else {
            self.broken("`:` expected")
        }
    }

    /// Reads an object: `each` gets every name, and must read the value.
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

    /// Refuses an object for a name that stands twice in it.
    #[cold]
    pub(crate) fn twice<T>(&self, name: &str) -> Result<T> {
        self.fault(format!("the name `{name}` stands twice"))
    }

    /// Refuses an object that has been read if one of its names stands twice.
    pub(crate) fn distinct(&self, mut names: Vec<Cow<'_, str>>) -> Result<()> {
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => self.twice(&pair[0]),
            None => Ok(()),
        }
    }

    /// Reads an array: `each` must read one value.
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
            return self.broken(format!("`{word}` expected"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Reads a number (RFC 8259 §6) and gives its text.
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
            return self.broken("this is no number");
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

    /// Reads a value of any kind and forgets it.
    pub(crate) fn skip(&mut self) -> Result<()> {
        match self.next()? {
            Next::Object => self.object(|scan, _| scan.skip()),
            Next::Array => self.array(Self::skip),
            Next::String => self.string().map(drop),
            Next::Number => self.number().map(drop),
            Next::True => self.word("true"),
            Next::False => self.word("false"),
            Next::Null => self.word("null"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(text: &[u8]) -> Result<()> {
        let mut scan = Scan::new(text)?;
        scan.skip()?;
        scan.end()
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
        assert!(skip(nested(DEPTH).as_bytes()).is_ok());
        assert!(skip(nested(DEPTH + 1).as_bytes()).is_err());
        assert!(skip("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn a_fault_tells_where() {
        assert_eq!(skip(b"[1, x]").expect_err("no value").at(), 4);
        assert_eq!(skip(b"\"ab\xff\"").expect_err("no text").at(), 3);
    }
}
