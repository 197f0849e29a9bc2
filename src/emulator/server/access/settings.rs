//! The settings of access control, and the rules that are built from them.

use std::fmt;
use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, header};

use super::host::{Host, Origin};
use super::token::AdminToken;
use crate::error::Error;
use crate::transport::endpoint;

/// The settings of the builder.
#[derive(Clone, Default)]
pub(crate) struct AccessSettings {
    pub(crate) hosts: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) admin_token: Option<String>,
    /// The page is not served.
    pub(crate) is_page_off: bool,
}

/// The rules of one listener.
#[derive(Debug)]
pub(crate) struct AccessRules {
    /// The address of the listener.
    listened: Option<IpAddr>,
    hosts: Vec<Host>,
    origins: Vec<Origin>,
    admin_token: Option<AdminToken>,
    has_page: bool,
}

impl AccessRules {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// If a host, an origin or the token is invalid. The error names the setting.
    pub(crate) fn new(settings: &AccessSettings, listened: Option<IpAddr>) -> Result<Self, Error> {
        let host = |text: &String| {
            Host::parse(text).map_err(|fault| endpoint::invalid("host", text, fault))
        };
        let origin = |text: &String| {
            Origin::parse(text).map_err(|fault| endpoint::invalid("allow_origin", text, fault))
        };
        let token = |text: &String| {
            let token = AdminToken::new(text);
            token.map_err(|fault| Error::configuration(format!("invalid `admin_token`: {fault}")))
        };
        Ok(Self {
            listened,
            hosts: settings.hosts.iter().map(host).collect::<Result<_, _>>()?,
            origins: settings
                .origins
                .iter()
                .map(origin)
                .collect::<Result<_, _>>()?,
            admin_token: settings.admin_token.as_ref().map(token).transpose()?,
            has_page: !settings.is_page_off,
        })
    }

    /// Returns true if requests to the admin service may have this host, on a connection to this local address.
    pub(super) fn allows_host(&self, host: &Host, local: Option<IpAddr>) -> bool {
        host.is_loopback() || host.is(self.listened) || host.is(local) || self.hosts.contains(host)
    }

    /// Returns the origin of a request if the request has exactly one and it is allowed.
    pub(super) fn allowed_origin<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let only = origins.next().filter(|_| origins.next().is_none())?;
        let origin = Origin::parse(only.to_str().ok()?).ok()?;
        self.origins.contains(&origin).then_some(only)
    }

    pub(super) fn allows_origins(&self) -> bool {
        !self.origins.is_empty()
    }

    /// Returns true if the page is served.
    pub(super) fn has_page(&self) -> bool {
        self.has_page
    }

    pub(super) fn admin_token(&self) -> Option<&AdminToken> {
        self.admin_token.as_ref()
    }
}

impl fmt::Debug for AccessSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessSettings")
            .field("hosts", &self.hosts)
            .field("origins", &self.origins)
            .field("admin_token", &self.admin_token.is_some())
            .field("is_page_off", &self.is_page_off)
            .finish()
    }
}
