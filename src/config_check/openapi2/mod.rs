//! OpenAPI 2.0, as the service reads it.
//!
//! The sources are the service's documentation and its published converter. A rule that is in neither is omitted, or its
//! diagnostic is a warning.

mod google;
mod management;
mod shapes;
mod types;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use percent_encoding::percent_decode_str;

use super::diagnostic::{Report, excerpt};
use super::node::Node;
use super::operations::{Operation, Operations, check_ids};
use super::references::{Place, References};
use super::security::{Scheme, Schemes};
use super::shape::{Shape, is_uri};
use super::template::Template;
use super::{Config, extensions, rules};

use shapes::{DIALECT, DOCUMENT};
use types::Followed;

pub(super) use management::Management;

const DEFINITIONS: &str = "#/definitions/";

/// Checks a document.
pub(super) fn check(root: &Node, config: &mut Config, report: &mut Report) {
    DIALECT.check(&Shape::Object(&DOCUMENT), "the document", root, report);
    host(root, report);
    let base = base_path(root, report);
    api_name(root, config, report);
    let references = References::read(root);
    let operations = Operations::read(root, &references, report);
    let followed = Followed::read(root, &operations, &references, report);
    self::references(root, &references, &followed, report);
    if let Some(definitions) = root.get("definitions") {
        types::check(definitions.entries(), report);
    }
    check_ids(&operations, method_name, report);
    for entry in &operations.repeated {
        let text = format!(
            "the path `{}` repeats the operations of another path: each `operationId` must be unique",
            excerpt(&entry.key)
        );
        report.at(&rules::OPERATION_ID, entry.at, text);
    }
    for operation in &operations.all {
        operation_id(operation, report);
        responses(operation, report);
        parameters(operation, &operations, &base.variables, &references, report);
    }
    config.routes.add(&base.shape, &operations, report);
    let schemes = schemes(root, report);
    schemes.check(root, &operations, report);
    if root.get("securityDefinitions").is_some() {
        security_extension(root, &schemes, report);
    } else if let Some(entry) = root.entry("x-security") {
        let text = "`x-security` is ignored, since the document has no `securityDefinitions`";
        report.at(&rules::UNDEFINED_SECURITY, entry.at, text);
    }
    for operation in &operations.all {
        security_extension(operation.node, &schemes, report);
    }
    google::check(root, &operations, &mut config.management, report);
    extensions::check(root, report);
}

fn host(root: &Node, report: &mut Report) {
    let Some(node) = root.get("host") else {
        return;
    };
    let Some(host) = node.text() else {
        return;
    };
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
        let text = format!("`host` must have no port: write `{}`", excerpt(name));
        report.at(&rules::HOST, node.at, text);
    } else if host.is_empty() || host.contains(['/', ':', '[', ']']) || !is_uri(host) {
        let shown = excerpt(host);
        let text = format!("`host` must be the name of a host alone, not `{shown}`");
        report.at(&rules::HOST, node.at, text);
    }
}

/// Checks the base path, which precedes each path.
fn base_path<'t>(root: &'t Node, report: &mut Report) -> Template<'t> {
    let Some(node) = root.get("basePath") else {
        return Template::default();
    };
    let text = node.text().unwrap_or("/");
    let shown = excerpt(text);
    if !text.starts_with('/') {
        let text = format!("`basePath` must begin with `/`, not `{shown}`");
        report.at(&rules::INVALID_VALUE, node.at, text);
        return Template::default();
    }
    Template::read(text).unwrap_or_else(|why| {
        let text = format!("the base path `{shown}` {why}");
        report.at(&rules::PATH_TEMPLATE, node.at, text);
        Template::default()
    })
}

