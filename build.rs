//! Compiles `proto/` into Rust and into the table of methods.
//!
//! What comes out, all in `OUT_DIR`: `proto.rs` (the generated clients, servers and messages),
//! `descriptors.bin` (the descriptor set with its extensions, for reflection and transcoding),
//! `contract.rs` (the table: one entry a method), and what `build/requests.rs` says of the request
//! messages. No network and no `protoc` is needed.

#[path = "build/requests.rs"]
mod requests;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, ReflectMessage, Value};
use serde_json::Value as Json;

/// The services of the contract, in no particular order: the table is sorted by path.
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
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(protos(Path::new("proto"))?)?;
    // Only the encoded form keeps the extensions, and with them the http rules.
    let encoded = {
        let mut compiler = protox::Compiler::new(["proto"])?;
        compiler.include_imports(true);
        compiler.open_files(protos(Path::new("proto"))?)?;
        // Well-known types that no proto of ours names, but an `Any` may hold.
        compiler.open_files([
            "google/protobuf/struct.proto",
            "google/protobuf/wrappers.proto",
        ])?;
        compiler.encode_file_descriptor_set()
    };
    fs::write(out.join("descriptors.bin"), &encoded)?;
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
    fs::write(
        out.join("resources.rs"),
        requests::resources(&pool, &requests)?,
    )?;
    generate(compiler.file_descriptor_set())
}

/// The compiler's version, `1.95.0`, for the `x-goog-api-client` header.
fn rustc_version() -> Result<String> {
    let output = Command::new(env::var("RUSTC")?).arg("--version").output()?;
    let text = String::from_utf8(output.stdout)?;
    let version = text
        .split_whitespace()
        .nth(1)
        .ok_or("rustc does not tell its version")?;
    Ok(version.to_owned())
}

/// The paths of all protos below `folder`, relative to `proto`, in a fixed order.
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
    // The options are of use to the table and to reflection, not as Rust types.
    set.file.retain(|file| file.package() != "google.api");
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    config.type_name_domain(["."], "type.googleapis.com");
    tonic_prost_build::configure()
        .build_transport(false)
        .codec_path("crate::codec::Codec")
        .generate_default_stubs(true)
        .server_mod_attribute(".", "#[cfg(feature = \"emulator\")]")
        .extern_path(".google.rpc", "::tonic_types::pb")
        .include_file("proto.rs")
        .compile_fds_with_config(set, config)?;
    Ok(())
}

/// What the files beside the protos say of the methods, by selector.
struct Configuration {
    http: BTreeMap<String, Json>,
    deadlines: Vec<(String, f64)>,
    grpc: Vec<Json>,
    facts: Json,
}

impl Configuration {
    fn read() -> Result<Self> {
        let service = json("proto/apigateway_v1.json")?;
        let http = rules(&service, "http")
            .map(|rule| Ok((text(rule, "selector")?, rule.clone())))
            .collect::<Result<_>>()?;
        let deadlines = rules(&service, "backend")
            .map(|rule| {
                let deadline = rule["deadline"]
                    .as_f64()
                    .ok_or("a backend rule has no deadline")?;
                Ok((text(rule, "selector")?, deadline))
            })
            .collect::<Result<_>>()?;
        let grpc = json("proto/apigateway_grpc_service_config.json")?;
        let grpc = grpc["methodConfig"]
            .as_array()
            .ok_or("no methodConfig")?
            .clone();
        Ok(Self {
            http,
            deadlines,
            grpc,
            facts: json("proto/apigateway_method_facts.json")?,
        })
    }

    /// The last rule that selects the method holds, as in `google.api.Service`.
    fn deadline(&self, selector: &str) -> Option<f64> {
        let selects = |rule: &str| match rule.strip_suffix('*') {
            Some(prefix) => selector.starts_with(prefix),
            None => rule == selector,
        };
        self.deadlines
            .iter()
            .rev()
            .find(|(rule, _)| selects(rule))
            .map(|(_, seconds)| *seconds)
    }

