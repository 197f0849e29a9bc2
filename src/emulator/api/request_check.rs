//! Checks that a request message can be decoded.

use prost::Message;

use crate::contract::Method;
use crate::proto::google::cloud::apigateway::v1::*;
use crate::proto::google::cloud::location::{GetLocationRequest, ListLocationsRequest};
use crate::proto::google::iam::v1::{
    GetIamPolicyRequest, SetIamPolicyRequest, TestIamPermissionsRequest,
};
use crate::proto::google::longrunning::{
    CancelOperationRequest, DeleteOperationRequest, GetOperationRequest, ListOperationsRequest,
    WaitOperationRequest,
};

/// Decodes the request message of a method, and drops it.
///
/// # Errors
///
/// If the message cannot be decoded. The error has the field.
pub(super) fn check(method: &Method, message: &[u8]) -> Result<(), String> {
    let checked = match method.name {
        "CreateApi" => decode::<CreateApiRequest>(message),
        "CreateApiConfig" => decode::<CreateApiConfigRequest>(message),
        "CreateGateway" => decode::<CreateGatewayRequest>(message),
        "DeleteApi" => decode::<DeleteApiRequest>(message),
        "DeleteApiConfig" => decode::<DeleteApiConfigRequest>(message),
        "DeleteGateway" => decode::<DeleteGatewayRequest>(message),
        "GetApi" => decode::<GetApiRequest>(message),
        "GetApiConfig" => decode::<GetApiConfigRequest>(message),
        "GetGateway" => decode::<GetGatewayRequest>(message),
        "ListApis" => decode::<ListApisRequest>(message),
        "ListApiConfigs" => decode::<ListApiConfigsRequest>(message),
        "ListGateways" => decode::<ListGatewaysRequest>(message),
        "UpdateApi" => decode::<UpdateApiRequest>(message),
        "UpdateApiConfig" => decode::<UpdateApiConfigRequest>(message),
        "UpdateGateway" => decode::<UpdateGatewayRequest>(message),
        "CancelOperation" => decode::<CancelOperationRequest>(message),
        "DeleteOperation" => decode::<DeleteOperationRequest>(message),
        "GetOperation" => decode::<GetOperationRequest>(message),
        "ListOperations" => decode::<ListOperationsRequest>(message),
        "WaitOperation" => decode::<WaitOperationRequest>(message),
        "GetLocation" => decode::<GetLocationRequest>(message),
        "ListLocations" => decode::<ListLocationsRequest>(message),
        "GetIamPolicy" => decode::<GetIamPolicyRequest>(message),
        "SetIamPolicy" => decode::<SetIamPolicyRequest>(message),
        "TestIamPermissions" => decode::<TestIamPermissionsRequest>(message),
        _ => Ok(()),
    };
    let name = method.input.rsplit('.').next().unwrap_or_default();
    checked.map_err(|why| format!("invalid {name}: {why}"))
}

fn decode<M: Message + Default>(message: &[u8]) -> Result<(), String> {
    M::decode(message)
        .map(drop)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_every_method_is_checked() {
        for method in Method::all() {
            assert_eq!(check(method, b""), Ok(()), "{}", method.name);
            let invalid = check(method, b"\x0a\x05a").expect_err(method.name);
            let name = method.input.rsplit('.').next().unwrap_or_default();
            assert!(
                invalid.starts_with(&format!("invalid {name}: ")),
                "{invalid}"
            );
        }
    }
}
