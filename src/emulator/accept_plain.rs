//! Without the feature `tls`, connections are served as they come.

use std::io;
use std::net::IpAddr;

use super::socket::{self, Socket};
use crate::error::Error;

#[derive(Clone)]
pub(super) struct Acceptor;

/// A certificate that nobody can give.
#[derive(Clone, Debug)]
pub(super) enum Identity {}

impl Acceptor {
    #[expect(clippy::unnecessary_wraps, reason = "the face of the other build")]
    pub(super) fn new(_: Option<&Identity>) -> Result<Self, Error> {
        Ok(Self)
    }

    pub(super) fn is_encrypting(&self) -> bool {
        false
    }

    #[expect(clippy::unused_async, reason = "the face of the other build")]
    pub(super) async fn accept(
        &self,
        io: impl socket::Stream + 'static,
        peer: Option<IpAddr>,
    ) -> io::Result<Socket> {
        Ok(Socket::new(io, peer))
    }
}