    fn grpc(&self, service: &str, method: &str) -> Option<&Json> {
        self.grpc.iter().find(|config| {
            config["name"].as_array().is_some_and(|names| {
                names
                    .iter()
                    .any(|name| name["service"] == service && name["method"] == method)
            })
        })
    }

    fn idempotent(&self, selector: &str) -> bool {
        let listed = self.facts["idempotent"].as_array();
        listed.is_some_and(|selectors| selectors.iter().any(|listed| listed == selector))
    }

    /// The method that names its resource as this one does, which has no rule to say how.
    fn named_as(&self, selector: &str) -> Option<&str> {
        self.facts["named_as"][selector].as_str()
    }

    fn routing(&self, selector: &str) -> Vec<String> {
        let keys = self.facts["routing"][selector].as_array();
        let keys = keys.into_iter().flatten().filter_map(Json::as_str);
        keys.map(str::to_owned).collect()
    }
}

fn json(path: &str) -> Result<Json> {
    let content = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    serde_json::from_str(&content).map_err(|error| format!("{path}: {error}").into())
}

fn rules<'a>(service: &'a Json, section: &str) -> impl Iterator<Item = &'a Json> {
    service[section]["rules"].as_array().into_iter().flatten()
}

fn text(json: &Json, key: &str) -> Result<String> {
    let value = json[key]
        .as_str()
        .ok_or_else(|| format!("no text `{key}` in {json}"))?;
    Ok(value.to_owned())
}

