//! The parts that the clients of the services share: the arguments, and one verb for each scenario of
//! `../../test_services.py`.
//!
//! `CLIENT ENDPOINT grpc|rest DESCRIPTOR_SET SERVICE_CONFIG GRPC_SERVICE_CONFIG VERB [ARGUMENT]` prints one JSON object.

use std::error::Error;
use std::time::Duration;

use apigateway_grpc::Transport;
use apigateway_grpc::contract::Contract;
use apigateway_grpc::google::Client;
use apigateway_grpc::operation::{
    Cancellation, Handle, Operation, OperationError, OperationErrorKind, OperationResult, Schedule,
};
use apigateway_grpc::stack::Stack;
use googleapis_tonic_google_longrunning::google::longrunning::Operation as Started;
use serde::Deserialize as _;
use serde_json::{Value, json};
use tonic::{Code, Status};

pub type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// The parts of a scenario that differ by service: the calls of its generated client, and the result of its operation.
pub trait Service {
    /// The result of the operation.
    type Resource: OperationResult;
    /// The full name of the result. The generated types do not implement `prost::Name`.
    const TYPE: &'static str;

    /// Reads a resource and returns its name.
    fn get(stack: Stack, name: String) -> impl Future<Output = Result<String, Status>>;

    /// Starts an operation.
    fn start(stack: Stack) -> impl Future<Output = Result<Started, Status>>;

    fn name(resource: &Self::Resource) -> &str;
}

/// Runs the verb of the arguments.
pub async fn run<S: Service>() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or_else(|| format!("missing {what}"));
    let endpoint = next("endpoint")?;
    let transport = match &*next("transport")? {
        "rest" => Transport::Rest,
        _ => Transport::Grpc,
    };
    let contract = Contract::builder(&std::fs::read(next("descriptor set")?)?)
        .service_config(&std::fs::read_to_string(next("service configuration")?)?)
        .grpc_service_config(&std::fs::read_to_string(next("gRPC service config")?)?)
        .build()?;
    let client = Client::builder(contract)
        .endpoint(endpoint)
        .transport(transport)
        .anonymous()
        .build()?;
    let verb = next("verb")?;
    let printed = match &*verb {
        "get" => match S::get(client.stack(), next("name")?).await {
            Ok(name) => json!({"name": name}),
            Err(status) => json!({"code": format!("{:?}", status.code())}),
        },
        "await" => ending::<S>(started::<S>(&client).await?.await),
        "watch" => {
            let mut watch = started::<S>(&client).await?.watch();
            let mut snapshots = Vec::new();
            while let Some(snapshot) = watch.next().await {
                let metadata = snapshot.raw().metadata.as_ref();
                let metadata = metadata.and_then(|any| any.type_url.split_once('/'));
                let metadata = metadata.map(|(_, name)| name);
                snapshots.push(json!({"done": snapshot.is_done(), "metadata": metadata}));
            }
            let mut printed = ending::<S>(watch.result().await);
            printed["snapshots"] = snapshots.into();
            printed
        }
        "watcher" => {
            // At this rate more than one operation is due at a time, so the watcher lists them.
            let watcher = client.watcher().with_threshold(2).with_rate(1.0)?;
            let mut waits = Vec::new();
            for _ in 0..next("number")?.parse::<usize>()? {
                waits.push(watcher.wait(started::<S>(&client).await?));
            }
            let mut names = Vec::new();
            for wait in waits {
                names.push(S::name(&wait.await?).to_owned());
            }
            json!({"results": names})
        }
        "cancel" => match started::<S>(&client).await?.cancel().await? {
            Cancellation::Cancelled(_) => json!({"cancelled": true}),
            other => json!({"cancelled": false, "outcome": format!("{other:?}")}),
        },
        "start" => json!({"handle": started::<S>(&client).await?.handle()}),
        "resume" => {
            let handle: Value = serde_json::from_str(&next("handle")?)?;
            let handle = Handle::deserialize(&handle)?;
            let operation = client
                .operations()
                .resume_as::<S::Resource>(&handle, S::TYPE)?;
            ending::<S>(often(operation)?.await)
        }
        "list" => {
            let mut operations = client.operations().list(next("parent")?).items();
            let mut names = Vec::new();
            while let Some(operation) = operations.next().await {
                names.push(operation?.name);
            }
            json!({"operations": names})
        }
        other => return Err(format!("unknown verb {other}").into()),
    };
    println!("{printed}");
    Ok(())
}

async fn started<S: Service>(client: &Client) -> Result<Operation<S::Resource>> {
    let started = S::start(client.stack()).await?;
    let operation = client.operations().started_as(&started, S::TYPE)?;
    often(operation)
}

/// Polls often, so that the tests are fast, and for long enough on a slow machine.
fn often<R: OperationResult>(operation: Operation<R>) -> Result<Operation<R>> {
    let delay = Duration::from_millis(50);
    let schedule = Schedule::default().delays(delay, 1.0, delay)?;
    Ok(operation.with_schedule(schedule.total_timeout(Duration::from_secs(60))))
}

fn ending<S: Service>(ended: Result<S::Resource, OperationError>) -> Value {
    match ended {
        Ok(resource) => json!({"result": S::name(&resource)}),
        Err(error) => match error.kind() {
            OperationErrorKind::Failed(status) => {
                json!({"error": format!("{:?}", Code::from(status.code))})
            }
            _ => json!({"error": error.to_string()}),
        },
    }
}
