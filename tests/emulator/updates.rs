//! Updates: masks, their effects, and concurrent updates.

use std::collections::HashMap;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::OperationPlan;
use apigateway_grpc::prost_types::FieldMask;
use apigateway_grpc::proto::google::cloud::apigateway::v1::*;
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::StatusExt as _;

use crate::configs::{CONFIG, all, gateway, second};
use crate::{API, PARENT, RUNS, client, created, delete, emulator, get, metadata, over};

fn changed() -> Api {
    Api {
        name: API.into(),
        display_name: "new".into(),
        labels: HashMap::from([("k".into(), "v".into())]),
        ..Default::default()
    }
}

fn mask(paths: &[&str]) -> Option<FieldMask> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    Some(FieldMask { paths })
}

async fn update(client: &ApiGateway, paths: &[&str]) -> Result<Operation, Status> {
    let request = UpdateApiRequest {
        update_mask: mask(paths),
        api: Some(changed()),
    };
    Ok(client
        .service_client()
        .update_api(request)
        .await?
        .into_inner())
}

async fn switch(client: &ApiGateway, config: &str, path: &str) -> Result<Operation, Status> {
    let gateway = gateway(client).await?;
    let request = UpdateGatewayRequest {
        update_mask: mask(&[path]),
        gateway: Some(Gateway {
            name: gateway.name,
            api_config: config.into(),
            ..Default::default()
        }),
    };
    Ok(client
        .service_client()
        .update_gateway(request)
        .await?
        .into_inner())
}

