//! The mark of requests that may reach the admin service.

use tonic::{Code, Status};

use crate::call::Rpc;
use crate::emulator::error;

/// A request to the admin service that was allowed. It is in the extensions of the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdminAllowed;

/// Accepts a request with the mark. So a path that the router and the decision read differently does not reach the admin service.
///
/// # Errors
///
/// PERMISSION_DENIED for a request without the mark.
pub(in crate::emulator::server) fn require_admin_allowed(rpc: Rpc) -> Result<Rpc, Status> {
    if rpc.extensions().get::<AdminAllowed>().is_some() {
        return Ok(rpc);
    }
    let text = "the path of the request is not one of the admin service";
    Err(error::access_denied(
        Code::PermissionDenied,
        "PATH_NOT_ALLOWED",
        text,
    ))
}

#[cfg(test)]
mod tests {
    use tonic::body::Body;

    use super::*;

    #[test]
    fn a_request_without_the_mark_is_refused_whatever_its_path() {
        let rpc = |path: &'static str| {
            let mut rpc = Rpc::new(Body::empty());
            *rpc.uri_mut() = http::Uri::from_static(path);
            rpc
        };
        for path in ["/apigateway_grpc.emulator.v1.Admin/ListCalls", "/x"] {
            let refused = require_admin_allowed(rpc(path)).expect_err("it has no mark");
            assert_eq!(refused.code(), Code::PermissionDenied);
            let mut marked = rpc(path);
            marked.extensions_mut().insert(AdminAllowed);
            require_admin_allowed(marked).expect("it has the mark");
        }
    }
}
