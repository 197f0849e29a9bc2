//! OpenAPI 2.0, as the service reads it.
//!
//! The sources are the service's documentation and its published converter. A check that neither has is left out, or it
//! is a warning.

mod google;
mod shapes;
mod types;

use std::collections::{HashMap, HashSet};

use percent_encoding::percent_decode_str;

use super::diagnostic::{Report, excerpt};
use super::node::Node;
use super::operations::{Operation, Operations, check_ids};
use super::references::{Place, References};
use super::security::{Scheme, Schemes};
use super::shape::Shape;
use super::{Config, extensions, rules};

use shapes::{DIALECT, DOCUMENT};

const DEFINITIONS: &str = "#/definitions/";

/// Checks a document.
pub(super) fn check(root: &Node, config: &mut Config, report: &mut Report) {
    DIALECT.check(&Shape::Object(&DOCUMENT), "the document", root, report);
    address(root, report);
    api_name(root, config, report);
    let references = References::read(root);
    self::references(root, &references, report);
    if let Some(definitions) = root.get("definitions") {
        types::check(definitions.entries(), report);
    }
    let operations = Operations::read(root, &references, report);
    let has_id = check_ids(&operations, method_name, report).len();
    for operation in &operations.all {
        if has_id < operations.all.len() || operation.node.text_of("operationId") == Some("") {
            operation_id(operation, report);
        }
        responses(operation, report);
        parameters(operation, &operations, &references, report);
    }
    config.routes.add(
        root.text_of("basePath").unwrap_or_default(),
        &operations,
        report,
    );
    let schemes = schemes(root, report);
    schemes.check(root, &operations, report);
    security_extension(root, &schemes, report);
    for operation in &operations.all {
        security_extension(operation.node, &schemes, report);
    }
    google::check(root, &operations, report);
    extensions::check(root, report);
}

fn address(root: &Node, report: &mut Report) {
    if let Some(entry) = root.entry("host")
        && let Some(host) = entry.value.text()
    {
        let shown = excerpt(host);
        let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
        if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
            let text = format!("`host` must have no port: write `{}`", excerpt(name));
            report.at(&rules::HOST, entry.value.at, text);
        } else if host.is_empty() || host.contains(['{', '}', '/', ' ', ':', '\\']) {
            let text = format!("`host` must be the name of a host alone, not `{shown}`");
            report.at(&rules::HOST, entry.value.at, text);
        }
    }
    if let Some(base) = root.get("basePath")
        && let Some(text) = base.text()
        && !text.starts_with('/')
    {
        let text = format!("`basePath` must begin with `/`, not `{}`", excerpt(text));
        report.at(&rules::INVALID_VALUE, base.at, text);
    }
}

/// The converter names an API by its version and its name. The names of a config's documents must differ.
fn api_name(root: &Node, config: &mut Config, report: &mut Report) {
    let given = root.get("x-google-api-name");
    if let Some(node) = given {
        let text = node.text().unwrap_or_default();
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let valid = (1..=40).contains(&text.len())
            && text.starts_with(|char: char| char.is_ascii_lowercase())
            && text.bytes().all(fits);
        // An empty name is as none for the converter.
        if !valid && node.text() != Some("") {
            let text = format!(
                "`x-google-api-name` must be 1 to 40 of a-z and 0-9, beginning with a letter, not {}",
                node.what()
            );
            report.at(&rules::API_NAME, node.at, text);
            return;
        }
    }
    let Some(version) = root.get("info").and_then(|info| info.get("version")) else {
        return;
    };
    let Some(version_text) = version.text() else {
        return;
    };
    let name = match given.and_then(Node::text) {
        Some(name) if !name.is_empty() => name,
        _ => root.text_of("host").unwrap_or_default(),
    };
    // The first of three parts is the major version. Any other text is the version as a whole.
    let mut parts = version_text.split('.').filter(|part| !part.is_empty());
    let major = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(major), Some(_), Some(_), None) => major,
        _ => version_text,
    };
    let place = report.location(version.at);
    let key = (name.to_owned(), major.to_owned());
    if let Some(first) = config.api_names.get(&key) {
        let (name, major) = (excerpt(name), excerpt(major));
        let text = format!(
            "the API `{name}` has version `{major}` at {first} too: set another `version`, or a \
             `x-google-api-name` in each document"
        );
        report.at(&rules::API_NAME, version.at, text);
    } else {
        config.api_names.insert(key, place);
    }
}

