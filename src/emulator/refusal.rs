//! The emulator's errors, with details.
//!
//! The details are those that AIP-193 asks for. No record of the service has them, so they are in the domain of the
//! service, by which [`Details`](super::Details) knows them. A quota's are documented in `google/api/error_reason.proto`.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, QuotaViolation, StatusExt as _};

use super::limits::Limit;
use super::place::project;

/// The name of the service, and the domain of those errors whose details are our invention.
pub(super) const DOMAIN: &str = "apigateway.googleapis.com";

/// The domain of errors that Google's infrastructure answers for all services.
const GOOGLE: &str = "googleapis.com";

/// When to try again what others stand in the way of.
const RETRY: Duration = Duration::from_secs(1);

/// As many violations, and bytes of each, as the headers of a reply have room for.
const VIOLATIONS: usize = 10;
const VIOLATION: usize = 300;

/// An ErrorInfo whose metadata has what the message is about (AIP-193).
fn details(reason: &str, about: &[(&str, &str)]) -> ErrorDetails {
    let about = [("service", DOMAIN)].iter().chain(about);
    let metadata = about.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    ErrorDetails::with_error_info(reason, DOMAIN, metadata.collect::<HashMap<_, _>>())
}

fn of_resource(reason: &str, kind: &str, name: &str, text: &str) -> ErrorDetails {
    let mut details = details(reason, &[("kind", kind), ("resource", name)]);
    details.set_resource_info(kind, name, "", text);
    details
}

/// The beginning of a text of the client's, as far as the headers of a reply have room for it.
fn short(text: &str) -> String {
    match text.get(text.floor_char_boundary(VIOLATION)..) {
        Some(rest) if !rest.is_empty() => format!("{}…", text.strip_suffix(rest).unwrap_or(text)),
        _ => text.to_owned(),
    }
}

pub(super) fn not_found(kind: &str, name: &str) -> Status {
    let name = &short(name);
    let text = format!("{kind} \"{name}\" not found");
    let details = of_resource("RESOURCE_NOT_FOUND", kind, name, &text);
    Status::with_error_details(Code::NotFound, text, details)
}

/// NOT_FOUND for a location, with the ids of those that exist.
pub(super) fn unknown_location(name: &str, known: &[&str]) -> Status {
    let name = &short(name);
    let text = format!(
        "Location \"{name}\" not found; the locations are {}",
        known.join(", ")
    );
    let details = of_resource("RESOURCE_NOT_FOUND", "Location", name, &text);
    Status::with_error_details(Code::NotFound, text, details)
}

pub(super) fn already_exists(kind: &str, name: &str) -> Status {
    let text = format!("{kind} \"{name}\" already exists");
    let details = of_resource("RESOURCE_ALREADY_EXISTS", kind, name, &text);
    Status::with_error_details(Code::AlreadyExists, text, details)
}

pub(super) fn busy(kind: &str, name: &str, operation: &str) -> Status {
    let text = format!("{kind} \"{name}\" has an operation in progress: {operation}");
    let about = [("kind", kind), ("resource", name), ("operation", operation)];
    aborted(details("RESOURCE_BUSY", &about), kind, name, text)
}

/// For a change to what was read before somebody else changed it.
pub(super) fn changed(kind: &str, name: &str) -> Status {
    let text = format!("the policy of {kind} \"{name}\" has changed since it was read");
    let about = [("kind", kind), ("resource", name)];
    aborted(details("ETAG_MISMATCH", &about), kind, name, text)
}

fn aborted(mut details: ErrorDetails, kind: &str, name: &str, text: String) -> Status {
    details.set_resource_info(kind, name, "", &text);
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
        violation.field = short(&violation.field);
    }
    let each = fields.iter();
    let each = each.map(|violation| format!("{}: {}", violation.field, violation.description));
    let text = each.collect::<Vec<_>>().join("; ");
    let mut details = details("INVALID_ARGUMENT", &[]);
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

/// For one resource more than a quota allows.
pub(super) fn over_quota(collection: &str, parent: &str, limit: Limit) -> Status {
    let Limit { most, id, things } = limit;
    let project = project(parent);
    let text = format!("quota '{id}' exceeded: {parent} can have at most {most} {things}");
    let metric = format!("{DOMAIN}/{collection}");
    let metadata = [
        ("consumer", format!("projects/{project}")),
        ("service", DOMAIN.to_owned()),
        ("quota_metric", metric.clone()),
        ("quota_limit", id.to_owned()),
        ("quota_limit_value", most.to_string()),
        ("parent", parent.to_owned()),
    ];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
    let mut details =
        ErrorDetails::with_error_info("RESOURCE_QUOTA_EXCEEDED", GOOGLE, HashMap::from(metadata));
    let mut violation = QuotaViolation::new(format!("project:{project}"), &text);
    violation.api_service = DOMAIN.to_owned();
    violation.quota_metric = metric;
    violation.quota_id = id.to_owned();
    violation.quota_value = i64::try_from(most).unwrap_or(i64::MAX);
    details.set_quota_failure(vec![violation]);
    Status::with_error_details(Code::ResourceExhausted, text, details)
}

pub(super) fn unreachable(location: &str) -> Status {
    let text = format!("the location {location} does not answer");
    let mut details = details("LOCATION_UNREACHABLE", &[("location", location)]);
    details.set_retry_info(Some(RETRY));
    Status::with_error_details(Code::Unavailable, text, details)
}

/// For a request that is refused before it is routed. The service has no such errors.
pub(super) fn no_access(code: Code, reason: &str, text: &str) -> Status {
    Status::with_error_details(code, text, details(reason, &[]))
}

/// For a request above a number of bytes. Code and words are those of Google's services.
pub(super) fn too_large(most: usize) -> Status {
    let text = format!("Request payload size exceeds the limit: {most} bytes.");
    let details = details("REQUEST_TOO_LARGE", &[("limit", &most.to_string())]);
    Status::with_error_details(Code::InvalidArgument, text, details)
}

pub(super) fn no_cancelling() -> Status {
    let text = "this operation cannot be cancelled";
    let details = details("CANCELLING_NOT_SUPPORTED", &[]);
    Status::with_error_details(Code::Unimplemented, text, details)
}

/// What an operation ends with that was cancelled. It has no details: the official Node client cannot read an
/// operation over REST whose error has any, and cancelling is nothing unusual.
pub(super) fn cancelled() -> Status {
    Status::cancelled("the operation was cancelled")
}
