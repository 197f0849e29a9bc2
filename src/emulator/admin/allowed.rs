//! The admin service serves only requests that were allowed.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures_util::future::Either;
use tonic::Code;
use tonic::server::NamedService;
use tower::Service;

use crate::call::{GrpcRequest, GrpcResponse};
use crate::emulator::access::AdminAllowed;
use crate::emulator::refusal;

/// A service for requests with [`AdminAllowed`]. So no way of writing a path leads to it past the decision about access.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct Allowed<S>(pub(in crate::emulator) S);

impl<S: NamedService> NamedService for Allowed<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<GrpcRequest> for Allowed<S>
where
    S: Service<GrpcRequest, Response = GrpcResponse, Error = Infallible>,
{
    type Response = GrpcResponse;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<GrpcResponse, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, rpc: GrpcRequest) -> Self::Future {
        if rpc.extensions().get::<AdminAllowed>().is_some() {
            return Either::Left(self.0.call(rpc));
        }
        let text = "the path of the request is not one of the admin service";
        let refused = refusal::no_access(Code::PermissionDenied, "PATH_NOT_ALLOWED", text);
        Either::Right(ready(Ok(refused.into_http())))
    }
}

#[cfg(test)]
mod tests {
    use tonic::body::Body;

    use super::*;
    use crate::emulator::Emulator;
    use crate::emulator::admin::AdminServer;

    #[tokio::test]
    async fn a_request_that_was_not_allowed_is_refused_whatever_its_path() {
        for (allowed, refused) in [(false, true), (true, false)] {
            let emulator = Emulator::builder().build();
            let mut service = Allowed(AdminServer::new(emulator));
            let mut rpc = GrpcRequest::new(Body::empty());
            if allowed {
                rpc.extensions_mut().insert(AdminAllowed);
            }
            *rpc.uri_mut() = "/apigateway_grpc.emulator.v1.Admin/ListCalls"
                .parse()
                .expect("a path");
            let reply = service.call(rpc).await.expect("infallible");
            let status = reply.headers().get("grpc-status");
            let status = status.and_then(|status| status.to_str().ok());
            assert_eq!(status == Some("7"), refused, "{status:?}");
        }
    }
}
