//! A tunnel through a proxy by the method CONNECT of HTTP/1.1 (RFC 9110 §9.3.6).

use std::convert::Infallible;
use std::pin::pin;

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::upgrade::{self, Upgraded};
use hyper_util::rt::TokioIo;
use tower::BoxError;

use super::proxy::Proxy;
use super::stream::ByteStream;
use crate::transport::endpoint::port_or_default;

/// Maximum size of the head of a proxy's response in bytes.
const MAX_HEAD: usize = 16 << 10;

/// Requests a tunnel to `uri` from the proxy at the other end of a stream. Returns the tunnel.
///
/// Bytes of the server that arrive together with the proxy's response are part of the tunnel, since an HTTP/2 server sends its
/// SETTINGS at once.
///
/// # Errors
///
/// If the proxy does not answer with a success status, or if its connection breaks.
pub(crate) async fn open(
    io: impl ByteStream + 'static,
    proxy: &Proxy,
    uri: &Uri,
) -> Result<TokioIo<Upgraded>, BoxError> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD);
    let (mut sender, connection) = builder.handshake(TokioIo::new(io)).await?;
    let request = connect_request(proxy, uri)?;
    let opening = async {
        let response = sender.send_request(request).await.map_err(explain)?;
        let status = response.status();
        if !status.is_success() {
            // Only the canonical reason is shown, since a proxy may send any text as the reason.
            return Err(format!("the proxy responded with HTTP {status}").into());
        }
        upgrade::on(response).await.map_err(explain)
    };
    // The connection has no task of its own, since such a task would outlive the connect timeout.
    let driving = async {
        // The error is ignored, since the request returns it, too.
        connection.with_upgrades().await.ok();
        std::future::pending::<Infallible>().await
    };
    let (opening, driving) = (pin!(opening), pin!(driving));
    tokio::select! {
        biased;
        opened = opening => opened.map(TokioIo::new),
        never = driving => match never {},
    }
}

fn connect_request(proxy: &Proxy, uri: &Uri) -> Result<Request<Empty<Bytes>>, http::Error> {
    let host = uri.host().unwrap_or_default();
    let authority = format!("{host}:{}", port_or_default(uri));
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(&authority)
        .header(header::HOST, &authority);
    if let Some(authorization) = proxy.authorization() {
        request = request.header(header::PROXY_AUTHORIZATION, authorization);
    }
    request.body(Empty::new())
}

/// Returns an error that describes the failure of the proxy, since hyper's error describes only HTTP messages.
fn explain(error: hyper::Error) -> BoxError {
    if error.is_parse() {
        return "the response of the proxy is not HTTP/1.1".into();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return "the proxy closed the connection without a response".into();
    }
    match std::error::Error::source(&error) {
        Some(source) => format!("the connection to the proxy failed: {source}").into(),
        None => error.into(),
    }
}
