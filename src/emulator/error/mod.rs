//! The statuses of the emulator, with details.
//!
//! The details follow AIP-193. Those of an exceeded quota are documented in `google/api/error_reason.proto`, and those of a
//! message that cannot be decoded are those of Google's REST services. All other details in this module are our invention.
//! Their domain is the domain of the service, and [`Details`](super::Details) can remove them from the responses of the API. It
//! has no effect on the admin service, and on requests that are rejected before they are routed.

pub(super) mod details;
pub(super) mod violations;

use std::collections::HashMap;
use std::time::Duration;

use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, QuotaViolation, StatusExt as _, pb};

use crate::contract::Method;

/// The name of the service. It is the domain of the details that are our invention.
pub(super) const DOMAIN: &str = "apigateway.googleapis.com";

/// The domain of errors that Google's infrastructure returns for all services.
const GOOGLE: &str = "googleapis.com";

/// The retry delay of ABORTED, and of UNAVAILABLE for a location.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Maximum number of violations in an error, so that they fit into the headers of a response.
const MAX_VIOLATIONS: usize = 10;
/// Maximum number of bytes of the description of a violation, and of a text from the request that an error quotes.
const MAX_TEXT: usize = 300;

/// Returns an ErrorInfo whose metadata has the variables of the message (AIP-193).
fn details(reason: &str, about: &[(&str, &str)]) -> ErrorDetails {
    let about = [("service", DOMAIN)].iter().chain(about);
    let metadata = about.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    ErrorDetails::with_error_info(reason, DOMAIN, metadata.collect::<HashMap<_, _>>())
}

fn resource_details(reason: &str, kind: &str, name: &str, text: &str) -> ErrorDetails {
    let mut details = details(reason, &[("kind", kind), ("resource", name)]);
    details.set_resource_info(kind, name, "", text);
    details
}

/// Shortens a text from the request, so that it fits into the headers of a response.
fn truncate(text: &str) -> String {
    match text.get(text.floor_char_boundary(MAX_TEXT)..) {
        Some(rest) if !rest.is_empty() => format!("{}…", text.strip_suffix(rest).unwrap_or(text)),
        _ => text.to_owned(),
    }
}

pub(super) fn not_found(kind: &str, name: &str) -> Status {
    let name = &truncate(name);
    let text = format!("{kind} \"{name}\" not found");
    let details = resource_details("RESOURCE_NOT_FOUND", kind, name, &text);
    Status::with_error_details(Code::NotFound, text, details)
}

/// Returns NOT_FOUND for a location, with the ids of the existing locations.
pub(super) fn unknown_location(name: &str, known: &[&str]) -> Status {
    let name = &truncate(name);
    let text = format!(
        "Location \"{name}\" not found; the locations are {}",
        known.join(", ")
    );
    let details = resource_details("RESOURCE_NOT_FOUND", "Location", name, &text);
    Status::with_error_details(Code::NotFound, text, details)
}

pub(super) fn already_exists(kind: &str, name: &str) -> Status {
    let text = format!("{kind} \"{name}\" already exists");
    let details = resource_details("RESOURCE_ALREADY_EXISTS", kind, name, &text);
    Status::with_error_details(Code::AlreadyExists, text, details)
}

pub(super) fn busy(kind: &str, name: &str, operation: &str) -> Status {
    let text = format!("{kind} \"{name}\" has an operation in progress: {operation}");
    let about = [("kind", kind), ("resource", name), ("operation", operation)];
    aborted(details("RESOURCE_BUSY", &about), kind, name, text)
}

/// Returns ABORTED for a policy that was changed after the client had read it.
pub(super) fn etag_mismatch(kind: &str, name: &str) -> Status {
    let text = format!("the policy of {kind} \"{name}\" has changed since it was read");
    let about = [("kind", kind), ("resource", name)];
    aborted(details("ETAG_MISMATCH", &about), kind, name, text)
}

