//! Checks the same bytes as each kind of file of a config: an OpenAPI document and a service configuration, each as YAML and as
//! JSON, and a descriptor set.

use apigateway_grpc::config_check::check;
use apigateway_grpc::proto::google::cloud::apigateway::v1::ApiConfig;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::{
    File, GrpcServiceDefinition, OpenApiDocument,
};

/// Checks that no file makes the config check panic, and that no diagnostic has a control character.
pub(crate) fn run(data: &[u8]) {
    let file = |path: &str| File {
        path: path.into(),
        contents: data.to_vec(),
    };
    let document = |path: &str| OpenApiDocument {
        document: Some(file(path)),
    };
    let openapi = ApiConfig {
        openapi_documents: vec![document("a.yaml"), document("b.json")],
        ..ApiConfig::default()
    };
    let grpc = ApiConfig {
        grpc_services: vec![GrpcServiceDefinition {
            file_descriptor_set: Some(file("a.pb")),
            ..Default::default()
        }],
        managed_service_configs: vec![file("a.yaml"), file("b.json")],
        ..ApiConfig::default()
    };
    for config in [openapi, grpc] {
        for found in check(&config) {
            assert!(!found.to_string().contains(char::is_control), "{found:?}");
        }
    }
}
