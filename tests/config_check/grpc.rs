//! Valid and invalid descriptor sets and service configurations.

use apigateway_grpc::proto::google::cloud::apigateway::v1::ApiConfig;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::GrpcServiceDefinition;
use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto};

use crate::{errors, file};

const CONFIG: &str =
    "type: google.api.Service\nname: books.example\napis:\n- name: books.v1.Shelves\n";

/// Returns a file of a descriptor set, with a service if a name is given.
fn proto(name: &str, imports: &[&str], service: Option<&str>) -> FileDescriptorProto {
    let service = service.map(|name| ServiceDescriptorProto {
        name: Some(name.to_owned()),
        ..Default::default()
    });
    FileDescriptorProto {
        name: Some(name.to_owned()),
        package: Some("books.v1".to_owned()),
        dependency: imports.iter().map(|&import| import.to_owned()).collect(),
        service: service.into_iter().collect(),
        ..Default::default()
    }
}

fn set(file: Vec<FileDescriptorProto>) -> Vec<u8> {
    FileDescriptorSet { file }.encode_to_vec()
}

fn good() -> Vec<u8> {
    set(vec![
        proto("a.proto", &[], None),
        proto("b.proto", &["a.proto"], Some("Shelves")),
    ])
}

fn config(set: Vec<u8>, configs: &[&str]) -> ApiConfig {
    let configs = configs.iter().enumerate();
    let configs = configs.map(|(index, text)| file(&format!("{index}.yaml"), *text));
    ApiConfig {
        grpc_services: vec![GrpcServiceDefinition {
            file_descriptor_set: Some(file("api.pb", set)),
            source: Vec::new(),
        }],
        managed_service_configs: configs.collect(),
        ..ApiConfig::default()
    }
}

const TYPE: &str = "type: google.api.Service\n";

/// Returns the errors in a descriptor set.
fn in_set(set: Vec<u8>) -> Vec<String> {
    errors(&config(set, &[CONFIG]))
}

#[test]
fn a_whole_set_and_merged_service_configurations_are_accepted() {
    assert_eq!(errors(&config(good(), &[CONFIG])), [""; 0]);
    let name =
        "{\"type\": \"google.api.Service\", \"name\": \"books.example\", \"configVersion\": 3}";
    let apis = format!("{TYPE}apis: [{{name: books.v1.Shelves}}]");
    assert_eq!(errors(&config(good(), &[&apis, name])), [""; 0]);
}

#[test]
fn a_descriptor_set_must_be_valid_and_complete_and_have_a_service() {
    let unread = errors(&config(b"\xff".to_vec(), &[CONFIG]));
    assert_eq!(unread.len(), 1);
    assert!(
        unread[0].starts_with("api.pb: invalid FileDescriptorSet: "),
        "{unread:?}"
    );
    // Field 2, which a descriptor set does not have.
    assert_eq!(
        in_set(b"\x10\x01".to_vec()),
        ["api.pb: the FileDescriptorSet has no file"]
    );
    let alone = set(vec![proto("b.proto", &["a.proto"], Some("Shelves"))]);
    assert_eq!(
        in_set(alone),
        [
            "api.pb: `b.proto` imports `a.proto`, which is not in the set: compile with `--include_imports`"
        ]
    );
    assert_eq!(
        in_set(set(vec![proto("", &[], Some("Shelves"))])),
        ["api.pb: each file of the set must have a name"]
    );
    let without = errors(&config(
        set(vec![proto("a.proto", &[], None)]),
        &["type: google.api.Service\nname: a"],
    ));
    assert_eq!(without, ["api.pb: the set must have a service"]);
}

#[test]
fn a_service_configuration_has_a_type_a_name_and_known_services() {
    let name = "type: google.api.Service\nname: a";
    for (configs, expected) in [
        (
            [name, "- b"],
            "1.yaml:1:1: a service configuration must be a mapping, not a list",
        ),
        (
            [name, "apis: []"],
            "1.yaml:1:1: missing field `type`: write `type: google.api.Service`",
        ),
        (
            [name, "type: google.api.Service\nname: [b]"],
            "1.yaml:2:7: `name` must be the name of the service, not a list",
        ),
        (
            [name, "type: Service"],
            "1.yaml:1:7: `type` must be `google.api.Service`, not the string `Service`",
        ),
        (
            [name, "type: google.api.Service\napi: []"],
            "1.yaml:2:1: unknown field `api` in a service configuration: did you mean `apis`?",
        ),
        (
            ["type: google.api.Service", "type: google.api.Service"],
            "0.yaml: missing field `name`: one of the service configurations must name the service",
        ),
        ([name, "b: ]"], "1.yaml:1:4: misplaced bracket"),
        (
            ["b: ]", "type: google.api.Service"],
            "0.yaml:1:4: misplaced bracket",
        ),
        (
            [name, "type: google.api.Service\napis: [1]"],
            "1.yaml:2:8: an API must be a mapping, not the number 1",
        ),
        (
            [name, "type: google.api.Service\napis:\n- version: v1"],
            "1.yaml:3:3: missing field `name` in an API",
        ),
        (
            [name, "type: google.api.Service\napis:\n- name: Shelves"],
            "1.yaml:3:9: no descriptor set has the service `Shelves`",
        ),
    ] {
        assert_eq!(errors(&config(good(), &configs)), [expected]);
    }
}
