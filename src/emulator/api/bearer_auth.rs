//! Authentication by bearer tokens. Without tokens in the settings, every call is allowed.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use http::{HeaderMap, HeaderValue, header};
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::contract::Method;

/// The domain of errors of Google's infrastructure.
const DOMAIN: &str = "googleapis.com";

/// The accepted tokens. If the list is empty, calls need no token.
#[derive(Clone, Default)]
pub(crate) struct BearerTokens(BTreeMap<String, TokenGrant>);

/// The permissions of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenGrant {
    All,
    Nothing,
}

impl BearerTokens {
    /// Returns the number of tokens.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn add(&mut self, token: String, allowed: TokenGrant) {
        self.0.insert(token, allowed);
    }

    /// Returns the grant of a call's token. TestIamPermissions needs no permission, since it returns those of the caller.
    ///
    /// # Errors
    ///
    /// UNAUTHENTICATED if the token is missing or unknown, PERMISSION_DENIED if it has no permissions.
    pub(crate) fn check(
        &self,
        method: &'static Method,
        name: &str,
        headers: &HeaderMap,
    ) -> Result<TokenGrant, Status> {
        if self.0.is_empty() {
            return Ok(TokenGrant::All);
        }
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            let text = "missing credentials: an OAuth 2 access token is required";
            return Err(unauthenticated(method, "CREDENTIALS_MISSING", text));
        };
        match bearer(value).and_then(|token| self.0.get(token)) {
            Some(TokenGrant::Nothing) if method.path != Method::TEST_IAM_PERMISSIONS.path => {
                Err(denied(method, name))
            }
            Some(allowed) => Ok(*allowed),
            None => {
                let text = "unknown access token: a valid OAuth 2 access token is required";
                Err(unauthenticated(method, "ACCESS_TOKEN_INVALID", text))
            }
        }
    }
}

impl fmt::Debug for BearerTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BearerTokens({})", self.0.len())
    }
}

/// Returns the token of `Bearer TOKEN`. The scheme is case-insensitive (RFC 9110 §11.1).
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_start())
}

fn unauthenticated(method: &Method, reason: &str, text: &str) -> Status {
    let of = HashMap::from([
        (
            "service".to_owned(),
            crate::emulator::error::DOMAIN.to_owned(),
        ),
        (
            "method".to_owned(),
            format!("{}.{}", method.service, method.name),
        ),
    ]);
    let details = ErrorDetails::with_error_info(reason, DOMAIN, of);
    let mut status = Status::with_error_details(Code::Unauthenticated, text, details);
    let challenge = MetadataValue::from_static("Bearer realm=\"https://accounts.google.com/\"");
    status.metadata_mut().insert("www-authenticate", challenge);
    status
}

fn denied(method: &Method, name: &str) -> Status {
    let permission = permission(method, name);
    let text = format!("permission '{permission}' denied on '{name}', or it does not exist");
    let of = HashMap::from([
        ("permission".to_owned(), permission),
        ("resource".to_owned(), name.to_owned()),
    ]);
    let details =
        ErrorDetails::with_error_info("IAM_PERMISSION_DENIED", crate::emulator::error::DOMAIN, of);
    Status::with_error_details(Code::PermissionDenied, text, details)
}

/// Returns the permission that a call needs, such as `apigateway.apis.create`.
fn permission(method: &Method, name: &str) -> String {
    let lists = method.name.starts_with("List");
    let collection = match name.rsplit('/').nth(1) {
        // The name in a list request is the parent. The collection is the last part of the HTTP path.
        _ if lists => method
            .http
            .first()
            .and_then(|rule| {
                rule.template
                    .rsplit(['/', '}'])
                    .find(|part| !part.is_empty())
            })
            .unwrap_or_default(),
        collection => collection.unwrap_or_default(),
    };
    let collection = match collection {
        "configs" => "apiconfigs",
        collection => collection,
    };
    let end = method.name[1..].find(|char: char| char.is_ascii_uppercase());
    let verb = match &*method.name {
        "GetIamPolicy" => "getIamPolicy".to_owned(),
        "SetIamPolicy" => "setIamPolicy".to_owned(),
        name => name[..end.map_or(name.len(), |end| end + 1)].to_ascii_lowercase(),
    };
    format!("apigateway.{collection}.{verb}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_named_after_the_collection_and_the_verb() {
        let global = "projects/p/locations/global";
        for (method, name, expected) in [
            (Method::CREATE_API, "apis/a", "apigateway.apis.create"),
            (Method::LIST_APIS, "", "apigateway.apis.list"),
            (
                Method::GET_API_CONFIG,
                "apis/a/configs/c",
                "apigateway.apiconfigs.get",
            ),
            (
                Method::LIST_API_CONFIGS,
                "apis/a",
                "apigateway.apiconfigs.list",
            ),
            (
                Method::SET_IAM_POLICY,
                "gateways/g",
                "apigateway.gateways.setIamPolicy",
            ),
            (
                Method::GET_OPERATION,
                "operations/o",
                "apigateway.operations.get",
            ),
            (Method::LIST_OPERATIONS, "", "apigateway.operations.list"),
            (Method::LIST_LOCATIONS, "", "apigateway.locations.list"),
        ] {
            let name = format!("{global}/{name}");
            assert_eq!(permission(method, &name), expected);
        }
    }
}
