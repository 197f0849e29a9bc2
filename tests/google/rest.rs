//! A contract that is loaded at run time, over REST.

use apigateway_grpc::Transport;
use apigateway_grpc::contract::{Contract, RetryPolicy};
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::google::Client;
use apigateway_grpc::model::{GetOperationRequest, ListApisRequest};
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_gateway_service_client::ApiGatewayServiceClient;
use apigateway_grpc::proto::google::longrunning::operations_client::OperationsClient;
use apigateway_grpc::proto::{FILE_DESCRIPTOR_SET, SERVICE_CONFIG};
use tonic::Code;
use tower::ServiceExt as _;

use crate::tables::{compressed, descriptor_set};

#[tokio::test]
async fn rest_has_the_http_rules_of_the_contract() {
    let server = Emulator::builder().start().await.expect("a free port");
    let contract = Contract::builder(FILE_DESCRIPTOR_SET)
        .service_config(SERVICE_CONFIG)
        .build()
        .expect("valid sources");
    let client = Client::builder(contract)
        .endpoint(format!("http://{}", server.address()))
        .transport(Transport::Rest)
        .no_proxy()
        .anonymous()
        .build()
        .expect("valid settings");
    assert_eq!(client.active_transport(), Some(Transport::Rest));
    let request = ListApisRequest {
        parent: "projects/p/locations/global".into(),
        ..ListApisRequest::default()
    };
    let page = ApiGatewayServiceClient::new(client.stack())
        .list_apis(request)
        .await;
    assert!(page.expect("an empty page").into_inner().apis.is_empty());
    let name = "projects/p/locations/global/operations/o".to_owned();
    let missing = OperationsClient::new(client.stack())
        .get_operation(GetOperationRequest { name })
        .await;
    assert_eq!(
        missing.expect_err("no such operation").code(),
        Code::NotFound
    );
    let name = "projects/p/locations/global/operations/o".to_owned();
    let path = "/google.longrunning.Operations/GetOperation";
    let request = compressed(path, "gzip", &GetOperationRequest { name });
    let missing = client.stack().oneshot(request).await;
    assert_eq!(
        missing.expect_err("no such operation").code(),
        Code::NotFound
    );
}

#[test]
fn a_client_needs_a_host_and_a_rest_client_needs_http_rules() {
    let mut compiler =
        protox::Compiler::new(["tests/fixtures", "proto"]).expect("the folders are there");
    compiler.include_imports(true);
    compiler.open_file("calls.proto").expect("a valid file");
    let set = compiler.encode_file_descriptor_set();
    let contract = Contract::builder(&set).build().expect("valid sources");
    let builder = || Client::builder(contract.clone()).anonymous();
    let error = builder().build().expect_err("no host").to_string();
    assert_eq!(
        error,
        "missing `endpoint`: the contract has no default host; set an address, even with `transport_service`"
    );
    let rest = builder()
        .endpoint("http://localhost:1")
        .transport(Transport::Rest);
    let error = rest.build().expect_err("no rules").to_string();
    assert!(error.starts_with("no method has an HTTP rule"), "{error}");
    let contract = Contract::builder(&descriptor_set()).build();
    let builder = Client::builder(contract.expect("valid sources")).retry(RetryPolicy::NEVER);
    builder.anonymous().build().expect("the host of the set");
}
