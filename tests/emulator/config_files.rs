//! The files of a config: invalid files fail the operation and leave the config FAILED.

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::OperationPlan;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::{
    self, File, GrpcServiceDefinition, OpenApiDocument,
};
use apigateway_grpc::proto::google::cloud::apigateway::v1::get_api_config_request::ConfigView;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{
    ApiConfig, DeleteApiConfigRequest, OperationMetadata,
};
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::proto::google::longrunning::operation::Result as Outcome;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::{StatusExt as _, pb};

use crate::configs::{DOCUMENT, REGION, config, configure, grpc, open, openapi};
use crate::{RUNS, client, created, emulator, metadata, over};

const CONFIG: &str = "projects/p/locations/global/apis/a/configs/c";

/// A document with errors in lines 2 and 3.
const WRONG: &str = "swagger: '2.0'\ninfo: {title: a}\nbasePath: v1\npaths: {}\n";

/// Creates a config and returns its operation, which has ended.
async fn ended(client: &ApiGateway, config: ApiConfig) -> Operation {
    let started = configure(client, "c", config).await.expect("it is started");
    assert!(!started.done && metadata(&started).diagnostics.is_empty());
    tokio::time::advance(RUNS).await;
    client
        .get_operation(&started.name)
        .await
        .expect("it exists")
}

fn error(operation: &Operation) -> &pb::Status {
    match &operation.result {
        Some(Outcome::Error(error)) => error,
        other => panic!("no error: {other:?}"),
    }
}

/// Returns the diagnostics as `location: message`.
fn diagnostics_of(metadata: OperationMetadata) -> Vec<String> {
    let diagnostics = metadata.diagnostics.into_iter();
    diagnostics
        .map(|one| format!("{}: {}", one.location, one.message))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_invalid_document_fails_the_operation_with_file_and_line() {
    let client = client();
    created(&client, "a").await;
    let ended = ended(&client, openapi(WRONG)).await;
    let expected = [
        "openapi.yaml:2:7: missing field `version` in `info`",
        "openapi.yaml:3:11: `basePath` must begin with `/`, not `v1`",
    ];
    assert_eq!(diagnostics_of(metadata(&ended)), expected);
    let error = error(&ended);
    assert_eq!(error.code, Code::InvalidArgument as i32);
    assert_eq!(error.message, format!("{} (and 1 more)", expected[0]));
    // The official Node client cannot read an operation over REST whose error has details.
    assert!(error.details.is_empty(), "{:?}", error.details);
}

#[tokio::test(start_paused = true)]
async fn a_config_with_invalid_files_is_failed_and_can_be_deleted_but_not_used() {
    let client = client();
    created(&client, "a").await;
    let started = configure(&client, "c", openapi("swagger: ["))
        .await
        .expect("it is started");
    // The config is never ACTIVATING.
    for state in [
        api_config::State::Creating,
        api_config::State::Creating,
        api_config::State::Failed,
    ] {
        let shown = config(&client, ConfigView::Basic).await.expect("it exists");
        assert_eq!(shown.state(), state);
        tokio::time::advance(RUNS / 2).await;
    }
    let failed = client
        .get_operation(&started.name)
        .await
        .expect("it exists");
    assert_eq!(diagnostics_of(metadata(&failed)).len(), 1);
    let shown = config(&client, ConfigView::Full).await.expect("it exists");
    assert_eq!(
        shown.openapi_documents,
        openapi("swagger: [").openapi_documents
    );
    let refused = open(&client, REGION, CONFIG).await.expect_err("it failed");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let request = DeleteApiConfigRequest {
        name: CONFIG.into(),
    };
    client
        .service_client()
        .delete_api_config(request)
        .await
        .expect("a failed config can be deleted");
    tokio::time::advance(RUNS).await;
    let good = ended(&client, openapi(DOCUMENT)).await;
    assert!(
        matches!(good.result, Some(Outcome::Response(_))),
        "{good:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_invalid_descriptor_set_or_service_config_fails_the_operation() {
    let client = client();
    created(&client, "a").await;
    let mut wrong = grpc();
    wrong.managed_service_configs[0].contents =
        b"type: google.api.Service\nname: a\napis:\n- name: Books\n".to_vec();
    let ended = ended(&client, wrong).await;
    assert_eq!(
        diagnostics_of(metadata(&ended)),
        ["api.yaml:4:9: no descriptor set has the service `Books`"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_failure_of_a_plan_takes_precedence_over_invalid_files() {
    for (plan, code, diagnostics) in [
        (
            OperationPlan::default().fails(Status::internal("no")),
            Code::Internal,
            1,
        ),
        (OperationPlan::default(), Code::InvalidArgument, 3),
    ] {
        let emulator = emulator();
        let client = over(&emulator);
        created(&client, "a").await;
        let plan = plan.diagnostic("here", "text");
        let _fault = emulator.on(Method::CREATE_API_CONFIG).operation(plan);
        let ended = ended(&client, openapi(WRONG)).await;
        assert_eq!(error(&ended).code, code as i32);
        let found = diagnostics_of(metadata(&ended));
        assert_eq!(
            (found.len(), found[0].as_str()),
            (diagnostics, "here: text")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_with_invalid_files_can_be_cancelled() {
    let client = client();
    created(&client, "a").await;
    let started = configure(&client, "c", openapi(WRONG))
        .await
        .expect("it is started");
    client
        .cancel_operation(&started.name)
        .await
        .expect("it runs");
    let ended = client
        .get_operation(&started.name)
        .await
        .expect("it exists");
    assert_eq!(error(&ended).code, Code::Cancelled as i32);
    let gone = config(&client, ConfigView::Basic).await.expect_err("gone");
    assert_eq!(gone.code(), Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_config_without_its_files_is_rejected_with_the_invalid_fields() {
    let client = client();
    created(&client, "a").await;
    let bare = ApiConfig {
        openapi_documents: vec![
            OpenApiDocument::default(),
            OpenApiDocument {
                document: Some(File::default()),
            },
        ],
        ..Default::default()
    };
    let mut unset = grpc();
    unset.grpc_services.push(GrpcServiceDefinition::default());
    unset.managed_service_configs[0].path.clear();
    for (wrong, expected) in [
        (
            bare,
            vec![
                "api_config.openapi_documents[0].document",
                "api_config.openapi_documents[1].document.path",
                "api_config.openapi_documents[1].document.contents",
            ],
        ),
        (
            unset,
            vec![
                "api_config.grpc_services[1].file_descriptor_set",
                "api_config.managed_service_configs[0].path",
            ],
        ),
    ] {
        let refused = configure(&client, "c", wrong).await.expect_err("wrong");
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        let details = refused.get_error_details();
        let violations = &details.bad_request().expect("it has one").field_violations;
        let fields = violations.iter().map(|violation| violation.field.as_str());
        assert_eq!(fields.collect::<Vec<_>>(), expected);
    }
}
