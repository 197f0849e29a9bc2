//! Where a credential may be sent.

use std::fmt;

use http::Uri;
use http::uri::{Authority, Scheme};

use super::{EMULATOR_HOST, Named, is_loopback, is_loopback_for_any_resolver};

/// A credential of a client, by where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// No credential.
    Nothing,
    /// Application default credentials, which nobody chose for this address.
    #[cfg_attr(
        not(any(feature = "auth", test)),
        expect(dead_code, reason = "this build has no credentials")
    )]
    Default,
    /// A token, a key or credentials that were set on the builder.
    #[cfg_attr(
        not(any(feature = "auth", test)),
        expect(dead_code, reason = "this build has no credentials")
    )]
    Set,
    /// A client certificate, which TLS shows to a server that asks for one.
    Identity,
}

/// The way of a client's calls to the service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route<'a> {
    pub(crate) endpoint: &'a Uri,
    pub(crate) named: Named,
    pub(crate) proxy: Option<&'a Uri>,
    /// A transport or a connector of the user's resolves the endpoint's name.
    pub(crate) foreign: bool,
}

/// The decision about a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Send,
    /// Calls go without it.
    Withhold,
    /// The client is not built.
    Refuse(Refusal),
}

/// The reason why a credential cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The endpoint is plaintext and on another machine.
    Plaintext,
    /// The endpoint is plaintext, and the proxy is on another machine.
    Proxy,
    /// The address is that of an emulator on another machine.
    Emulator,
}

/// Decides whether a credential may be sent by a route.
///
/// A credential goes only to the host that it is meant for, never in plaintext beyond loopback, and never to an emulator.
/// The one exception are credentials that were set on the builder: they go to an emulator on loopback, which may require
/// a token.
pub(crate) fn decide(credential: Credential, route: &Route<'_>) -> Decision {
    let emulator = route.named == Named::Emulator;
    match credential {
        Credential::Nothing => Decision::Withhold,
        Credential::Default | Credential::Identity if emulator => Decision::Withhold,
        Credential::Identity if route.is_plaintext() => Decision::Withhold,
        Credential::Identity => Decision::Send,
        // A plaintext server on loopback is an emulator or a server of a test.
        Credential::Default if route.is_plaintext() && route.ends_on_loopback() => {
            Decision::Withhold
        }
        Credential::Set if emulator && !route.stays_on_loopback() => {
            Decision::Refuse(Refusal::Emulator)
        }
        Credential::Default | Credential::Set if !route.is_plaintext() => Decision::Send,
        Credential::Default | Credential::Set if !route.ends_on_loopback() => {
            Decision::Refuse(Refusal::Plaintext)
        }
        Credential::Default | Credential::Set if !route.stays_on_loopback() => {
            Decision::Refuse(Refusal::Proxy)
        }
        Credential::Default | Credential::Set => Decision::Send,
    }
}

impl Route<'_> {
    fn is_plaintext(&self) -> bool {
        self.endpoint.scheme() != Some(&Scheme::HTTPS)
    }

    fn ends_on_loopback(&self) -> bool {
        let host = self.endpoint.host().unwrap_or_default();
        match self.foreign {
            true => is_loopback_for_any_resolver(host),
            false => is_loopback(host),
        }
    }

    /// A proxy on another machine connects to the loopback of that machine.
    fn stays_on_loopback(&self) -> bool {
        let local = |proxy: &Uri| is_loopback(proxy.host().unwrap_or_default());
        self.ends_on_loopback() && self.proxy.is_none_or(local)
    }

    /// The error of a refusal, without its first words.
    pub(crate) fn explain(&self, refusal: Refusal) -> String {
        let endpoint = Origin(self.endpoint);
        match refusal {
            Refusal::Plaintext => format!(
                "{endpoint} is plaintext and not a loopback address, so no credential is sent there; use https, or `anonymous`"
            ),
            Refusal::Proxy => {
                let proxy = self
                    .proxy
                    .map_or_else(String::new, |uri| Origin(uri).to_string());
                format!(
                    "{endpoint} is plaintext and the proxy {proxy} is not a loopback address, so no credential is sent through it; use https, `no_proxy`, or `anonymous`"
                )
            }
            Refusal::Emulator => format!(
                "`{EMULATOR_HOST}` names {endpoint}, which is not a loopback address, so no credential is sent there; use `anonymous`, or set the address as `endpoint`"
            ),
        }
    }
}

/// Returns whether a request in plaintext to this address leaves the machine, whoever resolves its name.
#[cfg(feature = "auth")]
pub(crate) fn is_exposed(uri: &Uri) -> bool {
    uri.scheme() == Some(&Scheme::HTTP) && !uri.host().is_some_and(is_loopback_for_any_resolver)
}

