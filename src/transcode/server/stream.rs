//! A stream of replies as JSON texts: an array, or a line each.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body::{Body, Frame};
use tonic::{Code, Status};

use crate::call::transport_error::Failure;
use crate::transcode::error_body;
use crate::transcode::grpc_frames::Frames;
use crate::transcode::json::JsonOptions;
use crate::transcode::rules::Rules;
use crate::transcode::rules::router::Target;
use crate::transcode::server::response::{self, Reading};
use crate::transcode::status::http_by_code;

/// The HTTP body of a stream of replies. A failure in its midst is its last text, an error body: the
/// HTTP status has gone before.
#[derive(Debug)]
pub(crate) struct Stream<B> {
    body: B,
    frames: Frames,
    /// What was read before the head was sent.
    first: Option<Bytes>,
    rules: Rules,
    target: Target,
    options: JsonOptions,
    form: Form,
    /// Whether a text has been told.
    begun: bool,
    done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Array,
    Lines,
    /// The data of `google.api.HttpBody`s in a row.
    Raw,
}

impl<B> Stream<B> {
    pub(crate) fn new(
        reading: &Reading<'_>,
        first: Option<Bytes>,
        body: B,
        frames: Frames,
    ) -> Self {
        let form = match reading.rules.target(reading.target).0.lines {
            _ if reading.is_raw() => Form::Raw,
            true => Form::Lines,
            false => Form::Array,
        };
        Self {
            body,
            frames,
            first,
            rules: reading.rules.clone(),
            target: reading.target,
            options: reading.options,
            form,
            begun: false,
            done: false,
        }
    }

    /// The bytes of a message, with what stands between it and the one before.
    fn message(&mut self, message: &[u8]) -> Result<Bytes, Status> {
        let reading = Reading {
            rules: &self.rules,
            target: self.target,
            options: self.options,
            most: 0,
        };
        let (_, text) = reading.text(message)?;
        Ok(self.put(&text))
    }

    fn put(&mut self, text: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(text.len() + 2);
        match (self.form, self.begun) {
            (Form::Array, false) => out.put_u8(b'['),
            (Form::Array, true) => out.put_u8(b','),
            _ => {}
        }
        self.begun = true;
        out.put_slice(text);
        if self.form == Form::Lines {
            out.put_u8(b'\n');
        }
        out.freeze()
    }

    /// What the body ends with.
    fn end(&mut self, status: &Status) -> Result<Bytes, Status> {
        self.done = true;
        let mut out = BytesMut::new();
        if status.code() != Code::Ok {
            if self.form == Form::Raw {
                // Bytes of any kind have no room for an error: the body breaks off.
                return Err(status.clone());
            }
            let http = http_by_code(status.code());
            let text = error_body::write(self.rules.schema(), http, status, None, self.options);
            out.put(self.put(text.as_bytes()));
        }
        if self.form == Form::Array {
            out.put_slice(if self.begun { b"]" } else { b"[]" });
        }
        Ok(out.freeze())
    }
}

impl<B> Stream<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// The next message's bytes, or the status that ends the stream.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Status>> {
        loop {
            if let Some(message) = self.first.take() {
                return Poll::Ready(self.message(&message));
            }
            if let Some(message) = self.frames.next()? {
                return Poll::Ready(self.message(&message));
            }
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                // A stream without messages had its status read before.
                let text = "the reply ended without a gRPC status";
                return Poll::Ready(Err(match self.begun {
                    true => Status::internal(text),
                    false => Status::ok(""),
                }));
            };
            let frame = frame.map_err(|error| Failure::status(error.into()))?;
            match frame.into_data() {
                Ok(piece) => self.frames.push(&piece),
                Err(frame) => {
                    let mut trailers = frame.into_trailers().unwrap_or_default();
                    return Poll::Ready(Err(response::status(&mut trailers)));
                }
            }
        }
    }
}

impl<B> Body for Stream<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let bytes = match ready!(self.poll(cx)) {
            Ok(bytes) => Ok(bytes),
            Err(status) => self.end(&status),
        };
        Poll::Ready(Some(bytes.map(Frame::data)))
    }
}
