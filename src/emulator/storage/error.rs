//! The error of opening a data file.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

type Source = Box<dyn Error + Send + Sync>;

/// The error of [`EmulatorBuilder::open`](crate::emulator::EmulatorBuilder::open). The file is unchanged, except that a
/// file that was not closed may have been repaired.
#[derive(Debug)]
pub struct DataError(Box<(PathBuf, Cause)>);

/// The cause of the error.
#[derive(Debug)]
pub(super) enum Cause {
    InUse,
    /// The file is not a data file of an emulator.
    Foreign(Option<Source>),
    Schema(String),
    /// An invalid row, with its key.
    Row(String, Source),
    Damaged(Source),
    Failed(Source),
}

impl DataError {
    pub(super) fn new(path: &Path, cause: Cause) -> Self {
        Self(Box::new((path.to_owned(), cause)))
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.0
    }

    /// Returns true if another emulator, in this process or another one, has the file open.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(self.0.1, Cause::InUse)
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path().display();
        match &self.0.1 {
            Cause::InUse => write!(f, "the data file {path} is in use by another emulator"),
            Cause::Foreign(_) => write!(f, "{path} is not a data file of an emulator"),
            Cause::Schema(schema) => write!(
                f,
                "the data file {path} has schema {schema}, which this version cannot read"
            ),
            Cause::Row(key, _) => {
                write!(f, "invalid row {key} in the data file {path}")
            }
            Cause::Damaged(_) => write!(f, "the data file {path} is damaged"),
            Cause::Failed(_) => write!(f, "cannot open the data file {path}"),
        }
    }
}

impl Error for DataError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.1 {
            Cause::Foreign(source) => source.as_ref().map(|source| &**source as _),
            Cause::Row(_, source) | Cause::Damaged(source) | Cause::Failed(source) => {
                Some(&**source)
            }
            Cause::InUse | Cause::Schema(_) => None,
        }
    }
}
