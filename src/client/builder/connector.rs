//! The setting of a connector.

use http::Uri;
use tower::BoxError;
use tower::Service;

use super::Builder;
use crate::transport::CustomConnector;

impl<C> Builder<C> {
    /// Sets the service that opens connections, for all transports: over a Unix socket, with a resolver of yours, or in a
    /// simulated network. The service only returns a stream of bytes. The client adds the tunnel through a proxy and TLS for an
    /// `https` endpoint. [`connect_timeout`](Self::connect_timeout) limits all of these together.
    ///
    /// The service receives the endpoint, as `SCHEME://HOST[:PORT]/`, or the address of the proxy if one applies; see
    /// [`no_proxy`](Self::no_proxy). The default port is 443 for `https` and 80 for `http`. The endpoint alone decides whether
    /// credentials may be sent, not the address that the connector connects to. A plaintext endpoint receives credentials only
    /// if its host is a loopback address or `localhost`. A clone of the connector is called for each new connection. If the
    /// connector fails or panics, the call fails with a connection error, and nothing was sent.
    ///
    /// The default is hyper-util's `HttpConnector`, which resolves names for each connection, tries the other address family
    /// after 250 ms, and gives each address of a family its share of the timeout. An `HttpConnector` of yours needs
    /// `enforce_http(false)` for an `https` endpoint.
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
    /// // A resolver that knows one name, the emulator's.
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
    /// client.list_apis("projects/p/locations/global").first_page().await?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "emulator"))]
    /// # fn main() {}
    /// ```
    ///
    /// For a Unix socket: `tower::service_fn(|_: Uri| async { UnixStream::connect(PATH).await.map(TokioIo::new) })`, with
    /// `TokioIo` of hyper-util.
    pub fn connector<S>(mut self, connector: S) -> Self
    where
        S: Service<Uri> + Clone + Send + Sync + 'static,
        S::Response: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        self.settings.connector = Some(CustomConnector::new(connector));
        self
    }
}
