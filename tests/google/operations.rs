//! The operations of a service that is not API Gateway: messages of another crate, names of other forms, and a watcher that
//! lists operations by their parent. The server of each test is one function.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use apigateway_grpc::contract::{Contract, RetryPolicy};
use apigateway_grpc::operation::profile::{
    Facts, ServiceProfile, TargetFuture, TargetRequest, TargetStage, TargetState, Verb,
};
use apigateway_grpc::operation::{
    Cancellation, Handle, Operation, OperationErrorKind, Schedule, WatchedWait,
};
use apigateway_grpc::prost_types::Any;
use apigateway_grpc::proto::google::longrunning::WaitOperationRequest;
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use apigateway_grpc::{ApiGateway, CallOptions, google, proto};
use futures_util::future::join_all;
use googleapis_tonic_google_longrunning::google::longrunning::{
    GetOperationRequest, ListOperationsRequest, ListOperationsResponse,
    Operation as ForeignOperation, operation::Result as Ending,
};
use http_body_util::{BodyExt as _, Full};
use prost::Message;
use tonic::body::Body;
use tonic::{Code, Status};

/// A result type of a generated crate whose types do not implement `prost::Name`.
#[derive(Clone, PartialEq, Message)]
struct Database {
    #[prost(string, tag = "1")]
    name: String,
}

/// Metadata of such a crate.
#[derive(Clone, PartialEq, Message)]
struct CreateDatabaseMetadata {
    #[prost(string, tag = "1")]
    database: String,
}

const DATABASE: &str = "projects/p/instances/i/databases/d";
const DATABASE_TYPE: &str = "google.spanner.admin.database.v1.Database";
const METADATA_TYPE: &str = "google.spanner.admin.database.v1.CreateDatabaseMetadata";

fn operation_name(number: usize) -> String {
    format!("{DATABASE}/operations/_auto_{number:04}")
}

fn packed(type_name: &str, message: &impl Message) -> Any {
    Any {
        type_url: format!("type.googleapis.com/{type_name}"),
        value: message.encode_to_vec(),
    }
}

fn database() -> Database {
    Database {
        name: DATABASE.to_owned(),
    }
}

fn running(name: &str) -> ForeignOperation {
    let metadata = CreateDatabaseMetadata {
        database: DATABASE.to_owned(),
    };
    ForeignOperation {
        name: name.to_owned(),
        metadata: Some(packed(METADATA_TYPE, &metadata)),
        ..ForeignOperation::default()
    }
}

fn succeeded(name: &str) -> ForeignOperation {
    ForeignOperation {
        done: true,
        result: Some(Ending::Response(packed(DATABASE_TYPE, &database()))),
        ..running(name)
    }
}

/// A call that the server received: the method, the name in the request, and the routing header.
#[derive(Clone, Debug, PartialEq)]
struct Received {
    method: String,
    name: String,
    routing: String,
}

type Log = Arc<Mutex<Vec<Received>>>;

/// Returns a client whose server is a function of method and name, and the calls that the server receives. Without a profile,
/// the client has the default profile of its contract.
fn client_with(
    profile: Option<Databases>,
    answer: impl Fn(&str, &str) -> Result<Vec<u8>, Status> + Clone + Send + Sync + 'static,
) -> (google::Client, Log) {
    let log = Log::default();
    let received = Arc::clone(&log);
    let transport = tower::service_fn(move |request: GrpcRequest| {
        let (answer, received) = (answer.clone(), Arc::clone(&received));
        async move {
            let method = request.uri().path().rsplit('/').next().unwrap_or_default();
            let method = method.to_owned();
            let routing = request.headers().get("x-goog-request-params");
            let routing = routing.map(|routing| routing.to_str().expect("text").to_owned());
            let body = request.into_body().collect().await?.to_bytes();
            let message = &body[5..];
            let name = match method.as_str() {
                "ListOperations" => ListOperationsRequest::decode(message).map(|it| it.name),
                // The requests of the other methods begin with the same field.
                _ => GetOperationRequest::decode(message).map(|it| it.name),
            };
            let name = name.expect("a request of Operations");
            let answered = answer(&method, &name);
            received.lock().expect("not poisoned").push(Received {
                method,
                name,
                routing: routing.unwrap_or_default(),
            });
            answered.map(response)
        }
    });
    let client = google::Client::builder(spanner())
        .transport_service(transport)
        .retry(RetryPolicy::NEVER)
        .anonymous();
    let client = match profile {
        Some(profile) => client.profile(profile),
        None => client,
    };
    (client.build().expect("the settings are valid"), log)
}

