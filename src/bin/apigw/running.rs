//! The operation in progress on a resource. An earlier run of the command or another process may have started it.

use apigateway_grpc::ApiGateway;
use apigateway_grpc::operation::OperationErrorKind;
use serde_json::Value;

use crate::apis::split;
use crate::context::Context;
use crate::failure::Failure;
use crate::output;
use crate::resource::is_same;
use crate::wait::{Budget, follow_any, unless_interrupted};

/// Returns the name of the operation in progress on a resource, if there is one.
pub(crate) async fn find(client: &ApiGateway, target: &str) -> Result<Option<String>, Failure> {
    let location = target.split('/').take(4).collect::<Vec<_>>().join("/");
    let mut operations = client.list_operations(location).items();
    while let Some(operation) = operations.next().await {
        let operation = operation?;
        if operation.done {
            continue;
        }
        let json = output::json(&operation)?;
        let operation_target = json.pointer("/metadata/target").and_then(Value::as_str);
        if operation_target.is_some_and(|name| is_same(name, target)) {
            return Ok(Some(operation.name));
        }
    }
    Ok(None)
}

/// Waits until no operation is in progress on a resource. If no operation is listed, pauses instead, since the list and the
/// state of the resource may differ for a moment: a new operation may not be listed yet, or the state may not show yet that the
/// operation has ended.
///
/// A failure of the operation is not an error here. The caller reads the resource again, whose state has the result.
///
/// # Errors
///
/// If a call fails, or the timeout of the command has passed.
pub(crate) async fn wait(
    context: &Context,
    client: &ApiGateway,
    target: &str,
    budget: &Budget,
) -> Result<(), Failure> {
    let limits = budget.remaining()?;
    let Some(name) = find(client, target).await? else {
        return budget.pause().await;
    };
    let title = format!("Waiting for {} [{}] to be ", kind(target), split(target).1);
    let wait = follow_any(context, client, &name, &limits, |verb| {
        let participle = match verb {
            "create" => "created",
            "delete" => "deleted",
            _ => "updated",
        };
        format!("{title}{participle}")
    });
    match unless_interrupted(context.reporter(), wait).await {
        Err(Failure::Operation(error))
            if matches!(
                error.kind(),
                OperationErrorKind::Failed(_)
                    | OperationErrorKind::Cancelled(_)
                    | OperationErrorKind::Expired
            ) =>
        {
            Ok(())
        }
        ended => ended.map(drop),
    }
}

/// Returns the kind of a resource, as gcloud's progress messages name it.
fn kind(name: &str) -> &'static str {
    match name.rsplit('/').nth(1) {
        Some("gateways") => "API Gateway",
        Some("configs") => "API Config",
        _ => "API",
    }
}
