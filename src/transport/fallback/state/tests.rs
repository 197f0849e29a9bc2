//! What follows what, a line a case; and what holds whatever comes.

use proptest::prelude::*;

use super::*;

const READ: Event = Event::Begins { may_probe: true };
const CREATE: Event = Event::Begins { may_probe: false };
const FIRST: Ticket = Ticket::Call { round: 0 };
const SECOND: Ticket = Ticket::Call { round: 1 };
const PROBE: Ticket = Ticket::Probe;

use Event::{GrpcAnswered, GrpcFailed, RestAnswered};
use Next::{Closed, Grpc, Opened, Stay};

/// What is claimed, and what follows each of these events, each so many seconds after the first.
type Case<'a> = (&'a str, &'a [(u64, Event, Next)]);

const CASES: &[Case<'_>] = &[
    (
        "calls begin with gRPC, which stays whatever becomes of them there",
        &[
            (0, READ, Grpc(FIRST)),
            (1, CREATE, Grpc(FIRST)),
            (2, GrpcAnswered(FIRST), Stay),
            (3, GrpcFailed(FIRST), Stay),
            (4, READ, Grpc(FIRST)),
        ],
    ),
    (
        "an answer of REST in place of gRPC opens the fallback for every call",
        &[
            (0, READ, Grpc(FIRST)),
            (1, GrpcFailed(FIRST), Stay),
            (1, RestAnswered(FIRST), Opened),
            (1, READ, Next::Rest),
            (1, CREATE, Next::Rest),
        ],
    ),
    (
        "it opens once, however many calls go over",
        &[
            (0, RestAnswered(FIRST), Opened),
            (0, RestAnswered(FIRST), Stay),
            (9, RestAnswered(FIRST), Stay),
        ],
    ),
    (
        "one call probes after 300 seconds, and the others stay with REST meanwhile",
        &[
            (0, RestAnswered(FIRST), Opened),
            (299, READ, Next::Rest),
            (300, READ, Grpc(PROBE)),
            (300, READ, Next::Rest),
            (900, READ, Next::Rest),
        ],
    ),
    (
        "who goes over later does not put the probe off",
        &[
            (0, RestAnswered(FIRST), Opened),
            (200, RestAnswered(FIRST), Stay),
            (300, READ, Grpc(PROBE)),
        ],
    ),
    (
        "a call that must not be repeated never probes",
        &[
            (0, RestAnswered(FIRST), Opened),
            (300, CREATE, Next::Rest),
            (300, READ, Grpc(PROBE)),
        ],
    ),
    (
        "a probe that gRPC answers closes it",
        &[
            (0, RestAnswered(FIRST), Opened),
            (300, READ, Grpc(PROBE)),
            (301, GrpcAnswered(PROBE), Closed),
            (301, READ, Grpc(SECOND)),
            (301, CREATE, Grpc(SECOND)),
        ],
    ),
    (
        "a probe that fails, or is given up, begins the wait anew, and blocks no later one",
        &[
            (0, RestAnswered(FIRST), Opened),
            (300, READ, Grpc(PROBE)),
            (310, GrpcFailed(PROBE), Stay),
            (609, READ, Next::Rest),
            (610, READ, Grpc(PROBE)),
            (610, READ, Next::Rest),
            (615, GrpcAnswered(PROBE), Closed),
        ],
    ),
    (
        "that REST answered a failed probe changes nothing",
        &[
            (0, RestAnswered(FIRST), Opened),
            (300, READ, Grpc(PROBE)),
            (310, GrpcFailed(PROBE), Stay),
            (320, RestAnswered(PROBE), Stay),
            (610, READ, Grpc(PROBE)),
        ],
    ),
    (
        "a late answer to a call of before does not close it",
        &[
            (0, READ, Grpc(FIRST)),
            (1, RestAnswered(FIRST), Opened),
            (2, GrpcAnswered(FIRST), Stay),
            (2, READ, Next::Rest),
        ],
    ),
    (
        "nor does one during a probe end the probe",
        &[
            (0, RestAnswered(FIRST), Opened),
            (300, READ, Grpc(PROBE)),
            (301, GrpcAnswered(FIRST), Stay),
            (302, GrpcFailed(FIRST), Stay),
            (303, READ, Next::Rest),
            (304, GrpcAnswered(PROBE), Closed),
        ],
    ),
    (
        "a late failure does not open it in a later round, a new one does",
        &[
            (0, RestAnswered(FIRST), Opened),
            (300, READ, Grpc(PROBE)),
            (301, GrpcAnswered(PROBE), Closed),
            (302, RestAnswered(FIRST), Stay),
            (303, READ, Grpc(SECOND)),
            (304, RestAnswered(SECOND), Opened),
            (603, READ, Next::Rest),
            (604, READ, Grpc(PROBE)),
        ],
    ),
];

