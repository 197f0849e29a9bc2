//! Backends: where a gateway sends requests, in OpenAPI of any version.

use super::diagnostic::{Report, Rule, excerpt};
use super::node::{Entry, Kind, Node};
use super::rules;
use super::shape::{nearest, one_of};

const SCHEMES: [&str; 4] = ["http", "https", "grpc", "grpcs"];
const TRANSLATIONS: [&str; 2] = ["APPEND_PATH_TO_ADDRESS", "CONSTANT_ADDRESS"];
const PROTOCOLS: [&str; 2] = ["http/1.1", "h2"];

/// The names of a backend's fields, which differ between the versions of OpenAPI.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) address: &'static str,
    pub(super) audience: &'static str,
    pub(super) disable_auth: &'static str,
    pub(super) deadline: &'static str,
    pub(super) path_translation: &'static str,
    pub(super) protocol: &'static str,
    /// Rule for an invalid value.
    pub(super) invalid: &'static Rule,
    /// Rule for an unknown field.
    pub(super) unknown: &'static Rule,
}

/// Checks a backend, which is a mapping.
pub(super) fn check(backend: &Node, fields: &Fields, report: &mut Report) {
    let known = [
        fields.address,
        fields.audience,
        fields.disable_auth,
        fields.deadline,
        fields.path_translation,
        fields.protocol,
    ];
    for entry in backend.entries() {
        if !known.contains(&&*entry.key) && !entry.key.starts_with("x-") {
            let mut text = format!("unknown field `{}` in a backend", excerpt(&entry.key));
            if let Some(near) = nearest(&entry.key, known.into_iter()) {
                text.push_str(&format!(": did you mean `{near}`?"));
            }
            report.at(fields.unknown, entry.at, text);
        }
    }
    if let Some(entry) = backend.entry(fields.address) {
        address(entry, fields, report);
    }
    if let Some(node) = backend.get(fields.deadline) {
        deadline(node, fields, report);
    }
    for (field, words) in [
        (fields.path_translation, &TRANSLATIONS),
        (fields.protocol, &PROTOCOLS),
    ] {
        if let Some(node) = backend.get(field)
            && !node.text().is_some_and(|text| words.contains(&text))
        {
            let text = format!("`{field}` must be {}, not {}", one_of(words), node.what());
            report.at(fields.invalid, node.at, text);
        }
    }
    if let Some(node) = backend.get(fields.audience)
        && node.text().is_none()
    {
        let text = format!(
            "`{}` must be a string, not {}",
            fields.audience,
            node.what()
        );
        report.at(fields.invalid, node.at, text);
    }
    if let Some(entry) = backend.entry(fields.disable_auth) {
        let (disable_auth, audience) = (fields.disable_auth, fields.audience);
        match entry.value.boolean() {
            None => {
                let text = format!(
                    "`{disable_auth}` must be a boolean, not {}",
                    entry.value.what()
                );
                report.at(fields.invalid, entry.value.at, text);
            }
            Some(true) if backend.get(audience).is_some() => {
                let text =
                    format!("`{disable_auth}` and `{audience}` exclude each other: remove one");
                report.at(fields.invalid, entry.at, text);
            }
            Some(_) => {}
        }
    }
}

fn address(entry: &Entry, fields: &Fields, report: &mut Report) {
    let (field, node) = (fields.address, &entry.value);
    let Some(text) = node.text() else {
        let text = format!("`{field}` must be a URL, not {}", node.what());
        report.at(fields.invalid, node.at, text);
        return;
    };
    let shown = excerpt(text);
    let (scheme, rest) = match text.split_once("://") {
        Some(parts) => parts,
        None => {
            let message =
                format!("`{field}` has no scheme, so https is used: write `https://{shown}`");
            report.at(&rules::BACKEND, node.at, message);
            ("https", text)
        }
    };
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default();
    if !SCHEMES.contains(&scheme) || host.is_empty() || rest.contains(char::is_whitespace) {
        let text = format!(
            "`{field}` must be a URL of http, https, grpc or grpcs with a host, not `{shown}`"
        );
        report.at(fields.invalid, node.at, text);
    } else if matches!(scheme, "http" | "grpc") {
        let text = format!("requests to `{shown}` are sent without encryption: use {scheme}s");
        report.at(&rules::PLAIN_HTTP, node.at, text);
    }
}

fn deadline(node: &Node, fields: &Fields, report: &mut Report) {
    let field = fields.deadline;
    let seconds = match &node.kind {
        Kind::Number(seconds, _) => Some(*seconds),
        // The JSON form of a double may be a string.
        Kind::Text(text) => text.parse().ok(),
        _ => None,
    };
    match seconds {
        Some(seconds) if seconds.is_finite() && seconds > 0.0 => {}
        Some(seconds) if seconds.is_finite() => {
            let text = format!(
                "`{field}` {seconds} is not above 0, so the default is used: set a number of seconds above 0"
            );
            report.at(&rules::BACKEND, node.at, text);
        }
        _ => {
            let text = format!("`{field}` must be a number of seconds, not {}", node.what());
            report.at(fields.invalid, node.at, text);
        }
    }
}
