//! A server that breaks the rules on purpose, in the protocol of its client.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The answers to the calls. The argument of a function is the number of the answer, from zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lie {
    pub(crate) http2: Http2,
    pub(crate) http1: fn(usize) -> Raw,
}

/// Bytes that are sent once, and bytes that are then sent repeatedly until the client stops reading. If the latter are empty, the
/// connection ends.
#[derive(Clone, Debug)]
pub(crate) struct Raw(pub(crate) Vec<u8>, pub(crate) Vec<u8>);

/// Answers over HTTP/2.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Http2 {
    /// By the rules of HTTP/2.
    Reply(fn(usize) -> Reply),
    /// These frames after SETTINGS.
    Frames(fn(usize) -> Raw),
}

pub(crate) type Reply = (Response<()>, Then);

/// The part of a response after its head.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    Nothing,
    /// This data and trailers.
    Once(Bytes, HeaderMap),
    /// This data repeatedly.
    Forever(Bytes),
}

/// A running server. Dropping it ends it and its connections.
pub(crate) struct Liar {
    pub(crate) address: SocketAddr,
    /// Number of endless responses that the client stopped.
    pub(crate) given_up: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// The part of the server that answers its connections.
#[derive(Clone)]
struct Mouth {
    lie: Lie,
    calls: Arc<AtomicUsize>,
    given_up: Arc<AtomicUsize>,
}

const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Minimum size of a request. Over HTTP/2, the preface and SETTINGS that come before it are shorter, so this many bytes show
/// that a request has arrived.
const REQUEST: usize = 200;

impl Liar {
    pub(crate) async fn start(lie: Lie) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let given_up = Arc::<AtomicUsize>::default();
        let mouth = Mouth {
            lie,
            calls: Arc::default(),
            given_up: Arc::clone(&given_up),
        };
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                        connections.spawn(mouth.clone().serve(stream));
                    },
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self {
            address,
            given_up,
            task,
        })
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mouth {
    fn number(&self) -> usize {
        self.calls.fetch_add(1, Ordering::SeqCst)
    }

    async fn serve(self, stream: TcpStream) -> io::Result<()> {
        let mut first = [0; 3];
        loop {
            match stream.peek(&mut first).await? {
                0 => return Ok(()),
                3.. => break,
                _ => tokio::task::yield_now().await,
            }
        }
        if &first != b"PRI" {
            return say(stream, &[], (self.lie.http1)(self.number())).await;
        }
        match self.lie.http2 {
            Http2::Frames(frames) => say(stream, SETTINGS, frames(self.number())).await,
            Http2::Reply(reply) => self.reply(stream, reply).await.map_err(io::Error::other),
        }
    }

    async fn reply(self, stream: TcpStream, reply: fn(usize) -> Reply) -> Result<(), h2::Error> {
        let mut connection = h2::server::handshake(stream).await?;
        while let Some(call) = connection.accept().await {
            let (_, mut respond) = call?;
            let (head, then) = reply(self.number());
            // The client may have reset this stream. The other streams continue.
            self.send(&mut respond, head, then).ok();
        }
        Ok(())
    }

    fn send(
        &self,
        respond: &mut SendResponse<Bytes>,
        head: Response<()>,
        then: Then,
    ) -> Result<(), h2::Error> {
        let ends = matches!(then, Then::Nothing);
        let mut sending = respond.send_response(head, ends)?;
        match then {
            Then::Nothing => {}
            Then::Once(data, trailers) => {
                sending.send_data(data, false)?;
                sending.send_trailers(trailers)?;
            }
            Then::Forever(data) => {
                let given_up = Arc::clone(&self.given_up);
                tokio::spawn(async move {
                    forever(sending, &data).await;
                    given_up.fetch_add(1, Ordering::SeqCst);
                });
            }
        }
        Ok(())
    }
}

/// Sends until the stream is reset.
async fn forever(mut sending: h2::SendStream<Bytes>, data: &Bytes) {
    loop {
        sending.reserve_capacity(data.len());
        let room = std::future::poll_fn(|cx| sending.poll_capacity(cx)).await;
        let Some(Ok(room)) = room else {
            return;
        };
        let some = data.slice(..room.min(data.len()));
        if sending.send_data(some, false).is_err() {
            return;
        }
        // Lets the other tasks on this thread run.
        tokio::task::yield_now().await;
    }
}

async fn say(mut stream: TcpStream, greeting: &[u8], raw: Raw) -> io::Result<()> {
    stream.write_all(greeting).await?;
    let mut asked = Vec::new();
    while asked.len() < REQUEST {
        if stream.read_buf(&mut asked).await? == 0 {
            return Ok(());
        }
    }
    let Raw(once, again) = raw;
    stream.write_all(&once).await?;
    while !again.is_empty() {
        stream.write_all(&again).await?;
        tokio::task::yield_now().await;
    }
    // After the answer, read what the client still sends. Unread bytes would turn the end into a reset, which may overtake the
    // answer.
    stream.shutdown().await?;
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}
