use tokio::io::AsyncWriteExt as _;

use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

fn link(io: impl Stream + 'static) -> Link {
    Link::new(io, false).expecting_http2(Refusal::default(), PATIENCE)
}

/// What becomes of a peer that begins with these pieces and then ends.
async fn first(pieces: &[&[u8]]) -> Result<Vec<u8>, String> {
    let (mut peer, io) = tokio::io::duplex(1);
    let mut link = link(io);
    let says = async {
        for piece in pieces {
            if peer.write_all(piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        drop(peer);
    };
    let reads = std::future::poll_fn(|cx| link.poll_first(cx));
    let (read, ()) = tokio::join!(reads, says);
    let head = link.first.map(|first| first.head.to_vec());
    read.map(|()| head.unwrap_or_default())
        .map_err(|error| error.to_string())
}

const SETTINGS: [u8; 9] = [0, 0, 18, 4, 0, 0, 0, 0, 0];

#[tokio::test]
async fn only_a_settings_frame_may_come_first() {
    let cases: [(&[u8], bool); 7] = [
        (&SETTINGS, true),
        (&[0, 0, 0, 4, 0, 0, 0, 0, 0], true),
        (b"HTTP/1.1 ", false),
        (&[0, 0, 0, 4, 1, 0, 0, 0, 0], false),
        (&[0, 0, 7, 4, 0, 0, 0, 0, 0], false),
        (&[0, 0, 6, 4, 0, 0, 0, 0, 1], false),
        (&[], false),
    ];
    for (bytes, taken) in cases {
        let first = first(&[bytes]).await;
        assert_eq!(first.is_ok(), taken, "{bytes:?}");
        let not_http2 = first.err().is_some_and(|why| why.starts_with(NOT_HTTP2));
        assert_eq!(not_http2, !taken, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_first_frame_in_pieces_is_put_together() {
    let pieces: Vec<&[u8]> = SETTINGS.chunks(2).collect();
    assert_eq!(first(&pieces).await.expect("whole"), SETTINGS);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_silent_is_given_up_after_a_time() {
    let (_peer, io) = tokio::io::duplex(64);
    let mut link = link(io);
    let began = tokio::time::Instant::now();
    let first = std::future::poll_fn(|cx| link.poll_first(cx)).await;
    let why = first.expect_err("nothing was said").to_string();
    assert!(why.starts_with(NOT_HTTP2), "{why}");
    assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
}

/// A connection that the peer resets once it has read the preface: the next write is told first.
#[derive(Default)]
struct Reset {
    writes: usize,
}

impl AsyncRead for Reset {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.writes > 1 {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncWrite for Reset {
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
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn calls_written_to_a_peer_that_resets_first_learn_that_it_is_not_http2() {
    let link = link(Reset::default());
    let executor = hyper_util::rt::TokioExecutor::new();
    let connected = hyper::client::conn::http2::handshake(executor, link).await;
    let (mut calls, connection) = connected.expect("nothing has been read yet");
    let call = calls.send_request(http::Request::new(tonic::body::Body::empty()));
    let (called, _) = tokio::join!(call, connection);
    let error = called.expect_err("it was reset");
    let status = crate::failure::Failure::status(error.into());
    assert!(status.message().contains(NOT_HTTP2), "{status:?}");
}
