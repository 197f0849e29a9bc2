//! Faults as the admin service has them.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use prost::Message as _;
use prost_types::Any;
use tonic::Status;

use super::plan;
use super::plan::{duration, plain, span, status};
use super::proto::Fault;
use super::proto::fault::Action as Asked;
use super::{full, method};
use crate::emulator::error;
use crate::emulator::faults::{Action, Entry, Faults, Times};

/// What an `Any` of an unknown type begins with that came as JSON with members of its own.
const CARRIER: &[u8] = b"json.apigateway-grpc/";

/// Sets a fault that a request asks for.
pub(super) fn set(faults: &Faults, asked: Fault) -> Result<Arc<Entry>, Status> {
    let wire = asked.encode_to_vec();
    if wire.windows(CARRIER.len()).any(|part| part == CARRIER) {
        let why = "has an Any of an unknown type: give it as {\"@type\": …, \"value\": its bytes in base64}";
        return Err(error::invalid("fault", why));
    }
    let method = method("fault.method", &asked.method)?;
    let action = asked.action.ok_or_else(|| {
        error::invalid(
            "fault",
            "says nothing of what happens: set one of its actions",
        )
    })?;
    let action = read(action, method.output)?;
    if matches!(action, Action::Operation(_)) && method.operation.is_none() {
        let why = format!("`{}` starts no operation", method.name);
        return Err(error::invalid("fault.operation", &why));
    }
    let times = match (asked.times, asked.always) {
        (0, true) => Times::Always,
        (0, false) if matches!(action, Action::NotFoundFor(_)) => Times::Always,
        (0, false) => Times::Exactly(1),
        (times, false) => Times::Exactly(times),
        (_, true) => {
            return Err(error::invalid(
                "fault.times",
                "is set, and `always` as well",
            ));
        }
    };
    let name = (!asked.resource.is_empty()).then_some(asked.resource);
    Ok(faults.add(method, name, times, action))
}

fn read(action: Asked, output: &str) -> Result<Action, Status> {
    Ok(match action {
        Asked::Fail(fail) if fail.code == 0 => {
            let why = "is OK, which is no failure; `respond` gives a reply";
            return Err(error::invalid("fault.fail.code", why));
        }
        Asked::Fail(fail) => Action::Fail(status(&fail)),
        Asked::Delay(time) => Action::Delay(duration("fault.delay", &time)?),
        Asked::DropConnection(()) => Action::DropConnection,
        Asked::LoseReply(()) => Action::LoseReply,
        Asked::Stale(()) => Action::Stale,
        Asked::NotFoundFor(time) => Action::NotFoundFor(duration("fault.not_found_for", &time)?),
        Asked::Html(code) => {
            let code = u16::try_from(code).ok();
            let code = code.and_then(|code| StatusCode::from_u16(code).ok());
            let code = code.filter(|code| !code.is_informational());
            Action::Html(
                code.ok_or_else(|| {
                    error::invalid("fault.html", "is no HTTP status from 200 to 999")
                })?,
            )
        }
        Asked::Respond(message) => Action::Respond(response(message, output)?),
        Asked::Operation(asked) => Action::Operation(plan::read(asked)?),
    })
}

fn response(message: Any, output: &str) -> Result<Bytes, Status> {
    let (_, name) = message.type_url.rsplit_once('/').unwrap_or_default();
    if name != output {
        let why = format!("is a `{name}`, where the method answers with a `{output}`");
        return Err(error::invalid("fault.respond", &why));
    }
    Ok(message.value.into())
}

pub(super) fn name(entry: &Entry) -> String {
    format!("faults/{}", entry.number())
}

/// A fault as it stands.
pub(super) fn shown(entry: &Entry) -> Fault {
    let (times, always) = match entry.times {
        Times::Exactly(times) => (times, false),
        Times::Always => (0, true),
    };
    let action = match &entry.action {
        Action::Fail(status) => Asked::Fail(plain(status)),
        Action::Delay(time) => Asked::Delay(span(*time)),
        Action::DropConnection => Asked::DropConnection(()),
        Action::LoseReply => Asked::LoseReply(()),
        Action::Stale => Asked::Stale(()),
        Action::NotFoundFor(time) => Asked::NotFoundFor(span(*time)),
        Action::Html(code) => Asked::Html(code.as_u16().into()),
        Action::Respond(message) => Asked::Respond(Any {
            type_url: format!("type.googleapis.com/{}", entry.method.output),
            value: message.to_vec(),
        }),
        Action::Operation(plan) => Asked::Operation(plan::shown(plan)),
    };
    Fault {
        name: name(entry),
        method: full(entry.method),
        resource: entry.name.clone().unwrap_or_default(),
        times,
        always,
        used: entry.used(),
        action: Some(action),
    }
}
