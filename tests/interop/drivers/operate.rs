//! Waits for operations, as standard input requests: `interop_operate ENDPOINT grpc|rest|auto`.
//!
//! A request is one of
//!
//! - `{"do": "create", "parent": text, "id": text, "api": wire}`: starts to create an api and waits for it,
//! - `{"do": "start", …}`: the same without the wait; the answer is `{"handle": object}`,
//! - `{"do": "await" | "watch" | "cancel", "handle": object}`: resumes an operation by its handle.
//!
//! The end of an operation is `{"result": wire}`, or `{"error": kind, "status": wire, "text": text, …}`. The answer of a watch also
//! has its `snapshots`, and the answer of a cancellation has its outcome in `came`.

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
    for question in lines::questions() {
        lines::answer(&answer(&client, &question?).await?)?;
    }
    Ok(())
}

async fn answer(client: &ApiGateway, question: &Value) -> Result<Value> {
    match lines::text(question, "do")? {
        "create" => Ok(ending(often(create(client, question).await?)?.await)),
        "start" => {
            let handle = create(client, question).await?.handle();
            Ok(json!({"handle": handle}))
        }
        verb => {
            let handle = Handle::deserialize(&question["handle"])?;
            match handle.result() {
                "google.protobuf.Empty" => resume::<()>(client, verb, &handle).await,
                _ => resume::<Api>(client, verb, &handle).await,
            }
        }
    }
}

async fn create(client: &ApiGateway, question: &Value) -> Result<Operation<Api>> {
    let (parent, id) = (
        lines::text(question, "parent")?,
        lines::text(question, "id")?,
    );
    let api = lines::decode(lines::text(question, "api")?)?;
    let api = Api::decode(api.as_slice())?;
    Ok(client.create_api(parent, id, api).await?)
}

async fn resume<R: OperationResult + Name>(
    client: &ApiGateway,
    verb: &str,
    handle: &Handle,
) -> Result<Value> {
    let mut operation = often(client.resume::<R>(handle)?)?;
    match verb {
        "await" => Ok(ending(operation.await)),
        "watch" => {
            let mut watch = operation.watch();
            let mut snapshots = Vec::new();
            while let Some(snapshot) = watch.next().await {
                snapshots.push(seen(&snapshot));
            }
            let mut answer = ending(watch.result().await);
            answer["snapshots"] = snapshots.into();
            Ok(answer)
        }
        "cancel" => {
            let (came, mut answer) = match operation.cancel().await {
                Ok(Cancellation::Cancelled(error)) => ("cancelled", ending::<R>(Err(error))),
                Ok(Cancellation::CompletedAnyway(result)) => {
                    ("completed anyway", ending(Ok(result)))
                }
                Ok(Cancellation::Failed(error)) => ("failed", ending::<R>(Err(error))),
                Ok(Cancellation::Unsupported) => ("unsupported", json!({})),
                Ok(_) => return Err("unknown outcome of the cancellation".into()),
                Err(error) => ("no end seen", ending::<R>(Err(error))),
            };
            answer["came"] = came.into();
            Ok(answer)
        }
        other => Err(format!("unknown verb: {other}").into()),
    }
}

/// Polls as often as possible, for a few seconds.
fn often<R: OperationResult>(operation: Operation<R>) -> Result<Operation<R>> {
    let delay = Duration::from_millis(250);
    let schedule = Schedule::default().delays(delay, 1.0, delay)?;
    Ok(operation.with_schedule(schedule.total_timeout(Duration::from_secs(10))))
}

fn seen(snapshot: &Snapshot) -> Value {
    lines::encode(&snapshot.raw().encode_to_vec())
}

fn ending<R: OperationResult>(ended: std::result::Result<R, OperationError>) -> Value {
    let error = match ended {
        Ok(result) => return json!({"result": lines::encode(&result.encode_to_vec())}),
        Err(error) => error,
    };
    let kind = match error.kind() {
        OperationErrorKind::Failed(_) => "failed",
        OperationErrorKind::Cancelled(_) => "cancelled",
        OperationErrorKind::WrongResult { .. } => "wrong result",
        OperationErrorKind::MalformedResult { .. } => "malformed result",
        OperationErrorKind::MissingResult => "without result",
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
