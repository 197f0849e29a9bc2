//! Checks the files of an API config without the service: OpenAPI documents, descriptor sets and service configurations.
//!
//! [`check`] reads the files as the service does, and returns a [`Diagnostic`] for each error or warning, with its file,
//! line and column. [`load_openapi`] and [`load_grpc`] read files from paths, and recognize their kinds as `gcloud` does.
//! This module makes no calls. The emulator uses the same checks.
//!
//! ```
//! use apigateway_grpc::config_check::{check, Severity};
//! use apigateway_grpc::model::ApiConfig;
//!
//! let document = "swagger: '2.0'\ninfo: {title: Shop, version: 1.0}\npaths: {}\n";
//! let found = check(&ApiConfig::from_openapi("shop.yaml", document));
//! assert_eq!(
//!     found[0].to_string(),
//!     "shop.yaml:2:30: `version` must be a string, not the number 1.0: put it in quotes"
//! );
//! assert_eq!((found[0].severity, found[0].rule), (Severity::Error, "invalid-value"));
//! ```
//!
//! # What is checked
//!
//! The rules for OpenAPI 2.0 are those of the service's documentation and of its published converter
//! (`googleapis/api-compiler`). If the two differ, the documentation takes precedence. The rules for OpenAPI 3.0 and 3.1 are
//! those of the documentation alone. Where these sources have no rule, a document is accepted, with or without a warning. In
//! particular:
//!
//! - A `.json` file is JSON, and a `.yaml` or `.yml` file is YAML 1.2 with merge keys. Some words, such as `yes`, are booleans
//!   in YAML 1.1 and strings in YAML 1.2. They are accepted as both, since the service and its tools read them differently.
//! - The last value of a duplicate key is used, and only the first document of a file is read, as in the converter. Both
//!   are warnings.
//! - A config has at most 50 files with 10 MiB in all, and 2,000,000 values. An aliased value counts once at each use. A
//!   document has at most 200 aliases, and values are nested at most 100 deep. The service documents the limits on files, bytes and aliases.
//!   The limits on values and on nesting are ours: they keep time and memory within bounds.
//! - A config may have no host, or several hosts. The converter accepts both if its caller passes the name of the service, as
//!   API Gateway does.
//! - Parameters and bodies may have any type, as the documentation says. The converter rejects some types, such as files
//!   and lists of lists.
//! - The converter derives the name of a field from each parameter of an operation and from each property of a schema: in
//!   snake case, with letters, digits and `_` only. So two parameters of an operation, or two properties of a schema, must not
//!   have the same field name, such as `X-Id` and `xId`.
//! - A `pattern` must be a regular expression of ECMA-262, of any version. The converter rejects the syntax of newer
//!   versions, such as `(?<=a)`. The service does not enforce patterns.
//! - Schemas of OpenAPI 3.x are not checked.
//!
//! # Errors of the call and of the operation
//!
//! The call fails with INVALID_ARGUMENT if the config has no files, mixes kinds of files, or exceeds the limits. If the files
//! have errors, the operation fails, and its metadata has the diagnostics. The documentation does not distinguish the two
//! cases. We infer them from the field `diagnostics` of `OperationMetadata`, which would have no use otherwise.

#[cfg(all(feature = "emulator", feature = "rest"))]
mod as_json;
mod backend;
mod diagnostic;
mod document;
mod extensions;
mod grpc;
mod json;
mod load;
mod node;
mod openapi2;
mod openapi3;
mod operations;
mod pattern;
mod references;
mod rules;
mod scalar;
mod security;
pub(crate) mod shape;
mod structure;
mod template;
mod yaml;

use std::collections::HashMap;

use crate::proto::google::cloud::apigateway::v1::ApiConfig;

#[cfg(all(feature = "emulator", feature = "rest"))]
pub(crate) use as_json::as_json;
pub use diagnostic::{Diagnostic, Position, Severity};
pub use load::{FileKind, LoadError, load_grpc, load_openapi};
#[cfg(feature = "emulator")]
pub(crate) use structure::check as structure;

use diagnostic::{Report, excerpt};
use grpc::Services;
use node::{Kind, MAX_VALUES, Node};
use operations::Routes;

/// The properties that the documents of a config must share, or that must be unique among them.
#[derive(Debug, Default)]
struct Config {
    routes: Routes,
    /// Position of `info.version`, by API name and major version, for the error about a duplicate.
    api_names: HashMap<(String, String), String>,
    /// Metrics and quotas of OpenAPI 2.0.
    management: openapi2::Management,
    /// The endpoint of the first OpenAPI 3.x document (`None` if it sets none), and its position.
    endpoint: Option<(Option<String>, String)>,
}

