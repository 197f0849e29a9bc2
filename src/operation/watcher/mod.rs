//! Many operations at once: one scheduler for all of them.

mod limit;
mod sweep;
mod table;
mod task;
mod watched;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tonic::{Code, Status};
use tower::util::rng::{HasherRng, Rng as _};

use super::engine;
use super::result::OperationResult;
use super::schedule::{Schedule, Timetable};
use super::step::{CallFailure, Event, Next, Wait};
use super::{Operation, Subject};
use crate::clients::Clients;
use crate::error::Error;
use crate::proto::google::longrunning::GetOperationRequest;

pub use watched::Watched;

use limit::Limit;
use sweep::Sweeps;
use table::{Act, Table};
use task::{Running, run};
use watched::By;

/// Waits for many operations with few calls.
///
/// Those who wait for one operation share its polls. Where many of one location are due, one listing of
/// the location stands for their polls, and only those that it does not show are asked for by themselves.
/// All calls keep to one rate, which falls when the server says RESOURCE_EXHAUSTED and recovers.
///
/// It is cheap to clone. Its work is done by one task, which ends with the last clone and the last wait.
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
    clients: Clients,
    limit: Limit,
    sweeps: Sweeps,
    table: Mutex<Table>,
    /// Something was added that may be due before all others, or the last who waits has gone.
    woken: Arc<Notify>,
    random: Mutex<HasherRng>,
    /// Whether the task is there.
    running: Mutex<bool>,
}

impl Watcher {
    pub(crate) fn new(clients: &Clients) -> Self {
        Self::with(
            clients.clone(),
            Settings {
                rate: 20.0,
                threshold: 8,
                page_size: 1000,
                schedule: None,
            },
        )
    }

    fn with(clients: Clients, settings: Settings) -> Self {
        let shared = Shared {
            clients,
            limit: Limit::new(settings.rate),
            sweeps: Sweeps::new(settings.threshold, settings.page_size),
            table: Mutex::default(),
            woken: Arc::default(),
            random: Mutex::new(HasherRng::new()),
            running: Mutex::new(false),
        };
        Self {
            shared: Arc::new(shared),
            settings,
        }
    }

    /// Another watcher of the same client, that makes at most so many calls a second; 20 by default.
    ///
    /// # Errors
    ///
    /// If it is no number above zero.
    pub fn with_rate(&self, rate: f64) -> Result<Self, Error> {
        if !rate.is_finite() || rate <= 0.0 {
            return Err(Error::configuration(format!(
                "watcher: the rate is {rate}, it must be a number above zero"
            )));
        }
        let settings = Settings {
            rate,
            ..self.settings.clone()
        };
        Ok(Self::with(self.shared.clients.clone(), settings))
    }

    /// Another watcher of the same client, that lists a location from so many due operations on; 8 by
    /// default. `usize::MAX` never lists.
    #[must_use]
    pub fn with_threshold(&self, threshold: usize) -> Self {
        let settings = Settings {
            threshold,
            ..self.settings.clone()
        };
        Self::with(self.shared.clients.clone(), settings)
    }

    /// Another watcher of the same client, that polls by this schedule instead of those that fit.
    #[must_use]
    pub fn with_schedule(&self, schedule: Schedule) -> Self {
        let settings = Settings {
            schedule: Some(Arc::new(schedule)),
            ..self.settings.clone()
        };
        Self::with(self.shared.clients.clone(), settings)
    }

    /// How many operations are waited for.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.shared.table().len()
    }

    /// How many calls a second pass at the moment: fewer than was set while the server wants fewer.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.shared.limit.rate()
    }

    /// Waits for an operation, by this watcher's polls instead of its own.
    ///
    /// Its schedule and its policy hold; that it be cancelled on a timeout or when dropped does not. One that
    /// is done is not polled. It needs a Tokio runtime, that of the first wait for all that follow.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends this wait. The operation goes on, and so do other waits for it.
    pub fn wait<R: OperationResult>(&self, operation: Operation<R>) -> Watched<R> {
        if operation.snapshot().is_done() {
            return Watched(By::Itself(operation.into_future()));
        }
        let now = Instant::now();
        let (mut subject, settings) = operation.into_parts();
        if subject.snapshot.target().is_some() {
            // It is in the metadata, once for all of them.
            subject.target = None;
        }
        let given = settings.schedule.or_else(|| self.settings.schedule.clone());
        let schedule = given.map_or_else(|| subject.schedule(), Timetable::Given);
        let mut wait = Wait::new(now, schedule, settings.without_result);
        // One that was not yet seen is asked for with the first delay too: they may be many.
        let delay = match wait.first(now, self.shared.random()) {
            Next::Sleep(delay) => delay,
            _ => Duration::ZERO,
        };
        let (sender, end) = oneshot::channel();
        let name = subject.snapshot.name().into();
        let name = self
            .shared
            .table()
            .add(name, subject, wait, now + delay, sender);
        self.shared.wake();
        Watched(By::Watcher {
            name,
            end,
            _keep: Arc::clone(&self.shared),
        })
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
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn random(&self) -> f64 {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        random.next_f64()
    }

    /// Sees to it that the task is there and knows of what was added.
    fn wake(self: &Arc<Self>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *running, true) {
            tokio::spawn(run(Running(Arc::downgrade(self))));
        }
        self.woken.notify_one();
    }

    /// Asks for one operation, and does what follows.
    async fn get(self: Arc<Self>, name: Arc<str>) {
        self.limit.pass().await;
        let timeout = self.table().poll_timeout(&name, Instant::now());
        let request = GetOperationRequest {
            name: name.to_string(),
        };
        let answer = engine::get(&self.clients, request, None, timeout).await;
        let act = match answer {
            Ok(message) => self.happened(&name, |subject| (subject.answered(message), None)),
            Err(status) => self.failed(&name, status, Event::Failed),
        };
        if act == Act::Look {
            self.look(name).await;
        }
    }

    /// Looks at the target of one that does not tell itself.
    async fn look(&self, name: Arc<str>) {
        let look = self
            .table()
            .subject(&name)
            .map(|subject| subject.look(&self.clients, LOOK_TIMEOUT));
        let Some(look) = look else {
            return;
        };
        self.limit.pass().await;
        match look.await {
            Ok((target, result)) => {
                self.happened(&name, |subject| (subject.looked(target, result), None));
            }
            Err(status) => {
                self.failed(&name, status, Event::Unread);
            }
        }
    }

    fn happened(
        &self,
        name: &Arc<str>,
        happened: impl FnOnce(&mut Subject) -> (Event, Option<Error>),
    ) -> Act {
        let random = self.random();
        self.table()
            .happened(name, happened, Instant::now(), random)
    }

    fn failed(
        &self,
        name: &Arc<str>,
        status: Status,
        event: impl FnOnce(CallFailure) -> Event,
    ) -> Act {
        let failure = CallFailure::of(&status);
        if failure.code == Code::ResourceExhausted && !failure.lasting {
            self.limit.lower();
        }
        self.happened(name, |_| (event(failure), Some(status.into())))
    }
}

/// How long a read of a target may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);

impl Drop for Shared {
    fn drop(&mut self) {
        self.woken.notify_one();
    }
}
