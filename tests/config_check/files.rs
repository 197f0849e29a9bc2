//! The names, kinds, encodings and number of files.

use std::path::Path;

use apigateway_grpc::config_check::{FileKind, check, load_grpc, load_openapi};
use apigateway_grpc::proto::google::cloud::apigateway::v1::ApiConfig;
use prost::Message as _;

use crate::{GOOD_2, config, errors};

#[test]
fn a_file_that_cannot_be_parsed_has_one_error_with_its_position() {
    for (path, contents, expected) in [
        (
            "a.yaml",
            b"# nothing\n".as_slice(),
            "a.yaml: the file is empty",
        ),
        ("a.yaml", b" \n", "a.yaml: the file is empty"),
        (
            "a.yaml",
            b"swagger",
            "a.yaml:1:1: an OpenAPI document must be a mapping, not the string `swagger`",
        ),
        ("a.yaml", b"a: 1\nb: \xff", "a.yaml:2:4: invalid UTF-8"),
        (
            "a.yaml",
            b"a: \0",
            "a.yaml:1:4: unexpected character: `\\u{0}'",
        ),
        (
            "a.json",
            b"{\"a\": 1,}",
            "a.json:1:8: invalid JSON: trailing comma",
        ),
        (
            "a.json",
            b"{\n  \"a\": tru\n}",
            "a.json:2:8: invalid JSON: invalid literal",
        ),
        (
            "a.json",
            b"swagger: '2.0'",
            "a.json:1:1: invalid JSON: malformed json",
        ),
        (
            "a.json",
            b"{} {}",
            "a.json:1:4: invalid JSON: trailing data",
        ),
        (
            "a.txt",
            b"swagger: '2.0'",
            "a.txt: the name of an OpenAPI document must end in .json, .yaml or .yml, not `a.txt`",
        ),
    ] {
        assert_eq!(errors(&config([(path, contents)])), [expected]);
    }
}

#[test]
fn the_diagnostics_of_a_json_document_have_positions_and_its_keys_may_be_long() {
    let long = "k".repeat(5_000);
    let json = format!(
        "\u{feff}{{\n\t\"swagger\": \"2.0\",\n\t\"info\": {{\"title\": \"\\ud83d\\ude00\", \"version\": \"\\/\", \
         \"x-{long}\": [1e400, -0, true, null]}},\n\t\"paths\": {{}}\n}}"
    );
    for path in ["a.json", "a.yaml"] {
        assert_eq!(check(&config([(path, &json)])), []);
        let wrong = json.replace(
            "\"paths\": {}",
            "\"paths\": {\"/a\": {\"é\": 1, \"get\": []}}",
        );
        assert_eq!(
            errors(&config([(path, &wrong)])),
            [
                format!("{path}:4:19: unknown field `é` in a path"),
                format!("{path}:4:34: `get` must be a mapping, not a list"),
            ]
        );
    }
}

#[test]
fn a_config_without_files_or_with_too_many_is_one_error() {
    let found = check(&ApiConfig::default());
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].to_string().as_str(), found[0].rule),
        (
            "api_config: must have OpenAPI documents or gRPC services",
            "config"
        )
    );
    let many = config((0..51).map(|_| ("a.yaml", GOOD_2)));
    assert_eq!(
        errors(&many),
        ["api_config: has 51 files: must have at most 50"]
    );
    let large = " ".repeat(5 << 20);
    let found = errors(&config([
        ("a.yaml", &large),
        ("b.yaml", &large),
        ("c.yaml", &large),
    ]));
    assert_eq!(
        found,
        ["api_config: has files of 15728640 bytes: must be at most 10485760 in all"]
    );
}

#[test]
fn files_are_loaded_by_their_file_names_and_kinds() {
    for (path, kind) in [
        ("a/b.yaml", Some(FileKind::Text)),
        ("b.yml", Some(FileKind::Text)),
        ("b.json", Some(FileKind::Text)),
        ("b.pb", Some(FileKind::DescriptorSet)),
        ("b.descriptor", Some(FileKind::DescriptorSet)),
        ("b.proto", Some(FileKind::Proto)),
        ("b.YAML", None),
        ("yaml", None),
    ] {
        assert_eq!(FileKind::from_path(Path::new(path)), kind, "{path}");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config_check");
    let config = load_openapi([folder.join("good2.yaml")]).expect("the file is here");
    let document = config.openapi_documents[0]
        .document
        .as_ref()
        .expect("it has a file");
    assert_eq!(
        (document.path.as_str(), document.contents.as_slice()),
        ("good2.yaml", GOOD_2.as_bytes())
    );
    assert_eq!(check(&config), []);
    for (path, expected) in [
        (
            "main.rs",
            "not an OpenAPI document: the name must end in .json, .yaml or .yml",
        ),
        ("none.yaml", "cannot read the file"),
    ] {
        let error = load_openapi([folder.join(path)]).expect_err("it cannot be loaded");
        assert_eq!(error.path(), folder.join(path));
        assert!(error.to_string().ends_with(expected), "{error}");
    }
    let twice = [
        folder.join("good2.yaml"),
        folder.join("../config_check/good2.yaml"),
    ];
    let error = load_openapi(&twice).expect_err("the names are the same");
    assert!(error.to_string().contains("different names"), "{error}");
    let error = load_grpc(["a.proto"]).expect_err("it is a source");
    assert!(error.to_string().contains("must be compiled"), "{error}");
    let config = load_grpc([folder.join("good2.yaml")]).expect("the file is here");
    assert_eq!(config.managed_service_configs.len(), 1);
}

#[test]
fn the_sources_beside_a_descriptor_set_are_attached() {
    let folder = std::env::temp_dir().join(format!("config-check-sources-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("books/v1")).expect("a folder");
    let write = |name: &str, contents: &[u8]| {
        std::fs::write(folder.join(name), contents).expect("a file");
    };
    let names = [
        "books/v1/a.proto",
        "gone.proto",
        "../escape.proto",
        "/etc/hostname",
    ];
    let file = names.map(|name| prost_types::FileDescriptorProto {
        name: Some(name.to_owned()),
        ..Default::default()
    });
    let set = prost_types::FileDescriptorSet {
        file: file.to_vec(),
    };
    write("api.pb", &set.encode_to_vec());
    write("broken.pb", b"\xff");
    write("books/v1/a.proto", b"syntax = \"proto3\";");
    std::fs::write(folder.with_file_name("escape.proto"), b"a").expect("a file");
    let config = load_grpc([folder.join("api.pb"), folder.join("broken.pb")]);
    std::fs::remove_dir_all(&folder).expect("it is there");
    let services = config.expect("the files are there").grpc_services;
    let sources = services[0].source.iter();
    let sources: Vec<_> = sources
        .map(|file| (file.path.as_str(), file.contents.as_slice()))
        .collect();
    assert_eq!(sources, [("a.proto", b"syntax = \"proto3\";".as_slice())]);
    assert_eq!(services[1].source, []);
}

#[test]
#[cfg(target_os = "linux")]
fn an_endless_file_is_an_error() {
    let path = std::env::temp_dir().join(format!("endless-{}.yaml", std::process::id()));
    std::os::unix::fs::symlink("/dev/zero", &path).expect("a link");
    let loaded = load_openapi([&path]);
    std::fs::remove_file(&path).expect("it is there");
    let cause =
        std::error::Error::source(&loaded.expect_err("it has no end")).map(ToString::to_string);
    assert_eq!(cause.as_deref(), Some("larger than 16 MiB"));
}
