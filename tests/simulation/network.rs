//! The simulated network: turmoil's streams for the client's connector and for the emulator's incoming connections.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use apigateway_grpc::tonic::transport::server::Connected;
use futures_util::{Stream, stream};
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::{TcpListener, TcpStream};

pub(crate) const SERVER: &str = "server";
pub(crate) const CLIENT: &str = "client";
const PORT: u16 = 80;

thread_local! {
    static IS_CUT: Cell<bool> = const { Cell::new(false) };
}

/// Sets whether messages between the hosts of this thread's simulation are lost.
pub(crate) fn cut(is_cut: bool) {
    IS_CUT.set(is_cut);
}

/// Connects to the endpoint in the simulated network. While messages are lost, the attempt never completes, as on a real network.
/// turmoil itself would refuse a connection whose SYN is lost, and would never lose the response to a SYN.
pub(crate) async fn connect(uri: Uri) -> io::Result<TokioIo<TcpStream>> {
    if IS_CUT.get() {
        return pending().await;
    }
    let host = uri.host().unwrap_or_default();
    let tcp = TcpStream::connect((host, PORT)).await?;
    Ok(TokioIo::new(tcp))
}

/// Returns the incoming connections of this host.
pub(crate) async fn incoming() -> io::Result<impl Stream<Item = io::Result<Incoming>>> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    Ok(stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await;
        Some((accepted.map(|(tcp, _)| Incoming(tcp)), listener))
    }))
}

/// A stream with the trait `Connected`, which tonic requires. The stream has no address.
pub(crate) struct Incoming(TcpStream);

impl Connected for Incoming {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Incoming {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Incoming {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
