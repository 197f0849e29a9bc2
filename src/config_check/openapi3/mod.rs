//! OpenAPI 3.0 and 3.1, as the service documents it.
//!
//! The service's converter for 3.x is not published. A document is in error if the documentation says that it is
//! rejected, or if a field that the service reads contradicts the specification. Everything else is accepted, or its
//! diagnostic is a warning.

mod google;
mod shapes;

use std::collections::HashMap;

use super::diagnostic::{Report, excerpt};
use super::node::Node;
use super::operations::{Operations, check_ids};
use super::references::References;
use super::security::{Scheme, Schemes};
use super::shape::Shape;
use super::{Config, extensions, rules};

use shapes::{DIALECT, DOCUMENT_3_0, DOCUMENT_3_1};

/// Checks a document.
pub(super) fn check(root: &Node, config: &mut Config, report: &mut Report) {
    let is_3_0 = root
        .text_of("openapi")
        .is_some_and(|version| version.starts_with("3.0"));
    let shape = if is_3_0 { &DOCUMENT_3_0 } else { &DOCUMENT_3_1 };
    DIALECT.check(&Shape::Object(shape), "the document", root, report);
    let references = References::read(root);
    self::references(&references, report);
    let base = servers(root, config, report);
    let operations = Operations::read(root, &references, report);
    check_ids(&operations, str::to_owned, report);
    for operation in &operations.all {
        let (method, path) = (operation.method.to_uppercase(), excerpt(operation.path));
        if operation
            .node
            .text_of("operationId")
            .is_none_or(str::is_empty)
        {
            let text = format!("{method} `{path}` has no `operationId`");
            report.at(&rules::NO_OPERATION_ID, operation.at, text);
        }
        if is_3_0 && operation.node.get("responses").is_none() {
            let text = format!("missing field `responses` in {method} `{path}`");
            report.at(&rules::MISSING_FIELD_3, operation.at, text);
        }
    }
    config.routes.add(&base, &operations, report);
    schemes(root, &references, report).check(root, &operations, report);
    google::check(root, &operations, report);
    extensions::check(root, report);
}

fn references(references: &References<'_>, report: &mut Report) {
    for reference in &references.all {
        let (text, at) = (reference.text, reference.at);
        let shown = excerpt(text);
        if !text.starts_with('#') {
            let text =
                format!("`$ref` must point into this document and begin with `#/`, not `{shown}`");
            report.at(&rules::EXTERNAL_REFERENCE, at, text);
        } else if references.target(reference).is_none() {
            // Only JSON pointers are resolved here: `#name` is an anchor of JSON Schema.
            if text.starts_with("#/") {
                let text = format!("`$ref` points to `{shown}`, which is not in the document");
                report.at(&rules::REFERENCE, at, text);
            }
        } else if references.follow(reference.node).is_none() {
            let text =
                format!("`$ref` to `{shown}` is circular, or its chain of references is too long");
            report.at(&rules::CIRCULAR_REFERENCE, at, text);
        }
    }
}

/// Checks the servers. Returns the base path of the server that the service reads.
fn servers(root: &Node, config: &mut Config, report: &mut Report) -> String {
    const ENDPOINT: &str = "x-google-endpoint";
    let servers = root.get("servers").map(Node::items).unwrap_or_default();
    let mut endpoints = servers
        .iter()
        .filter(|server| server.get(ENDPOINT).is_some());
    let endpoint = endpoints.next();
    if let Some(second) = endpoints.next() {
        let text = format!("`{ENDPOINT}` must be in at most one server");
        report.at(&rules::SERVERS, second.at, text);
    }
    let (mut host, mut base) = (String::new(), String::new());
    if let Some(server) = endpoint {
        if let Some(node) = server.get(ENDPOINT)
            && node.map().is_none()
        {
            let text = format!("`{ENDPOINT}` must be a mapping, not {}", node.what());
            report.at(&rules::SERVERS, node.at, text);
        }
        if let Some(node) = server.get("url")
            && let Some(url) = node.text()
        {
            if let Some((_, rest)) = url.split_once("://") {
                let (name, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (host, base) = (name.to_owned(), path.to_owned());
            } else if url.starts_with('/') {
                url.clone_into(&mut base);
            } else {
                let url = excerpt(url);
                let text = format!(
                    "the URL of a server must have a scheme or begin with `/`, not be `{url}`"
                );
                report.at(&rules::SERVERS, node.at, text);
            }
        }
    }
    let endpoint_and_host = endpoint.map(|server| {
        let node = server.get(ENDPOINT);
        let settings = node.map(settings).unwrap_or_default();
        format!("{host} {settings}")
    });
    let at = endpoint.map_or(root.at, |server| server.at);
    match &config.endpoint {
        None => config.endpoint = Some((endpoint_and_host, report.location(at))),
        Some((first, _)) if *first == endpoint_and_host => {}
        Some((_, first)) => {
            let text = format!(
                "all documents must have the same `{ENDPOINT}` and host in `servers`, as at {first}"
            );
            report.at(&rules::SERVERS, at, text);
        }
    }
    base
}

/// Returns the settings of an endpoint as text. Equal settings have equal texts.
fn settings(node: &Node) -> String {
    let mut settings: Vec<_> = node
        .entries()
        .iter()
        .map(|entry| format!("{}={}", entry.key, entry.value.key().unwrap_or_default()))
        .collect();
    settings.sort_unstable();
    settings.join(" ")
}

/// Checks the security schemes, and returns the kind of each.
fn schemes<'t>(root: &'t Node, references: &References<'t>, report: &mut Report) -> Schemes<'t> {
    let mut kinds = HashMap::new();
    let schemes = root
        .get("components")
        .and_then(|components| components.get("securitySchemes"));
    for entry in schemes.map(Node::entries).unwrap_or_default() {
        let Some(node) = references.follow(&entry.value) else {
            kinds.insert(&*entry.key, Scheme::Unsupported);
            continue;
        };
        google::auth(node, report);
        let kind = match node.text_of("type") {
            Some("apiKey") => Scheme::ApiKey,
            Some("oauth2" | "openIdConnect") => Scheme::Token,
            Some("http") if node.get("x-google-auth").is_some() => Scheme::Token,
            _ => Scheme::Unsupported,
        };
        if kind == Scheme::Unsupported {
            let name = excerpt(&entry.key);
            let text = format!(
                "the service ignores `{name}`: it supports API keys, and tokens with `x-google-auth`"
            );
            report.at(&rules::UNSUPPORTED_SECURITY, entry.at, text);
        }
        kinds.insert(&*entry.key, kind);
    }
    Schemes {
        kinds,
        undefined: (&rules::SECURITY_3, "components.securitySchemes"),
    }
}
