//! Decides where a credential may be sent.

use http::Uri;
use http::uri::Scheme;

use super::{DisplayOrigin, EndpointSource, is_loopback, is_loopback_for_any_resolver};

/// A credential of a client, by its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// No credential.
    Anonymous,
    /// Application default credentials, which the user did not choose for this address.
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
    /// A client certificate. TLS sends it if the server requests one.
    Identity,
}

/// The route from a client to the service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CredentialRoute<'a> {
    pub(crate) endpoint: &'a Uri,
    pub(crate) source: EndpointSource,
    /// The variable that names the emulator, if the endpoint is one.
    pub(crate) emulator_variable: &'a str,
    pub(crate) proxy: Option<&'a Uri>,
    /// True if a transport or a connector of the user resolves the endpoint's name.
    pub(crate) custom_resolver: bool,
}

/// The decision about a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialDecision {
    /// Calls have the credential.
    Send,
    /// Calls do not have the credential.
    Withhold,
    /// Building the client fails.
    Refuse(CredentialRefusal),
}

/// The reason why a credential cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialRefusal {
    /// The endpoint is plaintext and not a loopback address.
    Plaintext,
    /// The endpoint is plaintext and a loopback address, but the proxy is not on a loopback address.
    Proxy,
    /// The endpoint is an emulator, and the emulator or the proxy is not on a loopback address.
    Emulator,
}

