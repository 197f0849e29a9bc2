//! `x-google-backend`: where requests go.

use http::Uri;

use super::fields::{Fields, one_of, wrong};
use super::findings::{Findings, excerpt};
use super::node::Kind;

pub(super) const KEY: &str = "x-google-backend";

const KEYS: [&str; 6] = [
    "address",
    "deadline",
    "disable_auth",
    "jwt_audience",
    "path_translation",
    "protocol",
];
const SCHEMES: [&str; 4] = ["http", "https", "grpc", "grpcs"];
const TRANSLATIONS: [&str; 2] = ["APPEND_PATH_TO_ADDRESS", "CONSTANT_ADDRESS"];
const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];

/// Checks the extension of a document or an operation, if it is there.
pub(super) fn check(owner: Fields<'_>, findings: &mut Findings) {
    let Some(backend) = owner.fields(KEY, findings) else {
        return;
    };
    // Its keys are fixed: what is misspelled here would send requests elsewhere.
    for entry in backend.map.entries() {
        if !KEYS.contains(&&*entry.key) {
            let key = excerpt(&entry.key);
            findings.at(entry.at, format_args!("`{key}` is not known in `{KEY}`"));
        }
    }
    if backend.needed("address", findings).is_some()
        && let Some((address, at)) = backend.text("address", findings)
        && !is_address(address)
    {
        let address = excerpt(address);
        findings.at(
            at,
            format_args!(
                "`address` must be a URL of http, https, grpc or grpcs, and is `{address}`"
            ),
        );
    }
    if let Some(node) = backend.map.get("deadline") {
        match node.kind {
            Kind::Number(seconds, _) if seconds > 0.0 && seconds.is_finite() => {}
            _ => wrong(node, "deadline", "a number of seconds above 0", findings),
        }
    }
    for (key, known) in [
        ("path_translation", TRANSLATIONS.as_slice()),
        ("protocol", PROTOCOLS.as_slice()),
    ] {
        if let Some((text, at)) = backend.text(key, findings) {
            one_of(text, at, key, known, findings);
        }
    }
    backend.text("jwt_audience", findings);
    if let Some(entry) = backend.map.entry("disable_auth") {
        if !matches!(entry.value.kind, Kind::Bool(_)) {
            wrong(&entry.value, "disable_auth", "a boolean", findings);
        } else if backend.map.get("jwt_audience").is_some() {
            let text = "`disable_auth` and `jwt_audience` exclude each other";
            findings.at(entry.at, text);
        }
    }
}

fn is_address(address: &str) -> bool {
    let Ok(uri) = address.parse::<Uri>() else {
        return false;
    };
    let scheme = uri
        .scheme_str()
        .is_some_and(|scheme| SCHEMES.contains(&scheme));
    scheme && uri.host().is_some_and(|host| !host.is_empty())
}
