//! A table of event sequences, and a random test of the invariants.

use proptest::prelude::*;

use super::*;

const READ: FallbackEvent = FallbackEvent::Begins { may_probe: true };
const CREATE: FallbackEvent = FallbackEvent::Begins { may_probe: false };
const FIRST: GrpcTicket = GrpcTicket::Call { round: 0 };
const SECOND: GrpcTicket = GrpcTicket::Call { round: 1 };
const PROBE: GrpcTicket = GrpcTicket::Probe;

use Action::{CallGrpc, CallRest, ReportClosed, ReportOpened, Stay};
use FallbackEvent::{GrpcAnswered, GrpcFailed, RestAnswered};

/// A claim, and a list of events. Each event has a time in seconds and an expected action.
type Case<'a> = (&'a str, &'a [(u64, FallbackEvent, Action)]);

const CASES: &[Case<'_>] = &[
    (
        "calls continue to use gRPC after a failure that REST did not answer",
        &[
            (0, READ, CallGrpc(FIRST)),
            (1, CREATE, CallGrpc(FIRST)),
            (2, GrpcAnswered(FIRST), Stay),
            (3, GrpcFailed(FIRST), Stay),
            (4, READ, CallGrpc(FIRST)),
        ],
    ),
    (
        "a call that gRPC failed and REST answered opens the fallback for every call",
        &[
            (0, READ, CallGrpc(FIRST)),
            (1, GrpcFailed(FIRST), Stay),
            (1, RestAnswered(FIRST), ReportOpened),
            (1, READ, CallRest),
            (1, CREATE, CallRest),
        ],
    ),
    (
        "the fallback opens once, however many calls fall back",
        &[
            (0, RestAnswered(FIRST), ReportOpened),
            (0, RestAnswered(FIRST), Stay),
            (9, RestAnswered(FIRST), Stay),
        ],
    ),
    (
        "one call probes after 300 seconds, and the others stay with REST meanwhile",
        &[
            (0, RestAnswered(FIRST), ReportOpened),
            (299, READ, CallRest),
            (300, READ, CallGrpc(PROBE)),
            (300, READ, CallRest),
            (900, READ, CallRest),
        ],
    ),
    (
        "a later fallback does not delay the probe",
        &[
            (0, RestAnswered(FIRST), ReportOpened),
            (200, RestAnswered(FIRST), Stay),
            (300, READ, CallGrpc(PROBE)),
        ],
    ),
    (
        "a call that must not be repeated never probes",
        &[
            (0, RestAnswered(FIRST), ReportOpened),
            (300, CREATE, CallRest),
            (300, READ, CallGrpc(PROBE)),
        ],
    ),
    (
        "a probe that gRPC answers closes the fallback",
        &[
            (0, RestAnswered(FIRST), ReportOpened),
            (300, READ, CallGrpc(PROBE)),
            (301, GrpcAnswered(PROBE), ReportClosed),
            (301, READ, CallGrpc(SECOND)),
            (301, CREATE, CallGrpc(SECOND)),
        ],
    ),
    (
        "a probe that fails or is dropped restarts the wait, and later probes follow",
        &[
            (0, RestAnswered(FIRST), ReportOpened),
            (300, READ, CallGrpc(PROBE)),
            (310, GrpcFailed(PROBE), Stay),
            (609, READ, CallRest),
            (610, READ, CallGrpc(PROBE)),
            (610, READ, CallRest),
            (615, GrpcAnswered(PROBE), ReportClosed),
        ],
    ),
    (
        "an answer by REST to a failed probe changes nothing",
        &[
            (0, RestAnswered(FIRST), ReportOpened),
            (300, READ, CallGrpc(PROBE)),
            (310, GrpcFailed(PROBE), Stay),
            (320, RestAnswered(PROBE), Stay),
            (610, READ, CallGrpc(PROBE)),
        ],
    ),
    (
        "a late answer to a call that began before the fallback does not close the fallback",
        &[
            (0, READ, CallGrpc(FIRST)),
            (1, RestAnswered(FIRST), ReportOpened),
            (2, GrpcAnswered(FIRST), Stay),
            (2, READ, CallRest),
        ],
    ),
    (
        "a late answer does not end a running probe",
        &[
            (0, RestAnswered(FIRST), ReportOpened),
            (300, READ, CallGrpc(PROBE)),
            (301, GrpcAnswered(FIRST), Stay),
            (302, GrpcFailed(FIRST), Stay),
            (303, READ, CallRest),
            (304, GrpcAnswered(PROBE), ReportClosed),
        ],
    ),
    (
        "in a later round, the failure of an earlier call does not open the fallback, and a new failure does",
        &[
            (0, RestAnswered(FIRST), ReportOpened),
            (300, READ, CallGrpc(PROBE)),
            (301, GrpcAnswered(PROBE), ReportClosed),
            (302, RestAnswered(FIRST), Stay),
            (303, READ, CallGrpc(SECOND)),
            (304, RestAnswered(SECOND), ReportOpened),
            (603, READ, CallRest),
            (604, READ, CallGrpc(PROBE)),
        ],
    ),
];

