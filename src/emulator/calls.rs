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

/// As many calls are kept as a test can want to look at; those before are counted only.
const KEPT: usize = 1000;

/// The bytes of messages that are kept: configs hold documents of any size.
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
    /// Its message, encoded, however it came. `None` if it could not be read, or has been dropped because what
    /// came after it took the room of messages, which is 16 MiB.
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
    /// The bytes of their messages.
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
    /// use apigateway_grpc::proto::google::cloud::apigateway::v1::ListApisRequest;
    ///
    /// let emulator = Emulator::builder().build();
    /// let client = ApiGateway::builder().with_transport(emulator.service()).anonymous().build()?;
    /// client.list_apis("projects/p/locations/global").filter("labels.team=a").page("").await?;
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
        self.message.as_ref().map_or(0, Bytes::len)
    }
}

impl Received {
    fn push(&mut self, call: ReceivedCall) {
        if self.last.len() == KEPT
            && let Some(first) = self.last.pop_front()
        {
            self.bytes -= first.bytes();
        }
        self.bytes += call.bytes();
        self.last.push_back(call);
        while self.bytes > ROOM
            && let Some(call) = self.last.iter_mut().find(|call| call.bytes() > 0)
        {
            self.bytes -= call.bytes();
            call.message = None;
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
