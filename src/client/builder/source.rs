//! Where the transport under the stack comes from.

use super::settings::Settings;
use crate::error::Error;
use crate::stack::Carrier;
use crate::transport::{ActiveTransport, AnyTransport, ConnectConfig, TransportConfig};

/// Calls travel by a [`Transport`](crate::Transport) of this crate.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Own;

/// Calls travel by a service of the user's.
#[derive(Clone, Debug)]
pub struct Given<S>(pub(super) S);

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
        target: &ConnectConfig,
    ) -> Result<(Self::Service, Option<ActiveTransport>), Error>;
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
    type Service = AnyTransport;

    fn open(
        self,
        settings: &Settings,
        target: &ConnectConfig,
    ) -> Result<(AnyTransport, Option<ActiveTransport>), Error> {
        let config = TransportConfig {
            transport: settings.transport,
            connect: target,
            keepalive: settings.keepalive,
            limits: settings.limits,
            max_response: settings.max_reply_size,
        };
        let (transport, active) = config.build()?;
        Ok((transport, Some(active)))
    }
}

#[expect(
    private_interfaces,
    reason = "sealed: what it gives is the builder's own"
)]
impl<S: Carrier> Source for Given<S> {
    type Service = S;

    fn open(self, _: &Settings, _: &ConnectConfig) -> Result<(S, Option<ActiveTransport>), Error> {
        Ok((self.0, None))
    }
}
