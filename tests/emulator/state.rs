//! The state over the admin service, over both protocols and in process.

use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::emulator::messages::admin_client::AdminClient;
use apigateway_grpc::emulator::messages::{
    GetConfigFilesRequest, GetStateRequest, ListCallsRequest, StateView, to_json,
};
use apigateway_grpc::emulator::{Emulator, EmulatorBuilder, Limits, Server};
use apigateway_grpc::model::{Api, ApiConfig, Gateway};
use apigateway_grpc::operation::Schedule;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::{File, OpenApiDocument};
use apigateway_grpc::tonic::Code;
use apigateway_grpc::tonic::transport::Channel;
use serde_json::{Value, json};

use crate::http::{ok, send};
use crate::{API, PARENT};

pub(crate) async fn served(builder: EmulatorBuilder) -> Server {
    builder.start().await.expect("a free port")
}

pub(crate) async fn admin(server: &Server) -> AdminClient<Channel> {
    let channel = Channel::from_shared(server.endpoint()).expect("an address");
    AdminClient::new(channel.connect().await.expect("it listens"))
}

pub(crate) fn client(server: &Server) -> ApiGateway {
    let builder = ApiGateway::builder().endpoint(server.endpoint());
    let builder = builder.retry(RetryPolicy::NEVER);
    builder.anonymous().build().expect("valid")
}

/// A config with one document.
pub(crate) fn config() -> ApiConfig {
    let document = File {
        path: "openapi.yaml".into(),
        contents: b"swagger: '2.0'\ninfo: {title: a, version: '1'}\npaths: {}\n".to_vec(),
    };
    ApiConfig {
        openapi_documents: vec![OpenApiDocument {
            document: Some(document),
        }],
        ..ApiConfig::default()
    }
}

/// Returns the message as JSON values.
fn value<M: prost::Message + prost::Name>(message: &M) -> Value {
    let json = to_json(message).expect("it has a JSON form");
    serde_json::from_str(&json).expect("JSON")
}

/// Creates an API, a config and a gateway.
pub(crate) async fn fill(client: &ApiGateway) {
    // By default, the first polls are after one second (api), five seconds (config) and ten seconds (gateway).
    let often = Duration::from_millis(250);
    let schedule = || {
        Schedule::default()
            .delays(often, 1.0, often)
            .expect("valid")
    };
    let create = client.create_api(PARENT, "a", Api::default());
    let started = create.await.expect("starts").with_schedule(schedule());
    started.await.expect("an API");
    let create = client.create_api_config(API, "c", config());
    let started = create.await.expect("starts").with_schedule(schedule());
    started.await.expect("a config");
    let gateway = Gateway {
        api_config: format!("{API}/configs/c"),
        ..Gateway::default()
    };
    let create = client.create_gateway("projects/q/locations/us-east1", "g", gateway);
    let started = create.await.expect("starts").with_schedule(schedule());
    started.await.expect("a gateway");
}

#[tokio::test]
async fn the_state_is_equal_over_grpc_and_rest_and_in_process() {
    let mut limits = Limits::default();
    limits.apis = 3;
    let builder = Emulator::builder()
        .unreachable("us-west2")
        .limits(limits)
        .service_accounts(["a@p.iam.gserviceaccount.com", ""]);
    let server = served(builder).await;
    fill(&client(&server)).await;
    ok(
        &server,
        "POST /emulator/v1/faults",
        r#"{"method": "GetApi", "stale": {}}"#,
    )
    .await;

    let mut admin = admin(&server).await;
    let over_grpc = admin.get_state(GetStateRequest::default()).await;
    let mut states = [
        value(&over_grpc.expect("a state").into_inner()),
        ok(&server, "GET /emulator/v1/state", "").await,
        value(&server.emulator().state()),
    ];
    for state in &mut states {
        let clock = state["clock"].take();
        assert!(clock["time"].is_string() && clock["uptime"].is_string());
    }
    let [one, two, three] = states;
    assert_eq!((&one, &one), (&two, &three));

    assert_eq!(one["projects"], json!(["p", "q"]));
    assert_eq!(one["apis"][0]["name"], API);
    assert_eq!(one["apiConfigs"][0]["state"], "ACTIVE");
    assert!(one["apiConfigs"][0].get("openapiDocuments").is_none());
    assert_eq!(one["gateways"][0]["displayName"], "g");
    assert_eq!(one["faults"][0]["name"], "faults/1");
    let operations = one["operations"].as_array().expect("operations");
    assert_eq!(operations.len(), 3);
    let newest = &operations[0]["operation"];
    assert_eq!(newest["metadata"]["verb"], "create");
    assert_eq!(newest["done"], true);
    assert_eq!(one["counts"]["doneOperations"], "3");
    assert_eq!(one["settings"]["unreachable"], json!(["us-west2"]));
    assert_eq!(one["settings"]["limits"]["apis"], "3");

    // The requests for the state are not recorded as calls, and use up no fault.
    let calls = server.emulator().calls();
    assert!(calls.iter().all(|call| call.method.name() != "GetState"));
    assert_eq!(server.emulator().unused_faults().len(), 1);
}