#[tokio::test(start_paused = true)]
async fn an_update_changes_the_fields_of_its_mask_at_its_end() {
    for (paths, display_name, labels) in [
        (&["display_name"][..], "new", 0),
        (&["labels"], "a", 1),
        (&["display_name", "labels"], "new", 1),
        (&["*"], "new", 1),
        (&["labels.*"], "a", 1),
        // Output-only fields are ignored. With `*`, immutable fields that are empty in the request are ignored too.
        (&["name", "display_name"], "new", 0),
        (&["display_name", "state", "create_time"], "new", 0),
        (
            &["update_time", "display_name", "create_time.seconds"],
            "new",
            0,
        ),
        (&["state"], "a", 0),
    ] {
        let client = client();
        created(&client, "a").await;
        let before = get(&client, API).await.expect("it exists");
        let started = update(&client, paths).await.expect("it exists");
        assert_eq!(metadata(&started).verb, "update");
        let during = get(&client, API).await.expect("it exists");
        assert_eq!(
            (during.state(), during.display_name.as_str()),
            (api::State::Updating, "a")
        );
        tokio::time::advance(RUNS).await;
        let after = get(&client, API).await.expect("it exists");
        assert_eq!(after.state(), api::State::Active);
        assert_eq!(
            (after.display_name.as_str(), after.labels.len()),
            (display_name, labels),
            "{paths:?}"
        );
        assert_eq!(after.managed_service, before.managed_service);
        assert_eq!(after.create_time, before.create_time);
        let times =
            [after.update_time, before.update_time].map(|time| time.expect("a time").seconds);
        assert_eq!(times[0] - times[1], 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_mask_that_is_empty_or_has_an_unknown_field_is_rejected() {
    let client = client();
    created(&client, "a").await;
    for paths in [
        &[][..],
        &[""],
        &["nonsense"],
        &["display_name", "nonsense"],
        &["name.x"],
        &["create_time.hours"],
        &["create_time.seconds.x"],
        &["managed_service.x"],
        &["display_name.x"],
        &["labels."],
        &["labels.a.b"],
        &["labels.`a"],
    ] {
        let refused = update(&client, paths).await.expect_err("wrong");
        assert_eq!(refused.code(), Code::InvalidArgument, "{paths:?}");
    }
    // Over REST, the JSON names in a mask are converted to field names. The mask in a gRPC request must have field names.
    for (path, expected) in [
        (
            "displayName",
            "`displayName` is the JSON name of a field: its path is `display_name`",
        ),
        (
            "managedService",
            "`managedService` is the JSON name of a field: its path is `managed_service`",
        ),
        ("Labels", "`Labels` is an unknown field"),
    ] {
        let refused = update(&client, &[path]).await.expect_err("a JSON name");
        let expected = format!("update_mask: {expected}");
        assert!(refused.message().starts_with(&expected), "{refused}");
    }
    // The error names each invalid path with its reason.
    let refused = update(&client, &["state.x", "labels", "nonsense"]).await;
    let refused = refused.expect_err("two are wrong");
    let details = refused.get_details_bad_request().expect("details");
    let violations: Vec<_> = details.field_violations.iter().collect();
    assert_eq!(violations.len(), 2, "{refused}");
    for (violation, why) in violations.iter().zip([
        "`state.x` is an unknown field",
        "`nonsense` is an unknown field",
    ]) {
        let why = format!("{why}: must be `*`, or one of labels, display_name");
        assert_eq!(
            (violation.field.as_str(), &violation.description),
            ("update_mask", &why)
        );
    }
    assert_eq!(
        get(&client, API).await.expect("it exists").state(),
        api::State::Active
    );
    let request = UpdateApiRequest {
        update_mask: None,
        api: Some(changed()),
    };
    let refused = client
        .service_client()
        .update_api(request)
        .await
        .expect_err("no mask");
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test(start_paused = true)]
async fn an_immutable_field_can_be_sent_with_its_own_value_but_not_with_another() {
    let client = client();
    created(&client, "a").await;
    let managed = get(&client, API).await.expect("it exists").managed_service;
    let send = async |paths: &[&str], managed_service: &str| {
        let api = Api {
            managed_service: managed_service.into(),
            ..changed()
        };
        let request = UpdateApiRequest {
            update_mask: mask(paths),
            api: Some(api),
        };
        let sent = client.service_client().update_api(request).await;
        tokio::time::advance(RUNS).await;
        sent.map(drop)
    };
    for paths in [
        &["managed_service"][..],
        &["managed_service", "labels"],
        &["*"],
    ] {
        send(paths, &managed).await.expect("the same");
        let refused = send(paths, "other").await.expect_err("another");
        assert_eq!(refused.code(), Code::InvalidArgument, "{paths:?}");
        let why = "`managed_service` is immutable";
        assert!(refused.message().contains(why), "{refused}");
    }
    // Clearing an immutable field is a change, except with the mask `*`: clients that send `*` may leave out fields that
    // they do not know.
    let refused = send(&["managed_service"], "").await.expect_err("none");
    assert_eq!(refused.code(), Code::InvalidArgument);
    send(&["*"], "").await.expect("not given");
    let api = get(&client, API).await.expect("it exists");
    assert_eq!(
        (api.managed_service, api.display_name),
        (managed, "new".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_config_that_was_read_can_be_written_with_all_its_fields_in_the_mask() {
    let client = client();
    all(&client).await;
    let read = client.get_api_config_full(CONFIG).await.expect("it exists");
    let paths = [
        "name",
        "create_time",
        "labels",
        "display_name",
        "gateway_service_account",
        "service_config_id",
        "state",
        "openapi_documents",
        "grpc_services",
        "managed_service_configs",
    ];
    let send = async |api_config: ApiConfig| {
        let request = UpdateApiConfigRequest {
            update_mask: mask(&paths),
            api_config: Some(api_config),
        };
        let sent = client.service_client().update_api_config(request).await;
        tokio::time::advance(RUNS).await;
        sent.map(drop)
    };
    send(read.clone()).await.expect("the same");
    let again = client.get_api_config_full(CONFIG).await.expect("it exists");
    let update_time = read.update_time;
    assert_eq!(
        ApiConfig {
            update_time,
            ..again
        },
        read
    );
    for change in [
        |config: &mut ApiConfig| config.openapi_documents.clear(),
        |config: &mut ApiConfig| config.gateway_service_account.push('x'),
        |config: &mut ApiConfig| config.managed_service_configs.push(Default::default()),
        |config: &mut ApiConfig| config.grpc_services.push(Default::default()),
    ] {
        let mut other = read.clone();
        change(&mut other);
        let refused = send(other).await.expect_err("another");
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mask_changes_single_labels() {
    let client = client();
    let labels = [("k", "old"), ("other", "kept"), ("gone", "x")];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let request = CreateApiRequest {
        parent: PARENT.into(),
        api_id: "a".into(),
        api: Some(Api {
            labels: labels.into(),
            ..Default::default()
        }),
    };
    client
        .service_client()
        .create_api(request)
        .await
        .expect("a new api");
    tokio::time::advance(RUNS).await;
    update(
        &client,
        &["labels.k", "labels.`gone`", "labels.`not.there`"],
    )
    .await
    .expect("it exists");
    tokio::time::advance(RUNS).await;
    let api = get(&client, API).await.expect("it exists");
    let mut labels: Vec<_> = api
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    labels.sort();
    assert_eq!(labels, ["k=v", "other=kept"]);
    assert_eq!(api.display_name, "a");
}

#[tokio::test(start_paused = true)]
async fn a_resource_has_one_operation_at_a_time_and_a_missing_one_cannot_be_updated() {
    let client = client();
    let missing = update(&client, &["labels"]).await.expect_err("none");
    assert_eq!(missing.code(), Code::NotFound);
    created(&client, "a").await;
    update(&client, &["labels"]).await.expect("it exists");
    let refused = [
        update(&client, &["labels"]).await.expect_err("busy"),
        delete(&client, API).await.expect_err("busy"),
    ];
    assert_eq!(refused.map(|status| status.code()), [Code::Aborted; 2]);
    tokio::time::advance(RUNS).await;
    update(&client, &["labels"]).await.expect("free again");
}

#[tokio::test(start_paused = true)]
async fn an_update_that_fails_or_is_cancelled_changes_nothing() {
    let emulator = emulator();
    let client = over(&emulator);
    created(&client, "a").await;
    let plan = OperationPlan::default().fails(Status::internal("no"));
    let _fault = emulator.on(Method::UPDATE_API).operation(plan);
    update(&client, &["*"]).await.expect("it exists");
    tokio::time::advance(RUNS).await;
    let cancelled = update(&client, &["*"]).await.expect("free again");
    client
        .cancel_operation(&cancelled.name)
        .await
        .expect("the cancellation is accepted");
    tokio::time::advance(RUNS).await;
    let api = get(&client, API).await.expect("it exists");
    assert_eq!(
        (api.state(), api.display_name.as_str()),
        (api::State::Active, "a")
    );
}

#[tokio::test(start_paused = true)]
async fn defaults_are_set_at_creation_only() {
    let client = client();
    created(&client, "a").await;
    let request = UpdateApiRequest {
        update_mask: mask(&["display_name"]),
        api: Some(Api {
            name: API.into(),
            ..Default::default()
        }),
    };
    client
        .service_client()
        .update_api(request)
        .await
        .expect("it exists");
    tokio::time::advance(RUNS).await;
    assert_eq!(get(&client, API).await.expect("it exists").display_name, "");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_is_updated_to_another_active_config() {
    let client = client();
    all(&client).await;
    let other = second(&client).await;
    for path in ["api_config", "*"] {
        switch(&client, &other, path).await.expect("it exists");
        assert_eq!(
            gateway(&client).await.expect("it exists").state(),
            gateway::State::Updating
        );
        // The new config is in use during the update.
        let name = other.clone();
        let request = DeleteApiConfigRequest { name };
        let refused = client
            .service_client()
            .delete_api_config(request)
            .await
            .expect_err("in use");
        assert_eq!(refused.code(), Code::FailedPrecondition);
        tokio::time::advance(RUNS).await;
        assert_eq!(gateway(&client).await.expect("it exists").api_config, other);
    }
    // A config whose labels are being updated can be used.
    let request = UpdateApiConfigRequest {
        update_mask: mask(&["labels"]),
        api_config: Some(ApiConfig {
            name: other.clone(),
            ..Default::default()
        }),
    };
    client
        .service_client()
        .update_api_config(request)
        .await
        .expect("it exists");
    switch(&client, &other, "api_config")
        .await
        .expect("it exists");
    tokio::time::advance(RUNS).await;
    let missing = switch(
        &client,
        "projects/p/locations/global/apis/a/configs/z",
        "api_config",
    )
    .await;
    assert_eq!(missing.expect_err("none").code(), Code::NotFound);
    let request = UpdateApiConfigRequest {
        update_mask: mask(&["openapi_documents"]),
        api_config: Some(ApiConfig {
            name: other,
            ..Default::default()
        }),
    };
    let fixed = client
        .service_client()
        .update_api_config(request)
        .await
        .expect_err("the documents are immutable");
    assert_eq!(fixed.code(), Code::InvalidArgument);
}
