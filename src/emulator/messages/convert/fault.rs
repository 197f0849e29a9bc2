//! Faults in the protos of the admin service.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use prost::Message;
use prost_types::Any;
use tonic::Status;

use super::plan::{self, duration, error_status, from_status, span};
use super::{full_name, method, type_url};
use crate::emulator::error;
use crate::emulator::faults::{
    FaultAction, FaultCount, FaultEntry, FaultPart, Faults, NewFault, status_without_body,
};
use crate::emulator::messages::Fault;
use crate::emulator::messages::fault::Action as ProtoAction;

/// The prefix of the type URL that the transcoder writes for an `Any` whose type it does not know and whose JSON has no base64
/// `value`.
const UNKNOWN_ANY_PREFIX: &[u8] = b"json.apigateway-grpc/";

/// Sets the fault of a request.
///
/// # Errors
///
/// INVALID_ARGUMENT with the field that is invalid.
pub(in crate::emulator) fn set(
    faults: &Arc<Faults>,
    proto: Fault,
) -> Result<Arc<FaultEntry>, Status> {
    Ok(faults.add(read(proto)?))
}

/// Reads a fault that is to be set.
///
/// # Errors
///
/// INVALID_ARGUMENT with the field that is invalid.
pub(in crate::emulator) fn read(proto: Fault) -> Result<NewFault, Status> {
    check_any("fault", &proto)?;
    let method = method("fault.method", &proto.method)?;
    let action = proto.action.ok_or_else(|| {
        error::invalid(
            "fault",
            "has no action: set one of its members, such as `fail`",
        )
    })?;
    let action = read_action(action, method.output())?;
    let times = match (proto.times, proto.always) {
        (0, true) => FaultCount::Always,
        (0, false) if matches!(action, FaultAction::NotFoundFor(_)) => FaultCount::Always,
        (0, false) => FaultCount::Exactly(1),
        (times, false) => FaultCount::Exactly(times),
        (_, true) => {
            return Err(error::invalid(
                "fault.times",
                "must not be set together with `always`",
            ));
        }
    };
    let fault = NewFault {
        method,
        name: (!proto.resource.is_empty()).then_some(proto.resource),
        times,
        action,
        is_disabled: proto.disabled,
        used: 0,
    };
    fault.check().map_err(|invalid| {
        let field = match invalid.part {
            FaultPart::Name => "fault.resource",
            FaultPart::Fail => "fault.fail.code",
            FaultPart::Stale => "fault.stale",
            FaultPart::NotFoundFor => "fault.not_found_for",
            FaultPart::Html => "fault.html",
            FaultPart::Operation => "fault.operation",
        };
        error::invalid(field, &invalid.why)
    })?;
    Ok(fault)
}

/// Rejects a message that contains an `Any` of an unknown type given as plain JSON. The transcoder cannot encode such an `Any`
/// as protobuf, so no gRPC client could read it.
///
/// # Errors
///
/// INVALID_ARGUMENT with the field and the form that an `Any` of an unknown type must have.
pub(in crate::emulator) fn check_any(field: &str, message: &impl Message) -> Result<(), Status> {
    let wire = message.encode_to_vec();
    let mut parts = wire.windows(UNKNOWN_ANY_PREFIX.len());
    if parts.any(|part| part == UNKNOWN_ANY_PREFIX) {
        let why = "has an `Any` of an unknown type: must be {\"@type\": …, \"value\": its bytes in base64}";
        return Err(error::invalid(field, why));
    }
    Ok(())
}

fn read_action(action: ProtoAction, output: &str) -> Result<FaultAction, Status> {
    Ok(match action {
        ProtoAction::Fail(fail) if fail.code == 0 => {
            let why = "must not be 0 (OK): use `respond` for a response";
            return Err(error::invalid("fault.fail.code", why));
        }
        ProtoAction::Fail(fail) => FaultAction::Fail(error_status("fault.fail.code", &fail)?),
        ProtoAction::Delay(time) => FaultAction::Delay(duration("fault.delay", &time)?),
        ProtoAction::DropConnection(()) => FaultAction::DropConnection,
        ProtoAction::LoseResponse(()) => FaultAction::LoseResponse,
        ProtoAction::Stale(()) => FaultAction::Stale,
        ProtoAction::NotFoundFor(time) => {
            FaultAction::NotFoundFor(duration("fault.not_found_for", &time)?)
        }
        ProtoAction::Html(code) => {
            let status = u16::try_from(code).ok();
            let status = status.and_then(|code| StatusCode::from_u16(code).ok());
            FaultAction::Html(
                status.ok_or_else(|| error::invalid("fault.html", &status_without_body(code)))?,
            )
        }
        ProtoAction::Respond(message) => FaultAction::Respond(response(message, output)?),
        ProtoAction::Operation(proto) => FaultAction::Operation(plan::from_proto(proto)?),
    })
}

fn response(message: Any, output: &str) -> Result<Bytes, Status> {
    let (_, name) = message.type_url.rsplit_once('/').unwrap_or_default();
    if name != output {
        let why = format!("must be a `{output}`, the response of the method, not a `{name}`");
        return Err(error::invalid("fault.respond", &why));
    }
    Ok(message.value.into())
}

/// Returns the name of a fault.
pub(in crate::emulator) fn name(number: u64) -> String {
    format!("faults/{number}")
}

/// Returns the number in the name of a fault.
pub(in crate::emulator) fn number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("faults/")?.parse().ok()?;
    // `parse` accepts `+1` and `01` too.
    (name == self::name(number)).then_some(number)
}

/// Converts a fault to its proto, with its current count.
pub(in crate::emulator) fn to_proto(entry: &FaultEntry) -> Fault {
    let (times, always) = match entry.times {
        FaultCount::Exactly(times) => (times, false),
        FaultCount::Always => (0, true),
    };
    let action = match &entry.action {
        FaultAction::Fail(status) => ProtoAction::Fail(from_status(status)),
        FaultAction::Delay(time) => ProtoAction::Delay(span(*time)),
        FaultAction::DropConnection => ProtoAction::DropConnection(()),
        FaultAction::LoseResponse => ProtoAction::LoseResponse(()),
        FaultAction::Stale => ProtoAction::Stale(()),
        FaultAction::NotFoundFor(time) => ProtoAction::NotFoundFor(span(*time)),
        FaultAction::Html(code) => ProtoAction::Html(code.as_u16().into()),
        FaultAction::Respond(message) => ProtoAction::Respond(Any {
            type_url: type_url(entry.method.output()),
            value: message.to_vec(),
        }),
        FaultAction::Operation(plan) => ProtoAction::Operation(plan::to_proto(plan)),
    };
    Fault {
        name: name(entry.number()),
        method: full_name(entry.method),
        resource: entry.name.clone().unwrap_or_default(),
        times,
        always,
        used: entry.used(),
        action: Some(action),
        disabled: entry.is_disabled(),
    }
}
