//! The client of a service whose contract is loaded at run time.

use crate::call::CallOptions;
use crate::client::builder::{Builder, sealed};
use crate::contract::Contract;
use crate::stack::Stack;
use crate::stack::clients::Clients;
#[cfg(feature = "rest")]
use crate::transport::RestFallback;
use crate::transport::{ActiveTransport, Transport};

/// A client of a Google service, for the service's generated clients.
///
/// The client is built from the service's [`Contract`]. It is cheap to clone, and its clones share connections, credentials and
/// the throttling of retries. It connects on its first call.
#[derive(Clone, Debug)]
pub struct Client {
    clients: Clients,
    active: Option<ActiveTransport>,
}

impl Client {
    /// Returns a builder for a client of the service of this contract, with the default of every setting.
    pub fn builder(contract: Contract) -> Builder<Self> {
        Builder::new(contract)
    }

    /// Returns the stack, for any generated client of the service: `SomeClient::new(client.stack())`.
    #[must_use]
    pub fn stack(&self) -> Stack {
        self.clients.stack()
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

    /// Returns the transport that carries calls now; `None` for a transport of yours.
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

impl sealed::FromParts for Client {
    fn from_parts(parts: sealed::Parts) -> Self {
        let sealed::Parts { clients, active } = parts;
        Self { clients, active }
    }
}
