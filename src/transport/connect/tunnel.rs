//! A tunnel through a proxy: CONNECT over HTTP/1.1 (RFC 9110 §9.3.6).

use std::convert::Infallible;
use std::pin::pin;

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::upgrade::{self, Upgraded};
use hyper_util::rt::TokioIo;

use super::proxy::Proxy;
use super::stream::Stream;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How much of a proxy's answer is read before it is refused.
const MAX_HEAD: usize = 16 << 10;

/// Has the proxy at the other end connect to `uri`. What the server says at once, as one of HTTP/2 does, is
/// kept though it comes with the proxy's answer.
pub(crate) async fn open(
    io: impl Stream + 'static,
    proxy: &Proxy,
    uri: &Uri,
) -> Result<TokioIo<Upgraded>, BoxError> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD);
    let (mut sender, connection) = builder.handshake(TokioIo::new(io)).await?;
    let request = request(proxy, uri)?;
    let asking = async {
        let answer = sender.send_request(request).await.map_err(explain)?;
        let status = answer.status();
        if !status.is_success() {
            // The canonical reason alone: what a proxy writes there may be anything.
            return Err(format!("the proxy answered HTTP {status}").into());
        }
        upgrade::on(answer).await.map_err(explain)
    };
    // A connection of its own task would outlive a timeout.
    let driving = async {
        // Its error is the request's as well.
        connection.with_upgrades().await.ok();
        std::future::pending::<Infallible>().await
    };
    let (asking, driving) = (pin!(asking), pin!(driving));
    tokio::select! {
        biased;
        opened = asking => opened.map(TokioIo::new),
        never = driving => match never {},
    }
}

fn request(proxy: &Proxy, uri: &Uri) -> Result<Request<Empty<Bytes>>, http::Error> {
    let default = if uri.scheme_str() == Some("https") {
        443
    } else {
        80
    };
    let host = uri.host().unwrap_or_default();
    let authority = format!("{host}:{}", uri.port_u16().unwrap_or(default));
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(&authority)
        .header(header::HOST, &authority);
    if let Some(authorization) = proxy.authorization() {
        request = request.header(header::PROXY_AUTHORIZATION, authorization);
    }
    request.body(Empty::new())
}

/// hyper's words are about messages; these are about the proxy.
fn explain(error: hyper::Error) -> BoxError {
    if error.is_parse() {
        return "the proxy did not answer in HTTP/1.1".into();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return "the proxy closed the connection before it answered".into();
    }
    match std::error::Error::source(&error) {
        Some(source) => format!("the connection to the proxy broke: {source}").into(),
        None => error.into(),
    }
}