#[test]
fn each_event_has_its_expected_action() {
    let began = Instant::now();
    for (claim, events) in CASES {
        let mut state = State::START;
        for (at, event, expected) in *events {
            let action;
            (state, action) = state.step(*event, began + Duration::from_secs(*at));
            assert_eq!(action, *expected, "{claim}: {event:?} at {at}");
        }
    }
}

#[test]
fn the_period_has_its_start_and_the_number_of_failed_probes() {
    let began = Instant::now();
    let at = |secs| began + Duration::from_secs(secs);
    let (mut state, _) = State::START.step(RestAnswered(FIRST), at(7));
    for secs in [307, 607, 907] {
        (state, _) = state.step(READ, at(secs));
        (state, _) = state.step(GrpcFailed(PROBE), at(secs));
    }
    let State::Rest(period) = state else {
        panic!("no probe succeeded: {state:?}");
    };
    assert_eq!((period.since, period.failed_probes), (at(7), 3));
}

/// A random step: a call begins, a running call ends, or time passes. An index selects a running call.
#[derive(Clone, Copy, Debug)]
enum Move {
    Begin(bool),
    Answer(usize),
    Fail(usize),
    /// The call fails, and REST answers it.
    FallBack(usize),
    /// This many seconds pass.
    Pass(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => any::<bool>().prop_map(Move::Begin),
        1 => any::<usize>().prop_map(Move::Answer),
        1 => any::<usize>().prop_map(Move::Fail),
        2 => any::<usize>().prop_map(Move::FallBack),
        2 => (0_u64..400).prop_map(Move::Pass),
    ];
    proptest::collection::vec(one, 0..200)
}

/// The state machine, and the state that is expected from the observed calls.
struct Observed {
    state: State,
    now: Instant,
    /// The calls over gRPC that have not ended.
    calls: Vec<GrpcTicket>,
    /// The start of the fallback or the end of its last probe, whichever is later. `None` while calls use gRPC.
    last_tried: Option<Instant>,
    /// Number of times the fallback has closed.
    closed: u32,
}

impl Observed {
    fn step(&mut self, event: FallbackEvent) -> Action {
        let action;
        (self.state, action) = self.state.step(event, self.now);
        action
    }

    fn take(&mut self, index: usize) -> Option<GrpcTicket> {
        let index = index.checked_rem(self.calls.len())?;
        Some(self.calls.swap_remove(index))
    }

    fn begins(&mut self, may_probe: bool) {
        let probing = self.calls.contains(&GrpcTicket::Probe);
        let due = self
            .last_tried
            .is_some_and(|tried| self.now - tried >= Duration::from_secs(300));
        let expected = match self.last_tried {
            None => CallGrpc(GrpcTicket::Call { round: self.closed }),
            Some(_) if may_probe && due && !probing => CallGrpc(GrpcTicket::Probe),
            Some(_) => CallRest,
        };
        let action = self.step(FallbackEvent::Begins { may_probe });
        assert_eq!(action, expected);
        if let CallGrpc(ticket) = action {
            self.calls.push(ticket);
        }
    }

    fn answers(&mut self, ticket: GrpcTicket) {
        let action = self.step(GrpcAnswered(ticket));
        if ticket == GrpcTicket::Probe {
            assert_eq!(action, ReportClosed);
            self.last_tried = None;
            self.closed += 1;
        } else {
            assert_eq!(action, Stay);
        }
    }

    fn fails(&mut self, ticket: GrpcTicket, rest_answers: bool) {
        assert_eq!(self.step(GrpcFailed(ticket)), Stay);
        if ticket == GrpcTicket::Probe {
            self.last_tried = Some(self.now);
        }
        if rest_answers {
            let opens =
                self.last_tried.is_none() && ticket == GrpcTicket::Call { round: self.closed };
            let expected = if opens { ReportOpened } else { Stay };
            assert_eq!(self.step(RestAnswered(ticket)), expected);
            self.last_tried = self.last_tried.or(opens.then_some(self.now));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn at_most_one_call_probes_and_no_call_uses_rest_before_the_fallback_opens(moves in moves()) {
        let mut observed = Observed {
            state: State::START,
            now: Instant::now(),
            calls: Vec::new(),
            last_tried: None,
            closed: 0,
        };
        for one in moves {
            match one {
                Move::Begin(may_probe) => observed.begins(may_probe),
                Move::Pass(secs) => observed.now += Duration::from_secs(secs),
                Move::Answer(index) => if let Some(ticket) = observed.take(index) {
                    observed.answers(ticket);
                },
                Move::Fail(index) => if let Some(ticket) = observed.take(index) {
                    observed.fails(ticket, false);
                },
                Move::FallBack(index) => if let Some(ticket) = observed.take(index) {
                    observed.fails(ticket, true);
                },
            }
            let probes = observed.calls.iter().filter(|it| **it == GrpcTicket::Probe).count();
            prop_assert!(probes <= 1, "{probes} at once");
        }
    }
}
