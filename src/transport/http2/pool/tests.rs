//! Random lives of a pool, without connections: what it counts is what there is, and nobody is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::thread;

use proptest::prelude::*;
use tokio::time::advance;

use super::*;

#[derive(Clone, Debug, Default)]
struct Connection(Arc<AtomicBool>);

impl Connection {
    fn close(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_live(&self) -> bool {
        !self.0.load(Ordering::SeqCst)
    }
}

impl Handle for Connection {
    fn is_closed(&mut self) -> bool {
        !self.is_live()
    }
}

/// Whether a call is to be polled.
#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Woken {
    fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn set(&self, woken: bool) {
        self.0.store(woken, Ordering::SeqCst);
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.set(true);
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
    ticket: Ticket,
    woken: Arc<Woken>,
    /// The pause whose end it waits for as well.
    paused: Option<Instant>,
}

/// A pool, and what is known of it from outside.
struct Life {
    pool: Locked<Connection>,
    limits: Limits,
    /// The connection of each stream.
    streams: Vec<u64>,
    /// How many calls have found no stream and do not wait yet.
    begun: usize,
    waiting: Vec<Waiting>,
    connecting: usize,
}

impl Life {
    fn new(limits: Limits) -> Self {
        Self {
            pool: Locked::new(limits, 1),
            limits,
            streams: Vec::new(),
            begun: 0,
            waiting: Vec::new(),
            connecting: 0,
        }
    }

    async fn meet(&mut self, event: Event) {
        match event {
            Event::Call => self.call(),
            Event::Wait => self.wait(),
            Event::Look(which) => {
                let woken = self.waiting.iter().enumerate();
                let woken = woken.filter(|(_, it)| it.woken.get());
                let woken: Vec<_> = woken.map(|(place, _)| place).collect();
                if let Some(place) = chosen(&woken, which) {
                    self.look(*place);
                }
            }
            Event::GiveUp(which) => {
                if !self.waiting.is_empty() {
                    let given_up = self.waiting.remove(which % self.waiting.len());
                    self.pool.with(|kept| kept.end_waiting(given_up.ticket));
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
                    self.pool.with(Kept::abandon_connecting);
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
                self.pool.with(Kept::shrink);
            }
            Event::Allow(which, streams) => {
                let allowed = |kept: &mut Kept<_>| {
                    let open = chosen(&kept.open, which)?;
                    Some(open.allowed.clone())
                };
                if let Some(allowed) = self.pool.with(allowed) {
                    allowed.set(streams);
                    self.grow();
                }
            }
            Event::Pass(millis) => {
                advance(Duration::from_millis(millis)).await;
                let now = Instant::now();
                for waiting in &self.waiting {
                    if waiting.paused.is_some_and(|end| end <= now) {
                        waiting.woken.set(true);
                    }
                }
            }
        }
        self.check();
    }

    fn call(&mut self) {
        match self.pool.with(Kept::take_new) {
            Some((number, _)) => self.streams.push(number),
            None => self.begun += 1,
        }
    }

    fn wait(&mut self) {
        if self.begun == 0 {
            return;
        }
        self.begun -= 1;
        let waiting = Waiting {
            ticket: self.pool.with(Kept::begin_waiting),
            woken: Arc::default(),
            paused: None,
        };
        self.begin_round(waiting);
    }

    fn begin_round(&mut self, mut waiting: Waiting) {
        for _ in 0..10 {
            self.grow();
            waiting.paused = self.pool.with(|kept| kept.paused_until());
            match self.poll(waiting) {
                Some(again) => waiting = again,
                None => return,
            }
        }
        panic!("it looks again and again");
    }

    /// Polls a call; what is returned has to look again.
    fn poll(&mut self, waiting: Waiting) -> Option<Waiting> {
        waiting.woken.set(false);
        let Waiting { ticket, paused, .. } = waiting;
        let waker = Arc::clone(&waiting.woken).into();
        let (turn, _) = self.pool.with(|kept| kept.turn(ticket, paused, waker));
        match turn {
            Turn::Stream(number, _) => self.streams.push(number),
            Turn::Failed(_) => {}
            Turn::Again => return Some(waiting),
            Turn::Wait => {
                self.waiting.push(waiting);
                return None;
            }
        }
        self.pool.with(|kept| kept.end_waiting(ticket));
        None
    }

    fn look(&mut self, place: usize) {
        let mut waiting = self.waiting.remove(place);
        if waiting.paused.is_some_and(|end| end <= Instant::now()) {
            return self.begin_round(waiting);
        }
        if let Some(again) = self.poll(waiting) {
            waiting = again;
            self.begin_round(waiting);
        }
    }

    fn end(&mut self, number: u64) {
        let place = self.streams.iter().position(|it| *it == number);
        self.streams.remove(place.expect("there is one"));
        self.pool.with(|kept| kept.give_back(number));
    }

    fn opened(&mut self, allowed: Option<usize>) {
        if self.connecting == 0 {
            return;
        }
        self.connecting -= 1;
        let Some(allowed) = allowed else {
            let error = SharedError::new("refused".into());
            self.pool.with(|kept| {
                kept.end_connecting();
                kept.fail(&error);
            });
            return;
        };
        let told = Allowed::default();
        told.set_first(allowed);
        self.pool.with(|kept| {
            kept.end_connecting();
            kept.add(Connection::default(), told);
        });
        self.grow();
    }

    fn grow(&mut self) {
        self.connecting += self.pool.with(Kept::begin_connecting);
    }

    /// Closes a connection; its number.
    fn close(&mut self, which: usize) -> Option<u64> {
        // The pool is not told.
        let kept = self.pool.0.lock().expect("no panic");
        let open = chosen(&kept.open, which)?;
        open.handle.close();
        Some(open.number)
    }

    fn check(&self) {
        let kept = self.pool.0.lock().expect("no panic");
        let decided = self.waiting.iter().filter_map(|it| {
            let decided = kept.queue.peek(it.ticket)?;
            assert!(it.woken.get(), "it has its turn and is not woken");
            Some(decided)
        });
        let decided: Vec<_> = decided.collect();
        let given = decided.iter().filter_map(|it| it.as_ref().ok());
        let given: Vec<u64> = given.map(|(number, _)| *number).collect();
        assert_eq!(kept.streams, self.streams.len() + given.len(), "streams");
        let waiting = self.waiting.len() - decided.len();
        assert_eq!(kept.waiting(), waiting, "waiting");
        assert_eq!(kept.connecting, self.connecting, "connecting");
        let there = kept.open.len() + kept.connecting;
        assert!(there <= self.limits.connections, "{there} connections");
        for open in &kept.open {
            let its = self.streams.iter().chain(&given);
            let its = its.filter(|it| **it == open.number);
            assert_eq!(open.streams, its.count(), "of one connection");
        }
        // No call waits beside a free stream.
        let most = kept.most();
        let live = kept.open.iter().filter(|open| open.handle.is_live());
        let room: usize = live.map(|open| open.room(most)).sum();
        assert!(waiting == 0 || room == 0, "{waiting} wait, {room} could go");
        // A call that sleeps has something that will wake it.
        let woken = self.waiting.iter().filter(|it| it.woken.get()).count();
        let something = woken + kept.connecting + self.streams.len() > 0;
        let due = self.waiting.iter().any(|it| it.paused.is_some());
        assert!(
            waiting == 0 || something || due,
            "{waiting} wait for nothing"
        );
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
            let mut life = Life::new(limits(connections, streams));
            for event in events {
                life.meet(event).await;
            }
            life.calm_down().await;
        });
    }
}

