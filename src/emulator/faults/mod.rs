//! Faults: what is to go wrong, with which call and how often.

pub(super) mod operation_plan;
pub(super) mod received_call;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use prost::Message;
use tonic::Status;

use crate::contract::Method;
use crate::emulator::state::State;
use operation_plan::OperationPlan;

/// Calls that something is to happen to. Begun by [`Emulator::on`](crate::emulator::Emulator::on).
///
/// The calls of a method are chosen, by their number and by the name they are about; then one method says
/// what happens to each, and gives the [`Fault`]. Without [`times`](Self::times) or
/// [`always`](Self::always) it is one call; [`not_found_for`](Self::not_found_for) has its own end.
/// Several faults of one method are a queue: a call takes the first one that fits and is not used up.
#[derive(Debug)]
#[must_use = "nothing happens before it is said what"]
pub struct On {
    state: Arc<State>,
    method: &'static Method,
    name: Option<String>,
    times: Option<Times>,
}

/// How many calls something happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    Exactly(u64),
    Always,
}

/// What happens to a call.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Fail(Status),
    Delay(Duration),
    DropConnection,
    LoseReply,
    Stale,
    NotFoundFor(Duration),
    Html(StatusCode),
    Respond(Bytes),
    Operation(OperationPlan),
}

/// A fault that was set, for as long as this is held.
///
/// # Panics
///
/// Dropping it panics if not as many calls as were asked for came, so that a test does not pass
/// without the fault it is about; with [`On::always`] one call is enough. It does not panic in a thread that
/// panics already, nor after [`Emulator::reset`](crate::emulator::Emulator::reset).
/// [`leave`](Self::leave) lets go of it without that.
#[derive(Debug)]
#[must_use = "the fault is withdrawn when this is dropped"]
pub struct Fault {
    state: Arc<State>,
    entry: Arc<Entry>,
    left: bool,
}

/// A fault as the emulator keeps it.
#[derive(Debug)]
pub(crate) struct Entry {
    number: u64,
    pub(crate) method: &'static Method,
    pub(crate) name: Option<String>,
    pub(crate) times: Times,
    pub(crate) action: Action,
    used: AtomicU64,
}

/// All faults, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    entries: Mutex<Vec<Arc<Entry>>>,
    /// How many there have been.
    set: AtomicU64,
}

impl On {
    pub(crate) fn new(state: &Arc<State>, method: &'static Method) -> Self {
        Self {
            state: Arc::clone(state),
            method,
            name: None,
            times: None,
        }
    }

    /// Only calls about this name: that of the resource or operation, the parent of a list, and for a create
    /// the new resource or its parent.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// This many calls.
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(Times::Exactly(times));
        self
    }

    /// All calls.
    pub fn always(mut self) -> Self {
        self.times = Some(Times::Always);
        self
    }

    /// It is answered with this status and its details, and not processed.
    pub fn fail(self, status: Status) -> Fault {
        self.set(Action::Fail(status))
    }

    /// It is processed after this time.
    pub fn delay(self, time: Duration) -> Fault {
        self.set(Action::Delay(time))
    }

    /// The connection is closed instead of an answer, and the call not processed. In process, the call ends
    /// as one over a broken connection does.
    pub fn drop_connection(self) -> Fault {
        self.set(Action::DropConnection)
    }

    /// The call is processed, and the connection closed instead of the reply.
    pub fn lose_reply(self) -> Fault {
        self.set(Action::LoseReply)
    }

    /// A get or a list sees the resources of its kind as they were before the last change to one of them, and
    /// operations as they were when they were started. Other calls are left alone.
    pub fn stale(self) -> Fault {
        self.set(Action::Stale)
    }

    /// What came to be less than this time ago is not found by its name. Without a number of calls, all are
    /// meant.
    pub fn not_found_for(mut self, time: Duration) -> Fault {
        self.times.get_or_insert(Times::Always);
        self.set(Action::NotFoundFor(time))
    }

    /// It is answered with an HTML page, as a proxy does, and not processed.
    pub fn html(self, status: StatusCode) -> Fault {
        self.set(Action::Html(status))
    }

    /// It is answered with this message, of whatever type, and not processed.
    pub fn respond<M: Message>(self, message: &M) -> Fault {
        self.set(Action::Respond(message.encode_to_vec().into()))
    }

    /// The operation that it starts goes by this plan. A method that starts none never uses it up.
    pub fn operation(self, plan: OperationPlan) -> Fault {
        self.set(Action::Operation(plan))
    }

    fn set(self, action: Action) -> Fault {
        let times = self.times.unwrap_or(Times::Exactly(1));
        let faults = &self.state.faults;
        let entry = faults.add(self.method, self.name, times, action);
        Fault {
            state: self.state,
            entry,
            left: false,
        }
    }
}

