//! Filters of lists (AIP-160).
//!
//! A word without a field is searched for in the names. Functions are not supported.

mod compare;
mod parse;
#[cfg(test)]
mod tests;
mod tree;

use tonic::Status;

use super::field::{Field, Fields};
use crate::emulator::error;
use crate::emulator::error::violations::shortened;
use compare::Comparison;
use parse::{FilterError, Operator, Restriction, parse};
use tree::Tree;

/// A condition on items. The default filter matches all items.
#[derive(Debug, Default)]
pub(crate) struct Filter(Tree<Condition>);

#[derive(Debug)]
enum Condition {
    Field(Field, Comparison),
    /// One of the searched fields must match.
    Word(Comparison),
}

impl Filter {
    /// Parses a filter for items of a type.
    ///
    /// # Errors
    ///
    /// If the filter is invalid, a field is unknown, or a value is invalid for its field. The error has the position.
    pub(crate) fn parse<T: Fields>(text: &str) -> Result<Self, Status> {
        let read = || parse(text)?.try_map(&Condition::of::<T>);
        read().map(Self).map_err(|FilterError { at, why }| {
            let before = text.char_indices().take_while(|(start, _)| *start < at);
            let position = before.count() + 1;
            error::invalid("filter", &format!("at position {position}: {why}"))
        })
    }

    pub(crate) fn matches<T: Fields>(&self, item: &T) -> bool {
        self.0.matches(&|condition| condition.matches(item))
    }

    /// Returns the only value of this boolean field that can match, if there is one.
    pub(crate) fn required_flag(&self, flag: &str) -> Option<bool> {
        required_flag(&self.0, flag)
    }
}

fn required_flag(tree: &Tree<Condition>, flag: &str) -> Option<bool> {
    match tree {
        Tree::All(parts) => parts.iter().find_map(|part| required_flag(part, flag)),
        Tree::Leaf(Condition::Field(field, Comparison::Flag(sign, value)))
            if field.path == flag =>
        {
            Some(*value == (*sign != Operator::NotEqual))
        }
        _ => None,
    }
}

impl Condition {
    fn of<T: Fields>(restriction: Restriction) -> Result<Self, FilterError> {
        let Restriction { field, value } = restriction;
        let Some((member, sign)) = field else {
            return Ok(Self::Word(Comparison::word(&value)));
        };
        let segments: Vec<_> = member.segments.iter().map(String::as_str).collect();
        let field = Field::find::<T>(&segments).ok_or_else(|| FilterError {
            at: member.at,
            why: format!(
                "unknown field `{}`: must be one of {}",
                shortened(&segments.join(".")),
                T::names()
            ),
        })?;
        match Comparison::of(&field, sign, &value) {
            Ok(test) => Ok(Self::Field(field, test)),
            Err(why) => Err(FilterError { at: value.at, why }),
        }
    }

    fn matches<T: Fields>(&self, item: &T) -> bool {
        match self {
            Self::Field(field, test) => test.matches(&field.read(item), field.key.is_some()),
            Self::Word(test) => {
                let mut fields = T::WORDS.iter();
                fields.any(|path| test.matches(&item.value(path), false))
            }
        }
    }
}
