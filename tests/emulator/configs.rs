//! Configs and gateways: their dependencies and their views.

use apigateway_grpc::ApiGateway;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::{
    File, GrpcServiceDefinition, OpenApiDocument,
};
use apigateway_grpc::proto::google::cloud::apigateway::v1::get_api_config_request::ConfigView;
use apigateway_grpc::proto::google::cloud::apigateway::v1::*;
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::StatusExt as _;
use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto};

use crate::{API, RUNS, client, created, delete, over};

pub(crate) const REGION: &str = "projects/p/locations/us-central1";
pub(crate) const CONFIG: &str = "projects/p/locations/global/apis/a/configs/c";
pub(crate) const GATEWAY: &str = "projects/p/locations/us-central1/gateways/g";

/// The shortest valid document.
pub(crate) const DOCUMENT: &str = "swagger: '2.0'\ninfo: {title: a, version: '1'}\npaths: {}\n";

fn file(path: &str, contents: impl Into<Vec<u8>>) -> File {
    File {
        path: path.into(),
        contents: contents.into(),
    }
}

pub(crate) fn openapi(document: &str) -> ApiConfig {
    ApiConfig {
        openapi_documents: vec![OpenApiDocument {
            document: Some(file("openapi.yaml", document)),
        }],
        ..Default::default()
    }
}

pub(crate) fn grpc() -> ApiConfig {
    let service = ServiceDescriptorProto {
        name: Some("Shelves".into()),
        ..Default::default()
    };
    let proto = FileDescriptorProto {
        name: Some("shelves.proto".into()),
        service: vec![service],
        ..Default::default()
    };
    let set = FileDescriptorSet { file: vec![proto] };
    ApiConfig {
        grpc_services: vec![GrpcServiceDefinition {
            file_descriptor_set: Some(file("api.pb", set.encode_to_vec())),
            source: vec![file("shelves.proto", "service Shelves {}")],
        }],
        managed_service_configs: vec![file("api.yaml", SERVICE_CONFIG)],
        ..Default::default()
    }
}

const SERVICE_CONFIG: &str =
    "type: google.api.Service\nname: shelves.example\napis: [{name: Shelves}]\n";

pub(crate) async fn configure(
    client: &ApiGateway,
    id: &str,
    config: ApiConfig,
) -> Result<Operation, Status> {
    let request = CreateApiConfigRequest {
        parent: API.into(),
        api_config_id: id.into(),
        api_config: Some(config),
    };
    Ok(client
        .service_client()
        .create_api_config(request)
        .await?
        .into_inner())
}

pub(crate) async fn open(
    client: &ApiGateway,
    parent: &str,
    config: &str,
) -> Result<Operation, Status> {
    let request = CreateGatewayRequest {
        parent: parent.into(),
        gateway_id: "g".into(),
        gateway: Some(Gateway {
            api_config: config.into(),
            ..Default::default()
        }),
    };
    Ok(client
        .service_client()
        .create_gateway(request)
        .await?
        .into_inner())
}

pub(crate) async fn config(client: &ApiGateway, view: ConfigView) -> Result<ApiConfig, Status> {
    let request = GetApiConfigRequest {
        name: CONFIG.into(),
        view: view.into(),
    };
    Ok(client
        .service_client()
        .get_api_config(request)
        .await?
        .into_inner())
}

pub(crate) async fn gateway(client: &ApiGateway) -> Result<Gateway, Status> {
    let name = GATEWAY.to_owned();
    let request = GetGatewayRequest { name };
    Ok(client
        .service_client()
        .get_gateway(request)
        .await?
        .into_inner())
}

async fn drop_config(client: &ApiGateway) -> Result<(), Status> {
    let name = CONFIG.to_owned();
    let request = DeleteApiConfigRequest { name };
    client
        .service_client()
        .delete_api_config(request)
        .await
        .map(drop)
}