/// Checks that no two documents of a config have the same API name and major version. The converter builds the name of an API
/// from both.
fn api_name(root: &Node, config: &mut Config, report: &mut Report) {
    let given = root.get("x-google-api-name");
    if let Some(node) = given {
        let text = node.text().unwrap_or_default();
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let valid = (1..=40).contains(&text.len())
            && text.starts_with(|char: char| char.is_ascii_lowercase())
            && text.bytes().all(fits);
        // The converter treats an empty name as unset.
        if !valid && node.text() != Some("") {
            let text = format!(
                "`x-google-api-name` must be 1 to 40 characters of a-z and 0-9, and begin with a letter, not {}",
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
    // In a version of three parts, such as `1.2.3`, the first part is the major version. Any other version is used whole.
    let mut parts = version_text.split('.').filter(|part| !part.is_empty());
    let major = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(major), Some(_), Some(_), None) => major,
        _ => version_text,
    };
    let place = report.location(version.at);
    // The converter replaces each character except letters and digits (and `.` in a version) by `_`. So two names that differ
    // only in such characters are the same.
    let clean = |text: &str, kept: &str| {
        text.replace(
            |char: char| !char.is_ascii_alphanumeric() && !kept.contains(char),
            "_",
        )
    };
    let key = (clean(name, ""), clean(major, "."));
    if let Some(first) = config.api_names.get(&key) {
        let (name, major) = (excerpt(name), excerpt(major));
        let text = format!(
            "duplicate version `{major}` of the API `{name}`, first at {first}: set another `version`, or an \
             `x-google-api-name` in each document"
        );
        report.at(&rules::API_NAME, version.at, text);
    } else {
        config.api_names.insert(key, place);
    }
}

/// Returns the name of the definition that a reference points to. A plain name refers to a definition too.
fn definition_name(text: &str) -> Option<String> {
    let name = text.strip_prefix(DEFINITIONS).unwrap_or(text);
    if name.starts_with(['#', '.', '/']) || name.starts_with("http") {
        return None;
    }
    let decoded = percent_decode_str(name).decode_utf8_lossy();
    Some(decoded.replace("~1", "/").replace("~0", "~"))
}

fn references(root: &Node, references: &References<'_>, followed: &Followed, report: &mut Report) {
    let definitions = root.get("definitions");
    for reference in &references.all {
        let (text, at) = (reference.text, reference.at);
        let shown = excerpt(text);
        let is_name = !text.contains(['#', '/', '.', ':']);
        if !text.starts_with('#') && !is_name {
            let text =
                format!("`$ref` must point into this document and begin with `#/`, not `{shown}`");
            report.at(&rules::EXTERNAL_REFERENCE, at, text);
            continue;
        }
        let schema = reference.place == Place::Schema;
        let address = std::ptr::from_ref(reference.node);
        let property = followed.properties.contains(&address);
        if schema && !is_name && !text.starts_with(DEFINITIONS) {
            if property || followed.models.contains(&address) {
                let text =
                    format!("`$ref` of a schema must begin with `{DEFINITIONS}`, not be `{shown}`");
                report.at(&rules::REFERENCE, at, text);
            } else {
                let text =
                    format!("`$ref` to `{shown}` is ignored: it must begin with `{DEFINITIONS}`");
                report.at(&rules::DANGLING_REFERENCE, at, text);
            }
            continue;
        }
        if property && definitions.is_none() {
            let text = format!("`$ref` points to `{shown}`, but the document has no `definitions`");
            report.at(&rules::REFERENCE, at, text);
            continue;
        }
        let named = || definition_name(text).and_then(|name| definitions?.get(&name));
        if references.target(reference).is_none() && !(schema && named().is_some()) {
            let text = format!("`$ref` to `{shown}` is ignored: the document has no such value");
            report.at(&rules::DANGLING_REFERENCE, at, text);
        }
    }
}

/// Returns the name of the method that the converter derives from an operation id.
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

/// Returns the name of the field that the converter derives from the name of a parameter or a property.
fn field_name(name: &str) -> String {
    let mut field = String::with_capacity(name.len() + 4);
    for char in name.chars() {
        if !char.is_ascii_alphanumeric() && char != '_' {
            continue;
        }
        if char.is_ascii_uppercase() && !field.is_empty() {
            field.push('_');
        }
        field.push(char.to_ascii_lowercase());
    }
    field
}

fn operation_id(operation: &Operation<'_>, report: &mut Report) {
    let node = operation.node.get("operationId");
    let id = node.map_or(Some(""), Node::text);
    let Some(id) =
        id.filter(|id| !id.contains(|char: char| char.is_ascii_alphanumeric() || char == '_'))
    else {
        return;
    };
    let (method, path) = (operation.method.to_uppercase(), excerpt(operation.path));
    if id.is_empty() {
        let text = format!("{method} `{path}` must have an `operationId`");
        report.at(&rules::OPERATION_ID, operation.at, text);
    } else {
        let text = format!(
            "`operationId` must have a letter, a digit or `_`, not be `{}`",
            excerpt(id)
        );
        report.at(
            &rules::OPERATION_ID,
            node.map_or(operation.at, |node| node.at),
            text,
        );
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

/// Checks that each variable of the path has a parameter, and that the parameters of an operation have different names.
fn parameters<'t>(
    operation: &Operation<'t>,
    operations: &Operations<'t>,
    base: &[&'t str],
    references: &References<'t>,
    report: &mut Report,
) {
    let mut has_unknown_name = false;
    let mut read = |owner: &'t Node| {
        let mut parameters = Vec::new();
        for item in owner.get("parameters").map(Node::items).unwrap_or_default() {
            // The converter ignores a reference without a target.
            let Some(node) = references.follow(item) else {
                continue;
            };
            match (node.text_of("name"), node.text_of("in")) {
                (Some(name), Some(place)) => parameters.push(Parameter { name, place, item }),
                // An empty mapping counts as a reference without a target. Any other item may be a parameter whose name is
                // not known.
                _ => has_unknown_name |= !node.entries().is_empty(),
            }
        }
        parameters
    };
    let (own, shared) = (read(operation.node), read(operation.path_item));
    let overridden: HashSet<_> = own.iter().map(Parameter::key).collect();
    let shared = shared
        .iter()
        .filter(|parameter| !overridden.contains(&parameter.key()));
    let all: Vec<_> = shared.chain(&own).collect();
    let mut fields: HashMap<String, &Parameter<'_>> = HashMap::new();
    for parameter in &all {
        let field = field_name(parameter.name);
        if let Some(first) = fields.get(&field) {
            same_field(first, parameter, &field, report);
        } else {
            fields.insert(field, parameter);
        }
    }
    let Some(template) = operation.template.filter(|_| !has_unknown_name) else {
        return;
    };
    let names: HashSet<_> = all.iter().map(|parameter| parameter.name).collect();
    for variable in base.iter().chain(&operations.templates[template].variables) {
        if !names.contains(variable) {
            let variable = excerpt(variable);
            let text = format!(
                "`{{{variable}}}` of the path must be a parameter: add one with `name: {variable}` and `in: path`"
            );
            report.at(&rules::PATH_PARAMETER, operation.at, text);
        }
    }
}

/// A parameter of an operation.
#[derive(Debug)]
struct Parameter<'t> {
    name: &'t str,
    place: &'t str,
    /// The parameter as written: it may be a reference.
    item: &'t Node,
}

impl<'t> Parameter<'t> {
    fn key(&self) -> (&'t str, &'t str) {
        (self.name, self.place)
    }

    fn reference(&self) -> Option<&'t str> {
        self.item.text_of("$ref")
    }
}