fn limits(connections: usize, streams: usize) -> Limits {
    Limits {
        connections,
        http1: 1,
        streams,
    }
}

/// A pool with one connection that the server allows so many streams.
fn pool_of_one(streams: usize) -> Locked<Connection> {
    let pool = Locked::new(limits(1, streams), 1);
    let allowed = Allowed::default();
    allowed.set_first(streams);
    pool.with(|kept| kept.add(Connection::default(), allowed));
    pool
}

/// The interleaving that left a call waiting beside a free stream as long as to take a stream and to leave the queue were
/// two steps: another call came in between.
#[test]
fn a_call_that_has_its_stream_no_longer_stands_before_others() {
    let pool = pool_of_one(2);
    let first = pool.with(Kept::take_new).expect("there is room").0;
    let second = pool.with(Kept::take_new).expect("there is room").0;
    let ticket = pool.with(Kept::begin_waiting);
    let woken = Arc::new(Woken::default());
    let waker = Arc::clone(&woken).into();
    let (turn, _) = pool.with(|kept| kept.turn(ticket, None, waker));
    assert!(matches!(turn, Turn::Wait));
    pool.with(|kept| kept.give_back(first));
    pool.with(|kept| kept.give_back(second));
    // The call that waited is woken and has not run yet.
    assert!(woken.get());
    assert_eq!(pool.with(|kept| kept.waiting()), 0);
    assert!(pool.with(Kept::take_new).is_some(), "a stream is free");
    let (turn, _) = pool.with(|kept| kept.turn(ticket, None, Waker::noop().clone()));
    assert!(matches!(turn, Turn::Stream(..)));
}

