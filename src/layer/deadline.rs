//! Ends a call at its deadline. The time for credentials, connecting and all attempts counts, and so does the time for the
//! messages of a stream.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::Either;
use http::{HeaderName, HeaderValue};
use http_body::Frame;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::call::phase::{self, Phase};
use crate::call::{CallContext, GrpcRequest, GrpcResponse};
use crate::contract::Method;

pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Creates [`Deadline`] services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner }
    }
}

/// Ends each call at its deadline.
#[derive(Clone, Debug)]
pub(crate) struct Deadline<S> {
    inner: S,
}

impl<S> Service<GrpcRequest> for Deadline<S>
where
    S: Service<GrpcRequest, Response = GrpcResponse, Error = Status>,
{
    type Response = GrpcResponse;
    type Error = Status;
    type Future = Either<DeadlineFuture<S::Future>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: GrpcRequest) -> Self::Future {
        let requested = request.headers_mut().remove(GRPC_TIMEOUT);
        let requested = requested.as_ref().and_then(parse);
        let Some(call) = request.extensions_mut().get_mut::<CallContext>() else {
            return Either::Right(self.inner.call(request));
        };
        let contract_timeout = call.method.as_deref().and_then(Method::default_timeout);
        let timeout = requested.or(call.timeout).or(contract_timeout);
        // A timeout beyond the range of the clock is ignored.
        let bound =
            timeout.and_then(|timeout| Some((timeout, Instant::now().checked_add(timeout)?)));
        let Some((timeout, deadline)) = bound else {
            return Either::Right(self.inner.call(request));
        };
        call.deadline = Some(deadline);
        // Only the response of a unary call of the contract is read to its end before it is returned.
        let is_stream = !call.is_unary();
        let sleep = tokio::time::sleep_until(deadline);
        Either::Left(DeadlineFuture {
            call: self.inner.call(request),
            sleep,
            timeout,
            is_stream,
            phase: Phase::default(),
        })
    }
}

pin_project! {
    /// The future of a call with a deadline.
    #[derive(Debug)]
    pub(crate) struct DeadlineFuture<F> {
        #[pin]
        call: F,
        #[pin]
        sleep: Sleep,
        timeout: Duration,
        // True if the response is returned before its end.
        is_stream: bool,
        phase: Phase,
    }
}

impl<F: Future<Output = Result<GrpcResponse, Status>>> Future for DeadlineFuture<F> {
    type Output = Result<GrpcResponse, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // The call is polled before the timer, so that the error names the current phase.
        if let Poll::Ready(result) = phase::poll_in(this.phase, || this.call.poll(cx)) {
            if !*this.is_stream {
                return Poll::Ready(result);
            }
            let (deadline, timeout) = (this.sleep.deadline(), *this.timeout);
            return Poll::Ready(result.map(|response| {
                response.map(|body| Body::new(DeadlineBody::new(body, deadline, timeout)))
            }));
        }
        this.sleep.poll(cx).map(|()| {
            Err(Status::deadline_exceeded(format!(
                "no response within {:?}, still {}",
                this.timeout, this.phase
            )))
        })
    }
}

/// The body of a response that is returned before its end. It ends at the deadline of its call.
struct DeadlineBody {
    body: Body,
    sleep: Pin<Box<Sleep>>,
    timeout: Duration,
}

impl DeadlineBody {
    fn new(body: Body, deadline: Instant, timeout: Duration) -> Self {
        Self {
            body,
            sleep: Box::pin(tokio::time::sleep_until(deadline)),
            timeout,
        }
    }
}

impl http_body::Body for DeadlineBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        // The deadline is checked first, since a server may always have the next message ready.
        if self.sleep.as_mut().poll(cx).is_pending() {
            return Pin::new(&mut self.body).poll_frame(cx);
        }
        let text = format!("the response did not end within {:?}", self.timeout);
        Poll::Ready(Some(Err(Status::deadline_exceeded(text))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// Returns the value of `grpc-timeout` for the remaining time: a number of at most eight digits, and a unit.
pub(crate) fn header(remaining: Duration) -> HeaderValue {
    const MAX_NUMBER: u32 = 99_999_999;
    let units = [
        (remaining.as_micros(), b'u'),
        (remaining.as_millis(), b'm'),
        (remaining.as_secs().into(), b'S'),
    ];
    let fitting = units
        .into_iter()
        .filter_map(|(value, unit)| Some((u32::try_from(value).ok()?, unit)))
        .find(|(value, _)| *value <= MAX_NUMBER);
    let (mut value, unit) = fitting.unwrap_or((MAX_NUMBER, b'S'));
    // The digits are written from the last to the first. `format!` would take three times as long, and every attempt runs this.
    let mut text = [unit; 9];
    let mut start = text.len() - 1;
    while value > 0 || start == text.len() - 1 {
        start -= 1;
        text[start] = b"0123456789"[(value % 10) as usize];
        value /= 10;
    }
    HeaderValue::from_bytes(&text[start..]).expect("digits and a letter are header text")
}

fn parse(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let value: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_written_with_at_most_eight_digits_and_parsed_back() {
        let cases = [
            (Duration::ZERO, "0u"),
            (Duration::from_micros(1), "1u"),
            (Duration::from_micros(99_999_999), "99999999u"),
            (Duration::from_secs(10), "10000000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::MAX, "99999999S"),
        ];
        for (duration, text) in cases {
            assert_eq!(header(duration), text);
            let back = parse(&header(duration)).expect("just written");
            assert!(back <= duration, "{back:?}");
        }
        for text in ["", "S", "1", "1x", "-1S", "123456789S"] {
            assert_eq!(parse(&HeaderValue::from_static(text)), None, "{text}");
        }
    }
}
