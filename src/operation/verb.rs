//! The verb of an operation: create, update or delete.

/// The verb of an operation. It decides what the state of the target can prove.
///
/// Later versions may add verbs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verb {
    /// The verb is not known, or is not one of the other variants.
    #[default]
    Unknown,
    /// The operation creates its target.
    Create,
    /// The operation changes its target.
    Update,
    /// The operation deletes its target.
    Delete,
}

impl Verb {
    /// Parses a verb: `create`, `update` or `delete`. Any other text is [`Unknown`](Self::Unknown).
    #[must_use]
    pub fn parse(verb: &str) -> Self {
        match verb {
            "create" => Self::Create,
            "update" => Self::Update,
            "delete" => Self::Delete,
            _ => Self::Unknown,
        }
    }

    /// Returns the verb of a method by its name, such as `create_api` or `CreateApi`.
    pub(crate) fn of_method(method: &str) -> Self {
        let mut chars = method.chars();
        let first = chars.next().unwrap_or_default().to_ascii_lowercase();
        let rest = chars.take_while(char::is_ascii_lowercase);
        Self::parse(&std::iter::once(first).chain(rest).collect::<String>())
    }

    /// Returns the name of the verb; empty for an unknown one.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// Returns this verb, or `other` if this one is unknown.
    pub(crate) fn or(self, other: Self) -> Self {
        match self {
            Self::Unknown => other,
            known => known,
        }
    }
}
