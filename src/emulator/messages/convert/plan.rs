//! Plans of operations in the protos of the admin service.

use std::time::Duration;

use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::pb;

use crate::emulator::error;
use crate::emulator::faults::operation_plan::{CancelBehavior, OperationPlan};
use crate::emulator::messages::OperationPlan as ProtoPlan;
use crate::emulator::messages::operation_plan::{Cancelling as ProtoCancelling, Progress};

const FIELD: &str = "fault.operation";

/// Maximum number of seconds of a duration that has a JSON form, 10,000 years (`google/protobuf/duration.proto`).
const MAX_SECONDS: u64 = 315_576_000_000;

/// Number of nanoseconds in a second.
const BILLION: u32 = 1_000_000_000;

pub(in crate::emulator) fn from_proto(proto: ProtoPlan) -> Result<OperationPlan, Status> {
    let mut plan = OperationPlan::default();
    if let Some(takes) = &proto.takes {
        plan = plan.takes(duration(&format!("{FIELD}.takes"), takes)?);
    }
    if let Some(fails) = &proto.fails {
        plan = plan.fails(error_status(&format!("{FIELD}.fails.code"), fails)?);
    }
    for diagnostic in proto.diagnostics {
        plan = plan.diagnostic(diagnostic.location, diagnostic.message);
    }
    for (index, Progress { after, message }) in proto.progress.into_iter().enumerate() {
        let field = format!("{FIELD}.progress[{index}].after");
        plan = plan.progress(duration(&field, &after.unwrap_or_default())?, message);
    }
    if let Some(after) = &proto.forgotten_after {
        plan = plan.forgotten_after(duration(&format!("{FIELD}.forgotten_after"), after)?);
    }
    let behavior = match &proto.cancelling {
        None => return Ok(plan),
        Some(ProtoCancelling::CancelledAfter(after)) => {
            CancelBehavior::HonouredAfter(duration(&format!("{FIELD}.cancelled_after"), after)?)
        }
        Some(ProtoCancelling::CancelIgnored(())) => CancelBehavior::Ignored,
        Some(ProtoCancelling::CancelFails(fails)) => {
            CancelBehavior::Fails(error_status(&format!("{FIELD}.cancel_fails.code"), fails)?)
        }
        Some(ProtoCancelling::CancelUnimplemented(())) => CancelBehavior::Unimplemented,
    };
    Ok(plan.cancel_behavior(behavior))
}

pub(in crate::emulator) fn to_proto(plan: &OperationPlan) -> ProtoPlan {
    let progress = plan.progress.iter().map(|(after, message)| Progress {
        after: Some(span(*after)),
        message: message.clone(),
    });
    ProtoPlan {
        takes: plan.takes.map(span),
        fails: plan.fails.as_ref().map(from_status),
        diagnostics: plan.diagnostics.clone(),
        progress: progress.collect(),
        cancelling: match &plan.cancel_behavior {
            CancelBehavior::Honoured => None,
            CancelBehavior::HonouredAfter(after) => {
                Some(ProtoCancelling::CancelledAfter(span(*after)))
            }
            CancelBehavior::Ignored => Some(ProtoCancelling::CancelIgnored(())),
            CancelBehavior::Fails(status) => {
                Some(ProtoCancelling::CancelFails(from_status(status)))
            }
            CancelBehavior::Unimplemented => Some(ProtoCancelling::CancelUnimplemented(())),
        },
        forgotten_after: plan.forgotten.map(span),
    }
}

/// Reads a duration. Over gRPC its numbers can have any value; JSON has no form for most of them.
///
/// # Errors
///
/// INVALID_ARGUMENT if the duration is negative, or has no JSON form.
pub(in crate::emulator) fn duration(
    field: &str,
    proto: &prost_types::Duration,
) -> Result<Duration, Status> {
    let seconds = u64::try_from(proto.seconds).ok();
    let seconds = seconds.filter(|seconds| *seconds <= MAX_SECONDS);
    let nanos = u32::try_from(proto.nanos).ok();
    let nanos = nanos.filter(|nanos| *nanos < BILLION);
    if let (Some(seconds), Some(nanos)) = (seconds, nanos) {
        return Ok(Duration::new(seconds, nanos));
    }
    let shown = match proto.nanos {
        0 => format!("{}s", proto.seconds),
        nanos => format!("{} seconds and {nanos} nanoseconds", proto.seconds),
    };
    let why = format!("must be from 0s to {MAX_SECONDS}s, not {shown}");
    Err(error::invalid(field, &why))
}

/// Converts a duration. A longer duration than [`MAX_SECONDS`] is shortened.
pub(in crate::emulator) fn span(time: Duration) -> prost_types::Duration {
    let time = match time.as_secs() <= MAX_SECONDS {
        true => time,
        false => Duration::from_secs(MAX_SECONDS),
    };
    prost_types::Duration {
        seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        // Nanoseconds are below one billion.
        nanos: i32::try_from(time.subsec_nanos()).unwrap_or_default(),
    }
}

/// Converts an error status. `field` is the field of its code.
///
/// # Errors
///
/// If the code is not an error code, from 1 to 16.
pub(in crate::emulator) fn error_status(field: &str, proto: &pb::Status) -> Result<Status, Status> {
    if !(1..=16).contains(&proto.code) {
        let why = format!(
            "must be the code of an error, from 1 to 16, not {}",
            proto.code
        );
        return Err(error::invalid(field, &why));
    }
    let code = Code::from_i32(proto.code);
    if proto.details.is_empty() {
        return Ok(Status::new(code, &proto.message));
    }
    // The encoded status has the code and the message too.
    Ok(Status::with_details(
        code,
        &proto.message,
        proto.encode_to_vec().into(),
    ))
}

pub(in crate::emulator) fn from_status(status: &Status) -> pb::Status {
    error::to_proto(status)
}