#[test]
fn each_event_has_what_follows_it() {
    let began = Instant::now();
    for (claim, events) in CASES {
        let mut state = State::START;
        for (at, event, expected) in *events {
            let next;
            (state, next) = state.step(*event, began + Duration::from_secs(*at));
            assert_eq!(next, *expected, "{claim}: {event:?} at {at}");
        }
    }
}

#[test]
fn it_is_known_since_when_rest_is_used_and_how_many_probes_have_failed() {
    let began = Instant::now();
    let at = |secs| began + Duration::from_secs(secs);
    let (mut state, _) = State::START.step(RestAnswered(FIRST), at(7));
    for secs in [307, 607, 907] {
        (state, _) = state.step(READ, at(secs));
        (state, _) = state.step(GrpcFailed(PROBE), at(secs));
    }
    let State::Rest(rest) = state else {
        panic!("no probe succeeded: {state:?}");
    };
    assert_eq!((rest.since, rest.failed_probes), (at(7), 3));
}

/// What may happen next: a call begins, or one of those under way goes on.
#[derive(Clone, Copy, Debug)]
enum Move {
    Begin(bool),
    Answer(usize),
    Fail(usize),
    GoOver(usize),
    Pass(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => any::<bool>().prop_map(Move::Begin),
        1 => any::<usize>().prop_map(Move::Answer),
        1 => any::<usize>().prop_map(Move::Fail),
        2 => any::<usize>().prop_map(Move::GoOver),
        2 => (0_u64..400).prop_map(Move::Pass),
    ];
    proptest::collection::vec(one, 0..200)
}

/// What a reader of the calls alone would say of the fallback.
struct Watched {
    state: State,
    now: Instant,
    /// The calls over gRPC that have not ended.
    calls: Vec<Ticket>,
    /// Since when nothing has been tried over gRPC while it was open.
    quiet: Option<Instant>,
    closed: u32,
}

impl Watched {
    fn step(&mut self, event: Event) -> Next {
        let next;
        (self.state, next) = self.state.step(event, self.now);
        next
    }

    fn take(&mut self, index: usize) -> Option<Ticket> {
        let index = index.checked_rem(self.calls.len())?;
        Some(self.calls.swap_remove(index))
    }

    fn begins(&mut self, may_probe: bool) {
        let probing = self.calls.contains(&Ticket::Probe);
        let due = self
            .quiet
            .is_some_and(|quiet| self.now - quiet >= Duration::from_secs(300));
        let expected = match self.quiet {
            None => Grpc(Ticket::Call { round: self.closed }),
            Some(_) if may_probe && due && !probing => Grpc(Ticket::Probe),
            Some(_) => Next::Rest,
        };
        let next = self.step(Event::Begins { may_probe });
        assert_eq!(next, expected);
        if let Grpc(ticket) = next {
            self.calls.push(ticket);
        }
    }

    fn answers(&mut self, ticket: Ticket) {
        let next = self.step(GrpcAnswered(ticket));
        if ticket == Ticket::Probe {
            assert_eq!(next, Closed);
            self.quiet = None;
            self.closed += 1;
        } else {
            assert_eq!(next, Stay);
        }
    }

    fn fails(&mut self, ticket: Ticket, over: bool) {
        assert_eq!(self.step(GrpcFailed(ticket)), Stay);
        if ticket == Ticket::Probe {
            self.quiet = Some(self.now);
        }
        if over {
            let opens = self.quiet.is_none() && ticket == Ticket::Call { round: self.closed };
            let expected = if opens { Opened } else { Stay };
            assert_eq!(self.step(RestAnswered(ticket)), expected);
            self.quiet = self.quiet.or(opens.then_some(self.now));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn whatever_comes_one_call_probes_in_time_and_none_goes_over_before_it_opens(moves in moves()) {
        let mut watched = Watched {
            state: State::START,
            now: Instant::now(),
            calls: Vec::new(),
            quiet: None,
            closed: 0,
        };
        for one in moves {
            match one {
                Move::Begin(may_probe) => watched.begins(may_probe),
                Move::Pass(secs) => watched.now += Duration::from_secs(secs),
                Move::Answer(index) => if let Some(ticket) = watched.take(index) {
                    watched.answers(ticket);
                },
                Move::Fail(index) => if let Some(ticket) = watched.take(index) {
                    watched.fails(ticket, false);
                },
                Move::GoOver(index) => if let Some(ticket) = watched.take(index) {
                    watched.fails(ticket, true);
                },
            }
            let probes = watched.calls.iter().filter(|it| **it == Ticket::Probe).count();
            prop_assert!(probes <= 1, "{probes} at once");
        }
    }
}
