//! The clock as a message.

use super::plan::span;
use crate::emulator::messages::Clock as ProtoClock;
use crate::emulator::state::Tables;

/// Converts the clock, with the time at which the next step of an operation is due.
pub(in crate::emulator) fn to_proto(tables: &Tables) -> ProtoClock {
    let clock = tables.clock;
    ProtoClock {
        time: Some(clock.now().into()),
        paused: clock.is_paused(),
        advanced: Some(span(clock.advanced())),
        uptime: Some(span(clock.started_at.elapsed())),
        next_event_time: tables.operations.next_event_at().map(Into::into),
    }
}