/// Returns the contract of a service with the names and the HTTP rules of Spanner.
fn spanner() -> Contract {
    let config = "
type: google.api.Service
name: spanner.googleapis.com
http:
  rules:
  - selector: google.longrunning.Operations.ListOperations
    get: '/v1/{name=projects/*/instances/*/databases/*/operations}'
  - selector: google.longrunning.Operations.GetOperation
    get: '/v1/{name=projects/*/instances/*/databases/*/operations/*}'
";
    Contract::builder(proto::FILE_DESCRIPTOR_SET)
        .service_config(config)
        .service("google.longrunning.Operations")
        .build()
        .expect("a contract")
}

fn response(message: Vec<u8>) -> GrpcResponse {
    let length = u32::try_from(message.len()).expect("a short message");
    let mut frame = vec![0];
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let body = Full::from(frame).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = GrpcResponse::new(Body::new(body));
    let grpc = http::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", grpc);
    response
}

fn methods(log: &Log) -> Vec<String> {
    let log = log.lock().expect("not poisoned");
    log.iter().map(|call| call.method.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_another_crate_is_awaited_even_if_its_result_type_does_not_implement_name()
{
    let (client, log) = client_with(None, |_, name| Ok(succeeded(name).encode_to_vec()));
    let name = operation_name(1);
    let started = client.operations();
    let started = started.started_as::<Database>(&running(&name), DATABASE_TYPE);
    let operation = started.expect("it has a name");
    assert_eq!(operation.name(), name);
    let metadata = operation.snapshot().metadata_named(METADATA_TYPE);
    let metadata: Option<CreateDatabaseMetadata> = metadata.expect("its type");
    assert_eq!(metadata.expect("it has metadata").database, DATABASE);
    assert_eq!(operation.await.expect("it succeeded"), database());
    let routing = format!("name={}", name.replace('/', "%2F"));
    let expected = Received {
        method: "GetOperation".to_owned(),
        name,
        routing,
    };
    assert_eq!(*log.lock().expect("not poisoned"), [expected]);
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_is_done_at_the_start_needs_no_call() {
    let (client, log) = client_with(None, |_, _| Err(Status::internal("no call")));
    let done = succeeded("");
    let operation = client.operations();
    let operation = operation.started_as::<Database>(&done, DATABASE_TYPE);
    let ended = operation.expect("done without a name").await;
    assert_eq!(ended.expect("it succeeded"), database());
    let any = client.operations().started::<Any>(&done);
    let any = any.expect("done without a name").await;
    let any = any.expect("it succeeded");
    assert_eq!(any, packed(DATABASE_TYPE, &database()));
    assert!(methods(&log).is_empty());
    let nameless = running("");
    let refused = client.operations().started::<Any>(&nameless);
    let refused = refused.expect_err("it cannot be polled");
    assert!(refused.is_invalid_response(), "{refused}");
}

#[test]
fn a_started_operation_with_an_invalid_name_is_refused() {
    let (client, _) = client_with(None, |_, _| Err(Status::internal("no call")));
    let operations = client.operations();
    for name in ["operations/../x", "a//b", "operations/", "a\nb"] {
        for message in [running(name), succeeded(name)] {
            let refused = operations.started_as::<Database>(&message, DATABASE_TYPE);
            let refused = refused.expect_err(name);
            assert!(refused.is_invalid_response(), "{refused}");
            let text = refused.to_string();
            assert!(text.contains("invalid operation name"), "{text}");
        }
        let refused = operations.operation_as::<Database>(name, DATABASE_TYPE);
        assert!(refused.expect_err(name).is_invalid_name());
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_of_another_type_is_an_error_with_both_names() {
    let (client, _) = client_with(None, |_, name| Ok(succeeded(name).encode_to_vec()));
    let expected = "google.spanner.admin.database.v1.Backup";
    let operations = client.operations();
    let operation = operations.operation_as::<Database>(operation_name(1), expected);
    let error = operation.expect("a name").await.expect_err("no backup");
    assert!(matches!(
        error.kind(),
        OperationErrorKind::WrongResult { .. }
    ));
    let text = error.to_string();
    let types = format!("result type is {DATABASE_TYPE}, expected {expected}");
    assert!(text.contains(&types), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_malformed_result_of_the_expected_type_is_an_error_with_the_reason() {
    let (client, _) = client_with(None, |_, name| {
        let response = Any {
            type_url: format!("type.googleapis.com/{DATABASE_TYPE}"),
            value: b"\x0a\x7fcut".to_vec(),
        };
        let ended = ForeignOperation {
            result: Some(Ending::Response(response)),
            ..succeeded(name)
        };
        Ok(ended.encode_to_vec())
    });
    let operations = client.operations();
    let operation = operations.operation_as::<Database>(operation_name(1), DATABASE_TYPE);
    let error = operation.expect("a name").await.expect_err("it is cut");
    let OperationErrorKind::MalformedResult { found, .. } = error.kind() else {
        panic!("{error:?}");
    };
    assert_eq!(found.value, b"\x0a\x7fcut");
    let text = error.to_string();
    let reason = format!("cannot decode the result {DATABASE_TYPE}: failed to decode Protobuf");
    assert!(text.contains(&reason), "{text}");
    assert!(apigateway_grpc::Error::from(error).is_invalid_response());
}

#[tokio::test(start_paused = true)]
async fn names_of_any_form_are_polled() {
    let (client, log) = client_with(None, |_, name| Ok(succeeded(name).encode_to_vec()));
    let names = [
        "operations/o",
        "1234567890",
        "projects/p/locations/l/operations/o",
    ];
    for name in names {
        let operation = client
            .operations()
            .operation_as::<Database>(name, DATABASE_TYPE);
        let ended = operation.expect("a name").await;
        assert_eq!(ended.expect("it succeeded"), database(), "{name}");
    }
    let log = log.lock().expect("not poisoned");
    let polled: Vec<_> = log.iter().map(|call| call.name.as_str()).collect();
    assert_eq!(polled, names);
    let refused = client.operations().operation::<Any>("operations/../x");
    assert!(refused.expect_err("another path").is_invalid_name());
}

#[tokio::test(start_paused = true)]
async fn a_handle_is_resumed_only_for_its_service_and_its_type() {
    let (client, _) = client_with(None, |_, name| Ok(succeeded(name).encode_to_vec()));
    let operations = client.operations();
    let started = operations.started_as::<Database>(&running(&operation_name(1)), DATABASE_TYPE);
    let handle = started.expect("it has a name").handle();
    assert_eq!(handle.service(), "spanner.googleapis.com");
    assert_eq!(handle.result(), DATABASE_TYPE);

    let resumed = operations.resume_as::<Database>(&handle, DATABASE_TYPE);
    let ended = resumed.expect("its service and type").await;
    assert_eq!(ended.expect("it succeeded"), database());
    let raw = operations.resume::<Any>(&handle).expect("any type").await;
    assert!(raw.expect("it succeeded").type_url.ends_with(DATABASE_TYPE));

    let other = operations.resume_as::<Database>(&handle, "x.Y");
    let other = other.expect_err("another type").to_string();
    assert!(other.contains("expected x.Y"), "{other}");

    let gateway = ApiGateway::builder()
        .transport_service(tower::service_fn(async |_: GrpcRequest| {
            Err::<GrpcResponse, _>(Status::internal("no call"))
        }))
        .anonymous();
    let gateway = gateway.build().expect("the settings are valid");
    let refused = gateway.resume::<Any>(&handle).expect_err("another service");
    let text = refused.to_string();
    let services = "service is spanner.googleapis.com, expected apigateway.googleapis.com";
    assert!(text.ends_with(services), "{text}");

    let name = "projects/p/locations/l/operations/o";
    let theirs: Handle = gateway.operation::<Any>(name).expect("a name").handle();
    let refused = operations.resume::<Any>(&theirs);
    let text = refused.expect_err("another service").to_string();
    let services = "service is apigateway.googleapis.com, expected spanner.googleapis.com";
    assert!(text.ends_with(services), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_cancelled_and_its_end_is_awaited() {
    let (client, log) = client_with(None, |method, name| match method {
        "CancelOperation" => Ok(Vec::new()),
        _ => Ok(ForeignOperation {
            done: true,
            result: Some(Ending::Error(cancelled_status())),
            ..running(name)
        }
        .encode_to_vec()),
    });
    let operations = client.operations();
    let operation = operations.operation_as::<Database>(operation_name(1), DATABASE_TYPE);
    let mut operation: Operation<Database> = operation.expect("a name");
    let ended = operation.cancel().await.expect("the request is accepted");
    assert!(matches!(ended, Cancellation::Cancelled(_)));
    operations
        .cancel(operation_name(2))
        .await
        .expect("the request is accepted");
    assert_eq!(
        methods(&log),
        ["CancelOperation", "GetOperation", "CancelOperation"]
    );
}

fn cancelled_status() -> googleapis_tonic_google_longrunning::google::rpc::Status {
    googleapis_tonic_google_longrunning::google::rpc::Status {
        code: Code::Cancelled as i32,
        ..Default::default()
    }
}

#[tokio::test]
async fn operations_are_read_listed_and_deleted_by_names_of_the_service() {
    let (client, log) = client_with(None, |method, name| match method {
        "ListOperations" => Ok(ListOperationsResponse {
            operations: vec![running(&operation_name(1)), succeeded(&operation_name(2))],
            ..ListOperationsResponse::default()
        }
        .encode_to_vec()),
        "DeleteOperation" => Ok(Vec::new()),
        _ => Ok(running(name).encode_to_vec()),
    });
    let operations = client.operations();
    let read = operations.get(operation_name(1)).await.expect("it exists");
    assert_eq!(read.name, operation_name(1));
    let parent = format!("{DATABASE}/operations");
    let page = operations.list(parent).first_page().await.expect("a page");
    assert_eq!(page.items.len(), 2);
    let deleted = operations.delete(operation_name(2)).await;
    deleted.expect("it is deleted");
    let refused = operations.get("a//b").await.expect_err("an empty segment");
    assert!(refused.is_invalid_name());
    assert!(refused.to_string().starts_with("get operation a//b: "));
    let expected = ["GetOperation", "ListOperations", "DeleteOperation"];
    assert_eq!(methods(&log), expected);
}

#[tokio::test]
async fn the_timeout_of_wait_operation_is_shorter_than_that_of_its_call() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let transport = tower::service_fn(move |request: GrpcRequest| {
        let log = Arc::clone(&log);
        async move {
            let body = request.into_body().collect().await?.to_bytes();
            let request = WaitOperationRequest::decode(&body[5..]).expect("a request");
            log.lock().expect("not poisoned").push(request.timeout);
            Ok::<_, Status>(response(running(&request.name).encode_to_vec()))
        }
    });
    let client = google::Client::builder(spanner()).transport_service(transport);
    let client = client.anonymous().build().expect("valid settings");
    let long = client.with_options(CallOptions::default().timeout(Duration::from_secs(600)));
    let hour = Duration::from_secs(3600);
    for (client, timeout) in [
        (&client, Duration::from_secs(7)),
        (&client, hour),
        (&long, hour),
    ] {
        let waited = client.operations().wait(operation_name(1), timeout).await;
        assert!(!waited.expect("its state").done);
    }
    let asked = asked.lock().expect("not poisoned");
    let seconds = asked.iter().flatten().map(|timeout| timeout.seconds);
    assert_eq!(seconds.collect::<Vec<_>>(), [7, 55, 595]);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_lists_operations_by_their_parent_and_polls_those_without_one_individually() {
    const COUNT: usize = 20;
    let started = tokio::time::Instant::now();
    let answer = move |method: &str, name: &str| {
        let show = |name: &str| match started.elapsed() > Duration::from_secs(10) {
            true => succeeded(name),
            false => running(name),
        };
        match method {
            "ListOperations" => Ok(ListOperationsResponse {
                operations: (0..COUNT).map(|at| show(&operation_name(at))).collect(),
                ..ListOperationsResponse::default()
            }
            .encode_to_vec()),
            _ => Ok(show(name).encode_to_vec()),
        }
    };
    let (client, log) = client_with(None, answer);
    let watcher = client.watcher();
    let wait = |name: String| -> WatchedWait<Database> {
        let operation = client.operations().operation_as(name, DATABASE_TYPE);
        watcher.wait(operation.expect("a name"))
    };
    let listed = (0..COUNT).map(|at| wait(operation_name(at)));
    let unlisted = (0..COUNT).map(|at| wait(format!("operations/{at}")));
    for ended in join_all(listed.chain(unlisted)).await {
        assert_eq!(ended.expect("it succeeded"), database());
    }
    assert_eq!(watcher.pending(), 0);
    let log = log.lock().expect("not poisoned");
    let (lists, polls): (Vec<_>, Vec<_>) =
        log.iter().partition(|call| call.method == "ListOperations");
    assert!(!lists.is_empty());
    for list in &lists {
        assert_eq!(list.name, format!("{DATABASE}/operations"));
    }
    let of_database = polls.iter().filter(|call| call.name.starts_with(DATABASE));
    let of_database = of_database.count();
    assert!(of_database < COUNT, "{of_database} polls");
    let of_others = polls
        .iter()
        .filter(|call| call.name.starts_with("operations/"));
    assert!(of_others.count() >= COUNT);
}

/// A profile that reads databases.
#[derive(Debug)]
struct Databases {
    state: Option<TargetStage>,
}

impl ServiceProfile for Databases {
    fn service(&self) -> &str {
        "spanner.googleapis.com"
    }

    fn facts(&self, metadata: &Any) -> Facts {
        let metadata = CreateDatabaseMetadata::decode(metadata.value.as_slice());
        let mut facts = Facts::default();
        facts.verb = Verb::Create;
        facts.target = metadata.ok().map(|metadata| metadata.database);
        facts
    }

    fn read_target(&self, request: TargetRequest) -> Option<TargetFuture> {
        assert_eq!(request.name(), DATABASE);
        let state = self.state;
        Some(Box::pin(async move {
            let state = state.ok_or_else(|| Status::not_found("no such database"))?;
            Ok(TargetState::new(state, packed(DATABASE_TYPE, &database())))
        }))
    }

    fn deletes(&self, method: &str) -> bool {
        method.ends_with("/DropDatabase")
    }
}

/// The operation has expired at the first poll, so only its target can prove the outcome.
#[tokio::test(start_paused = true)]
async fn a_profile_that_reads_targets_decides_about_expired_operations() {
    let gone = |_: &str, _: &str| Err(Status::not_found("which?"));
    let at_once = Schedule::default().not_found_grace(Duration::ZERO);
    let create = "/google.spanner.admin.database.v1.DatabaseAdmin/CreateDatabase";
    let drop = "/google.spanner.admin.database.v1.DatabaseAdmin/DropDatabase";
    let cases = [
        (Some(TargetStage::Ready), create, true),
        (Some(TargetStage::Other), create, false),
        (None, create, false),
        (Some(TargetStage::Ready), drop, false),
        (None, drop, true),
    ];
    for (state, method, succeeds) in cases {
        let (client, _) = client_with(Some(Databases { state }), gone);
        let operation = client
            .operations()
            .started::<Any>(&running(&operation_name(1)));
        let operation = operation.expect("it has a name");
        let operation = operation.started_by(method, DATABASE);
        let ended = operation.with_schedule(at_once).await;
        assert_eq!(ended.is_ok(), succeeds, "{state:?}, {method}: {ended:?}");
        if let Err(error) = ended {
            assert!(matches!(error.kind(), OperationErrorKind::Expired));
        }
    }
    // The default profile cannot prove the outcome.
    let (client, _) = client_with(None, gone);
    let operation = client
        .operations()
        .started::<Any>(&running(&operation_name(1)));
    let operation = operation.expect("it has a name").with_schedule(at_once);
    let error = operation.await.expect_err("nothing proves its outcome");
    assert!(matches!(error.kind(), OperationErrorKind::Expired));
}

#[tokio::test(start_paused = true)]
async fn the_metadata_gives_the_verb_and_the_target_to_handles_and_errors() {
    let profile = Databases { state: None };
    let (client, _) = client_with(Some(profile), |_, _| Err(Status::not_found("which?")));
    let operation = client
        .operations()
        .started::<Any>(&running(&operation_name(1)));
    let operation = operation.expect("it has a name");
    let handle = operation.handle();
    assert_eq!(handle.verb(), Some("create"));
    assert_eq!(handle.target(), Some(DATABASE));
    let watcher = client.watcher();
    let schedule = Schedule::default().not_found_grace(Duration::ZERO);
    let wait = watcher.wait(operation.with_schedule(schedule));
    let text = wait.await.expect_err("it has expired").to_string();
    assert!(
        text.contains(&format!("read {DATABASE} for its state")),
        "{text}"
    );
}

/// A set of a service without operations may lack `google/longrunning/operations.proto`.
#[tokio::test(start_paused = true)]
async fn calls_of_operations_have_the_default_settings_if_the_contract_lacks_their_methods() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let received = Arc::clone(&log);
    let transport = tower::service_fn(move |request: GrpcRequest| {
        received
            .lock()
            .expect("not poisoned")
            .push(request.headers().clone());
        std::future::pending::<Result<GrpcResponse, Status>>()
    });
    let contract = Contract::builder(&crate::tables::descriptor_set()).build();
    let client = google::Client::builder(contract.expect("valid sources"))
        .transport_service(transport)
        .anonymous();
    let client = client.build().expect("the settings are valid");
    let operations = client.operations();
    let minute = Duration::from_secs(60);
    let calls = async {
        [
            operations.get("operations/o").await.map(drop),
            operations.list("operations").first_page().await.map(drop),
            operations.cancel("operations/o").await,
            operations.delete("operations/o").await,
            operations.wait("operations/o", minute).await.map(drop),
        ]
    };
    let began = tokio::time::Instant::now();
    let limit = Duration::from_secs(3600);
    let ended = tokio::time::timeout(limit, calls)
        .await
        .expect("every call has a timeout");
    assert_eq!(began.elapsed().as_secs(), 5 * minute.as_secs());
    for error in ended.map(|ended| ended.expect_err("the server does not answer")) {
        assert!(error.is_timeout(), "{error}");
    }
    let log = log.lock().expect("not poisoned");
    assert_eq!(log.len(), 5);
    for headers in &*log {
        let routing = headers["x-goog-request-params"].to_str().expect("text");
        assert!(routing.starts_with("name=operations"), "{routing}");
    }
}
