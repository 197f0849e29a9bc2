//! The system's resolver, which says when it is at work: an error of a deadline tells that from TCP.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiResolver, Name};
use tower::Service;

use crate::phase::{self, Phase, Step};

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
    type Response = GaiAddrs;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<GaiAddrs>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        phase::enter(Phase::Connecting(Arc::clone(&self.place), Step::Resolving));
        let (resolving, place) = (self.system.call(name), Arc::clone(&self.place));
        Box::pin(async move {
            let resolved = resolving.await;
            phase::enter(Phase::Connecting(place, Step::Tcp));
            resolved
        })
    }
}
