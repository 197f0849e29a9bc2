//! Faults: injected failures of calls.

pub(super) mod operation_plan;
pub(super) mod received_call;
mod scope;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use prost::Message;
use tonic::{Code, Status};

use crate::contract::Method;
use operation_plan::OperationPlan;

/// Builds a fault for calls of one method. [`Emulator::on`](super::Emulator::on) returns it.
///
/// [`named`](Self::named), [`times`](Self::times) and [`always`](Self::always) choose the calls; by default the fault applies
/// to the next call of the method. Any other method chooses the effect on these calls, sets the fault, and returns its
/// [`FaultGuard`]. Several faults of one method are a queue: the first fault that matches and is not used up applies to the
/// call.
///
/// # Panics
///
/// Setting a fault panics if the fault can never occur: a stale read of a method that reads no resource or operation, a plan
/// for a method that starts no operation, `not_found_for` for a method whose requests name no existing resource or operation,
/// or a name that requests of the method cannot have. `fail` with OK, `not_found_for` with zero, and `html` with a status whose
/// responses have no body panic too. The panic names the method of this builder, the value, and a valid one.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use apigateway_grpc::ApiGateway;
/// use apigateway_grpc::contract::Method;
/// use apigateway_grpc::emulator::Emulator;
/// use apigateway_grpc::tonic::Status;
///
/// let emulator = Emulator::builder().build();
/// let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
///
/// // The client retries the first call.
/// let fault = emulator.on(Method::LIST_APIS).fail(Status::unavailable("busy"));
/// client.list_apis("projects/p/locations/global").first_page().await?;
/// assert_eq!(fault.used(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "no fault is set before an action is chosen"]
pub struct FaultBuilder {
    faults: Arc<Faults>,
    method: &'static Method,
    name: Option<String>,
    times: Option<FaultCount>,
}

/// Number of calls that a fault applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultCount {
    Exactly(u64),
    Always,
}

/// The effect of a fault on a call.
#[derive(Clone, Debug)]
pub(crate) enum FaultAction {
    Fail(Status),
    Delay(Duration),
    DropConnection,
    LoseResponse,
    Stale,
    NotFoundFor(Duration),
    Html(StatusCode),
    Respond(Bytes),
    Operation(OperationPlan),
}

/// While this guard exists, its fault stays set. Dropping the guard withdraws the fault.
///
/// # Panics
///
/// Dropping the guard panics if the fault occurred less often than requested, so that a test does not pass without its
/// fault. With [`FaultBuilder::always`] one call is enough. The drop does not panic in a thread that is already
/// panicking, nor after [`Emulator::reset`](super::Emulator::reset). [`leave`](Self::leave) releases the guard without
/// this check.
#[derive(Debug)]
#[must_use = "the fault is withdrawn when the guard is dropped"]
pub struct FaultGuard {
    faults: Arc<Faults>,
    entry: Arc<FaultEntry>,
    left: bool,
}

/// A fault that is to be set.
#[derive(Debug)]
pub(crate) struct NewFault {
    pub(crate) method: &'static Method,
    pub(crate) name: Option<String>,
    pub(crate) times: FaultCount,
    pub(crate) action: FaultAction,
    pub(crate) is_disabled: bool,
    /// Number of calls to which an imported fault was applied before its export; otherwise zero.
    pub(crate) used: u64,
}

/// A fault that is set.
#[derive(Debug)]
pub(crate) struct FaultEntry {
    number: u64,
    pub(crate) method: &'static Method,
    pub(crate) name: Option<String>,
    pub(crate) times: FaultCount,
    pub(crate) action: FaultAction,
    used: AtomicU64,
    is_disabled: AtomicBool,
}

/// Receives the changes of the faults.
pub(crate) trait FaultObserver: std::fmt::Debug + Send + Sync {
    /// Called when a fault was set, was changed, or was applied to a call. `is_removed` is true if the fault is used up or was
    /// withdrawn.
    fn fault_changed(&self, entry: &FaultEntry, is_removed: bool);
}

/// All faults that are set, the oldest first.
#[derive(Debug)]
pub(crate) struct Faults {
    observer: Arc<dyn FaultObserver>,
    entries: Mutex<Vec<Arc<FaultEntry>>>,
    /// Number of faults that were ever set.
    set: AtomicU64,
}

impl FaultBuilder {
    pub(crate) fn new(faults: &Arc<Faults>, method: &'static Method) -> Self {
        Self {
            faults: Arc::clone(faults),
            method,
            name: None,
            times: None,
        }
    }

