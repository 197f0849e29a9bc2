//! The grammar of AIP-160 filters, independent of the fields.
//!
//! `OR` binds tighter than `AND`, and adjacent terms are joined as with `AND`.

use super::tree::Tree;

/// Maximum number of bytes of a filter.
const MAX_LENGTH: usize = 8192;
/// Maximum nesting of parentheses and negations.
const MAX_DEPTH: usize = 50;

const FUNCTION: &str = "functions are not supported; put a space between a word and a parenthesis";

const KEYWORDS: [&str; 3] = ["AND", "OR", "NOT"];

/// Longer operators come before their prefixes.
const OPERATORS: [(&str, Operator); 7] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    (":", Operator::Has),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// A comparison, or a value alone.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Restriction {
    pub(super) field: Option<(Member, Operator)>,
    pub(super) value: Literal,
}

/// The path of a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) segments: Vec<String>,
    pub(super) at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Has,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value in a filter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Literal {
    pub(super) text: String,
    /// The first flag is true if the value begins with an unescaped star, the second if it ends with one.
    pub(super) stars: (bool, bool),
    pub(super) at: usize,
}

/// An error in a filter, with its byte position.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FilterError {
    pub(super) at: usize,
    pub(super) why: String,
}

type Parsed<T> = Result<T, FilterError>;

/// Parses a filter. An empty filter matches everything.
pub(super) fn parse(text: &str) -> Parsed<Tree<Restriction>> {
    if text.len() > MAX_LENGTH {
        return error(
            MAX_LENGTH,
            format!("a filter has at most {MAX_LENGTH} bytes"),
        );
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
        Some(char) => error(parser.at, format!("unexpected `{char}`")),
    }
}

fn error<T>(at: usize, why: impl Into<String>) -> Parsed<T> {
    Err(FilterError {
        at,
        why: why.into(),
    })
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    /// The field and operator of the values in parentheses, as in `field = (a OR b)`.
    outer: Option<(Member, Operator)>,
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
            return error(opened, "unclosed parenthesis");
        }
        self.at += 1;
        self.ended()?;
        Ok(tree)
    }

    fn restriction(&mut self) -> Parsed<Tree<Restriction>> {
        let start = self.at;
        let (member, word) = self.member()?;
        self.space();
        let known = OPERATORS.iter();
        let operator = known
            .copied()
            .find(|(operator, _)| self.rest().starts_with(operator));
        match (operator, &self.outer) {
            (None, outer) => {
                let (field, value) = (outer.clone(), word);
                Ok(Tree::Leaf(Restriction { field, value }))
            }
            (Some(_), Some(_)) => error(start, "only values are allowed in these parentheses"),
            (Some((text, operator)), None) => {
                self.at += text.len();
                self.space();
                self.argument(member, operator)
            }
        }
    }

    fn argument(&mut self, member: Member, operator: Operator) -> Parsed<Tree<Restriction>> {
        if self.rest().starts_with('(') {
            self.outer = Some((member, operator));
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
            return error(value.at, FUNCTION);
        }
        self.ended()?;
        let field = Some((member, operator));
        Ok(Tree::Leaf(Restriction { field, value }))
    }

    /// Parses a path, and returns it as a field and as a value. It is a field only if an operator follows.
    fn member(&mut self) -> Parsed<(Member, Literal)> {
        let start = self.at;
        let mut segments = Vec::new();
        let mut word;
        loop {
            word = match self.peek() {
                Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
                // A keyword is rejected as the first segment only.
                _ => self.segment(!segments.is_empty())?,
            };
            segments.push(word.text.clone());
            if !self.rest().starts_with('.') {
                break;
            }
            self.at += 1;
        }
        if self.rest().starts_with('(') {
            return error(start, FUNCTION);
        }
        if segments.len() > 1 {
            word = plain(&self.text[start..self.at], start);
        }
        let operator = OPERATORS
            .iter()
            .any(|(operator, _)| self.rest().starts_with(operator));
        if !operator {
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
            return error(start, "expected a field or a value");
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
        error(start, "unclosed quote")
    }

    /// Checks that a value is followed by white space, `)` or the end, and skips white space.
    fn ended(&mut self) -> Parsed<()> {
        match self.peek() {
            Some(char) if !(char.is_whitespace() || char == ')') => {
                error(self.at, format!("unexpected `{char}`"))
            }
            _ => {
                self.space();
                Ok(())
            }
        }
    }

    fn deeper<T>(&mut self, parse: fn(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            let why = format!("a filter has at most {MAX_DEPTH} levels of nesting");
            return error(self.at, why);
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Skips a keyword if it is next.
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
