//! The items of a collection, page by page.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::page_token::PageToken;

/// The collection that is listed, such as `projects/p/locations/global/apis/`. A `-` in it stands for any segment.
#[derive(Debug)]
pub(crate) struct Collection {
    path: String,
    /// The part before the first `-`, with which all names begin.
    prefix: String,
}

impl Collection {
    pub(crate) fn new(parent: &str, collection: &str) -> Self {
        let path = format!("{parent}/{collection}/");
        let wildcard = path.find("/-/").map(|at| at + 1);
        let prefix = path[..wildcard.unwrap_or(path.len())].to_owned();
        Self { path, prefix }
    }

    /// Returns the members after a name, in the order of their names.
    pub(crate) fn after<'t, V>(
        &'t self,
        rows: &'t BTreeMap<String, V>,
        name: &str,
    ) -> impl Iterator<Item = (&'t String, &'t V)> {
        let after = Bound::Excluded(self.prefix.as_str().max(name));
        let later = rows.range::<str, _>((after, Bound::Unbounded));
        later
            .take_while(|(name, _)| name.starts_with(&self.prefix))
            .filter(|(name, _)| self.contains(name))
    }

    fn contains(&self, name: &str) -> bool {
        if self.prefix.len() == self.path.len() {
            return true;
        }
        let (mut pattern, mut name) = (self.path.split('/'), name.split('/'));
        loop {
            match (pattern.next(), name.next()) {
                (Some("-" | ""), Some(_)) => {}
                (Some(literal), Some(segment)) if literal == segment => {}
                (None, None) => return true,
                _ => return false,
            }
        }
    }
}

/// Returns the items of one page, and the token of the next page if there are more items.
pub(crate) fn page<T>(
    items: impl Iterator<Item = (impl AsRef<str>, T)>,
    size: usize,
) -> (Vec<T>, Option<PageToken>) {
    let mut items = items.peekable();
    let (mut page, mut last) = (Vec::new(), None);
    while page.len() < size
        && let Some((name, item)) = items.next()
    {
        page.push(item);
        last = Some(name);
    }
    let last = last.filter(|_| items.peek().is_some());
    (page, last.map(|name| PageToken::new(name.as_ref(), &[])))
}
