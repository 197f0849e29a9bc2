//! Why a file cannot be opened.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

type Source = Box<dyn Error + Send + Sync>;

/// Why an emulator's file cannot be opened. What was in the file is as it was.
#[derive(Debug)]
pub struct DataError(Box<(PathBuf, What)>);

/// What is wrong with a file.
#[derive(Debug)]
pub(super) enum What {
    InUse,
    /// Readable or not, it is not an emulator's.
    Foreign(Option<Source>),
    Schema(String),
    /// By its key.
    Row(String, Source),
    Damaged(Source),
    Failed(Source),
}

impl DataError {
    pub(super) fn new(path: &Path, what: What) -> Self {
        Self(Box::new((path.to_owned(), what)))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.0
    }

    /// Whether another emulator, in this process or another one, has the file open.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(self.0.1, What::InUse)
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path().display();
        match &self.0.1 {
            What::InUse => write!(f, "the data file {path} is in use by another emulator"),
            What::Foreign(_) => write!(f, "{path} is no data file of an emulator"),
            What::Schema(schema) => write!(
                f,
                "the data file {path} has schema {schema}, which this version cannot read"
            ),
            What::Row(key, _) => {
                write!(
                    f,
                    "the data file {path} has a row that cannot be read, {key}"
                )
            }
            What::Damaged(_) => write!(f, "the data file {path} is damaged"),
            What::Failed(_) => write!(f, "the data file {path} cannot be opened"),
        }
    }
}

impl Error for DataError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.1 {
            What::Foreign(source) => source.as_ref().map(|source| &**source as _),
            What::Row(_, source) | What::Damaged(source) | What::Failed(source) => Some(&**source),
            What::InUse | What::Schema(_) => None,
        }
    }
}
