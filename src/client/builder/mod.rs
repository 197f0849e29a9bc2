//! The settings of a client and their defaults.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::ApiGateway;
use crate::call::CallOptions;
use crate::contract::{Contract, RetryPolicy};
use crate::error::Error;
use crate::layer::metrics::MetricsLayer;
use crate::layer::response_check::ResponseCheckLayer;
use crate::layer::retry::{RetryLayer, RetryThrottling};
use crate::layer::server_address::ServerAddress;
use crate::layer::trace::TraceLayer;
use crate::operation::clients::Clients;
use crate::operation::profile::{ApiGatewayProfile, ServiceProfile};
use crate::stack::credentials::Authentication;
use crate::stack::{self, GrpcLayer, GrpcService, Layers, Stack, UserLayer};
use crate::telemetry;
use crate::transport::{ActiveTransport, AnyTransport, Transport};

mod connection;
mod connector;
#[cfg(feature = "auth")]
mod credentials;
mod proxy;
mod settings;

use settings::Settings;

/// Builds an [`ApiGateway`], or another client `C`. [`ApiGateway::builder`] returns one.
///
/// By default, calls go to `apigateway.googleapis.com` over gRPC and TLS, with the application default credentials. Without the
/// feature `auth`, calls have no credentials. If `APIGATEWAY_EMULATOR_HOST` names an emulator, calls go to the emulator without
/// these credentials. The calls of a `google::Client` go to the default host of its contract instead. Such a client uses an
/// emulator only if the setting `emulator_variable` names the environment variable with its address.
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
/// | an emulator that this variable names, on another machine, even with `https` | not used | `build` fails | not shown |
/// | an emulator that this variable names, through a proxy on another machine | not used | `build` fails | not shown |
///
/// Loopback is 127.0.0.0/8, ::1, `localhost` and the names below `localhost`, such as `a.localhost`, which are not looked up in
/// DNS. With a transport or a connector of yours, the names below `localhost` do not count as loopback, since the transport or
/// the connector may look them up in DNS. Redirects are never followed. If the credentials belong to another universe than the
/// client, the first call fails before anything is sent.
#[must_use = "nothing is built before `build`"]
pub struct Builder<C = ApiGateway> {
    /// The methods of the client.
    contract: Contract,
    /// The profile of the service; `None` for the default of the client.
    pub(crate) profile: Option<Arc<dyn ServiceProfile>>,
    settings: Settings,
    /// The user's transport, which replaces those of this crate.
    service: Option<Stack>,
    call_layers: Vec<UserLayer>,
    attempt_layers: Vec<UserLayer>,
    client: PhantomData<fn() -> C>,
}

/// A client that [`Builder::build`] returns.
pub(crate) mod sealed {
    use super::{ActiveTransport, Arc, Clients, Contract, ServiceProfile};

    /// The parts of a client.
    #[derive(Debug)]
    pub struct Parts {
        pub(crate) clients: Clients,
        pub(crate) active: Option<ActiveTransport>,
    }

    pub trait FromParts {
        /// Returns the profile of the service that applies if none is set.
        fn profile(contract: &Contract) -> Arc<dyn ServiceProfile>;

        fn from_parts(parts: Parts) -> Self;
    }
}

impl sealed::FromParts for ApiGateway {
    fn profile(_: &Contract) -> Arc<dyn ServiceProfile> {
        Arc::new(ApiGatewayProfile)
    }

    fn from_parts(parts: sealed::Parts) -> Self {
        Self::new(parts.clients, parts.active)
    }
}

impl<C> Builder<C> {
    pub(crate) fn new(contract: Contract, emulator_variable: Option<&'static str>) -> Self {
        Self {
            contract,
            profile: None,
            settings: Settings {
                emulator_variable: emulator_variable.map(Cow::Borrowed),
                ..Settings::default()
            },
            service: None,
            call_layers: Vec::new(),
            attempt_layers: Vec::new(),
            client: PhantomData,
        }
    }