    /// Matches only calls with this name: the name of the resource or operation, the parent of a list, or for a create the name
    /// or the parent of the new resource. By default all calls match. The name must match a pattern of the names in requests of
    /// the method.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Applies the fault to this many calls. The default is one call.
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(FaultCount::Exactly(times));
        self
    }

    /// Applies the fault to all calls.
    pub fn always(mut self) -> Self {
        self.times = Some(FaultCount::Always);
        self
    }

    /// Fails the call with this status and its details. The call is not processed. The code must not be OK.
    #[track_caller]
    pub fn fail(self, status: Status) -> FaultGuard {
        self.set(FaultAction::Fail(status))
    }

    /// Delays the call by this time, by tokio's clock, and then processes it.
    #[track_caller]
    pub fn delay(self, time: Duration) -> FaultGuard {
        self.set(FaultAction::Delay(time))
    }

    /// Closes the connection instead of sending a response. The call is not processed. A call in the same process, which has no
    /// connection, fails as it would over a broken connection.
    #[track_caller]
    pub fn drop_connection(self) -> FaultGuard {
        self.set(FaultAction::DropConnection)
    }

    /// Processes the call, and closes the connection instead of sending the response.
    #[track_caller]
    pub fn lose_response(self) -> FaultGuard {
        self.set(FaultAction::LoseResponse)
    }

    /// Answers a get or a list from an earlier state. The response has resources as they were before the last change to any
    /// resource of the same kind, and operations as they were at their start. The method must be a get or a list of resources
    /// or operations.
    #[track_caller]
    pub fn stale(self) -> FaultGuard {
        self.set(FaultAction::Stale)
    }

    /// Fails a call with NOT_FOUND if its resource or operation was created less than this time ago. Without
    /// [`times`](Self::times) the fault applies to all calls. The time must be above zero, and requests of the method must name
    /// an existing resource or operation. For a list of configs, that is the API.
    #[track_caller]
    pub fn not_found_for(mut self, time: Duration) -> FaultGuard {
        self.times.get_or_insert(FaultCount::Always);
        self.set(FaultAction::NotFoundFor(time))
    }

    /// Answers the call with an HTML page and this HTTP status, as a proxy does. The call is not processed. The status must be
    /// one whose responses have a body: not informational (1xx), and not 204, 205 or 304.
    #[track_caller]
    pub fn html(self, status: StatusCode) -> FaultGuard {
        self.set(FaultAction::Html(status))
    }

    /// Answers the call with this message, which may have any type. The call is not processed.
    ///
    /// If the message cannot be decoded as the response of the method, the call fails with INTERNAL.
    #[track_caller]
    pub fn respond<M: Message>(self, message: &M) -> FaultGuard {
        self.set(FaultAction::Respond(message.encode_to_vec().into()))
    }

    /// Applies a plan to the operation that the call starts. The method must be a create, an update or a delete.
    #[track_caller]
    pub fn operation(self, plan: OperationPlan) -> FaultGuard {
        self.set(FaultAction::Operation(plan))
    }

    #[track_caller]
    fn set(self, action: FaultAction) -> FaultGuard {
        let times = self.times.unwrap_or(FaultCount::Exactly(1));
        let fault = NewFault {
            method: self.method,
            name: self.name,
            times,
            action,
            is_disabled: false,
            used: 0,
        };
        if let Err(impossible) = fault.check() {
            panic!("{impossible}");
        }
        let entry = self.faults.add(fault);
        FaultGuard {
            faults: self.faults,
            entry,
            left: false,
        }
    }
}

impl FaultGuard {
    /// Returns the number of calls to which the fault was applied.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.entry.used()
    }

    /// Disables or enables the fault. A disabled fault applies to no call. The method has no effect on a fault that is used up.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use apigateway_grpc::ApiGateway;
    /// use apigateway_grpc::contract::Method;
    /// use apigateway_grpc::emulator::Emulator;
    /// use apigateway_grpc::tonic::Status;
    ///
    /// let emulator = Emulator::builder().build();
    /// let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
    /// let fault = emulator.on(Method::LIST_APIS).always().fail(Status::internal("broken"));
    /// client.list_apis("projects/p/locations/global").first_page().await.unwrap_err();
    /// fault.set_disabled(true);
    /// client.list_apis("projects/p/locations/global").first_page().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_disabled(&self, is_disabled: bool) {
        // A fault that is used up is not in the list.
        drop(self.faults.set_disabled(self.entry.number(), is_disabled));
    }

    /// Leaves the fault set until it is used up or the emulator is reset. Until it has occurred as often as requested,
    /// [`Emulator::unused_faults`](super::Emulator::unused_faults) describes it.
    pub fn leave(mut self) {
        self.left = true;
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        let withdrawn = self.faults.withdraw(&self.entry);
        let unused = withdrawn.and_then(|entry| entry.unused());
        // A second panic would abort the process.
        if let Some(unused) = unused.filter(|_| !std::thread::panicking()) {
            panic!("expected fault did not occur: {unused}");
        }
    }
}

