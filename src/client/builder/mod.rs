//! Every knob of a client and its default.

use std::fmt;
use std::time::Duration;

use tower::layer::util::{Identity, Stack as Both};

use super::ApiGateway;
use crate::call::CallOptions;
use crate::contract::RetryPolicy;
use crate::error::Error;
use crate::layer::metrics::MeasureLayer;
use crate::layer::response_check::GuardLayer;
use crate::layer::retry::{RetryLayer, RetryThrottling};
use crate::layer::server_address::ServerName;
use crate::layer::trace::TraceLayer;
use crate::stack::clients::Clients;
use crate::stack::credentials::Authentication;
use crate::stack::{self, Authenticated, Carrier, Core, Layers, Stack, Wrap};
use crate::telemetry;
use crate::transport::Transport;

mod connection;
mod connector;
#[cfg(feature = "auth")]
mod credentials;
mod proxy;
mod settings;
mod source;

use settings::Settings;
use source::Source;
pub use source::{Given, Own};

/// Builds an [`ApiGateway`]; begin with [`ApiGateway::builder`].
///
/// By default, calls go to `apigateway.googleapis.com` over gRPC and TLS, with the application default credentials. If
/// `APIGATEWAY_EMULATOR_HOST` names an emulator, they go there without these credentials.
///
/// # Where credentials are sent
///
/// A credential goes only to the host that it is meant for, never in plaintext beyond loopback, and never to an emulator. The
/// one exception is a token, a key or credentials that were set on the builder: they go to an emulator on loopback, which may
/// require a token.
///
/// | the address | application default credentials | a token, a key or credentials that were set | [`client_identity`](Self::client_identity) |
/// |---|---|---|---|
/// | `https`, directly or through a proxy | sent | sent | shown |
/// | plaintext on loopback | not used | sent | not shown |
/// | plaintext on loopback, through a proxy on another machine | not used | `build` fails | not shown |
/// | plaintext on another machine | `build` fails | `build` fails | not shown |
/// | an emulator that `APIGATEWAY_EMULATOR_HOST` names, on loopback | not used | sent | not shown |
/// | an emulator that this variable names, on another machine, with `https` too | not used | `build` fails | not shown |
///
/// Loopback is 127.0.0.0/8, ::1, `localhost` and the names below `localhost`, such as `a.localhost`, which are not looked up in
/// DNS. A transport or a connector of yours may look them up, so with one the names below `localhost` are not loopback.
/// Redirects are never followed. If the credentials belong to another universe than the client, the first call fails before
/// anything is sent.
#[must_use = "nothing is built before `build`"]
pub struct Builder<T = Own, L = Identity, A = Identity> {
    settings: Settings,
    transport: T,
    call_layer: L,
    attempt_layer: A,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            settings: Settings::default(),
            transport: Own,
            call_layer: Identity::new(),
            attempt_layer: Identity::new(),
        }
    }
}

