//! Every knob of a client and its default.

use std::fmt;
use std::time::Duration;

use http::{HeaderValue, Uri};
use tower::layer::util::{Identity, Stack as Both};

use crate::authentication::{self, Authentication};
use crate::call::CallOptions;
use crate::client::ApiGateway;
use crate::clients::Clients;
use crate::contract::RetryPolicy;
use crate::endpoint;
use crate::error::Error;
use crate::layer::guard::GuardLayer;
use crate::layer::headers::HeadersLayer;
use crate::layer::measure::MeasureLayer;
use crate::layer::retry::{RetryLayer, RetryThrottling};
use crate::layer::server::ServerName;
use crate::layer::trace::TraceLayer;
use crate::metrics;
use crate::stack::{self, Authenticated, Carrier, Core, Layers, Stack, Wrap};
use crate::transport::{
    Active, Custom, Dial, Dialed, Keepalive, Limits, Target, TlsOptions, Transport,
};

mod connections;
mod connector;
#[cfg(feature = "auth")]
mod credentials;
mod proxy;

/// Builds an [`ApiGateway`]; begin with [`ApiGateway::builder`].
///
/// Without any knob set, calls go by gRPC and TLS to `apigateway.googleapis.com` with the application
/// default credentials, or to the emulator that `APIGATEWAY_EMULATOR_HOST` names.
#[must_use = "nothing is built before `build`"]
pub struct Builder<T = Own, L = Identity, A = Identity> {
    settings: Settings,
    transport: T,
    call_layer: L,
    attempt_layer: A,
}

#[derive(Clone, Debug)]
struct Settings {
    endpoint: Option<String>,
    universe_domain: Option<String>,
    authentication: Authentication,
    quota_project: Option<String>,
    user_agent: Option<String>,
    options: CallOptions,
    retry_throttling: Option<RetryThrottling>,
    connect_timeout: Duration,
    keepalive: Keepalive,
    limits: Limits,
    max_reply_size: usize,
    tls: TlsOptions,
    proxy: proxy::Setting,
    connector: Option<Custom>,
    transport: Transport,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: None,
            universe_domain: None,
            authentication: Authentication::default(),
            quota_project: None,
            user_agent: None,
            options: CallOptions::default(),
            retry_throttling: Some(RetryThrottling::default()),
            // Shorter than the shortest deadline of a call, so that a dead address is told as such.
            connect_timeout: Duration::from_secs(5),
            // The front ends allow a ping every minute or so; a half-open connection is found in 80 s.
            keepalive: Keepalive {
                interval: Duration::from_secs(60),
                timeout: Duration::from_secs(20),
            },
            // The front ends allow 100 streams a connection; over HTTP/1.1 it is as if there were one.
            limits: Limits {
                connections: 16,
                http1: 100,
                streams: 100,
            },
            // A page of configs in full view holds whole OpenAPI documents.
            max_reply_size: 64 << 20,
            tls: TlsOptions::default(),
            proxy: proxy::Setting::default(),
            connector: None,
            transport: Transport::default(),
        }
    }
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
    /// `HOST[:PORT]` for TLS. It goes before the emulator and the universe domain.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.settings.endpoint = Some(endpoint.into());
        self
    }

    /// The universe in which the service is addressed, `googleapis.com` by default (AIP-4120).
    pub fn universe_domain(mut self, domain: impl Into<String>) -> Self {
        self.settings.universe_domain = Some(domain.into());
        self
    }

    /// Calls without credentials. On a plaintext address of this machine that is the default.
    pub fn anonymous(self) -> Self {
        self.authentication(Authentication::None)
    }

    fn authentication(mut self, authentication: Authentication) -> Self {
        self.settings.authentication = authentication;
        self
    }

    /// The project whose quota the calls use. It goes before the one of the credentials.
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
    /// If a setting is not valid, the error names it. If credentials would go to a plaintext address that
    /// is not this machine; if there are no default credentials; if TLS has no provider or no roots.
    pub fn build(self) -> Result<ApiGateway, Error> {
        let Self {
            settings,
            transport,
            call_layer,
            attempt_layer,
        } = self;
        let target = settings.target()?;
        let headers = settings.headers()?;
        let auth = settings.authentication(&target.uri)?;
        let throttling = settings.retry_throttling.map(RetryThrottling::check);
        let throttling = throttling.transpose()?;
        let (transport, active) = transport.open(&settings, &target)?;
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
            },
        };
        metrics::describe();
        let stack: Stack = stack::stack(layers, transport);
        let clients = Clients::new(stack, settings.max_reply_size);
        Ok(ApiGateway::new(clients, active))
    }
}

