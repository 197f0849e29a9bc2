//! Operations as messages.

use crate::emulator::messages::OperationState;
use crate::emulator::state::clock::Moment;
use crate::emulator::state::operation::OperationRecord;
use crate::proto::google::longrunning::Operation;

/// Converts an operation as clients see it, with its planned times.
pub(in crate::emulator) fn to_proto(
    name: &str,
    record: &OperationRecord,
    now: Moment,
) -> OperationState {
    OperationState {
        operation: Some(record.to_operation(name, now, false)),
        start_time: Some(record.started_at.into()),
        end_time: Some(record.ends_at.into()),
        deleted: record.is_hidden,
    }
}

/// Returns the message of an operation that was deleted or has expired. Only its name is set.
pub(in crate::emulator) fn deleted(name: &str) -> OperationState {
    OperationState {
        operation: Some(Operation {
            name: name.to_owned(),
            ..Operation::default()
        }),
        deleted: true,
        ..OperationState::default()
    }
}
