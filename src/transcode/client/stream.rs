//! A stream of replies: an HTTP body of JSON texts, read as gRPC frames while it comes in.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::{Body, Frame};
use tonic::Status;

use crate::call::transport_error::Failure;
use crate::transcode::client::response::Reading;
use crate::transcode::grpc_frames;
use crate::transcode::json::JsonOptions;
use crate::transcode::json::stream_splitter::Elements;
use crate::transcode::rules::Rules;
use crate::transcode::rules::rule::Response;

pub(crate) const LINES: &str = "application/x-ndjson";

/// The gRPC body of a streamed HTTP reply.
#[derive(Debug)]
pub(crate) struct Stream<B> {
    body: B,
    rules: Rules,
    /// The gRPC path of the method, and the place of its rule.
    path: String,
    rule: usize,
    options: JsonOptions,
    headers: HeaderMap,
    elements: Elements,
    /// Whether the last text has been taken.
    ended: bool,
    /// Whether the trailers have been told, or a failure.
    done: bool,
}

impl<B> Stream<B> {
    pub(crate) fn new(reading: Reading<'_>, headers: HeaderMap, body: B, most: usize) -> Self {
        let media = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let lines = media.is_some_and(|media| media.starts_with(LINES.as_bytes()));
        let rules = &reading.method.rules;
        let rule = rules
            .iter()
            .position(|rule| std::ptr::eq(rule, reading.rule));
        Self {
            body,
            rules: reading.rules.clone(),
            path: reading.method.path.clone(),
            rule: rule.unwrap_or_default(),
            options: reading.options,
            headers,
            elements: Elements::new(lines, most),
            ended: false,
            done: false,
        }
    }

    fn reading(&self) -> Option<Reading<'_>> {
        let method = self.rules.method(&self.path)?;
        Some(Reading {
            rules: &self.rules,
            method,
            rule: method.rules.get(self.rule)?,
            options: self.options,
            host: None,
        })
    }

    /// The frame of a text, or the status of the error that it is.
    fn frame(&self, text: &[u8]) -> Result<Bytes, Status> {
        let unknown = || Status::internal("the method is not among the rules");
        let reading = self.reading().ok_or_else(unknown)?;
        if reading.is_error(text) {
            return Err(reading.failure(StatusCode::OK, &HeaderMap::new(), text));
        }
        reading.message(text)
    }

    /// The frame of a piece of an `HttpBody`.
    fn piece(&self, piece: &[u8]) -> Result<Bytes, Status> {
        let unknown = || Status::internal("the method is not among the rules");
        let reading = self.reading().ok_or_else(unknown)?;
        match reading.rule.response {
            Response::Raw(number) => grpc_frames::frame(reading.raw(number, &self.headers, piece)),
            _ => Err(unknown()),
        }
    }

    /// Whether the replies are pieces of an `HttpBody`, which is no JSON.
    fn is_raw(&self) -> bool {
        let reading = self.reading();
        reading.is_some_and(|reading| matches!(reading.rule.response, Response::Raw(_)))
    }

    /// The last text, if there is one, and then the trailers.
    fn end(&mut self) -> Result<Frame<Bytes>, Status> {
        if !self.ended && !self.is_raw() {
            self.ended = true;
            let last = self.elements.end().map_err(Status::internal)?;
            if let Some(text) = last {
                return self.frame(&text).map(Frame::data);
            }
        }
        let mut trailers = HeaderMap::new();
        trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
        Ok(Frame::trailers(trailers))
    }
}

impl<B> Stream<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame<Bytes>, Status>> {
        loop {
            if let Some(text) = self.elements.next().map_err(Status::internal)? {
                return Poll::Ready(self.frame(&text).map(Frame::data));
            }
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                return Poll::Ready(self.end());
            };
            let frame = frame.map_err(|error| Failure::after_head(error.into()))?;
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            if self.is_raw() {
                return Poll::Ready(self.piece(&piece).map(Frame::data));
            }
            self.elements.push(&piece);
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
        let frame = ready!(self.poll(cx));
        self.done = frame.as_ref().map_or(true, Frame::is_trailers);
        Poll::Ready(Some(frame))
    }
}
