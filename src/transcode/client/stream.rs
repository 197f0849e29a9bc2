//! Converts a streamed HTTP response of JSON texts into gRPC frames as it arrives.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::{Body, Frame};
use tonic::Status;

use crate::call::transport_error::TransportError;
use crate::transcode::client::response::ResponseReader;
use crate::transcode::grpc_frames;
use crate::transcode::json::JsonOptions;
use crate::transcode::json::stream_splitter::StreamSplitter;
use crate::transcode::rules::Rules;
use crate::transcode::rules::rule::ResponseBody;

pub(crate) const LINES: &str = "application/x-ndjson";

/// The gRPC body of a streamed HTTP response.
#[derive(Debug)]
pub(crate) struct GrpcStream<B> {
    body: B,
    rules: Rules,
    /// The gRPC path of the method, and the index of its rule.
    path: String,
    rule: usize,
    options: JsonOptions,
    headers: HeaderMap,
    splitter: StreamSplitter,
    /// True after the last text has been returned.
    ended: bool,
    /// True after the trailers or a failure have been returned.
    done: bool,
}

impl<B> GrpcStream<B> {
    pub(crate) fn new(
        reader: ResponseReader<'_>,
        headers: HeaderMap,
        body: B,
        max_bytes: usize,
    ) -> Self {
        let media = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let lines = media.is_some_and(|media| media.starts_with(LINES.as_bytes()));
        let rules = &reader.method.rules;
        let rule = rules
            .iter()
            .position(|rule| std::ptr::eq(rule, reader.rule));
        Self {
            body,
            rules: reader.rules.clone(),
            path: reader.method.path.clone(),
            rule: rule.unwrap_or_default(),
            options: reader.options,
            headers,
            splitter: StreamSplitter::new(lines, max_bytes),
            ended: false,
            done: false,
        }
    }

    fn reader(&self) -> Option<ResponseReader<'_>> {
        let method = self.rules.method(&self.path)?;
        Some(ResponseReader {
            rules: &self.rules,
            method,
            rule: method.rules.get(self.rule)?,
            options: self.options,
            host: None,
        })
    }

    /// Returns the frame of a text, or the status of an error body.
    fn frame(&self, text: &[u8]) -> Result<Bytes, Status> {
        let unknown = || Status::internal("no HTTP rule for the method");
        let reader = self.reader().ok_or_else(unknown)?;
        if reader.is_error(text) {
            return Err(reader.failure(StatusCode::OK, &HeaderMap::new(), text));
        }
        reader.message(text)
    }

    /// Returns the frame of a piece of an `HttpBody`.
    fn piece(&self, piece: &[u8]) -> Result<Bytes, Status> {
        let unknown = || Status::internal("no HTTP rule for the method");
        let reader = self.reader().ok_or_else(unknown)?;
        match reader.rule.response {
            ResponseBody::Raw(number) => {
                grpc_frames::frame(reader.raw(number, &self.headers, piece))
            }
            _ => Err(unknown()),
        }
    }

    /// Returns whether the responses are pieces of an `HttpBody`, which is not JSON.
    fn is_raw(&self) -> bool {
        let reader = self.reader();
        reader.is_some_and(|reader| matches!(reader.rule.response, ResponseBody::Raw(_)))
    }

    /// Returns the frame of the last text, if there is one, and then the trailers.
    fn end(&mut self) -> Result<Frame<Bytes>, Status> {
        if !self.ended && !self.is_raw() {
            self.ended = true;
            let last = self.splitter.end().map_err(Status::internal)?;
            if let Some(text) = last {
                return self.frame(&text).map(Frame::data);
            }
        }
        let mut trailers = HeaderMap::new();
        trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
        Ok(Frame::trailers(trailers))
    }
}

impl<B> GrpcStream<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame<Bytes>, Status>> {
        loop {
            if let Some(text) = self.splitter.next().map_err(Status::internal)? {
                return Poll::Ready(self.frame(&text).map(Frame::data));
            }
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                return Poll::Ready(self.end());
            };
            let frame = frame.map_err(|error| TransportError::after_head(error.into()))?;
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            if self.is_raw() {
                return Poll::Ready(self.piece(&piece).map(Frame::data));
            }
            self.splitter.push(&piece);
        }
    }
}

impl<B> Body for GrpcStream<B>
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