impl Settings {
    fn target(&self) -> Result<Target, Error> {
        if self.connect_timeout.is_zero() {
            return Err(Error::configuration("connect_timeout: must be above zero"));
        }
        if self.keepalive.interval.is_zero() || self.keepalive.timeout.is_zero() {
            return Err(Error::configuration(
                "keepalive: both durations must be above zero",
            ));
        }
        if self.limits.connections == 0 {
            return Err(Error::configuration("max_connections: must be above zero"));
        }
        if self.limits.streams == 0 {
            return Err(Error::configuration("max_streams: must be above zero"));
        }
        if self.max_reply_size == 0 {
            return Err(Error::configuration("max_reply_size: must be above zero"));
        }
        let mut through = self.proxy.through()?;
        let uri = match &self.endpoint {
            Some(endpoint) => endpoint::parse("endpoint", endpoint)?,
            None => match endpoint::emulator()? {
                Some(emulator) => {
                    through = through.without_environment();
                    emulator
                }
                None => {
                    let domain = self
                        .universe_domain
                        .as_deref()
                        .unwrap_or(endpoint::DEFAULT_UNIVERSE);
                    endpoint::in_universe(domain)?
                }
            },
        };
        Ok(Target {
            uri,
            connect_timeout: self.connect_timeout,
            tls: self.tls.clone(),
            through,
            connector: self.connector.clone(),
        })
    }

    fn headers(&self) -> Result<HeadersLayer, Error> {
        let user_agent = header("user_agent", self.user_agent.as_deref())?;
        let quota_project = header("quota_project", self.quota_project.as_deref())?;
        Ok(HeadersLayer::new(
            user_agent.as_ref(),
            quota_project,
            self.options.clone(),
        ))
    }

    /// An emulator that the environment names is called without credentials, unless some are set.
    fn authentication(&self, uri: &Uri) -> Result<Option<authentication::Layer>, Error> {
        let emulator = self.endpoint.is_none() && uri.scheme_str() == Some("http");
        let authentication = match &self.authentication {
            Authentication::Default if emulator => Authentication::None,
            set => set.clone(),
        };
        authentication.layer(uri)
    }
}

fn header(knob: &str, value: Option<&str>) -> Result<Option<HeaderValue>, Error> {
    let parse = |value| {
        HeaderValue::from_str(value)
            .map_err(|error| Error::configuration_from(format!("{knob}: not header text"), error))
    };
    value.map(parse).transpose()
}

impl<T, L, A> fmt::Debug for Builder<T, L, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Calls travel by a [`Transport`] of this crate.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Own;

/// Calls travel by a service of the user's.
#[derive(Clone, Debug)]
pub struct Given<S>(S);

/// Where the transport under the stack comes from: [`Own`] or [`Given`].
#[expect(
    private_interfaces,
    reason = "sealed: what it gives is the builder's own"
)]
pub trait Source: sealed::Sealed {
    /// The transport.
    type Service: Carrier;

    #[doc(hidden)]
    fn open(
        self,
        settings: &Settings,
        target: &Target,
    ) -> Result<(Self::Service, Option<Active>), Error>;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Own {}
    impl<S> Sealed for super::Given<S> {}
}

#[expect(
    private_interfaces,
    reason = "sealed: what it gives is the builder's own"
)]
impl Source for Own {
    type Service = Dialed;

    fn open(self, settings: &Settings, target: &Target) -> Result<(Dialed, Option<Active>), Error> {
        let dial = Dial {
            transport: settings.transport,
            target,
            keepalive: settings.keepalive,
            limits: settings.limits,
            max_reply: settings.max_reply_size,
        };
        let (dialed, active) = dial.dial()?;
        Ok((dialed, Some(active)))
    }
}

#[expect(
    private_interfaces,
    reason = "sealed: what it gives is the builder's own"
)]
impl<S: Carrier> Source for Given<S> {
    type Service = S;

    fn open(self, _: &Settings, _: &Target) -> Result<(S, Option<Active>), Error> {
        Ok((self.0, None))
    }
}
