//! Each method of the admin service has the same effect over gRPC, over HTTP/JSON, and in process.

use std::collections::BTreeSet;
use std::time::Duration;

use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::messages::admin_client::AdminClient;
use apigateway_grpc::emulator::messages::{self, from_json, to_json};
use apigateway_grpc::emulator::{Emulator, FaultGuard, OperationPlan, Server};
use apigateway_grpc::model::Api;
use apigateway_grpc::tonic::transport::Channel;
use apigateway_grpc::tonic::{Code, Request, Status};
use futures_util::StreamExt as _;
use prost::{Message, Name};
use serde_json::{Value, json};

use crate::events::Sse;
use crate::http::ok;
use crate::state::{admin, client, fill, served};
use crate::{API, PARENT};

const CONFIG: &str = "projects/p/locations/global/apis/a/configs/c";

/// A way to call the methods.
enum Face {
    Grpc(AdminClient<Channel>),
    Rest,
    /// With the guard of the fault that was set.
    InProcess(Option<FaultGuard>),
}

struct Caller {
    server: Server,
    face: Face,
    called: BTreeSet<String>,
}

fn value<M: Message + Name>(message: &M) -> Value {
    let json = to_json(message).expect("it has a JSON form");
    serde_json::from_str(&json).expect("JSON")
}

fn message<M: Message + Name + Default>(json: &Value) -> M {
    from_json(json.to_string().as_bytes()).expect("a request")
}

impl Caller {
    /// Calls a method, and compares parts of its response, by JSON pointer.
    async fn expect(&mut self, method: &str, request: Value, parts: &[(&str, Value)]) -> Value {
        self.called.insert(method.to_owned());
        let response = match &mut self.face {
            Face::Grpc(admin) => over_grpc(admin, method, &request).await,
            Face::Rest => over_rest(&self.server, method, &request).await,
            Face::InProcess(guard) => {
                in_process(self.server.emulator(), guard, method, &request).await
            }
        };
        for (pointer, expected) in parts {
            let found = response.pointer(pointer).unwrap_or(&Value::Null);
            assert_eq!(found, expected, "{method} {pointer}: {response}");
        }
        response
    }

    /// Returns the code of a GetApi call.
    async fn get_api(&self) -> Code {
        let answer = client(&self.server).get_api(API).await;
        answer.map_or_else(|error| error.code().expect("a code"), |_| Code::Ok)
    }
}

async fn over_grpc(admin: &mut AdminClient<Channel>, method: &str, request: &Value) -> Value {
    macro_rules! call {
        ($name:ident) => {{
            let response = admin.$name(Request::new(message(request))).await;
            value(&response.expect(method).into_inner())
        }};
        ($name:ident, empty) => {{
            admin
                .$name(Request::new(message(request)))
                .await
                .expect(method);
            json!({})
        }};
    }
    match method {
        "GetState" => call!(get_state),
        "GetConfigFiles" => call!(get_config_files),
        "WatchEvents" => {
            let events = admin.watch_events(Request::new(message(request))).await;
            let mut events = events.expect(method).into_inner();
            value(&events.next().await.expect("an event").expect("no error"))
        }
        "CreateFault" => call!(create_fault),
        "ListFaults" => call!(list_faults),
        "UpdateFault" => call!(update_fault),
        "DeleteFault" => call!(delete_fault, empty),
        "ListCalls" => call!(list_calls),
        "ClearCalls" => call!(clear_calls, empty),
        "GetClock" => call!(get_clock),
        "AdvanceClock" => call!(advance_clock),
        "PauseClock" => call!(pause_clock),
        "ResumeClock" => call!(resume_clock),
        "FinishOperation" => call!(finish_operation),
        "ExportState" => call!(export_state),
        "ImportState" => call!(import_state, empty),
        "Reset" => call!(reset, empty),
        _ => panic!("unknown method {method}"),
    }
}

