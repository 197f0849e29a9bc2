//! The calls that the emulator has received.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

use crate::contract::Method;

/// As many calls are kept as a test can want to look at; those before are counted only.
const KEPT: usize = 1000;

/// Parts of the names of headers that hold what no log should.
const SECRET: [&str; 5] = ["authorization", "token", "key", "cookie", "secret"];

/// A call that the emulator has received.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReceivedCall {
    /// The method.
    pub method: &'static Method,
    /// How it came.
    pub via: Via,
    /// The name of what it is about, which for a create is the name of what it creates; the parent for a
    /// list.
    pub name: String,
    /// Its headers as gRPC has them. What is secret reads `(masked)`.
    pub headers: HeaderMap,
    /// When it came, from when the emulator was built, by the clock of `tokio::time`.
    pub at: Duration,
}

/// How a call came to the emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Via {
    /// As gRPC.
    Grpc,
    /// As HTTP/JSON, through the transcoder.
    Rest,
}

/// The calls received so far.
#[derive(Debug)]
pub(super) struct Calls {
    began: Instant,
    received: Mutex<Received>,
}

#[derive(Debug, Default)]
struct Received {
    last: VecDeque<ReceivedCall>,
    /// By the path of the method.
    counts: BTreeMap<&'static str, u64>,
}

impl Calls {
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            received: Mutex::default(),
        }
    }

    pub(super) fn add(&self, method: &'static Method, via: Via, name: &str, headers: &HeaderMap) {
        let call = ReceivedCall {
            method,
            via,
            name: name.to_owned(),
            headers: masked(headers),
            at: self.began.elapsed(),
        };
        self.with(|received| {
            *received.counts.entry(method.path).or_default() += 1;
            if received.last.len() == KEPT {
                received.last.pop_front();
            }
            received.last.push_back(call);
        });
    }

    /// The last ones, in the order in which they came.
    pub(super) fn last(&self) -> Vec<ReceivedCall> {
        self.with(|received| received.last.iter().cloned().collect())
    }

    pub(super) fn count(&self, method: &Method) -> u64 {
        self.with(|received| {
            received
                .counts
                .get(method.path)
                .copied()
                .unwrap_or_default()
        })
    }

    pub(super) fn clear(&self) {
        self.with(|received| *received = Received::default());
    }

    fn with<T>(&self, work: impl FnOnce(&mut Received) -> T) -> T {
        work(&mut self.received.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn masked(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for (name, value) in &mut headers {
        if value.is_sensitive() || SECRET.iter().any(|part| name.as_str().contains(part)) {
            *value = HeaderValue::from_static("(masked)");
        }
    }
    headers
}
