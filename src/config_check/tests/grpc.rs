//! Descriptor sets, and the service configs that go with them.

use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto};

use super::{file, found};
use crate::proto::google::cloud::apigateway::v1::ApiConfig;
use crate::proto::google::cloud::apigateway::v1::api_config::GrpcServiceDefinition;

const CONFIG: &str =
    "type: google.api.Service\nname: books.example\napis:\n- name: books.v1.Shelves\n";

/// A file of a set, with a service if it has a name.
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

#[test]
fn a_whole_set_and_configs_that_are_merged_have_nothing_wrong() {
    assert_eq!(found(&config(good(), &[CONFIG])), [""; 0]);
    let (name, apis) = (
        "{\"name\": \"books.example\"}",
        "apis: [{name: books.v1.Shelves}]",
    );
    assert_eq!(found(&config(good(), &[apis, name])), [""; 0]);
}

#[test]
fn a_set_must_be_one_be_whole_and_have_a_service() {
    let unread = found(&config(b"\xff".to_vec(), &[CONFIG]));
    assert_eq!(unread.len(), 1);
    assert!(
        unread[0].starts_with("api.pb: is no FileDescriptorSet: "),
        "{unread:?}"
    );
    let alone = set(vec![proto("b.proto", &["a.proto"], Some("Shelves"))]);
    for (set, expected) in [
        // Field 2, which a set does not have.
        (
            b"\x10\x01".to_vec(),
            "api.pb: is no FileDescriptorSet, or an empty one",
        ),
        (
            alone,
            "api.pb: `b.proto` imports `a.proto`, which is not in the set: compile with --include_imports",
        ),
        (
            set(vec![proto("", &[], Some("Shelves"))]),
            "api.pb: has a file without a name",
        ),
        (
            set(vec![proto("a.proto", &[], None)]),
            "api.pb: has no service",
        ),
    ] {
        assert_eq!(found(&config(set, &["name: a"])), [expected]);
    }
}

#[test]
fn a_service_config_is_one_and_speaks_of_services_that_there_are() {
    for (configs, expected) in [
        (
            ["name: a", "- b"],
            "1.yaml:1:1: a service config must be a mapping, and is a list",
        ),
        (
            ["name: a", "name: [b]"],
            "1.yaml:1:7: `name` must be a text, and is a list",
        ),
        (
            ["name: a", "type: Service"],
            "1.yaml:1:7: `type` must be google.api.Service, and is `Service`",
        ),
        (
            ["type: google.api.Service", "{}"],
            "0.yaml: `name` is missing",
        ),
        (["name: a", "b: ]"], "1.yaml:1:4: misplaced bracket"),
        (["b: ]", "{}"], "0.yaml:1:4: misplaced bracket"),
        (
            ["name: a", "apis: [1]"],
            "1.yaml:1:8: an api must be a mapping, and is the number 1",
        ),
        (
            ["name: a", "apis:\n- version: v1"],
            "1.yaml:2:3: `name` is missing",
        ),
        (
            ["name: a", "apis:\n- name: Shelves"],
            "1.yaml:2:9: no descriptor set has the service `Shelves`",
        ),
    ] {
        assert_eq!(found(&config(good(), &configs)), [expected]);
    }
}
