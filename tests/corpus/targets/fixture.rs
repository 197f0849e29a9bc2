//! The rules and schemas of the targets.

use std::sync::LazyLock;

use apigateway_grpc::transcode::{JsonOptions, Rules};
use protox::file::{File, FileResolver, GoogleFileResolver};

const CONFIG: &str = r#"{"http": {"rules": [
    {"selector": "apigateway_grpc.test.calls.Calls.Get", "get": "/v1/{one_string=kinds/**}"},
    {"selector": "apigateway_grpc.test.calls.Calls.Watch", "get": "/v1/watch"},
    {"selector": "apigateway_grpc.test.calls.Calls.Lines", "get": "/v1/lines"},
    {"selector": "apigateway_grpc.test.calls.Calls.Download", "get": "/v1/download"}
]}}"#;

/// The protos of the fixtures, which are compiled in.
struct Fixtures;

impl FileResolver for Fixtures {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let source = match name {
            "kinds.proto" => include_str!("../../fixtures/kinds.proto"),
            "kinds2.proto" => include_str!("../../fixtures/kinds2.proto"),
            "calls.proto" => include_str!("../../fixtures/calls.proto"),
            "routes.proto" => include_str!("../../fixtures/routes.proto"),
            "google/api/httpbody.proto" => include_str!("../../fixtures/httpbody.proto"),
            _ => return GoogleFileResolver::new().open_file(name),
        };
        File::from_source(name, source)
    }
}

static SET: LazyLock<Vec<u8>> = LazyLock::new(|| compile(&["kinds2.proto", "calls.proto"]));

/// The descriptor set of `Routes.Call`, whose HTTP rule the target `route` makes from its input. The set is small, because the
/// target compiles rules from it for each input.
pub(crate) static ROUTES: LazyLock<Vec<u8>> = LazyLock::new(|| compile(&["routes.proto"]));

fn compile(files: &[&str]) -> Vec<u8> {
    let mut compiler = protox::Compiler::with_file_resolver(Fixtures);
    compiler.include_imports(true);
    compiler.open_files(files).expect("the fixtures compile");
    compiler.encode_file_descriptor_set()
}

static CALLS: LazyLock<Rules> = LazyLock::new(|| {
    Rules::builder(&SET)
        .service_config(CONFIG)
        .newline_delimited("apigateway_grpc.test.calls.Calls.Lines")
        .build()
        .expect("the fixtures have these methods")
});

/// Returns the rules of the fixtures' services.
pub(crate) fn calls() -> Rules {
    CALLS.clone()
}

/// Returns the options for the bits of a byte.
pub(crate) fn options(byte: u8) -> JsonOptions {
    let mut options = JsonOptions::default();
    options.enums_as_numbers = byte & 1 != 0;
    options.defaults = byte & 2 != 0;
    options.any_bytes = byte & 4 != 0;
    options.strict = byte & 8 != 0;
    options
}

/// Checks that a text is JSON, up to the nesting limit of serde_json.
pub(crate) fn assert_json(text: &[u8]) {
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(text) {
        let shown = String::from_utf8_lossy(text);
        assert!(
            error.to_string().contains("recursion limit"),
            "{error}: {shown}"
        );
    }
}