/// Scheme, host and port.
pub(crate) struct Origin<'a>(pub(crate) &'a Uri);

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or("http");
        let authority = self.0.authority().map_or("", Authority::as_str);
        write!(f, "{scheme}://{authority}")
    }
}

#[cfg(test)]
mod tests {
    use super::Credential::{Default, Identity, Nothing, Set};
    use super::Decision::{Refuse, Send, Withhold};
    use super::Named::{Emulator, Endpoint, Universe};
    use super::*;

    fn decided(
        credential: Credential,
        (named, endpoint, proxy, foreign): (Named, &str, &str, bool),
    ) -> Decision {
        let uri = |text: &str| text.parse::<Uri>().expect(text);
        let (endpoint, proxy) = (uri(endpoint), (!proxy.is_empty()).then(|| uri(proxy)));
        let route = Route {
            endpoint: &endpoint,
            named,
            proxy: proxy.as_ref(),
            foreign,
        };
        decide(credential, &route)
    }

    /// How the address was named, the address, the proxy, whether others resolve its name; then the decisions about default
    /// credentials, about credentials that were set, and about a client certificate.
    type Row = (
        (Named, &'static str, &'static str, bool),
        Decision,
        Decision,
        Decision,
    );

    const PLAINTEXT: Decision = Refuse(Refusal::Plaintext);
    const PROXY: Decision = Refuse(Refusal::Proxy);
    const EMULATOR: Decision = Refuse(Refusal::Emulator);
    const REMOTE: &str = "http://proxy.test:3128";
    const REMOTE_TLS: &str = "https://proxy.test:3128";
    const LOCAL: &str = "http://127.0.0.1:3128";

    const ROWS: [Row; 41] = [
        // The service itself, by the default or by a universe domain.
        (
            (Universe, "https://apigateway.googleapis.com", "", false),
            Send,
            Send,
            Send,
        ),
        (
            (Universe, "https://apigateway.googleapis.com", REMOTE, false),
            Send,
            Send,
            Send,
        ),
        (
            (
                Universe,
                "https://apigateway.mtls.googleapis.com",
                "",
                false,
            ),
            Send,
            Send,
            Send,
        ),
        (
            (Universe, "https://apigateway.universe.test", "", false),
            Send,
            Send,
            Send,
        ),
        (
            (Universe, "https://apigateway.universe.test", "", true),
            Send,
            Send,
            Send,
        ),
        // An endpoint that was set, with TLS.
        (
            (Endpoint, "https://gateway.test", "", false),
            Send,
            Send,
            Send,
        ),
        (
            (Endpoint, "https://gateway.test", REMOTE, false),
            Send,
            Send,
            Send,
        ),
        (
            (Endpoint, "https://gateway.test", REMOTE_TLS, false),
            Send,
            Send,
            Send,
        ),
        (
            (Endpoint, "https://gateway.test", "", true),
            Send,
            Send,
            Send,
        ),
        (
            (Endpoint, "https://localhost:1", "", false),
            Send,
            Send,
            Send,
        ),
        (
            (Endpoint, "https://localhost:1", REMOTE, false),
            Send,
            Send,
            Send,
        ),
        // In plaintext, beyond loopback.
        (
            (Endpoint, "http://gateway.test", "", false),
            PLAINTEXT,
            PLAINTEXT,
            Withhold,
        ),
        (
            (Endpoint, "http://gateway.test", "", true),
            PLAINTEXT,
            PLAINTEXT,
            Withhold,
        ),
        (
            (Endpoint, "http://gateway.test", LOCAL, false),
            PLAINTEXT,
            PLAINTEXT,
            Withhold,
        ),
        (
            (Endpoint, "http://gateway.test", REMOTE_TLS, false),
            PLAINTEXT,
            PLAINTEXT,
            Withhold,
        ),
        (
            (Endpoint, "http://192.0.2.1:80", "", false),
            PLAINTEXT,
            PLAINTEXT,
            Withhold,
        ),
        (
            (Endpoint, "http://0.0.0.0:80", "", false),
            PLAINTEXT,
            PLAINTEXT,
            Withhold,
        ),
        (
            (Endpoint, "http://localhost.test", "", false),
            PLAINTEXT,
            PLAINTEXT,
            Withhold,
        ),
        (
            (Endpoint, "http://notlocalhost", "", false),
            PLAINTEXT,
            PLAINTEXT,
            Withhold,
        ),
        // In plaintext, on loopback.
        (
            (Endpoint, "http://127.0.0.1:80", "", false),
            Withhold,
            Send,
            Withhold,
        ),
        (
            (Endpoint, "http://127.8.8.8", "", false),
            Withhold,
            Send,
            Withhold,
        ),
        (
            (Endpoint, "http://[::1]:80", "", false),
            Withhold,
            Send,
            Withhold,
        ),
        (
            (Endpoint, "http://[::ffff:127.0.0.1]:80", "", false),
            Withhold,
            Send,
            Withhold,
        ),
        (
            (Endpoint, "http://LOCALHOST.:80", "", false),
            Withhold,
            Send,
            Withhold,
        ),
        (
            (Endpoint, "http://localhost:80", "", true),
            Withhold,
            Send,
            Withhold,
        ),
        (
            (Endpoint, "http://127.0.0.1:80", "", true),
            Withhold,
            Send,
            Withhold,
        ),
        // Only our own resolver is known to take these names for loopback.
        (
            (Endpoint, "http://foo.localhost:80", "", false),
            Withhold,
            Send,
            Withhold,
        ),
        (
            (Endpoint, "http://foo.localhost:80", "", true),
            PLAINTEXT,
            PLAINTEXT,
            Withhold,
        ),
        // The loopback that a proxy connects to is that of its own machine.
        (
            (Endpoint, "http://localhost:80", LOCAL, false),
            Withhold,
            Send,
            Withhold,
        ),
        (
            (Endpoint, "http://localhost:80", REMOTE, false),
            Withhold,
            PROXY,
            Withhold,
        ),
        (
            (Endpoint, "http://127.0.0.1:80", REMOTE_TLS, false),
            Withhold,
            PROXY,
            Withhold,
        ),
        // An emulator that the environment names.
        (
            (Emulator, "http://127.0.0.1:80", "", false),
            Withhold,
            Send,
            Withhold,
        ),
        (
            (Emulator, "https://127.0.0.1:80", "", false),
            Withhold,
            Send,
            Withhold,
        ),
        (
            (Emulator, "https://[::1]:80", "", false),
            Withhold,
            Send,
            Withhold,
        ),
        (
            (Emulator, "https://foo.localhost", "", false),
            Withhold,
            Send,
            Withhold,
        ),
        (
            (Emulator, "https://foo.localhost", "", true),
            Withhold,
            EMULATOR,
            Withhold,
        ),
        (
            (Emulator, "http://emulator.test:80", "", false),
            Withhold,
            EMULATOR,
            Withhold,
        ),
        (
            (Emulator, "https://emulator.test:80", "", false),
            Withhold,
            EMULATOR,
            Withhold,
        ),
        (
            (Emulator, "https://localhost:80", REMOTE, false),
            Withhold,
            EMULATOR,
            Withhold,
        ),
        (
            (Emulator, "http://localhost:80", REMOTE_TLS, false),
            Withhold,
            EMULATOR,
            Withhold,
        ),
        (
            (Emulator, "https://localhost:80", LOCAL, false),
            Withhold,
            Send,
            Withhold,
        ),
    ];

