//! The choice of details in errors.

use http::HeaderValue;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::DOMAIN;
use crate::call::{GrpcResponse, LegacyReason};

const DETAILS: &str = "grpc-status-details-bin";
const NOT_FOUND: &str = "5";

/// Chooses the details of the emulator's errors.
///
/// AIP-193 requires details for every error. The only recorded error of the live service is NOT_FOUND over REST, and it has no
/// details. The details of quotas (`google/api/error_reason.proto`), credentials and permissions are documented. All other
/// details are this crate's invention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Details {
    /// Documented details only. With this choice, a test fails if it reads details that the live service might not send.
    Documented,
    /// Details as AIP-193 requires, but none for NOT_FOUND. This is the default.
    #[default]
    Standard,
    /// Details as AIP-193 requires, for NOT_FOUND too.
    All,
}

impl Details {
    /// Returns the name of the choice, as `apigw emulator --error-details` has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Standard => "standard",
            Self::All => "all",
        }
    }

    /// Removes from a response the details that this choice excludes.
    pub(crate) fn apply(self, mut response: GrpcResponse) -> GrpcResponse {
        let is_excluded = match self {
            Self::Documented => true,
            Self::Standard => is_not_found(&response),
            Self::All => false,
        };
        if is_excluded && response.headers().contains_key(DETAILS) && is_invented(&response) {
            response.headers_mut().remove(DETAILS);
        }
        response
    }
}

/// Marks a NOT_FOUND error without details. Its JSON body then has the list `errors`, as in the recorded response of the live
/// service.
pub(crate) fn mark_legacy(mut response: GrpcResponse) -> GrpcResponse {
    if is_not_found(&response) && !response.headers().contains_key(DETAILS) {
        response.extensions_mut().insert(LegacyReason("notFound"));
    }
    response
}

fn is_not_found(response: &GrpcResponse) -> bool {
    let code = response.headers().get(Status::GRPC_STATUS);
    code.map(HeaderValue::as_bytes) == Some(NOT_FOUND.as_bytes())
}

/// Returns true for details in the service's own domain. Those in the domain of Google's infrastructure are documented.
fn is_invented(response: &GrpcResponse) -> bool {
    let status = Status::from_header_map(response.headers());
    let info = status.and_then(|status| status.get_details_error_info());
    info.is_some_and(|info| info.domain == DOMAIN)
}
