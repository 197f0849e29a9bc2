//! Random simulations of a pool without a network. They check that the counts are right, and that each waiting call will be
//! woken.

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

impl PooledConnection for Connection {
    fn refuses_calls(&mut self) -> bool {
        !self.is_live()
    }
}

/// A flag that is set when a call is woken.
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

/// A random event. A number selects one of the existing calls, streams or connections.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A call begins. It gets a stream if one is free.
    Call,
    /// A call that got no stream begins to wait. Other events may come in between, as on other threads.
    Wait,
    /// A call that was woken is polled.
    Poll(usize),
    /// A waiting call is dropped.
    Drop(usize),
    /// A stream ends.
    End(usize),
    /// A connection opens. The server allows this many streams.
    Open(usize),
    /// An attempt to connect fails.
    Fail,
    /// The runtime of an attempt to connect ends.
    Abandon,
    /// A connection breaks, and its streams end.
    Break(usize),
    /// A connection accepts no more calls.
    Close(usize),
    /// The pool closes connections that it does not need.
    Shrink,
    /// A server allows another number of streams.
    Allow(usize, usize),
    /// This many milliseconds pass.
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => Just(Event::Call),
        6 => Just(Event::Wait),
        4 => any::<usize>().prop_map(Event::Poll),
        1 => any::<usize>().prop_map(Event::Drop),
        3 => any::<usize>().prop_map(Event::End),
        3 => (0_usize..5).prop_map(Event::Open),
        1 => Just(Event::Fail),
        1 => Just(Event::Abandon),
        1 => any::<usize>().prop_map(Event::Break),
        1 => any::<usize>().prop_map(Event::Close),
        1 => Just(Event::Shrink),
        1 => (any::<usize>(), 0_usize..5).prop_map(|(which, streams)| Event::Allow(which, streams)),
        1 => (1_u64..1500).prop_map(Event::Pass),
    ]
}

/// A waiting call, as in `acquire`.
#[derive(Debug)]
struct Waiting {
    id: WaiterId,
    woken: Arc<Woken>,
    /// The end of the pause, at which the call is polled again.
    pause_end: Option<Instant>,
}

/// A pool, and the expected counts.
struct Simulation {
    pool: LockedPool<Connection>,
    limits: PoolLimits,
    /// The connection of each stream.
    streams: Vec<u64>,
    /// Number of calls that got no stream and do not wait yet.
    begun: usize,
    waiting: Vec<Waiting>,
    connecting: usize,
}

impl Simulation {
    fn new(limits: PoolLimits) -> Self {
        Self {
            pool: LockedPool::new(limits, 1),
            limits,
            streams: Vec::new(),
            begun: 0,
            waiting: Vec::new(),
            connecting: 0,
        }
    }

    async fn apply(&mut self, event: Event) {
        match event {
            Event::Call => self.call(),
            Event::Wait => self.wait(),
            Event::Poll(which) => {
                let calls = self.waiting.iter().enumerate();
                let woken = calls.filter(|(_, call)| call.woken.get());
                let indices: Vec<_> = woken.map(|(index, _)| index).collect();
                if let Some(index) = select(&indices, which) {
                    self.run(*index);
                }
            }
            Event::Drop(which) => {
                if !self.waiting.is_empty() {
                    let dropped = self.waiting.remove(which % self.waiting.len());
                    self.pool.with(|state| state.end_waiting(dropped.id));
                }
            }
            Event::End(which) => {
                if let Some(connection_id) = select(&self.streams, which).copied() {
                    self.end(connection_id);
                }
            }
            Event::Open(allowed) => self.opened(Some(allowed)),
            Event::Fail => self.opened(None),
            Event::Abandon => {
                if self.connecting > 0 {
                    self.connecting -= 1;
                    self.pool.with(PoolState::abandon_connecting);
                }
            }
            Event::Break(which) => {
                if let Some(connection_id) = self.close(which) {
                    while self.streams.contains(&connection_id) {
                        self.end(connection_id);
                    }
                }
            }
            Event::Close(which) => {
                self.close(which);
            }
            Event::Shrink => {
                self.pool.with(PoolState::shrink);
            }
            Event::Allow(which, streams) => {
                let server_limit = |state: &mut PoolState<_>| {
                    let open = select(&state.open, which)?;
                    Some(open.server_limit.clone())
                };
                if let Some(server_limit) = self.pool.with(server_limit) {
                    server_limit.set(streams);
                    self.grow();
                }
            }
            Event::Pass(millis) => {
                advance(Duration::from_millis(millis)).await;
                let now = Instant::now();
                for waiting in &self.waiting {
                    if waiting.pause_end.is_some_and(|end| end <= now) {
                        waiting.woken.set(true);
                    }
                }
            }
        }
        self.check();
    }

