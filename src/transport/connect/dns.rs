//! Name resolution by the operating system's resolver.
//!
//! The resolver sets the phase of the call, so that a deadline error distinguishes name resolution from TCP. `localhost` and
//! the names below it resolve to loopback addresses without a look-up (RFC 6761 §6.3), since credentials are sent to them in
//! plaintext.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower::Service;

use crate::call::phase::{self, Phase, Step};
use crate::transport::endpoint::is_localhost;

/// Resolves names for connections to one address.
#[derive(Clone)]
pub(super) struct DnsResolver {
    system: GaiResolver,
    /// The address, for errors.
    target_name: Arc<str>,
}

impl DnsResolver {
    pub(super) fn new(target_name: Arc<str>) -> Self {
        Self {
            system: GaiResolver::new(),
            target_name,
        }
    }
}

impl Service<Name> for DnsResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        if is_localhost(name.as_str()) {
            // The caller replaces the port with the port of the URI.
            let addresses = vec![
                SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
            ];
            return Box::pin(std::future::ready(Ok(addresses.into_iter())));
        }
        let target_name = Arc::clone(&self.target_name);
        phase::enter(Phase::Connecting(Arc::clone(&target_name), Step::Resolving));
        let resolving = self.system.call(name);
        Box::pin(async move {
            let resolved = resolving.await;
            phase::enter(Phase::Connecting(target_name, Step::Tcp));
            Ok(resolved?.collect::<Vec<_>>().into_iter())
        })
    }
}
