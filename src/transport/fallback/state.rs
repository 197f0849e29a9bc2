//! The state machine of the fallback: a pure function without clock, calls or locks.

use std::time::Duration;

use tokio::time::Instant;

/// How long calls use REST before one call tries gRPC again.
const PROBE_AFTER: Duration = Duration::from_secs(300);

/// The transport that carries calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// gRPC. Each return to gRPC begins the next round.
    Grpc { round: u32 },
    /// REST. At most one call at a time uses gRPC, as a probe.
    Rest(RestPeriod),
}

/// A period in which calls use REST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RestPeriod {
    /// The gRPC round before this period.
    round: u32,
    pub(super) since: Instant,
    /// Number of probes without success.
    pub(super) failed_probes: u32,
    /// The time of the next probe, or `None` while a probe is running.
    probe_at: Option<Instant>,
}

/// The role of a call over gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GrpcTicket {
    /// A call that began in this gRPC round.
    Call { round: u32 },
    /// The one call that tries gRPC while the others use REST.
    Probe,
}

/// An event that may change the state.
#[derive(Clone, Copy, Debug)]
pub(super) enum FallbackEvent {
    /// A call begins. `may_probe` is true if the call may be repeated over REST even after the server processed it.
    Begins { may_probe: bool },
    /// gRPC answered a call with a response or a status, so gRPC works.
    GrpcAnswered(GrpcTicket),
    /// gRPC did not answer a call: gRPC cannot work, the connection broke, or the call was dropped.
    GrpcFailed(GrpcTicket),
    /// REST answered a call after gRPC had failed with an error that shows that gRPC cannot work.
    RestAnswered(GrpcTicket),
}

/// The action after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Make the call over gRPC.
    CallGrpc(GrpcTicket),
    /// Make the call over REST.
    CallRest,
    /// Report that calls use REST from now on.
    ReportOpened,
    /// Report that calls use gRPC again.
    ReportClosed,
    /// Do nothing.
    Stay,
}

impl State {
    pub(super) const START: Self = Self::Grpc { round: 0 };

    /// Returns the next state and the action after an event.
    ///
    /// The late result of a call that began over gRPC before the last change of transport is ignored. Such a result does not
    /// close, prolong or open the fallback. The connection of such a call is older than the change, so its result does not
    /// describe the current network path.
    pub(super) fn step(self, event: FallbackEvent, now: Instant) -> (Self, Action) {
        match (self, event) {
            (Self::Grpc { round }, FallbackEvent::Begins { .. }) => {
                (self, Action::CallGrpc(GrpcTicket::Call { round }))
            }
            (Self::Rest(period), FallbackEvent::Begins { may_probe: true })
                if period.is_probe_due(now) =>
            {
                let probing = RestPeriod {
                    probe_at: None,
                    ..period
                };
                (Self::Rest(probing), Action::CallGrpc(GrpcTicket::Probe))
            }
            (Self::Rest(_), FallbackEvent::Begins { .. }) => (self, Action::CallRest),

            (
                Self::Grpc { round },
                FallbackEvent::RestAnswered(GrpcTicket::Call { round: call_round }),
            ) if call_round == round => {
                let period = RestPeriod {
                    round,
                    since: now,
                    failed_probes: 0,
                    probe_at: now.checked_add(PROBE_AFTER),
                };
                (Self::Rest(period), Action::ReportOpened)
            }

            (Self::Rest(period), FallbackEvent::GrpcAnswered(GrpcTicket::Probe)) => {
                let round = period.round.wrapping_add(1);
                (Self::Grpc { round }, Action::ReportClosed)
            }
            (Self::Rest(period), FallbackEvent::GrpcFailed(GrpcTicket::Probe)) => {
                let waiting = RestPeriod {
                    failed_probes: period.failed_probes.saturating_add(1),
                    probe_at: now.checked_add(PROBE_AFTER),
                    ..period
                };
                (Self::Rest(waiting), Action::Stay)
            }
            _ => (self, Action::Stay),
        }
    }
}

impl RestPeriod {
    fn is_probe_due(self, now: Instant) -> bool {
        self.probe_at.is_some_and(|at| at <= now)
    }
}

#[cfg(test)]
mod tests;
