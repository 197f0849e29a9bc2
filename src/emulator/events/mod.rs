//! Events: the changes of the state, and the calls, for listeners.
//!
//! Nothing is recorded until someone listens or reads the revision. From then on the [`Hub`] keeps the last events, so that a
//! listener can continue after a lost connection. The hub stops recording after 1,024 events without a listener.
//!
//! A listener has a position and no queue, so a slow listener needs no additional memory. A listener that is too slow misses
//! events and gets `lost`.

mod listener;
mod streams;

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use crate::emulator::faults::received_call::ReceivedCall;
use crate::emulator::faults::{FaultEntry, FaultObserver};
use crate::emulator::messages::convert::resource::ToProto;
use crate::emulator::messages::convert::{call, clock, fault, operation};
use crate::emulator::messages::event::Event as Kind;
use crate::emulator::messages::{
    CallView, Event, FaultChange, Hello, Lost, ResourceChange, VERSION,
};
use crate::emulator::state::Tables;
use crate::emulator::state::clock::{Clock, Moment};
use crate::emulator::state::observer::Observer;
use crate::emulator::state::resource::Resource as _;
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};

pub(super) use listener::{Listener, WatchedCore};
#[cfg(feature = "rest")]
pub(super) use streams::StreamHandle;
pub(super) use streams::{Streams, StreamsEnd};

/// Maximum number of events that are kept.
const MAX_EVENTS: usize = 1024;

/// Maximum size of the events that are kept, since clients choose the sizes of names and labels.
const MAX_BYTES: usize = 8 << 20;

/// Size of the event of a call, without its name and error.
const CALL_BYTES: usize = 128;

/// Records events, and wakes listeners.
#[derive(Debug)]
pub(super) struct Hub {
    /// Events are recorded.
    is_recording: AtomicBool,
    ring: Mutex<Ring>,
    changed: Notify,
}

/// The last events.
#[derive(Debug)]
struct Ring {
    clock: Clock,
    /// Number of the last event.
    last: u64,
    /// The last events. The numbers of the events are consecutive.
    events: VecDeque<KeptEvent>,
    /// Size of the events that are kept.
    bytes: usize,
    listeners: usize,
    /// Number of events since the last listener left, or since the revision was read.
    unheard: usize,
}

/// An event that the hub keeps.
#[derive(Debug)]
struct KeptEvent {
    number: u64,
    time: Moment,
    kind: KeptKind,
    bytes: usize,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most events are calls")]
enum KeptKind {
    /// The end of a call, without headers and messages. It is converted when a listener reads it, since most are never read.
    Call(ReceivedCall),
    Other(Box<Kind>),
}

/// The next event of a listener.
#[derive(Debug)]
enum Next {
    Event(Event),
    /// Events are missing, or the position is from another process.
    Lost(Event),
    /// No event has followed yet.
    Nothing,
}

impl Hub {
    /// Creates a hub without events. The first number is the system's time in microseconds, so that a number from an earlier
    /// process is smaller. The emulator's clock is not used, since it may be paused or set.
    pub(super) fn new(clock: Clock) -> Self {
        let time = SystemTime::now().duration_since(UNIX_EPOCH);
        let time = time.unwrap_or_default().as_micros();
        // JavaScript represents integers up to 2^53 exactly. The time stays below 2^52 until the year 2112.
        let first = u64::try_from(time).unwrap_or_default().min(1 << 52);
        Self {
            is_recording: AtomicBool::new(false),
            ring: Mutex::new(Ring {
                clock,
                last: first,
                events: VecDeque::new(),
                bytes: 0,
                listeners: 0,
                unheard: 0,
            }),
            changed: Notify::new(),
        }
    }

    /// Returns true if events are recorded.
    pub(super) fn is_recording(&self) -> bool {
        self.is_recording.load(Ordering::Relaxed)
    }

    /// Returns the number of the last event. From now on events are recorded, so that a listener can continue from this number.
    pub(super) fn revision(&self, tables: &mut Tables) -> u64 {
        self.record(tables);
        self.with(|ring| ring.last)
    }

