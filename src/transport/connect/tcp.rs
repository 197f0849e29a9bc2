//! Opens a TCP connection to a name, to the first of its addresses that answers.

use std::io;
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tower::{BoxError, Service, ServiceExt as _};

use crate::call::phase::Step;

/// The delay before the second address family is tried (RFC 8305 §5). The first family is the family of the first address that
/// the resolver returns.
const FIRST_FAMILY: Duration = Duration::from_millis(250);

/// Opens TCP connections. The name is resolved for each connection.
///
/// The addresses of a family are tried one after the other. Each gets a share of the timeout, so that an address that does
/// not answer leaves time for the others.
#[derive(Clone, Debug)]
pub(super) struct TcpConnector<R> {
    connector: HttpConnector<R>,
    timeout: Duration,
}

impl<R> TcpConnector<R> {
    pub(super) fn new(resolver: R, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new_with_resolver(resolver);
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(timeout));
        // Leave a part of a short timeout for the second family.
        connector.set_happy_eyeballs_timeout(Some(FIRST_FAMILY.min(timeout / 4)));
        Self { connector, timeout }
    }
}

impl<R> TcpConnector<R>
where
    HttpConnector<R>: Service<Uri, Response = hyper_util::rt::TokioIo<TcpStream>> + Clone,
    <HttpConnector<R> as Service<Uri>>::Error: std::error::Error + Send + Sync + 'static,
{
    pub(super) async fn connect(&self, uri: Uri) -> Result<TcpStream, BoxError> {
        match self.connector.clone().oneshot(uri).await {
            Ok(tcp) => Ok(tcp.into_inner()),
            // hyper-util's timeout may elapse just before the connect timeout. Both return the same error.
            Err(error) if is_elapsed(&error) => Err(timeout_error(self.timeout, Some(Step::Tcp))),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns the error for a connection that was not open within the timeout. `step` is the unfinished step.
pub(super) fn timeout_error(timeout: Duration, step: Option<Step>) -> BoxError {
    match step {
        Some(step) => format!("no connection within {timeout:?}, still {step}").into(),
        None => format!("no connection within {timeout:?}").into(),
    }
}

/// Returns whether hyper-util's timeout for an address has elapsed. The operating system's timeout has another type.
fn is_elapsed(error: &(dyn std::error::Error + 'static)) -> bool {
    let io_error = error.source().and_then(|source| source.downcast_ref());
    let inner = io_error.and_then(io::Error::get_ref);
    inner.is_some_and(|inner| inner.is::<Elapsed>())
}

#[cfg(test)]
mod tests;
