//! Checks the files of a config, without an emulator.

#![cfg(feature = "config-check")]

mod arbitrary;
mod bounds;
mod documents;
mod files;
#[path = "../corpus/targets/document.rs"]
mod fuzzed;
mod grpc;

use apigateway_grpc::config_check::{Diagnostic, check};
use apigateway_grpc::proto::google::cloud::apigateway::v1::ApiConfig;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::{File, OpenApiDocument};

/// Documents without an error or a warning.
const GOOD_2: &str = include_str!("good2.yaml");
const GOOD_3: &str = include_str!("good3.yaml");

fn file(path: &str, contents: impl Into<Vec<u8>>) -> File {
    File {
        path: path.into(),
        contents: contents.into(),
    }
}

/// Returns a config with these OpenAPI documents.
fn config<C: AsRef<[u8]>>(files: impl IntoIterator<Item = (&'static str, C)>) -> ApiConfig {
    let documents = files.into_iter().map(|(path, contents)| OpenApiDocument {
        document: Some(file(path, contents.as_ref())),
    });
    ApiConfig {
        openapi_documents: documents.collect(),
        ..ApiConfig::default()
    }
}

fn check_yaml(document: &str) -> Vec<Diagnostic> {
    check(&config([("a.yaml", document)]))
}

/// Returns the errors in a config as text.
fn errors(config: &ApiConfig) -> Vec<String> {
    let found = check(config).into_iter();
    let errors = found.filter(Diagnostic::is_error);
    errors.map(|error| error.to_string()).collect()
}

/// Returns a document with one change.
fn changed(document: &str, from: &str, to: &str) -> String {
    assert_eq!(document.matches(from).count(), 1, "{from}");
    document.replace(from, to)
}