fn aborted(mut details: ErrorDetails, kind: &str, name: &str, text: String) -> Status {
    details.set_resource_info(kind, name, "", &text);
    details.set_retry_info(Some(RETRY_DELAY));
    Status::with_error_details(Code::Aborted, text, details)
}

pub(super) fn invalid(field: &str, why: &str) -> Status {
    invalid_fields(vec![FieldViolation::new(field, why)])
}

/// Returns INVALID_ARGUMENT for several invalid fields. The message names the first ones, at most `MAX_VIOLATIONS`.
pub(super) fn invalid_fields(mut fields: Vec<FieldViolation>) -> Status {
    fields.truncate(MAX_VIOLATIONS);
    for violation in &mut fields {
        let end = violation.description.floor_char_boundary(MAX_TEXT);
        violation.description.truncate(end);
        violation.field = truncate(&violation.field);
    }
    let each = fields.iter();
    let each = each.map(|violation| format!("{}: {}", violation.field, violation.description));
    let text = each.collect::<Vec<_>>().join("; ");
    let mut details = details("INVALID_ARGUMENT", &[]);
    details.set_bad_request(fields);
    Status::with_error_details(Code::InvalidArgument, text, details)
}

/// Returns FAILED_PRECONDITION for the deletion of a resource that is in use.
pub(super) fn in_use(kind: &str, name: &str, why: &str) -> Status {
    precondition("RESOURCE_IN_USE", kind, name, why)
}

/// Returns FAILED_PRECONDITION for a resource that is in the wrong state.
pub(super) fn not_ready(kind: &str, name: &str, why: &str) -> Status {
    precondition("RESOURCE_NOT_READY", kind, name, why)
}

pub(super) fn account_not_found(kind: &str, name: &str, account: &str) -> Status {
    let why = match account {
        "" => "has no service account; an existing service account is required".to_owned(),
        account => format!("has the service account \"{account}\", which does not exist"),
    };
    precondition("SERVICE_ACCOUNT_NOT_FOUND", kind, name, &why)
}

fn precondition(reason: &str, kind: &str, name: &str, why: &str) -> Status {
    let text = format!("{kind} \"{name}\" {why}");
    let mut details = resource_details(reason, kind, name, &text);
    details.add_precondition_failure_violation(reason, name, why);
    Status::with_error_details(Code::FailedPrecondition, text, details)
}

/// A limit on the number of resources that a create would exceed.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuotaExceeded<'q> {
    pub(super) project: &'q str,
    pub(super) parent: &'q str,
    pub(super) collection: &'q str,
    pub(super) limit: usize,
    /// The id of the quota.
    pub(super) id: &'q str,
    /// The plural of the kind.
    pub(super) things: &'q str,
}

pub(super) fn quota_exceeded(quota: &QuotaExceeded<'_>) -> Status {
    let QuotaExceeded {
        project,
        parent,
        collection,
        limit,
        id,
        things,
    } = *quota;
    let text = format!("quota '{id}' exceeded: {parent} can have at most {limit} {things}");
    let metric = format!("{DOMAIN}/{collection}");
    let metadata = [
        ("consumer", format!("projects/{project}")),
        ("service", DOMAIN.to_owned()),
        ("quota_metric", metric.clone()),
        ("quota_limit", id.to_owned()),
        ("quota_limit_value", limit.to_string()),
        ("parent", parent.to_owned()),
    ];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
    let mut details =
        ErrorDetails::with_error_info("RESOURCE_QUOTA_EXCEEDED", GOOGLE, HashMap::from(metadata));
    let mut violation = QuotaViolation::new(format!("project:{project}"), &text);
    violation.api_service = DOMAIN.to_owned();
    violation.quota_metric = metric;
    violation.quota_id = id.to_owned();
    violation.quota_value = i64::try_from(limit).unwrap_or(i64::MAX);
    details.set_quota_failure(vec![violation]);
    Status::with_error_details(Code::ResourceExhausted, text, details)
}

