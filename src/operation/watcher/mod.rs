//! One scheduler for the polls of many operations.

mod batch_list;
mod calls;
mod drivers;
mod effects;
mod entry;
mod locations;
mod rate_limit;
mod table;
mod task;
mod wait;
mod wait_end;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime;
use tokio::time::Instant;

use super::Operation;
use super::clients::Clients;
use super::result::OperationResult;
use super::schedule::Schedule;
use super::state_machine::{Next, WaitState};
use super::tracked::metadata_facts;
use super::wait_span::WaitSpan;
use crate::error::Error;

pub use wait::WatchedWait;

use rate_limit::RateLimit;
use table::Table;
use task::Driver;
use wait::{Finished, Inner, TableWait};
use wait_end::{AbandonReason, WaitCell};

/// Waits for many operations with few calls.
///
/// All waits for the same operation share its polls. Each wait has its own schedule, target and treatment of a missing
/// result. If many operations of a location are due, one listing of the location replaces their polls, and only operations
/// that the listing does not show are polled on their own. For a service without locations, a location is the
/// [parent](super::profile::ServiceProfile::list_parent) by which operations are listed; operations without a parent count as
/// one location, and are polled one by one. All calls of a watcher share one rate limit, 20 calls per second by default. The
/// limit is lowered when the server returns RESOURCE_EXHAUSTED, and recovers afterwards.
///
/// A watcher is cheap to clone, and its clones share all state.
///
/// ```
/// # #[cfg(feature = "emulator")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), apigateway_grpc::Error> {
/// # use apigateway_grpc::{ApiGateway, emulator::Emulator, model::Api};
/// # let emulator = Emulator::builder().build();
/// # let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
/// let watcher = client.watcher();
/// let mut waits = Vec::new();
/// for id in ["a", "b", "c"] {
///     let operation = client.create_api("projects/p/locations/global", id, Api::default()).await?;
///     waits.push(watcher.wait(operation));
/// }
/// for wait in waits {
///     println!("created {}", wait.await?.name);
/// }
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "emulator"))]
/// # fn main() {}
/// ```
///
/// # Bounds
///
/// - A wait ends no later than one poll timeout after its total timeout. Other waits, locations, calls and listings do not
///   delay this end. If the rate limit leaves no time for the last poll, the wait ends without that poll.
/// - At most 32 calls are in flight, at most 8 of them in one location. A location without a call in flight may make one even
///   beyond the 32, so slow calls of other locations do not delay its first call. Locations with due calls take turns: before a
///   location gets its turn, each other location begins at most one call. If eight calls of one location hang, its other
///   waits get no call until one of the eight reaches its poll timeout; a wait that ends earlier ends without a poll.
/// - A listing takes at most a minute, and reads no more pages than the number of polls that it replaces. While a listing
///   lasts, an operation that has been due for five seconds is polled on its own. An operation whose total timeout ends before
///   these five seconds is polled as soon as it is due.
///
/// # Runtimes
///
/// Each Tokio runtime on which waits are polled has one task that makes calls. The tasks end after the last clone of the
/// watcher and the last wait have been dropped. When a runtime ends, the tasks on the other runtimes take over. If no runtime
/// is left for a wait, the wait ends with [`OperationErrorKind::Polling`](super::OperationErrorKind::Polling), and
/// [`last_failure`](super::OperationError::last_failure) returns the reason. Each runtime needs its time driver. A runtime that
/// exists but is not polled, such as a `current_thread` runtime outside of `block_on`, makes no calls. If the watcher was used
/// on this runtime only, its waits continue as soon as the runtime is polled again.
///
/// # Panics
///
/// If a transport or a layer panics in a poll or a probe, the waits that needed this call end with an error as above. If a
/// transport or a layer panics in a listing, the operations are polled on their own. Other waits continue, and the watcher
/// stays usable.
#[derive(Clone)]
pub struct Watcher {
    shared: Arc<Shared>,
    settings: Settings,
}

#[derive(Clone, Debug)]
struct Settings {
    rate: f64,
    threshold: usize,
    page_size: i32,
    schedule: Option<Arc<Schedule>>,
}

struct Shared {
    clients: Arc<Clients>,
    page_size: i32,
    /// Only [`Shared::with_table`] locks the table.
    table: Mutex<Table>,
}

impl Watcher {
    pub(crate) fn new(clients: &Clients) -> Self {
        Self::with(
            Arc::new(clients.clone()),
            Settings {
                rate: 20.0,
                threshold: 8,
                page_size: 1000,
                schedule: None,
            },
        )
    }

    fn with(clients: Arc<Clients>, settings: Settings) -> Self {
        let table = Table::new(settings.rate, settings.threshold, Instant::now());
        let shared = Shared {
            clients,
            page_size: settings.page_size,
            table: Mutex::new(table),
        };
        Self {
            shared: Arc::new(shared),
            settings,
        }
    }

    /// Returns another watcher of the same client that makes at most `rate` calls per second. The default is 20.
    ///
    /// # Errors
    ///
    /// Returns an error if `rate` is not a finite number of at least 0.001.
    pub fn with_rate(&self, rate: f64) -> Result<Self, Error> {
        let settings = Settings {
            rate: RateLimit::check(rate)?,
            ..self.settings.clone()
        };
        Ok(Self::with(Arc::clone(&self.shared.clients), settings))
    }