impl FaultEntry {
    /// Returns the number of the fault. No other fault of the emulator ever has this number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn is_disabled(&self) -> bool {
        self.is_disabled.load(Ordering::Relaxed)
    }

    fn is_used_up(&self) -> bool {
        matches!(self.times, FaultCount::Exactly(times) if self.used() >= times)
    }

    /// Describes a fault that occurred less often than requested.
    fn unused(&self) -> Option<String> {
        let (used, requested) = match (self.used(), self.times) {
            (0, FaultCount::Always) => (0, 1),
            (used, FaultCount::Exactly(times)) if used < times => (used, times),
            _ => return None,
        };
        let (method, action) = (self.method.name(), &self.action);
        let name = self.name.as_ref().map(|name| format!(" of {name}"));
        let name = name.unwrap_or_default();
        Some(format!(
            "{method}{name}: {action}, in {used} of {requested} calls"
        ))
    }

    /// Returns true if the fault applies to a call of a method with one of these names.
    fn matches(&self, method: &Method, names: &[&str]) -> bool {
        let named = |name: &String| names.contains(&name.as_str());
        self.method.path == method.path
            && !self.is_used_up()
            && !self.is_disabled()
            && self.name.as_ref().is_none_or(named)
    }
}

/// Returns the effects that faults of a method can have, by their names in JSON.
#[cfg(feature = "emulator-ui")]
pub(crate) fn effects(method: &Method) -> Vec<&'static str> {
    let conditional = [
        ("stale", scope::reads_state(method)),
        ("notFoundFor", scope::names_existing(method)),
        ("operation", method.operation.is_some()),
    ];
    let possible = conditional
        .into_iter()
        .filter(|(_, is_possible)| *is_possible);
    [
        "fail",
        "delay",
        "dropConnection",
        "loseResponse",
        "html",
        "respond",
    ]
    .into_iter()
    .chain(possible.map(|(name, _)| name))
    .collect()
}

/// Returns true if a response with this status has a body (RFC 9110, section 6.4.1). With 205 a server must send no content
/// (section 15.3.6).
fn has_body(status: StatusCode) -> bool {
    !status.is_informational()
        && !matches!(
            status,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
        )
}

/// Returns the error text for an HTTP status whose responses have no body.
pub(crate) fn status_without_body(status: impl std::fmt::Display) -> String {
    format!(
        "must be an HTTP status from 200 to 999 except 204, 205 and 304, which have no body, not {status}"
    )
}

/// A fault that can never occur.
#[derive(Debug)]
pub(crate) struct ImpossibleFault {
    /// The invalid part of the fault.
    pub(crate) part: FaultPart,
    /// The invalid value, and a valid one.
    pub(crate) why: String,
}

/// A part of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultPart {
    Name,
    Fail,
    Stale,
    NotFoundFor,
    Html,
    Operation,
}

impl std::fmt::Display for ImpossibleFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let setter = match self.part {
            FaultPart::Name => "named",
            FaultPart::Fail => "fail",
            FaultPart::Stale => "stale",
            FaultPart::NotFoundFor => "not_found_for",
            FaultPart::Html => "html",
            FaultPart::Operation => "operation",
        };
        write!(f, "this fault can never occur: `{setter}` {}", self.why)
    }
}

