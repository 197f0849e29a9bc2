//! The log of received calls.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use prost::Message;
use tokio::time::Instant;

use crate::contract::Method;

/// Maximum number of recorded calls. Older calls are only counted.
const MAX_CALLS: usize = 1000;

/// Maximum size of the names, headers and messages of all recorded calls, since clients choose their sizes.
const MAX_BYTES: usize = 16 << 20;

/// Parts of the names of headers with secrets, whose values are masked.
const SECRET_PARTS: [&str; 5] = ["authorization", "token", "key", "cookie", "secret"];

/// A call that the emulator has received. Its `Debug` output has the length of the message only.
#[derive(Clone)]
#[non_exhaustive]
pub struct ReceivedCall {
    /// The method.
    pub method: &'static Method,
    /// The protocol of the call.
    pub via: Via,
    /// The name of the resource or operation; for a create the name of the new resource, and for a list the parent.
    pub name: String,
    /// The headers of the gRPC request. The values of secret headers are `(masked)`.
    pub headers: HeaderMap,
    /// The encoded request message, for REST calls too. `None` if it could not be read or was dropped. Names, headers and messages
    /// of all calls have at most 16 MiB; above that the oldest messages are dropped, and then the oldest calls.
    pub message: Option<Bytes>,
    /// Time between the creation of the emulator and the call, by the clock of `tokio::time`.
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

/// The protocol of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Via {
    /// gRPC.
    Grpc,
    /// HTTP/JSON, through the transcoder.
    Rest,
}

/// The log of received calls.
#[derive(Debug)]
pub(crate) struct CallLog {
    started_at: Instant,
    received: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    last: VecDeque<ReceivedCall>,
    /// Size of the names, headers and messages of these calls.
    bytes: usize,
    /// Number of calls, by the path of the method.
    counts: BTreeMap<&'static str, u64>,
}

impl CallLog {
    pub(crate) fn new(started_at: Instant) -> Self {
        Self {
            started_at,
            received: Mutex::default(),
        }
    }

    pub(crate) fn add(
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
            at: self.started_at.elapsed(),
        };
        self.with(|received| {
            *received.counts.entry(method.path).or_default() += 1;
            received.push(call);
        });
    }

    /// Returns the recorded calls, in the order in which they were received.
    pub(crate) fn last(&self) -> Vec<ReceivedCall> {
        self.with(|received| received.last.iter().cloned().collect())
    }

    pub(crate) fn count(&self, method: &Method) -> u64 {
        self.with(|received| {
            received
                .counts
                .get(method.path)
                .copied()
                .unwrap_or_default()
        })
    }

    pub(crate) fn clear(&self) {
        self.with(|received| *received = Log::default());
    }

    fn with<T>(&self, work: impl FnOnce(&mut Log) -> T) -> T {
        work(&mut self.received.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ReceivedCall {
    /// Decodes the request message. Returns `None` if there is no message, or if it is invalid as this type.
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

impl Log {
    fn push(&mut self, call: ReceivedCall) {
        if self.last.len() == MAX_CALLS {
            self.drop_first();
        }
        self.bytes += call.bytes();
        self.last.push_back(call);
        while self.bytes > MAX_BYTES
            && let Some(call) = self.last.iter_mut().find(|call| call.message_bytes() > 0)
        {
            self.bytes -= call.message_bytes();
            call.message = None;
        }
        while self.bytes > MAX_BYTES && self.last.len() > 1 {
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
        if value.is_sensitive() || SECRET_PARTS.iter().any(|part| name.as_str().contains(part)) {
            *value = HeaderValue::from_static("(masked)");
        }
    }
    headers
}