/// Creates an api, a config and a gateway for it.
pub(crate) async fn all(client: &ApiGateway) {
    created(client, "a").await;
    configure(client, "c", openapi(DOCUMENT))
        .await
        .expect("a new config");
    tokio::time::advance(RUNS).await;
    open(client, REGION, CONFIG).await.expect("a new gateway");
    tokio::time::advance(RUNS).await;
}

/// Creates a second config, which is active.
pub(crate) async fn second(client: &ApiGateway) -> String {
    configure(client, "d", openapi(DOCUMENT))
        .await
        .expect("a new config");
    tokio::time::advance(RUNS).await;
    format!("{API}/configs/d")
}

#[tokio::test(start_paused = true)]
async fn a_config_is_creating_then_activating_then_active_and_a_gateway_has_a_hostname() {
    let client = client();
    created(&client, "a").await;
    configure(&client, "c", openapi(DOCUMENT))
        .await
        .expect("a new config");
    for expected in [
        api_config::State::Creating,
        api_config::State::Activating,
        api_config::State::Active,
    ] {
        let state = config(&client, ConfigView::Basic)
            .await
            .expect("it exists")
            .state();
        assert_eq!(state, expected);
        tokio::time::advance(RUNS / 2).await;
    }
    let started = open(&client, REGION, CONFIG).await.expect("a new gateway");
    assert!(
        started.name.starts_with(&format!("{REGION}/operations/")),
        "{}",
        started.name
    );
    tokio::time::advance(RUNS).await;
    let gateway = gateway(&client).await.expect("it exists");
    assert_eq!(
        (gateway.state(), gateway.display_name.as_str()),
        (gateway::State::Active, "g")
    );
    let hostname = gateway.default_hostname;
    assert!(
        hostname.starts_with("g-") && hostname.ends_with(".uc.gateway.dev"),
        "{hostname}"
    );
}

