//! The calls that the emulator has received.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use prost::Message;
use tokio::time::Instant;

use crate::contract::Method;

/// Maximum number of calls that are kept; those before are counted only.
const KEPT: usize = 1000;

/// Maximum number of bytes of the names, headers and messages that are kept: a client may send any.
const ROOM: usize = 16 << 20;

/// Parts of the names of headers that hold what no log should.
const SECRET: [&str; 5] = ["authorization", "token", "key", "cookie", "secret"];

/// A call that the emulator has received. `Debug` tells the length of its message alone.
#[derive(Clone)]
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
    /// Its message, encoded, however it came. `None` if it could not be read, or was dropped: names, headers and messages
    /// of all calls take at most 16 MiB. The oldest messages are dropped first, and then the oldest calls.
    pub message: Option<Bytes>,
    /// When it came, from when the emulator was built, by the clock of `tokio::time`.
    pub at: Duration,
}

impl fmt::Debug for ReceivedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedCall")
            .field("method", &self.method.path)
            .field("via", &self.via)
            .field("name", &self.name)
            .field("headers", &self.headers)
            .field("message", &self.message.as_ref().map(Bytes::len))
            .field("at", &self.at)
            .finish()
    }
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
    /// The bytes of their names, headers and messages.
    bytes: usize,
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

    pub(super) fn add(
        &self,
        method: &'static Method,
        via: Via,
        name: &str,
        headers: &HeaderMap,
        message: Option<Bytes>,
    ) {
        let call = ReceivedCall {
            method,
            via,
            name: name.to_owned(),
            headers: masked(headers),
            message,
            at: self.began.elapsed(),
        };
        self.with(|received| {
            *received.counts.entry(method.path).or_default() += 1;
            received.push(call);
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

impl ReceivedCall {
    /// Its message, if it is there and one of this type.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use apigateway_grpc::ApiGateway;
    /// use apigateway_grpc::emulator::Emulator;
    /// use apigateway_grpc::model::ListApisRequest;
    ///
    /// let emulator = Emulator::builder().build();
    /// let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
    /// client.list_apis("projects/p/locations/global").filter("labels.team=a").first_page().await?;
    ///
    /// let request: ListApisRequest = emulator.calls()[0].request().expect("it was received");
    /// assert_eq!(request.filter, "labels.team=a");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn request<M: Message + Default>(&self) -> Option<M> {
        M::decode(self.message.as_ref()?.as_ref()).ok()
    }

    fn bytes(&self) -> usize {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| name.as_str().len() + value.len());
        self.name.len() + headers.sum::<usize>() + self.message_bytes()
    }

    fn message_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, Bytes::len)
    }
}

impl Received {
    fn push(&mut self, call: ReceivedCall) {
        if self.last.len() == KEPT {
            self.drop_first();
        }
        self.bytes += call.bytes();
        self.last.push_back(call);
        while self.bytes > ROOM
            && let Some(call) = self.last.iter_mut().find(|call| call.message_bytes() > 0)
        {
            self.bytes -= call.message_bytes();
            call.message = None;
        }
        while self.bytes > ROOM && self.last.len() > 1 {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(first) = self.last.pop_front() {
            self.bytes -= first.bytes();
        }
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
