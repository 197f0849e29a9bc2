//! The emulator's errors, with the details that the service gives.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// The domain of errors, and the name of the service.
pub(super) const DOMAIN: &str = "apigateway.googleapis.com";

/// When to try again what others stand in the way of.
const RETRY: Duration = Duration::from_secs(1);

/// As many violations, and bytes of each, as the headers of a reply have room for.
const VIOLATIONS: usize = 10;
const VIOLATION: usize = 300;

fn details(reason: &str) -> ErrorDetails {
    let service = ("service".to_owned(), DOMAIN.to_owned());
    ErrorDetails::with_error_info(reason, DOMAIN, HashMap::from([service]))
}

fn status(code: Code, reason: &str, text: &str) -> Status {
    Status::with_error_details(code, text, details(reason))
}

fn of_resource(reason: &str, kind: &str, name: &str, text: &str) -> ErrorDetails {
    let mut details = details(reason);
    details.set_resource_info(kind, name, "", text);
    details
}

pub(super) fn not_found(kind: &str, name: &str) -> Status {
    let text = format!("{kind} \"{name}\" not found");
    let details = of_resource("RESOURCE_NOT_FOUND", kind, name, &text);
    Status::with_error_details(Code::NotFound, text, details)
}

pub(super) fn already_exists(kind: &str, name: &str) -> Status {
    let text = format!("{kind} \"{name}\" already exists");
    let details = of_resource("RESOURCE_ALREADY_EXISTS", kind, name, &text);
    Status::with_error_details(Code::AlreadyExists, text, details)
}

pub(super) fn busy(kind: &str, name: &str, operation: &str) -> Status {
    let text = format!("{kind} \"{name}\" has an operation in progress: {operation}");
    aborted("RESOURCE_BUSY", kind, name, text)
}

/// For a change to what was read before somebody else changed it.
pub(super) fn changed(kind: &str, name: &str) -> Status {
    let text = format!("the policy of {kind} \"{name}\" has changed since it was read");
    aborted("ETAG_MISMATCH", kind, name, text)
}

fn aborted(reason: &str, kind: &str, name: &str, text: String) -> Status {
    let mut details = of_resource(reason, kind, name, &text);
    details.set_retry_info(Some(RETRY));
    Status::with_error_details(Code::Aborted, text, details)
}

pub(super) fn invalid(field: &str, why: &str) -> Status {
    invalid_fields(vec![FieldViolation::new(field, why)])
}

/// Several fields at once, all of them in the message.
pub(super) fn invalid_fields(mut fields: Vec<FieldViolation>) -> Status {
    fields.truncate(VIOLATIONS);
    for violation in &mut fields {
        let end = violation.description.floor_char_boundary(VIOLATION);
        violation.description.truncate(end);
    }
    let each = fields.iter();
    let each = each.map(|violation| format!("{}: {}", violation.field, violation.description));
    let text = each.collect::<Vec<_>>().join("; ");
    let mut details = details("INVALID_ARGUMENT");
    details.set_bad_request(fields);
    Status::with_error_details(Code::InvalidArgument, text, details)
}

/// For a resource that others need.
pub(super) fn in_use(kind: &str, name: &str, why: &str) -> Status {
    precondition("RESOURCE_IN_USE", kind, name, why)
}

/// For a resource that is not in the state that is needed.
pub(super) fn not_ready(kind: &str, name: &str, why: &str) -> Status {
    precondition("RESOURCE_NOT_READY", kind, name, why)
}

pub(super) fn no_account(kind: &str, name: &str, account: &str) -> Status {
    let why = match account {
        "" => "has no service account, and must have one that exists".to_owned(),
        account => format!("has the service account \"{account}\", which does not exist"),
    };
    precondition("SERVICE_ACCOUNT_NOT_FOUND", kind, name, &why)
}

fn precondition(reason: &str, kind: &str, name: &str, why: &str) -> Status {
    let text = format!("{kind} \"{name}\" {why}");
    let mut details = of_resource(reason, kind, name, &text);
    details.add_precondition_failure_violation(reason, name, why);
    Status::with_error_details(Code::FailedPrecondition, text, details)
}

pub(super) fn unreachable(location: &str) -> Status {
    let text = format!("the location {location} does not answer");
    let mut details = details("LOCATION_UNREACHABLE");
    details.set_retry_info(Some(RETRY));
    Status::with_error_details(Code::Unavailable, text, details)
}

/// For whoever may not ask at all.
pub(super) fn forbidden(text: &str) -> Status {
    status(Code::PermissionDenied, "FORBIDDEN", text)
}

/// For a request above a number of bytes. Code and words are those of Google's services.
pub(super) fn too_large(most: usize) -> Status {
    let text = format!("Request payload size exceeds the limit: {most} bytes.");
    status(Code::InvalidArgument, "REQUEST_TOO_LARGE", &text)
}

pub(super) fn no_cancelling() -> Status {
    let text = "this operation cannot be cancelled";
    status(Code::Unimplemented, "CANCELLING_NOT_SUPPORTED", text)
}

/// What an operation ends with that was cancelled. It has no details: the official Node client cannot read an
/// operation over REST whose error has any, and cancelling is nothing unusual.
pub(super) fn cancelled() -> Status {
    Status::cancelled("the operation was cancelled")
}
