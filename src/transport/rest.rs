//! The REST transport: the transcoder over a pool of connections.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue};
use tonic::Status;
use tower::Service;

use super::connect::ConnectConfig;
use super::http1::RestPool;
use super::http2::{Keepalive, PoolLimits};
use crate::call::{GrpcRequest, GrpcResponse};
use crate::error::Error;
use crate::transcode::{self, Rules};

const API_CLIENT: HeaderName = HeaderName::from_static("x-goog-api-client");

/// A REST transport over HTTP/1.1 or HTTP/2. It does not follow redirects.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    rest: transcode::Rest<RestPool>,
    /// A cache with one entry: the first `x-goog-api-client` header of the client, and its form for REST. Most calls have the
    /// same header.
    api_client: Arc<OnceLock<(HeaderValue, HeaderValue)>>,
}

impl Rest {
    /// Creates the transport without connecting.
    pub(crate) fn new(
        rules: Rules,
        config: &ConnectConfig,
        keepalive: Keepalive,
        limits: PoolLimits,
        max_response: usize,
    ) -> Result<Self, Error> {
        let pool = RestPool::new(config, keepalive, limits)?;
        let rest = transcode::Rest::new(rules, pool)
            .host(config.uri.host())
            .max_response(max_response);
        Ok(Self {
            rest,
            api_client: Arc::default(),
        })
    }

    /// Returns the header for REST. The token `grpc/…`, which names the transport, is replaced by `rest/` and this crate's
    /// version.
    fn api_client_for_rest(&self, header: &HeaderValue) -> HeaderValue {
        let (known, known_for_rest) = self
            .api_client
            .get_or_init(|| (header.clone(), for_rest(header)));
        if known == header {
            known_for_rest.clone()
        } else {
            for_rest(header)
        }
    }
}

impl Service<GrpcRequest> for Rest {
    type Response = GrpcResponse;
    type Error = Status;
    type Future = <transcode::Rest<RestPool> as Service<GrpcRequest>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.rest.poll_ready(cx)
    }

    fn call(&mut self, mut request: GrpcRequest) -> Self::Future {
        if let Some(header) = request.headers_mut().get_mut(API_CLIENT) {
            *header = self.api_client_for_rest(header);
        }
        self.rest.call(request)
    }
}

fn for_rest(header: &HeaderValue) -> HeaderValue {
    let text = header.to_str().unwrap_or_default();
    let tokens = text
        .split(' ')
        .map(|token| match token.starts_with("grpc/") {
            true => concat!("rest/", env!("CARGO_PKG_VERSION")),
            false => token,
        });
    HeaderValue::try_from(tokens.collect::<Vec<_>>().join(" ")).unwrap_or_else(|_| header.clone())
}
