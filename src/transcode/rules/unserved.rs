//! Rules that are not served, and why.

use std::fmt;

/// An HTTP rule that is not served: by [`Rest`](super::super::Rest), by
/// [`TranscodeLayer`](super::super::TranscodeLayer), or by either of them.
///
/// The reasons are these. Unless the table says otherwise, neither direction serves the rule.
///
/// | reason | not served by |
/// |---|---|
/// | the template is not of the grammar of `google/api/http.proto`, or has no HTTP method | |
/// | a variable, the body or the response body names a field that does not exist | |
/// | a variable is a message or a repeated field, or leads through one, or through a message such as a `Timestamp` | |
/// | a field is bound twice, or two variables are members of one oneof | |
/// | a binding within an additional binding | |
/// | the method streams its requests | |
/// | the configuration has a rule for a method that the descriptor set lacks, or a rule that cannot be read | |
/// | a wildcard is outside a variable, or the rule is for any HTTP method | `Rest` |
/// | another rule is for the same requests and comes before, or fits all of its paths | `TranscodeLayer` |
/// | two `**` in one template | `TranscodeLayer` |
///
/// Rules come in the order of the descriptor set. Annotations in a file that another file of the set imports come
/// last, since such files may be there for their messages alone; methods that stream their requests come after them.
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

    /// The full name of the method, `package.Service.Method`, or the selector of a configuration's rule that
    /// selects no method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The HTTP method and the path template, `GET /v1/{name=projects/*}`; empty if the rule has neither.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The reason in words.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether [`Rest`](super::super::Rest) sends no calls by the rule.
    #[must_use]
    pub fn by_client(&self) -> bool {
        self.side != Side::Server
    }

    /// Whether [`TranscodeLayer`](super::super::TranscodeLayer) takes no requests by the rule.
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
