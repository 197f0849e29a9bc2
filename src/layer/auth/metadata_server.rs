//! Locates and probes the metadata server of Google Cloud.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::transport::endpoint;

/// The variable that names another metadata server, as `HOST[:PORT]`.
pub(super) const GCE_METADATA_HOST: &str = "GCE_METADATA_HOST";

const DEFAULT_HOST: &str = "metadata.google.internal";

/// Timeout of the connection to a metadata server. The server is on the same host or link.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// The metadata server that google-cloud-auth sends requests to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MetadataServer {
    /// `HOST[:PORT]`.
    address: String,
    from_variable: bool,
    /// The places that were searched for credentials before, as a part of a sentence.
    searched: String,
}

impl MetadataServer {
    /// Returns the server that the environment names, or the default one.
    pub(super) fn locate(
        env: impl Fn(&str) -> Option<OsString>,
        searched: String,
    ) -> Result<Self, String> {
        let Some(host) = env(GCE_METADATA_HOST) else {
            return Ok(Self {
                address: DEFAULT_HOST.to_owned(),
                from_variable: false,
                searched,
            });
        };
        let host = host.to_str().unwrap_or_default();
        // Reject an empty variable: google-cloud-auth reads it as well, and would send requests to `http://`.
        if host.is_empty() {
            return Err(format!(
                "invalid `{GCE_METADATA_HOST}` \"\": must be HOST[:PORT], or unset"
            ));
        }
        let uri = endpoint::parse(GCE_METADATA_HOST, &format!("http://{host}"));
        let uri =
            uri.map_err(|error| format!("{error}; {GCE_METADATA_HOST} must be HOST[:PORT]"))?;
        Ok(Self {
            address: uri.authority().map_or(host, |it| it.as_str()).to_owned(),
            from_variable: true,
            searched,
        })
    }

    /// Returns whether [`GCE_METADATA_HOST`] names the server.
    pub(super) fn is_from_variable(&self) -> bool {
        self.from_variable
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connects to the server and closes the connection.
    pub(super) async fn probe(&self) -> Result<(), ProbeError> {
        let address = match self.address.parse::<http::uri::Authority>() {
            Ok(authority) if authority.port().is_some() => self.address.clone(),
            _ => format!("{}:80", self.address),
        };
        match tokio::time::timeout(PROBE_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(ProbeError::Unreachable(error.to_string())),
            Err(_) => Err(ProbeError::Timeout),
        }
    }

    /// Returns the error text for a machine without a credential file. `cause` is the error of the probe.
    pub(super) fn nothing_found(&self, cause: &ProbeError) -> String {
        const ADVICE: &str = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a \
                              credential file";
        let searched = &self.searched;
        match cause {
            ProbeError::Unreachable(cause) => format!(
                "no credentials found: {searched}, and the connection to the metadata server {self} failed ({cause}); {ADVICE}"
            ),
            ProbeError::Timeout => format!(
                "no credentials found within {PROBE_TIMEOUT:?}: {searched}, and the metadata server {self} did not \
                 accept a connection; on Google Cloud, retry the call; elsewhere, \
                 {ADVICE}"
            ),
        }
    }
}

/// Shows the URL of the server, and the variable that named it.
impl fmt::Display for MetadataServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.address)?;
        match self.from_variable {
            true => write!(f, " (named by {GCE_METADATA_HOST})"),
            false => Ok(()),
        }
    }
}

/// The reason why a probe made no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProbeError {
    /// The name was not resolved, or the connection was refused.
    Unreachable(String),
    /// No connection was made within [`PROBE_TIMEOUT`]. The server may exist nevertheless.
    Timeout,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locate(value: Option<&str>) -> Result<String, String> {
        let env = |_: &str| value.map(OsString::from);
        MetadataServer::locate(env, String::new()).map(|server| server.endpoint())
    }

    #[test]
    fn the_variable_names_the_server_and_must_be_a_host() {
        assert_eq!(
            locate(None).as_deref(),
            Ok("http://metadata.google.internal")
        );
        assert_eq!(
            locate(Some("127.0.0.1:8080")).as_deref(),
            Ok("http://127.0.0.1:8080")
        );
        assert_eq!(locate(Some("[::1]:80")).as_deref(), Ok("http://[::1]:80"));
        for wrong in ["", "http://h", "h/path", "u:hush@h", "a b"] {
            let error = locate(Some(wrong)).expect_err(wrong);
            assert!(
                error.contains(GCE_METADATA_HOST) && error.contains("HOST[:PORT]"),
                "{error}"
            );
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_server_that_does_not_resolve_is_reported_with_everything_that_was_searched() {
        let env = |_: &str| Some(OsString::from("metadata.invalid"));
        let server = MetadataServer::locate(env, "SEARCHED".to_owned()).expect("a host");
        let cause = server
            .probe()
            .await
            .expect_err("RFC 6761: `invalid` does not resolve");
        let text = server.nothing_found(&cause);
        assert!(
            text.starts_with("no credentials found: SEARCHED, and"),
            "{text}"
        );
        assert!(
            text.contains("http://metadata.invalid (named by GCE_METADATA_HOST)"),
            "{text}"
        );
        assert!(
            text.contains("`gcloud auth application-default login`"),
            "{text}"
        );
    }
}