#[test]
fn a_stream_that_a_call_was_given_and_never_took_goes_to_the_next() {
    let pool = pool_of_one(1);
    let stream = pool.with(Kept::take_new).expect("there is room").0;
    let tickets = [(); 3].map(|()| pool.with(Kept::begin_waiting));
    pool.with(|kept| kept.give_back(stream));
    for ticket in tickets {
        assert!(pool.with(Kept::take_new).is_none(), "others come first");
        pool.with(|kept| kept.end_waiting(ticket));
    }
    assert!(pool.with(Kept::take_new).is_some());
}

/// A connection may close between the moment when a call is given a stream of it and the moment when the call runs.
#[test]
fn a_call_whose_connection_closed_before_it_ran_keeps_its_place() {
    let pool = pool_of_one(1);
    let (stream, connection) = pool.with(Kept::take_new).expect("there is room");
    let first = pool.with(Kept::begin_waiting);
    let second = pool.with(Kept::begin_waiting);
    pool.with(|kept| kept.give_back(stream));
    connection.close();
    let look = |ticket| pool.with(|kept| kept.turn(ticket, None, Waker::noop().clone()));
    assert!(matches!(look(first).0, Turn::Again), "it opens another");
    assert_eq!(pool.with(Kept::begin_connecting), 1);
    let allowed = Allowed::default();
    allowed.set_first(1);
    pool.with(|kept| {
        kept.end_connecting();
        kept.add(Connection::default(), allowed)
    });
    assert!(matches!(look(second).0, Turn::Wait));
    assert!(matches!(look(first).0, Turn::Stream(..)));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_cannot_be_reached_is_tried_once_for_all_calls_and_ever_later() {
    let pool = Locked::<Connection>::new(limits(16, 1), 1);
    let ask = |ticket| {
        let paused = pool.with(|kept| kept.paused_until());
        pool.with(|kept| kept.turn(ticket, paused, Waker::noop().clone()))
    };
    let first = pool.with(Kept::begin_waiting);
    assert_eq!(pool.with(Kept::begin_connecting), 1);
    let error = SharedError::new("refused".into());
    let fail = || {
        pool.with(|kept| {
            kept.end_connecting();
            kept.fail(&error);
        });
    };
    fail();
    assert!(matches!(ask(first).0, Turn::Failed(_)));
    for millis in [10, 20, 40, 80, 160, 320, 640, 1000, 1000] {
        let calls = [(); 5].map(|()| pool.with(Kept::begin_waiting));
        let pause = Duration::from_millis(millis);
        let end = pool.with(|kept| kept.paused_until());
        assert_eq!(end, Some(Instant::now() + pause));
        assert_eq!(pool.with(Kept::begin_connecting), 0, "it pauses");
        assert!(matches!(ask(calls[0]).0, Turn::Wait));
        advance(pause).await;
        assert_eq!(pool.with(Kept::begin_connecting), 1, "one for all");
        assert_eq!(pool.with(Kept::begin_connecting), 0);
        fail();
        for call in calls {
            assert!(matches!(ask(call).0, Turn::Failed(_)));
        }
    }
}

/// Wakes a thread.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// With a pause wherever another thread may come in between.
fn calls_of_one_thread(pool: &Locked<Connection>, seed: usize) {
    let pause = |step: usize| {
        let micros = (seed * 31 + step * 17) % 40;
        thread::sleep(Duration::from_micros(u64::try_from(micros).expect("small")));
    };
    for call in 0..150 {
        pause(call);
        pool.with(|kept| assert!(kept.waiting() == 0 || kept.room() == 0));
        let mut taken = pool.with(Kept::take_new).map(|(number, _)| number);
        if taken.is_none() {
            let ticket = pool.with(Kept::begin_waiting);
            let given_up = (seed + call).is_multiple_of(7);
            while taken.is_none() && !given_up {
                pause(call + 1);
                let waker = Arc::new(Unpark(thread::current())).into();
                match pool.with(|kept| kept.turn(ticket, None, waker)).0 {
                    Turn::Stream(number, _) => taken = Some(number),
                    Turn::Wait => {
                        let parked = std::time::Instant::now();
                        thread::park_timeout(Duration::from_secs(30));
                        assert!(parked.elapsed() < Duration::from_secs(30), "forgotten");
                    }
                    turn => panic!("there is a connection: {turn:?}"),
                }
            }
            pause(call + 2);
            pool.with(|kept| kept.end_waiting(ticket));
        }
        pause(call + 3);
        if let Some(number) = taken {
            pool.with(|kept| kept.give_back(number));
        }
    }
}

#[test]
fn no_thread_finds_a_call_that_waits_beside_a_free_stream() {
    let pool = pool_of_one(3);
    thread::scope(|scope| {
        for seed in 0..12 {
            let pool = &pool;
            scope.spawn(move || calls_of_one_thread(pool, seed));
        }
    });
    pool.with(|kept| assert_eq!((kept.waiting(), kept.streams), (0, 0)));
}
