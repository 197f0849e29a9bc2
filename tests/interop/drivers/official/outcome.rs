//! Describes messages and errors as JSON, in the form that is the same for all clients.

use google_cloud_apigateway_v1::Error;
use google_cloud_apigateway_v1::model::{Api, ApiConfig, Gateway, OperationMetadata};
use google_cloud_gax::error::rpc::{Code, StatusDetails};
use google_cloud_longrunning::model::{Operation, operation};
use serde_json::{Value, json};

use crate::scene::Result;

pub(crate) fn of_api(it: &Api) -> Value {
    json!({
        "name": it.name,
        "state": it.state.name(),
        "display_name": it.display_name,
        "labels": it.labels,
    })
}

pub(crate) fn of_config(it: &ApiConfig) -> Value {
    json!({
        "name": it.name,
        "state": it.state.name(),
        "display_name": it.display_name,
        "labels": it.labels,
    })
}

pub(crate) fn of_gateway(it: &Gateway) -> Value {
    json!({
        "name": it.name,
        "state": it.state.name(),
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

pub(crate) fn of_metadata(done: bool, metadata: &OperationMetadata) -> Value {
    json!({
        "done": done,
        "verb": metadata.verb,
        "target": metadata.target,
        "requested": metadata.requested_cancellation,
    })
}

pub(crate) fn of_operation(operation: &Operation) -> Result<Value> {
    let any = operation
        .metadata
        .as_ref()
        .ok_or("the operation has no metadata")?;
    let mut outcome = of_metadata(operation.done, &any.to_msg()?);
    if let Some(operation::Result::Error(status)) = &operation.result {
        outcome["code"] = Code::from(status.code).name().into();
    }
    Ok(outcome)
}

pub(crate) fn of_error(error: &Error) -> Value {
    let Some(status) = error.status() else {
        return json!({"message": error.to_string()});
    };
    let mut outcome = json!({
        "code": status.code.name(),
        "message": status.message,
        "details": {},
    });
    for detail in &status.details {
        match detail {
            StatusDetails::ErrorInfo(info) => {
                outcome["reason"] = info.reason.as_str().into();
                outcome["details"]["ErrorInfo"] = true.into();
            }
            StatusDetails::ResourceInfo(info) => {
                outcome["details"]["ResourceInfo"] = info.resource_name.as_str().into();
            }
            StatusDetails::BadRequest(bad) => {
                let fields = bad.field_violations.iter().map(|it| it.field.as_str());
                outcome["details"]["BadRequest"] = fields.collect();
            }
            _ => {}
        }
    }
    outcome
}