impl<T, L, A> Builder<T, L, A> {
    /// The address of the service: `https://HOST[:PORT]`, `http://HOST[:PORT]` for plaintext, or
    /// `HOST[:PORT]` for TLS. It takes precedence over the emulator, the universe domain and
    /// the endpoint for mutual TLS.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.settings.endpoint = Some(endpoint.into());
        self
    }

    /// The domain of the universe whose service is called (AIP-4120). The default is that of the variable
    /// `GOOGLE_CLOUD_UNIVERSE_DOMAIN`, else `googleapis.com`. The credentials must belong to the same universe.
    pub fn universe_domain(mut self, domain: impl Into<String>) -> Self {
        self.settings.universe_domain = Some(domain.into());
        self
    }

    /// Calls without credentials. That is the default on a plaintext loopback address, and for the emulator that
    /// `APIGATEWAY_EMULATOR_HOST` names.
    pub fn anonymous(self) -> Self {
        self.authentication(Authentication::None)
    }

    fn authentication(mut self, authentication: Authentication) -> Self {
        self.settings.authentication = authentication;
        self
    }

    /// The project whose quota the calls use. By default it is that of `GOOGLE_CLOUD_QUOTA_PROJECT`, else the
    /// `quota_project_id` of the credential file.
    pub fn quota_project(mut self, project: impl Into<String>) -> Self {
        self.settings.quota_project = Some(project.into());
        self
    }

    /// Stands before our own part of the `user-agent` header, as `name/version`.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.settings.user_agent = Some(user_agent.into());
        self
    }

    /// How long each call may take, all attempts together; by default what the contract's table says.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.options.timeout = Some(timeout);
        self
    }

    /// When failed calls are tried again; by default what the contract's table says.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.settings.options.retry = Some(policy);
        self
    }

    /// When calls that keep failing are no longer tried again, for all calls of the client together; `None`
    /// leaves that to the retry policy and the deadline alone. The defaults stand with [`RetryThrottling`].
    pub fn retry_throttling(mut self, throttling: Option<RetryThrottling>) -> Self {
        self.settings.retry_throttling = throttling;
        self
    }

    /// What holds for each call that has no option of its own.
    pub fn call_options(mut self, options: CallOptions) -> Self {
        self.settings.options = options;
        self
    }

    /// Wraps every call in a layer of yours. It sees the request as the generated client made it, and the
    /// outcome after all attempts. A layer set later is inside one set earlier.
    pub fn with_layer<M>(self, layer: M) -> Builder<T, Both<M, L>, A> {
        Builder {
            settings: self.settings,
            transport: self.transport,
            call_layer: Both::new(layer, self.call_layer),
            attempt_layer: self.attempt_layer,
        }
    }

    /// Wraps every attempt of a call in a layer of yours. It sees the request as the server will, but for
    /// its credentials. A layer set later is inside one set earlier.
    pub fn with_attempt_layer<M>(self, layer: M) -> Builder<T, L, Both<M, A>> {
        Builder {
            settings: self.settings,
            transport: self.transport,
            call_layer: self.call_layer,
            attempt_layer: Both::new(layer, self.attempt_layer),
        }
    }

    /// Carries the calls over a service of yours: a tonic `Channel`, an in-process server, anything that
    /// takes a gRPC request. The knobs of connections have no meaning then, and the endpoint only says
    /// whether credentials may be sent.
    pub fn with_transport<S: Carrier>(self, transport: S) -> Builder<Given<S>, L, A> {
        Builder {
            settings: self.settings,
            transport: Given(transport),
            call_layer: self.call_layer,
            attempt_layer: self.attempt_layer,
        }
    }
}

impl<L, A> Builder<Own, L, A> {
    /// How calls travel, gRPC by default.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.settings.transport = transport;
        self
    }
}

impl<T, L, A> Builder<T, L, A>
where
    T: Source,
    A: Wrap<Authenticated<T::Service>>,
    L: Wrap<Core<A::Wrapped>>,
{
    /// Checks all settings and assembles the client. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// - A setting or a variable is invalid. The error names it, its value and the fault.
    /// - Credentials must not be sent to the address, by the [table above](Self#where-credentials-are-sent).
    /// - TLS has no provider or no certificate roots.
    /// - The function of `credentials_from` fails or panics.
    ///
    /// With the application default credentials, also:
    ///
    /// - The credential file cannot be read, is not valid JSON, lacks a field or has a type that cannot be loaded. The error
    ///   names the file and the variable that named it.
    /// - There are no CA certificates for the token endpoint.
    /// - `build` is called outside a Tokio runtime.
    ///
    /// `build` does not use the network. If there is no metadata server, or the token endpoint rejects the credentials, the
    /// first call fails, as the module `layer::auth` describes.
    pub fn build(self) -> Result<ApiGateway, Error> {
        let Self {
            settings,
            transport,
            call_layer,
            attempt_layer,
        } = self;
        let place = settings.place()?;
        let target = settings.target(&place)?;
        let headers = settings.headers()?;
        let throttling = settings.retry_throttling.map(RetryThrottling::check);
        let throttling = throttling.transpose()?;
        // Before the credentials, whose library panics where there are no certificate roots.
        let (transport, active) = transport.open(&settings, &target)?;
        let auth = settings.authentication(&place, &target, active.is_some())?;
        // A transport of the user's goes wherever it goes.
        let server = active.as_ref().map(|_| ServerName::of(&target.uri));
        let layers = Layers {
            call: call_layer,
            measure: MeasureLayer::new(server.clone()),
            trace: TraceLayer { server },
            headers,
            retry: RetryLayer::new(throttling, active.clone()),
            attempt: attempt_layer,
            auth,
            guard: GuardLayer {
                max_reply: settings.max_reply_size,
                max_metadata: settings.max_metadata_size,
            },
        };
        telemetry::describe();
        let stack: Stack = stack::stack(layers, transport);
        let clients = Clients::new(stack, settings.max_reply_size, settings.options.timeout);
        Ok(ApiGateway::new(clients, active))
    }
}

impl<T, L, A> fmt::Debug for Builder<T, L, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
