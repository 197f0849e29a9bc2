//! The head of a request, kept for further attempts.

use http::request::Parts;
use tonic::GrpcMethod;

use crate::call::CallContext;

/// A head for further attempts.
pub(super) struct RequestHead {
    head: Parts,
    /// What tonic tells of the method, where nobody but tonic and we put anything into the extensions: a
    /// copy of these is what costs most of a copy.
    method: Option<GrpcMethod<'static>>,
}

impl RequestHead {
    pub(super) fn of(head: &mut Parts) -> Self {
        let usual = head.extensions.len() == 2 && head.extensions.get::<CallContext>().is_some();
        let method = head.extensions.get::<GrpcMethod<'static>>().cloned();
        let Some(method) = method.filter(|_| usual) else {
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

    /// What the caller has put into the request.
    pub(super) fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.head.extensions.get()
    }
}
