//! HTTP/JSON under the client: the transcoder over a pool of our own connections.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::connect::{Connector, Protocols, Target};
use crate::call::{Reply, Rpc};
use crate::error::Error;
use crate::transcode::{self, Rules};

const API_CLIENT: HeaderName = HeaderName::from_static("x-goog-api-client");

/// Carries calls over HTTP/1.1 or HTTP/2. Connections are kept; redirects are not followed.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    rest: transcode::Rest<Pool>,
    /// What the client last said of itself, and how that is over REST: mostly the same for all calls.
    said: Arc<OnceLock<(HeaderValue, HeaderValue)>>,
}

impl Rest {
    pub(crate) fn connect(target: &Target, max_reply: usize) -> Result<Self, Error> {
        let connector = Connector::new(target, Protocols::Any)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        let origin = target.origin();
        let origin = origin
            .parse()
            .map_err(|error| Error::configuration(format!("`{origin}` is no address: {error}")))?;
        let pool = Pool(Arc::new(client));
        let rest = transcode::Rest::new(Rules::api_gateway(), pool)
            .origin(&origin)
            .max_reply(max_reply);
        Ok(Self {
            rest,
            said: Arc::default(),
        })
    }

    /// `… grpc/0.14.9` names what carries a call; here that is `rest/` and this crate's version.
    fn over_rest(&self, client: &HeaderValue) -> HeaderValue {
        let (said, over_rest) = self
            .said
            .get_or_init(|| (client.clone(), over_rest(client)));
        if said == client {
            over_rest.clone()
        } else {
            self::over_rest(client)
        }
    }
}

impl Service<Rpc> for Rest {
    type Response = Reply;
    type Error = Status;
    type Future = <transcode::Rest<Pool> as Service<Rpc>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.rest.poll_ready(cx)
    }

    fn call(&mut self, mut rpc: Rpc) -> Self::Future {
        if let Some(client) = rpc.headers_mut().get_mut(API_CLIENT) {
            *client = self.over_rest(client);
        }
        self.rest.call(rpc)
    }
}

/// The connections, shared: a clone of hyper-util's client copies its settings each time.
#[derive(Clone, Debug)]
pub(crate) struct Pool(Arc<Client<Connector, Body>>);

impl Service<Rpc> for Pool {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper_util::client::legacy::Error;
    type Future = hyper_util::client::legacy::ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // It connects, or waits for a connection, within the call.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, rpc: Rpc) -> Self::Future {
        self.0.request(rpc)
    }
}

fn over_rest(client: &HeaderValue) -> HeaderValue {
    let text = client.to_str().unwrap_or_default();
    let tokens = text
        .split(' ')
        .map(|token| match token.starts_with("grpc/") {
            true => concat!("rest/", env!("CARGO_PKG_VERSION")),
            false => token,
        });
    HeaderValue::try_from(tokens.collect::<Vec<_>>().join(" ")).unwrap_or_else(|_| client.clone())
}
