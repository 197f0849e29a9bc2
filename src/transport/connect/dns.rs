//! The system's resolver, which reports when it is at work: an error of a deadline tells that from TCP.
//!
//! `localhost` and the names below it are loopback and not looked up (RFC 6761 §6.3), since credentials are sent there in
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

/// Resolves names for connections to one place.
#[derive(Clone)]
pub(super) struct Resolver {
    system: GaiResolver,
    /// As errors name it.
    place: Arc<str>,
}

impl Resolver {
    pub(super) fn new(place: Arc<str>) -> Self {
        Self {
            system: GaiResolver::new(),
            place,
        }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        if is_localhost(name.as_str()) {
            // The port is replaced by that of the URI.
            let addresses = vec![
                SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
            ];
            return Box::pin(std::future::ready(Ok(addresses.into_iter())));
        }
        phase::enter(Phase::Connecting(Arc::clone(&self.place), Step::Resolving));
        let (resolving, place) = (self.system.call(name), Arc::clone(&self.place));
        Box::pin(async move {
            let resolved = resolving.await;
            phase::enter(Phase::Connecting(place, Step::Tcp));
            Ok(resolved?.collect::<Vec<_>>().into_iter())
        })
    }
}
