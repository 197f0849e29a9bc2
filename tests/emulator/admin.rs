//! The admin service over HTTP/JSON: faults, calls and resets of an emulator in another process.
#![cfg(feature = "rest")]

use std::time::Duration;

use apigateway_grpc::contract::{Method, RetryPolicy};
use apigateway_grpc::emulator::{Emulator, Server};
use apigateway_grpc::proto::google::longrunning::operation::Result as Outcome;
use apigateway_grpc::tonic::Code;
use apigateway_grpc::tonic_types::StatusExt as _;
use apigateway_grpc::{ApiGateway, Transport};
use serde_json::json;

use crate::http::{ok, send};
use crate::{API, PARENT, create, get};

const FAULTS: &str = "POST /emulator/v1/faults";

async fn served() -> Server {
    Emulator::builder().start().await.expect("a free port")
}

fn client(server: &Server, transport: Transport) -> ApiGateway {
    let builder = ApiGateway::builder().endpoint(server.endpoint());
    let builder = builder.transport(transport).retry(RetryPolicy::NEVER);
    builder.anonymous().build().expect("valid")
}

#[tokio::test]
async fn every_kind_of_fault_is_listed_as_it_was_set() {
    let server = served().await;
    let detail = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"});
    let status = json!({"code": 14, "message": "busy", "details": [detail]});
    let kinds = [
        json!({"method": "GetApi", "resource": API, "times": "2", "fail": status}),
        json!({"method": "GetApi", "times": "1", "delay": "1.500s"}),
        json!({"method": "GetApi", "times": "1", "dropConnection": {}}),
        json!({"method": "GetApi", "times": "1", "loseResponse": {}}),
        json!({"method": "GetApi", "times": "1", "stale": {}}),
        json!({"method": "GetApi", "always": true, "notFoundFor": "3s"}),
        json!({"method": "GetApi", "times": "1", "html": 502}),
        json!({"method": "GetOperation", "times": "1", "respond": {
            "@type": "type.googleapis.com/google.longrunning.Operation",
            "name": "projects/p/locations/global/operations/o",
            "done": true,
            "error": {},
        }}),
        json!({"method": "CreateApi", "times": "1", "operation": {
            "takes": "60s",
            "fails": {"code": 9, "message": "no"},
            "diagnostics": [{"location": "a.yaml:1", "message": "what"}],
            "progress": [{"after": "5s", "message": "half"}],
            "cancelledAfter": "2s",
            "forgottenAfter": "90s",
        }}),
        json!({"method": "CreateApi", "times": "1", "operation": {"cancelIgnored": {}}}),
        json!({"method": "CreateApi", "times": "1", "operation": {"cancelFails": {"code": 13}}}),
        json!({"method": "CreateApi", "times": "1", "operation": {"cancelUnimplemented": {}}}),
    ];
    let mut expected = Vec::new();
    for (number, kind) in (1..).zip(kinds) {
        let mut shown = kind.clone();
        let method = kind["method"].as_str().expect("text");
        let all = Method::all().iter();
        let method = all.clone().find(|one| one.name() == method).expect("known");
        shown["method"] = format!("{}.{}", method.service(), method.name()).into();
        shown["name"] = format!("faults/{number}").into();
        assert_eq!(ok(&server, FAULTS, &kind.to_string()).await, shown);
        expected.push(shown);
    }
    let all = ok(&server, "GET /emulator/v1/faults", "").await;
    assert_eq!(all, json!({"faults": expected}));
    assert_eq!(server.emulator().unused_faults().len(), expected.len());

    // The default number of calls is one, except for a fault that ends by itself.
    for (kind, member) in [
        (json!({"notFoundFor": "3s"}), "always"),
        (json!({"stale": {}}), "times"),
    ] {
        let mut fault = kind;
        fault["method"] = "GetApi".into();
        let shown = ok(&server, FAULTS, &fault.to_string()).await;
        assert!(shown.get(member).is_some(), "{shown}");
    }
}

