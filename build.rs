//! Compiles `proto/` into Rust and into the table of methods.
//!
//! The build script needs no network and no `protoc`. It writes these files to `OUT_DIR`:
//!
//! - `proto.rs`: the generated clients, servers and messages.
//! - `descriptors.bin`: the descriptor set with its extensions, for reflection and transcoding.
//! - `contract.rs`: the table of methods, with one entry for each method.
//! - `requests.rs`, `decoders.rs`, `lists.rs`, `resources.rs`: macro calls for the request messages (`build/requests.rs`).
//! - `emulator/*.rs`: the generated server and client of the emulator's admin service.
//! - `emulator_descriptors.bin`: the descriptor set that includes the admin service.

#[path = "src/contract/descriptor.rs"]
mod descriptor;
#[path = "src/contract/field_name.rs"]
mod field_name;
#[allow(
    dead_code,
    unused_imports,
    reason = "the build script does not use every part of the reader: the protos of API Gateway need only some of them"
)]
#[path = "src/contract/reader/mod.rs"]
mod reader;
#[path = "build/requests.rs"]
mod requests;
#[path = "src/contract/service_fields.rs"]
mod service_fields;
#[path = "build/table.rs"]
mod table;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use prost_reflect::DescriptorPool;
use serde_json::Value as Json;

/// The services of the contract. Their order does not matter, since the table is sorted by path.
const SERVICES: [&str; 4] = [
    "google.cloud.apigateway.v1.ApiGatewayService",
    "google.longrunning.Operations",
    "google.cloud.location.Locations",
    "google.iam.v1.IAMPolicy",
];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=proto");
    println!(
        "cargo::rustc-env=APIGATEWAY_GRPC_RUSTC={}",
        rustc_version()?
    );
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let google = protos(Path::new("proto/google"))?;
    let admin = protos(Path::new("proto/apigateway_grpc"))?;
    let encoded = encoded(&google)?;
    fs::write(out.join("descriptors.bin"), &encoded)?;
    let all = [google.as_slice(), admin.as_slice()].concat();
    fs::write(out.join("emulator_descriptors.bin"), self::encoded(&all)?)?;
    let pool = DescriptorPool::decode(encoded.as_slice())?;
    let facts = json("proto/apigateway_method_facts.json")?;
    let contract = reader::read(&reader::Sources {
        descriptor_set: &encoded,
        service_configs: vec![json("proto/apigateway_v1.json")?],
        grpc_configs: vec![json("proto/apigateway_grpc_service_config.json")?],
        services: SERVICES.to_vec(),
    })?;
    if let Some(first) = contract.unsupported.first() {
        return Err(format!("{}: {}", first.selector, first.reason).into());
    }
    fs::write(out.join("contract.rs"), table::table(&contract, &facts)?)?;
    let requests = (0..contract.methods.len())
        .map(|index| requests::Request::read(&pool, &contract, &facts, index))
        .collect::<Result<Vec<_>>>()?;
    fs::write(out.join("requests.rs"), requests::requests(&requests)?)?;
    fs::write(out.join("lists.rs"), requests::lists(&requests)?)?;
    fs::write(out.join("decoders.rs"), requests::decoders(&requests)?)?;
    fs::write(
        out.join("resources.rs"),
        requests::resources(&pool, &requests)?,
    )?;
    generate(typed(&google)?)?;
    generate_admin(typed(&admin)?, &out.join("emulator"))
}

/// Returns the descriptor set with its extensions, which include the HTTP rules.
fn encoded(files: &[PathBuf]) -> Result<Vec<u8>> {
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).open_files(files)?;
    // No proto here imports these well-known types, but an `Any` can contain them.
    compiler.open_files([
        "google/protobuf/struct.proto",
        "google/protobuf/wrappers.proto",
    ])?;
    Ok(compiler.encode_file_descriptor_set())
}

/// Returns the descriptor set with its comments, for the code generator.
fn typed(files: &[PathBuf]) -> Result<prost_types::FileDescriptorSet> {
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true);
    Ok(compiler.open_files(files)?.file_descriptor_set())
}

/// Returns the version of rustc, such as `1.95.0`, for the `x-goog-api-client` header.
fn rustc_version() -> Result<String> {
    let output = Command::new(env::var("RUSTC")?).arg("--version").output()?;
    let text = String::from_utf8(output.stdout)?;
    let version = text
        .split_whitespace()
        .nth(1)
        .ok_or("`rustc --version` printed no version")?;
    Ok(version.to_owned())
}

/// Returns the paths of all protos below `folder`, relative to `proto` and sorted.
fn protos(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(protos(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            found.push(
                path.strip_prefix("proto")
                    .map_or(path.clone(), Path::to_path_buf),
            );
        }
    }
    found.sort();
    Ok(found)
}

fn generate(mut set: prost_types::FileDescriptorSet) -> Result<()> {
    // The table and reflection read the options from the descriptor set; Rust types for them are not needed.
    set.file.retain(|file| file.package() != "google.api");
    generator()
        .generate_default_stubs(true)
        .server_mod_attribute(".", "#[cfg(feature = \"emulator\")]")
        .include_file("proto.rs")
        .compile_fds_with_config(set, config())?;
    Ok(())
}

/// Generates the server and the client of the emulator's admin service, in a folder of its own, because the generator also
/// writes an empty file for each import.
fn generate_admin(set: prost_types::FileDescriptorSet, out: &Path) -> Result<()> {
    fs::create_dir_all(out)?;
    generator()
        .extern_path(".google.api", "crate::proto::google::api")
        .extern_path(".google.cloud", "crate::proto::google::cloud")
        .extern_path(".google.iam", "crate::proto::google::iam")
        .extern_path(".google.longrunning", "crate::proto::google::longrunning")
        .out_dir(out)
        .compile_fds_with_config(set, config())?;
    Ok(())
}

fn generator() -> tonic_prost_build::Builder {
    tonic_prost_build::configure()
        .build_transport(false)
        .codec_path("crate::call::codec::Codec")
        .extern_path(".google.rpc", "::tonic_types::pb")
}

fn config() -> tonic_prost_build::Config {
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    config.type_name_domain(["."], "type.googleapis.com");
    config
}

fn json(path: &str) -> Result<Json> {
    let content = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    serde_json::from_str(&content).map_err(|error| format!("{path}: {error}").into())
}