async fn over_rest(server: &Server, method: &str, request: &Value) -> Value {
    let text = |pointer: &str| {
        request
            .pointer(pointer)
            .and_then(Value::as_str)
            .expect("text")
    };
    let (line, body) = match method {
        "GetState" => ("GET /state".to_owned(), &Value::Null),
        "GetConfigFiles" => (format!("GET /{}:files", text("/name")), &Value::Null),
        "WatchEvents" => {
            let query = format!("?after={}", text("/after"));
            let mut events = Sse::open(server, &query, "").await;
            return events.next().await.expect("an event").2;
        }
        "CreateFault" => ("POST /faults".to_owned(), &request["fault"]),
        "ListFaults" => ("GET /faults".to_owned(), &Value::Null),
        "UpdateFault" => (format!("PATCH /{}", text("/fault/name")), &request["fault"]),
        "DeleteFault" => (format!("DELETE /{}", text("/name")), &Value::Null),
        "ListCalls" => (
            format!("GET /calls?method={}", text("/method")),
            &Value::Null,
        ),
        "ClearCalls" => ("POST /calls:clear".to_owned(), request),
        "GetClock" => ("GET /clock".to_owned(), &Value::Null),
        "AdvanceClock" => ("POST /clock:advance".to_owned(), request),
        "PauseClock" => ("POST /clock:pause".to_owned(), request),
        "ResumeClock" => ("POST /clock:resume".to_owned(), request),
        "FinishOperation" => ("POST /operations:finish".to_owned(), request),
        "ExportState" => ("GET /state:export".to_owned(), &Value::Null),
        "ImportState" => ("POST /state:import".to_owned(), &request["state"]),
        "Reset" => ("POST /reset".to_owned(), request),
        _ => panic!("unknown method {method}"),
    };
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    ok(server, &line.replace(" /", " /emulator/v1/"), &body).await
}

async fn in_process(
    emulator: &Emulator,
    guard: &mut Option<FaultGuard>,
    method: &str,
    request: &Value,
) -> Value {
    let text = |pointer: &str| {
        request
            .pointer(pointer)
            .and_then(Value::as_str)
            .expect("text")
    };
    let fault = || value(&emulator.state().faults[0]);
    match method {
        "GetState" => value(&emulator.state()),
        "GetConfigFiles" => value(&emulator.config_files(text("/name")).expect(method)),
        "WatchEvents" => {
            let mut events = emulator.events_after(text("/after").parse().expect("a number"));
            value(&events.next().await.expect("an event"))
        }
        "CreateFault" => {
            let fails = &request["fault"]["fail"];
            let status = Status::failed_precondition(fails["message"].as_str().expect("text"));
            let fault = emulator
                .on(Method::GET_API)
                .named(text("/fault/resource"))
                .always();
            *guard = Some(fault.fail(status));
            value(&emulator.state().faults[0])
        }
        "ListFaults" => {
            let faults = emulator.state().faults;
            value(&messages::ListFaultsResponse { faults })
        }
        "UpdateFault" => {
            let guard = guard.as_ref().expect("a fault");
            guard.set_disabled(request["fault"]["disabled"] == true);
            fault()
        }
        "DeleteFault" => {
            drop(guard.take());
            json!({})
        }
        "ListCalls" => {
            let calls = emulator.calls().into_iter();
            let calls = calls.filter(|call| call.method.name() == text("/method"));
            let calls =
                calls.map(|call| json!({"status": {"code": call.code.map(|code| code as i32)}}));
            json!({"calls": calls.collect::<Value>()})
        }
        "ClearCalls" => {
            emulator.clear_calls();
            json!({})
        }
        "GetClock" => value(&emulator.clock()),
        "AdvanceClock" => {
            let seconds = text("/by").trim_end_matches('s').parse().expect("seconds");
            emulator
                .advance_clock(Duration::from_secs(seconds))
                .expect(method);
            value(&emulator.clock())
        }
        "PauseClock" => {
            emulator.pause_clock().expect(method);
            value(&emulator.clock())
        }
        "ResumeClock" => {
            emulator.resume_clock().expect(method);
            value(&emulator.clock())
        }
        "FinishOperation" => {
            let fails = Status::internal(text("/fails/message"));
            let finished = emulator.finish_operation(text("/name"), Some(&fails));
            value(&finished.expect(method))
        }
        "ExportState" => value(&emulator.export()),
        "ImportState" => {
            emulator.import(message(&request["state"])).expect(method);
            json!({})
        }
        "Reset" => {
            emulator.reset();
            json!({})
        }
        _ => panic!("unknown method {method}"),
    }
}