#[tokio::test]
async fn a_fault_that_is_set_for_two_calls_makes_two_calls_fail() {
    let server = served().await;
    for transport in [Transport::Grpc, Transport::Rest] {
        let client = client(&server, transport);
        let fault = json!({"method": "google.cloud.apigateway.v1.ApiGatewayService.GetApi", "times": 2,
            "fail": {"code": 8, "message": "slowly", "details": [
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]}});
        ok(&server, FAULTS, &fault.to_string()).await;
        for used in ["1", "2"] {
            let failed = get(&client, API)
                .await
                .expect_err("a fault makes the call fail");
            assert_eq!(failed.code(), Code::ResourceExhausted);
            let info = failed.get_details_retry_info().expect("details");
            assert_eq!(info.retry_delay, Some(Duration::from_secs(7)));
            let left = ok(&server, "GET /emulator/v1/faults", "").await;
            if used == "1" {
                assert_eq!(left["faults"][0]["used"], used);
            } else {
                assert_eq!(left, json!({}));
            }
        }
        let failed = get(&client, API).await.expect_err("nothing is there");
        assert_eq!(failed.code(), Code::NotFound);
    }
}

#[tokio::test]
async fn a_planned_operation_ends_as_planned() {
    let server = served().await;
    let fault = json!({"method": "CreateApi", "operation": {
        "fails": {"code": 9, "message": "no backend"},
        "diagnostics": [{"location": "a.yaml:1", "message": "no such host"}],
    }});
    ok(&server, FAULTS, &fault.to_string()).await;
    let client = client(&server, Transport::Grpc);
    let name = create(&client, "a").await.expect("it starts").name;
    let operation = ok(&server, &format!("GET /v1/{name}"), "").await;
    assert_eq!(operation["error"]["message"], "no backend");
    assert_eq!(
        operation["metadata"]["diagnostics"][0]["location"],
        "a.yaml:1"
    );
}

#[tokio::test]
async fn a_fault_can_respond_with_an_unknown_any() {
    let server = served().await;
    let name = format!("{PARENT}/operations/o");
    let unknown = json!({"@type": "type.googleapis.com/no.Such", "value": "CAE="});
    for transport in [Transport::Grpc, Transport::Rest] {
        let client = client(&server, transport);
        for (outcome, expected) in [
            (
                json!({"response": unknown, "metadata": unknown}),
                "response",
            ),
            (json!({"error": {"code": 0}}), "error"),
            (json!({}), "nothing"),
        ] {
            let mut answer = json!({"@type": "type.googleapis.com/google.longrunning.Operation",
                "name": name, "done": true});
            let members = outcome.as_object().expect("members").clone();
            answer.as_object_mut().expect("members").extend(members);
            let fault = json!({"method": "GetOperation", "respond": answer});
            ok(&server, FAULTS, &fault.to_string()).await;
            let operation = client.get_operation(&name).await.expect("an answer");
            assert!(operation.done);
            let found = match operation.result {
                Some(Outcome::Response(any)) => {
                    // Our client does not know the type, so it carries the JSON unchanged.
                    let carried = any.type_url.starts_with("json.apigateway-grpc/");
                    assert_eq!(carried, transport == Transport::Rest);
                    assert!(carried || any.type_url == "type.googleapis.com/no.Such");
                    assert_eq!(operation.metadata, Some(any));
                    "response"
                }
                Some(Outcome::Error(status)) => {
                    assert_eq!(status.code, 0);
                    "error"
                }
                None => "nothing",
            };
            assert_eq!(found, expected, "{transport:?}");
        }
    }
}

