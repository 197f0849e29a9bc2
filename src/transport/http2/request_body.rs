//! Sends the body of a request that is a stream, beside the reply.

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::task::AbortHandle;
use tonic::Status;
use tonic::body::Body;

/// The task that sends. It ends with this.
#[derive(Debug)]
pub(super) struct Pump(AbortHandle);

impl Drop for Pump {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a body gave.
type Given = Option<Result<Frame<Bytes>, Status>>;

/// Sends `first`, if it is there, and then the rest of the body.
pub(super) fn start(mut stream: SendStream<Bytes>, first: Option<Given>, mut body: Body) -> Pump {
    let task = tokio::spawn(async move {
        let mut next = first;
        loop {
            let given = match next.take() {
                Some(given) => given,
                None => body.frame().await,
            };
            let sent = match given {
                None => return drop(stream.send_data(Bytes::new(), true)),
                Some(Ok(frame)) => send(&mut stream, frame).await,
                Some(Err(_)) => None,
            };
            if sent.is_none() {
                // What has ended already stays as it is.
                return stream.send_reset(Reason::CANCEL);
            }
        }
    });
    Pump(task.abort_handle())
}

/// Sends a frame as the peer has room for it; `None` if it takes no more.
async fn send(stream: &mut SendStream<Bytes>, frame: Frame<Bytes>) -> Option<()> {
    let mut data = match frame.into_data() {
        Ok(data) => data,
        Err(frame) => {
            let trailers = frame.into_trailers().ok()?;
            return stream.send_trailers(trailers).ok();
        }
    };
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let piece = data.split_to(room?.ok()?.min(data.len()));
        stream.send_data(piece, false).ok()?;
    }
    Some(())
}
