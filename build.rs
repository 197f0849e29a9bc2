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

#[path = "build/configuration.rs"]
mod configuration;
#[path = "build/http.rs"]
mod http;
#[path = "build/requests.rs"]
mod requests;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use configuration::Configuration;
use http::{http_rules, option, variables};
use prost_reflect::{DescriptorPool, MethodDescriptor};
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
    let own = protos(Path::new("proto/apigateway_grpc"))?;
    let encoded = encoded(&google)?;
    fs::write(out.join("descriptors.bin"), &encoded)?;
    let all = [google.as_slice(), own.as_slice()].concat();
    fs::write(out.join("emulator_descriptors.bin"), self::encoded(&all)?)?;
    let pool = DescriptorPool::decode(encoded.as_slice())?;
    let configuration = Configuration::read()?;
    let methods = methods(&pool)?;
    fs::write(
        out.join("contract.rs"),
        table(&pool, &configuration, &methods)?,
    )?;
    let requests = methods
        .values()
        .enumerate()
        .map(|(index, method)| requests::Request::read(&pool, &configuration, index, method))
        .collect::<Result<Vec<_>>>()?;
    fs::write(out.join("requests.rs"), requests::requests(&requests)?)?;
    fs::write(out.join("lists.rs"), requests::lists(&requests)?)?;
    fs::write(out.join("decoders.rs"), requests::decoders(&requests)?)?;
    fs::write(
        out.join("resources.rs"),
        requests::resources(&pool, &requests)?,
    )?;
    generate(typed(&google)?)?;
    generate_own(typed(&own)?, &out.join("emulator"))
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
fn generate_own(set: prost_types::FileDescriptorSet, out: &Path) -> Result<()> {
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

/// Returns the methods of the contract, sorted by path as in the table.
fn methods(pool: &DescriptorPool) -> Result<BTreeMap<String, MethodDescriptor>> {
    let mut methods = BTreeMap::new();
    for service in SERVICES {
        let service = pool
            .get_service_by_name(service)
            .ok_or_else(|| format!("no service `{service}` in the protos"))?;
        for method in service.methods() {
            let path = format!("/{}/{}", service.full_name(), method.name());
            methods.insert(path, method);
        }
    }
    Ok(methods)
}

fn table(
    pool: &DescriptorPool,
    configuration: &Configuration,
    methods: &BTreeMap<String, MethodDescriptor>,
) -> Result<String> {
    let mut out = format!(
        "pub(crate) static METHODS: [Method; {}] = [\n",
        methods.len()
    );
    for (path, method) in methods {
        let entry = entry(pool, configuration, path, method)
            .map_err(|error| format!("{}: {error}", method.full_name()))?;
        out.push_str(&entry);
    }
    out.push_str("];\n");
    Ok(out)
}

fn entry(
    pool: &DescriptorPool,
    configuration: &Configuration,
    path: &str,
    method: &MethodDescriptor,
) -> Result<String> {
    if method.is_client_streaming() || method.is_server_streaming() {
        return Err("streaming methods are not supported".into());
    }
    let selector = method.full_name();
    let rules = http_rules(pool, configuration, method)?;
    let mut routing = configuration.routing(selector);
    if let Some(rule) = rules.first() {
        routing.extend(variables(&rule.template));
    }
    let config = configuration.grpc(method.parent_service().full_name(), method.name());
    let deadline = configuration
        .deadline(selector)
        .ok_or("no backend deadline")?;
    let mut out = String::new();
    let text = |text: &str| format!("Cow::Borrowed({text:?})");
    writeln!(out, "    Method {{")?;
    writeln!(out, "        path: {},", text(path))?;
    let service = method.parent_service();
    writeln!(out, "        service: {},", text(service.full_name()))?;
    writeln!(out, "        name: {},", text(method.name()))?;
    writeln!(out, "        input: {},", text(method.input().full_name()))?;
    writeln!(
        out,
        "        output: {},",
        text(method.output().full_name())
    )?;
    writeln!(out, "        client_streaming: false,")?;
    writeln!(out, "        server_streaming: false,")?;
    let rules = rules.iter().map(|rule| {
        let (verb, template, body) = (text(rule.verb), text(&rule.template), text(&rule.body));
        format!("HttpRule {{ verb: {verb}, template: {template}, body: {body} }}")
    });
    let rules = rules.collect::<Vec<_>>().join(", ");
    writeln!(out, "        http: Cow::Borrowed(&[{rules}]),")?;
    writeln!(
        out,
        "        routing: Cow::Borrowed(&[{}]),",
        routing_keys(method, &routing)?
    )?;
    writeln!(out, "        timeout: {},", optional(timeout(config)?))?;
    writeln!(
        out,
        "        server_deadline: Some({}),",
        duration(deadline)?
    )?;
    writeln!(out, "        retry: {},", optional(retry(config)?))?;
    writeln!(
        out,
        "        operation: {},",
        optional(operation(pool, method)?)
    )?;
    writeln!(
        out,
        "        idempotent: {},",
        configuration.idempotent(selector)
    )?;
    writeln!(out, "    }},")?;
    Ok(out)
}

/// Renders the routing keys, each with the field numbers that lead to its value in the encoded request.
fn routing_keys(method: &MethodDescriptor, keys: &[String]) -> Result<String> {
    let mut out = String::new();
    for key in keys {
        let mut message = Some(method.input());
        let mut numbers = Vec::new();
        for name in key.split('.') {
            let parent = message.take().ok_or_else(|| {
                format!("routing key `{key}`: a parent of the last field is not a message")
            })?;
            let field = parent
                .get_field_by_name(name)
                .ok_or_else(|| format!("routing key `{key}`: unknown field"))?;
            numbers.push(field.number());
            message = field.kind().as_message().cloned();
        }
        write!(
            out,
            "RoutingKey {{ name: Cow::Borrowed({key:?}), field: Cow::Borrowed(&{numbers:?}) }},"
        )?;
    }
    Ok(out)
}

fn optional(value: Option<String>) -> String {
    value.map_or_else(|| "None".to_owned(), |value| format!("Some({value})"))
}

fn duration(seconds: f64) -> Result<String> {
    let duration = std::time::Duration::try_from_secs_f64(seconds)?;
    Ok(format!("Duration::from_millis({})", duration.as_millis()))
}

fn seconds(value: &Json) -> Result<String> {
    let text = value.as_str().and_then(|text| text.strip_suffix('s'));
    duration(
        text.ok_or_else(|| format!("not a duration: {value}"))?
            .parse()?,
    )
}

fn timeout(config: Option<&Json>) -> Result<Option<String>> {
    let timeout = config
        .map(|config| &config["timeout"])
        .filter(|timeout| !timeout.is_null());
    timeout.map(seconds).transpose()
}

fn retry(config: Option<&Json>) -> Result<Option<String>> {
    let Some(policy) = config
        .map(|config| &config["retryPolicy"])
        .filter(|policy| policy.is_object())
    else {
        return Ok(None);
    };
    let multiplier = policy["backoffMultiplier"]
        .as_f64()
        .ok_or("no backoffMultiplier")?;
    let codes = policy["retryableStatusCodes"]
        .as_array()
        .ok_or("no retryableStatusCodes")?;
    let codes = codes
        .iter()
        .filter_map(Json::as_str)
        .map(|code| format!("Code::{}", camel(code)));
    Ok(Some(format!(
        "RetryPolicy {{ max_attempts: {}, initial_backoff: {}, max_backoff: {}, multiplier: {multiplier:?}, codes: CodeSet::of(&[{}]) }}",
        optional(
            policy["maxAttempts"]
                .as_u64()
                .map(|attempts| attempts.to_string())
        ),
        seconds(&policy["initialBackoff"])?,
        seconds(&policy["maxBackoff"])?,
        codes.collect::<Vec<_>>().join(", "),
    )))
}

/// Converts `RESOURCE_EXHAUSTED` to tonic's `ResourceExhausted`.
fn camel(name: &str) -> String {
    let words = name.split('_').filter_map(|word| word.split_at_checked(1));
    words
        .map(|(first, rest)| format!("{first}{}", rest.to_lowercase()))
        .collect()
}

fn operation(pool: &DescriptorPool, method: &MethodDescriptor) -> Result<Option<String>> {
    if method.output().full_name() != "google.longrunning.Operation"
        || method.parent_service().full_name() == "google.longrunning.Operations"
    {
        return Ok(None);
    }
    let info = option(pool, method, "google.longrunning.operation_info")?;
    let name = |field: &str| {
        let value = info.get_field_by_name(field);
        let name = value
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default();
        // A name without a package belongs to the method's package (`google.longrunning.OperationInfo`).
        let local = format!("{}.{name}", method.parent_service().package_name());
        pool.get_message_by_name(&name)
            .or_else(|| pool.get_message_by_name(&local))
            .map(|message| message.full_name().to_owned())
            .ok_or_else(|| format!("no message `{name}`"))
    };
    Ok(Some(format!(
        "OperationTypes {{ result: Cow::Borrowed({:?}), metadata: Cow::Borrowed({:?}) }}",
        name("response_type")?,
        name("metadata_type")?
    )))
}