    /// Adds a listener. Returns its position and its first event.
    fn join(&self, tables: &mut Tables, after: Option<u64>) -> (u64, Option<Event>) {
        self.record(tables);
        self.with(|ring| {
            ring.listeners += 1;
            match after {
                Some(after) => (after, None),
                None => (ring.last, Some(ring.hello())),
            }
        })
    }

    fn leave(&self) {
        self.with(|ring| {
            ring.listeners -= 1;
            ring.unheard = 0;
        });
    }

    fn next(&self, position: u64) -> Next {
        self.with(|ring| ring.next(position))
    }

    /// Returns true if no event follows this position.
    fn is_last(&self, position: u64) -> bool {
        self.with(|ring| ring.last == position)
    }

    /// Starts recording.
    fn record(&self, tables: &mut Tables) {
        watch(tables);
        self.with(|ring| {
            ring.clock = tables.clock;
            ring.unheard = 0;
            self.is_recording.store(true, Ordering::Relaxed);
        });
    }

    /// Records the end of a call. `received` is the call without its headers and messages.
    pub(super) fn call_ended(&self, received: ReceivedCall) {
        self.publish_kept(|| KeptKind::Call(received));
    }

    /// Records that all recorded calls were deleted.
    pub(super) fn calls_cleared(&self) {
        self.publish(|| Kind::CallsCleared(()));
    }

    /// Records that the clock was set. Wakes all listeners, since they wait for times of this clock.
    pub(super) fn clock_changed(&self, tables: &Tables) {
        self.with(|ring| ring.clock = tables.clock);
        self.publish(|| Kind::Clock(clock::to_proto(tables)));
    }

    /// Records that the state was deleted or replaced, maybe with the clock. The changes of individual rows are not recorded.
    pub(super) fn reset(&self, tables: &mut Tables) {
        self.with(|ring| ring.clock = tables.clock);
        if self.is_recording() {
            drop(taken(tables));
            self.publish(|| Kind::Reset(()));
        }
    }

    fn publish(&self, event: impl FnOnce() -> Kind) {
        self.publish_kept(|| KeptKind::Other(Box::new(event())));
    }

    fn publish_kept(&self, event: impl FnOnce() -> KeptKind) {
        if !self.is_recording() {
            return;
        }
        let event = event();
        self.with(|ring| {
            let is_recording = ring.push(event);
            self.is_recording.store(is_recording, Ordering::Relaxed);
        });
        self.changed.notify_waiters();
    }

