//! Connections by TCP: to the first address of a name that answers.

use std::io;
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tower::{Service, ServiceExt as _};

use crate::call::phase::Step;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long the addresses of the family that the resolver put first are tried alone (RFC 8305 §5).
const FIRST_FAMILY: Duration = Duration::from_millis(250);

/// Connects by TCP. Names are resolved with each connection. The addresses of a family are tried one after the
/// other, each for its share of the timeout, so that a dead one does not use it up.
#[derive(Clone, Debug)]
pub(super) struct Tcp<R> {
    connector: HttpConnector<R>,
    timeout: Duration,
}

impl<R> Tcp<R> {
    pub(super) fn new(resolver: R, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new_with_resolver(resolver);
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(timeout));
        // A short timeout is to suffice for both families.
        connector.set_happy_eyeballs_timeout(Some(FIRST_FAMILY.min(timeout / 4)));
        Self { connector, timeout }
    }
}

impl<R> Tcp<R>
where
    HttpConnector<R>: Service<Uri, Response = hyper_util::rt::TokioIo<TcpStream>> + Clone,
    <HttpConnector<R> as Service<Uri>>::Error: std::error::Error + Send + Sync + 'static,
{
    pub(super) async fn connect(&self, uri: Uri) -> Result<TcpStream, BoxError> {
        match self.connector.clone().oneshot(uri).await {
            Ok(tcp) => Ok(tcp.into_inner()),
            // Told alike whether the last address was given up first, or all of them together.
            Err(error) if is_elapsed(&error) => Err(too_late(self.timeout, Some(Step::Tcp))),
            Err(error) => Err(error.into()),
        }
    }
}

/// Why there is no connection where the time for it is over, and how far it came.
pub(super) fn too_late(timeout: Duration, step: Option<Step>) -> BoxError {
    match step {
        Some(step) => format!("no connection within {timeout:?}, still {step}").into(),
        None => format!("no connection within {timeout:?}").into(),
    }
}

/// Whether an address was given up, in distinction from the system's own timeout.
fn is_elapsed(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.source().and_then(|io| io.downcast_ref());
    let elapsed = io.and_then(io::Error::get_ref);
    elapsed.is_some_and(|elapsed| elapsed.is::<Elapsed>())
}

#[cfg(test)]
mod tests;
