//! Sends the body of a streaming request while the response is read.

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::task::AbortHandle;
use tonic::Status;
use tonic::body::Body;

/// A handle to the task that sends a body. Dropping the handle aborts the task.
#[derive(Debug)]
pub(super) struct BodySender(AbortHandle);

impl Drop for BodySender {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The result of polling a body for a frame. `None` is the end of the body.
type NextFrame = Option<Result<Frame<Bytes>, Status>>;

impl BodySender {
    /// Spawns the task. If the body was polled before, `first` is the result. The task sends `first` and then the rest of the
    /// body.
    pub(super) fn spawn(
        mut stream: SendStream<Bytes>,
        first: Option<NextFrame>,
        mut body: Body,
    ) -> Self {
        let task = tokio::spawn(async move {
            let mut polled = first;
            loop {
                let next = match polled.take() {
                    Some(next) => next,
                    None => body.frame().await,
                };
                let sent = match next {
                    None => return drop(stream.send_data(Bytes::new(), true)),
                    Some(Ok(frame)) => send_frame(&mut stream, frame).await,
                    Some(Err(_)) => None,
                };
                if sent.is_none() {
                    // The reset has no effect if the stream has ended.
                    return stream.send_reset(Reason::CANCEL);
                }
            }
        });
        Self(task.abort_handle())
    }
}

/// Sends a frame as flow control allows. Returns `None` if the stream accepts no more data.
async fn send_frame(stream: &mut SendStream<Bytes>, frame: Frame<Bytes>) -> Option<()> {
    let mut data = match frame.into_data() {
        Ok(data) => data,
        Err(frame) => {
            let trailers = frame.into_trailers().ok()?;
            return stream.send_trailers(trailers).ok();
        }
    };
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let capacity = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let piece = data.split_to(capacity?.ok()?.min(data.len()));
        stream.send_data(piece, false).ok()?;
    }
    Some(())
}
