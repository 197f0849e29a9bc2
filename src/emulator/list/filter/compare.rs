//! Comparisons of a field with a value, by the type of the field.

use std::cmp::Ordering;

use prost_types::Timestamp;

use super::parse::{Literal, Operator};
use crate::emulator::list::field::{Field, FieldType, FieldValue, enum_names};

/// The shape of an RFC 3339 date-time before its fraction and offset. A zero stands for any digit.
const SHAPE: &str = "0000-00-00T00:00:00";

/// A test of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Comparison {
    /// `:*`: the value is set and is not the default. A value of a map has only to be set.
    Present,
    /// The map has this key.
    Key(String),
    /// The text contains this text.
    Within(String),
    /// The text matches the pattern if the flag is true, and does not match it if the flag is false.
    Like(Pattern, bool),
    Text(Operator, String),
    Flag(Operator, bool),
    Number(Operator, f64),
    Time(Operator, (i64, i32)),
}

/// A text with a `*` before it, after it, both, or neither.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern {
    text: String,
    stars: (bool, bool),
}

impl Comparison {
    /// # Errors
    ///
    /// If the type of the field does not allow the operator or the value. The error has the reason.
    pub(super) fn of(field: &Field, operator: Operator, value: &Literal) -> Result<Self, String> {
        let (path, text) = (field.path, value.text.as_str());
        if operator == Operator::Has && text == "*" && value.stars.0 {
            return Ok(Self::Present);
        }
        let ordered = !matches!(
            operator,
            Operator::Has | Operator::Equal | Operator::NotEqual
        );
        match field.field_type {
            // For a value in a map or message, `m.foo:42` means that `m.foo` equals 42 (AIP-160).
            FieldType::Text
                if operator == Operator::Has && (field.key.is_some() || path.contains('.')) =>
            {
                Ok(Self::Like(Pattern::of(value), true))
            }
            FieldType::Text => Ok(Self::text(operator, value)),
            FieldType::Map if operator == Operator::Has => Ok(Self::Key(text.to_owned())),
            FieldType::Map => Err(format!(
                "`{path}` is a map: compare one of its values, as `{path}.key`"
            )),
            FieldType::Message => Err(format!(
                "`{path}` is a message: compare one of its fields, or test if it is set with `{path}:*`"
            )),
            FieldType::Flag | FieldType::Enum(_) if ordered => {
                Err(format!("`{path}` has no order: compare it with = or !="))
            }
            FieldType::Flag => match text.parse() {
                Ok(flag) => Ok(Self::Flag(operator, flag)),
                Err(_) => Err(format!("`{path}` must be `true` or `false`, not `{text}`")),
            },
            FieldType::Enum(name) => match enum_names(name).find(|(_, known)| *known == text) {
                Some((number, _)) => Ok(Self::Number(operator, number.into())),
                None => {
                    let known: Vec<_> = enum_names(name).skip(1).map(|(_, known)| known).collect();
                    let known = known.join(", ");
                    Err(format!("`{path}` must be one of {known}, not `{text}`"))
                }
            },
            FieldType::Number => match text.parse() {
                Ok(number) if f64::is_finite(number) => Ok(Self::Number(operator, number)),
                _ => Err(format!("`{path}` must be a number, not `{text}`")),
            },
            FieldType::Time if operator == Operator::Has => {
                Err(format!("`{path}` is a time: compare it with = or <"))
            }
            FieldType::Time => match time(text) {
                Some(time) => Ok(Self::Time(operator, time)),
                None => Err(format!("`{path}` must be an RFC 3339 time, not `{text}`")),
            },
        }
    }

    /// Returns the test for a word without a field. A word matches anywhere in a text, so stars at its ends change
    /// nothing and are removed.
    pub(super) fn word(value: &Literal) -> Self {
        Self::Within(Pattern::of(value).text)
    }

    /// Returns the test for a text field. A star is a wildcard for `=`, `!=` and `:` only.
    fn text(operator: Operator, value: &Literal) -> Self {
        let pattern = || Pattern::of(value);
        let starred = value.stars.0 || value.stars.1;
        match operator {
            Operator::Equal => Self::Like(pattern(), true),
            Operator::NotEqual => Self::Like(pattern(), false),
            Operator::Has if starred => Self::Like(pattern(), true),
            Operator::Has => Self::Within(value.text.clone()),
            operator => Self::Text(operator, value.text.clone()),
        }
    }

    pub(super) fn matches(&self, value: &FieldValue<'_>, is_key: bool) -> bool {
        match (self, value) {
            (_, FieldValue::Unset) => false,
            (Self::Present, value) => is_key || is_not_default(value),
            (Self::Key(key), FieldValue::Map(map)) => map.contains_key(key),
            (Self::Within(part), FieldValue::Text(text)) => text.contains(part),
            (Self::Like(pattern, alike), FieldValue::Text(text)) => pattern.matches(text) == *alike,
            (Self::Text(operator, other), FieldValue::Text(text)) => {
                operator.matches(text.as_ref().cmp(other))
            }
            (Self::Flag(operator, other), FieldValue::Flag(flag)) => {
                operator.matches(flag.cmp(other))
            }
            (Self::Number(operator, other), FieldValue::Number(number)) => {
                // Numbers in these messages have 32 bits, so `f64` is exact.
                let order = (*number as f64).partial_cmp(other);
                order.is_some_and(|order| operator.matches(order))
            }
            (Self::Time(operator, other), FieldValue::Time(time)) => {
                operator.matches((time.seconds, time.nanos).cmp(other))
            }
            _ => false,
        }
    }
}

fn is_not_default(value: &FieldValue<'_>) -> bool {
    match value {
        FieldValue::Unset => false,
        FieldValue::Text(text) => !text.is_empty(),
        FieldValue::Flag(flag) => *flag,
        FieldValue::Number(number) => *number != 0,
        FieldValue::Map(map) => !map.is_empty(),
        FieldValue::Time(_) | FieldValue::Message => true,
    }
}

impl Operator {
    fn matches(self, order: Ordering) -> bool {
        match self {
            Self::Equal | Self::Has => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Pattern {
    fn of(value: &Literal) -> Self {
        let (before, after) = value.stars;
        let text = value.text.as_str();
        let text = text.strip_prefix('*').filter(|_| before).unwrap_or(text);
        // For a single star, the first strip leaves an empty text.
        let text = text.strip_suffix('*').filter(|_| after).unwrap_or(text);
        Self {
            text: text.to_owned(),
            stars: value.stars,
        }
    }

    fn matches(&self, text: &str) -> bool {
        let own = self.text.as_str();
        match self.stars {
            (false, false) => text == own,
            (false, true) => text.starts_with(own),
            (true, false) => text.ends_with(own),
            (true, true) => text.contains(own),
        }
    }
}

/// Parses an RFC 3339 date-time: a date, a time, and an offset or `Z`.
fn time(text: &str) -> Option<(i64, i32)> {
    // The parser below accepts more: a date alone, other separators, no offset, longer years.
    let (shape, rest) = text.split_at_checked(SHAPE.len())?;
    let fits = |(byte, shape): (u8, u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        shape => byte.eq_ignore_ascii_case(&shape),
    };
    let offset = rest.trim_start_matches(|char: char| char == '.' || char.is_ascii_digit());
    let has_offset = offset.eq_ignore_ascii_case("z") || offset.starts_with(['+', '-']);
    if !(shape.bytes().zip(SHAPE.bytes()).all(fits) && has_offset) {
        return None;
    }
    let time: Timestamp = text.to_ascii_uppercase().parse().ok()?;
    Some((time.seconds, time.nanos))
}
