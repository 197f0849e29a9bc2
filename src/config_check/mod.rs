//! What is in the files of a config: OpenAPI documents, descriptor sets and service configs, read as the service
//! does, and told with file and line where they are wrong.
//!
//! It is a pure function of the config. Wrong files do not refuse the call that creates it; they fail its
//! operation.

mod backend;
mod descriptors;
mod fields;
mod findings;
mod node;
mod openapi;
mod parameters;
mod paths;
mod reference;
mod scalar;
mod security;
mod service_config;
mod structure;
mod template;
#[cfg(test)]
mod tests;
mod tree;

use crate::proto::google::cloud::apigateway::v1::ApiConfig;

pub(crate) use findings::Findings;
#[cfg(feature = "emulator")]
pub(crate) use structure::check as structure;

use descriptors::Services;
use paths::Ids;
use structure::Kind;

/// Reads all files of a config.
pub(crate) fn check(config: &ApiConfig) -> Findings {
    let mut findings = Findings::default();
    let mut allowance = tree::MOST_VALUES;
    let (mut ids, mut services) = (Ids::new(), Services::default());
    // The files of a service config are merged, and one of them has its name.
    let (mut unnamed, mut named) = (None, false);
    for (kind, _, file) in structure::files(config) {
        let Some(file) = file else {
            continue;
        };
        findings.file(&file.path);
        match kind {
            Kind::Descriptors => services.add(&file.contents, &mut findings),
            Kind::OpenApi => {
                if let Some(root) = tree::read(&file.contents, &mut allowance, &mut findings) {
                    openapi::check(&root, &mut ids, &mut findings);
                }
            }
            Kind::ServiceConfig => {
                match tree::read(&file.contents, &mut allowance, &mut findings) {
                    Some(root) => named |= service_config::check(&root, &services, &mut findings),
                    // It may be this one that has it.
                    None => named = true,
                }
                unnamed.get_or_insert(&file.path);
            }
        }
    }
    if let Some(path) = unnamed
        && !named
    {
        findings.file(path);
        findings.whole("`name` is missing");
    }
    findings
}
