//! One row of the table of failures: the fault, and the expected error.

use std::time::Duration;

use serde_json::Value;

use crate::credential_file::Place;
use crate::setup::Found;
use crate::token_server::Answer;

/// The state of the credentials file in a row.
#[derive(Clone, Copy)]
pub(crate) enum File {
    /// No file, and no variable names one.
    None,
    Json(fn(&Place) -> Value),
    Bytes(&'static [u8]),
    /// No file, but a variable names one.
    Missing,
    /// A folder, in place of an unreadable file: root can read a file of any mode.
    Folder,
    BrokenLink,
}

/// The certificate of the token endpoint, by its issuer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    /// No certificate: the endpoint is plaintext.
    Off,
    ByUnknown,
    /// Issued by the trusted authority, but the process has no roots.
    NoRoots,
}

#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) file: File,
    pub(crate) found: Found,
    pub(crate) variables: &'static [(&'static str, &'static str)],
    pub(crate) fault: Option<(&'static str, Answer)>,
    pub(crate) tls: Tls,
    pub(crate) expected: Expected,
}

/// The expected error. `{file}`, `{well-known}`, `{folder}`, `{url}` and `{host}` are replaced by those of the test.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    /// The status code; empty if `build` fails.
    pub(crate) code: &'static str,
    pub(crate) source: &'static str,
    /// The file or the endpoint.
    pub(crate) place: &'static str,
    /// Part of the text of the cause.
    pub(crate) cause: &'static str,
    /// The next step for the user.
    pub(crate) next: &'static str,
    /// Maximum time until the error.
    pub(crate) within: Duration,
}

pub(crate) const LASTING: &str = "UNAUTHENTICATED";
pub(crate) const TRANSIENT: &str = "UNAVAILABLE";
/// The client timed out.
pub(crate) const SILENT: &str = "DEADLINE_EXCEEDED";
/// `build` fails.
pub(crate) const NO_CODE: &str = "";
/// Long enough for every row that does not wait, even on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(45);

const ROW: Row = Row {
    name: "",
    file: File::None,
    found: Found::ByVariable,
    variables: &[],
    fault: None,
    tls: Tls::Off,
    expected: Expected {
        code: LASTING,
        source: "",
        place: "",
        cause: "",
        next: "",
        within: SOON,
    },
};

impl Row {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, ..ROW }
    }

    pub(crate) const fn file(self, file: File) -> Self {
        Self { file, ..self }
    }

    pub(crate) const fn json(self, json: fn(&Place) -> Value) -> Self {
        self.file(File::Json(json))
    }

    pub(crate) const fn variables(
        self,
        variables: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self { variables, ..self }
    }

    pub(crate) const fn fault(self, path: &'static str, answer: Answer) -> Self {
        let fault = Some((path, answer));
        Self { fault, ..self }
    }

    pub(crate) const fn says(
        self,
        code: &'static str,
        [source, place, cause, next]: [&'static str; 4],
    ) -> Self {
        let expected = Expected {
            code,
            source,
            place,
            cause,
            next,
            within: self.expected.within,
        };
        Self { expected, ..self }
    }

    pub(crate) const fn within(mut self, seconds: u64) -> Self {
        self.expected.within = Duration::from_secs(seconds);
        self
    }
}
