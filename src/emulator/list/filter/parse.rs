//! The grammar of AIP-160: from a text to what it says, whatever the fields are.
//!
//! `OR` binds tighter than `AND`, and what stands side by side is joined as by `AND`.

use super::tree::Tree;

/// The longest filter, in bytes.
const LONGEST: usize = 8192;
/// How deep parentheses and negations go.
const DEEPEST: usize = 50;

const FUNCTION: &str = "functions are not supported; before a parenthesis, a word needs a space";

const KEYWORDS: [&str; 3] = ["AND", "OR", "NOT"];

/// The longer ones first.
const SIGNS: [(&str, Sign); 7] = [
    ("!=", Sign::NotEqual),
    ("<=", Sign::LessOrEqual),
    (">=", Sign::GreaterOrEqual),
    ("=", Sign::Equal),
    (":", Sign::Has),
    ("<", Sign::Less),
    (">", Sign::Greater),
];

/// A comparison, or a value alone.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Restriction {
    pub(super) field: Option<(Member, Sign)>,
    pub(super) value: Literal,
}

/// The path of a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) segments: Vec<String>,
    pub(super) at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Equal,
    NotEqual,
    Has,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value as it stands in a filter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Literal {
    pub(super) text: String,
    /// Whether it begins, and ends, with a star that was not escaped.
    pub(super) stars: (bool, bool),
    pub(super) at: usize,
}

/// What is wrong with a filter, and at which of its bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) why: String,
}

type Parsed<T> = Result<T, Fault>;

/// A filter that is empty holds of everything.
pub(super) fn parse(text: &str) -> Parsed<Tree<Restriction>> {
    if text.len() > LONGEST {
        return fault(LONGEST, format!("a filter has at most {LONGEST} bytes"));
    }
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
        outer: None,
    };
    parser.space();
    if parser.is_at_end() {
        return Ok(Tree::default());
    }
    let tree = parser.expression()?;
    match parser.peek() {
        None => Ok(tree),
        Some(char) => fault(parser.at, format!("`{char}` has no place here")),
    }
}

fn fault<T>(at: usize, why: impl Into<String>) -> Parsed<T> {
    Err(Fault {
        at,
        why: why.into(),
    })
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    /// What the values within the parentheses of `field = (a OR b)` are compared with.
    outer: Option<(Member, Sign)>,
}

impl<'t> Parser<'t> {
    fn expression(&mut self) -> Parsed<Tree<Restriction>> {
        let mut parts = vec![self.sequence()?];
        while self.keyword("AND") {
            parts.push(self.sequence()?);
        }
        Ok(Tree::joined(parts, Tree::All))
    }

    fn sequence(&mut self) -> Parsed<Tree<Restriction>> {
        let mut parts = vec![self.factor()?];
        while !(self.is_at_end() || self.rest().starts_with(')') || self.sees("AND")) {
            parts.push(self.factor()?);
        }
        Ok(Tree::joined(parts, Tree::All))
    }

    fn factor(&mut self) -> Parsed<Tree<Restriction>> {
        let mut parts = vec![self.term()?];
        while self.keyword("OR") {
            parts.push(self.term()?);
        }
        Ok(Tree::joined(parts, Tree::Any))
    }

    fn term(&mut self) -> Parsed<Tree<Restriction>> {
        let minus = self.rest().strip_prefix('-');
        let minus = minus.is_some_and(|rest| !rest.starts_with(char::is_whitespace));
        if minus {
            self.at += 1;
        }
        if minus || self.keyword("NOT") {
            return Ok(Tree::Not(Box::new(self.deeper(Self::term)?)));
        }
        if self.rest().starts_with('(') {
            return self.composite();
        }
        self.restriction()
    }

    fn composite(&mut self) -> Parsed<Tree<Restriction>> {
        let opened = self.at;
        self.at += 1;
        self.space();
        let tree = self.deeper(Self::expression)?;
        if !self.rest().starts_with(')') {
            return fault(opened, "this parenthesis is not closed");
        }
        self.at += 1;
        self.ended()?;
        Ok(tree)
    }

    fn restriction(&mut self) -> Parsed<Tree<Restriction>> {
        let start = self.at;
        let (member, word) = self.member()?;
        self.space();
        let known = SIGNS.iter();
        let sign = known
            .copied()
            .find(|(sign, _)| self.rest().starts_with(sign));
        match (sign, &self.outer) {
            (None, outer) => {
                let (field, value) = (outer.clone(), word);
                Ok(Tree::Leaf(Restriction { field, value }))
            }
            (Some(_), Some(_)) => fault(start, "only values can be in these parentheses"),
            (Some((text, sign)), None) => {
                self.at += text.len();
                self.space();
                self.argument(member, sign)
            }
        }
    }