    fn call(&mut self) {
        match self.pool.with(PoolState::try_acquire) {
            Some((connection_id, _)) => self.streams.push(connection_id),
            None => self.begun += 1,
        }
    }

    fn wait(&mut self) {
        if self.begun == 0 {
            return;
        }
        self.begun -= 1;
        let waiting = Waiting {
            id: self.pool.with(PoolState::begin_waiting),
            woken: Arc::default(),
            pause_end: None,
        };
        self.begin_round(waiting);
    }

    fn begin_round(&mut self, mut waiting: Waiting) {
        for _ in 0..10 {
            self.grow();
            waiting.pause_end = self.pool.with(|state| state.pause_end());
            match self.poll(waiting) {
                Some(again) => waiting = again,
                None => return,
            }
        }
        panic!("the call retries without end");
    }

    /// Polls a call. Returns it if it has to retry.
    fn poll(&mut self, waiting: Waiting) -> Option<Waiting> {
        waiting.woken.set(false);
        let Waiting { id, pause_end, .. } = waiting;
        let waker = Arc::clone(&waiting.woken).into();
        let (outcome, _) = self
            .pool
            .with(|state| state.poll_waiting(id, pause_end, waker));
        match outcome {
            WaitOutcome::Stream(connection_id, _) => self.streams.push(connection_id),
            WaitOutcome::Failed(_) => {}
            WaitOutcome::Retry => return Some(waiting),
            WaitOutcome::Pending => {
                self.waiting.push(waiting);
                return None;
            }
        }
        self.pool.with(|state| state.end_waiting(id));
        None
    }

    fn run(&mut self, index: usize) {
        let mut waiting = self.waiting.remove(index);
        if waiting.pause_end.is_some_and(|end| end <= Instant::now()) {
            return self.begin_round(waiting);
        }
        if let Some(again) = self.poll(waiting) {
            waiting = again;
            self.begin_round(waiting);
        }
    }

    fn end(&mut self, connection_id: u64) {
        let index = self.streams.iter().position(|id| *id == connection_id);
        self.streams.remove(index.expect("the stream exists"));
        self.pool.with(|state| state.release(connection_id));
    }

    fn opened(&mut self, streams: Option<usize>) {
        if self.connecting == 0 {
            return;
        }
        self.connecting -= 1;
        let Some(streams) = streams else {
            let error = SharedError::new("refused".into());
            self.pool.with(|state| {
                state.end_connecting();
                state.record_failure(&error);
            });
            return;
        };
        let server_limit = MaxConcurrentStreams::default();
        server_limit.set_first(streams);
        self.pool.with(|state| {
            state.end_connecting();
            state.add(Connection::default(), server_limit);
        });
        self.grow();
    }

    fn grow(&mut self) {
        self.connecting += self.pool.with(PoolState::begin_connecting);
    }

    /// Closes a connection without notifying the pool. Returns the connection's ID.
    fn close(&mut self, which: usize) -> Option<u64> {
        let state = self.pool.0.lock().expect("no panic");
        let open = select(&state.open, which)?;
        open.handle.close();
        Some(open.id)
    }

    fn check(&self) {
        let state = self.pool.0.lock().expect("no panic");
        let assigned = self.waiting.iter().filter_map(|call| {
            let assigned = state.queue.peek_assigned(call.id)?;
            assert!(call.woken.get(), "a call with a result is not woken");
            Some(assigned)
        });
        let assigned: Vec<_> = assigned.collect();
        let streams = assigned.iter().filter_map(|result| result.as_ref().ok());
        let reserved: Vec<u64> = streams.map(|(id, _)| *id).collect();
        let expected = self.streams.len() + reserved.len();
        assert_eq!(state.streams, expected, "streams");
        let waiting = self.waiting.len() - assigned.len();
        assert_eq!(state.waiting(), waiting, "waiting");
        assert_eq!(state.connecting, self.connecting, "connecting");
        let connections = state.open.len() + state.connecting;
        assert!(
            connections <= self.limits.connections,
            "{connections} connections"
        );
        for open in &state.open {
            let all = self.streams.iter().chain(&reserved);
            let count = all.filter(|id| **id == open.id).count();
            assert_eq!(open.streams, count, "streams of a connection");
        }
        // No call waits while a stream is free.
        let stream_limit = state.stream_limit();
        let live = state.open.iter().filter(|open| open.handle.is_live());
        let free: usize = live.map(|open| open.available(stream_limit)).sum();
        assert!(
            waiting == 0 || free == 0,
            "{waiting} calls wait although {free} streams are free"
        );
        // Some later event will wake the sleeping calls.
        let woken = self.waiting.iter().filter(|call| call.woken.get()).count();
        let has_event = woken + state.connecting + self.streams.len() > 0;
        let has_pause = self.waiting.iter().any(|call| call.pause_end.is_some());
        assert!(
            waiting == 0 || has_event || has_pause,
            "{waiting} calls wait, and no event will wake them"
        );
    }