/// Reports two parameters for which the converter derives the same field name.
fn same_field(first: &Parameter<'_>, second: &Parameter<'_>, field: &str, report: &mut Report) {
    let (name, place) = (excerpt(second.name), excerpt(second.place));
    if first.key() == second.key()
        && first.reference() == second.reference()
        && first.reference().is_some()
    {
        // The check of the shape reports the duplicate item.
        return;
    }
    // In the converter, a reference replaces another parameter of the same name.
    if first.name == second.name && (first.reference().is_some() || second.reference().is_some()) {
        return;
    }
    let text = if first.key() == second.key() {
        format!("duplicate parameter `{name}` with `in: {place}`")
    } else {
        let (first_name, first_place) = (excerpt(first.name), excerpt(first.place));
        format!(
            "the service reads the parameters `{first_name}` (`in: {first_place}`) and `{name}` (`in: {place}`) as one \
             field `{}`: rename one",
            excerpt(field)
        )
    };
    report.at(&rules::DUPLICATE_PARAMETER, second.item.at, text);
}

/// Checks the security definitions, and returns the kind of each scheme.
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

/// Checks the extensions of a scheme that uses tokens.
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
                let text = format!("`{}` must be a string, not {is}", entry.key);
                report.at(&rules::EXTENSION, entry.value.at, text);
            }
        }
    }
}

/// Checks `x-security`: a list of mappings from token schemes to their audiences.
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
            let audiences = entry.value.get("audiences").and_then(Node::list);
            let texts = |items: &[Rc<Node>]| items.iter().all(|item| item.key().is_some());
            if !audiences.is_some_and(texts) {
                let text = format!("`{name}` in `x-security` must have a list of `audiences`");
                report.at(&rules::EXTENSION, entry.at, text);
            }
            if index == 1 {
                let text = format!(
                    "`{name}` is required together with another token scheme: put each scheme into its own item"
                );
                report.at(&rules::SECURITY_CONJUNCTION, entry.at, text);
            }
        }
    }
}