async fn call_every_method(caller: &mut Caller) {
    fill(&client(&caller.server)).await;
    let fault = json!({"method": "GetApi", "resource": API, "always": true,
        "fail": {"code": 9, "message": "no"}});
    let named = ("/name", json!("faults/1"));
    let created = [
        named.clone(),
        ("/fail/message", json!("no")),
        ("/always", json!(true)),
    ];
    caller
        .expect("CreateFault", json!({"fault": fault}), &created)
        .await;
    let update = |disabled: bool| json!({"fault": {"name": "faults/1", "disabled": disabled}});
    let disabled = [named.clone(), ("/disabled", json!(true))];
    caller.expect("UpdateFault", update(true), &disabled).await;
    assert_eq!(caller.get_api().await, Code::Ok);
    let enabled = [named, ("/disabled", Value::Null)];
    caller.expect("UpdateFault", update(false), &enabled).await;
    assert_eq!(caller.get_api().await, Code::FailedPrecondition);
    let used = [("/faults/0/used", json!("1")), ("/faults/1", Value::Null)];
    caller.expect("ListFaults", json!({}), &used).await;
    caller
        .expect(
            "DeleteFault",
            json!({"name": "faults/1"}),
            &[("", json!({}))],
        )
        .await;
    assert_eq!(caller.get_api().await, Code::Ok);
    caller
        .expect("ListFaults", json!({}), &[("", json!({}))])
        .await;

    let gets = json!({"method": "GetApi"});
    let listed = caller.expect("ListCalls", gets.clone(), &[]).await;
    let calls = listed["calls"].as_array().expect("calls").iter();
    let codes: Vec<_> = calls
        .map(|call| call["status"]["code"].as_i64().unwrap_or_default())
        .collect();
    assert_eq!(codes, [0, 9, 0], "{listed}");
    let state = caller.expect("GetState", json!({}), &[]).await;
    let revision = state["revision"].as_str().expect("a number").to_owned();
    caller
        .expect("ClearCalls", json!({}), &[("", json!({}))])
        .await;
    let after = json!({"after": revision});
    let cleared = [("/callsCleared", json!({}))];
    caller.expect("WatchEvents", after, &cleared).await;
    let none = caller
        .expect("ListCalls", gets, &[("/total", Value::Null)])
        .await;
    assert!(none["calls"].as_array().is_none_or(Vec::is_empty), "{none}");

    let file = [
        ("/files/0/path", json!("openapi.yaml")),
        ("/files/0/field", json!("openapi_documents")),
    ];
    caller
        .expect("GetConfigFiles", json!({"name": CONFIG}), &file)
        .await;

    let paused = ("/paused", json!(true));
    caller
        .expect("PauseClock", json!({}), std::slice::from_ref(&paused))
        .await;
    caller
        .expect("GetClock", json!({}), std::slice::from_ref(&paused))
        .await;
    let advanced = [paused, ("/advanced", json!("600s"))];
    caller
        .expect("AdvanceClock", json!({"by": "600s"}), &advanced)
        .await;
    let plan = OperationPlan::default().takes(Duration::from_secs(3600));
    caller
        .server
        .emulator()
        .on(Method::CREATE_API)
        .operation(plan)
        .leave();
    let create = client(&caller.server)
        .create_api(PARENT, "b", Api::default())
        .await;
    let finish = json!({"name": create.expect("it starts").name(), "fails": {"code": 13, "message": "broken"}});
    let finished = [("/done", json!(true)), ("/error/message", json!("broken"))];
    caller.expect("FinishOperation", finish, &finished).await;
    caller
        .expect("ResumeClock", json!({}), &[("/paused", Value::Null)])
        .await;

    let exported = [
        ("/apis/0/name", json!(API)),
        ("/apis/1/state", json!("FAILED")),
    ];
    let exported = caller.expect("ExportState", json!({}), &exported).await;
    caller.expect("Reset", json!({}), &[("", json!({}))]).await;
    let empty = [
        ("/apis", Value::Null),
        ("/counts/calls", Value::Null),
        ("/projects", Value::Null),
    ];
    caller.expect("GetState", json!({}), &empty).await;
    caller
        .expect(
            "ImportState",
            json!({"state": exported}),
            &[("", json!({}))],
        )
        .await;
    let full = [
        ("/apis/0/name", json!(API)),
        ("/apiConfigs/0/name", json!(CONFIG)),
        ("/counts/gateways", json!("1")),
    ];
    caller.expect("GetState", json!({}), &full).await;
    // Calls of the admin service are not calls of the API. `Reset` has removed the earlier calls.
    assert!(caller.server.emulator().calls().is_empty());
}

#[tokio::test]
async fn every_method_works_over_grpc_and_rest_and_in_process() {
    let proto = include_str!("../../proto/apigateway_grpc/emulator/v1/admin.proto");
    let declared = proto
        .lines()
        .filter_map(|line| line.trim().strip_prefix("rpc "));
    let declared = declared.filter_map(|line| line.split('(').next());
    let declared: BTreeSet<_> = declared.map(str::to_owned).collect();
    for face in ["gRPC", "REST", "in process"] {
        let server = served(Emulator::builder()).await;
        let face = match face {
            "gRPC" => Face::Grpc(admin(&server).await),
            "REST" => Face::Rest,
            _ => Face::InProcess(None),
        };
        let called = BTreeSet::new();
        let mut caller = Caller {
            server,
            face,
            called,
        };
        call_every_method(&mut caller).await;
        assert_eq!(caller.called, declared);
    }
}
