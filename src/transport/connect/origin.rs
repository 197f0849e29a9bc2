//! The address that requests are for, as it stands in their URIs.

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

use super::Target;
use crate::error::Error;

/// Scheme and authority of the address.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
}

impl Origin {
    pub(crate) fn of(target: &Target) -> Result<Self, Error> {
        let parts = target.uri.clone().into_parts();
        match (parts.scheme, parts.authority) {
            (Some(scheme), Some(authority)) => Ok(Self { scheme, authority }),
            _ => {
                let origin = target.origin();
                let text = format!("endpoint: `{origin}` has no scheme or no host");
                Err(Error::configuration(text))
            }
        }
    }

    /// The whole URI of a path here.
    pub(crate) fn uri(&self, path: PathAndQuery) -> Result<Uri, http::Error> {
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
    }

    /// The path of a request, with its query.
    pub(crate) fn path(uri: &Uri) -> PathAndQuery {
        let path = uri.path_and_query().cloned();
        path.unwrap_or(PathAndQuery::from_static("/"))
    }
}
