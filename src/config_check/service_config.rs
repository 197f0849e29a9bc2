//! The `google.api.Service` configuration that goes with descriptor sets.

use super::descriptors::Services;
use super::fields::Fields;
use super::findings::{Findings, excerpt};
use super::node::Node;

const TYPE: &str = "google.api.Service";

/// Checks a file, and gives whether it has the name of the service: one of a config's files must have it, since
/// the service merges them.
pub(super) fn check(root: &Node, services: &Services, findings: &mut Findings) -> bool {
    let Some(config) = Fields::of(root, root.at, "a service config", findings) else {
        return true;
    };
    if let Some((text, at)) = config.text("type", findings)
        && text != TYPE
    {
        let text = excerpt(text);
        findings.at(at, format_args!("`type` must be {TYPE}, and is `{text}`"));
    }
    for item in config.items("apis", findings) {
        let Some(api) = Fields::of(item, item.at, "an api", findings) else {
            continue;
        };
        if api.needed("name", findings).is_some()
            && let Some((name, at)) = api.text("name", findings)
            && !services.may_have(name)
        {
            let name = excerpt(name);
            findings.at(
                at,
                format_args!("no descriptor set has the service `{name}`"),
            );
        }
    }
    config.text("name", findings);
    config.map.entry("name").is_some()
}
