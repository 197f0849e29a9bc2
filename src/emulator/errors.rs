//! The parts of error replies beyond code and message.

use http::HeaderValue;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::refusal::DOMAIN;
use crate::call::{GrpcResponse, LegacyReason};

const DETAILS: &str = "grpc-status-details-bin";
const NOT_FOUND: &str = "5";

/// Which details the emulator's errors have.
///
/// AIP-193 asks every error for details. Of the live service, one error is recorded: NOT_FOUND over REST, which has none.
/// All other details are this crate's invention, but for documented ones: of quotas (`google/api/error_reason.proto`), of
/// credentials and of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Details {
    /// Documented details only. A test that passes here reads no details that the live service might not send.
    Documented,
    /// Details as AIP-193 says, but none for NOT_FOUND. This is the default.
    #[default]
    Standard,
    /// Details as AIP-193 says, for NOT_FOUND too.
    All,
}

impl Details {
    /// The reply of a service, without the details that this choice leaves out.
    pub(super) fn reply(self, mut reply: GrpcResponse) -> GrpcResponse {
        let left_out = match self {
            Self::Documented => true,
            Self::Standard => is_not_found(&reply),
            Self::All => false,
        };
        if left_out && reply.headers().contains_key(DETAILS) && is_invented(&reply) {
            reply.headers_mut().remove(DETAILS);
        }
        reply
    }
}

/// Marks a reply whose JSON body has the list `errors`: NOT_FOUND without details, as the live service is recorded to
/// answer.
pub(super) fn legacy(mut reply: GrpcResponse) -> GrpcResponse {
    if is_not_found(&reply) && !reply.headers().contains_key(DETAILS) {
        reply.extensions_mut().insert(LegacyReason("notFound"));
    }
    reply
}

fn is_not_found(reply: &GrpcResponse) -> bool {
    let code = reply.headers().get(Status::GRPC_STATUS);
    code.map(HeaderValue::as_bytes) == Some(NOT_FOUND.as_bytes())
}

/// Details in the service's own domain are invented; those in the domain of Google's infrastructure are documented.
fn is_invented(reply: &GrpcResponse) -> bool {
    let status = Status::from_header_map(reply.headers());
    let info = status.and_then(|status| status.get_details_error_info());
    info.is_some_and(|info| info.domain == DOMAIN)
}
