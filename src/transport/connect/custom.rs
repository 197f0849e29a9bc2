//! A user's connector, which replaces TCP.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::Uri;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use tower::{BoxError, Service, ServiceExt as _};

use super::stream::ByteStream;

/// A user's connector, with its type erased.
#[derive(Clone)]
pub(crate) struct CustomConnector(Arc<dyn DynConnect>);

impl CustomConnector {
    pub(crate) fn new<C>(connector: C) -> Self
    where
        C: Service<Uri> + Clone + Send + Sync + 'static,
        C::Response: Read + Write + Send + Unpin + 'static,
        C::Error: Into<BoxError>,
        C::Future: Send,
    {
        Self(Arc::new(connector))
    }

    pub(super) async fn connect(&self, uri: Uri) -> Result<Box<dyn ByteStream>, BoxError> {
        self.0.connect(uri).await
    }
}

impl fmt::Debug for CustomConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomConnector")
    }
}

type ConnectFuture = Pin<Box<dyn Future<Output = Result<Box<dyn ByteStream>, BoxError>> + Send>>;

/// The object-safe form of a connector.
trait DynConnect: Send + Sync {
    fn connect(&self, uri: Uri) -> ConnectFuture;
}

impl<C> DynConnect for C
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Read + Write + Send + Unpin + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send,
{
    fn connect(&self, uri: Uri) -> ConnectFuture {
        let connector = self.clone();
        Box::pin(async move {
            match connector.oneshot(uri).await {
                Ok(io) => Ok(Box::new(TokioIo::new(io)) as Box<dyn ByteStream>),
                Err(error) => Err(error.into()),
            }
        })
    }
}
