//! The faults of the network and the server, and their times, from a seed.

use std::time::Duration;

use turmoil::Sim;

use crate::network::{self, CLIENT, SERVER};
use crate::server::Server;

/// Time from the start of a simulation to the end of its last fault.
pub(crate) const FAULTY: Duration = Duration::from_secs(45 * 60);

/// Maximum latency without faults.
const LATENCY: Duration = Duration::from_millis(300);

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Partition,
    NothingToServer,
    NothingFromServer,
    Hold,
    LongTail,
    Restart,
    Loss,
    /// Any of these except `Loss`, two at a time.
    Mix,
}

use Fault::{Hold, LongTail, Loss, Mix, NothingFromServer, NothingToServer, Partition, Restart};

impl Fault {
    pub(crate) const ALL: [Self; 8] = [
        Partition,
        NothingToServer,
        NothingFromServer,
        Hold,
        LongTail,
        Restart,
        Loss,
        Mix,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Partition => "partition",
            NothingToServer => "one-way partition, to the server",
            NothingFromServer => "one-way partition, from the server",
            Hold => "hold and release",
            LongTail => "latency with a long tail",
            Restart => "crash, state kept",
            Loss => "crash, state lost",
            Mix => "mix",
        }
    }

    pub(crate) fn how(self) -> &'static str {
        match self {
            Partition => "for 1 s to 3 min, messages in flight and new messages are lost",
            NothingToServer => "the same, only for messages of the client",
            NothingFromServer => "the same, only for messages of the server",
            Hold => "messages are held for 1 s to 3 min, then all arrive at once",
            LongTail => "exponential latencies of at most 30 s, with a mean of 1.5 to 6 s",
            Restart => {
                "the server's tasks are dropped, with or without a FIN; it is back after 1 s to 3 min"
            }
            Loss => "the same, and the server has lost its state",
            Mix => "two of these at a time, except for the loss of state",
        }
    }

    /// Returns true if the server may lose its state.
    pub(crate) fn forgets(self) -> bool {
        self == Loss
    }
}

/// Random numbers that are the same on every machine (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Returns a duration between two durations, uniform on a logarithmic scale.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let part = self.below(1 << 20) as f64 / f64::from(1 << 20);
        least.mul_f64((most.as_secs_f64() / least.as_secs_f64()).powf(part))
    }
}

/// The planned events in their order.
#[derive(Debug)]
pub(crate) struct Plan {
    steps: std::vec::IntoIter<(Duration, Step)>,
    next: Option<(Duration, Step)>,
    /// Number of active faults.
    active: usize,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin(Fault, Shape),
    End(Fault),
    /// The end of all faults.
    Heal,
}

/// The variants of a fault.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// True if a crash closes the connections of the server with a FIN.
    fin: bool,
    /// The rate of the exponential distribution of latencies.
    rate: f64,
}

impl Plan {
    pub(crate) fn new(fault: Fault, chance: &mut Chance) -> Self {
        let mut steps = Vec::new();
        let at_once = if fault == Mix { 2 } else { 1 };
        for _ in 0..at_once {
            let mut at = chance.between(Duration::from_secs(20), Duration::from_secs(480));
            while at < FAULTY {
                let kind = match fault {
                    Mix => Fault::ALL[chance.below(6) as usize],
                    alone => alone,
                };
                let shape = Shape {
                    fin: chance.below(2) == 0,
                    rate: 5.0 + chance.below(16) as f64,
                };
                let ends = at + chance.between(Duration::from_secs(1), Duration::from_secs(180));
                steps.push((at, Step::Begin(kind, shape)));
                steps.push((ends.min(FAULTY), Step::End(kind)));
                at = ends + chance.between(Duration::from_secs(20), Duration::from_secs(480));
            }
        }
        // The end of all faults is added after sorting, so it is last.
        steps.sort_by_key(|(at, _)| *at);
        steps.push((FAULTY, Step::Heal));
        let mut steps = steps.into_iter();
        let next = steps.next();
        Self {
            steps,
            next,
            active: 0,
        }
    }

    /// Applies the events that are due. Returns true if a fault was active, or has just begun or ended.
    pub(crate) fn follow(&mut self, sim: &mut Sim<'_>, server: &Server) -> bool {
        let mut bad = self.active > 0;
        while let Some((_, step)) = self.next.filter(|(at, _)| *at <= sim.elapsed()) {
            step.apply(sim, server);
            step.cut();
            match step {
                Step::Begin(..) => self.active += 1,
                Step::End(_) => self.active -= 1,
                Step::Heal => {}
            }
            bad = true;
            self.next = self.steps.next();
        }
        bad
    }

    /// Returns true if there will be no further faults.
    pub(crate) fn is_over(&self) -> bool {
        self.next.is_none()
    }
}

impl Step {
    /// Sets whether messages are lost from now on, if this step changes that.
    fn cut(self) {
        match self {
            Self::Begin(Partition | NothingToServer | NothingFromServer, _) => network::cut(true),
            // The end of any of these ends all of them: turmoil repairs a link as a whole.
            Self::End(Partition | NothingToServer | NothingFromServer | Hold) | Self::Heal => {
                network::cut(false);
            }
            Self::Begin(..) | Self::End(_) => {}
        }
    }

    fn apply(self, sim: &mut Sim<'_>, server: &Server) {
        match self {
            Self::Begin(Partition, _) => sim.partition(CLIENT, SERVER),
            Self::Begin(NothingToServer, _) => sim.partition_oneway(CLIENT, SERVER),
            Self::Begin(NothingFromServer, _) => sim.partition_oneway(SERVER, CLIENT),
            Self::Begin(Hold, _) => sim.hold(CLIENT, SERVER),
            Self::Begin(LongTail, shape) => {
                sim.set_max_message_latency(Duration::from_secs(30));
                sim.set_message_latency_curve(shape.rate);
            }
            Self::Begin(kind, shape) => crash(sim, server, kind, shape.fin),
            Self::End(Partition | NothingToServer | NothingFromServer) => {
                sim.repair(CLIENT, SERVER);
            }
            Self::End(Hold) => sim.release(CLIENT, SERVER),
            Self::End(LongTail) => calm(sim),
            Self::End(_) => restart(sim),
            Self::Heal => {
                sim.release(CLIENT, SERVER);
                calm(sim);
                restart(sim);
            }
        }
    }
}

/// The latencies without faults.
pub(crate) fn calm(sim: &Sim<'_>) {
    sim.set_max_message_latency(LATENCY);
    sim.set_message_latency_curve(5.0);
}

fn crash(sim: &mut Sim<'_>, server: &Server, kind: Fault, fin: bool) {
    if !fin {
        // A host that loses power sends nothing.
        sim.partition_oneway(SERVER, CLIENT);
    }
    sim.crash(SERVER);
    if !fin {
        sim.repair_oneway(SERVER, CLIENT);
    }
    if kind.forgets() {
        server.lose();
    }
}

fn restart(sim: &mut Sim<'_>) {
    if !sim.is_host_running(SERVER) {
        sim.bounce(SERVER);
    }
}
