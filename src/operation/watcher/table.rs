//! The operations of a watcher, and which of them are due: without clock, chance or calls.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prost::Message as _;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::Error;
use crate::operation::failure::Progress;
use crate::operation::snapshot::Snapshot;
use crate::operation::step::{Event, Next, Wait, Why};
use crate::operation::subject::Subject;
use crate::operation::verb::Verb;
use crate::proto::google::longrunning::Operation as Message;

/// How a wait ended, for all who wait.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) waited: Result<(), Why>,
    pub(super) snapshot: Snapshot,
    pub(super) progress: Progress,
}

/// An operation that somebody waits for. There may be very many, so it is small: what is known of it is
/// kept as it came over the wire.
#[derive(Debug)]
struct Entry {
    /// The operation without its name, encoded.
    known: Box<[u8]>,
    target: Option<Box<str>>,
    verb: Verb,
    began: Option<SystemTime>,
    /// When it was last seen.
    seen: Option<Instant>,
    wait: Wait,
    /// When it is looked at next; `None` while it is.
    due: Option<Instant>,
    /// Whether listings show it, as far as is known.
    listed: bool,
    polls: u32,
    failure: Option<Arc<Error>>,
    waiters: Waiters,
}

/// Who waits: mostly one.
#[derive(Debug)]
struct Waiters {
    first: oneshot::Sender<Arc<End>>,
    others: Vec<oneshot::Sender<Arc<End>>>,
}

impl Waiters {
    /// Whether there still is one.
    fn are_there(&mut self) -> bool {
        self.others.retain(|waiter| !waiter.is_closed());
        !self.first.is_closed() || !self.others.is_empty()
    }
}

impl Entry {
    /// What is known of it, whose name is this.
    fn subject(&self, name: &str) -> Subject {
        // It was encoded here.
        let mut message = Message::decode(&*self.known).unwrap_or_default();
        name.clone_into(&mut message.name);
        Subject {
            snapshot: Snapshot::new(message),
            target: self.target.as_deref().map(str::to_owned),
            verb: self.verb,
            began: self.began,
            seen: self.seen,
        }
    }
}

/// An operation without its name, encoded.
fn known(snapshot: &Snapshot) -> Box<[u8]> {
    let message = Message {
        name: String::new(),
        ..snapshot.raw().clone()
    };
    message.encode_to_vec().into()
}

/// All of them, by name.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: HashMap<Arc<str>, Box<Entry>>,
    due: BTreeSet<(Instant, Arc<str>)>,
    /// The due ones again, by location.
    locations: HashMap<Arc<str>, BTreeSet<(Instant, Arc<str>)>>,
}

/// `projects/p/locations/l` of a name in it.
pub(super) fn location(name: &str) -> &str {
    let mut slashes = name.match_indices('/').map(|(at, _)| at);
    slashes.nth(3).map_or(name, |at| &name[..at])
}

