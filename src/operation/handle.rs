//! The stored form of an operation.

use std::fmt;
use std::time::SystemTime;

use prost::Name as _;
use prost_types::{Any, Timestamp};

use super::profile::ServiceProfile;
use super::result::ResultType;
use super::tracked::TrackedOperation;
use super::verb::Verb;
use crate::error::Error;

/// The service of a handle that does not name one. Handles of earlier versions are of this service only.
const FIRST_SERVICE: &str = "apigateway.googleapis.com";

/// The data to resume the wait for an operation in another process ([`ApiGateway::resume`](crate::ApiGateway::resume)).
///
/// With the feature `serde`, a handle can be serialized. Later versions may add fields; no field is secret. Handles of earlier
/// versions, which have fewer fields, can be resumed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Handle {
    name: String,
    result: String,
    /// The name of the service; `None` in a handle of an earlier version.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    service: Option<String>,
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
    pub(crate) fn new(
        tracked: &TrackedOperation,
        profile: &dyn ServiceProfile,
        result: &ResultType,
    ) -> Self {
        let facts = tracked.facts(profile);
        let verb = Some(facts.verb.as_str()).filter(|verb| !verb.is_empty());
        let began = facts.began.map(|began| Timestamp::from(began).to_string());
        Self {
            name: tracked.snapshot.name().to_owned(),
            result: result.name().into_owned(),
            service: Some(profile.service().to_owned()),
            target: facts.target,
            verb: verb.map(str::to_owned),
            // A time that RFC 3339 cannot express is not kept.
            began: began.filter(|began| parse_time(began).is_some()),
        }
    }

    /// Checks that the handle can be resumed by a client of a service, with this type of result.
    ///
    /// # Errors
    ///
    /// Returns an error if the handle is of another service or has another type of result, or if its verb or its time is
    /// invalid: the wait needs both if the target must prove how the operation ended.
    pub(crate) fn check(&self, service: &str, expected: &ResultType) -> Result<(), Error> {
        let refused =
            |text: String| Err(Error::argument(text).context("resume operation", &self.name));
        if self.service() != service {
            let is = self.service().escape_debug();
            return refused(format!("service is {is}, expected {service}"));
        }
        let unknown = expected.is_raw() || self.result == Any::full_name();
        if self.result != expected.name() && !unknown {
            let (is, expected) = (self.result.escape_debug(), expected.name());
            return refused(format!("result type is {is}, expected {expected}"));
        }
        if let Some(verb) = &self.verb
            && Verb::parse(verb) == Verb::Unknown
        {
            let verb = verb.escape_debug();
            return refused(format!(
                "invalid verb `{verb}`: must be create, update or delete"
            ));
        }
        if let Some(began) = &self.began
            && parse_time(began).is_none()
        {
            let began = began.escape_debug();
            return refused(format!(
                "invalid start time `{began}`: must be a time of RFC 3339"
            ));
        }
        Ok(())
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

    /// Returns the name of the service that has the operation, such as `apigateway.googleapis.com`. Only a client of this
    /// service resumes the handle.
    #[must_use]
    pub fn service(&self) -> &str {
        self.service.as_deref().unwrap_or(FIRST_SERVICE)
    }

    /// Returns the verb of the operation, `create`, `update` or `delete`; `None` if it is unknown.
    #[must_use]
    pub fn verb(&self) -> Option<&str> {
        self.verb.as_deref()
    }

    /// Returns the time at which the operation began, by the server's clock; `None` if the time is unknown.
    #[must_use]
    pub fn began(&self) -> Option<SystemTime> {
        parse_time(self.began.as_ref()?)
    }

    /// Returns the full name of the target; `None` if it is unknown.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }
}

/// Parses a time of RFC 3339.
fn parse_time(text: &str) -> Option<SystemTime> {
    let time: Timestamp = text.parse().ok()?;
    SystemTime::try_from(time).ok()
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