/// Decides whether a credential may be sent over a route.
///
/// A credential is sent only to its own service. It is never sent in plaintext, except to a loopback address, and never to an
/// emulator. There is one exception: credentials that were set on the builder are sent to an emulator on a loopback address,
/// since that emulator may require a token. They are not sent through a proxy on another machine.
pub(crate) fn decide_credential(
    credential: Credential,
    route: &CredentialRoute<'_>,
) -> CredentialDecision {
    use CredentialDecision as Decision;
    use CredentialRefusal as Refusal;

    let is_emulator = route.source == EndpointSource::Emulator;
    match credential {
        Credential::Anonymous => Decision::Withhold,
        Credential::Default | Credential::Identity if is_emulator => Decision::Withhold,
        Credential::Identity if route.is_plaintext() => Decision::Withhold,
        Credential::Identity => Decision::Send,
        // Withheld, since a plaintext server on a loopback address is an emulator or a test server.
        Credential::Default if route.is_plaintext() && route.ends_on_loopback() => {
            Decision::Withhold
        }
        Credential::Set if is_emulator && !route.stays_on_loopback() => {
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

impl CredentialRoute<'_> {
    fn is_plaintext(&self) -> bool {
        self.endpoint.scheme() != Some(&Scheme::HTTPS)
    }

    fn ends_on_loopback(&self) -> bool {
        let host = self.endpoint.host().unwrap_or_default();
        match self.custom_resolver {
            true => is_loopback_for_any_resolver(host),
            false => is_loopback(host),
        }
    }

    /// Returns whether the route ends on loopback and has no remote proxy. A remote proxy would connect to the loopback address
    /// of its own machine.
    fn stays_on_loopback(&self) -> bool {
        let is_local = |proxy: &Uri| is_loopback(proxy.host().unwrap_or_default());
        self.ends_on_loopback() && self.proxy.is_none_or(is_local)
    }

    /// Returns the text of the error for a refusal.
    pub(crate) fn explain(&self, refusal: CredentialRefusal) -> String {
        let endpoint = DisplayOrigin(self.endpoint);
        match refusal {
            CredentialRefusal::Plaintext => format!(
                "{endpoint} is plaintext and not a loopback address, so no credential is sent to it; use https, or `anonymous`"
            ),
            CredentialRefusal::Proxy => {
                let proxy = self
                    .proxy
                    .map_or_else(String::new, |uri| DisplayOrigin(uri).to_string());
                format!(
                    "{endpoint} is plaintext and the proxy {proxy} is not a loopback address, so no credential is sent through it; use https, `no_proxy`, or `anonymous`"
                )
            }
            CredentialRefusal::Emulator => format!(
                "`{}` is {endpoint}, but a credential is not sent to an emulator that is not a loopback address, or through a proxy that is not; use `anonymous` or `no_proxy`, or set the address as `endpoint`",
                self.emulator_variable
            ),
        }
    }
}

/// Returns whether a request to this address is plaintext and may leave this machine, with any resolver.
#[cfg(feature = "auth")]
pub(crate) fn is_plaintext_remote(uri: &Uri) -> bool {
    uri.scheme() == Some(&Scheme::HTTP) && !uri.host().is_some_and(is_loopback_for_any_resolver)
}

#[cfg(test)]
mod tests {
    use super::super::EMULATOR_HOST;
    use super::Credential::{Anonymous, Default, Identity, Set};
    use super::CredentialDecision::{Refuse, Send, Withhold};
    use super::EndpointSource::{Emulator, Endpoint, Universe};
    use super::*;

    fn decided(
        credential: Credential,
        (source, endpoint, proxy, custom_resolver): (EndpointSource, &str, &str, bool),
    ) -> CredentialDecision {
        let uri = |text: &str| text.parse::<Uri>().expect(text);
        let (endpoint, proxy) = (uri(endpoint), (!proxy.is_empty()).then(|| uri(proxy)));
        let route = CredentialRoute {
            endpoint: &endpoint,
            source,
            emulator_variable: EMULATOR_HOST,
            proxy: proxy.as_ref(),
            custom_resolver,
        };
        decide_credential(credential, &route)
    }

    /// The route (source of the address, address, proxy, custom resolver), and three decisions: about default credentials,
    /// about credentials that were set, and about a client certificate.
    type Row = (
        (EndpointSource, &'static str, &'static str, bool),
        CredentialDecision,
        CredentialDecision,
        CredentialDecision,
    );

    const PLAINTEXT: CredentialDecision = Refuse(CredentialRefusal::Plaintext);
    const PROXY: CredentialDecision = Refuse(CredentialRefusal::Proxy);
    const EMULATOR: CredentialDecision = Refuse(CredentialRefusal::Emulator);
    const REMOTE: &str = "http://proxy.test:3128";
    const REMOTE_TLS: &str = "https://proxy.test:3128";
    const LOCAL: &str = "http://127.0.0.1:3128";

    const ROWS: [Row; 41] = [
        // The service, in the default universe or in another one.
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
        // Plaintext, not a loopback address.
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
        // Plaintext, a loopback address.
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
        // Only this crate's resolver is certain to resolve these names to loopback.
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
        // A proxy connects to the loopback address of its own machine.
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
        // An emulator named by the environment.
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
    fn each_kind_of_credential_is_sent_only_over_the_routes_that_it_permits() {
        for (route, default, set, identity) in ROWS {
            assert_eq!(decided(Default, route), default, "default, {route:?}");
            assert_eq!(decided(Set, route), set, "set, {route:?}");
            assert_eq!(decided(Identity, route), identity, "identity, {route:?}");
            assert_eq!(decided(Anonymous, route), Withhold, "{route:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_addresses_and_a_remedy() {
        let (endpoint, proxy) = (
            Uri::from_static("http://localhost:1/"),
            Uri::from_static("http://proxy.test:2/"),
        );
        let route = CredentialRoute {
            endpoint: &endpoint,
            source: Endpoint,
            emulator_variable: EMULATOR_HOST,
            proxy: Some(&proxy),
            custom_resolver: false,
        };
        let text = route.explain(CredentialRefusal::Proxy);
        for part in ["http://localhost:1 ", "http://proxy.test:2 ", "`no_proxy`"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(
            route
                .explain(CredentialRefusal::Emulator)
                .contains(EMULATOR_HOST)
        );
        assert!(
            route
                .explain(CredentialRefusal::Plaintext)
                .contains("use https")
        );
    }

    #[cfg(feature = "auth")]
    #[test]
    fn only_plaintext_to_another_machine_is_plaintext_remote() {
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
        for (text, expected) in cases {
            let uri = text.parse().expect("valid");
            assert_eq!(is_plaintext_remote(&uri), expected, "{text}");
        }
    }
}
