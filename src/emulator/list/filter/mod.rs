//! The filters that lists take (AIP-160).
//!
//! A word that stands alone is looked for in the names. Functions are not there.

mod compare;
mod parse;
#[cfg(test)]
mod tests;
mod tree;

use tonic::Status;

use super::field::{Field, Fields};
use crate::emulator::error;
use compare::Test;
use parse::{Fault, Restriction, Sign, parse};
use tree::Tree;

/// What must hold of an item; by default, nothing.
#[derive(Debug, Default)]
pub(crate) struct Filter(Tree<Condition>);

#[derive(Debug)]
enum Condition {
    Field(Field, Test),
    /// Asked of the fields for words, of which one must have it.
    Word(Test),
}

impl Filter {
    /// A filter of items of a kind.
    ///
    /// # Errors
    ///
    /// For what is no filter, a field that the items do not have, and a value that is none of its field. The
    /// error names the place.
    pub(crate) fn of<T: Fields>(text: &str) -> Result<Self, Status> {
        let read = || parse(text)?.try_map(&Condition::of::<T>);
        read().map(Self).map_err(|Fault { at, why }| {
            let before = text.char_indices().take_while(|(start, _)| *start < at);
            let position = before.count() + 1;
            error::invalid("filter", &format!("at position {position}: {why}"))
        })
    }

    pub(crate) fn has<T: Fields>(&self, item: &T) -> bool {
        self.0.holds(&|condition| condition.holds(item))
    }

    /// The value that a flag must have, if nothing with another can pass.
    pub(crate) fn only(&self, flag: &str) -> Option<bool> {
        only(&self.0, flag)
    }
}

fn only(tree: &Tree<Condition>, flag: &str) -> Option<bool> {
    match tree {
        Tree::All(parts) => parts.iter().find_map(|part| only(part, flag)),
        Tree::Leaf(Condition::Field(field, Test::Flag(sign, value))) if field.path == flag => {
            Some(*value == (*sign != Sign::NotEqual))
        }
        _ => None,
    }
}

impl Condition {
    fn of<T: Fields>(restriction: Restriction) -> Result<Self, Fault> {
        let Restriction { field, value } = restriction;
        let Some((member, sign)) = field else {
            return Ok(Self::Word(Test::word(&value)));
        };
        let segments: Vec<_> = member.segments.iter().map(String::as_str).collect();
        let field = Field::find::<T>(&segments).ok_or_else(|| Fault {
            at: member.at,
            why: format!("there is no field `{}`", segments.join(".")),
        })?;
        match Test::of(&field, sign, &value) {
            Ok(test) => Ok(Self::Field(field, test)),
            Err(why) => Err(Fault { at: value.at, why }),
        }
    }

    fn holds<T: Fields>(&self, item: &T) -> bool {
        match self {
            Self::Field(field, test) => test.holds(&field.read(item), field.key.is_some()),
            Self::Word(test) => {
                let mut fields = T::WORDS.iter();
                fields.any(|path| test.holds(&item.value(path), false))
            }
        }
    }
}
