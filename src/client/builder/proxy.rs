//! The settings of proxies.

use std::fmt;

use super::Builder;
use crate::error::Error;
use crate::transport::{Proxy, ProxyMode};

/// The choice of a proxy.
#[derive(Clone, Default)]
pub(super) enum ProxySetting {
    #[default]
    Environment,
    Direct,
    Url(String),
}

impl ProxySetting {
    pub(super) fn mode(&self) -> Result<ProxyMode, Error> {
        Ok(match self {
            Self::Environment => ProxyMode::Environment,
            Self::Direct => ProxyMode::Direct,
            Self::Url(url) => ProxyMode::Proxy(Proxy::parse("proxy", url)?),
        })
    }
}

impl fmt::Debug for ProxySetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL may contain a password.
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::Direct => "Direct",
            Self::Url(_) => "Url(…)",
        })
    }
}

impl<C> Builder<C> {
    /// Sets a proxy for all endpoints. By default, environment variables select the proxy, as for curl.
    ///
    /// The form is `[SCHEME://][USER:PASSWORD@]HOST[:PORT]`. The scheme is `http`, the default, or `https`, which connects to
    /// the proxy by TLS with the roots of this client. The default port is 1080, or 443 for `https`. User and password are
    /// percent-encoded, and only the proxy receives them. Every connection is a CONNECT tunnel, even to a plaintext endpoint
    /// and for REST, since HTTP/2 needs a tunnel. [`connect_timeout`](Self::connect_timeout) includes the tunnel.
    ///
    /// In the environment, `https_proxy` is the proxy of an `https` endpoint, `http_proxy` is the proxy of a plaintext
    /// endpoint, and `all_proxy` is the default for both. The upper-case names are read too, except `HTTP_PROXY`. Hosts in
    /// `no_proxy` are called directly. An entry is a name, an address, a network such as `10.0.0.0/8`, or `*` alone. A name
    /// includes all names below it. Any other entry is ignored, with a warning. A proxy of the environment is never used for
    /// loopback addresses, nor for the emulator that `APIGATEWAY_EMULATOR_HOST` names.
    ///
    /// An invalid URL, set here or in the environment, makes [`build`](Self::build) fail. `build` also fails if credentials for
    /// a plaintext endpoint on loopback, or for an emulator, would pass through a proxy on another machine. This setting does
    /// not apply to requests for tokens: google-cloud-auth makes these requests, and reads the environment itself.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.settings.proxy = ProxySetting::Url(url.into());
        self
    }

    /// Connects without a proxy, even if the environment sets one.
    pub fn no_proxy(mut self) -> Self {
        self.settings.proxy = ProxySetting::Direct;
        self
    }
}
