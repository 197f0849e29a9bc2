//! The scheme and authority of request URIs.

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

use crate::error::Error;
use crate::transport::endpoint::DisplayOrigin;

/// The scheme and authority of the requests to one address.
#[derive(Clone, Debug)]
pub(crate) struct RequestOrigin {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
}

impl RequestOrigin {
    /// Returns the origin of an address.
    ///
    /// # Errors
    ///
    /// If the address has no scheme or no host.
    pub(crate) fn of(uri: &Uri) -> Result<Self, Error> {
        let parts = uri.clone().into_parts();
        match (parts.scheme, parts.authority) {
            (Some(scheme), Some(authority)) => Ok(Self { scheme, authority }),
            _ => {
                let origin = DisplayOrigin(uri);
                let text = format!("invalid `endpoint` `{origin}`: must have a scheme and a host");
                Err(Error::configuration(text))
            }
        }
    }

    /// Returns the URI for a path at this origin.
    pub(crate) fn uri(&self, path: PathAndQuery) -> Result<Uri, http::Error> {
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
    }

    /// Returns the path and query of a request's URI.
    pub(crate) fn path(uri: &Uri) -> PathAndQuery {
        let path = uri.path_and_query().cloned();
        path.unwrap_or(PathAndQuery::from_static("/"))
    }
}
