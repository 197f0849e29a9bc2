//! `securityDefinitions`, and the `security` that names them.

use super::fields::{Fields, one_of, wrong};
use super::findings::{Findings, excerpt};
use super::node::Map;

const TYPES: [&str; 3] = ["apiKey", "basic", "oauth2"];

/// Checks the definitions of a document.
pub(super) fn define<'t>(document: Fields<'t>, findings: &mut Findings) -> Option<&'t Map> {
    let definitions = document.fields("securityDefinitions", findings)?;
    for entry in definitions.map.entries() {
        let what = format!("the security definition `{}`", excerpt(&entry.key));
        let definition = Fields::of(&entry.value, entry.at, &what, findings);
        if let Some(definition) = definition
            && definition.needed("type", findings).is_some()
            && let Some((text, at)) = definition.text("type", findings)
        {
            one_of(text, at, "type", &TYPES, findings);
        }
    }
    Some(definitions.map)
}

/// Checks what a document or an operation asks for, by the definitions.
pub(super) fn check(owner: Fields<'_>, definitions: Option<&Map>, findings: &mut Findings) {
    for item in owner.items("security", findings) {
        let Some(asked) = item.map() else {
            wrong(item, "security", "a list of mappings", findings);
            continue;
        };
        for entry in asked.entries() {
            if definitions.and_then(|map| map.entry(&entry.key)).is_none() {
                let key = excerpt(&entry.key);
                findings.at(
                    entry.at,
                    format_args!("`{key}` is not in `securityDefinitions`"),
                );
            }
        }
    }
}
