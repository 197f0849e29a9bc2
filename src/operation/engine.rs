//! Does what the steps say: sleeps and calls, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use prost_types::Any;
use tokio::time::Instant;
use tonic::{Code, Status};
use tower::util::rng::{HasherRng, Rng as _};

use super::failure::Progress;
use super::schedule::Schedule;
use super::snapshot::Snapshot;
use super::step::{Ending, Event, Next, Target, Wait, Why, WithoutResult};
use super::target;
use crate::call::CallOptions;
use crate::clients::Clients;
use crate::contract::RetryPolicy;
use crate::error::Error;
use crate::failure::retry_delay;
use crate::proto::google::longrunning::operation::Result as Ended;
use crate::proto::google::longrunning::{GetOperationRequest, Operation as Message};

/// An operation and the wait for it, whatever it ends in.
pub(crate) struct Engine {
    pub(crate) clients: Clients,
    pub(crate) snapshot: Snapshot,
    /// What it is done to, as far as it is known before its metadata says so.
    pub(crate) target: Option<String>,
    /// Whether it ends in nothing, as deletes do.
    pub(crate) deletes: bool,
    pub(crate) settings: Settings,
    wait: Option<Wait>,
    /// When the next poll is made.
    due: Option<Instant>,
    /// Whether there was no look at it yet in this process.
    fresh: bool,
    polls: u32,
    failure: Option<Arc<Error>>,
    random: HasherRng,
}

/// How an operation is waited for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    /// `None` for what fits the verb and the target.
    pub(crate) schedule: Option<Schedule>,
    pub(crate) without_result: WithoutResult,
    pub(crate) cancel_on_timeout: bool,
}

impl Engine {
    /// One that has just been started.
    pub(crate) fn started(
        clients: &Clients,
        message: Message,
        target: Option<String>,
        deletes: bool,
    ) -> Self {
        Self {
            clients: clients.clone(),
            snapshot: Snapshot::new(message),
            target,
            deletes,
            settings: Settings::default(),
            wait: None,
            due: None,
            fresh: false,
            polls: 0,
            failure: None,
            random: HasherRng::new(),
        }
    }

    /// One that somebody else has started.
    pub(crate) fn resumed(
        clients: &Clients,
        name: String,
        target: Option<String>,
        deletes: bool,
    ) -> Self {
        let message = Message {
            name,
            ..Message::default()
        };
        Self {
            fresh: true,
            ..Self::started(clients, message, target, deletes)
        }
    }

    /// What it is done to.
    pub(crate) fn target(&self) -> Option<String> {
        self.snapshot.target().or_else(|| self.target.clone())
    }

    pub(crate) fn progress(&self) -> Progress {
        let now = Instant::now();
        Progress {
            polls: self.polls,
            elapsed: self.wait.map(|wait| wait.elapsed(now)).unwrap_or_default(),
            failure: self.failure.clone(),
        }
    }

    /// Waits until it is done, telling each snapshot that differs from the one before.
    ///
    /// Dropping the future leaves everything as it is: a further call goes on where this one was.
    pub(crate) async fn run(&mut self, mut told: impl FnMut(&Snapshot) + Send) -> Result<(), Why> {
        if self.snapshot.is_done() && self.snapshot.ending().is_some() {
            return Ok(());
        }
        loop {
            if let Some(due) = self.due {
                tokio::time::sleep_until(due).await;
                // A wait that was given up here is taken up with the poll that is due.
                let next = self.poll(&mut told).await;
                self.follow(next, &mut told).await?;
            } else {
                let next = self.begin();
                self.follow(next, &mut told).await?;
            }
            if self.due.is_none() {
                return Ok(());
            }
        }
    }

    /// Goes on until there is something to wait for, or an end.
    async fn follow(
        &mut self,
        mut next: Next,
        told: &mut (impl FnMut(&Snapshot) + Send),
    ) -> Result<(), Why> {
        loop {
            next = match next {
                Next::Finish => {
                    self.due = None;
                    return Ok(());
                }
                Next::Sleep(delay) => {
                    self.due = Some(Instant::now() + delay);
                    return Ok(());
                }
                Next::GiveUp(why) => {
                    // A further wait begins anew; this one is still to be told of.
                    self.due = None;
                    return Err(why);
                }
                Next::Look => {
                    let event = self.look().await;
                    if event == Event::Seen(Target::Settled) {
                        told(&self.snapshot);
                    }
                    self.step(event)
                }
            };
        }
    }

