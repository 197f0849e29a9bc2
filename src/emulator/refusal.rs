//! The emulator's errors, with the details that the service gives.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// The domain of errors, and the name of the service.
pub(super) const DOMAIN: &str = "apigateway.googleapis.com";

fn details(reason: &str) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new())
}

fn about_resource(code: Code, reason: &str, kind: &str, name: &str, text: String) -> Status {
    let mut details = details(reason);
    details.set_resource_info(kind, name, "", &text);
    Status::with_error_details(code, text, details)
}

pub(super) fn not_found(kind: &str, name: &str) -> Status {
    let text = format!("{kind} \"{name}\" not found");
    about_resource(Code::NotFound, "RESOURCE_NOT_FOUND", kind, name, text)
}

pub(super) fn already_exists(kind: &str, name: &str) -> Status {
    let text = format!("{kind} \"{name}\" already exists");
    about_resource(
        Code::AlreadyExists,
        "RESOURCE_ALREADY_EXISTS",
        kind,
        name,
        text,
    )
}

pub(super) fn busy(kind: &str, name: &str, operation: &str) -> Status {
    let text = format!("{kind} \"{name}\" has an operation in progress: {operation}");
    about_resource(Code::Aborted, "RESOURCE_BUSY", kind, name, text)
}

pub(super) fn invalid(field: &str, why: &str) -> Status {
    invalid_fields(vec![FieldViolation::new(field, why)])
}

/// Several fields at once, all of them in the message.
pub(super) fn invalid_fields(fields: Vec<FieldViolation>) -> Status {
    let each = fields.iter();
    let each = each.map(|violation| format!("{}: {}", violation.field, violation.description));
    let text = each.collect::<Vec<_>>().join("; ");
    violated(text, fields)
}

/// Several fields at once, with a message of their own.
pub(super) fn violated(message: String, fields: Vec<FieldViolation>) -> Status {
    let mut details = details("INVALID_ARGUMENT");
    details.set_bad_request(fields);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

pub(super) fn in_use(kind: &str, name: &str, why: &str) -> Status {
    let text = format!("{kind} \"{name}\" {why}");
    about_resource(
        Code::FailedPrecondition,
        "RESOURCE_IN_USE",
        kind,
        name,
        text,
    )
}

/// For whoever may not ask at all.
pub(super) fn forbidden(text: &str) -> Status {
    Status::with_error_details(Code::PermissionDenied, text, details("FORBIDDEN"))
}
