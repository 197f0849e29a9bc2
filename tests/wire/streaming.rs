//! Streaming requests, as a generated client of another service may make them over the stack.

use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Connection, SendResponse};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tonic::Status;
use tonic::body::Body;
use tower::ServiceExt as _;

use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};

use crate::connection::{listener, once};

type Frames = mpsc::Sender<Result<Frame<Bytes>, Status>>;

/// Returns a request to a method outside the contract, and the sender of its body.
fn call() -> (Frames, GrpcRequest) {
    let (frames, sent) = mpsc::channel(1);
    let sent = futures_util::stream::unfold(sent, async |mut sent| {
        sent.recv().await.map(|frame| (frame, sent))
    });
    let mut rpc = GrpcRequest::new(Body::new(StreamBody::new(sent)));
    *rpc.method_mut() = http::Method::POST;
    *rpc.uri_mut() = http::Uri::from_static("/test.Streams/Both");
    (frames, rpc)
}

async fn send(frames: &Frames, data: &[u8]) {
    let frame = Frame::data(Bytes::copy_from_slice(data));
    frames.send(Ok(frame)).await.expect("it is read");
}

/// A server of one call that sends the head of its response at once.
struct Server {
    connection: tokio::task::JoinHandle<()>,
    request: RecvStream,
    reply: h2::SendStream<Bytes>,
}

impl Server {
    async fn accept(stream: TcpStream) -> Self {
        let connection = h2::server::handshake(stream).await;
        let mut connection: Connection<_, Bytes> = connection.expect("HTTP/2");
        let accepted = connection.accept().await.expect("a call");
        let (request, mut respond): (_, SendResponse<Bytes>) = accepted.expect("a call");
        let head = http::Response::builder().header("content-type", "application/grpc");
        let reply = respond.send_response(head.body(()).expect("valid"), false);
        Self {
            connection: tokio::spawn(async move { while connection.accept().await.is_some() {} }),
            request: request.into_body(),
            reply: reply.expect("it is open"),
        }
    }

    /// Returns the next data of the request, or nothing at its end.
    async fn read(&mut self) -> Option<Result<Bytes, h2::Error>> {
        let data = tokio::time::timeout(Duration::from_secs(60), self.request.data());
        let data = data.await.expect("data or an end")?;
        if let Ok(data) = &data {
            let control = self.request.flow_control();
            control
                .release_capacity(data.len())
                .expect("the data used capacity");
        }
        Some(data)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Starts a call. Returns its server, the sender of its body, and its response.
async fn begin_call() -> (Server, Frames, GrpcResponse) {
    let (listener, endpoint) = listener().await;
    let client = once(endpoint);
    let (frames, rpc) = call();
    let server = async {
        let (stream, _) = listener.accept().await.expect("a connection");
        Server::accept(stream).await
    };
    let (server, reply) = tokio::join!(server, client.stack().oneshot(rpc));
    (server, frames, reply.expect("its head"))
}

#[tokio::test]
async fn a_request_continues_while_its_response_is_read() {
    let (mut server, frames, mut reply) = begin_call().await;
    for text in [&b"one"[..], b"another"] {
        send(&frames, text).await;
        assert_eq!(server.read().await.expect("data").expect("no reset"), text);
        let sent = server.reply.send_data(Bytes::copy_from_slice(text), false);
        sent.expect("it is open");
        let frame = reply.body_mut().frame().await.expect("a frame");
        let data = frame.expect("no reset").into_data().expect("data");
        assert_eq!(data, text);
    }
    drop(frames);
    // The last frame may be empty.
    while let Some(data) = server.read().await {
        assert!(data.expect("no reset").is_empty());
    }
}

#[tokio::test]
async fn a_request_is_sent_as_flow_control_allows() {
    let (mut server, frames, reply) = begin_call().await;
    let large = vec![7; 1 << 20];
    let (read, ()) = tokio::join!(
        async {
            let mut read = 0;
            while let Some(data) = server.read().await {
                read += data.expect("no reset").len();
            }
            read
        },
        async {
            send(&frames, &large).await;
            send(&frames, &large).await;
            drop(frames);
        }
    );
    assert_eq!(read, 2 << 20);
    drop(reply);
}

#[tokio::test]
async fn a_response_may_be_larger_than_the_windows() {
    const SIZE: usize = 8 << 20;
    let (mut server, _frames, mut reply) = begin_call().await;
    let sending = async {
        let mut left = Bytes::from(vec![7; SIZE]);
        while !left.is_empty() {
            server.reply.reserve_capacity(left.len());
            let room = std::future::poll_fn(|cx| server.reply.poll_capacity(cx));
            let room = tokio::time::timeout(Duration::from_secs(60), room).await;
            let room = room
                .expect("the client reads")
                .expect("the stream is open")
                .expect("no reset");
            let piece = left.split_to(room.min(left.len()));
            server
                .reply
                .send_data(piece, left.is_empty())
                .expect("open");
        }
    };
    let reading = async {
        let mut read = 0;
        while let Some(frame) = reply.body_mut().frame().await {
            read += frame.expect("no reset").into_data().expect("data").len();
        }
        read
    };
    let (read, ()) = tokio::join!(reading, sending);
    assert_eq!(read, SIZE);
}

#[tokio::test]
async fn dropping_a_response_resets_the_request() {
    let (mut server, frames, reply) = begin_call().await;
    drop(reply);
    let error = server.read().await.expect("a reset").expect_err("a reset");
    assert_eq!(error.reason(), Some(h2::Reason::CANCEL));
    let closed = tokio::time::timeout(Duration::from_secs(60), frames.closed());
    closed.await.expect("the client no longer reads the body");
}

#[tokio::test]
async fn a_failed_request_body_resets_the_stream() {
    let (mut server, frames, mut reply) = begin_call().await;
    let failed = frames.send(Err(Status::aborted("it is over")));
    failed.await.expect("it is read");
    let error = server.read().await.expect("a reset").expect_err("a reset");
    assert_eq!(error.reason(), Some(h2::Reason::CANCEL));
    let ended = reply.body_mut().frame().await.expect("an error");
    assert!(ended.is_err(), "the response ends with the request");
}
