//! Plans of operations as the admin service has them.

use std::time::Duration;

use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::pb;

use super::proto::OperationPlan as Asked;
use super::proto::operation_plan::{Cancelling as AskedCancelling, Progress};
use crate::emulator::error;
use crate::emulator::faults::operation_plan::{Cancelling, OperationPlan};

const FIELD: &str = "fault.operation";

pub(super) fn read(asked: Asked) -> Result<OperationPlan, Status> {
    let mut plan = OperationPlan::default();
    if let Some(takes) = &asked.takes {
        plan = plan.takes(duration(&format!("{FIELD}.takes"), takes)?);
    }
    if let Some(fails) = &asked.fails {
        plan = plan.fails(status(fails));
    }
    for diagnostic in asked.diagnostics {
        plan = plan.diagnostic(diagnostic.location, diagnostic.message);
    }
    for Progress { after, message } in asked.progress {
        let after = after.unwrap_or_default();
        plan = plan.progress(
            duration(&format!("{FIELD}.progress.after"), &after)?,
            message,
        );
    }
    if let Some(after) = &asked.forgotten_after {
        plan = plan.forgotten_after(duration(&format!("{FIELD}.forgotten_after"), after)?);
    }
    let cancelling = match &asked.cancelling {
        None => return Ok(plan),
        Some(AskedCancelling::CancelledAfter(after)) => {
            Cancelling::HonouredAfter(duration(&format!("{FIELD}.cancelled_after"), after)?)
        }
        Some(AskedCancelling::CancelIgnored(())) => Cancelling::Ignored,
        Some(AskedCancelling::CancelFails(fails)) => Cancelling::Fails(status(fails)),
        Some(AskedCancelling::CancelUnimplemented(())) => Cancelling::Unimplemented,
    };
    Ok(plan.cancelling(cancelling))
}

pub(super) fn shown(plan: &OperationPlan) -> Asked {
    let progress = plan.progress.iter().map(|(after, message)| Progress {
        after: Some(span(*after)),
        message: message.clone(),
    });
    Asked {
        takes: plan.takes.map(span),
        fails: plan.fails.as_ref().map(plain),
        diagnostics: plan.diagnostics.clone(),
        progress: progress.collect(),
        cancelling: match &plan.cancelling {
            Cancelling::Honoured => None,
            Cancelling::HonouredAfter(after) => Some(AskedCancelling::CancelledAfter(span(*after))),
            Cancelling::Ignored => Some(AskedCancelling::CancelIgnored(())),
            Cancelling::Fails(status) => Some(AskedCancelling::CancelFails(plain(status))),
            Cancelling::Unimplemented => Some(AskedCancelling::CancelUnimplemented(())),
        },
        forgotten_after: plan.forgotten.map(span),
    }
}

pub(super) fn duration(field: &str, asked: &prost_types::Duration) -> Result<Duration, Status> {
    let (seconds, nanos) = (u64::try_from(asked.seconds), u32::try_from(asked.nanos));
    match (seconds, nanos) {
        (Ok(seconds), Ok(nanos)) => Ok(Duration::new(seconds, nanos)),
        _ => Err(error::invalid(field, "must not be negative")),
    }
}

/// A time longer than a message can tell is told as the longest.
pub(super) fn span(time: Duration) -> prost_types::Duration {
    time.try_into().unwrap_or(prost_types::Duration {
        seconds: i64::MAX,
        nanos: 0,
    })
}

pub(super) fn status(asked: &pb::Status) -> Status {
    let code = Code::from_i32(asked.code);
    if asked.details.is_empty() {
        return Status::new(code, &asked.message);
    }
    // Whoever reads the details reads the code and the message there too.
    Status::with_details(code, &asked.message, asked.encode_to_vec().into())
}

pub(super) fn plain(status: &Status) -> pb::Status {
    crate::emulator::state::operation::written(status)
}