impl NewFault {
    /// Checks that the fault can occur.
    ///
    /// # Errors
    ///
    /// If the fault can never occur.
    pub(crate) fn check(&self) -> Result<(), ImpossibleFault> {
        let Self {
            method,
            name,
            action,
            ..
        } = self;
        let invalid = |part, why| Err(ImpossibleFault { part, why });
        let not = |method: &Method| format!("not {}", method.name);
        match action {
            FaultAction::Fail(status) if status.code() == Code::Ok => {
                let why = "must have the code of an error, not OK: use `respond` for a response";
                return invalid(FaultPart::Fail, why.to_owned());
            }
            FaultAction::Stale if !scope::reads_state(method) => {
                let why = format!(
                    "must be for a get or a list of resources or operations, such as GetApi or ListOperations, {}",
                    not(method)
                );
                return invalid(FaultPart::Stale, why);
            }
            FaultAction::NotFoundFor(_) if !scope::names_existing(method) => {
                let why = format!(
                    "must be for a method that names an existing resource or operation, such as GetApi or GetOperation, {}",
                    not(method)
                );
                return invalid(FaultPart::NotFoundFor, why);
            }
            FaultAction::NotFoundFor(time) if time.is_zero() => {
                let why = "must be above zero, such as 2 seconds".to_owned();
                return invalid(FaultPart::NotFoundFor, why);
            }
            FaultAction::Html(status) if !has_body(*status) => {
                return invalid(FaultPart::Html, status_without_body(status.as_u16()));
            }
            FaultAction::Operation(_) if method.operation.is_none() => {
                let why = format!(
                    "must be for a method that starts an operation, such as CreateApi or DeleteGateway, {}",
                    not(method)
                );
                return invalid(FaultPart::Operation, why);
            }
            _ => {}
        }
        match name.as_ref().map(|name| scope::check_name(method, name)) {
            Some(Err(why)) => invalid(FaultPart::Name, why),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

impl Faults {
    pub(crate) fn new(observer: Arc<dyn FaultObserver>) -> Self {
        Self {
            observer,
            entries: Mutex::default(),
            set: AtomicU64::new(0),
        }
    }

    pub(crate) fn add(&self, fault: NewFault) -> Arc<FaultEntry> {
        let entry = self.entry(fault);
        self.with(|faults| {
            faults.push(Arc::clone(&entry));
            self.observer.fault_changed(&entry, false);
        });
        entry
    }

    /// Replaces all faults, and calls `work` while the faults are locked.
    pub(crate) fn replace(&self, faults: Vec<NewFault>, work: impl FnOnce()) {
        let new = faults.into_iter().map(|fault| self.entry(fault));
        let new = new.collect();
        self.with(|faults| {
            *faults = new;
            work();
        });
    }

    fn entry(&self, fault: NewFault) -> Arc<FaultEntry> {
        Arc::new(FaultEntry {
            number: self.set.fetch_add(1, Ordering::Relaxed) + 1,
            method: fault.method,
            name: fault.name,
            times: fault.times,
            action: fault.action,
            used: AtomicU64::new(fault.used),
            is_disabled: AtomicBool::new(fault.is_disabled),
        })
    }

    /// Disables or enables a fault. Returns `None` if there is no fault with this number.
    pub(crate) fn set_disabled(&self, number: u64, is_disabled: bool) -> Option<Arc<FaultEntry>> {
        self.with(|faults| {
            let entry = faults.iter().find(|entry| entry.number == number)?;
            entry.is_disabled.store(is_disabled, Ordering::Relaxed);
            self.observer.fault_changed(entry, false);
            Some(Arc::clone(entry))
        })
    }

    /// Withdraws a fault. Returns `None` if it is used up or was withdrawn before.
    pub(crate) fn withdraw(&self, entry: &Arc<FaultEntry>) -> Option<Arc<FaultEntry>> {
        self.with(|faults| {
            let place = faults.iter().position(|one| Arc::ptr_eq(one, entry))?;
            let entry = faults.remove(place);
            self.observer.fault_changed(&entry, true);
            Some(entry)
        })
    }

    /// Calls `read` with the faults that are not used up. The faults are locked during the call.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&[Arc<FaultEntry>]) -> T) -> T {
        self.with(|faults| read(faults))
    }

    /// Returns the faults that are not used up.
    pub(crate) fn all(&self) -> Vec<Arc<FaultEntry>> {
        self.with(|faults| faults.clone())
    }

    /// Uses the first fault that matches a call, and returns its number and action. `applies` returns true if an action
    /// can apply in the current state.
    pub(crate) fn take(
        &self,
        method: &Method,
        names: &[&str],
        applies: impl Fn(&FaultAction) -> bool,
    ) -> Option<(u64, FaultAction)> {
        self.with(|faults| {
            let place = faults
                .iter()
                .position(|entry| entry.matches(method, names) && applies(&entry.action))?;
            let entry = &faults[place];
            entry.used.fetch_add(1, Ordering::Relaxed);
            let used = (entry.number, entry.action.clone());
            self.observer.fault_changed(entry, entry.is_used_up());
            if entry.is_used_up() {
                faults.remove(place);
            }
            Some(used)
        })
    }

    /// Describes the faults that occurred less often than requested.
    pub(crate) fn unused(&self) -> Vec<String> {
        self.with(|faults| faults.iter().filter_map(|entry| entry.unused()).collect())
    }

    pub(crate) fn clear(&self) {
        self.with(|faults| faults.clear());
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<Arc<FaultEntry>>) -> T) -> T {
        let entries = self.entries.lock();
        work(&mut entries.unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Display for FaultAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fail(status) => write!(f, "failure with {:?}", status.code()),
            Self::Delay(time) => write!(f, "delay of {time:?}"),
            Self::DropConnection => f.write_str("dropped connection"),
            Self::LoseResponse => f.write_str("lost response"),
            Self::Stale => f.write_str("stale read"),
            Self::NotFoundFor(time) => write!(f, "NOT_FOUND for {time:?} after the creation"),
            Self::Html(status) => write!(f, "HTML page with HTTP {}", status.as_u16()),
            Self::Respond(_) => f.write_str("response with a given message"),
            Self::Operation(_) => f.write_str("plan for the operation"),
        }
    }
}
