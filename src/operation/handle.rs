//! An operation as it is kept: in a file, a database, a message.

use std::fmt;

/// What it takes to wait for an operation in another process
/// ([`ApiGateway::resume`](crate::ApiGateway::resume)).
///
/// With the feature `serde` it is written and read by that. Its fields may grow; none is ever secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Handle {
    name: String,
    result: String,
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    target: Option<String>,
}

impl Handle {
    pub(crate) fn new(name: &str, result: String, target: Option<String>) -> Self {
        Self {
            name: name.to_owned(),
            result,
            target,
        }
    }

    /// The operation's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The full name of the message that it ends in.
    #[must_use]
    pub fn result(&self) -> &str {
        &self.result
    }

    /// The full name of what it is done to, as far as that was known.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
