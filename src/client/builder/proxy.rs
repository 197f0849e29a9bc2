//! The knobs for proxies.

use std::fmt;

use super::Builder;
use crate::error::Error;
use crate::transport::{Proxy, ProxyMode};

/// What was set of proxies.
#[derive(Clone, Default)]
pub(super) enum Setting {
    #[default]
    Environment,
    Nothing,
    Url(String),
}

impl Setting {
    pub(super) fn mode(&self) -> Result<ProxyMode, Error> {
        Ok(match self {
            Self::Environment => ProxyMode::Environment,
            Self::Nothing => ProxyMode::Direct,
            Self::Url(url) => ProxyMode::Proxy(Proxy::parse("proxy", url)?),
        })
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL may hold a password.
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::Nothing => "Nothing",
            Self::Url(_) => "Url(…)",
        })
    }
}

impl<T, L, A> Builder<T, L, A> {
    /// Connects through this proxy, whatever the environment says and wherever the endpoint is; by default
    /// the environment says, as it does for curl.
    ///
    /// It is written `[SCHEME://][USER:PASSWORD@]HOST[:PORT]`. The scheme is `http` or `https`, where the proxy
    /// itself is called by TLS with the roots of this client, and without it `http`; the port is 1080, or 443
    /// for `https`. User and password are percent-encoded, and go to the proxy alone. Every connection is a
    /// tunnel made by CONNECT, that of a plaintext endpoint and that of REST too, since HTTP/2 needs one. It is
    /// part of what [`connect_timeout`](Self::connect_timeout) bounds.
    ///
    /// Of the environment, an `https` endpoint goes by `https_proxy`, a plaintext one by `http_proxy`, and either
    /// by `all_proxy` where that is missing. Capitals serve too, but for HTTP_PROXY. Hosts in `no_proxy` are
    /// called directly: names, with all names below them, addresses, networks such as `10.0.0.0/8`, or `*`
    /// alone. Any other entry is ignored, with a warning. Loopback addresses, and the emulator that `APIGATEWAY_EMULATOR_HOST`
    /// names, are always called directly.
    ///
    /// An invalid URL, set here or in the environment, makes [`build`](Self::build) fail. So do credentials for a plaintext
    /// endpoint on loopback if the proxy is on another machine. Default credentials are fetched by
    /// google-cloud-auth, which asks the environment itself, and knows nothing of this setting.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.settings.proxy = Setting::Url(url.into());
        self
    }

    /// Connects directly, whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.settings.proxy = Setting::Nothing;
        self
    }
}
