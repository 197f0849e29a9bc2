//! The fields of a service configuration (`google.api.Service`).
//!
//! The build script also includes this file, so it imports nothing else of the crate.

/// The fields of `google/api/service.proto` in snake case, and `type`, with which a configuration in YAML begins.
pub(crate) const SERVICE_FIELDS: [&str; 32] = [
    "type",
    "name",
    "title",
    "producer_project_id",
    "id",
    "apis",
    "types",
    "enums",
    "documentation",
    "backend",
    "http",
    "quota",
    "authentication",
    "context",
    "usage",
    "endpoints",
    "control",
    "logs",
    "metrics",
    "monitored_resources",
    "billing",
    "logging",
    "monitoring",
    "system_parameters",
    "source_info",
    "publishing",
    "config_version",
    "visibility",
    "experimental",
    "features",
    "custom_error",
    "aspects",
];
