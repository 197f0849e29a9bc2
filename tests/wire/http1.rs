//! An HTTP/1.1 server on port 0 that records its requests and answers from a script.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use http::{HeaderMap, HeaderName, HeaderValue};
#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
use tokio::io::AsyncWrite;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GET /v1/…`.
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Number of its connection, counted from 1.
    pub(crate) connection: usize,
}

impl Request {
    /// Returns the text of a header, or an empty text if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(HeaderValue::to_str);
        value.and_then(Result::ok).unwrap_or_default()
    }
}

/// Returns an HTTP response with a content length.
pub(crate) fn reply(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Returns a JSON response.
pub(crate) fn json(status: u16, body: &str) -> Vec<u8> {
    let head = format!("{status} -\r\ncontent-type: application/json; charset=UTF-8");
    reply(&head, body.as_bytes())
}

/// A running server. It stops when it is dropped. The test fails if the script has answers left by then.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Seen {
    script: Script,
    requests: Vec<Request>,
    connections: usize,
    /// Number of attempted HTTP/2 connections.
    prefaces: usize,
}

#[derive(Debug)]
enum Script {
    Always(Vec<u8>),
    /// The connection closes after the last answer.
    Once(VecDeque<Vec<u8>>),
}

impl Server {
    /// Answers each request with the same bytes.
    pub(crate) async fn always(reply: Vec<u8>) -> Self {
        Self::start(Script::Always(reply)).await
    }

    /// Sends these answers in order, and closes the connection after the last answer.
    pub(crate) async fn script(replies: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self::start(Script::Once(replies.into_iter().collect())).await
    }

    async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let seen = Arc::new(Mutex::new(Seen {
            script,
            requests: Vec::new(),
            connections: 0,
            prefaces: 0,
        }));
        Self {
            address: listener.local_addr().expect("it listens"),
            seen: Arc::clone(&seen),
            task: tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&seen)));
                }
            }),
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        lock(&self.seen).requests.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        lock(&self.seen).connections
    }

    pub(crate) fn prefaces(&self) -> usize {
        lock(&self.seen).prefaces
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        if let Script::Once(left) = &lock(&self.seen).script
            && !std::thread::panicking()
        {
            assert!(left.is_empty(), "{} answers were not requested", left.len());
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().expect("not poisoned")
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Seen>>) {
    let connection = {
        let mut seen = lock(&seen);
        seen.connections += 1;
        seen.connections
    };
    while let Some(request) = read(&mut stream, connection).await {
        let (reply, last) = {
            let mut seen = lock(&seen);
            if request.line.starts_with("PRI ") {
                seen.prefaces += 1;
                (reply("400 Bad Request", b"HTTP/1.1 only"), true)
            } else {
                seen.requests.push(request);
                seen.answer()
            }
        };
        if stream.write_all(&reply).await.is_err() || last {
            break;
        }
    }
}

impl Seen {
    fn answer(&mut self) -> (Vec<u8>, bool) {
        match &mut self.script {
            Script::Always(reply) => (reply.clone(), false),
            Script::Once(replies) => {
                let reply = replies.pop_front();
                (reply.unwrap_or_default(), replies.is_empty())
            }
        }
    }
}

/// Answers each request on a connection of any kind with the same bytes.
#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
pub(crate) async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, reply: &[u8]) {
    while read(&mut stream, 1).await.is_some() {
        // The client may be gone.
        stream.write_all(reply).await.ok();
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin), connection: usize) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: HeaderMap = lines
        .filter_map(|line| line.split_once(": "))
        .filter_map(|(name, value)| {
            let name = HeaderName::try_from(name).ok()?;
            Some((name, HeaderValue::try_from(value).ok()?))
        })
        .collect();
    let length = headers.get("content-length").map(HeaderValue::to_str);
    let length = length
        .and_then(Result::ok)
        .and_then(|text| text.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request {
        line,
        headers,
        body,
        connection,
    })
}