#[tokio::test]
async fn an_invalid_fault_is_rejected_with_its_field() {
    let server = served().await;
    for (fault, field) in [
        (json!({"method": "GetApi"}), "fault"),
        (json!({"method": "GetThing", "stale": {}}), "fault.method"),
        (json!({"stale": {}}), "fault.method"),
        (
            json!({"method": "GetApi", "fail": {"message": "fine"}}),
            "fault.fail.code",
        ),
        (
            json!({"method": "GetApi", "fail": {"code": 99}}),
            "fault.fail.code",
        ),
        (
            json!({"method": "CreateApi", "operation": {"fails": {"message": "fine"}}}),
            "fault.operation.fails.code",
        ),
        (
            json!({"method": "CreateApi", "operation": {"cancelFails": {"code": -1}}}),
            "fault.operation.cancel_fails.code",
        ),
        (json!({"method": "GetApi", "delay": "-1s"}), "fault.delay"),
        (json!({"method": "GetApi", "html": 99}), "fault.html"),
        (json!({"method": "GetApi", "html": 70_000}), "fault.html"),
        (json!({"method": "GetApi", "html": 204}), "fault.html"),
        (json!({"method": "GetApi", "html": 304}), "fault.html"),
        (
            json!({"method": "GetApi", "always": true, "times": 1, "stale": {}}),
            "fault.times",
        ),
        (
            json!({"method": "GetApi", "operation": {}}),
            "fault.operation",
        ),
        (json!({"method": "CreateApi", "stale": {}}), "fault.stale"),
        (json!({"method": "GetLocation", "stale": {}}), "fault.stale"),
        (
            json!({"method": "ListGateways", "notFoundFor": "2s"}),
            "fault.not_found_for",
        ),
        (
            json!({"method": "GetApi", "notFoundFor": "0s"}),
            "fault.not_found_for",
        ),
        (
            json!({"method": "GetApi", "resource": "a", "dropConnection": {}}),
            "fault.resource",
        ),
        (
            json!({"method": "ListApis", "resource": API, "dropConnection": {}}),
            "fault.resource",
        ),
        (
            json!({"method": "CreateApi", "operation": {"takes": "-2s"}}),
            "fault.operation.takes",
        ),
        (
            json!({"method": "GetApi", "respond": {
                "@type": "type.googleapis.com/google.longrunning.Operation"}}),
            "fault.respond",
        ),
        (
            json!({"method": "GetApi", "respond": {"@type": "type.googleapis.com/no.Such", "a": 1}}),
            "fault",
        ),
        (
            json!({"method": "GetApi", "respond": {"@type": "type.googleapis.com/no.Such", "value": ""}}),
            "fault.respond",
        ),
    ] {
        let answer = send(&server, FAULTS, "", &fault.to_string()).await;
        assert_eq!(answer.status, 400, "{fault}: {}", answer.body);
        let details = answer.body["error"]["details"].as_array().expect("details");
        let violations = details
            .iter()
            .find_map(|detail| detail.get("fieldViolations"));
        let violations = violations.unwrap_or_else(|| panic!("{fault}: {details:?}"));
        assert_eq!(violations[0]["field"], field, "{fault}");
    }
    for unknown in [
        r#"{"method": "GetApi", "explode": {}}"#,
        "[]",
        "{",
        "{\"times\": -1}",
    ] {
        let answer = send(&server, FAULTS, "", unknown).await;
        assert_eq!(answer.status, 400, "{unknown}: {}", answer.body);
    }
    assert_eq!(ok(&server, "GET /emulator/v1/faults", "").await, json!({}));
}

#[tokio::test]
async fn an_unknown_field_of_a_fault_is_rejected_with_the_known_ones() {
    let server = served().await;
    for (fault, expected) in [
        (
            json!({"method": "GetApi", "explode": {}}),
            "unknown field `explode` of apigateway_grpc.emulator.v1.Fault: known are name, method, resource, times, always, \
             used, fail, delay, dropConnection, loseResponse, stale, notFoundFor, html, respond, operation, disabled",
        ),
        (
            json!({"method": "CreateApi", "operation": {"take": "1s"}}),
            "unknown field `take` of apigateway_grpc.emulator.v1.OperationPlan: known are takes, fails, diagnostics, progress, \
             cancelledAfter, cancelIgnored, cancelFails, cancelUnimplemented, forgottenAfter",
        ),
        (
            json!({"method": "GetApi", "stale": {"a": 1}}),
            "unknown field `a` of google.protobuf.Empty, which has no fields",
        ),
    ] {
        let answer = send(&server, FAULTS, "", &fault.to_string()).await;
        let text = answer.body["error"]["message"].as_str().expect("text");
        assert!(answer.status == 400 && text.ends_with(expected), "{text}");
    }
}

