//! A name that resolves to one address and later to another, for clients with this resolver.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use apigateway_grpc::Builder;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns;

#[derive(Clone)]
pub(crate) struct Name(Arc<Mutex<SocketAddr>>);

impl Name {
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self(Arc::new(Mutex::new(address)))
    }

    pub(crate) fn lead_to(&self, address: SocketAddr) {
        *self.0.lock().expect("not poisoned") = address;
    }

    /// Returns the builder of a client that connects to the name. The host is `localhost`, because the client sends credentials
    /// without TLS only to a loopback host. The client decides this by the name of the host, not by the resolved address.
    pub(crate) fn resolved_under(&self, builder: Builder) -> Builder {
        let name = Arc::clone(&self.0);
        let resolver = tower::service_fn(move |_: dns::Name| {
            let address = *name.lock().expect("not poisoned");
            async move { Ok::<_, Infallible>(std::iter::once(address)) }
        });
        builder
            .endpoint("http://localhost")
            .connector(HttpConnector::new_with_resolver(resolver))
    }
}
