//! A call from where it was begun to the head of its reply.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::BoxError;
use super::connection::Sent;
use super::response_body::Reading;

pin_project! {
    /// A call under way.
    #[project = SendingProj]
    pub(crate) enum Sending {
        Sent { #[pin] sent: Sent },
        Waiting { waiting: Waiting },
        Failed { error: Option<BoxError> },
    }
}

pub(super) type Waiting =
    Pin<Box<dyn Future<Output = Result<http::Response<Reading>, BoxError>> + Send>>;

impl Sending {
    pub(crate) fn failed(error: impl Into<BoxError>) -> Self {
        let error = Some(error.into());
        Self::Failed { error }
    }
}

impl Future for Sending {
    type Output = Result<http::Response<Reading>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            SendingProj::Sent { sent } => sent.poll(cx),
            SendingProj::Waiting { waiting } => waiting.as_mut().poll(cx),
            SendingProj::Failed { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            },
        }
    }
}
