use super::*;

/// A connection that the peer refuses once it has read the preface: the next write is told first.
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
async fn a_peers_words_for_its_refusal_are_told_though_writing_shows_it_first() {
    let greeting = Greeting::default();
    let told = |error: &io::Error| Some(format!("refused by {error}"));
    let link = Link::new(Refusing::default(), false).refused_as(told);
    let link = link.expecting_http2(greeting.clone());
    let cause = link.cause();
    let executor = hyper_util::rt::TokioExecutor::new();
    let connected = hyper::client::conn::http2::handshake(executor, link).await;
    let (_calls, connection): (
        hyper::client::conn::http2::SendRequest<tonic::body::Body>,
        _,
    ) = connected.expect("nothing has been read yet");
    let (told, broke) = tokio::join!(greeting.streams(), connection);
    let error = told.expect_err("it was refused");
    assert_eq!(error.to_string(), "refused by an alert");
    let unusable = crate::call::transport_error::Unusable::within(&error).expect("it has a cause");
    let kept = cause.get().expect("the connection keeps it");
    assert_eq!(kept.to_string(), unusable.to_string());
    assert!(broke.is_err());
}
