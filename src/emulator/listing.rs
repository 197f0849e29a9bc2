//! What a list request asks for.

use std::cmp::Ordering;

use tonic::Status;

use super::filter::Filter;
use super::mask::snake;
use super::refusal;
use super::resource::Resource;
use super::table::page;

/// The most items on a page.
const MOST: usize = 1000;
/// How many items a page has where no size is asked for.
const PAGE: usize = 100;

/// What a list request asks for, of whatever kind.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) parent: String,
    pub(super) page_size: i32,
    pub(super) page_token: String,
    pub(super) filter: String,
    pub(super) order_by: String,
}

/// Zero leaves it to the server; a size too large is coerced (AIP-158).
pub(super) fn page_size(asked: i32) -> Result<usize, Status> {
    match usize::try_from(asked) {
        Ok(0) => Ok(PAGE),
        Ok(size) => Ok(size.min(MOST)),
        Err(_) => Err(refusal::invalid("page_size", "must not be negative")),
    }
}

/// Another order than that of the names (AIP-132): fields, each of them descending or not.
#[derive(Debug)]
pub(super) struct Order(Vec<(String, bool)>);

impl Order {
    /// `None` is the order of the names.
    pub(super) fn read<R: Resource>(text: &str) -> Result<Option<Self>, Status> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let fields = text.split(',').map(|field| {
            let mut words = field.split_whitespace();
            let (name, direction) = (words.next().unwrap_or_default(), words.next());
            let descending = match (direction, words.next()) {
                (None | Some("asc"), None) => false,
                (Some("desc"), None) => true,
                _ => {
                    return Err(refusal::invalid(
                        "order_by",
                        "is fields, each with `desc` or not",
                    ));
                }
            };
            let name = snake(name);
            match R::default().text(&name) {
                Some(_) => Ok((name, descending)),
                None => Err(refusal::invalid(
                    "order_by",
                    &format!("has no field `{name}`"),
                )),
            }
        });
        fields
            .collect::<Result<_, _>>()
            .map(|fields| Some(Self(fields)))
    }

    /// The page of what a filter leaves over, after the item that the token names.
    pub(super) fn page<'t, R: Resource>(
        &self,
        rows: impl Iterator<Item = (&'t String, &'t R)>,
        filter: &Filter,
        token: &str,
        size: usize,
    ) -> (Vec<R>, String) {
        let mut rows: Vec<_> = rows.filter(|(_, row)| filter.has(*row)).collect();
        rows.sort_by(|(_, one), (_, other)| self.compare(*one, *other));
        // An item that is gone since cannot be found again: the list then begins anew.
        let shown = rows.iter().position(|(name, _)| *name == token);
        let later = rows.into_iter().skip(shown.map_or(0, |last| last + 1));
        page(later.map(|(name, row)| (name.clone(), row.basic())), size)
    }

    fn compare<R: Resource>(&self, one: &R, other: &R) -> Ordering {
        let by = self.0.iter().map(|(field, descending)| {
            let order = one.text(field).cmp(&other.text(field));
            if *descending { order.reverse() } else { order }
        });
        by.fold(Ordering::Equal, Ordering::then)
    }
}
