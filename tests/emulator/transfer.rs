//! Export, import and seed files.

use std::time::Duration;

use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::messages::{
    ExportStateRequest, ImportStateRequest, StateExport, from_json, to_json,
};
use apigateway_grpc::emulator::{Emulator, OperationPlan};
use apigateway_grpc::model::Api;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api;
use apigateway_grpc::tonic::Code;
use serde_json::{Value, json};

use crate::http::{ok, send};
use crate::state::{admin, client, fill, served};
use crate::{API, PARENT, RUNS, create, delete, over};

fn json_of(state: &StateExport) -> Value {
    let json = to_json(state).expect("it has a JSON form");
    let mut json: Value = serde_json::from_str(&json).expect("JSON");
    // The uptime and the time differ between two reads, and faults get new names.
    json["clock"] = Value::Null;
    if let Some(faults) = json["faults"].as_array_mut() {
        for fault in faults {
            fault["name"] = Value::Null;
        }
    }
    json
}

#[tokio::test]
async fn an_exported_state_is_imported_into_another_emulator() {
    let one = served(Emulator::builder()).await;
    fill(&client(&one)).await;
    let fault = r#"{"method": "GetApi", "times": 2, "fail": {"code": 9}}"#;
    ok(&one, "POST /emulator/v1/faults", fault).await;
    client(&one).get_api(API).await.expect_err("the fault");
    let plan = OperationPlan::default()
        .takes(Duration::from_secs(3600))
        .progress(Duration::from_secs(1), "half");
    let _plan = one.emulator().on(Method::DELETE_GATEWAY).operation(plan);
    let gateway = "projects/q/locations/us-east1/gateways/g";
    let deletion = client(&one)
        .delete_gateway(gateway)
        .await
        .expect("it starts");

    let exported = ok(&one, "GET /emulator/v1/state:export", "").await;
    assert_eq!(exported["gateways"][0]["state"], "DELETING");
    assert_eq!(exported["pending"][0]["gateway"]["state"], "ACTIVE");
    let over_grpc = admin(&one).await.export_state(ExportStateRequest {}).await;
    let over_grpc = over_grpc.expect("a state").into_inner();
    assert_eq!(json_of(&over_grpc), json_of(&one.emulator().export()));

    // The state is imported over REST (`two`), over gRPC (`three`) and in process (`four`).
    let (two, three) = (
        served(Emulator::builder()).await,
        served(Emulator::builder()).await,
    );
    ok(
        &two,
        "POST /emulator/v1/state:import",
        &exported.to_string(),
    )
    .await;
    let request = ImportStateRequest {
        state: Some(over_grpc.clone()),
    };
    admin(&three)
        .await
        .import_state(request)
        .await
        .expect("it is valid");
    let four = Emulator::builder().build();
    four.import(over_grpc.clone()).expect("it is valid");
    let expected = json_of(&over_grpc);
    assert_eq!(json_of(&two.emulator().export()), expected);
    assert_eq!(json_of(&three.emulator().export()), expected);
    assert_eq!(json_of(&four.export()), expected);

    // The operation continues, and the fault has one call left.
    let ended = two.emulator().finish_operation(deletion.name(), None);
    assert!(ended.expect("it runs").done);
    client(&two)
        .get_gateway(gateway)
        .await
        .expect_err("deleted");
    client(&two).get_api(API).await.expect_err("the fault");
    client(&two)
        .get_api(API)
        .await
        .expect("the fault is used up");
}

#[tokio::test(start_paused = true)]
async fn running_operations_are_imported_with_their_locks_and_new_ones_get_new_names() {
    let one = crate::emulator();
    let client = over(&one);
    crate::created(&client, "a").await;
    let running = delete(&client, API).await.expect("it starts");
    let two = crate::emulator();
    two.import(one.export()).expect("it is valid");
    let client = over(&two);
    let locked = delete(&client, API).await.expect_err("it is locked");
    assert_eq!(locked.code(), Code::Aborted);
    let other = create(&client, "b").await.expect("it starts");
    assert_ne!(other.name, running.name);
    tokio::time::advance(RUNS).await;
    let gone = crate::get(&client, API).await.expect_err("deleted");
    assert_eq!(gone.code(), Code::NotFound);
}