#[tokio::test(start_paused = true)]
async fn only_the_full_view_of_a_config_has_its_files() {
    let client = client();
    created(&client, "a").await;
    configure(&client, "c", grpc()).await.expect("a new config");
    for view in [ConfigView::Unspecified, ConfigView::Basic] {
        let shown = config(&client, view).await.expect("it exists");
        assert!(shown.grpc_services.is_empty() && shown.managed_service_configs.is_empty());
    }
    let shown = config(&client, ConfigView::Full).await.expect("it exists");
    assert_eq!(
        shown.managed_service_configs,
        grpc().managed_service_configs
    );
    let expected = GrpcServiceDefinition {
        // The field is input only.
        file_descriptor_set: None,
        source: grpc().grpc_services.remove(0).source,
    };
    assert_eq!(shown.grpc_services, [expected]);
    let request = ListApiConfigsRequest {
        parent: API.into(),
        ..Default::default()
    };
    let page = client
        .service_client()
        .list_api_configs(request)
        .await
        .expect("a page");
    assert!(page.into_inner().api_configs[0].grpc_services.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_config_has_documents_or_services_and_not_both() {
    let client = client();
    created(&client, "a").await;
    let both = ApiConfig {
        openapi_documents: openapi(DOCUMENT).openapi_documents,
        ..grpc()
    };
    let unmanaged = ApiConfig {
        managed_service_configs: Vec::new(),
        ..grpc()
    };
    let managed = ApiConfig {
        managed_service_configs: grpc().managed_service_configs,
        ..openapi(DOCUMENT)
    };
    for wrong in [ApiConfig::default(), both, unmanaged, managed] {
        let refused = configure(&client, "c", wrong).await.expect_err("wrong");
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    configure(&client, "c", grpc()).await.expect("a new config");
}

#[tokio::test(start_paused = true)]
async fn the_parent_of_a_resource_and_the_config_of_a_gateway_must_exist() {
    let client = client();
    let orphan = configure(&client, "c", openapi(DOCUMENT))
        .await
        .expect_err("no api");
    assert_eq!(
        (orphan.code(), orphan.message()),
        (Code::NotFound, &*format!("API \"{API}\" not found"))
    );
    created(&client, "a").await;
    for (parent, config, code) in [
        (REGION, CONFIG, Code::NotFound),
        (REGION, "", Code::InvalidArgument),
        ("projects/p/locations/global", CONFIG, Code::InvalidArgument),
        ("projects/p/locations/-", CONFIG, Code::NotFound),
        ("projects/p/locations/mars-north1", CONFIG, Code::NotFound),
        ("projects/p", CONFIG, Code::InvalidArgument),
    ] {
        let refused = open(&client, parent, config).await.expect_err(parent);
        assert_eq!(refused.code(), code, "{parent}: {refused}");
    }
    configure(&client, "c", openapi(DOCUMENT))
        .await
        .expect("a new config");
    let early = open(&client, REGION, CONFIG)
        .await
        .expect_err("not active yet");
    assert_eq!(early.code(), Code::FailedPrecondition);
    tokio::time::advance(RUNS).await;
    open(&client, REGION, CONFIG).await.expect("a new gateway");
}

#[tokio::test(start_paused = true)]
async fn a_resource_in_use_cannot_be_deleted() {
    let client = client();
    all(&client).await;
    let api = delete(&client, API).await.expect_err("it has a config");
    let config = drop_config(&client).await.expect_err("it has a gateway");
    assert_eq!([api.code(), config.code()], [Code::FailedPrecondition; 2]);
    assert!(api.message().contains(CONFIG) && config.message().contains(GATEWAY));
    let request = DeleteGatewayRequest {
        name: GATEWAY.into(),
    };
    client
        .service_client()
        .delete_gateway(request)
        .await
        .expect("it exists");
    drop_config(&client)
        .await
        .expect_err("the gateway is not gone yet");
    tokio::time::advance(RUNS).await;
    assert_eq!(
        gateway(&client).await.expect_err("gone").code(),
        Code::NotFound
    );
    drop_config(&client).await.expect("not in use");
    tokio::time::advance(RUNS).await;
    delete(&client, API).await.expect("it has no config");
}

#[tokio::test(start_paused = true)]
async fn an_api_gets_one_config_at_a_time() {
    let client = client();
    created(&client, "a").await;
    configure(&client, "c", openapi(DOCUMENT))
        .await
        .expect("a new config");
    let busy = configure(&client, "d", openapi(DOCUMENT))
        .await
        .expect_err("one at a time");
    assert_eq!(busy.code(), Code::Aborted);
    tokio::time::advance(RUNS).await;
    configure(&client, "d", openapi(DOCUMENT))
        .await
        .expect("a new config");
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_being_deleted_accepts_no_config() {
    let emulator = crate::emulator();
    let client = over(&emulator);
    created(&client, "a").await;
    delete(&client, API).await.expect("it exists");
    let refused = configure(&client, "c", openapi(DOCUMENT))
        .await
        .expect_err("the api is being deleted");
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

/// Creates a config with a service account and returns the result.
async fn with_account(client: &ApiGateway, id: &str, account: &str) -> Result<(), Status> {
    let config = ApiConfig {
        gateway_service_account: account.into(),
        ..openapi(DOCUMENT)
    };
    configure(client, id, config).await?;
    tokio::time::advance(RUNS).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn any_service_account_is_accepted_by_default() {
    let client = client();
    created(&client, "a").await;
    with_account(&client, "c", "")
        .await
        .expect("none is needed");
    with_account(&client, "d", "x@p.iam.gserviceaccount.com")
        .await
        .expect("any will do");
}

#[tokio::test(start_paused = true)]
async fn the_service_account_of_a_config_must_be_an_email_or_a_name() {
    let client = client();
    created(&client, "a").await;
    for account in [
        "run",
        "run@",
        "@p.iam.gserviceaccount.com",
        "run@p",
        "serviceAccount:run@p.iam.gserviceaccount.com",
        "projects/p/serviceAccounts/",
        "projects/p/serviceAccounts/run",
        "projects//serviceAccounts/run@p.iam.gserviceaccount.com",
        "projects/p/keys/1",
    ] {
        let refused = with_account(&client, "c", account)
            .await
            .expect_err(account);
        assert_eq!(refused.code(), Code::InvalidArgument, "{account}");
        let details = refused.get_details_bad_request().expect("details");
        let violation = &details.field_violations[0];
        assert_eq!(violation.field, "api_config.gateway_service_account");
        let expected = format!("not `{account}`");
        let why = &violation.description;
        assert!(
            why.starts_with("must be {account}@{project}") && why.ends_with(&expected),
            "{why}"
        );
    }
    for (id, account) in [
        ("c", "123-compute@developer.gserviceaccount.com"),
        ("d", "projects/p/serviceAccounts/1234567890"),
        ("e", "projects/p/accounts/1234567890"),
    ] {
        with_account(&client, id, account).await.expect(account);
    }
}

#[tokio::test]
async fn an_invalid_service_account_in_the_settings_makes_serving_fail() {
    for (account, is_valid) in [
        ("", true),
        ("run@p.iam.gserviceaccount.com", true),
        (
            "projects/-/serviceAccounts/run@p.iam.gserviceaccount.com",
            true,
        ),
        ("run", false),
        ("p/run@p.iam.gserviceaccount.com", false),
    ] {
        let builder = Emulator::builder().service_accounts([account]);
        let emulator = builder.build();
        let served = emulator.start("127.0.0.1:0").await;
        let over_streams = emulator.serve_with_incoming(futures_util::stream::empty::<
            Result<tokio::io::DuplexStream, std::io::Error>,
        >());
        match (served, over_streams.await, is_valid) {
            (Ok(_), Ok(()), true) => {}
            (Err(one), Err(other), false) => {
                let expected = format!(
                    "invalid `service_accounts`: must be {{account}}@{{project}}.iam.gserviceaccount.com \
                     or projects/{{project}}/serviceAccounts/{{account}}, not `{account}`"
                );
                assert_eq!(
                    [one.to_string(), other.to_string()],
                    [expected.clone(), expected]
                );
            }
            other => panic!("{account}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_imported_config_may_have_an_account_that_no_longer_exists_and_gets_no_gateway() {
    let builder = Emulator::builder().service_accounts(["run@p.iam.gserviceaccount.com"]);
    let emulator = builder.build();
    let gone = "gone@p.iam.gserviceaccount.com";
    let source = Emulator::builder().build();
    let client = over(&source);
    created(&client, "a").await;
    with_account(&client, "c", gone).await.expect("any account");
    emulator.import(source.export()).expect("a valid state");
    let refused = open(&over(&emulator), REGION, CONFIG).await;
    let refused = refused.expect_err("the account is gone");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains(gone), "{}", refused.message());
}

#[tokio::test(start_paused = true)]
async fn a_missing_service_account_is_rejected_if_accounts_are_configured() {
    const EMAIL: &str = "run@p.iam.gserviceaccount.com";
    let builder = Emulator::builder().operation_time(RUNS);
    let named = "projects/p/serviceAccounts/other@p.iam.gserviceaccount.com".to_owned();
    let client = over(&builder.service_accounts([EMAIL, &named]).build());
    created(&client, "a").await;
    for account in [
        "",
        "x@p.iam.gserviceaccount.com",
        "projects/-/serviceAccounts/x@p.iam.gserviceaccount.com",
    ] {
        let refused = with_account(&client, "c", account)
            .await
            .expect_err("not there");
        assert_eq!(refused.code(), Code::FailedPrecondition, "{account}");
        let details = refused.get_details_precondition_failure().expect("details");
        let violation = &details.violations[0];
        assert_eq!(
            (violation.r#type.as_str(), violation.subject.as_str()),
            ("SERVICE_ACCOUNT_NOT_FOUND", CONFIG)
        );
    }
    for (id, account) in [
        ("c", EMAIL),
        (
            "d",
            "projects/-/serviceAccounts/run@p.iam.gserviceaccount.com",
        ),
        ("e", named.as_str()),
        ("f", "other@p.iam.gserviceaccount.com"),
    ] {
        with_account(&client, id, account).await.expect(account);
    }
    open(&client, REGION, CONFIG)
        .await
        .expect("a gateway of an account that exists");
}