    fn argument(&mut self, member: Member, sign: Sign) -> Parsed<Tree<Restriction>> {
        if self.rest().starts_with('(') {
            self.outer = Some((member, sign));
            let tree = self.composite();
            self.outer = None;
            return tree;
        }
        let value = match self.peek() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            _ => {
                self.bare(|char| char.is_whitespace() || matches!(char, '(' | ')' | '"' | '\''))?
            }
        };
        if self.rest().starts_with('(') {
            return fault(value.at, FUNCTION);
        }
        self.ended()?;
        let field = Some((member, sign));
        Ok(Tree::Leaf(Restriction { field, value }))
    }

    /// A path, and the same as a value.
    fn member(&mut self) -> Parsed<(Member, Literal)> {
        let start = self.at;
        let mut segments = Vec::new();
        let mut word;
        loop {
            word = match self.peek() {
                Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
                // Only the first segment cannot be a keyword.
                _ => self.segment(!segments.is_empty())?,
            };
            segments.push(word.text.clone());
            if !self.rest().starts_with('.') {
                break;
            }
            self.at += 1;
        }
        if self.rest().starts_with('(') {
            return fault(start, FUNCTION);
        }
        if segments.len() > 1 {
            word = plain(&self.text[start..self.at], start);
        }
        let sign = SIGNS.iter().any(|(sign, _)| self.rest().starts_with(sign));
        if !sign {
            self.ended()?;
        }
        let at = start;
        Ok((Member { segments, at }, word))
    }

    fn segment(&mut self, can_be_keyword: bool) -> Parsed<Literal> {
        let keyword = KEYWORDS.iter().find(|keyword| {
            let after = self.rest().strip_prefix(**keyword);
            after.is_some_and(|after| after.is_empty() || after.starts_with(ends_segment))
        });
        match keyword.filter(|_| can_be_keyword) {
            Some(keyword) => {
                let start = self.at;
                self.at += keyword.len();
                Ok(plain(keyword, start))
            }
            None => self.bare(ends_segment),
        }
    }

    fn bare(&mut self, ends: impl Fn(char) -> bool) -> Parsed<Literal> {
        let (start, rest) = (self.at, self.rest());
        let length = rest.find(ends).unwrap_or(rest.len());
        let text = &rest[..length];
        let keyword = KEYWORDS.contains(&text);
        if text.is_empty() || keyword || text.starts_with(['=', '!', '<', '>', ':']) {
            return fault(start, "a field or a value is expected here");
        }
        self.at += length;
        Ok(plain(text, start))
    }

    fn quoted(&mut self, quote: char) -> Parsed<Literal> {
        let start = self.at;
        let mut literal = Literal {
            at: start,
            ..Literal::default()
        };
        let mut chars = self.text[start + 1..].char_indices();
        while let Some((at, char)) = chars.next() {
            if char == quote {
                self.at = start + 1 + at + 1;
                return Ok(literal);
            }
            literal.stars.0 |= char == '*' && literal.text.is_empty();
            literal.stars.1 = char == '*';
            if char != '\\' {
                literal.text.push(char);
            } else if let Some((_, escaped)) = chars.next() {
                literal.text.push(escaped);
            }
        }
        fault(start, "this quote is not closed")
    }

    /// Goes on after the end of a value, which something else may not follow at once.
    fn ended(&mut self) -> Parsed<()> {
        match self.peek() {
            Some(char) if !(char.is_whitespace() || char == ')') => {
                fault(self.at, format!("`{char}` has no place here"))
            }
            _ => {
                self.space();
                Ok(())
            }
        }
    }

    fn deeper<T>(&mut self, parse: fn(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == DEEPEST {
            let why = format!("a filter nests at most {DEEPEST} deep");
            return fault(self.at, why);
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Goes past a keyword if there is one.
    fn keyword(&mut self, keyword: &str) -> bool {
        let sees = self.sees(keyword);
        if sees {
            self.at += keyword.len();
            self.space();
        }
        sees
    }

    fn sees(&self, keyword: &str) -> bool {
        let rest = self.rest().strip_prefix(keyword);
        rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(|char: char| char.is_whitespace() || char == '(')
        })
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }
}

fn ends_segment(char: char) -> bool {
    char.is_whitespace()
        || matches!(
            char,
            '.' | ',' | '(' | ')' | '"' | '\'' | '=' | '!' | '<' | '>' | ':'
        )
}

fn plain(text: &str, at: usize) -> Literal {
    Literal {
        text: text.to_owned(),
        stars: (text.starts_with('*'), text.ends_with('*')),
        at,
    }
}
