//! The filters that lists take, a part of AIP-160: comparisons of fields with texts, joined by `AND`.

use prost_types::Timestamp;
use tonic::Status;

use super::mask::snake;
use super::refusal;
use super::resource::Resource;

/// What must hold of an item, all of it.
#[derive(Debug, Default)]
pub(super) struct Filter(Vec<Term>);

#[derive(Debug)]
struct Term {
    field: String,
    comparison: Comparison,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    /// `:`, which for a text is that it contains another.
    Has,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The longer ones first.
const COMPARISONS: [(&str, Comparison); 7] = [
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("=", Comparison::Equal),
    (":", Comparison::Has),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl Filter {
    /// # Errors
    ///
    /// For a field that the items do not have, and what of AIP-160 is not there.
    pub(super) fn read(text: &str, has_field: impl Fn(&str) -> bool) -> Result<Self, Status> {
        let mut terms = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            if !terms.is_empty() {
                rest = keyword(rest).ok_or_else(|| refused(rest))?;
            }
            let (term, later) = term(rest).ok_or_else(|| refused(rest))?;
            if !has_field(&term.field) {
                let why = format!("has no field `{}`", term.field);
                return Err(refusal::invalid("filter", &why));
            }
            terms.push(term);
            rest = later.trim_start();
        }
        Ok(Self(terms))
    }

    /// The filter of a list of resources.
    pub(super) fn of<R: Resource>(text: &str) -> Result<Self, Status> {
        Self::read(text, |field| R::default().text(field).is_some())
    }

    /// The text that a field must equal, if it must equal one.
    pub(super) fn only(&self, field: &str) -> Option<&str> {
        let mut terms = self.0.iter();
        let term =
            terms.find(|term| term.field == field && term.comparison == Comparison::Equal)?;
        Some(&term.value)
    }

    pub(super) fn has<R: Resource>(&self, row: &R) -> bool {
        self.holds(|field| row.text(field).unwrap_or_default())
    }

    pub(super) fn holds(&self, text: impl Fn(&str) -> String) -> bool {
        self.0.iter().all(|term| term.holds(&text(&term.field)))
    }
}

impl Term {
    fn holds(&self, text: &str) -> bool {
        let value = self.value.as_str();
        match self.comparison {
            Comparison::Equal => text == value,
            Comparison::NotEqual => text != value,
            Comparison::Has => value == "*" && !text.is_empty() || text.contains(value),
            Comparison::Less => text < value,
            Comparison::LessOrEqual => text <= value,
            Comparison::Greater => text > value,
            Comparison::GreaterOrEqual => text >= value,
        }
    }
}

fn refused(rest: &str) -> Status {
    let why = format!("is comparisons of fields joined by AND; not understood from `{rest}` on");
    refusal::invalid("filter", &why)
}

/// What follows an `AND`.
fn keyword(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("AND")?;
    rest.starts_with(char::is_whitespace)
        .then(|| rest.trim_start())
}

/// A comparison, and what follows it.
fn term(text: &str) -> Option<(Term, &str)> {
    let named = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '-');
    let end = text.find(|char| !named(char))?;
    let (field, rest) = text.split_at(end);
    let rest = rest.trim_start();
    let known = COMPARISONS.iter();
    let (sign, comparison) = known.copied().find(|(sign, _)| rest.starts_with(sign))?;
    let (value, rest) = value(rest[sign.len()..].trim_start())?;
    let field = match field.split_once('.') {
        // Keys of labels stay as they are.
        Some((map, key)) => format!("{}.{key}", snake(map)),
        None => snake(field),
    };
    let value = match field.ends_with("_time") {
        true => sortable(value.parse().ok()?),
        false => value,
    };
    let term = Term {
        field,
        comparison,
        value,
    };
    (!term.field.is_empty()).then_some((term, rest))
}

/// A value, quoted or bare, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|char: char| char.is_whitespace() || matches!(char, '(' | ')' | '"'));
        let (value, rest) = text.split_at(end.unwrap_or(text.len()));
        return (!value.is_empty()).then(|| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            char => value.push(char),
        }
    }
    None
}

/// A time as a text that sorts as the time does.
pub(super) fn sortable(time: Timestamp) -> String {
    format!("{:020}.{:09}", time.seconds, time.nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_comparisons_joined_by_and() {
        let text = |field: &str| match field {
            "state" => "ACTIVE".to_owned(),
            "labels.Team" => "a b".to_owned(),
            "display_name" => "x\"y".to_owned(),
            "create_time" => sortable(Timestamp {
                seconds: 1_000_000_000,
                nanos: 5,
            }),
            _ => String::new(),
        };
        for (filter, expected) in [
            ("", true),
            ("state = ACTIVE", true),
            ("state=\"FAILED\"", false),
            ("state != FAILED AND labels.Team = \"a b\"", true),
            ("state != FAILED  AND labels.Team:c", false),
            ("displayName = \"x\\\"y\"", true),
            ("name:*", false),
            ("createTime > \"2001-09-09T01:46:40Z\"", true),
            ("create_time <= \"2001-09-09T01:46:40.000000004Z\"", false),
        ] {
            let read = Filter::read(filter, |_| true).expect(filter);
            assert_eq!(read.holds(text), expected, "{filter}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for filter in [
            "state",
            "= a",
            "state =",
            "state = a OR state = b",
            "(state = a)",
            "state = a state = b",
            "state = \"a",
            "create_time > yesterday",
        ] {
            assert!(Filter::read(filter, |_| true).is_err(), "{filter}");
        }
        assert!(Filter::read("a = b", |field| field != "a").is_err());
    }
}
