//! An HTTP/2 server that answers call by call, as a gRPC server or as a broken one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use apigateway_grpc::proto::google::longrunning::Operation;
use bytes::{BufMut as _, Bytes, BytesMut};
use h2::Reason;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const NAME: &str = "projects/p/locations/l/operations/o";

/// The answer to a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// The operation [`NAME`].
    Operation,
    /// Only a gRPC status.
    Status(u8),
    /// An HTTP response of this media type.
    Page(u16, &'static str, &'static str),
    /// No answer. The stream stays open.
    Silence,
    Reset(Reason),
}

impl Answer {
    /// The message of [`Answer::Operation`], framed.
    pub(crate) fn message() -> Bytes {
        let operation = Operation {
            name: NAME.into(),
            ..Default::default()
        };
        let mut message = BytesMut::new();
        message.put_u8(0);
        message.put_u32(u32::try_from(operation.encoded_len()).expect("small"));
        message.put_slice(&operation.encode_to_vec());
        message.freeze()
    }
}

/// Serves one connection. `answer` returns the answer to each request.
pub(crate) async fn serve<I>(io: I, answer: impl Fn(&Request<h2::RecvStream>) -> Answer)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let Ok(mut connection) = h2::server::handshake(io).await else {
        return;
    };
    // Dropping the request or the response of a stream resets the stream, so both are kept for a silent call.
    let mut silent = Vec::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        let answer = answer(&request);
        silent.extend(send(respond, answer).map(|respond| (request, respond)));
    }
}

/// Returns the stream if it has to stay open.
pub(crate) fn send(
    mut respond: SendResponse<Bytes>,
    answer: Answer,
) -> Option<SendResponse<Bytes>> {
    let head = |status: u16, media: &'static str| {
        let mut head = Response::new(());
        *head.status_mut() = status.try_into().expect("an HTTP status");
        let media = HeaderValue::from_static(media);
        head.headers_mut().insert("content-type", media);
        head
    };
    // The client may be gone.
    match answer {
        Answer::Operation => {
            let trailers = HeaderMap::from_iter([(
                "grpc-status".parse().expect("a name"),
                HeaderValue::from_static("0"),
            )]);
            if let Ok(mut body) = respond.send_response(head(200, "application/grpc"), false) {
                body.send_data(Answer::message(), false).ok();
                body.send_trailers(trailers).ok();
            }
        }
        Answer::Status(code) => {
            let mut head = head(200, "application/grpc");
            head.headers_mut()
                .insert("grpc-status", u16::from(code).into());
            respond.send_response(head, true).ok();
        }
        Answer::Page(status, media, text) => {
            if let Ok(mut body) = respond.send_response(head(status, media), false) {
                body.send_data(Bytes::from_static(text.as_bytes()), true)
                    .ok();
            }
        }
        Answer::Silence => return Some(respond),
        Answer::Reset(reason) => respond.send_reset(reason),
    }
    None
}

/// A plaintext server on port 0. It stops and closes its connections when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    calls: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    /// Answers each call by its number, counted from one over all connections.
    pub(crate) async fn start(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self::on(listener, answer)
    }

    pub(crate) fn on(
        listener: TcpListener,
        answer: impl Fn(usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let answer = Arc::new(answer);
        let calls = Arc::new(AtomicUsize::new(0));
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, opened) = (Arc::clone(&calls), Arc::clone(&connections));
        Self {
            address: listener.local_addr().expect("it listens"),
            calls,
            connections,
            task: tokio::spawn(async move {
                // The connections end with the server.
                let mut serving = tokio::task::JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    opened.fetch_add(1, Ordering::SeqCst);
                    let (answer, counted) = (Arc::clone(&answer), Arc::clone(&counted));
                    serving.spawn(async move {
                        serve(stream, |_| {
                            answer(counted.fetch_add(1, Ordering::SeqCst) + 1)
                        })
                        .await;
                    });
                }
            }),
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the number of calls.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