#[tokio::test]
async fn the_basic_view_of_the_state_has_only_numbers_and_settings() {
    let server = served(Emulator::builder()).await;
    fill(&client(&server)).await;
    let basic = ok(&server, "GET /emulator/v1/state?view=STATE_VIEW_BASIC", "").await;
    assert_eq!(basic["counts"]["apis"], "1");
    for member in ["apis", "apiConfigs", "gateways", "operations", "faults"] {
        assert!(basic.get(member).is_none(), "{member}");
    }
    let request = GetStateRequest {
        view: StateView::Full.into(),
        done_operations: 2,
    };
    let mut admin = admin(&server).await;
    let state = admin
        .get_state(request)
        .await
        .expect("a state")
        .into_inner();
    assert_eq!(state.operations.len(), 2);
    let refused = GetStateRequest {
        done_operations: -1,
        ..GetStateRequest::default()
    };
    let refused = admin.get_state(refused).await.expect_err("negative");
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn the_files_of_a_config_are_returned() {
    let server = served(Emulator::builder()).await;
    fill(&client(&server)).await;
    let name = format!("{API}/configs/c");
    let files = ok(&server, &format!("GET /emulator/v1/{name}:files"), "").await;
    assert_eq!(files["files"][0]["path"], "openapi.yaml");
    assert_eq!(files["files"][0]["field"], "openapi_documents");
    let mut admin = admin(&server).await;
    let found = admin.get_config_files(GetConfigFilesRequest { name });
    let found = found.await.expect("files").into_inner();
    assert!(found.files[0].contents.starts_with(b"swagger"));
    assert_eq!(value(&found), files);
    let none = format!("GET /emulator/v1/{API}/configs/none:files");
    assert_eq!(send(&server, &none, "", "").await.status, 404);
}

#[tokio::test]
async fn a_recorded_call_has_its_outcome() {
    let server = served(Emulator::builder()).await;
    let client = client(&server);
    fill(&client).await;
    client.get_api(API).await.expect("it exists");
    let fault = r#"{"method": "GetApi", "fail": {"code": 9, "message": "No Way"}}"#;
    ok(&server, "POST /emulator/v1/faults", fault).await;
    send(&server, &format!("GET /v1/{API}"), "", "").await;
    client.get_api(format!("{API}/none")).await.ok();

    let all = ok(&server, "GET /emulator/v1/calls?method=GetApi", "").await;
    let calls = all["calls"].as_array().expect("calls");
    assert_eq!(all["total"], 2, "{all}");
    let [read, failed] = [&calls[0], &calls[1]];
    assert_eq!(read["status"], json!({}));
    assert_eq!(read["protocol"], "HTTP_2");
    assert_eq!(read["peer"], "LOOPBACK");
    assert_eq!(read["response"]["displayName"], "a");
    assert!(read["latency"].as_str().expect("text").ends_with('s'));
    assert_eq!(failed["status"], json!({"code": 9, "message": "No Way"}));
    assert_eq!(failed["fault"], "faults/1");
    assert_eq!(failed["protocol"], "HTTP_1");
    assert_eq!(failed["transport"], "REST");
    let number = |call: &Value| call["sequence"].as_str().map(str::to_owned);
    let (first, second) = (number(read).expect("text"), number(failed).expect("text"));

    let list = async |query: &str| {
        let line = format!("GET /emulator/v1/calls?{query}");
        let listed = ok(&server, &line, "").await;
        let calls = listed["calls"].as_array().cloned().unwrap_or_default();
        let numbers = calls.iter().filter_map(number).collect::<Vec<_>>();
        (numbers, listed["total"].as_i64().unwrap_or_default())
    };
    let one = |number: &String| vec![number.clone()];
    assert_eq!(list("code=FAILED_PRECONDITION").await, (one(&second), 1));
    assert_eq!(list("code=9&text=no%20way").await, (one(&second), 1));
    assert_eq!(list("text=faults/1").await, (one(&second), 1));
    assert_eq!(list("method=GetApi&page_size=1").await, (one(&second), 2));
    let after = format!("method=GetApi&page_size=1&after={first}");
    assert_eq!(list(&after).await, (one(&second), 1));
    assert_eq!(list("method=GetApi&code=0").await, (one(&first), 1));
    assert_eq!(list(&format!("resource={API}/configs")).await.1, 1);
    let (of_p, all) = (list("resource=projects/p").await.1, list("").await.1);
    assert!(of_p < all, "{of_p} {all}");
    for wrong in ["code=GOOD", "page_size=-1", "method=Get", "view=7"] {
        let line = format!("GET /emulator/v1/calls?{wrong}");
        assert_eq!(send(&server, &line, "", "").await.status, 400, "{wrong}");
    }

    let basic = ok(
        &server,
        "GET /emulator/v1/calls?view=CALL_VIEW_BASIC&method=GetApi",
        "",
    )
    .await;
    assert!(basic["calls"][0].get("response").is_none());
    assert!(basic["calls"][0].get("headers").is_none());
    assert_ne!(basic["calls"][0]["responseBytes"], json!(null));

    let mut admin = admin(&server).await;
    let over_grpc = admin.list_calls(ListCallsRequest {
        method: "GetApi".to_owned(),
        ..ListCallsRequest::default()
    });
    let over_grpc = over_grpc.await.expect("calls").into_inner();
    assert_eq!(over_grpc.calls.len(), 2);
    ok(&server, "POST /emulator/v1/calls:clear", "{}").await;
    assert_eq!(list("").await, (vec![], 0));
    client.get_api(API).await.expect("it exists");
    let (numbers, _) = list("").await;
    assert!(numbers[0].parse::<u64>().ok() > second.parse().ok());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_or_cancelled_call_is_recorded_as_cut_with_its_code() {
    let emulator = Emulator::builder().build();
    let client = crate::over(&emulator);
    let _cut = emulator
        .on(apigateway_grpc::contract::Method::GET_API)
        .drop_connection();
    crate::get(&client, API).await.expect_err("cut");
    let slow = std::time::Duration::from_secs(60);
    let _slow = emulator
        .on(apigateway_grpc::contract::Method::GET_API)
        .delay(slow);
    tokio::time::timeout(slow / 2, crate::get(&client, API))
        .await
        .expect_err("it is slow");
    let calls = emulator.calls();
    let [cut, cancelled] = &calls[..] else {
        panic!("{calls:?}");
    };
    assert!(cut.is_cut && cancelled.is_cut);
    assert_eq!(cut.code, Some(Code::Unavailable));
    assert_eq!(cancelled.code, Some(Code::Cancelled));
    assert_eq!(cancelled.latency, Some(slow / 2));
    assert_eq!((cut.fault, cancelled.fault), (Some(1), Some(2)));
    assert_eq!(cut.http_version, None);
}

#[tokio::test]
async fn the_admin_service_needs_no_token_of_the_api() {
    let server = served(Emulator::builder().require_token("hush")).await;
    let state = ok(&server, "GET /emulator/v1/state", "").await;
    assert_eq!(state["settings"]["tokens"], 1);
    assert!(!state.to_string().contains("hush"));
    assert_eq!(state["counts"].get("calls"), None);
}
