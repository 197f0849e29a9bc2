//! HTTP/JSON under the client: the transcoder over a pool of our own connections.

use std::task::{Context, Poll};

use http::HeaderValue;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::connect::{Connector, Protocols, Target};
use crate::call::{Reply, Rpc};
use crate::error::Error;
use crate::transcode::{self, Rules};

/// Carries calls over HTTP/1.1 or HTTP/2. Connections are kept; redirects are not followed.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    rest: transcode::Rest<Client<Connector, Body>>,
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
        let rest = transcode::Rest::new(Rules::api_gateway(), client)
            .origin(&origin)
            .max_reply(max_reply);
        Ok(Self { rest })
    }
}

impl Service<Rpc> for Rest {
    type Response = Reply;
    type Error = Status;
    type Future = <transcode::Rest<Client<Connector, Body>> as Service<Rpc>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.rest.poll_ready(cx)
    }

    fn call(&mut self, mut rpc: Rpc) -> Self::Future {
        if let Some(client) = rpc.headers_mut().get_mut("x-goog-api-client") {
            *client = over_rest(client);
        }
        self.rest.call(rpc)
    }
}

/// `… grpc/0.14.9` names what carries a call; here that is `rest/` and this crate's version.
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