    /// The first step of a wait: what was just started is given time, what was resumed is asked for.
    fn begin(&mut self) -> Next {
        let now = Instant::now();
        let schedule = self.settings.schedule.unwrap_or_else(|| {
            let verb = self.snapshot.known().map(|it| it.verb).unwrap_or_default();
            Schedule::fitting(&verb, self.target().as_deref().unwrap_or_default())
        });
        let wait = Wait::new(now, schedule, self.settings.without_result);
        self.wait = Some(wait);
        if self.snapshot.is_done() {
            // Done without a result as it was started.
            return self.step(Event::Answered {
                ending: Ending::Nothing,
                changed: false,
            });
        }
        if self.fresh {
            return Next::Sleep(Duration::ZERO);
        }
        let random = self.random.next_f64();
        let (wait, next) = wait.first(now, random);
        self.wait = Some(wait);
        next
    }

    fn step(&mut self, event: Event) -> Next {
        let Some(wait) = self.wait else {
            return Next::GiveUp(Why::Failed);
        };
        let random = self.random.next_f64();
        let (wait, next) = wait.step(event, Instant::now(), random);
        self.wait = Some(wait);
        next
    }

    async fn poll(&mut self, told: &mut (impl FnMut(&Snapshot) + Send)) -> Next {
        let remaining = self.wait.map(|wait| wait.remaining(Instant::now()));
        let timeout = Schedule::poll_timeout(remaining.unwrap_or_default());
        let event = match self.get(timeout).await {
            Ok(changed) => {
                if changed {
                    told(&self.snapshot);
                }
                Event::Answered {
                    ending: ending(&self.snapshot),
                    changed,
                }
            }
            Err(status) => self.failed(status),
        };
        self.step(event)
    }

    /// Asks for it once. Whether anything has changed.
    pub(crate) async fn get(&mut self, timeout: Duration) -> Result<bool, Status> {
        let name = self.snapshot.name().to_owned();
        let mut request = tonic::Request::new(GetOperationRequest { name });
        // When to try again is the schedule's.
        request.extensions_mut().insert(once(timeout));
        let mut operations = self.clients.operations();
        let answer = operations.get_operation(request).await;
        self.polls = self.polls.saturating_add(1);
        let answer = answer?;
        self.fresh = false;
        Ok(self.snapshot.update(answer.into_inner()))
    }

    async fn look(&mut self) -> Event {
        let Some(name) = self.target() else {
            return Event::Seen(Target::Silent);
        };
        let verb = self.snapshot.known().map(|it| it.verb).unwrap_or_default();
        let deletes = self.deletes || verb == "delete";
        match target::look(&self.clients, &name).await {
            Ok(found) => {
                let (seen, result) = target::judge(found, deletes);
                if let Some(result) = result {
                    self.settle(result);
                }
                Event::Seen(seen)
            }
            Err(status) if status.code() == Code::NotFound && deletes => {
                self.settle(Any::from_msg(&()).unwrap_or_default());
                Event::Seen(Target::Settled)
            }
            Err(status) if status.code() == Code::NotFound => Event::Seen(Target::Silent),
            Err(status) => self.failed(status),
        }
    }

    /// The target stands for a result.
    fn settle(&mut self, result: Any) {
        let mut message = self.snapshot.raw().clone();
        message.done = true;
        message.result = Some(Ended::Response(result));
        self.snapshot.update(message);
    }

    /// Polls with the next wait, not when it would be due.
    pub(crate) fn hurry(&mut self) {
        self.fresh = true;
        if self.due.is_some() {
            self.due = Some(Instant::now());
        }
    }

    /// Keeps a failure, to be told with what it led to.
    pub(crate) fn note(&mut self, status: Status) {
        self.failure = Some(Arc::new(status.into()));
    }

    fn failed(&mut self, status: Status) -> Event {
        let event = Event::Failed {
            code: status.code(),
            asked: retry_delay(&status),
        };
        tracing::debug!(code = ?status.code(), "a poll of an operation failed");
        self.note(status);
        event
    }
}

fn ending(snapshot: &Snapshot) -> Ending {
    match (snapshot.is_done(), snapshot.ending()) {
        (false, _) => Ending::None,
        (true, Some(_)) => Ending::Result,
        (true, None) => Ending::Nothing,
    }
}

/// One attempt, within this time.
fn once(timeout: Duration) -> CallOptions {
    CallOptions {
        timeout: Some(timeout),
        retry: Some(RetryPolicy::NEVER),
        ..CallOptions::default()
    }
}
