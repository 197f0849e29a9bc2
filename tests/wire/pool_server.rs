//! An HTTP/2 server that counts its connections and streams, and delays its answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::http2::{Answer, send};
use crate::linger::Linger;

/// The behaviour of the server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Behaviour {
    /// SETTINGS_MAX_CONCURRENT_STREAMS, if it is sent.
    pub(crate) max_streams: Option<u32>,
    /// Delay before each answer.
    pub(crate) takes: Duration,
    /// Answers are sent only after they are released.
    pub(crate) holds: bool,
    /// Sends the head of a response and then delays the rest.
    pub(crate) holds_body: bool,
    /// Number of calls after which a connection closes gracefully.
    pub(crate) calls: Option<usize>,
    /// Time after which a connection closes gracefully.
    pub(crate) age: Option<Duration>,
}

/// A plaintext server on port 0. It stops and closes its connections when it is dropped.
pub(crate) struct Server {
    endpoint: String,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    opened: AtomicUsize,
    closed: AtomicUsize,
    calls: AtomicUsize,
    resets: AtomicUsize,
    /// Maximum number of concurrent calls of a connection.
    most: AtomicUsize,
    answers: watch::Sender<bool>,
}

impl Server {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let seen = Arc::new(Seen::default());
        seen.answers.send_replace(!behaviour.holds);
        let counted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counted.opened.fetch_add(1, Ordering::SeqCst);
                let seen = Arc::clone(&counted);
                connections.spawn(async move {
                    serve(stream, behaviour, &seen).await.ok();
                    seen.closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            endpoint: format!("http://{address}"),
            seen,
            task,
        }
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Returns the number of connections so far.
    pub(crate) fn opened(&self) -> usize {
        self.seen.opened.load(Ordering::SeqCst)
    }

    /// Returns the number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.opened() - self.seen.closed.load(Ordering::SeqCst)
    }

    /// Returns the number of calls.
    pub(crate) fn calls(&self) -> usize {
        self.seen.calls.load(Ordering::SeqCst)
    }

    /// Returns the number of calls that the client reset.
    pub(crate) fn resets(&self) -> usize {
        self.seen.resets.load(Ordering::SeqCst)
    }

    pub(crate) fn max_concurrent(&self) -> usize {
        self.seen.most.load(Ordering::SeqCst)
    }

    /// Sets whether calls are answered from now on. This also applies to calls that still wait for their answer.
    pub(crate) fn answer(&self, answers: bool) {
        self.seen.answers.send_replace(answers);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, behaviour: Behaviour, seen: &Arc<Seen>) -> Result<(), h2::Error> {
    let mut builder = h2::server::Builder::new();
    if let Some(streams) = behaviour.max_streams {
        builder.max_concurrent_streams(streams);
    }
    let (stream, linger) = Linger::over(stream).expect("a socket");
    let mut connection = builder.handshake::<_, Bytes>(stream).await?;
    let at_once = Arc::new(AtomicUsize::new(0));
    let mut calls = 0;
    let mut ages = behaviour.age.is_some();
    let age = tokio::time::sleep(behaviour.age.unwrap_or_default());
    tokio::pin!(age);
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(accepted) = accepted else {
                    drop(connection);
                    linger.drain().await;
                    return Ok(());
                };
                let (request, respond) = accepted?;
                seen.calls.fetch_add(1, Ordering::SeqCst);
                let now = at_once.fetch_add(1, Ordering::SeqCst) + 1;
                seen.most.fetch_max(now, Ordering::SeqCst);
                let (seen, at_once) = (Arc::clone(seen), Arc::clone(&at_once));
                tokio::spawn(async move {
                    answer(respond, behaviour, &seen).await;
                    at_once.fetch_sub(1, Ordering::SeqCst);
                    drop(request);
                });
                calls += 1;
                if behaviour.calls == Some(calls) {
                    connection.graceful_shutdown();
                }
            }
            () = &mut age, if ages => {
                ages = false;
                connection.graceful_shutdown();
            }
        }
    }
}

async fn answer(mut respond: SendResponse<Bytes>, behaviour: Behaviour, seen: &Seen) {
    let mut answers = seen.answers.subscribe();
    let ready = async {
        tokio::time::sleep(behaviour.takes).await;
        answers.wait_for(|answers| *answers).await.map(drop).ok();
    };
    tokio::select! {
        () = ready => {}
        _ = std::future::poll_fn(|cx| respond.poll_reset(cx)) => {
            seen.resets.fetch_add(1, Ordering::SeqCst);
            return;
        }
    }
    if !behaviour.holds_body {
        send(respond, Answer::Operation);
        return;
    }
    let head = http::Response::builder().header("content-type", "application/grpc");
    let head = head.body(()).expect("it is valid");
    let Ok(mut body) = respond.send_response(head, false) else {
        return;
    };
    std::future::poll_fn(|cx| body.poll_reset(cx)).await.ok();
    seen.resets.fetch_add(1, Ordering::SeqCst);
}