pub(super) fn unreachable(location: &str) -> Status {
    let text = format!("the location {location} is unreachable");
    let mut details = details("LOCATION_UNREACHABLE", &[("location", location)]);
    details.set_retry_info(Some(RETRY_DELAY));
    Status::with_error_details(Code::Unavailable, text, details)
}

/// Returns the status of a request that is rejected before it is routed. The service has no such errors.
pub(super) fn access_denied(code: Code, reason: &str, text: &str) -> Status {
    Status::with_error_details(code, text, details(reason, &[]))
}

/// Returns INVALID_ARGUMENT for a request above the size limit. Code and text are those of Google's services.
pub(super) fn request_too_large(most: usize) -> Status {
    let text = format!("Request payload size exceeds the limit: {most} bytes.");
    let details = details("REQUEST_TOO_LARGE", &[("limit", &most.to_string())]);
    Status::with_error_details(Code::InvalidArgument, text, details)
}

/// Returns UNIMPLEMENTED for a path that belongs to no method. The message lists the methods of the service, or all services if
/// the service is unknown.
pub(super) fn unknown_method(path: &str) -> Status {
    let all = Method::all().iter();
    let service = path.trim_start_matches('/').split('/').next();
    let service = service.unwrap_or_default();
    let own = all.clone().filter(|method| method.service == service);
    let methods: Vec<_> = own.map(Method::name).collect();
    let path = truncate(path);
    let known = if methods.is_empty() {
        let mut services: Vec<_> = all.map(Method::service).collect();
        services.dedup();
        format!("the services of the API are {}", services.join(", "))
    } else {
        format!("the methods of {service} are {}", methods.join(", "))
    };
    Status::unimplemented(format!("unknown method `{path}`: {known}"))
}

/// Returns UNIMPLEMENTED for a partial response (AIP-157).
pub(super) fn partial_response() -> Status {
    let text = "the emulator has no partial responses: `fields`, `$fields` or `X-Goog-FieldMask` must be absent or `*`";
    Status::unimplemented(text)
}

/// Returns INVALID_ARGUMENT for a message that cannot be decoded. The details are those of Google's REST services.
pub(super) fn undecodable(why: &str) -> Status {
    let details = ErrorDetails::with_bad_request(vec![FieldViolation::new("", why)]);
    Status::with_error_details(Code::InvalidArgument, why, details)
}

pub(super) fn cancel_unsupported() -> Status {
    let text = "this operation cannot be cancelled";
    let details = details("CANCELLING_NOT_SUPPORTED", &[]);
    Status::with_error_details(Code::Unimplemented, text, details)
}

/// Returns FAILED_PRECONDITION for a change of the emulator's clock while a test has paused tokio's clock.
pub(super) fn tokio_clock_paused() -> Status {
    let text =
        "this test has paused tokio's clock, which drives this clock: use `tokio::time::advance`";
    let details = details("TOKIO_CLOCK_PAUSED", &[]);
    Status::with_error_details(Code::FailedPrecondition, text, details)
}

/// Returns FAILED_PRECONDITION for a request to end an operation that is already done.
pub(super) fn operation_done(name: &str) -> Status {
    let text = format!("Operation \"{name}\" is done");
    let details = resource_details("OPERATION_DONE", "Operation", name, &text);
    Status::with_error_details(Code::FailedPrecondition, text, details)
}

/// Returns the error of a cancelled operation. It has no details, since the official Node client cannot read an operation
/// over REST whose error has details.
pub(super) fn cancelled() -> Status {
    Status::cancelled("the operation was cancelled")
}

/// Converts a status to a `google.rpc.Status`, with its details.
pub(super) fn to_proto(status: &Status) -> pb::Status {
    let details = pb::Status::decode(status.details()).unwrap_or_default();
    pb::Status {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: details.details,
    }
}