/// Returns the name of the definition that a reference leads to. A name alone means a definition.
fn definition_name(text: &str) -> Option<String> {
    let name = text.strip_prefix(DEFINITIONS).unwrap_or(text);
    if name.starts_with(['#', '.', '/']) || name.starts_with("http") {
        return None;
    }
    let decoded = percent_decode_str(name).decode_utf8_lossy();
    Some(decoded.replace("~1", "/").replace("~0", "~"))
}

fn references(root: &Node, references: &References<'_>, report: &mut Report) {
    let definitions = root.get("definitions");
    for reference in &references.all {
        let (text, at) = (reference.text, reference.at);
        let shown = excerpt(text);
        let is_name = !text.contains(['#', '/', '.', ':']);
        if !text.starts_with('#') && !is_name {
            let text = format!(
                "`$ref` must lead to a part of this document and begin with `#/`, not `{shown}`"
            );
            report.at(&rules::EXTERNAL_REFERENCE, at, text);
            continue;
        }
        let schema = reference.place == Place::Schema;
        if schema && !is_name && !text.starts_with(DEFINITIONS) {
            let text =
                format!("`$ref` of a schema must begin with `{DEFINITIONS}`, not be `{shown}`");
            report.at(&rules::REFERENCE, at, text);
            continue;
        }
        if schema && definitions.is_none() {
            let text = format!("`$ref` leads to `{shown}`, but the document has no `definitions`");
            report.at(&rules::REFERENCE, at, text);
            continue;
        }
        let named = || definition_name(text).and_then(|name| definitions?.get(&name));
        if references.target(reference).is_none() && !(schema && named().is_some()) {
            let text = format!(
                "`$ref` leads to `{shown}`, which the document does not have: it is ignored"
            );
            report.at(&rules::DANGLING_REFERENCE, at, text);
        }
    }
}

/// The name of the method that the converter makes of an id.
fn method_name(id: &str) -> String {
    let kept = id
        .chars()
        .filter(|char| char.is_ascii_alphanumeric() || *char == '_');
    let mut name: String = kept.collect();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name
}

fn operation_id(operation: &Operation<'_>, report: &mut Report) {
    let node = operation.node.get("operationId");
    if node.is_none_or(|node| node.text() == Some("")) {
        let (method, path) = (operation.method.to_uppercase(), excerpt(operation.path));
        let text = format!("{method} `{path}` must have an `operationId`");
        report.at(&rules::OPERATION_ID, operation.at, text);
    }
}

fn responses(operation: &Operation<'_>, report: &mut Report) {
    let Some(entry) = operation.node.entry("responses") else {
        return;
    };
    let mut keys = entry.value.entries().iter().map(|response| &*response.key);
    if entry.value.map().is_some() && keys.all(|key| key.starts_with("x-")) {
        let text = "`responses` must have at least one response";
        report.at(&rules::INVALID_VALUE, entry.at, text);
    }
}

/// Checks that the variables of the path are parameters, and that no parameter is there twice.
fn parameters<'t>(
    operation: &Operation<'t>,
    operations: &Operations<'t>,
    references: &References<'t>,
    report: &mut Report,
) {
    let mut names = HashSet::new();
    let mut unclear = false;
    for owner in [operation.node, operation.path_item] {
        let mut seen = HashMap::new();
        for item in owner.get("parameters").map(Node::items).unwrap_or_default() {
            let read = references.follow(item);
            let read = read.and_then(|node| Some((node.text_of("name")?, node.text_of("in")?)));
            let Some((name, place)) = read else {
                unclear = true;
                continue;
            };
            names.insert(name);
            let Some(first) = seen.insert((name, place), item) else {
                continue;
            };
            let name = excerpt(name);
            let same = item.text_of("$ref");
            if same.is_some() && same == first.text_of("$ref") {
                let text = format!(
                    "duplicate item `{}` in `parameters`",
                    excerpt(same.unwrap_or_default())
                );
                report.at(&rules::INVALID_VALUE, item.at, text);
            } else {
                let text = format!("duplicate parameter `{name}` with `in: {}`", excerpt(place));
                report.at(&rules::DUPLICATE_PARAMETER, item.at, text);
            }
        }
    }
    let Some(template) = operation.template.filter(|_| !unclear) else {
        return;
    };
    for variable in &operations.templates[template].variables {
        if !names.contains(variable) {
            let variable = excerpt(variable);
            let text = format!(
                "`{{{variable}}}` of the path must be a parameter: add one with `name: {variable}` and `in: path`"
            );
            report.at(&rules::PATH_PARAMETER, operation.at, text);
        }
    }
}

