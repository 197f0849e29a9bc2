use super::*;

/// A stream whose peer refuses the connection after the first write. The second write fails, and only a later read returns the
/// reason.
#[derive(Default)]
struct Refusing {
    writes: usize,
}

impl AsyncRead for Refusing {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.writes > 1 {
            return Poll::Ready(Err(io::Error::other("an alert")));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncWrite for Refusing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes += 1;
        Poll::Ready(match self.writes {
            1 => Ok(bytes.len()),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.writes {
            1 => Ok(()),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        })
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_refusal_is_reported_with_the_peers_reason_although_a_write_fails_first() {
    let preface = ServerPreface::default();
    let classify = |error: &io::Error| Some(format!("refused by {error}"));
    let stream = IoStream::new(Refusing::default(), false)
        .classify_errors(classify)
        .expect_preface(preface.clone());
    let cause = stream.cause();
    let executor = hyper_util::rt::TokioExecutor::new();
    let handshake = hyper::client::conn::http2::handshake(executor, stream).await;
    let (_calls, connection): (
        hyper::client::conn::http2::SendRequest<tonic::body::Body>,
        _,
    ) = handshake.expect("nothing has been read yet");
    let (settings, ended) = tokio::join!(preface.max_concurrent_streams(), connection);
    let error = settings.expect_err("the peer refused the connection");
    assert_eq!(error.to_string(), "refused by an alert");
    let unusable = UnusableConnection::from_io_error(&error).expect("the error has a cause");
    let stored = cause.get().expect("the cause is stored");
    assert_eq!(stored.to_string(), unusable.to_string());
    assert!(ended.is_err());
}
