//! The order of a list (AIP-132).

use std::cmp::Ordering;

use tonic::Status;

use super::field::{Field, FieldType, FieldValue, Fields};
use super::page_token::PageToken;
use crate::emulator::error;
use crate::emulator::error::violations::shortened;

/// Maximum number of fields of an order.
const MAX_FIELDS: usize = 16;

/// Fields, each ascending or descending. Items that are equal in all fields are ordered by name.
#[derive(Debug)]
pub(crate) struct Order(Vec<(Field, bool)>);

impl Order {
    /// Parses an order. `None` is the order by name.
    ///
    /// # Errors
    ///
    /// If the text is not a list of fields, or a field is unknown or has no order.
    pub(crate) fn parse<T: Fields>(text: &str) -> Result<Option<Self>, Status> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let fields = text.split(',').map(field::<T>);
        let fields = fields.collect::<Result<Vec<_>, _>>();
        let fields = fields.and_then(|fields| match fields.len() {
            ..=MAX_FIELDS => Ok(fields),
            _ => Err(format!("has more than {MAX_FIELDS} fields")),
        });
        match fields {
            Ok(fields) => Ok(Some(Self(fields))),
            Err(why) => Err(error::invalid("order_by", &why)),
        }
    }

    /// Returns the sort key of an item.
    pub(crate) fn key<'v, T: Fields>(&self, item: &'v T) -> Vec<FieldValue<'v>> {
        self.0.iter().map(|(field, _)| field.read(item)).collect()
    }

    /// Compares two sort keys.
    pub(crate) fn compare(&self, one: &[FieldValue<'_>], other: &[FieldValue<'_>]) -> Ordering {
        let pairs = one.iter().zip(other).zip(&self.0);
        let orders = pairs.map(|((one, other), (_, descending))| match descending {
            true => other.compare(one),
            false => one.compare(other),
        });
        orders.fold(Ordering::Equal, Ordering::then)
    }
}

/// Returns the items of one page in an order, and the token of the next page if there are more. Only the items of the page are
/// sorted.
pub(crate) fn sorted_page<'t, R: Fields>(
    rows: impl Iterator<Item = (&'t String, &'t R)>,
    order: &Order,
    after: &PageToken,
    size: usize,
) -> (Vec<&'t R>, Option<PageToken>) {
    let start = after.key();
    let compare = |(one, name): (&[FieldValue<'_>], &str),
                   (other, after): (&[FieldValue<'_>], &str)| {
        order.compare(one, other).then(name.cmp(after))
    };
    let rows = rows.map(|(name, row)| (order.key(row), name.as_str(), row));
    let later = rows.filter(|(key, name, _)| {
        after.is_start() || compare((key, name), (&start, &after.name)).is_gt()
    });
    let mut rows: Vec<_> = later.collect();
    let is_more = rows.len() > size;
    let by = |one: &(Vec<FieldValue<'_>>, &str, &R), other: &(Vec<FieldValue<'_>>, &str, &R)| {
        compare((&one.0, one.1), (&other.0, other.1))
    };
    if is_more {
        rows.select_nth_unstable_by(size, by);
        rows.truncate(size);
    }
    rows.sort_unstable_by(by);
    let last = rows.last().filter(|_| is_more);
    let last = last.map(|(key, name, _)| PageToken::new(name, key));
    (rows.into_iter().map(|(.., row)| row).collect(), last)
}

fn field<T: Fields>(text: &str) -> Result<(Field, bool), String> {
    let words: Vec<_> = text.split_whitespace().collect();
    let (path, descending) = match words[..] {
        [path] | [path, "asc"] => (path, false),
        [path, "desc"] => (path, true),
        [_, direction] => {
            let lower = direction.to_ascii_lowercase();
            let why = match lower.as_str() {
                "asc" | "desc" => format!("must be lowercase: `{lower}`"),
                _ => "must be `asc`, `desc` or neither".to_owned(),
            };
            return Err(format!(
                "invalid direction `{}`: {why}",
                shortened(direction)
            ));
        }
        _ => {
            return Err(
                "must be fields, separated by commas, each with `asc`, `desc` or neither".into(),
            );
        }
    };
    let segments: Vec<_> = path.split('.').collect();
    match Field::find::<T>(&segments) {
        None => Err(format!(
            "unknown field `{}`: must be one of {}",
            shortened(path),
            T::names()
        )),
        Some(field) if matches!(field.field_type, FieldType::Map | FieldType::Message) => {
            Err(format!("field `{path}` has no order"))
        }
        Some(field) => Ok((field, descending)),
    }
}