/// Checks the security definitions and returns what the service makes of them.
fn schemes<'t>(root: &'t Node, report: &mut Report) -> Schemes<'t> {
    let mut kinds = HashMap::new();
    let definitions = root.get("securityDefinitions").map(Node::entries);
    for entry in definitions.unwrap_or_default() {
        let (node, name) = (&*entry.value, excerpt(&entry.key));
        let kind = match node.text_of("type") {
            Some("oauth2") => {
                token(node, report);
                Scheme::Token
            }
            Some("apiKey") => {
                let (place, key) = (node.text_of("in"), node.text_of("name").unwrap_or_default());
                let read = place == Some("query")
                    || key.eq_ignore_ascii_case("key")
                    || key.eq_ignore_ascii_case("x-api-key");
                if !read {
                    let text = format!(
                        "the API key `{name}` is ignored: use `name: key` with `in: query`, or `name: x-api-key` \
                         with `in: header`"
                    );
                    report.at(&rules::UNSUPPORTED_SECURITY, entry.at, text);
                }
                Scheme::ApiKey
            }
            _ => {
                if node.text_of("type") == Some("basic") {
                    let text = format!(
                        "the service ignores `{name}`: it supports API keys and `type: oauth2`"
                    );
                    report.at(&rules::UNSUPPORTED_SECURITY, entry.at, text);
                }
                Scheme::Unsupported
            }
        };
        kinds.insert(&*entry.key, kind);
    }
    Schemes {
        kinds,
        undefined: (&rules::UNDEFINED_SECURITY, "securityDefinitions"),
    }
}

/// Checks the extensions of a scheme with tokens.
fn token(node: &Node, report: &mut Report) {
    for (field, old) in [
        ("x-google-issuer", "x-issuer"),
        ("x-google-jwks_uri", "x-jwks_uri"),
        ("x-google-audiences", ""),
    ] {
        let (entry, old_entry) = (node.entry(field), node.entry(old));
        if let Some(old_entry) = old_entry {
            let text = format!("`{old}` is deprecated: use `{field}`");
            report.at(&rules::DEPRECATED, old_entry.at, text);
            if entry.is_some() {
                let text = format!("`{old}` and `{field}` are the same: remove `{old}`");
                report.at(&rules::EXTENSION, old_entry.at, text);
            }
        }
        for entry in entry.into_iter().chain(old_entry) {
            if entry.value.text().is_none() {
                let is = entry.value.what();
                let text = format!("`{}` must be a text, not {is}", entry.key);
                report.at(&rules::EXTENSION, entry.value.at, text);
            }
        }
    }
}

/// Checks `x-security`: a list of mappings from schemes with tokens to their audiences.
fn security_extension(owner: &Node, schemes: &Schemes<'_>, report: &mut Report) {
    let Some(node) = owner.get("x-security") else {
        return;
    };
    let Some(items) = node.list() else {
        let text = format!("`x-security` must be a list, not {}", node.what());
        report.at(&rules::EXTENSION, node.at, text);
        return;
    };
    for item in items {
        if item.map().is_none() {
            let text = format!(
                "an item of `x-security` must be a mapping, not {}",
                item.what()
            );
            report.at(&rules::EXTENSION, item.at, text);
        }
        for (index, entry) in item.entries().iter().enumerate() {
            let name = excerpt(&entry.key);
            if schemes.kinds.get(&*entry.key) != Some(&Scheme::Token) {
                let text = format!(
                    "`{name}` in `x-security` must be a security definition with `type: oauth2`"
                );
                report.at(&rules::EXTENSION, entry.at, text);
            }
            if entry.value.get("audiences").and_then(Node::list).is_none() {
                let text = format!("`{name}` in `x-security` must have a list of `audiences`");
                report.at(&rules::EXTENSION, entry.at, text);
            }
            if index == 1 {
                let text = format!("`{name}` is required together with another scheme of tokens");
                report.at(&rules::SECURITY_CONJUNCTION, entry.at, text);
            }
        }
    }
}