    /// Ends all calls. Afterwards no call waits.
    async fn finish(&mut self) {
        for _ in 0..1000 {
            if self.begun + self.waiting.len() + self.streams.len() == 0 {
                return;
            }
            self.apply(Event::Wait).await;
            self.apply(Event::Open(1)).await;
            self.apply(Event::End(0)).await;
            self.apply(Event::Pass(1500)).await;
            self.apply(Event::Poll(0)).await;
        }
        panic!("the calls {:?} never end", self.waiting);
    }
}

fn select<T>(all: &[T], which: usize) -> Option<&T> {
    all.get(which.checked_rem(all.len())?)
}

proptest! {
    #[test]
    fn after_random_events_the_counts_are_right_and_each_waiting_call_will_be_woken(
        connections in 1_usize..4,
        streams in 1_usize..4,
        events in proptest::collection::vec(event(), 0..120),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let mut simulation = Simulation::new(limits(connections, streams));
            for event in events {
                simulation.apply(event).await;
            }
            simulation.finish().await;
        });
    }
}

fn limits(connections: usize, streams: usize) -> PoolLimits {
    PoolLimits {
        connections,
        http1: 1,
        streams,
    }
}

/// A pool with one connection whose server allows this many streams.
fn pool_of_one(streams: usize) -> LockedPool<Connection> {
    let pool = LockedPool::new(limits(1, streams), 1);
    let server_limit = MaxConcurrentStreams::default();
    server_limit.set_first(streams);
    pool.with(|state| state.add(Connection::default(), server_limit));
    pool
}

/// Taking a stream and leaving the queue must be one step. If these were two steps, another call could run between them and
/// wait although a stream is free.
#[test]
fn a_call_with_an_assigned_stream_is_no_longer_in_the_queue() {
    let pool = pool_of_one(2);
    let first = pool.with(PoolState::try_acquire).expect("a free stream").0;
    let second = pool.with(PoolState::try_acquire).expect("a free stream").0;
    let id = pool.with(PoolState::begin_waiting);
    let woken = Arc::new(Woken::default());
    let waker = Arc::clone(&woken).into();
    let (outcome, _) = pool.with(|state| state.poll_waiting(id, None, waker));
    assert!(matches!(outcome, WaitOutcome::Pending));
    pool.with(|state| state.release(first));
    pool.with(|state| state.release(second));
    // The waiting call is woken and has not run yet.
    assert!(woken.get());
    assert_eq!(pool.with(|state| state.waiting()), 0);
    assert!(
        pool.with(PoolState::try_acquire).is_some(),
        "a stream is free"
    );
    let (outcome, _) = pool.with(|state| state.poll_waiting(id, None, Waker::noop().clone()));
    assert!(matches!(outcome, WaitOutcome::Stream(..)));
}

#[test]
fn a_stream_that_a_dropped_call_did_not_take_goes_to_the_next() {
    let pool = pool_of_one(1);
    let stream = pool.with(PoolState::try_acquire).expect("a free stream").0;
    let waiting = [(); 3].map(|()| pool.with(PoolState::begin_waiting));
    pool.with(|state| state.release(stream));
    for id in waiting {
        assert!(
            pool.with(PoolState::try_acquire).is_none(),
            "waiting calls come first"
        );
        pool.with(|state| state.end_waiting(id));
    }
    assert!(pool.with(PoolState::try_acquire).is_some());
}