    /// Sets the address of the service: `https://HOST[:PORT]` or `HOST[:PORT]` for TLS, `http://HOST[:PORT]` for plaintext.
    /// This address takes precedence over the emulator, the universe domain and the endpoint for mutual TLS.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.settings.endpoint = Some(endpoint.into());
        self
    }

    /// Sets the universe domain of the service (AIP-4120). The default is the value of the variable
    /// `GOOGLE_CLOUD_UNIVERSE_DOMAIN`, or `googleapis.com`. The credentials must belong to the same universe.
    pub fn universe_domain(mut self, domain: impl Into<String>) -> Self {
        self.settings.universe_domain = Some(domain.into());
        self
    }

    /// Sets the environment variable that names an emulator of the service.
    #[cfg(feature = "google")]
    pub(crate) fn set_emulator_variable(mut self, name: String) -> Self {
        self.settings.emulator_variable = Some(Cow::Owned(name));
        self
    }

    /// Sends no credentials. This is the default for a plaintext loopback address, and for the emulator that
    /// `APIGATEWAY_EMULATOR_HOST` names.
    pub fn anonymous(self) -> Self {
        self.authentication(Authentication::None)
    }

    fn authentication(mut self, authentication: Authentication) -> Self {
        self.settings.authentication = authentication;
        self
    }

    /// Sets the project whose quota the calls use. The default is the value of `GOOGLE_CLOUD_QUOTA_PROJECT`, or the
    /// `quota_project_id` of the credential file.
    pub fn quota_project(mut self, project: impl Into<String>) -> Self {
        self.settings.quota_project = Some(project.into());
        self
    }

    /// Sets the first part of the `user-agent` header, such as `name/version`. The part of this crate follows.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.settings.user_agent = Some(user_agent.into());
        self
    }

    /// Sets the timeout of each call, all attempts included. The default is the method's timeout in the
    /// [`contract`](crate::contract).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.options.timeout = Some(timeout);
        self
    }

    /// Sets when failed calls are retried. The default is the method's policy in the [`contract`](crate::contract).
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.settings.options.retry = Some(policy);
        self
    }

    /// Sets the throttling of retries: failed calls are not retried while too many attempts of the client fail. With `None`,
    /// only the retry policy and the deadline end retries. [`RetryThrottling`] has the defaults.
    pub fn retry_throttling(mut self, throttling: Option<RetryThrottling>) -> Self {
        self.settings.retry_throttling = throttling;
        self
    }

    /// Sets the options of all calls. An option of a single call takes precedence.
    pub fn call_options(mut self, options: CallOptions) -> Self {
        self.settings.options = options;
        self
    }

    /// Wraps every call in a layer of yours. The layer sees the request as the generated client made it, and the outcome after
    /// all attempts. Layers nest in the order in which they are set; the first one is outermost.
    ///
    /// Any tower layer that wraps a [`Stack`] is accepted. Each layer costs one boxed future for each call.
    ///
    /// ```
    /// # #[cfg(feature = "emulator")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), apigateway_grpc::Error> {
    /// # let emulator = apigateway_grpc::emulator::Emulator::builder().build();
    /// use apigateway_grpc::ApiGateway;
    /// use apigateway_grpc::http::HeaderValue;
    /// use apigateway_grpc::stack::GrpcRequest;
    /// use tower::util::MapRequestLayer;
    ///
    /// let tenant = MapRequestLayer::new(|mut request: GrpcRequest| {
    ///     request.headers_mut().insert("x-tenant", HeaderValue::from_static("blue"));
    ///     request
    /// });
    /// let builder = ApiGateway::builder().layer(tenant);
    /// # let client = builder.transport_service(emulator.service()).anonymous().build()?;
    /// # client.list_apis("projects/p/locations/global").first_page().await?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "emulator"))]
    /// # fn main() {}
    /// ```
    pub fn layer(mut self, layer: impl GrpcLayer<Stack> + Send + Sync + 'static) -> Self {
        self.call_layers.push(UserLayer::new(layer));
        self
    }

    /// Wraps every attempt of a call in a layer of yours. The layer sees the request before the credentials and
    /// `grpc-accept-encoding` are added, and before REST transcodes it. Layers nest in the order in which they are set; the
    /// first one is outermost.
    ///
    /// Any tower layer that wraps a [`Stack`] is accepted. The first layer costs two boxed futures for each attempt, and each
    /// further layer costs one.
    pub fn attempt_layer(mut self, layer: impl GrpcLayer<Stack> + Send + Sync + 'static) -> Self {
        self.attempt_layers.push(UserLayer::new(layer));
        self
    }

    /// Selects the transport, gRPC by default.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.settings.transport = transport;
        self
    }

    /// Sends the calls to this service instead of a transport of this crate: to a tonic `Channel`, an in-process server, or
    /// any other service that accepts gRPC requests. The settings of connections have no effect then. The endpoint only
    /// decides whether credentials may be sent. So a contract without a default host still needs an
    /// [`endpoint`](Self::endpoint), such as the address of the `Channel`.
    pub fn transport_service(mut self, service: impl GrpcService) -> Self {
        self.service = Some(Stack::of_service(service));
        self
    }

    /// Checks all settings and assembles the client. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// - A setting or a variable is invalid. The error names the setting, its value and what would be valid.
    /// - Credentials must not be sent to the address, by the [table above](Self#where-credentials-are-sent).
    /// - TLS has no provider or no certificate roots.
    /// - The factory of `credentials_from` fails or panics.
    ///
    /// With the application default credentials, also:
    ///
    /// - The credential file cannot be read, is not valid JSON, lacks a field or has a type that cannot be loaded. The error
    ///   names the file and the variable that named it.
    /// - There are no CA certificates for the token endpoint.
    /// - `build` is called outside a Tokio runtime.
    ///
    /// `build` does not wait for the network. Application default credentials may request a token in the background at once. If
    /// there is no metadata server, or the token endpoint rejects the credentials, the first call fails, as the module
    /// `layer::auth` describes.
    pub fn build(self) -> Result<C, Error>
    where
        C: sealed::FromParts,
    {
        let Self {
            contract,
            profile,
            settings,
            service,
            call_layers,
            attempt_layers,
            client: _,
        } = self;
        let endpoint = settings.endpoint(&contract)?;
        let target = settings.target(&endpoint)?;
        let headers = settings.headers(contract.clone())?;
        let throttling = settings.retry_throttling.map(RetryThrottling::check);
        let throttling = throttling.transpose()?;
        // The transport is assembled before the credentials: if there are no certificate roots, the transport returns an error,
        // and google-cloud-auth would panic.
        let (base, active) = match service {
            Some(service) => (Base::Custom(service), None),
            None => {
                let (transport, active) = settings.assemble(&target, &contract)?;
                (Base::BuiltIn(transport), Some(active))
            }
        };
        let auth = settings.authentication(&endpoint, &target, active.is_some())?;
        // The address is not known if the transport is the user's.
        let server = active.as_ref().map(|_| ServerAddress::of(&target.uri));
        let layers = Layers {
            call: call_layers,
            metrics: MetricsLayer::new(contract.clone(), server.clone()),
            trace: TraceLayer { server },
            headers,
            retry: RetryLayer::new(throttling, active.clone()),
            attempt: attempt_layers,
            auth,
            response_check: ResponseCheckLayer {
                max_response: settings.max_response_size,
                max_metadata: settings.max_metadata_size,
            },
        };
        telemetry::describe();
        let stack = match base {
            Base::BuiltIn(transport) => stack::stack(layers, transport),
            Base::Custom(service) => stack::stack(layers, service),
        };
        let timeout = settings.options.timeout;
        let profile = profile.unwrap_or_else(|| C::profile(&contract));
        let limit = settings.max_response_size;
        let clients = Clients::new(stack, contract, limit, timeout, profile);
        Ok(C::from_parts(sealed::Parts { clients, active }))
    }
}

/// The service below the stack.
enum Base {
    BuiltIn(AnyTransport),
    Custom(Stack),
}

impl<C> Clone for Builder<C> {
    fn clone(&self) -> Self {
        Self {
            contract: self.contract.clone(),
            profile: self.profile.clone(),
            settings: self.settings.clone(),
            service: self.service.clone(),
            call_layers: self.call_layers.clone(),
            attempt_layers: self.attempt_layers.clone(),
            client: PhantomData,
        }
    }
}

impl<C> fmt::Debug for Builder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
