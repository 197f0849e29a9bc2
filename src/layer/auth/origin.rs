//! The source of credentials, as errors name it.

use std::fmt;
use std::path::PathBuf;

use super::credential_file::{CredentialFile, Kind};
use super::metadata_server::{GCE_METADATA_HOST, MetadataServer};

/// The source of credentials.
pub(super) enum Origin {
    /// Credentials that the user created. Their source is unknown.
    User,
    /// A credential file.
    File(FileOrigin),
    /// The metadata server.
    MetadataServer(MetadataServer),
}

/// A credential file that was read.
pub(super) struct FileOrigin {
    pub(super) location: FileLocation,
    pub(super) kind: Kind,
    pub(super) endpoint: Option<String>,
    pub(super) impersonation: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) secrets: Vec<String>,
}

/// The path of a credential file, and the variable that named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileLocation {
    pub(super) path: PathBuf,
    /// The variable that named the file; `None` for the well-known path.
    pub(super) variable: Option<&'static str>,
}

impl Origin {
    pub(super) fn file(location: FileLocation, file: &CredentialFile) -> Self {
        Self::File(FileOrigin {
            location,
            kind: file.kind,
            endpoint: file.endpoint.clone(),
            impersonation: file.impersonation.clone(),
            subject: file.subject.clone(),
            secrets: file.secrets.clone(),
        })
    }

    /// Returns the URL that tokens are requested from; `None` if it is unknown, or if tokens are signed locally.
    pub(super) fn endpoint(&self) -> Option<String> {
        match self {
            Self::User => None,
            Self::File(file) => file.endpoint.clone(),
            Self::MetadataServer(server) => Some(server.endpoint()),
        }
    }

    /// Returns the URL at which an external account exchanges its token for a service account's token.
    pub(super) fn impersonation(&self) -> Option<&str> {
        match self {
            Self::File(file) => file.impersonation.as_deref(),
            Self::User | Self::MetadataServer(_) => None,
        }
    }

    /// Returns the source of an external account's subject token.
    pub(super) fn subject(&self) -> Option<&str> {
        match self {
            Self::File(file) => file.subject.as_deref(),
            Self::User | Self::MetadataServer(_) => None,
        }
    }

    pub(super) fn secrets(&self) -> &[String] {
        match self {
            Self::File(file) => &file.secrets,
            Self::User | Self::MetadataServer(_) => &[],
        }
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Self::File(file) => Some(file.kind),
            Self::User | Self::MetadataServer(_) => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("credentials"),
            Self::File(file) => write!(f, "{} credentials in {}", file.kind.name(), file.location),
            Self::MetadataServer(server) if server.is_from_variable() => {
                write!(f, "metadata server (named by {GCE_METADATA_HOST})")
            }
            Self::MetadataServer(_) => f.write_str("metadata server"),
        }
    }
}

impl fmt::Display for FileLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display().to_string();
        let path = path.escape_debug();
        match self.variable {
            Some(variable) => write!(f, "`{path}` (named by {variable})"),
            None => write!(f, "`{path}` (the well-known file)"),
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}
