//! Checks that a config has files of one kind, within the limits. A config that fails this check is rejected at once,
//! while errors in the files fail the operation.

use tonic_types::FieldViolation;

use crate::proto::google::cloud::apigateway::v1::ApiConfig;
use crate::proto::google::cloud::apigateway::v1::api_config::File;

/// Maximum number of violations that are returned.
const MAX_VIOLATIONS: usize = 20;

/// Maximum number of files of a config, and of bytes in all of them. The service documents both limits for OpenAPI 3.x.
/// Here they apply to every config.
const MAX_FILES: usize = 50;
const MAX_BYTES: usize = 10 << 20;

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    OpenApi,
    Descriptors,
    ServiceConfig,
}

/// Checks the number, the kinds and the size of the files.
///
/// # Errors
///
/// Returns the invalid fields of the config.
pub(crate) fn check(config: &ApiConfig) -> Result<(), Vec<FieldViolation>> {
    let why = match (
        config.openapi_documents.is_empty(),
        config.grpc_services.is_empty(),
        config.managed_service_configs.is_empty(),
    ) {
        (true, true, _) => "must have OpenAPI documents or gRPC services",
        (false, false, _) => "cannot have both OpenAPI documents and gRPC services",
        (true, false, true) => "needs a managed service config for its gRPC services",
        (false, true, false) => "cannot have managed service configs with OpenAPI documents",
        (false, true, true) | (true, false, false) => "",
    };
    if !why.is_empty() {
        return Err(whole(why));
    }
    check_size(config)?;
    let mut violations = Vec::new();
    for (_, field, file) in files(config) {
        if violations.len() >= MAX_VIOLATIONS {
            break;
        }
        let Some(file) = file else {
            violations.push(FieldViolation::new(field, "must be given"));
            continue;
        };
        if file.path.is_empty() {
            violations.push(FieldViolation::new(
                format!("{field}.path"),
                "must be given",
            ));
        }
        if file.contents.is_empty() {
            violations.push(FieldViolation::new(
                format!("{field}.contents"),
                "must be given",
            ));
        }
    }
    if violations.is_empty() {
        return Ok(());
    }
    Err(violations)
}

/// A violation of the config as a whole.
fn whole(why: impl Into<String>) -> Vec<FieldViolation> {
    vec![FieldViolation::new("api_config", why)]
}

/// Checks the number of files and their size.
fn check_size(config: &ApiConfig) -> Result<(), Vec<FieldViolation>> {
    let (mut count, mut bytes) = (0, 0_usize);
    for (_, _, file) in files(config) {
        count += 1;
        bytes = bytes.saturating_add(file.map_or(0, |file| file.contents.len()));
    }
    if count > MAX_FILES {
        let why = format!("has {count} files: must have at most {MAX_FILES}");
        return Err(whole(why));
    }
    if bytes > MAX_BYTES {
        let why = format!("has files of {bytes} bytes: must be at most {MAX_BYTES} in all");
        return Err(whole(why));
    }
    Ok(())
}

/// Returns the files, each with the field of the config that it is in. Descriptor sets come before the service
/// configurations that name their services.
pub(super) fn files(config: &ApiConfig) -> impl Iterator<Item = (Kind, String, Option<&File>)> {
    let documents = config.openapi_documents.iter().enumerate();
    let documents = documents.map(|(index, document)| {
        let field = format!("api_config.openapi_documents[{index}].document");
        (Kind::OpenApi, field, document.document.as_ref())
    });
    let sets = config.grpc_services.iter().enumerate();
    let sets = sets.map(|(index, service)| {
        let field = format!("api_config.grpc_services[{index}].file_descriptor_set");
        (
            Kind::Descriptors,
            field,
            service.file_descriptor_set.as_ref(),
        )
    });
    let configs = config.managed_service_configs.iter().enumerate();
    let configs = configs.map(|(index, file)| {
        let field = format!("api_config.managed_service_configs[{index}]");
        (Kind::ServiceConfig, field, Some(file))
    });
    documents.chain(sets).chain(configs)
}
