//! Another order of a list than that of the names (AIP-132).

use std::cmp::Ordering;

use tonic::Status;

use super::field::{Field, Fields, Kind, Value};
use super::page_token::Cursor;
use crate::emulator::error;
use crate::emulator::state::resource::Resource;

/// The most fields that an order goes by.
const MOST: usize = 16;

/// Fields, each of them descending or not. What is alike in all of them is in the order of the names.
#[derive(Debug)]
pub(crate) struct Order(Vec<(Field, bool)>);

impl Order {
    /// `None` is the order of the names.
    ///
    /// # Errors
    ///
    /// For what is no list of fields, and a field that the items do not have or that has no order.
    pub(crate) fn of<T: Fields>(text: &str) -> Result<Option<Self>, Status> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let fields = text.split(',').map(field::<T>);
        let fields = fields.collect::<Result<Vec<_>, _>>();
        let fields = fields.and_then(|fields| match fields.len() {
            ..=MOST => Ok(fields),
            _ => Err(format!("has more than {MOST} fields")),
        });
        match fields {
            Ok(fields) => Ok(Some(Self(fields))),
            Err(why) => Err(error::invalid("order_by", &why)),
        }
    }

    /// What an item is sorted by.
    pub(crate) fn key<'v, T: Fields>(&self, item: &'v T) -> Vec<Value<'v>> {
        self.0.iter().map(|(field, _)| field.read(item)).collect()
    }

    /// The order of two keys.
    pub(crate) fn compare(&self, one: &[Value<'_>], other: &[Value<'_>]) -> Ordering {
        let pairs = one.iter().zip(other).zip(&self.0);
        let orders = pairs.map(|((one, other), (_, descending))| match descending {
            true => other.order(one),
            false => one.order(other),
        });
        orders.fold(Ordering::Equal, Ordering::then)
    }
}

/// A page in an order, and where it ended if there are more. Only what is on it is sorted.
pub(crate) fn sorted<'t, R: Resource>(
    rows: impl Iterator<Item = (&'t String, &'t R)>,
    order: &Order,
    after: &Cursor,
    size: usize,
) -> (Vec<R>, Option<Cursor>) {
    let start = after.key();
    let compare = |(one, name): (&[Value<'_>], &str), (other, after): (&[Value<'_>], &str)| {
        order.compare(one, other).then(name.cmp(after))
    };
    let rows = rows.map(|(name, row)| (order.key(row), name.as_str(), row));
    let later = rows.filter(|(key, name, _)| {
        after.is_beginning() || compare((key, name), (&start, &after.name)).is_gt()
    });
    let mut rows: Vec<_> = later.collect();
    let is_more = rows.len() > size;
    let by = |one: &(Vec<Value<'_>>, &str, &R), other: &(Vec<Value<'_>>, &str, &R)| {
        compare((&one.0, one.1), (&other.0, other.1))
    };
    if is_more {
        rows.select_nth_unstable_by(size, by);
        rows.truncate(size);
    }
    rows.sort_unstable_by(by);
    let last = rows.last().filter(|_| is_more);
    let last = last.map(|(key, name, _)| Cursor::new(name, key));
    (
        rows.into_iter().map(|(.., row)| row.basic()).collect(),
        last,
    )
}

fn field<T: Fields>(text: &str) -> Result<(Field, bool), String> {
    let words: Vec<_> = text.split_whitespace().collect();
    let (path, descending) = match words[..] {
        [path] | [path, "asc"] => (path, false),
        [path, "desc"] => (path, true),
        _ => {
            return Err("is fields with commas between, each with `asc`, `desc` or neither".into());
        }
    };
    let segments: Vec<_> = path.split('.').collect();
    match Field::find::<T>(&segments) {
        None => Err(format!("has a field that is not there, `{path}`")),
        Some(field) if matches!(field.kind, Kind::Map | Kind::Message) => {
            Err(format!("has a field without an order, `{path}`"))
        }
        Some(field) => Ok((field, descending)),
    }
}
