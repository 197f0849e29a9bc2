//! Random lives of a pool, without connections: what it counts is what there is, and nobody is forgotten.

use std::cell::Cell;
use std::rc::Rc;

use proptest::prelude::*;
use tokio::time::advance;

use super::*;

#[derive(Clone, Debug, Default)]
struct Connection(Rc<Cell<bool>>);

impl Handle for Connection {
    fn is_closed(&mut self) -> bool {
        self.0.get()
    }
}

/// What happens; a number chooses among what there is.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A call begins, and finds a stream or none.
    Call,
    /// One that found none begins to wait, whatever has happened since on other threads.
    Wait,
    /// One that was woken looks again.
    Look(usize),
    /// One that waits is given up.
    GiveUp(usize),
    /// A stream ends.
    End(usize),
    /// A connection that was begun is there, for so many streams.
    Open(usize),
    /// It could not be opened.
    Fail,
    /// The runtime ended that opened it.
    Vanish,
    /// A connection breaks, and its streams with it.
    Break(usize),
    /// A connection takes no more calls.
    Leave(usize),
    Shrink,
    /// A server allows another number of streams.
    Allow(usize, usize),
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => Just(Event::Call),
        6 => Just(Event::Wait),
        4 => any::<usize>().prop_map(Event::Look),
        1 => any::<usize>().prop_map(Event::GiveUp),
        3 => any::<usize>().prop_map(Event::End),
        3 => (0_usize..5).prop_map(Event::Open),
        1 => Just(Event::Fail),
        1 => Just(Event::Vanish),
        1 => any::<usize>().prop_map(Event::Break),
        1 => any::<usize>().prop_map(Event::Leave),
        1 => Just(Event::Shrink),
        1 => (any::<usize>(), 0_usize..5).prop_map(|(which, streams)| Event::Allow(which, streams)),
        1 => (1_u64..1500).prop_map(Event::Pass),
    ]
}

/// A call that waits, as `wait` has it.
#[derive(Debug)]
struct Waiting {
    woken: bool,
    failures: u64,
    /// When it looks again by itself.
    due: Option<Instant>,
}

/// A pool, and what is known of it from outside.
struct Life {
    kept: Kept<Connection>,
    limits: Limits,
    /// The connection of each stream.
    streams: Vec<u64>,
    /// How many calls have found no stream and do not wait yet.
    begun: usize,
    waiting: Vec<Waiting>,
    connecting: usize,
    /// A wake that met nobody.
    permit: bool,
}

impl Life {
    fn new(limits: Limits) -> Self {
        Self {
            kept: Kept::new(limits, 1),
            limits,
            streams: Vec::new(),
            begun: 0,
            waiting: Vec::new(),
            connecting: 0,
            permit: false,
        }
    }

    async fn meet(&mut self, event: Event) {
        match event {
            Event::Call => self.call(),
            Event::Wait => self.wait(),
            Event::Look(which) => {
                let woken = self.waiting.iter().enumerate().filter(|(_, it)| it.woken);
                let woken: Vec<_> = woken.map(|(place, _)| place).collect();
                if let Some(place) = chosen(&woken, which) {
                    self.look(*place);
                }
            }
            Event::GiveUp(which) => {
                if !self.waiting.is_empty() {
                    let given_up = self.waiting.remove(which % self.waiting.len());
                    self.kept.end_waiting();
                    self.wake(usize::from(given_up.woken));
                }
            }
            Event::End(which) => {
                if let Some(number) = chosen(&self.streams, which).copied() {
                    self.end(number);
                }
            }
            Event::Open(allowed) => self.opened(Some(allowed)),
            Event::Fail => self.opened(None),
            Event::Vanish => {
                if self.connecting > 0 {
                    self.connecting -= 1;
                    self.kept.end_connecting();
                    self.wake(self.waiting.len());
                }
            }
            Event::Break(which) => {
                if let Some(number) = self.close(which) {
                    while self.streams.contains(&number) {
                        self.end(number);
                    }
                }
            }
            Event::Leave(which) => {
                self.close(which);
            }
            Event::Shrink => {
                self.kept.shrink();
            }
            Event::Allow(which, streams) => {
                if let Some(open) = chosen(&self.kept.open, which) {
                    open.allowed.set(streams);
                    self.made_room();
                }
            }
            Event::Pass(millis) => {
                advance(Duration::from_millis(millis)).await;
                let now = Instant::now();
                for waiting in &mut self.waiting {
                    waiting.woken |= waiting.due.is_some_and(|due| due <= now);
                }
            }
        }
        self.check();
    }

    fn call(&mut self) {
        if let Some((number, _)) = self.kept.take_new() {
            return self.streams.push(number);
        }
        self.begun += 1;
    }

