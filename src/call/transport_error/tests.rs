use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::client::conn::http1;
use hyper::rt::{Read, ReadBufCursor, Write};
use tonic::body::Body;

use super::*;

/// A stream that the peer resets before anything is written.
struct Resets;

impl Read for Resets {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

impl Write for Resets {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_request_that_hyper_cancelled_was_not_sent_though_an_io_error_ended_the_connection() {
    let (mut sender, connection) = http1::handshake::<_, Body>(Resets).await.expect("no i/o");
    // The request is still queued when the connection reads the reset.
    let call = sender.try_send_request(http::Request::new(Body::empty()));
    connection.await.ok();
    let error = call.await.expect_err("it was reset").into_error();
    let source = error.source().expect("the reset");
    let io = chain(source).any(|source| source.is::<io::Error>());
    assert!(error.is_canceled() && io, "{error:?}");
    let status = TransportError::to_status(error.into());
    let failure = TransportError::from_status(&status).expect("it is known");
    assert!(failure.is_unsent(), "{failure:?}");
    assert_eq!(failure.transparent_retry_limit(), 16);
}

#[test]
fn an_error_after_the_head_of_a_response_is_never_unsent() {
    let refused = || BoxError::from(h2::Error::from(h2::Reason::REFUSED_STREAM));
    let before = TransportError::to_status(refused());
    assert!(TransportError::from_status(&before).is_some_and(TransportError::is_unsent));
    let after = TransportError::to_status(AfterHead(refused()).into());
    let failure = TransportError::from_status(&after).expect("it is known");
    assert_eq!(failure.kind, TransportErrorKind::Broken);
    assert_eq!(
        (after.code(), failure.transparent_retry_limit()),
        (before.code(), 0)
    );
    assert_eq!(after.message(), before.message());
}