#[tokio::test]
async fn absent_fields_of_a_pending_version_are_set() {
    let emulator = Emulator::builder().build();
    let state = json!({
        "apis": [{"name": API, "state": "UPDATING"}],
        "operations": [{"name": format!("{PARENT}/operations/o"), "target": API, "verb": "update",
            "startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-01T00:00:10Z"}],
        "pending": [{"api": {"name": API, "labels": {"team": "core"}}}],
    });
    let state: StateExport = from_json(state.to_string().as_bytes()).expect("a state");
    emulator.import(state).expect("it is valid");
    // The operation has ended, so the pending version is the row.
    let updated = emulator.state().apis.remove(0);
    assert_eq!(updated.labels["team"], "core");
    assert_eq!(updated.state(), api::State::Active);
    assert_eq!(updated.display_name, "a");
    assert!(updated.create_time.is_some() && !updated.managed_service.is_empty());
    let exported = emulator.export();
    emulator.import(exported).expect("an export is valid");
}

#[tokio::test]
async fn an_invalid_state_changes_nothing_and_its_error_has_the_field_and_the_reason() {
    let server = served(Emulator::builder()).await;
    fill(&client(&server)).await;
    let before = json_of(&server.emulator().export());
    let config = format!("{API}/configs/c");
    let operation = json!({"name": format!("{PARENT}/operations/o"), "target": API, "verb": "delete",
        "startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-01T00:00:00Z"});
    let mut unknown = operation.clone();
    unknown["response"] = json!({"@type": "type.googleapis.com/no.Such", "a": 1});
    let broken = json!([{"document": {"path": "a.yaml", "contents": "e30="}}]);
    let with_locks = |locks: Value| {
        let mut operation = operation.clone();
        operation["locks"] = locks;
        json!({"apis": [{"name": API, "state": "DELETING"}], "operations": [operation], "pending": [{"api": {"name": API}}]})
    };
    let with_pending = |pending: Value| json!({"apis": [{"name": API, "state": "DELETING"}], "operations": [operation], "pending": pending});
    let mut with_code = operation.clone();
    with_code["error"] = json!({"code": 99});
    let mut wrong = Vec::new();
    for (state, field, text) in [
        (
            with_locks(json!(["a"])),
            "state.operations[0].locks",
            "must be projects/p/locations/global/apis/a",
        ),
        (
            with_locks(json!([API, "a"])),
            "state.operations[0].locks",
            "must be projects/p/locations/global/apis/a",
        ),
        (
            with_pending(json!([{"api": {"name": API}}, {"api": {"name": API}}])),
            "state.pending[1].name",
            "duplicate name",
        ),
        (
            with_pending(json!([{"api": {"name": API, "state": "UPDATING"}}])),
            "state.pending",
            "has an invalid version of projects/p/locations/global/apis/a: state: must be ACTIVE or FAILED",
        ),
        (
            with_pending(json!([{"api": {"name": API, "labels": {"A": ""}}}])),
            "state.pending",
            "has an invalid version of projects/p/locations/global/apis/a: labels: `A`: a key has 1 to 63 and a value 0 to 63 \
             characters; both allow lowercase letters, digits, _ and -, and a key begins with a letter",
        ),
        (
            json!({"operations": [with_code]}),
            "state.operations[0].error.code",
            "must be the code of an error, from 1 to 16, not 99",
        ),
        (
            json!({"apis": [{"name": API}], "policies": [{"resource": API}, {"resource": API}]}),
            "state.policies[1].resource",
            "duplicate name",
        ),
        (
            json!({"apis": [{"name": API}], "policies": [{"resource": API, "policy": {"version": 2}}]}),
            "state.policies[0]",
            "policy.version: must be 0, 1 or 3, not 2",
        ),
        (
            json!({"apis": [{"name": "a"}]}),
            "state.apis[0]",
            "name: must be projects/{project}/locations/global/apis/{api}, not `a`",
        ),
        (
            json!({"apis": [{"name": API}, {"name": API}]}),
            "state.apis[1]",
            r#"API "projects/p/locations/global/apis/a" already exists"#,
        ),
        (
            json!({"apis": [{"name": API, "state": "CREATING"}]}),
            "state.apis[0]",
            "state: must be ACTIVE or FAILED: the resource has no running operation",
        ),
        (
            json!({"apis": [{"name": API}], "operations": [operation]}),
            "state.apis[0]",
            "state: must be DELETING: the resource has a running delete operation",
        ),
        (
            json!({"apiConfigs": [{"name": config}]}),
            "state.api_configs[0]",
            r#"API "projects/p/locations/global/apis/a" not found"#,
        ),
        (
            json!({"apis": [{"name": API}], "apiConfigs": [{"name": config, "openapiDocuments": broken}]}),
            "state.api_configs[0]",
            r#"files: a.yaml:1:1: the version is missing: write `swagger: "2.0"`, `openapi: 3.0.x` or `openapi: 3.1.x`"#,
        ),
        (
            json!({"policies": [{"resource": API}]}),
            "state.policies[0].resource",
            "must be a resource of the state",
        ),
        (
            json!({"operations": [operation]}),
            "state.operations",
            "the target of the running operation projects/p/locations/global/operations/o is not in the state",
        ),
        (
            json!({"operations": [{"name": "x"}]}),
            "state.operations[0].name",
            "must be projects/{project}/locations/{location}/operations/{operation}, not `x`",
        ),
        (
            json!({"apis": [{"name": API}], "pending": [{"api": {"name": API}}]}),
            "state.pending",
            "has a version of projects/p/locations/global/apis/a, but this resource is neither UPDATING nor DELETING",
        ),
        (
            json!({"pending": [{"api": {"name": API}}]}),
            "state.pending",
            "has a version of projects/p/locations/global/apis/a, which is not in the state",
        ),
        (
            json!({"apis": [{"name": API, "state": "DELETING"}], "operations": [operation]}),
            "state.pending",
            "must have a version of projects/p/locations/global/apis/a, since this resource is UPDATING or DELETING",
        ),
        (
            json!({"faults": [{"method": "None"}]}),
            "state.faults[0]",
            "fault.method: unknown method `None`: must be a method of the API, such as `GetApi` or `CreateGateway`",
        ),
        (
            json!({"faults": [{"method": "GetApi", "stale": {}, "used": 1}]}),
            "state.faults[0]",
            "fault.used: must be less than `times` (1), not 1",
        ),
        (
            json!({"faults": [{"method": "GetApi", "stale": {}, "times": 2, "used": 1},
                {"method": "GetApi", "stale": {}, "times": 2, "used": "18446744073709551615"}]}),
            "state.faults[1]",
            "fault.used: must be less than `times` (2), not 18446744073709551615",
        ),
        (
            json!({"faults": [{"method": "GetApi", "stale": {}, "always": true, "used": "18446744073709551615"}]}),
            "state.faults[0]",
            "fault.used: must be at most 2^53",
        ),
        (
            json!({"apis": [{"name": API, "createTime": "1969-12-31T23:59:59Z"}]}),
            "state.apis[0]",
            "create_time: must be a time from 1970 to 9999",
        ),
        (
            json!({"apis": [{"name": API, "updateTime": "0001-01-01T00:00:00Z"}]}),
            "state.apis[0]",
            "update_time: must be a time from 1970 to 9999",
        ),
        (
            json!({"pending": [{"api": {"name": API, "createTime": "0001-01-01T00:00:00Z"}}]}),
            "state.pending[0].create_time",
            "must be a time from 1970 to 9999",
        ),
        (
            json!({"operations": [unknown]}),
            "state.operations[0]",
            "has an `Any` of an unknown type: must be {\"@type\": …, \"value\": its bytes in base64}",
        ),
        (
            json!({"clock": {"time": "1969-01-01T00:00:00Z"}}),
            "state.clock.time",
            "must be a time from 1970 to 9999",
        ),
        (
            json!({"operationsStarted": u64::MAX.to_string()}),
            "state.operations_started",
            "must be at most 2^53",
        ),
        (
            json!({"policiesSet": u64::MAX.to_string()}),
            "state.policies_set",
            "must be at most 2^53",
        ),
    ] {
        let refused = send(
            &server,
            "POST /emulator/v1/state:import",
            "",
            &state.to_string(),
        )
        .await;
        assert_eq!(refused.status, 400, "{state}: {}", refused.body);
        let details = refused.body["error"]["details"]
            .as_array()
            .expect("details");
        let fields = details.iter().find_map(|one| one.get("fieldViolations"));
        let first = &fields.expect("fields")[0];
        assert_eq!(first["field"], field, "{}", refused.body);
        if first["description"] != text {
            wrong.push(format!("{field}: {}", first["description"]));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let missing = send(&server, "POST /emulator/v1/state:import", "", "").await;
    assert_eq!(missing.status, 400, "{}", missing.body);
    let text = missing.body["error"]["message"].as_str();
    assert_eq!(text, Some("state: must be given; `{}` is the empty state"));
    assert_eq!(json_of(&server.emulator().export()), before);
}

#[tokio::test]
async fn an_emulator_starts_with_the_state_of_a_seed_file() {
    let folder = std::env::temp_dir().join(format!("seed-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let document = "swagger: '2.0'\ninfo: {title: a, version: '1'}\npaths: {}\n";
    std::fs::write(folder.join("openapi.yaml"), document).expect("a file");
    let yaml = format!(
        "apis:\n- name: {API}\n  labels: {{team: core}}\n\
         apiConfigs:\n- name: {API}/configs/c\n  openapiDocuments:\n  - document: {{path: openapi.yaml}}\n\
         gateways:\n- name: projects/q/locations/us-east1/gateways/g\n  apiConfig: {API}/configs/c\n\
         policies:\n- resource: {API}\n  policy: {{bindings: [{{role: roles/viewer, members: ['user:a@b.c']}}]}}\n\
         faults:\n- method: GetApi\n  fail: {{code: 14, message: busy}}\n"
    );
    let file = folder.join("seed.yaml");
    std::fs::write(&file, &yaml).expect("a file");
    let emulator = Emulator::builder()
        .seed(&file)
        .expect("it is valid")
        .build();
    let state = emulator.state();
    assert_eq!(state.apis[0].labels["team"], "core");
    assert_eq!(state.gateways[0].state().as_str_name(), "ACTIVE");
    assert!(state.gateways[0].default_hostname.ends_with(".gateway.dev"));
    assert_eq!(state.faults.len(), 1);
    let files = emulator
        .config_files(&format!("{API}/configs/c"))
        .expect("files");
    assert_eq!(files.files[0].contents, document.as_bytes());
    let client = over(&emulator);
    let policy = client.get_iam_policy(API).await.expect("a policy");
    assert_eq!(policy.bindings[0].role, "roles/viewer");

    // An export is a valid seed file.
    let exported = folder.join("seed.json");
    std::fs::write(&exported, to_json(&emulator.export()).expect("JSON")).expect("a file");
    let again = Emulator::builder()
        .seed(&exported)
        .expect("it is valid")
        .build();
    assert_eq!(again.state().apis, emulator.state().apis);

    for (text, why) in [
        ("apis: [", "seed.yaml:1:"),
        ("apis:\n- nam: a\n", "nam"),
        ("apis:\n- name: a\n", "state.apis[0]"),
        ("apis: []\napis: []\n", "seed.yaml:2:1"),
    ] {
        std::fs::write(&file, text).expect("a file");
        let refused = Emulator::builder().seed(&file).expect_err(text);
        assert!(refused.to_string().contains(why), "{text}: {refused}");
    }
    std::fs::remove_file(&file).expect("removed");
    let missing = Emulator::builder().seed(&file).expect_err("missing");
    assert!(missing.to_string().contains("seed.yaml"), "{missing}");

    #[cfg(feature = "emulator-data")]
    {
        let data = folder.join("data.redb");
        let open = || {
            let builder = Emulator::builder().seed(&exported).expect("it is valid");
            builder.open(&data).expect("a data file")
        };
        let emulator = open();
        assert_eq!(emulator.state().apis.len(), 1);
        emulator.reset();
        create(&over(&emulator), "own").await.expect("it starts");
        drop(emulator);
        // A file with a state of its own is not seeded.
        let names = open().state().apis;
        assert_eq!(names.len(), 1, "{names:?}");
        assert!(names[0].name.ends_with("/own"));
    }
    std::fs::remove_dir_all(&folder).ok();
}

#[test]
#[cfg(target_os = "linux")]
fn a_seed_file_without_an_end_is_rejected() {
    let refused = Emulator::builder().seed("/dev/zero");
    let text = refused.expect_err("it has no end").to_string();
    let start = "invalid `seed` /dev/zero: larger than 32 MiB";
    assert!(text.starts_with(start), "{text}");
}

#[tokio::test]
async fn an_import_is_a_reset_for_listeners() {
    use apigateway_grpc::emulator::messages::event::Event as Kind;
    use futures_util::StreamExt as _;

    let emulator = Emulator::builder().build();
    let mut events = emulator.events();
    events.next().await.expect("hello");
    let api = Api {
        name: API.to_owned(),
        ..Api::default()
    };
    let state = StateExport {
        apis: vec![api],
        ..StateExport::default()
    };
    emulator.import(state).expect("it is valid");
    let next = events.next().await.expect("an event");
    assert!(matches!(next.event, Some(Kind::Reset(()))), "{next:?}");
    // Nothing else has happened.
    let revision = emulator.state().revision;
    assert_eq!(revision, next.number);
}

#[tokio::test]
async fn an_imported_clock_sets_the_times_of_events() {
    use futures_util::StreamExt as _;

    let emulator = Emulator::builder().build();
    let mut events = emulator.events();
    events.next().await.expect("hello");
    let state = br#"{"clock": {"time": "2030-01-01T00:00:00Z", "paused": true}}"#;
    let state: StateExport = from_json(state).expect("a state");
    let time = state.clock.and_then(|clock| clock.time);
    emulator.import(state).expect("it is valid");
    emulator.clear_calls();
    for _ in ["reset", "calls_cleared"] {
        assert_eq!(events.next().await.expect("an event").time, time);
    }
}

/// Each row has the content of a seed file and its error, without the prefix ``invalid `seed` FILE: ``.
#[test]
fn each_invalid_seed_file_is_reported_with_its_place() {
    let folder = std::env::temp_dir().join(format!("invalid-seed-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("seed.yaml");
    let shown = file.display().to_string();
    let mut wrong = Vec::new();
    for (content, expected) in [
        ("apis: [", "FILE:1:7: unclosed bracket '['"),
        ("apis: 1", "`apis`: expected `[`"),
        (
            "apis:\n- nam: a\n",
            "`apis[0]`: unknown field `nam` of google.cloud.apigateway.v1.Api: known are name, createTime, updateTime, labels, \
             displayName, managedService, state",
        ),
        (
            "clock:\n  tim: 1\n",
            "`clock`: unknown field `tim` of apigateway_grpc.emulator.v1.Clock: known are time, paused, advanced, uptime, \
             nextEventTime",
        ),
        ("- apis\n", "expected `{`"),
        (
            "apis:\n- name: a\n",
            "state.apis[0]: name: must be projects/{project}/locations/global/apis/{api}, not `a`",
        ),
        (
            "apis: []\napis: []\n",
            "FILE:2:1: duplicate key `apis`, first in line 1: remove one of the two",
        ),
    ] {
        std::fs::write(&file, content).expect("a file");
        let error = Emulator::builder().seed(&file).expect_err(content);
        let text = error.to_string().replace(&shown, "FILE");
        if text != format!("invalid `seed` FILE: {expected}") {
            wrong.push(format!("{content:?}: {text}"));
        }
    }
    std::fs::remove_dir_all(&folder).expect("the folder exists");
    let missing = Emulator::builder().seed(&file).expect_err("no file");
    let start = format!("invalid `seed` {shown}: ");
    assert!(missing.to_string().starts_with(&start), "{missing}");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
