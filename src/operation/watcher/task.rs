//! The task behind a watcher: starts what is due, as many calls at once as may be.

use std::sync::{Arc, PoisonError, Weak};

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Shared;
use super::sweep;
use super::sweep::How;
use super::table::location;

/// How many calls are in flight at most.
const IN_FLIGHT: usize = 32;

/// The task's own mark, gone with it.
pub(super) struct Running(pub(super) Weak<Shared>);

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

pub(super) async fn run(running: Running) {
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