/// The methods of the contract by path, which is the order of the table.
fn methods(pool: &DescriptorPool) -> Result<BTreeMap<String, MethodDescriptor>> {
    let mut methods = BTreeMap::new();
    for service in SERVICES {
        let service = pool
            .get_service_by_name(service)
            .ok_or("a service is missing")?;
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
        return Err("the stack carries unary methods only".into());
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
    writeln!(out, "    Method {{")?;
    writeln!(out, "        path: {path:?},")?;
    writeln!(
        out,
        "        service: {:?},",
        method.parent_service().full_name()
    )?;
    writeln!(out, "        name: {:?},", method.name())?;
    writeln!(out, "        input: {:?},", method.input().full_name())?;
    writeln!(out, "        output: {:?},", method.output().full_name())?;
    let rules = format!("{rules:?}").replace("body: ", "body: Body::");
    writeln!(out, "        http: &{rules},")?;
    writeln!(
        out,
        "        routing: &[{}],",
        routing_keys(method, &routing)?
    )?;
    writeln!(out, "        timeout: {},", optional(timeout(config)?))?;
    writeln!(out, "        server_deadline: {},", duration(deadline)?)?;
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

/// Written into the table by its `Debug` form, so the fields are those of `contract::HttpRule`.
#[derive(Debug)]
#[allow(dead_code, reason = "read by Debug alone")]
struct HttpRule {
    verb: &'static str,
    template: String,
    body: Body,
}

/// As `contract::Body`.
#[derive(Debug)]
#[allow(dead_code, reason = "read by Debug alone")]
enum Body {
    None,
    All,
    Field(String),
}

impl HttpRule {
    fn new(verb: &str, template: String, body: &str) -> Result<Self> {
        let verbs = ["GET", "PUT", "POST", "DELETE", "PATCH"];
        let verb = verbs
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(verb));
        let body = match body {
            "" => Body::None,
            "*" => Body::All,
            field => Body::Field(field.to_owned()),
        };
        Ok(Self {
            verb: verb.ok_or("an http rule without a verb")?,
            template,
            body,
        })
    }
}

fn http_rules(
    pool: &DescriptorPool,
    configuration: &Configuration,
    method: &MethodDescriptor,
) -> Result<Vec<HttpRule>> {
    match configuration.http.get(method.full_name()) {
        Some(rule) => http_rules_from_json(rule),
        // The mixins' own annotations are not what this service serves.
        None if !method.full_name().starts_with("google.cloud.apigateway.") => Ok(Vec::new()),
        None => http_rules_from_option(&option(pool, method, "google.api.http")?),
    }
}

fn http_rules_from_json(rule: &Json) -> Result<Vec<HttpRule>> {
    let verbs = ["get", "put", "post", "delete", "patch"];
    let verb = verbs.into_iter().find(|verb| rule[verb].is_string());
    let verb = verb.ok_or("an http rule without a verb")?;
    let body = rule["body"].as_str().unwrap_or_default();
    let mut rules = vec![HttpRule::new(verb, text(rule, verb)?, body)?];
    for binding in rule["additionalBindings"].as_array().into_iter().flatten() {
        rules.extend(http_rules_from_json(binding)?);
    }
    Ok(rules)
}

fn http_rules_from_option(rule: &DynamicMessage) -> Result<Vec<HttpRule>> {
    let string = |name: &str| {
        let value = rule.get_field_by_name(name);
        value
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    let pattern = rule
        .descriptor()
        .oneofs()
        .find(|oneof| oneof.name() == "pattern");
    let verb = pattern.and_then(|pattern| pattern.fields().find(|field| rule.has_field(field)));
    let verb = verb.ok_or("an http rule without a verb")?;
    let mut rules = vec![HttpRule::new(
        verb.name(),
        string(verb.name()),
        &string("body"),
    )?];
    let bindings = rule
        .get_field_by_name("additional_bindings")
        .ok_or("no additional_bindings")?;
    for binding in bindings.as_list().unwrap_or_default() {
        rules.extend(http_rules_from_option(
            binding.as_message().ok_or("a binding is no rule")?,
        )?);
    }
    Ok(rules)
}

/// The value of a message-typed extension of a method's options.
fn option(pool: &DescriptorPool, method: &MethodDescriptor, name: &str) -> Result<DynamicMessage> {
    let extension = pool
        .get_extension_by_name(name)
        .ok_or("an extension is missing")?;
    let options = method.options();
    if !options.has_extension(&extension) {
        return Err(format!("no option ({name})").into());
    }
    match options.get_extension(&extension).into_owned() {
        Value::Message(message) => Ok(message),
        other => Err(format!("({name}) is {other:?}").into()),
    }
}

/// The names in braces of a path template: without a `google.api.routing` annotation they are the
/// routing keys (AIP-4222).
fn variables(template: &str) -> Vec<String> {
    let braces = template
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next());
    braces
        .map(|variable| variable.split('=').next().unwrap_or_default().to_owned())
        .collect()
}

/// A key with the field numbers that lead to its value in the encoded request.
fn routing_keys(method: &MethodDescriptor, keys: &[String]) -> Result<String> {
    let mut out = String::new();
    for key in keys {
        let mut message = Some(method.input());
        let mut numbers = Vec::new();
        for name in key.split('.') {
            let parent = message
                .take()
                .ok_or_else(|| format!("`{key}` leads through a scalar"))?;
            let field = parent
                .get_field_by_name(name)
                .ok_or_else(|| format!("no field `{key}`"))?;
            numbers.push(field.number());
            message = field.kind().as_message().cloned();
        }
        write!(out, "RoutingKey {{ name: {key:?}, field: &{numbers:?} }},")?;
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
        "RetryPolicy {{ max_attempts: {}, initial_backoff: {}, max_backoff: {}, multiplier: {multiplier:?}, codes: &[{}] }}",
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

/// `RESOURCE_EXHAUSTED` as tonic spells it, `ResourceExhausted`.
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
        // A name without a package is one of the method's own package (the option's definition).
        let local = format!("{}.{name}", method.parent_service().package_name());
        pool.get_message_by_name(&name)
            .or_else(|| pool.get_message_by_name(&local))
            .map(|message| message.full_name().to_owned())
            .ok_or_else(|| format!("no message `{name}`"))
    };
    Ok(Some(format!(
        "OperationTypes {{ result: {:?}, metadata: {:?} }}",
        name("response_type")?,
        name("metadata_type")?
    )))
}
