//! Names of the extensions that the service reads.

use super::diagnostic::{Report, excerpt};
use super::node::{Kind, Node};
use super::rules;
use super::shape::nearest;

const PREFIX: &str = "x-google-";

const KNOWN: [&str; 20] = [
    "x-google-allow",
    "x-google-api-management",
    "x-google-api-name",
    "x-google-audiences",
    "x-google-auth",
    "x-google-backend",
    "x-google-backend-deadline",
    "x-google-backend-url",
    "x-google-deprecated",
    "x-google-endpoint",
    "x-google-endpoints",
    "x-google-experimental-authorization",
    "x-google-issuer",
    "x-google-jwks_uri",
    "x-google-jwt-locations",
    "x-google-management",
    "x-google-mcp-tool",
    "x-google-model-router",
    "x-google-parameter",
    "x-google-quota",
];

/// Reports misspelled extensions. It recurses at most to the depth of the document.
pub(super) fn check(node: &Node, report: &mut Report) {
    match &node.kind {
        Kind::List(items) => items.iter().for_each(|item| check(item, report)),
        Kind::Map(map) => {
            for entry in map.entries() {
                if entry.key.starts_with(PREFIX)
                    && !KNOWN.contains(&&*entry.key)
                    && let Some(known) = nearest(&entry.key, KNOWN.into_iter())
                {
                    let key = excerpt(&entry.key);
                    let text = format!("unknown extension `{key}`: did you mean `{known}`?");
                    report.at(&rules::UNKNOWN_EXTENSION, entry.at, text);
                }
                check(&entry.value, report);
            }
        }
        Kind::Null | Kind::Bool(_) | Kind::Number(..) | Kind::Text(_) => {}
    }
}
