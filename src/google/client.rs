//! The client of a service whose contract is loaded at run time.

use std::sync::Arc;

use super::operations::Operations;
use crate::call::CallOptions;
use crate::client::builder::{Builder, sealed};
use crate::contract::{Contract, HttpRule};
use crate::operation::Watcher;
use crate::operation::clients::Clients;
use crate::operation::profile::{ApiGatewayProfile, ServiceProfile, StandardProfile};
use crate::stack::Stack;
#[cfg(feature = "rest")]
use crate::transport::RestFallback;
use crate::transport::{ActiveTransport, Transport};

/// Connects generated clients to a Google service: it provides their stack, and waits for operations.
///
/// The client is built from the service's [`Contract`]. It is cheap to clone, and its clones share connections, credentials and
/// the throttling of retries. It connects on its first call.
///
/// # Runtimes
///
/// Calls need a Tokio runtime, and a connection ends with the runtime in which it was opened; see
/// [`ApiGateway`](crate::ApiGateway#runtimes).
#[derive(Clone, Debug)]
pub struct Client {
    clients: Clients,
    active: Option<ActiveTransport>,
}

impl Client {
    /// Returns a builder for a client of the service of this contract, with the default of every setting.
    pub fn builder(contract: Contract) -> Builder<Self> {
        Builder::new(contract, None)
    }

    /// Returns the stack, for any generated client of the service: `SomeClient::new(client.stack())`.
    #[must_use]
    pub fn stack(&self) -> Stack {
        self.clients.stack()
    }

    /// Returns the interface to the long-running operations of the service.
    #[must_use]
    pub fn operations(&self) -> Operations {
        Operations::new(&self.clients)
    }

    /// Returns a watcher, which waits for many operations of this client with few calls. Each call of this method returns a
    /// watcher with its own rate limit.
    #[must_use]
    pub fn watcher(&self) -> Watcher {
        Watcher::new(&self.clients)
    }

    /// Returns the contract of the client.
    #[must_use]
    pub fn contract(&self) -> &Contract {
        self.clients.contract()
    }

    /// Returns a client with these options for its calls, on the same connections. An option that is not set keeps its value
    /// from this client.
    #[must_use]
    pub fn with_options(&self, options: CallOptions) -> Self {
        Self {
            clients: self.clients.with_options(options),
            active: self.active.clone(),
        }
    }

    /// Returns the transport that calls use now; `None` for a custom transport.
    ///
    /// With [`Transport::GrpcWithRestFallback`] it is [`Transport::Grpc`] until a fallback happens.
    #[must_use]
    pub fn active_transport(&self) -> Option<Transport> {
        self.active.as_ref().map(ActiveTransport::transport)
    }

    /// Returns the duration and the reason of the current fallback to REST; `None` while calls use gRPC. A client falls back by
    /// the rules of [`ApiGateway::fallback`](crate::ApiGateway::fallback).
    #[cfg(feature = "rest")]
    #[must_use]
    pub fn fallback(&self) -> Option<RestFallback> {
        self.active.as_ref().and_then(ActiveTransport::fallback)
    }
}

impl Builder<Client> {
    /// Sets the environment variable that names an emulator of the service, such as `SPANNER_EMULATOR_HOST`. The default is no
    /// variable.
    ///
    /// The value of the variable is `HOST:PORT` for plaintext, or `https://HOST:PORT` for TLS; an empty variable counts as
    /// unset. Calls to the emulator never use default credentials. The documentation of the builder has a
    /// [table](Builder#where-credentials-are-sent) of the cases in which credentials are sent.
    pub fn emulator_variable(self, name: impl Into<String>) -> Self {
        self.set_emulator_variable(name.into())
    }

    /// Sets the profile of the service, which decides how to wait for its operations. The default is a [`StandardProfile`] with
    /// the name and the HTTP rules of the contract, or [`ApiGatewayProfile`] for API Gateway.
    pub fn profile(mut self, profile: impl ServiceProfile) -> Self {
        self.profile = Some(Arc::new(profile));
        self
    }
}

impl sealed::FromParts for Client {
    fn profile(contract: &Contract) -> Arc<dyn ServiceProfile> {
        standard_profile(contract)
    }

    fn from_parts(parts: sealed::Parts) -> Self {
        let sealed::Parts { clients, active } = parts;
        Self { clients, active }
    }
}

/// Returns the default profile of the service of a contract.
fn standard_profile(contract: &Contract) -> Arc<dyn ServiceProfile> {
    let host = contract.default_host();
    let service = host.or_else(|| contract.services().next());
    let service = service.unwrap_or_default();
    if service == ApiGatewayProfile.service() {
        return Arc::new(ApiGatewayProfile);
    }
    let list = contract.find("/google.longrunning.Operations/ListOperations");
    let rules = list.into_iter().flat_map(|list| list.http());
    let profile = StandardProfile::new(service);
    Arc::new(profile.list_templates(rules.map(HttpRule::template)))
}
