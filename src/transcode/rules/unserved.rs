//! Rules that are not served, and the reasons.

use std::fmt;

/// An HTTP rule that is not served: by [`Rest`](super::super::Rest), by
/// [`TranscodeLayer`](super::super::TranscodeLayer), or by both.
///
/// The table lists the reasons. If the second column is empty, neither direction serves the rule.
///
/// | reason | not served by |
/// |---|---|
/// | the template does not follow the grammar of `google/api/http.proto`, or the rule has no HTTP method | |
/// | a variable, the body or the response body names a field that does not exist | |
/// | a variable is a message or repeated, or a field before the last in its path is repeated, a scalar, or a message such as a `Timestamp` | |
/// | a field is bound twice, or two variables are members of one oneof | |
/// | the rule is an additional binding of an additional binding | |
/// | the method streams its requests | |
/// | the configuration has a rule for a method that the descriptor set lacks, or a rule that cannot be read | |
/// | a wildcard is outside a variable, or the rule is for any HTTP method | `Rest` |
/// | an earlier rule matches the same requests, or another rule matches all paths of this rule | `TranscodeLayer` |
/// | two `**` in one template | `TranscodeLayer` |
///
/// If several rules match the same requests, the server uses the earliest. Rules are in the order of the descriptor set,
/// with two exceptions. Annotations in a file that another file imports come later, since such a file may be imported for
/// its messages alone. Rules of methods that stream their requests come last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    method: String,
    pattern: String,
    reason: String,
    side: Side,
}

/// The direction that does not serve a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
    Both,
}

impl Unserved {
    pub(crate) fn new(
        method: impl Into<String>,
        pattern: impl Into<String>,
        reason: impl Into<String>,
        side: Side,
    ) -> Self {
        Self {
            method: method.into(),
            pattern: pattern.into(),
            reason: reason.into(),
            side,
        }
    }

    /// Returns the full name of the method, `package.Service.Method`, or the selector of a configuration's rule that
    /// selects no method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Returns the HTTP method and the path template, `GET /v1/{name=projects/*}`; empty if the rule has neither.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Returns the reason as text.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns whether [`Rest`](super::super::Rest) does not send calls by the rule.
    #[must_use]
    pub fn by_client(&self) -> bool {
        self.side != Side::Server
    }

    /// Returns whether [`TranscodeLayer`](super::super::TranscodeLayer) does not accept requests by the rule.
    #[must_use]
    pub fn by_server(&self) -> bool {
        self.side != Side::Client
    }
}

/// Writes method, rule, the direction unless it is both, and the reason, on one line.
impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Client => " by the client",
            Side::Server => " by the server",
            Side::Both => "",
        };
        let Self {
            method,
            pattern,
            reason,
            ..
        } = self;
        match pattern.as_str() {
            "" => write!(f, "{method}: a rule is not served{side}: {reason}"),
            pattern => write!(
                f,
                "{method}: the rule `{pattern}` is not served{side}: {reason}"
            ),
        }
    }
}