/// A connection may close after one of its streams is assigned to a call and before that call runs.
#[test]
fn a_call_whose_connection_closed_before_it_ran_keeps_its_place() {
    let pool = pool_of_one(1);
    let (stream, connection) = pool.with(PoolState::try_acquire).expect("a free stream");
    let first = pool.with(PoolState::begin_waiting);
    let second = pool.with(PoolState::begin_waiting);
    pool.with(|state| state.release(stream));
    connection.close();
    let poll = |id| pool.with(|state| state.poll_waiting(id, None, Waker::noop().clone()));
    assert!(
        matches!(poll(first).0, WaitOutcome::Retry),
        "the call opens another connection"
    );
    assert_eq!(pool.with(PoolState::begin_connecting), 1);
    let server_limit = MaxConcurrentStreams::default();
    server_limit.set_first(1);
    pool.with(|state| {
        state.end_connecting();
        state.add(Connection::default(), server_limit)
    });
    assert!(matches!(poll(second).0, WaitOutcome::Pending));
    assert!(matches!(poll(first).0, WaitOutcome::Stream(..)));
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_address_is_tried_once_for_all_calls_with_growing_delays() {
    let pool = LockedPool::<Connection>::new(limits(16, 1), 1);
    let poll = |id| {
        let pause_end = pool.with(|state| state.pause_end());
        pool.with(|state| state.poll_waiting(id, pause_end, Waker::noop().clone()))
    };
    let first = pool.with(PoolState::begin_waiting);
    assert_eq!(pool.with(PoolState::begin_connecting), 1);
    let error = SharedError::new("refused".into());
    let fail = || {
        pool.with(|state| {
            state.end_connecting();
            state.record_failure(&error);
        });
    };
    fail();
    assert!(matches!(poll(first).0, WaitOutcome::Failed(_)));
    for millis in [10, 20, 40, 80, 160, 320, 640, 1000, 1000] {
        let calls = [(); 5].map(|()| pool.with(PoolState::begin_waiting));
        let pause = Duration::from_millis(millis);
        let end = pool.with(|state| state.pause_end());
        assert_eq!(end, Some(Instant::now() + pause));
        assert_eq!(
            pool.with(PoolState::begin_connecting),
            0,
            "no attempt during the pause"
        );
        assert!(matches!(poll(calls[0]).0, WaitOutcome::Pending));
        advance(pause).await;
        assert_eq!(
            pool.with(PoolState::begin_connecting),
            1,
            "one attempt for all calls"
        );
        assert_eq!(pool.with(PoolState::begin_connecting), 0);
        fail();
        for call in calls {
            assert!(matches!(poll(call).0, WaitOutcome::Failed(_)));
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

/// Makes calls. Pauses between steps, so that other threads run in between.
fn calls_of_one_thread(pool: &LockedPool<Connection>, seed: usize) {
    let pause = |step: usize| {
        let micros = (seed * 31 + step * 17) % 40;
        thread::sleep(Duration::from_micros(u64::try_from(micros).expect("small")));
    };
    for call in 0..150 {
        pause(call);
        pool.with(|state| assert!(state.waiting() == 0 || state.available() == 0));
        let mut stream = pool.with(PoolState::try_acquire).map(|(id, _)| id);
        if stream.is_none() {
            let id = pool.with(PoolState::begin_waiting);
            let is_dropped = (seed + call).is_multiple_of(7);
            while stream.is_none() && !is_dropped {
                pause(call + 1);
                let waker = Arc::new(Unpark(thread::current())).into();
                match pool.with(|state| state.poll_waiting(id, None, waker)).0 {
                    WaitOutcome::Stream(connection_id, _) => stream = Some(connection_id),
                    WaitOutcome::Pending => {
                        let parked = std::time::Instant::now();
                        thread::park_timeout(Duration::from_secs(30));
                        assert!(
                            parked.elapsed() < Duration::from_secs(30),
                            "the call was not woken"
                        );
                    }
                    outcome => panic!("there is a connection: {outcome:?}"),
                }
            }
            pause(call + 2);
            pool.with(|state| state.end_waiting(id));
        }
        pause(call + 3);
        if let Some(connection_id) = stream {
            pool.with(|state| state.release(connection_id));
        }
    }
}

#[test]
fn no_thread_sees_a_call_wait_while_a_stream_is_free() {
    let pool = pool_of_one(3);
    thread::scope(|scope| {
        for seed in 0..12 {
            let pool = &pool;
            scope.spawn(move || calls_of_one_thread(pool, seed));
        }
    });
    pool.with(|state| assert_eq!((state.waiting(), state.streams), (0, 0)));
}
