//! The error of credentials that returned no headers. Several calls may return the same error.

use std::fmt;

use tonic::{Code, Status};

use crate::call::transport_error::TransportError;

/// An error of credentials: one text without secrets, and a code.
#[derive(Clone, Debug)]
pub(super) struct Rejection {
    code: Code,
    text: String,
}

impl Rejection {
    /// Creates a transient error. The call is retried by its policy.
    pub(super) fn transient(text: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, text)
    }

    /// Creates an error that lasts until someone fixes its cause. The call is not retried.
    pub(super) fn permanent(text: impl Into<String>) -> Self {
        Self::new(Code::Unauthenticated, text)
    }

    pub(super) fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    pub(super) fn is_transient(&self) -> bool {
        self.code == Code::Unavailable
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the status of a call that was not sent. The source of the status is only the text, since google-cloud-auth's
    /// error may contain secrets that a token endpoint has echoed.
    pub(super) fn status(&self) -> Status {
        let status = Status::new(self.code, self.text.clone());
        TransportError::unsent(status, Some(Box::new(self.clone())))
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Rejection {}