/// Checks all files of a config. Returns errors and warnings, by file and position.
///
/// At most 100 errors and 100 warnings are returned. If there are more errors, a diagnostic at the end has the number of the
/// others. The same applies to warnings. The time is linear in the size of the files.
///
/// ```
/// use apigateway_grpc::config_check::{Diagnostic, check};
/// use apigateway_grpc::model::ApiConfig;
///
/// let document = "\
/// swagger: '2.0'
/// info: {title: Shop, version: '1'}
/// x-google-backend: {address: 'http://shop.example'}
/// paths: {}
/// ";
/// let config = ApiConfig::from_openapi("shop.yaml", document);
/// let found = check(&config);
/// // The service accepts a config with warnings only.
/// assert!(!found.iter().any(Diagnostic::is_error));
/// assert_eq!(
///     found[0].to_string(),
///     "shop.yaml:3:29: requests to `http://shop.example` are sent without encryption: use https"
/// );
/// ```
#[must_use]
pub fn check(config: &ApiConfig) -> Vec<Diagnostic> {
    if let Err(violations) = structure::check(config) {
        let violations = violations.into_iter().map(|violation| Diagnostic {
            file: violation.field,
            position: None,
            severity: Severity::Error,
            rule: rules::CONFIG,
            message: violation.description,
            link: None,
        });
        return violations.collect();
    }
    check_files(config)
}

/// Checks the contents of the files.
pub(crate) fn check_files(config: &ApiConfig) -> Vec<Diagnostic> {
    let mut report = Report::default();
    let mut allowance = MAX_VALUES;
    let (mut shared, mut services) = (Config::default(), Services::default());
    // The service merges the service configurations, so only one of them needs the name of the service.
    let (mut unnamed, mut named) = (None, false);
    for (kind, _, file) in structure::files(config) {
        let Some(file) = file else {
            continue;
        };
        report.begin(&file.path);
        match kind {
            structure::Kind::Descriptors => services.add(&file.contents, &mut report),
            structure::Kind::OpenApi => {
                let root =
                    document::openapi(&file.path, &file.contents, &mut allowance, &mut report);
                if let Some(root) = root {
                    openapi(&root, &mut shared, &mut report);
                }
            }
            structure::Kind::ServiceConfig => {
                let (path, contents) = (&file.path, &file.contents);
                match document::service_config(path, contents, &mut allowance, &mut report) {
                    Some(root) => named |= grpc::service_config(&root, &services, &mut report),
                    // The unreadable file may have the name.
                    None => named = true,
                }
                unnamed.get_or_insert(path);
            }
        }
    }
    if let Some(path) = unnamed
        && !named
    {
        report.begin(path);
        let text = "missing field `name`: one of the service configurations must name the service";
        report.whole(&rules::SERVICE_CONFIG, text);
    }
    report.into_diagnostics()
}

/// Checks a document by the rules of its version.
fn openapi(root: &Node, config: &mut Config, report: &mut Report) {
    let Some(map) = root.map() else {
        let text = format!("an OpenAPI document must be a mapping, not {}", root.what());
        report.at(&rules::VERSION, root.at, text);
        return;
    };
    let right = "`swagger: \"2.0\"`, `openapi: 3.0.x` or `openapi: 3.1.x`";
    match (map.get("swagger"), map.get("openapi")) {
        (Some(node), _) => match &node.kind {
            Kind::Text(version) if &**version == "2.0" => openapi2::check(root, config, report),
            // `openapi2::check` reports that the version must be a string.
            Kind::Number(2.0, _) => openapi2::check(root, config, report),
            _ => {
                let text = format!("`swagger` must be \"2.0\", not {}", node.what());
                report.at(&rules::VERSION, node.at, text);
            }
        },
        (None, Some(node)) => match &node.kind {
            Kind::Text(version) if is_version_3(version) => openapi3::check(root, config, report),
            _ => {
                let is = excerpt(&node.what());
                let text =
                    format!("`openapi` must be a version of 3.0 or 3.1 such as `3.0.4`, not {is}");
                report.at(&rules::VERSION, node.at, text);
            }
        },
        (None, None) => {
            let text = format!("the version is missing: write {right}");
            report.at(&rules::VERSION, root.at, text);
        }
    }
}

fn is_version_3(version: &str) -> bool {
    let patch = version
        .strip_prefix("3.0.")
        .or_else(|| version.strip_prefix("3.1."));
    patch.is_some_and(|patch| !patch.is_empty())
}