    #[test]
    fn a_credential_is_sent_to_the_host_that_it_is_meant_for_and_never_in_plaintext_or_to_an_emulator()
     {
        for (route, default, set, identity) in ROWS {
            assert_eq!(decided(Default, route), default, "default, {route:?}");
            assert_eq!(decided(Set, route), set, "set, {route:?}");
            assert_eq!(decided(Identity, route), identity, "identity, {route:?}");
            assert_eq!(decided(Nothing, route), Withhold, "{route:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_addresses_and_what_to_do() {
        let (endpoint, proxy) = (
            Uri::from_static("http://localhost:1/"),
            Uri::from_static("http://proxy.test:2/"),
        );
        let route = Route {
            endpoint: &endpoint,
            named: Endpoint,
            proxy: Some(&proxy),
            foreign: false,
        };
        let text = route.explain(Refusal::Proxy);
        for part in ["http://localhost:1 ", "http://proxy.test:2 ", "`no_proxy`"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(route.explain(Refusal::Emulator).contains(EMULATOR_HOST));
        assert!(route.explain(Refusal::Plaintext).contains("use https"));
    }

    #[cfg(feature = "auth")]
    #[test]
    fn only_plaintext_to_another_machine_is_exposed() {
        let cases = [
            ("https://example.com", false),
            ("http://example.com", true),
            ("http://192.0.2.1:80", true),
            ("http://0.0.0.0:80", true),
            ("http://localhost.example.com", true),
            ("http://foo.localhost", true),
            ("http://127.0.0.1:80", false),
            ("http://127.8.8.8", false),
            ("http://[::1]:80", false),
            ("http://[::ffff:127.0.0.1]:80", false),
            ("http://LOCALHOST:80", false),
            ("/google.longrunning.Operations/GetOperation", false),
        ];
        for (text, exposed) in cases {
            assert_eq!(is_exposed(&text.parse().expect("valid")), exposed, "{text}");
        }
    }
}
