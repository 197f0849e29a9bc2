//! A proxy that opens tunnels and records the requests. All tunnels lead to one server of the test, whatever
//! host is requested.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The answer to a request for a tunnel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Tunnel,
    /// These bytes and the end of the connection.
    Bytes(&'static [u8]),
    /// These bytes and then a tunnel.
    BytesAndTunnel(&'static [u8]),
    Silence,
}

/// A running proxy. It stops and closes its tunnels when it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Answers each request by its number, counted from one.
    pub(crate) async fn start(
        server: SocketAddr,
        answer: impl Fn(usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::over(server, answer, async |tcp| Some(tcp)).await
    }

    /// Like `start`, but speaks over the stream that `accept` creates from a connection, such as a TLS stream.
    pub(crate) async fn over<I, F>(
        server: SocketAddr,
        answer: impl Fn(usize) -> Answer + Send + Sync + 'static,
        accept: impl Fn(TcpStream) -> F + Send + Sync + 'static,
    ) -> Self
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = Option<I>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let (heads, answer) = (Arc::clone(&seen), Arc::new(answer));
        Self {
            address: listener.local_addr().expect("it listens"),
            seen,
            task: tokio::spawn(async move {
                let mut tunnels = JoinSet::new();
                while let Ok((tcp, _)) = listener.accept().await {
                    let accepted = accept(tcp);
                    let (heads, answer) = (Arc::clone(&heads), Arc::clone(&answer));
                    tunnels.spawn(async move {
                        let mut io = accepted.await?;
                        let head = head(&mut io).await?;
                        let number = {
                            let mut heads = heads.lock().expect("not poisoned");
                            heads.push(head);
                            heads.len()
                        };
                        serve(io, server, answer(number)).await
                    });
                }
            }),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the heads of the requests, without the empty line.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().expect("not poisoned").clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn head(io: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("it is text");
    Some(head.trim_end().replace("\r\n", "\n"))
}

async fn serve(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    server: SocketAddr,
    answer: Answer,
) -> Option<()> {
    let bytes = match answer {
        Answer::Tunnel => b"HTTP/1.1 200 Connection established\r\n\r\n",
        Answer::BytesAndTunnel(bytes) => bytes,
        Answer::Bytes(bytes) => {
            io.write_all(bytes).await.ok()?;
            return io.shutdown().await.ok();
        }
        Answer::Silence => std::future::pending().await,
    };
    let mut server = TcpStream::connect(server).await.ok()?;
    io.write_all(bytes).await.ok()?;
    tokio::io::copy_bidirectional(&mut io, &mut server)
        .await
        .ok()
        .map(drop)
}