/// What is to be done for an operation at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Nothing,
    Look,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds somebody who waits, and gives the name that is kept. One who waits for what others wait for
    /// shares their polls.
    pub(super) fn add(
        &mut self,
        name: Arc<str>,
        subject: Subject,
        wait: Wait,
        due: Instant,
        waiter: oneshot::Sender<Arc<End>>,
    ) -> Arc<str> {
        if let Some((kept, _)) = self.entries.get_key_value(&name) {
            let kept = Arc::clone(kept);
            if let Some(entry) = self.entries.get_mut(&name) {
                entry.waiters.others.push(waiter);
            }
            return kept;
        }
        let entry = Entry {
            known: known(&subject.snapshot),
            target: subject.target.map(Into::into),
            verb: subject.verb,
            began: subject.began,
            seen: subject.seen,
            wait,
            due: None,
            listed: true,
            polls: 0,
            failure: None,
            waiters: Waiters {
                first: waiter,
                others: Vec::new(),
            },
        };
        self.entries.insert(Arc::clone(&name), Box::new(entry));
        self.schedule(&name, due);
        name
    }

    fn schedule(&mut self, name: &Arc<str>, due: Instant) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        entry.due = Some(due);
        self.due.insert((due, Arc::clone(name)));
        let location = location(name);
        match self.locations.get_mut(location) {
            Some(due_there) => due_there.insert((due, Arc::clone(name))),
            None => {
                let due_there = BTreeSet::from([(due, Arc::clone(name))]);
                self.locations.insert(location.into(), due_there).is_none()
            }
        };
    }

    /// Takes it off what is due, whether it was or not.
    fn unschedule(&mut self, name: &Arc<str>) {
        let Some(due) = self
            .entries
            .get_mut(name)
            .and_then(|entry| entry.due.take())
        else {
            return;
        };
        let key = (due, Arc::clone(name));
        self.due.remove(&key);
        let location = location(name);
        if let Some(due_there) = self.locations.get_mut(location) {
            due_there.remove(&key);
            if due_there.is_empty() {
                self.locations.remove(location);
            }
        }
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The one that is due first, if it is by `now`. It is not due any more.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Arc<str>> {
        let (due, name) = self.due.first()?;
        if *due > now {
            return None;
        }
        let name = Arc::clone(name);
        self.unschedule(&name);
        Some(name)
    }

    /// How many of a location are due by a moment, counted up to a bound.
    pub(super) fn due_there(&self, location: &str, by: Instant, bound: usize) -> usize {
        let due_there = self.locations.get(location);
        let due_there = due_there.into_iter().flatten();
        due_there
            .take(bound)
            .take_while(|(due, _)| *due <= by)
            .count()
    }

    /// Takes all of a location off what is due, with the moments when they were.
    pub(super) fn take_location(&mut self, location: &str) -> HashMap<Arc<str>, Instant> {
        let there = self.locations.remove(location).unwrap_or_default();
        for key in &there {
            self.due.remove(key);
            if let Some(entry) = self.entries.get_mut(&key.1) {
                entry.due = None;
            }
        }
        there.into_iter().map(|(due, name)| (name, due)).collect()
    }

    /// What is known of one that is waited for.
    pub(super) fn subject(&self, name: &str) -> Option<Subject> {
        self.entries.get(name).map(|entry| entry.subject(name))
    }

    /// What a poll of it that is made now may take.
    pub(super) fn poll_timeout(&self, name: &str, now: Instant) -> Duration {
        let entry = self.entries.get(name);
        entry
            .map(|entry| entry.wait.poll_timeout(now))
            .unwrap_or_default()
    }

    /// Whether somebody still waits for it; it is forgotten if not.
    pub(super) fn is_wanted(&mut self, name: &Arc<str>) -> bool {
        let entry = self.entries.get_mut(name);
        let wanted = entry.is_some_and(|entry| entry.waiters.are_there());
        if !wanted {
            self.unschedule(name);
            self.entries.remove(name);
        }
        wanted
    }

    /// Keeps whether a listing has shown it.
    pub(super) fn listed(&mut self, name: &str, listed: bool) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.listed = listed;
        }
    }

    /// Whether the last listing, if there was one, has shown it.
    pub(super) fn is_listed(&self, name: &str) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.listed)
    }

    /// Puts back what was taken and not asked for.
    pub(super) fn put_back(&mut self, name: &Arc<str>, due: Instant) {
        if self.is_wanted(name) {
            self.schedule(name, due);
        }
    }

    /// Takes what has happened to one of them, and says what follows at once.
    pub(super) fn happened(
        &mut self,
        name: &Arc<str>,
        happened: impl FnOnce(&mut Subject) -> (Event, Option<Error>),
        now: Instant,
        random: f64,
    ) -> Act {
        let Some(entry) = self.entries.get_mut(name) else {
            return Act::Nothing;
        };
        let mut subject = entry.subject(name);
        let (event, failure) = happened(&mut subject);
        entry.seen = subject.seen;
        if !matches!(
            event,
            Event::Failed(_) | Event::Unread(_) | Event::Answered { changed: false, .. }
        ) {
            entry.known = known(&subject.snapshot);
        }
        entry.polls = entry.polls.saturating_add(1);
        if let Some(failure) = failure {
            entry.failure = Some(Arc::new(failure));
        }
        match entry.wait.step(event, now, random) {
            Next::Look => return Act::Look,
            Next::Sleep(delay) => {
                if self.is_wanted(name) {
                    self.schedule(name, now + delay);
                }
            }
            Next::Finish => self.end(name, Ok(()), now),
            Next::GiveUp(why) => self.end(name, Err(why), now),
        }
        Act::Nothing
    }

    fn end(&mut self, name: &Arc<str>, waited: Result<(), Why>, now: Instant) {
        self.unschedule(name);
        let Some(entry) = self.entries.remove(name) else {
            return;
        };
        let end = Arc::new(End {
            waited,
            snapshot: entry.subject(name).snapshot,
            progress: Progress {
                polls: entry.polls,
                elapsed: entry.wait.elapsed(now),
                seen: entry.seen.map(|seen| now.saturating_duration_since(seen)),
                failure: entry.failure,
            },
        });
        let Waiters { first, others } = entry.waiters;
        for waiter in others.into_iter().chain([first]) {
            // One that has gone away is told nothing.
            waiter.send(Arc::clone(&end)).ok();
        }
    }
}
