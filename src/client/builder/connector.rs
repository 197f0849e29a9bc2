//! The knob for what connections travel over.

use http::Uri;
use tower::Service;

use super::{Builder, Own};
use crate::transport::CustomConnector;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<L, A> Builder<Own, L, A> {
    /// Opens connections with this service instead of by TCP, for all transports: over a Unix socket, with a
    /// resolver of yours, in a simulated network. What it gives are the bare bytes; all else stays as it is. TLS
    /// for an `https` endpoint, tunnels through proxies, [`connect_timeout`](Self::connect_timeout) over all of
    /// it, and errors that name the endpoint and the innermost cause are ours, above it.
    ///
    /// It is given the endpoint, as `SCHEME://HOST[:PORT]/`, or a proxy where connections go through one
    /// ([`no_proxy`](Self::no_proxy) forbids that). Without a port, 443 is meant for `https` and 80 for `http`.
    /// The endpoint alone decides whether credentials may be sent, wherever the connector leads: to a plaintext endpoint
    /// they are sent only if its host is a loopback address or `localhost`. Each new connection calls a clone of the
    /// connector. If it fails or panics, the call fails as one that could not connect, so nothing was sent.
    ///
    /// By default it is hyper-util's `HttpConnector`, which resolves names with each connection, tries the other
    /// family of addresses after 250 ms, and gives each address of a family its share of the timeout. One of
    /// your own needs `enforce_http(false)` for an `https` endpoint.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "emulator")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::net::SocketAddr;
    ///
    /// use apigateway_grpc::ApiGateway;
    /// use apigateway_grpc::emulator::Emulator;
    /// use hyper_util::client::legacy::connect::HttpConnector;
    /// use hyper_util::client::legacy::connect::dns::Name;
    ///
    /// # let server = Emulator::builder().start().await?;
    /// // A resolver of one's own: here it knows one name, and leads to the emulator.
    /// let address: SocketAddr = server.address();
    /// let resolver = tower::service_fn(move |name: Name| async move {
    ///     match name.as_str() {
    ///         "gateway.test" => Ok(std::iter::once(address)),
    ///         _ => Err("no such name"),
    ///     }
    /// });
    /// let client = ApiGateway::builder()
    ///     .endpoint("http://gateway.test")
    ///     .connector(HttpConnector::new_with_resolver(resolver))
    ///     .anonymous()
    /// #   .no_proxy()
    ///     .build()?;
    /// client.list_apis("projects/p/locations/global").page("").await?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "emulator"))]
    /// # fn main() {}
    /// ```
    ///
    /// For a Unix socket: `tower::service_fn(|_: Uri| async { UnixStream::connect(PATH).await.map(TokioIo::new) })`, with
    /// `TokioIo` of hyper-util.
    pub fn connector<C>(mut self, connector: C) -> Self
    where
        C: Service<Uri> + Clone + Send + Sync + 'static,
        C::Response: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
        C::Error: Into<BoxError>,
        C::Future: Send,
    {
        self.settings.connector = Some(CustomConnector::new(connector));
        self
    }
}
