//! The service configuration of gRPC services, of the type `google.api.Service`.

use super::Services;
use crate::config_check::diagnostic::{Report, excerpt};
use crate::config_check::node::Node;
use crate::config_check::rules;
use crate::config_check::shape::nearest;
use crate::contract::field_name::snake_case;
use crate::contract::service_fields::SERVICE_FIELDS;

const TYPE: &str = "google.api.Service";

/// Checks a file. Returns true if the file has the name of the service, or may have it. The service merges the files, so only
/// one of them needs the name.
pub(in crate::config_check) fn check(
    root: &Node,
    services: &Services,
    report: &mut Report,
) -> bool {
    let Some(map) = root.map() else {
        let text = format!(
            "a service configuration must be a mapping, not {}",
            root.what()
        );
        report.at(&rules::SERVICE_CONFIG, root.at, text);
        return true;
    };
    match map.get("type") {
        None => {
            let text = format!("missing field `type`: write `type: {TYPE}`");
            report.at(&rules::SERVICE_CONFIG, root.at, text);
        }
        Some(node) if node.text() == Some(TYPE) => {}
        Some(node) => {
            let text = format!("`type` must be `{TYPE}`, not {}", node.what());
            report.at(&rules::SERVICE_CONFIG, node.at, text);
        }
    }
    for entry in map.entries() {
        // The service accepts the names of the proto and those of its JSON form.
        let snake = snake_case(&entry.key);
        if !SERVICE_FIELDS.contains(&&*snake) {
            let mut text = format!(
                "unknown field `{}` in a service configuration",
                excerpt(&entry.key)
            );
            if let Some(near) = nearest(&entry.key, SERVICE_FIELDS.into_iter()) {
                text.push_str(&format!(": did you mean `{near}`?"));
            }
            report.at(&rules::SERVICE_CONFIG, entry.at, text);
        }
    }
    if let Some(apis) = map.get("apis") {
        if apis.list().is_none() {
            let text = format!("`apis` must be a list, not {}", apis.what());
            report.at(&rules::SERVICE_CONFIG, apis.at, text);
        }
        apis.items()
            .iter()
            .for_each(|api| self::api(api, services, report));
    }
    match map.get("name") {
        Some(node) if node.text().is_none_or(str::is_empty) => {
            let text = format!(
                "`name` must be the name of the service, not {}",
                node.what()
            );
            report.at(&rules::SERVICE_CONFIG, node.at, text);
            true
        }
        name => name.is_some(),
    }
}

fn api(api: &Node, services: &Services, report: &mut Report) {
    if api.map().is_none() {
        let text = format!("an API must be a mapping, not {}", api.what());
        report.at(&rules::SERVICE_CONFIG, api.at, text);
        return;
    }
    let Some(node) = api.get("name") else {
        report.at(
            &rules::SERVICE_CONFIG,
            api.at,
            "missing field `name` in an API",
        );
        return;
    };
    match node.text() {
        Some(name) if services.may_have(name) => {}
        Some(name) => {
            let text = format!("no descriptor set has the service `{}`", excerpt(name));
            report.at(&rules::SERVICE_CONFIG, node.at, text);
        }
        None => {
            let text = format!("`name` must be a string, not {}", node.what());
            report.at(&rules::SERVICE_CONFIG, node.at, text);
        }
    }
}
