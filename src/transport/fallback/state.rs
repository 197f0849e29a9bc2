//! What follows what in the fallback: a function without clock, calls or locks.

use std::time::Duration;

use tokio::time::Instant;

/// How long calls stay with REST before one tries gRPC again.
const PROBE_AFTER: Duration = Duration::from_secs(300);

/// Which transport carries calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// gRPC. Each return to it begins a further round.
    Grpc { round: u32 },
    /// REST, but for a probe.
    Rest(Rest),
}

/// The time with REST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// That of gRPC which it followed on.
    round: u32,
    pub(super) since: Instant,
    /// How many probes did not succeed.
    pub(super) failed_probes: u32,
    /// When the next probe may begin; `None` while one is under way.
    probe_at: Option<Instant>,
}

/// What a call over gRPC is to the fallback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ticket {
    /// One of the calls of a round.
    Call { round: u32 },
    /// The one that tries gRPC while the others stay with REST.
    Probe,
}

/// What has happened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A call begins. It may probe if REST can repeat it, whatever becomes of it over gRPC.
    Begins { may_probe: bool },
    /// gRPC answered, be it with an error: it works.
    GrpcAnswered(Ticket),
    /// gRPC did not answer: it cannot work, the call broke, or was given up.
    GrpcFailed(Ticket),
    /// REST answered in place of gRPC, which had shown that it cannot work.
    RestAnswered(Ticket),
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send the call over gRPC.
    Grpc(Ticket),
    /// Send the call over REST.
    Rest,
    /// Tell that calls go over to REST.
    Opened,
    /// Tell that they are back with gRPC.
    Closed,
    /// Nothing: all stays as it is.
    Stay,
}

impl State {
    pub(super) const START: Self = Self::Grpc { round: 0 };

    /// What follows the event.
    ///
    /// Calls that began over gRPC before a change say nothing of the path as it is now: their connections are of
    /// before. So a late answer does not close the fallback, a late failure does not make it last
    /// longer, and neither opens it in a later round.
    pub(super) fn step(self, event: Event, now: Instant) -> (Self, Next) {
        match (self, event) {
            (Self::Grpc { round }, Event::Begins { .. }) => {
                (self, Next::Grpc(Ticket::Call { round }))
            }
            (Self::Rest(rest), Event::Begins { may_probe: true }) if rest.is_due(now) => {
                let probing = Rest {
                    probe_at: None,
                    ..rest
                };
                (Self::Rest(probing), Next::Grpc(Ticket::Probe))
            }
            (Self::Rest(_), Event::Begins { .. }) => (self, Next::Rest),

            (Self::Grpc { round }, Event::RestAnswered(Ticket::Call { round: begun }))
                if begun == round =>
            {
                let rest = Rest {
                    round,
                    since: now,
                    failed_probes: 0,
                    probe_at: now.checked_add(PROBE_AFTER),
                };
                (Self::Rest(rest), Next::Opened)
            }

            (Self::Rest(rest), Event::GrpcAnswered(Ticket::Probe)) => {
                let round = rest.round.wrapping_add(1);
                (Self::Grpc { round }, Next::Closed)
            }
            (Self::Rest(rest), Event::GrpcFailed(Ticket::Probe)) => {
                let waiting = Rest {
                    failed_probes: rest.failed_probes.saturating_add(1),
                    probe_at: now.checked_add(PROBE_AFTER),
                    ..rest
                };
                (Self::Rest(waiting), Next::Stay)
            }
            _ => (self, Next::Stay),
        }
    }
}

impl Rest {
    fn is_due(self, now: Instant) -> bool {
        self.probe_at.is_some_and(|at| at <= now)
    }
}

#[cfg(test)]
mod tests;
