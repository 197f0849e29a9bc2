//! Starts or resumes an operation for each request on standard input: `interop_operate ENDPOINT grpc|rest|auto`.
//!
//! A request is one of
//!
//! - `{"do": "create", "parent": text, "id": text, "api": wire}`: starts to create an api and waits for it,
//! - `{"do": "start", …}`: the same without the wait; the response is `{"handle": object}`,
//! - `{"do": "await" | "watch" | "cancel", "handle": object}`: resumes an operation by its handle.
//!
//! The response is the outcome of the operation: `{"result": wire}`, or `{"error": kind, "status": wire, "text": text, …}`. The
//! response to a watch also has `snapshots`, and the response to a cancel has `cancellation`, how the cancellation ended.

mod lines;

use std::time::Duration;

use apigateway_grpc::operation::{
    Cancellation, Handle, Operation, OperationError, OperationErrorKind, OperationResult, Schedule,
    Snapshot,
};
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::{ApiGateway, Transport};
use lines::Result;
use prost::{Message as _, Name};
use serde::Deserialize as _;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let endpoint = arguments.next().ok_or("the endpoint is missing")?;
    let transport = match arguments.next().as_deref() {
        Some("grpc") => Transport::Grpc,
        Some("rest") => Transport::Rest,
        Some("auto") => Transport::GrpcWithRestFallback,
        other => return Err(format!("invalid transport: {other:?}").into()),
    };
    let client = ApiGateway::builder()
        .endpoint(endpoint)
        .transport(transport)
        .anonymous()
        .build()?;
    for request in lines::requests() {
        lines::respond(&serve(&client, &request?).await?)?;
    }
    Ok(())
}

async fn serve(client: &ApiGateway, request: &Value) -> Result<Value> {
    match lines::text(request, "do")? {
        "create" => Ok(outcome(poll_often(create(client, request).await?)?.await)),
        "start" => {
            let handle = create(client, request).await?.handle();
            Ok(json!({"handle": handle}))
        }
        verb => {
            let handle = Handle::deserialize(&request["handle"])?;
            match handle.result() {
                "google.protobuf.Empty" => resume::<()>(client, verb, &handle).await,
                _ => resume::<Api>(client, verb, &handle).await,
            }
        }
    }
}

async fn create(client: &ApiGateway, request: &Value) -> Result<Operation<Api>> {
    let (parent, id) = (lines::text(request, "parent")?, lines::text(request, "id")?);
    let api = lines::decode(lines::text(request, "api")?)?;
    let api = Api::decode(api.as_slice())?;
    Ok(client.create_api(parent, id, api).await?)
}

async fn resume<R: OperationResult + Name>(
    client: &ApiGateway,
    verb: &str,
    handle: &Handle,
) -> Result<Value> {
    let mut operation = poll_often(client.resume::<R>(handle)?)?;
    match verb {
        "await" => Ok(outcome(operation.await)),
        "watch" => {
            let mut watch = operation.watch();
            let mut snapshots = Vec::new();
            while let Some(snapshot) = watch.next().await {
                snapshots.push(of_snapshot(&snapshot));
            }
            let mut response = outcome(watch.result().await);
            response["snapshots"] = snapshots.into();
            Ok(response)
        }
        "cancel" => {
            let (cancellation, mut response) = match operation.cancel().await {
                Ok(Cancellation::Cancelled(error)) => ("cancelled", outcome::<R>(Err(error))),
                Ok(Cancellation::CompletedAnyway(result)) => {
                    ("completed anyway", outcome(Ok(result)))
                }
                Ok(Cancellation::Failed(error)) => ("failed", outcome::<R>(Err(error))),
                Ok(Cancellation::Unsupported) => ("unsupported", json!({})),
                Ok(_) => return Err("unknown outcome of the cancellation".into()),
                Err(error) => ("error", outcome::<R>(Err(error))),
            };
            response["cancellation"] = cancellation.into();
            Ok(response)
        }
        other => Err(format!("unknown verb: {other}").into()),
    }
}

/// Polls every 250 ms, for at most ten seconds.
fn poll_often<R: OperationResult>(operation: Operation<R>) -> Result<Operation<R>> {
    let delay = Duration::from_millis(250);
    let schedule = Schedule::default().delays(delay, 1.0, delay)?;
    Ok(operation.with_schedule(schedule.total_timeout(Duration::from_secs(10))))
}

fn of_snapshot(snapshot: &Snapshot) -> Value {
    lines::encode(&snapshot.raw().encode_to_vec())
}

fn outcome<R: OperationResult>(result: std::result::Result<R, OperationError>) -> Value {
    let error = match result {
        Ok(result) => return json!({"result": lines::encode(&result.encode_to_vec())}),
        Err(error) => error,
    };
    let kind = match error.kind() {
        OperationErrorKind::Failed(_) => "failed",
        OperationErrorKind::Cancelled(_) => "cancelled",
        OperationErrorKind::WrongResult { .. } => "wrong result",
        OperationErrorKind::MalformedResult { .. } => "malformed result",
        OperationErrorKind::MissingResult => "missing result",
        OperationErrorKind::Polling => "polling",
        OperationErrorKind::TimedOut { .. } => "timed out",
        OperationErrorKind::Expired => "expired",
        _ => "other",
    };
    let diagnostics = error.diagnostics().into_iter();
    let diagnostics: Vec<_> = diagnostics
        .map(|it| json!([it.location, it.message]))
        .collect();
    json!({
        "error": kind,
        "text": error.to_string(),
        "name": error.name(),
        "code": error.code().map(|code| code as i32),
        "status": error.status().map(|status| lines::encode(&status.encode_to_vec())),
        "diagnostics": diagnostics,
        "polls": error.polls(),
    })
}
