//! Describes messages and errors as JSON, in the form that is the same for all clients.

use apigateway_grpc::Error;
use apigateway_grpc::operation::{OperationError, Snapshot};
use apigateway_grpc::proto::google::cloud::apigateway::v1::{
    Api, ApiConfig, Gateway, OperationMetadata,
};
use apigateway_grpc::proto::google::iam::v1::Policy;
use apigateway_grpc::proto::google::longrunning::{Operation, operation};
use apigateway_grpc::tonic::Code;
use apigateway_grpc::tonic_types::ErrorDetail;
use prost::Message as _;
use serde_json::{Value, json};

use crate::scene::Result;

pub(crate) fn of_api(it: &Api) -> Value {
    json!({
        "name": it.name,
        "state": it.state().as_str_name(),
        "display_name": it.display_name,
        "labels": it.labels,
    })
}

pub(crate) fn of_config(it: &ApiConfig) -> Value {
    json!({
        "name": it.name,
        "state": it.state().as_str_name(),
        "display_name": it.display_name,
        "labels": it.labels,
    })
}

pub(crate) fn of_gateway(it: &Gateway) -> Value {
    json!({
        "name": it.name,
        "state": it.state().as_str_name(),
        "display_name": it.display_name,
        "labels": it.labels,
        "config": it.api_config,
    })
}

pub(crate) fn contents(config: &ApiConfig) -> Result<Value> {
    let files = config.openapi_documents.iter();
    let files = files.filter_map(|document| document.document.as_ref());
    let documents: Result<Vec<Value>> = files
        .map(|file| Ok(json!([file.path, std::str::from_utf8(&file.contents)?])))
        .collect();
    Ok(json!({"name": config.name, "documents": documents?}))
}

pub(crate) fn of_snapshot(snapshot: &Snapshot) -> Result<Value> {
    of_operation(snapshot.raw())
}

pub(crate) fn of_operation(operation: &Operation) -> Result<Value> {
    let any = operation
        .metadata
        .as_ref()
        .ok_or("the operation has no metadata")?;
    let metadata = OperationMetadata::decode(any.value.as_slice())?;
    let mut outcome = json!({
        "done": operation.done,
        "verb": metadata.verb,
        "target": metadata.target,
        "requested": metadata.requested_cancellation,
    });
    if let Some(operation::Result::Error(status)) = &operation.result {
        outcome["code"] = code_name(Code::from_i32(status.code)).into();
    }
    Ok(outcome)
}

pub(crate) fn of_policy(policy: &Policy) -> Value {
    let bindings = policy.bindings.iter();
    let bindings: Vec<Value> = bindings
        .map(|binding| json!([binding.role, binding.members]))
        .collect();
    json!({"etag": !policy.etag.is_empty(), "bindings": bindings})
}

/// Describes the failure of an operation.
pub(crate) fn of_failure(error: &OperationError) -> Result<Value> {
    let status = error.status().ok_or("the error has no status")?;
    let code = Code::from_i32(status.code);
    Ok(json!({"code": code_name(code), "message": status.message}))
}

pub(crate) fn of_error(error: &Error) -> Value {
    let mut outcome = json!({
        "code": code_name(error.code().unwrap_or(Code::Unknown)),
        "message": error.status().map(|status| status.message()),
        "details": {},
    });
    for detail in error.details() {
        match detail {
            ErrorDetail::ErrorInfo(info) => {
                outcome["reason"] = info.reason.into();
                outcome["details"]["ErrorInfo"] = true.into();
            }
            ErrorDetail::ResourceInfo(info) => {
                outcome["details"]["ResourceInfo"] = info.resource_name.into();
            }
            ErrorDetail::BadRequest(bad) => {
                let fields = bad.field_violations.into_iter().map(|it| it.field);
                outcome["details"]["BadRequest"] = fields.collect();
            }
            _ => {}
        }
    }
    outcome
}

/// Returns the name of a code as the proto spells it.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for char in format!("{code:?}").chars() {
        if char.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(char.to_ascii_uppercase());
    }
    name
}
