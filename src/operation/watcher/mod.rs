//! Many operations at once: one scheduler for all of them.

mod limit;
mod sweep;
mod table;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::{Code, Status};
use tower::util::rng::{HasherRng, Rng as _};

use super::engine;
use super::failure::{OperationError, OperationErrorKind};
use super::result::{self, OperationResult};
use super::schedule::Schedule;
use super::step::{Event, Next, Wait};
use super::{Operation, Subject};
use crate::clients::Clients;
use crate::error::Error;
use crate::failure::retry_delay;

use limit::Limit;
use sweep::{How, Sweeps};
use table::{Act, End, Table, location};

/// How many calls are in flight at most.
const IN_FLIGHT: usize = 32;

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

#[derive(Clone, Copy, Debug)]
struct Settings {
    rate: f64,
    threshold: usize,
    page_size: i32,
    schedule: Option<Schedule>,
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
            ..self.settings
        };
        Ok(Self::with(self.shared.clients.clone(), settings))
    }

    /// Another watcher of the same client, that lists a location from so many due operations on; 8 by
    /// default. `usize::MAX` never lists.
    #[must_use]
    pub fn with_threshold(&self, threshold: usize) -> Self {
        let settings = Settings {
            threshold,
            ..self.settings
        };
        Self::with(self.shared.clients.clone(), settings)
    }

    /// Another watcher of the same client, that polls by this schedule instead of those that fit.
    #[must_use]
    pub fn with_schedule(&self, schedule: Schedule) -> Self {
        let settings = Settings {
            schedule: Some(schedule),
            ..self.settings
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
        let schedule = settings.schedule.or(self.settings.schedule);
        let schedule = schedule.unwrap_or_else(|| subject.schedule());
        let wait = Wait::new(now, schedule, settings.without_result);
        // One that was not yet seen is asked for with the first delay too: they may be many.
        let (wait, next) = wait.first(now, self.shared.random());
        let delay = match next {
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

/// A wait by a [`Watcher`]. What it ends in is as of [`Operation::wait`].
#[must_use = "futures do nothing unless polled"]
pub struct Watched<R: OperationResult>(By<R>);

enum By<R: OperationResult> {
    Watcher {
        name: Arc<str>,
        end: oneshot::Receiver<Arc<End>>,
        /// The task goes on as long as somebody waits.
        _keep: Arc<Shared>,
    },
    /// There is nothing to poll for.
    Itself(<Operation<R> as IntoFuture>::IntoFuture),
}

impl<R: OperationResult> fmt::Debug for Watched<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.0 {
            By::Watcher { name, .. } => name,
            By::Itself(_) => "",
        };
        f.debug_struct("Watched")
            .field("name", &name)
            .finish_non_exhaustive()
    }
}

impl<R: OperationResult> Future for Watched<R> {
    type Output = Result<R, OperationError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (name, end) = match &mut self.0 {
            By::Itself(operation) => return operation.as_mut().poll(cx),
            By::Watcher { name, end, .. } => (name, end),
        };
        let Ok(end) = ready!(Pin::new(end).poll(cx)) else {
            // The task went away with its runtime.
            return Poll::Ready(Err(OperationError::lost(name)));
        };
        let kind = match end.waited {
            Ok(()) => match result::read(&end.snapshot) {
                Ok(result) => return Poll::Ready(Ok(result)),
                Err(kind) => kind,
            },
            Err(why) => OperationErrorKind::of(why, false),
        };
        let (snapshot, progress) = (end.snapshot.clone(), end.progress.clone());
        Poll::Ready(Err(OperationError::new(kind, snapshot, progress)))
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
        let answer = engine::get(&self.clients, name.to_string(), timeout).await;
        let act = match answer {
            Ok(message) => self.happened(&name, |subject| (subject.answered(message), None)),
            Err(status) => self.failed(&name, status),
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
            .map(|subject| subject.look(&self.clients));
        let Some(look) = look else {
            return;
        };
        self.limit.pass().await;
        match look.await {
            Ok((target, result)) => {
                self.happened(&name, |subject| (subject.looked(target, result), None));
            }
            Err(status) => {
                self.failed(&name, status);
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

    fn failed(&self, name: &Arc<str>, status: Status) -> Act {
        if status.code() == Code::ResourceExhausted {
            self.limit.lower();
        }
        self.happened(name, |_| failure(status))
    }
}

fn failure(status: Status) -> (Event, Option<Error>) {
    let event = Event::Failed {
        code: status.code(),
        asked: retry_delay(&status),
    };
    (event, Some(status.into()))
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.woken.notify_one();
    }
}

/// The task's own mark, gone with it.
struct Running(Weak<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            *shared
                .running
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = false;
        }
    }
}

/// The task: starts what is due, as many calls at once as may be.
async fn run(running: Running) {
    let mut calls = JoinSet::new();
    loop {
        while calls.try_join_next().is_some() {}
        let Some(shared) = running.0.upgrade() else {
            return;
        };
        let now = Instant::now();
        let mut due = shared.table().next_due();
        while calls.len() < IN_FLIGHT && due.is_some_and(|due| due <= now) {
            let taken = shared.table().take_due(now);
            let Some(name) = taken else { break };
            if shared.table().is_wanted(&name) {
                let how = shared.sweeps.how(&shared.table(), &name, now);
                match how {
                    How::Get => {
                        calls.spawn(Arc::clone(&shared).get(name));
                    }
                    How::Sweep => {
                        let pending = shared.sweeps.begin(&mut shared.table(), &name, now);
                        let location = location(&name).to_owned();
                        calls.spawn(sweep::sweep(Arc::clone(&shared), location, pending));
                    }
                    How::NextSweep => shared.table().put_back(&name, now + sweep::TOGETHER),
                }
            }
            due = shared.table().next_due();
        }
        let full = calls.len() >= IN_FLIGHT;
        let sleep = async {
            match due.filter(|_| !full) {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        // The task holds on to nothing while there is nothing to do but wait.
        let woken = Arc::clone(&shared.woken);
        drop(shared);
        tokio::select! {
            () = sleep => {}
            () = woken.notified() => {}
            Some(_) = calls.join_next(), if !calls.is_empty() => {}
        }
    }
}
