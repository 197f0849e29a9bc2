//! The head of a request, kept for retries.

use http::request::Parts;
use tonic::GrpcMethod;

use crate::call::CallContext;

/// A copy of a request's head.
pub(super) struct RequestHead {
    head: Parts,
    /// tonic's extension, if the request has only this extension and [`CallContext`]. In that case only tonic's extension is
    /// copied, since copying the extensions is the most expensive part of a copy.
    method: Option<GrpcMethod<'static>>,
}

impl RequestHead {
    pub(super) fn of(head: &mut Parts) -> Self {
        let has_no_other =
            head.extensions.len() == 2 && head.extensions.get::<CallContext>().is_some();
        let method = head.extensions.get::<GrpcMethod<'static>>().cloned();
        let Some(method) = method.filter(|_| has_no_other) else {
            return Self {
                head: head.clone(),
                method: None,
            };
        };
        let extensions = std::mem::take(&mut head.extensions);
        let copy = head.clone();
        head.extensions = extensions;
        Self {
            head: copy,
            method: Some(method),
        }
    }

    pub(super) fn parts(&self) -> Parts {
        let mut head = self.head.clone();
        if let Some(method) = &self.method {
            head.extensions.insert(method.clone());
        }
        head
    }

    /// Returns an extension of the caller.
    pub(super) fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.head.extensions.get()
    }
}
