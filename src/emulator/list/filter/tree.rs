//! Conditions joined by `AND`, `OR` and `NOT`, whatever they are.

/// What must hold of an item.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree<L> {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Leaf(L),
}

impl<L> Default for Tree<L> {
    /// What holds of everything.
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

impl<L> Tree<L> {
    /// One part is as good as a tree of one.
    pub(super) fn joined(mut parts: Vec<Self>, join: fn(Vec<Self>) -> Self) -> Self {
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            last => {
                parts.extend(last);
                join(parts)
            }
        }
    }

    /// The same tree of other leaves.
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

    pub(super) fn holds(&self, leaf: &impl Fn(&L) -> bool) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(leaf)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(leaf)),
            Self::Not(part) => !part.holds(leaf),
            Self::Leaf(one) => leaf(one),
        }
    }
}
