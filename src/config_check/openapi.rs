//! An OpenAPI 2.0 document: what of it the service reads.

use super::fields::{Fields, one_of, wrong};
use super::findings::{Findings, excerpt};
use super::node::{Kind, Node};
use super::paths::{Ids, Paths};
use super::reference::References;
use super::{backend, security};

const SCHEMES: [&str; 4] = ["http", "https", "ws", "wss"];

/// Checks a document; the ids are those of the documents before it.
pub(super) fn check(root: &Node, ids: &mut Ids, findings: &mut Findings) {
    let what = "an OpenAPI document";
    let Some(document) = Fields::of(root, root.at, what, findings) else {
        return;
    };
    if !is_version_2(document, findings) {
        return;
    }
    let references = References::read(root, findings);
    info(document, findings);
    address(document, findings);
    backend::check(document, findings);
    for key in ["definitions", "parameters", "responses"] {
        document.fields(key, findings);
    }
    let definitions = security::define(document, findings);
    security::check(document, definitions, findings);
    if document.needed("paths", findings).is_some()
        && let Some(fields) = document.fields("paths", findings)
    {
        let mut paths = Paths {
            references: &references,
            definitions,
            ids,
            findings,
        };
        paths.check(fields);
    }
}

/// Whether the rest can be read by the rules of OpenAPI 2.0.
fn is_version_2(document: Fields<'_>, findings: &mut Findings) -> bool {
    let Some(entry) = document.map.entry("swagger") else {
        let Some(entry) = document.map.entry("openapi") else {
            document.needed("swagger", findings);
            return true;
        };
        let text = "only OpenAPI 2.0 is read here, with `swagger: \"2.0\"`";
        findings.at(entry.at, text);
        return false;
    };
    match &entry.value.kind {
        Kind::Text(version) if version == "2.0" => return true,
        Kind::Text(version) => {
            let version = excerpt(version);
            let text = format_args!("`swagger` must be \"2.0\", and is `{version}`");
            findings.at(entry.value.at, text);
        }
        Kind::Number(number, _) if *number == 2.0 => {
            wrong(&entry.value, "swagger", "a text", findings);
            return true;
        }
        _ => wrong(&entry.value, "swagger", "the text \"2.0\"", findings),
    }
    false
}

fn info(document: Fields<'_>, findings: &mut Findings) {
    if document.needed("info", findings).is_some()
        && let Some(info) = document.fields("info", findings)
    {
        for key in ["title", "version"] {
            info.needed(key, findings);
            info.text(key, findings);
        }
    }
}

fn address(document: Fields<'_>, findings: &mut Findings) {
    if let Some((host, at)) = document.text("host", findings)
        && host.contains(['/', '?', '#', '@', ' '])
    {
        let host = excerpt(host);
        let text = format_args!("`host` must be a host alone, and is `{host}`");
        findings.at(at, text);
    }
    if let Some((path, at)) = document.text("basePath", findings)
        && !path.starts_with('/')
    {
        let path = excerpt(path);
        let text = format_args!("`basePath` must begin with `/`, and is `{path}`");
        findings.at(at, text);
    }
    for item in document.items("schemes", findings) {
        match item.text() {
            Some(scheme) => one_of(scheme, item.at, "schemes", &SCHEMES, findings),
            None => wrong(item, "schemes", "a list of texts", findings),
        }
    }
}