impl Fault {
    /// How many calls it has happened to.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.entry.used()
    }

    /// Leaves the fault in the emulator until it is used up or the emulator is reset.
    /// [`Emulator::unused`](crate::emulator::Emulator::unused) tells of it.
    pub fn leave(mut self) {
        self.left = true;
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        let withdrawn = self.state.faults.withdraw(&self.entry);
        let unused = withdrawn.and_then(|entry| entry.unused());
        // A test that fails already says why itself.
        if let Some(unused) = unused.filter(|_| !std::thread::panicking()) {
            panic!("a fault of the emulator was not used up: {unused}");
        }
    }
}

impl Entry {
    /// No two have the same, however long ago.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn is_used_up(&self) -> bool {
        matches!(self.times, Times::Exactly(times) if self.used() >= times)
    }

    /// What is to be told of one that did not happen as often as it should have.
    fn unused(&self) -> Option<String> {
        let (used, asked) = match (self.used(), self.times) {
            (0, Times::Always) => (0, 1),
            (used, Times::Exactly(times)) if used < times => (used, times),
            _ => return None,
        };
        let (method, action) = (self.method.name, &self.action);
        let name = self.name.as_ref().map(|name| format!(" of {name}"));
        let name = name.unwrap_or_default();
        Some(format!("{method}{name}: {action}, {used} of {asked} calls"))
    }

    /// Whether it happens to the calls of a method about one of these names.
    fn fits(&self, method: &Method, names: &[&str]) -> bool {
        let named = |name: &String| names.contains(&name.as_str());
        let possible = match self.action {
            Action::Stale => has_past(method),
            Action::Operation(_) => method.operation.is_some(),
            _ => true,
        };
        possible
            && self.method.path == method.path
            && !self.is_used_up()
            && self.name.as_ref().is_none_or(named)
    }
}

/// Whether a method reads what changes: resources or operations.
fn has_past(method: &Method) -> bool {
    let reads = ["Get", "List"]
        .iter()
        .any(|verb| method.name.starts_with(verb));
    let own = [Method::GET_API, Method::GET_OPERATION].iter();
    reads
        && own
            .map(|method| method.service)
            .any(|service| service == method.service)
}

impl Faults {
    pub(crate) fn add(
        &self,
        method: &'static Method,
        name: Option<String>,
        times: Times,
        action: Action,
    ) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            number: self.set.fetch_add(1, Ordering::Relaxed) + 1,
            method,
            name,
            times,
            action,
            used: AtomicU64::new(0),
        });
        self.with(|faults| faults.push(Arc::clone(&entry)));
        entry
    }

    /// Takes a fault back; `None` if it was used up or withdrawn before.
    pub(crate) fn withdraw(&self, entry: &Arc<Entry>) -> Option<Arc<Entry>> {
        self.with(|faults| {
            let place = faults.iter().position(|one| Arc::ptr_eq(one, entry))?;
            Some(faults.remove(place))
        })
    }

    /// Those that are not used up.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        self.with(|faults| faults.clone())
    }

    /// What happens to a call of a method about one of these names. What is to depend on the state as well is
    /// asked for.
    pub(crate) fn take(
        &self,
        method: &Method,
        names: &[&str],
        happens: impl Fn(&Action) -> bool,
    ) -> Option<Action> {
        self.with(|faults| {
            let place = faults
                .iter()
                .position(|entry| entry.fits(method, names) && happens(&entry.action))?;
            let entry = &faults[place];
            entry.used.fetch_add(1, Ordering::Relaxed);
            let action = entry.action.clone();
            if entry.is_used_up() {
                faults.remove(place);
            }
            Some(action)
        })
    }

    /// Those that have not happened as often as they should have.
    pub(crate) fn unused(&self) -> Vec<String> {
        self.with(|faults| faults.iter().filter_map(|entry| entry.unused()).collect())
    }

    pub(crate) fn clear(&self) {
        self.with(|faults| faults.clear());
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<Arc<Entry>>) -> T) -> T {
        let entries = self.entries.lock();
        work(&mut entries.unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fail(status) => write!(f, "fails with {:?}", status.code()),
            Self::Delay(time) => write!(f, "is delayed by {time:?}"),
            Self::DropConnection => f.write_str("the connection is dropped"),
            Self::LoseReply => f.write_str("the reply is lost"),
            Self::Stale => f.write_str("sees what was before"),
            Self::NotFoundFor(time) => write!(f, "finds nothing for {time:?}"),
            Self::Html(status) => write!(f, "is answered with HTTP {}", status.as_u16()),
            Self::Respond(_) => f.write_str("is answered with a message"),
            Self::Operation(_) => f.write_str("its operation has a plan"),
        }
    }
}
