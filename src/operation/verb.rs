//! The verb of an operation: create, update or delete.

/// The verb of an operation. It decides what the state of the target can prove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verb {
    /// The verb is not known, or is not one of the other variants.
    #[default]
    Unknown,
    Create,
    Update,
    Delete,
}

impl Verb {
    /// Parses a verb, as in the service's metadata and in handles.
    pub(crate) fn parse(verb: &str) -> Self {
        match verb {
            "create" => Self::Create,
            "update" => Self::Update,
            "delete" => Self::Delete,
            _ => Self::Unknown,
        }
    }

    /// Returns the verb of a method by its name, such as `create_api`.
    pub(crate) fn of_method(method: &str) -> Self {
        Self::parse(method.split('_').next().unwrap_or_default())
    }

    /// Returns the name of the verb; empty for an unknown one.
    pub(crate) fn as_str(self) -> &'static str {
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