    fn with<T>(&self, work: impl FnOnce(&mut Ring) -> T) -> T {
        work(&mut self.ring.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ring {
    /// Adds an event. Returns false if recording ends, since too many events have passed without a listener.
    fn push(&mut self, kind: KeptKind) -> bool {
        if self.listeners == 0 {
            self.unheard += 1;
            if self.unheard > MAX_EVENTS {
                // This event gets a number but is not recorded. A later listener that continues from a smaller number gets
                // `lost`.
                self.last += 1;
                (self.events, self.bytes) = (VecDeque::new(), 0);
                return false;
            }
        }
        self.last += 1;
        let bytes = kind.bytes();
        self.events.push_back(KeptEvent {
            number: self.last,
            time: self.clock.now(),
            kind,
            bytes,
        });
        self.bytes += bytes;
        while self.events.len() > MAX_EVENTS || (self.bytes > MAX_BYTES && self.events.len() > 1) {
            if let Some(event) = self.events.pop_front() {
                self.bytes -= event.bytes;
            }
        }
        true
    }

    fn next(&self, position: u64) -> Next {
        if position == self.last {
            return Next::Nothing;
        }
        let kept = u64::try_from(self.events.len()).unwrap_or(u64::MAX);
        // The number before the first event that is kept.
        let before = self.last - kept;
        let place = position.checked_sub(before);
        let place = place.and_then(|place| usize::try_from(place).ok());
        match place.and_then(|place| self.events.get(place)) {
            Some(event) => Next::Event(event.to_event()),
            None => {
                let mut lost = self.event(Kind::Lost(Lost { from: position }));
                lost.number = if position > self.last {
                    self.last
                } else {
                    before
                };
                Next::Lost(lost)
            }
        }
    }

    fn hello(&self) -> Event {
        self.event(Kind::Hello(Hello {
            revision: self.last,
            version: VERSION.to_owned(),
        }))
    }

    fn event(&self, event: Kind) -> Event {
        Event {
            number: self.last,
            time: Some(self.clock.now().into()),
            event: Some(event),
        }
    }
}

impl KeptEvent {
    fn to_event(&self) -> Event {
        let kind = match &self.kind {
            KeptKind::Call(received) => Kind::Call(call::to_proto(received, CallView::Basic)),
            KeptKind::Other(kind) => Kind::clone(kind),
        };
        Event {
            number: self.number,
            time: Some(self.time.into()),
            event: Some(kind),
        }
    }
}

impl KeptKind {
    /// Returns the size of the event.
    fn bytes(&self) -> usize {
        match self {
            Self::Call(received) => CALL_BYTES + received.name.len() + received.end_bytes(),
            Self::Other(kind) => kind.encoded_len(),
        }
    }
}

/// Returns the name of an event in the stream of server-sent events.
#[cfg(feature = "rest")]
pub(super) fn event_name(event: &Event) -> &'static str {
    match event.event {
        Some(Kind::Hello(_)) => "hello",
        Some(Kind::Call(_)) => "call",
        Some(Kind::Resource(_)) => "resource",
        Some(Kind::Operation(_)) => "operation",
        Some(Kind::Fault(_)) => "fault",
        Some(Kind::Clock(_)) => "clock",
        Some(Kind::Reset(())) => "reset",
        Some(Kind::Lost(_)) => "lost",
        Some(Kind::CallsCleared(())) => "calls_cleared",
        None => "unknown",
    }
}

impl FaultObserver for Hub {
    fn fault_changed(&self, entry: &FaultEntry, is_removed: bool) {
        self.publish(|| {
            Kind::Fault(FaultChange {
                fault: Some(fault::to_proto(entry)),
                removed: is_removed,
            })
        });
    }
}

impl Observer for Hub {
    fn take_changes(&self, tables: &mut Tables) {
        for event in taken(tables) {
            self.publish(|| event);
        }
        if !self.is_recording() {
            unwatch(tables);
        }
    }
}

/// Starts recording the changes of the tables.
fn watch(tables: &mut Tables) {
    tables.set_watched(true);
    tables.apis.watch(Api::basic_view);
    tables.configs.watch(ApiConfig::basic_view);
    tables.gateways.watch(Gateway::basic_view);
    tables.policies.watch(true);
    tables.operations.rows.watch(true);
}

fn unwatch(tables: &mut Tables) {
    tables.set_watched(false);
    tables.apis.unwatch();
    tables.configs.unwatch();
    tables.gateways.unwatch();
    tables.policies.watch(false);
    tables.operations.rows.watch(false);
}

/// Takes the changes of the tables: those of resources first, and then those of operations.
fn taken(tables: &mut Tables) -> Vec<Kind> {
    let mut events = Vec::new();
    let policies = tables.policies.take_watched();
    resources::<Api>(tables, &policies, &mut events);
    resources::<ApiConfig>(tables, &policies, &mut events);
    resources::<Gateway>(tables, &policies, &mut events);
    let now = tables.clock.now();
    for name in tables.operations.rows.take_watched() {
        let state = match tables.operations.rows.get(&name) {
            Some(record) => operation::to_proto(&name, record, now),
            None => operation::deleted(&name),
        };
        events.push(Kind::Operation(state));
    }
    events
}

/// Takes the changes of the resources of one kind, and of their IAM policies. `policies` has the names of the resources whose
/// policy has changed.
fn resources<R: ToProto>(tables: &mut Tables, policies: &BTreeSet<String>, events: &mut Vec<Kind>) {
    let table = R::table_mut(tables);
    let mut changed = table.take_watched();
    for name in policies {
        if let Some(row) = table.get(name)
            && !changed.contains_key(name)
        {
            changed.insert(name.clone(), Some(row.basic_view()));
        }
    }
    for (name, was) in changed {
        let is = table.get(&name).map(R::basic_view);
        if was != is || (is.is_some() && policies.contains(&name)) {
            events.push(Kind::Resource(ResourceChange {
                name,
                was: was.map(R::to_proto),
                is: is.map(R::to_proto),
            }));
        }
    }
}