#[tokio::test]
async fn an_unknown_method_of_a_fault_is_rejected_with_similar_methods_or_an_example() {
    let server = served().await;
    for (name, expected) in [
        (
            "",
            "fault.method: must be set to a method, such as `GetApi`",
        ),
        (
            "GetApis",
            "fault.method: unknown method `GetApis`: did you mean `GetApi`?",
        ),
        (
            "google.longrunning.Operations.GetOperations",
            "fault.method: unknown method `google.longrunning.Operations.GetOperations`: did you mean `GetOperation`?",
        ),
        (
            "GetThing",
            "fault.method: unknown method `GetThing`: must be one of GetApi, GetApiConfig, GetGateway, GetLocation, \
             GetIamPolicy, GetOperation",
        ),
        (
            "Explode",
            "fault.method: unknown method `Explode`: must be a method of the API, such as `GetApi` or `CreateGateway`",
        ),
    ] {
        let fault = json!({"method": name, "dropConnection": {}});
        let answer = send(&server, FAULTS, "", &fault.to_string()).await;
        assert_eq!(answer.body["error"]["message"], expected);
    }
}

#[tokio::test]
async fn calls_are_listed_with_their_messages_and_without_secrets() {
    let server = served().await;
    let request = format!("POST /v1/{PARENT}/apis?apiId=a");
    let headers = "authorization: Bearer hush\r\nx-goog-api-client: gl-test/1\r\n";
    send(&server, &request, headers, r#"{"labels": {"team": "x"}}"#).await;
    let client = client(&server, Transport::Grpc);
    get(&client, API).await.expect("it is there");
    let all = ok(&server, "GET /emulator/v1/calls", "").await;
    let calls = all["calls"].as_array().expect("calls");
    assert_eq!(calls.len(), 2, "{all}");
    let [made, read] = [&calls[0], &calls[1]];
    assert_eq!(
        made["method"],
        "google.cloud.apigateway.v1.ApiGatewayService.CreateApi"
    );
    assert_eq!(
        (&made["transport"], &read["transport"]),
        (&"REST".into(), &"GRPC".into())
    );
    assert_eq!(
        (&made["resource"], &read["resource"]),
        (&API.into(), &API.into())
    );
    assert_eq!(made["headers"]["authorization"], "(masked)");
    assert_eq!(made["headers"]["x-goog-api-client"], "gl-test/1");
    assert_eq!(made["request"]["api"], json!({"labels": {"team": "x"}}));
    assert_eq!(
        read["request"]["@type"],
        "type.googleapis.com/google.cloud.apigateway.v1.GetApiRequest"
    );
    assert!(!all.to_string().contains("hush"));

    let gets = ok(&server, "GET /emulator/v1/calls?method=GetApi", "").await;
    assert_eq!(gets["calls"], json!([read]));
    let wrong = send(&server, "GET /emulator/v1/calls?method=Get", "", "").await;
    assert_eq!(wrong.status, 400);
}

#[tokio::test]
async fn a_withdrawn_fault_is_not_found_and_a_reset_withdraws_all_faults() {
    let server = served().await;
    let first = ok(&server, FAULTS, r#"{"method": "GetApi", "stale": {}}"#).await;
    let withdraw = format!(
        "DELETE /emulator/v1/{}",
        first["name"].as_str().expect("text")
    );
    ok(&server, &withdraw, "").await;
    assert_eq!(send(&server, &withdraw, "", "").await.status, 404);

    let client = client(&server, Transport::Grpc);
    create(&client, "a").await.expect("a new api");
    let second = ok(&server, FAULTS, r#"{"method": "GetApi", "stale": {}}"#).await;
    assert_ne!(second["name"], first["name"]);
    ok(&server, "POST /emulator/v1/reset", "").await;
    assert_eq!(ok(&server, "GET /emulator/v1/faults", "").await, json!({}));
    assert_eq!(ok(&server, "GET /emulator/v1/calls", "").await, json!({}));
    let gone = get(&client, API).await.expect_err("forgotten");
    assert_eq!(gone.code(), Code::NotFound);
}
