//! The service: answers every call with one operation, over TLS and HTTP/2, and records the headers.

use std::sync::{Arc, Mutex};

use apigateway_grpc::proto::google::longrunning::Operation;
use bytes::{BufMut as _, Bytes, BytesMut};
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response, header};
use prost::Message as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;

/// The operation that every client asks for.
pub(crate) const OPERATION: &str = "projects/p/locations/l/operations/o";

/// The headers of a call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) grpc: bool,
    headers: HeaderMap,
}

impl Call {
    /// All values of a header, separated by commas.
    pub(crate) fn header(&self, name: &str) -> String {
        let values = self.headers.get_all(name).iter();
        let values = values.map(|value| value.to_str().expect("text"));
        values.collect::<Vec<_>>().join(",")
    }
}

/// A running server. Dropping it closes it.
pub(crate) struct ApiServer {
    pub(crate) endpoint: String,
    calls: Arc<Mutex<Vec<Call>>>,
    task: JoinHandle<()>,
}

impl ApiServer {
    pub(crate) async fn start(authority: &Authority) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        let acceptor = authority.acceptor("h2");
        let calls = Arc::<Mutex<Vec<Call>>>::default();
        let recorded = Arc::clone(&calls);
        Self {
            endpoint: format!("https://localhost:{port}"),
            calls,
            task: tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(acceptor.clone(), stream, Arc::clone(&recorded)));
                }
            }),
        }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("not poisoned").clone()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, calls: Arc<Mutex<Vec<Call>>>) {
    // A client that does not trust the certificate closes the connection.
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let headers = request.headers().clone();
        let grpc = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|media| media == "application/grpc");
        let call = Call { grpc, headers };
        calls.lock().expect("not poisoned").push(call);
        // A client that is gone needs no reply.
        if grpc {
            reply_by_grpc(respond).ok();
        } else {
            reply_by_rest(respond).ok();
        }
    }
}

fn reply_by_grpc(mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let operation = Operation {
        name: OPERATION.into(),
        ..Default::default()
    };
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(u32::try_from(operation.encoded_len()).expect("small"));
    message.put_slice(&operation.encode_to_vec());
    let mut body = respond.send_response(head("application/grpc"), false)?;
    body.send_data(message.freeze(), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    body.send_trailers(trailers)
}

fn reply_by_rest(mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let json = format!(r#"{{"name": "{OPERATION}"}}"#);
    let mut body = respond.send_response(head("application/json"), false)?;
    body.send_data(json.into(), true)
}

fn head(media: &'static str) -> Response<()> {
    let mut head = Response::new(());
    let media = HeaderValue::from_static(media);
    head.headers_mut().insert(header::CONTENT_TYPE, media);
    head
}
