//! Measures the check of OpenAPI 2.0 documents of 1 to 10 MB, as YAML and as JSON. The time per byte must not grow.
//!
//! `cargo bench --no-default-features --features config-check --bench config_check` prints a table.

use std::fmt::Write as _;
use std::time::Instant;

use apigateway_grpc::config_check::check;
use apigateway_grpc::model::ApiConfig;

fn main() {
    println!("| document | bytes | seconds | ns a byte |");
    println!("|---|---|---|---|");
    for operations in [3_500, 9_000, 18_000, 32_000] {
        measure("a.yaml", &yaml(operations));
    }
    for operations in [3_500, 9_000, 18_000, 32_000] {
        measure("a.json", &json(operations));
    }
}

fn measure(name: &str, document: &str) {
    let config = ApiConfig::from_openapi(name, document);
    let began = Instant::now();
    let found = check(&config);
    let seconds = began.elapsed().as_secs_f64();
    assert!(found.is_empty(), "{}", found[0]);
    let bytes = document.len();
    #[expect(clippy::cast_precision_loss, reason = "the value is far below 2^52")]
    let each = seconds * 1e9 / bytes as f64;
    println!("| {name} | {bytes} | {seconds:.2} | {each:.0} |");
}

/// Returns a document with this number of operations and definitions.
fn yaml(operations: usize) -> String {
    let mut paths = String::new();
    let mut definitions = String::new();
    for number in 0..operations {
        writeln!(
            paths,
            "  /p{number}/{{id}}:\n    get:\n      operationId: get{number}\n      security: [{{key: []}}]\n      \
             parameters: [{{name: id, in: path, required: true, type: string}}]\n      responses: {{'200': \
             {{description: it, schema: {{$ref: '#/definitions/D{number}'}}}}}}"
        )
        .expect("a text");
        writeln!(
            definitions,
            "  D{number}: {{properties: {{next: {{$ref: '#/definitions/D{}'}}}}}}",
            number / 2
        )
        .expect("a text");
    }
    format!("{HEAD}paths:\n{paths}definitions:\n{definitions}")
}

/// Returns the same document as JSON.
fn json(operations: usize) -> String {
    let mut paths = Vec::new();
    let mut definitions = Vec::new();
    for number in 0..operations {
        paths.push(format!(
            r##""/p{number}/{{id}}": {{"get": {{"operationId": "get{number}", "security": [{{"key": []}}],
"parameters": [{{"name": "id", "in": "path", "required": true, "type": "string"}}],
"responses": {{"200": {{"description": "it", "schema": {{"$ref": "#/definitions/D{number}"}}}}}}}}}}"##
        ));
        definitions.push(format!(
            r##""D{number}": {{"properties": {{"next": {{"$ref": "#/definitions/D{}"}}}}}}"##,
            number / 2
        ));
    }
    format!(
        r#"{{{JSON_HEAD} "paths": {{{}}}, "definitions": {{{}}}}}"#,
        paths.join(",\n"),
        definitions.join(",\n")
    )
}

const HEAD: &str = "\
swagger: '2.0'
info: {title: large, version: '1'}
host: large.example
x-google-backend: {address: 'https://backend.example'}
securityDefinitions: {key: {type: apiKey, name: key, in: query}}
";

const JSON_HEAD: &str = r#""swagger": "2.0", "info": {"title": "large", "version": "1"}, "host": "large.example",
"x-google-backend": {"address": "https://backend.example"},
"securityDefinitions": {"key": {"type": "apiKey", "name": "key", "in": "query"}},"#;