    fn wait(&mut self) {
        if self.begun == 0 {
            return;
        }
        self.begun -= 1;
        let failures = self.kept.failures();
        if let Some((number, _)) = self.kept.begin_waiting() {
            self.kept.end_waiting();
            return self.streams.push(number);
        }
        self.connecting += self.kept.begin_connecting();
        self.waiting.push(Waiting {
            woken: std::mem::take(&mut self.permit),
            failures,
            due: self.kept.paused_until(),
        });
    }

    fn look(&mut self, place: usize) {
        let waiting = self.waiting.remove(place);
        if let Some((number, _)) = self.kept.take() {
            self.kept.end_waiting();
            return self.streams.push(number);
        }
        if self.kept.fault_since(waiting.failures).is_some() {
            return self.kept.end_waiting();
        }
        self.connecting += self.kept.begin_connecting();
        self.waiting.push(Waiting {
            woken: std::mem::take(&mut self.permit),
            due: self.kept.paused_until(),
            ..waiting
        });
    }

    fn end(&mut self, number: u64) {
        let place = self.streams.iter().position(|it| *it == number);
        self.streams.remove(place.expect("there is one"));
        self.kept.give_back(number);
        self.wake(usize::from(self.kept.waiting() > 0));
    }

    fn opened(&mut self, allowed: Option<usize>) {
        if self.connecting == 0 {
            return;
        }
        self.connecting -= 1;
        self.kept.end_connecting();
        if let Some(allowed) = allowed {
            let told = Allowed::default();
            told.set_first(allowed);
            self.kept.add(Connection::default(), told);
            self.made_room();
        } else {
            self.kept.fail(Fault::new("refused".into()));
            self.wake(self.waiting.len());
        }
    }

    fn made_room(&mut self) {
        let room = self.kept.room().min(self.kept.waiting());
        self.wake(room);
        self.connecting += self.kept.begin_connecting();
    }

    /// Closes a connection; its number.
    fn close(&mut self, which: usize) -> Option<u64> {
        let open = chosen(&self.kept.open, which)?;
        open.handle.0.set(true);
        Some(open.number)
    }

    /// As tokio's `Notify` does.
    fn wake(&mut self, times: usize) {
        for _ in 0..times {
            match self.waiting.iter_mut().find(|it| !it.woken) {
                Some(waiting) => waiting.woken = true,
                None => self.permit = true,
            }
        }
    }

    fn check(&self) {
        let kept = &self.kept;
        assert_eq!(kept.streams, self.streams.len(), "streams");
        assert_eq!(kept.waiting, self.waiting.len(), "waiting");
        assert_eq!(kept.connecting, self.connecting, "connecting");
        let there = kept.open.len() + kept.connecting;
        assert!(there <= self.limits.connections, "{there} connections");
        for open in &kept.open {
            let its = self.streams.iter().filter(|it| **it == open.number);
            assert_eq!(open.streams, its.count(), "of one connection");
        }
        // Whoever could go on has been told to, and whoever was told nothing has something that will tell.
        let most = kept.most();
        let live = kept.open.iter().filter(|open| !open.handle.0.get());
        let room: usize = live.map(|open| open.room(most)).sum();
        let woken = self.waiting.iter().filter(|it| it.woken).count();
        let asleep = self.waiting.len() - woken;
        assert!(
            asleep == 0 || woken >= room,
            "{asleep} wait, {room} could go"
        );
        let something = woken + kept.connecting + self.streams.len() > 0;
        let due = self.waiting.iter().any(|it| it.due.is_some());
        assert!(asleep == 0 || something || due, "{asleep} wait for nothing");
    }

    /// Everything that is under way comes to its end. Nobody waits then.
    async fn calm_down(&mut self) {
        for _ in 0..1000 {
            if self.begun + self.waiting.len() + self.streams.len() == 0 {
                return;
            }
            self.meet(Event::Wait).await;
            self.meet(Event::Open(1)).await;
            self.meet(Event::End(0)).await;
            self.meet(Event::Pass(1500)).await;
            self.meet(Event::Look(0)).await;
        }
        panic!("{:?} wait for ever", self.waiting);
    }
}

fn chosen<T>(all: &[T], which: usize) -> Option<&T> {
    all.get(which.checked_rem(all.len())?)
}

proptest! {
    #[test]
    fn whatever_happens_the_counts_are_right_and_nobody_waits_for_nothing(
        connections in 1_usize..4,
        streams in 1_usize..4,
        events in proptest::collection::vec(event(), 0..120),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let mut life = Life::new(Limits { connections, http1: 1, streams });
            for event in events {
                life.meet(event).await;
            }
            life.calm_down().await;
        });
    }
}
