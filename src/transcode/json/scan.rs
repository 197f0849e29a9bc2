//! A JSON text, read once from its beginning: no tree, and no copy of a string without escapes.

use std::borrow::Cow;

/// How deep objects and arrays may nest.
const DEPTH: usize = 100;

/// What a text is not, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) why: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}", self.why, self.at)
    }
}

pub(crate) type Result<T> = std::result::Result<T, Fault>;

/// A place in a JSON text.
#[derive(Clone, Debug)]
pub(crate) struct Scan<'a> {
    text: &'a str,
    at: usize,
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
        match std::str::from_utf8(text) {
            Ok(text) => Ok(Self::of(text)),
            Err(error) => Err(Fault {
                at: error.valid_up_to(),
                why: "the text is not UTF-8".to_owned(),
            }),
        }
    }

    pub(crate) fn of(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
        }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    pub(crate) fn fault<T>(&self, why: impl Into<String>) -> Result<T> {
        Err(Fault {
            at: self.at,
            why: why.into(),
        })
    }

    /// Skips white space (RFC 8259 §2) and shows the next byte.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes().get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    pub(crate) fn next(&mut self) -> Result<Next> {
        match self.peek() {
            Some(b'{') => Ok(Next::Object),
            Some(b'[') => Ok(Next::Array),
            Some(b'"') => Ok(Next::String),
            Some(b't') => Ok(Next::True),
            Some(b'f') => Ok(Next::False),
            Some(b'n') => Ok(Next::Null),
            Some(b'-' | b'0'..=b'9') => Ok(Next::Number),
            Some(_) => self.fault("no value begins with this"),
            None => self.fault("the text ends where a value should be"),
        }
    }

    /// Nothing but white space is left.
    pub(crate) fn end(&mut self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fault("the text goes on after its value"),
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn open(&mut self, byte: u8) -> Result<()> {
        if !self.take(byte) {
            return self.fault(format!("`{}` expected", char::from(byte)));
        }
        self.depth += 1;
        if self.depth > DEPTH {
            self.fault("it nests too deeply")
        } else {
            Ok(())
        }
    }

    /// Reads an object: `each` gets every name, and must read the value.
    pub(crate) fn object(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<()>,
    ) -> Result<()> {
        self.open(b'{')?;
        if !self.take(b'}') {
            loop {
                let Some(b'"') = self.peek() else {
                    return self.fault("a name expected");
                };
                let name = self.string()?;
                if !self.take(b':') {
                    return self.fault("`:` expected");
                }
                each(self, name)?;
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return self.fault("`,` or `}` expected");
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads an array: `each` must read one value.
    pub(crate) fn array(&mut self, mut each: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.open(b'[')?;
        if !self.take(b']') {
            loop {
                each(self)?;
                if self.take(b']') {
                    break;
                }
                if !self.take(b',') {
                    return self.fault("`,` or `]` expected");
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads `null`, `true` or `false`.
    pub(crate) fn word(&mut self, word: &str) -> Result<()> {
        self.peek();
        let rest = &self.bytes()[self.at..];
        if !rest.starts_with(word.as_bytes()) {
            return self.fault(format!("`{word}` expected"));
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
            return self.fault("this is no number");
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

    /// Reads a string.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
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
        let Some(length) = ends(&self.bytes()[begin..]) else {
            return self.fault("a string does not end");
        };
        self.at += length;
        if self.bytes()[self.at] < 0x20 {
            return self.fault("a control character in a string");
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
                    return self.fault("this is no escape");
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
                    return self.fault("half of a surrogate pair");
                }
                self.at += 2;
                let second = self.hex()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return self.fault("half of a surrogate pair");
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            other => other,
        };
        match char::from_u32(code) {
            Some(char) => Ok(char),
            None => self.fault("half of a surrogate pair"),
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
            None => self.fault("four hexadecimal digits expected"),
        }
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

/// Where a run of plain characters ends: at a quote, a backslash or a control character. Eight bytes are
/// looked at together; a byte of theirs that is one of these has its high bit set in the end.
fn ends(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let stops = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    let mut chunks = text.chunks_exact(8);
    let mut at = 0;
    for chunk in chunks.by_ref() {
        let word = chunk.try_into().map_or(0, u64::from_le_bytes);
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let backslash = zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        if (quote | backslash | control) & HIGH != 0 {
            // The borrow of a subtraction may mark a byte above a true one, never one below.
            return chunk.iter().position(stops).map(|found| at + found);
        }
        at += 8;
    }
    chunks
        .remainder()
        .iter()
        .position(stops)
        .map(|found| at + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_at_its_first_stop_wherever_that_stands() {
        for stop in [b'"', b'\\', 0, 0x1f] {
            for at in 0..40 {
                let mut text = "é~\u{7f}\u{80}\u{ff} !#[]".repeat(6).into_bytes();
                text.truncate(48);
                text[at] = stop;
                assert_eq!(ends(&text), Some(at), "{stop} at {at}");
            }
        }
        assert_eq!(ends("é~\u{7f} !#[]".repeat(9).as_bytes()), None);
    }

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
            assert_eq!(skip(text), Ok(()), "{}", String::from_utf8_lossy(text));
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
        assert_eq!(skip(b"[1, x]").expect_err("no value").at, 4);
        assert_eq!(skip(b"\"ab\xff\"").expect_err("no text").at, 3);
    }
}
