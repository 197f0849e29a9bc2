//! The mark of requests that may reach the admin service.

use tonic::{Code, Status};

use crate::call::GrpcRequest;
use crate::emulator::error;

/// The mark of an allowed request to the admin service, in the extensions of the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdminAllowed;

/// Accepts only requests with the mark. Even if the router and the access decision parse a path differently, a request that was
/// not allowed cannot reach the admin service.
///
/// # Errors
///
/// PERMISSION_DENIED for a request without the mark.
pub(in crate::emulator::server) fn require_admin_allowed(
    request: GrpcRequest,
) -> Result<GrpcRequest, Status> {
    if is_admin_allowed(&request) {
        return Ok(request);
    }
    let text = "the path of the request is not a path of the admin service";
    Err(error::access_denied(
        Code::PermissionDenied,
        "PATH_NOT_ALLOWED",
        text,
    ))
}

/// Returns true for a request with the mark.
pub(in crate::emulator::server) fn is_admin_allowed(request: &GrpcRequest) -> bool {
    request.extensions().get::<AdminAllowed>().is_some()
}

#[cfg(test)]
mod tests {
    use tonic::body::Body;

    use super::*;

    #[test]
    fn a_request_without_the_mark_is_refused_whatever_its_path() {
        let request = |path: &'static str| {
            let mut request = GrpcRequest::new(Body::empty());
            *request.uri_mut() = http::Uri::from_static(path);
            request
        };
        for path in ["/apigateway_grpc.emulator.v1.Admin/ListCalls", "/x"] {
            let refused = require_admin_allowed(request(path)).expect_err("it has no mark");
            assert_eq!(refused.code(), Code::PermissionDenied);
            let mut marked = request(path);
            marked.extensions_mut().insert(AdminAllowed);
            require_admin_allowed(marked).expect("it has the mark");
        }
    }
}
