//! What the bytes of a connection travel over: TCP, or a service of the user's in its place.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::Uri;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use tower::{Service, ServiceExt as _};

use super::dns::Resolver;
use super::stream::Stream;
use super::tcp::Tcp;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connecting = Pin<Box<dyn Future<Output = Result<Box<dyn Stream>, BoxError>> + Send>>;

/// A connector of the user's.
#[derive(Clone)]
pub(crate) struct Custom(Arc<dyn Connects>);

/// TCP, whose stream is left as it is, or what a user gave.
#[derive(Clone)]
pub(super) enum Dialer {
    Tcp(Tcp<Resolver>),
    Custom(Custom),
}

trait Connects: Send + Sync {
    fn connect(&self, uri: Uri) -> Connecting;
}

impl<C> Connects for C
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Read + Write + Send + Unpin + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send,
{
    fn connect(&self, uri: Uri) -> Connecting {
        let connector = self.clone();
        Box::pin(async move {
            match connector.oneshot(uri).await {
                Ok(io) => Ok(Box::new(TokioIo::new(io)) as Box<dyn Stream>),
                Err(error) => Err(error.into()),
            }
        })
    }
}

impl Custom {
    pub(crate) fn new<C>(connector: C) -> Self
    where
        C: Service<Uri> + Clone + Send + Sync + 'static,
        C::Response: Read + Write + Send + Unpin + 'static,
        C::Error: Into<BoxError>,
        C::Future: Send,
    {
        Self(Arc::new(connector))
    }

    pub(super) async fn connect(&self, uri: Uri) -> Result<Box<dyn Stream>, BoxError> {
        self.0.connect(uri).await
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Custom")
    }
}
