//! HTTP/JSON under the client: the transcoder over a pool of our own connections.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue};
use tonic::Status;
use tower::Service;

use super::connect::Target;
use super::http1::Pool;
use super::http2::{Keepalive, Limits};
use crate::call::{GrpcRequest, GrpcResponse};
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
    pub(crate) fn connect(
        target: &Target,
        keepalive: Keepalive,
        limits: Limits,
        max_reply: usize,
    ) -> Result<Self, Error> {
        let pool = Pool::new(target, keepalive, limits)?;
        let rest = transcode::Rest::new(Rules::api_gateway(), pool)
            .host(target.uri.host())
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

impl Service<GrpcRequest> for Rest {
    type Response = GrpcResponse;
    type Error = Status;
    type Future = <transcode::Rest<Pool> as Service<GrpcRequest>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.rest.poll_ready(cx)
    }

    fn call(&mut self, mut rpc: GrpcRequest) -> Self::Future {
        if let Some(client) = rpc.headers_mut().get_mut(API_CLIENT) {
            *client = self.over_rest(client);
        }
        self.rest.call(rpc)
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
