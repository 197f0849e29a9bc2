//! The stored form of an operation.

use std::fmt;
use std::time::SystemTime;

use prost_types::Timestamp;

use super::tracked::TrackedOperation;
use super::verb::Verb;

/// The data to resume the wait for an operation in another process ([`ApiGateway::resume`](crate::ApiGateway::resume)).
///
/// With the feature `serde`, a handle can be serialized. Later versions may add fields; no field is secret.
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
    /// `create`, `update` or `delete`.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    verb: Option<String>,
    /// The time at which the operation began, as in RFC 3339.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    began: Option<String>,
}

impl Handle {
    pub(crate) fn new(tracked: &TrackedOperation, result: String) -> Self {
        let verb = Some(tracked.verb().as_str()).filter(|verb| !verb.is_empty());
        let began = tracked.began().map(Timestamp::from);
        Self {
            name: tracked.snapshot.name().to_owned(),
            result,
            target: tracked.target(),
            verb: verb.map(str::to_owned),
            began: began.map(|began| began.to_string()),
        }
    }

    /// Adds the data of the handle to an operation that was resumed by its name. A handle of an earlier version has neither
    /// the verb nor the start time.
    pub(crate) fn describe(&self, tracked: &mut TrackedOperation) {
        tracked.target.clone_from(&self.target);
        tracked.verb = Verb::parse(self.verb().unwrap_or_default()).or(tracked.verb);
        tracked.began = self.began();
    }

    /// Returns the name of the operation.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the full name of the message type of the result.
    #[must_use]
    pub fn result(&self) -> &str {
        &self.result
    }

    /// Returns the verb of the operation, `create`, `update` or `delete`; `None` if it is unknown.
    #[must_use]
    pub fn verb(&self) -> Option<&str> {
        self.verb.as_deref()
    }

    /// Returns the time at which the operation began, by the server's clock; `None` if the time is unknown.
    #[must_use]
    pub fn began(&self) -> Option<SystemTime> {
        let began: Timestamp = self.began.as_ref()?.parse().ok()?;
        SystemTime::try_from(began).ok()
    }

    /// Returns the full name of the target; `None` if it is unknown.
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
