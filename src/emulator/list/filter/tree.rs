//! Conditions that are joined by `AND`, `OR` and `NOT`.

/// A tree of conditions.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree<L> {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Leaf(L),
}

impl<L> Default for Tree<L> {
    /// Returns the tree that matches everything.
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

impl<L> Tree<L> {
    /// Joins parts. A single part is returned unchanged.
    pub(super) fn joined(mut parts: Vec<Self>, join: fn(Vec<Self>) -> Self) -> Self {
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            last => {
                parts.extend(last);
                join(parts)
            }
        }
    }

    /// Converts the leaves.
    pub(super) fn try_map<M, E>(self, map: &impl Fn(L) -> Result<M, E>) -> Result<Tree<M>, E> {
        let all = |parts: Vec<Self>| {
            let parts = parts.into_iter().map(|part| part.try_map(map));
            parts.collect::<Result<Vec<_>, _>>()
        };
        Ok(match self {
            Self::All(parts) => Tree::All(all(parts)?),
            Self::Any(parts) => Tree::Any(all(parts)?),
            Self::Not(part) => Tree::Not(Box::new(part.try_map(map)?)),
            Self::Leaf(leaf) => Tree::Leaf(map(leaf)?),
        })
    }

    pub(super) fn matches(&self, leaf: &impl Fn(&L) -> bool) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(leaf)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(leaf)),
            Self::Not(part) => !part.matches(leaf),
            Self::Leaf(one) => leaf(one),
        }
    }
}
