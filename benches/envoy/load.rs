//! A closed loop of GET requests over kept-alive HTTP/1.1 connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Sends `requests` requests, one at a time on each connection.
///
/// Panics if a response is not 200 or differs from the first one.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(url: &str, connections: usize, requests: usize) {
    let url: Uri = url.parse().expect("a URL");
    let expected = get(&mut connect(&url).await, &url).await;
    let left = Arc::new(AtomicUsize::new(requests));
    let mut senders = Vec::with_capacity(connections);
    for _ in 0..connections {
        senders.push(connect(&url).await);
    }
    let workers = senders.into_iter().map(|sender| {
        let (url, left, expected) = (url.clone(), Arc::clone(&left), expected.clone());
        tokio::spawn(work(sender, url, left, expected))
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("the worker did not panic");
    }
}

async fn connect(url: &Uri) -> SendRequest<Empty<Bytes>> {
    let address = url.authority().expect("a URL with an address").as_str();
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    sender
}

/// Sends requests until none is left.
async fn work(
    mut sender: SendRequest<Empty<Bytes>>,
    url: Uri,
    left: Arc<AtomicUsize>,
    expected: Bytes,
) {
    let take = |left: usize| left.checked_sub(1);
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        .is_ok()
    {
        assert_eq!(get(&mut sender, &url).await, expected);
    }
}

async fn get(sender: &mut SendRequest<Empty<Bytes>>, url: &Uri) -> Bytes {
    let request = Request::get(url.path())
        .header(
            header::HOST,
            url.authority().expect("a URL with an address").as_str(),
        )
        .body(Empty::new())
        .expect("a valid request");
    sender.ready().await.expect("a kept-alive connection");
    let response = sender.send_request(request).await.expect("a response");
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.expect("a body");
    body.to_bytes()
}
