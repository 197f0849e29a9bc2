//! HTTP/2 frame by frame, for servers that break the rules (RFC 9113 §4.1).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection after the exchange of prefaces.
#[derive(Debug)]
pub(crate) struct Peer<S = TcpStream> {
    stream: S,
}

#[derive(Debug)]
pub(crate) struct Frame {
    head: [u8; 9],
    payload: Vec<u8>,
}

impl Frame {
    fn kind(&self) -> u8 {
        self.head[3]
    }

    pub(crate) fn stream(&self) -> u32 {
        let [.., a, b, c, d] = self.head;
        u32::from_be_bytes([a, b, c, d])
    }

    /// Returns whether the frame begins a call.
    pub(crate) fn is_call(&self) -> bool {
        self.kind() == HEADERS
    }

    /// Returns whether the frame is a PING without ACK.
    pub(crate) fn is_ping(&self) -> bool {
        self.kind() == PING && self.head[4] & ACK == 0
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub(crate) async fn new(mut stream: S) -> io::Result<Self> {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await?;
        let mut peer = Self { stream };
        peer.write(SETTINGS, 0, &[]).await?;
        Ok(peer)
    }

    pub(crate) async fn read(&mut self) -> io::Result<Frame> {
        read(&mut self.stream).await
    }

    /// Reads until a frame of this type.
    pub(crate) async fn read_to(&mut self, kind: u8) -> io::Result<Frame> {
        loop {
            let frame = self.read().await?;
            if frame.kind() == kind {
                return Ok(frame);
            }
        }
    }

    pub(crate) async fn write(&mut self, kind: u8, flags: u8, payload: &[u8]) -> io::Result<()> {
        self.write_on(0, kind, flags, payload).await
    }

    async fn write_on(
        &mut self,
        stream: u32,
        kind: u8,
        flags: u8,
        payload: &[u8],
    ) -> io::Result<()> {
        let [_, a, b, c] = u32::try_from(payload.len()).expect("small").to_be_bytes();
        let [d, e, f, g] = stream.to_be_bytes();
        let head = [a, b, c, kind, flags, d, e, f, g];
        self.stream.write_all(&head).await?;
        self.stream.write_all(payload).await
    }

    pub(crate) async fn acknowledge(&mut self, ping: &Frame) -> io::Result<()> {
        self.write(PING, ACK, &ping.payload).await
    }

    pub(crate) async fn settings(&mut self, settings: &[u8]) -> io::Result<()> {
        self.write(SETTINGS, 0, settings).await
    }

    /// Sends a complete gRPC response with its headers as literals (RFC 7541 §6.2.2).
    pub(crate) async fn reply(&mut self, stream: u32, message: &[u8]) -> io::Result<()> {
        self.head(stream, &[("content-type", "application/grpc")])
            .await?;
        self.data(stream, message).await?;
        let trailers = literal("grpc-status", "0");
        let last = END_HEADERS | END_STREAM;
        self.write_on(stream, HEADERS, last, &trailers).await
    }

    /// Sends the head of a response with status 200.
    pub(crate) async fn head(&mut self, stream: u32, headers: &[(&str, &str)]) -> io::Result<()> {
        let mut head = vec![0x88];
        for (name, value) in headers {
            head.extend(literal(name, value));
        }
        self.write_on(stream, HEADERS, END_HEADERS, &head).await
    }

    /// Sends data without END_STREAM.
    pub(crate) async fn data(&mut self, stream: u32, data: &[u8]) -> io::Result<()> {
        self.write_on(stream, DATA, 0, data).await
    }

    /// Sends data with END_STREAM.
    #[cfg(all(feature = "rest", any(feature = "tls-aws-lc", feature = "tls-ring")))]
    pub(crate) async fn end(&mut self, stream: u32, data: &[u8]) -> io::Result<()> {
        self.write_on(stream, DATA, END_STREAM, data).await
    }

    pub(crate) async fn reset(&mut self, stream: u32, reason: h2::Reason) -> io::Result<()> {
        let reason = u32::from(reason).to_be_bytes();
        self.write_on(stream, RST_STREAM, 0, &reason).await
    }

    /// Sends a GOAWAY with this last stream: no later stream was or will be processed.
    pub(crate) async fn go_away_after(
        &mut self,
        stream: u32,
        reason: h2::Reason,
    ) -> io::Result<()> {
        let payload = [stream.to_be_bytes(), u32::from(reason).to_be_bytes()].concat();
        self.write(GOAWAY, 0, &payload).await
    }

    /// Sends a GOAWAY without any processed stream, and closes the connection.
    pub(crate) async fn go_away(&mut self, reason: h2::Reason) -> io::Result<()> {
        self.go_away_after(0, reason).await?;
        self.stream.shutdown().await
    }
}

fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).expect("small")], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).expect("24 bits")];
    stream.read_exact(&mut payload).await?;
    Ok(Frame { head, payload })
}
