//! What a comparison asks of a field, by the kind of the field.

use std::cmp::Ordering;

use prost_types::Timestamp;

use super::parse::{Literal, Sign};
use crate::emulator::list::field::{Field, Kind, Value};

/// The beginning of a date-time of RFC 3339, with a zero for any digit.
const SHAPE: &str = "0000-00-00T00:00:00";

/// What is asked of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// `:*`: that it is there, and is no default.
    Present,
    /// That a map has a key.
    Key(String),
    /// That a text has another within.
    Within(String),
    /// That a text is another, or is not; it may go on where the pattern has a star.
    Like(Pattern, bool),
    Text(Sign, String),
    Flag(Sign, bool),
    Number(Sign, f64),
    Time(Sign, (i64, i32)),
}

/// A text with a star before it, after it, or neither.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern {
    text: String,
    stars: (bool, bool),
}

impl Test {
    /// # Errors
    ///
    /// If what is in the field cannot be compared so, or not with this; the error says why.
    pub(super) fn of(field: &Field, sign: Sign, value: &Literal) -> Result<Self, String> {
        let (path, text) = (field.path, value.text.as_str());
        if sign == Sign::Has && text == "*" && value.stars.0 {
            return Ok(Self::Present);
        }
        let ordered = !matches!(sign, Sign::Has | Sign::Equal | Sign::NotEqual);
        match field.kind {
            // `m.foo:42` is true if `m.foo` is 42, of maps and messages (AIP-160).
            Kind::Text if sign == Sign::Has && (field.key.is_some() || path.contains('.')) => {
                Ok(Self::Like(Pattern::of(value), true))
            }
            Kind::Text => Ok(Self::text(sign, value)),
            Kind::Map if sign == Sign::Has => Ok(Self::Key(text.to_owned())),
            Kind::Map => Err(format!(
                "`{path}` is a map: compare one of its values, as `{path}.key`"
            )),
            Kind::Message => Err(format!(
                "`{path}` is a message: compare one of its fields, or ask for `{path}:*`"
            )),
            Kind::Flag | Kind::Enum(_) if ordered => {
                Err(format!("`{path}` has no order: compare it with = or !="))
            }
            Kind::Flag => match text.parse() {
                Ok(flag) => Ok(Self::Flag(sign, flag)),
                Err(_) => Err(format!("`{path}` is `true` or `false`, not `{text}`")),
            },
            Kind::Enum(number) => match number(text) {
                Some(number) => Ok(Self::Number(sign, number.into())),
                None => Err(format!("`{text}` is no value of `{path}`")),
            },
            Kind::Number => match text.parse() {
                Ok(number) if f64::is_finite(number) => Ok(Self::Number(sign, number)),
                _ => Err(format!("`{path}` is a number, not `{text}`")),
            },
            Kind::Time if sign == Sign::Has => {
                Err(format!("`{path}` is a time: compare it with = or <"))
            }
            Kind::Time => match time(text) {
                Some(time) => Ok(Self::Time(sign, time)),
                None => Err(format!("`{path}` is a time of RFC 3339, not `{text}`")),
            },
        }
    }

    /// What a word asks that names no field; its stars mean nothing more.
    pub(super) fn word(value: &Literal) -> Self {
        Self::Within(Pattern::of(value).text)
    }

    /// Stars are of use where a text is to be the same.
    fn text(sign: Sign, value: &Literal) -> Self {
        let pattern = || Pattern::of(value);
        let starred = value.stars.0 || value.stars.1;
        match sign {
            Sign::Equal => Self::Like(pattern(), true),
            Sign::NotEqual => Self::Like(pattern(), false),
            Sign::Has if starred => Self::Like(pattern(), true),
            Sign::Has => Self::Within(value.text.clone()),
            sign => Self::Text(sign, value.text.clone()),
        }
    }

    pub(super) fn holds(&self, value: &Value<'_>, is_key: bool) -> bool {
        match (self, value) {
            (_, Value::Unset) => false,
            (Self::Present, value) => is_key || is_no_default(value),
            (Self::Key(key), Value::Map(map)) => map.contains_key(key),
            (Self::Within(part), Value::Text(text)) => text.contains(part),
            (Self::Like(pattern, alike), Value::Text(text)) => pattern.fits(text) == *alike,
            (Self::Text(sign, other), Value::Text(text)) => sign.fits(text.as_ref().cmp(other)),
            (Self::Flag(sign, other), Value::Flag(flag)) => sign.fits(flag.cmp(other)),
            (Self::Number(sign, other), Value::Number(number)) => {
                // The numbers of these messages have 32 bits.
                let order = (*number as f64).partial_cmp(other);
                order.is_some_and(|order| sign.fits(order))
            }
            (Self::Time(sign, other), Value::Time(time)) => {
                sign.fits((time.seconds, time.nanos).cmp(other))
            }
            _ => false,
        }
    }
}

fn is_no_default(value: &Value<'_>) -> bool {
    match value {
        Value::Unset => false,
        Value::Text(text) => !text.is_empty(),
        Value::Flag(flag) => *flag,
        Value::Number(number) => *number != 0,
        Value::Map(map) => !map.is_empty(),
        Value::Time(_) | Value::Message => true,
    }
}

impl Sign {
    fn fits(self, order: Ordering) -> bool {
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
        // Of a star alone there is nothing left.
        let text = text.strip_suffix('*').filter(|_| after).unwrap_or(text);
        Self {
            text: text.to_owned(),
            stars: value.stars,
        }
    }

    fn fits(&self, text: &str) -> bool {
        let own = self.text.as_str();
        match self.stars {
            (false, false) => text == own,
            (false, true) => text.starts_with(own),
            (true, false) => text.ends_with(own),
            (true, true) => text.contains(own),
        }
    }
}

/// A date-time of RFC 3339: a day, a time of that day, and an offset or `Z`.
fn time(text: &str) -> Option<(i64, i32)> {
    // The parser below accepts more: a day alone, other separators, a time without an offset, longer years.
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