    /// Returns another watcher of the same client that lists a location once at least this many of its operations are due. The
    /// default is 8, and a threshold below 2 counts as 2; `usize::MAX` disables listings.
    #[must_use]
    pub fn with_threshold(&self, threshold: usize) -> Self {
        let settings = Settings {
            threshold,
            ..self.settings.clone()
        };
        Self::with(Arc::clone(&self.shared.clients), settings)
    }

    /// Returns another watcher of the same client with this schedule. A [schedule of the operation](Operation::with_schedule)
    /// has precedence. The default is the schedule of the service's profile.
    #[must_use]
    pub fn with_schedule(&self, schedule: Schedule) -> Self {
        let settings = Settings {
            schedule: Some(Arc::new(schedule)),
            ..self.settings.clone()
        };
        Self::with(Arc::clone(&self.shared.clients), settings)
    }

    /// Returns the number of operations with waits.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.shared.with_table(|table| table.len())
    }

    /// Returns the current rate limit in calls per second. It is lower than the configured rate while the server returns
    /// RESOURCE_EXHAUSTED.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.shared.with_table(|table| table.limit.rate())
    }

    /// Waits for an operation with the polls of this watcher.
    ///
    /// The schedule of the operation and its [`on_missing_result`](Operation::on_missing_result) apply; `cancel_on_timeout` and
    /// `cancel_on_drop` do not. The total timeout begins with this call. If the operation is done, the wait makes no calls and needs no runtime, unless its target must be
    /// probed.
    ///
    /// The future must be polled within a Tokio runtime, unless another wait of this watcher is polled within one. If there is
    /// no such runtime, or if it has shut down, the future ends with an error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends this wait only. The operation continues, and so do other waits for it. A call that no other
    /// wait needs is aborted.
    pub fn wait<R: OperationResult>(&self, mut operation: Operation<R>) -> WatchedWait<R> {
        if operation.snapshot().is_done() {
            // A failed probe of its target is retried by this schedule.
            let schedule = &mut operation.waiter.settings.schedule;
            *schedule = schedule.take().or_else(|| self.settings.schedule.clone());
            return WatchedWait::new(Inner::Finished(Finished::new(operation)));
        }
        let now = Instant::now();
        let (mut tracked, settings, result_type) = operation.into_parts();
        // The profile is foreign code, so it is called before the table is locked.
        let profile = self.shared.clients.profile();
        if tracked.target.is_some()
            && metadata_facts(&tracked.snapshot, profile).target == tracked.target
        {
            // The metadata in the entry has the target, so the waits need no copies of it.
            tracked.target = None;
        }
        let custom = settings.schedule.or_else(|| self.settings.schedule.clone());
        let schedule = custom.unwrap_or_else(|| tracked.schedule(profile));
        let parent = profile.list_parent(tracked.snapshot.name());
        let parent = parent.as_deref().unwrap_or_default();
        let mut wait = WaitState::new(now, schedule, settings.missing_result);
        let (name, cell) = self.shared.with_table(|table| {
            // A resumed operation is polled after the first delay too, since there may be many of them.
            let delay = match wait.first_poll(now, table.random()) {
                Next::Sleep(delay) => delay,
                _ => Duration::ZERO,
            };
            let cell = WaitCell::new(result_type);
            table.add(&tracked, parent, wait, cell, delay, now)
        });
        // If there is no runtime here, the future checks for a runtime when it is polled.
        self.shared.ensure_driver().ok();
        let wait = TableWait {
            span: WaitSpan::open(&name, 0),
            name,
            cell,
            shared: Arc::clone(&self.shared),
            read: None,
        };
        WatchedWait::new(Inner::Table(wait))
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher")
            .field("settings", &self.settings)
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Changes the table under its lock, and runs the effects after the lock is released.
    fn with_table<T>(&self, work: impl FnOnce(&mut Table) -> T) -> T {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let value = work(&mut table);
        let effects = table.take_effects();
        drop(table);
        effects.run();
        value
    }

    /// Ensures that the current runtime has a task that polls. Outside of a runtime, the task of another runtime is enough.
    fn ensure_driver(self: &Arc<Self>) -> Result<(), AbandonReason> {
        let Ok(handle) = runtime::Handle::try_current() else {
            let driven = self.with_table(|table| !table.drivers.is_empty());
            return driven.then_some(()).ok_or(AbandonReason::NoRuntime);
        };
        let runtime = handle.id();
        let added = self.with_table(|table| {
            let there = table.drivers.is_on(runtime);
            (!there).then(|| table.drivers.add(runtime))
        });
        let Some((number, notify)) = added else {
            return Ok(());
        };
        let driver = Driver {
            shared: Arc::downgrade(self),
            number,
            notify,
            panicked: false,
        };
        // A runtime that has been shut down drops the task at once.
        handle.spawn(driver.run());
        let driven =
            self.with_table(|table| table.drivers.is_on(runtime) || !table.drivers.is_empty());
        driven.then_some(()).ok_or(AbandonReason::ShutDown)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let table = self.table.get_mut().unwrap_or_else(PoisonError::into_inner);
        table.notify_drivers();
        table.take_effects().run();
    }
}
