//! The log of received calls.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use prost::Message;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::contract::Method;

/// Maximum number of recorded calls. Older calls are only counted.
const MAX_CALLS: usize = 1000;

/// Maximum size of the names, headers, errors and messages of all recorded calls, since clients choose their sizes.
const MAX_BYTES: usize = 16 << 20;

/// Maximum size of a recorded response. A larger one is not recorded.
const MAX_RESPONSE: usize = 256 << 10;

/// A call that the emulator has received. Its `Debug` output has only the length of the message.
#[derive(Clone)]
#[non_exhaustive]
pub struct ReceivedCall {
    /// The method.
    pub method: &'static Method,
    /// The protocol of the call.
    pub via: Via,
    /// The name of the resource or operation; for a create the name of the new resource, and for a list the parent.
    pub name: String,
    /// The headers of the request, except those of the connection. For a REST call `accept` and the headers of compression are
    /// absent too. The values of secret headers are `(masked)`.
    pub headers: HeaderMap,
    /// The encoded request message, for REST calls too. `None` if the message could not be read, was too large, or was dropped.
    /// Names, headers, errors and messages of all calls have at most 16 MiB; above that the oldest messages are dropped, and
    /// then the oldest calls.
    pub message: Option<Bytes>,
    /// Time between the creation of the emulator and the call, by the clock of `tokio::time`.
    pub at: Duration,
    /// The number of the call. The first call has number 1, and no number is used twice.
    pub sequence: u64,
    /// Time of arrival, by the emulator's clock.
    pub started_at: SystemTime,
    /// Time between the arrival and the response. `None` while the call is in progress.
    pub latency: Option<Duration>,
    /// The code of the response. `None` while the call is in progress.
    pub code: Option<Code>,
    /// The error with its details. `None` if the call succeeded or is in progress.
    pub error: Option<Status>,
    /// The encoded response message. `None` if the call failed, or if the message has more than 256 KiB or was dropped for the
    /// same reason as [`message`](Self::message).
    pub response: Option<Bytes>,
    /// The number of the fault that applied to the call, as in `faults/3`.
    pub fault: Option<u64>,
    /// True if the call ended without a response: a fault closed the connection, the client cancelled the call, or the call
    /// panicked.
    pub is_cut: bool,
    /// The HTTP status of the HTML page that a fault returned. `None` if the response was not a page.
    pub html: Option<StatusCode>,
    /// The HTTP version. `None` for a call without a connection.
    pub http_version: Option<Version>,
    /// The sender.
    pub peer: Peer,
    /// Size of the request message in bytes.
    pub request_bytes: u64,
    /// Size of the response message in bytes.
    pub response_bytes: u64,
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
            .field("sequence", &self.sequence)
            .field("latency", &self.latency)
            .field("code", &self.code)
            .field("fault", &self.fault)
            .field("is_cut", &self.is_cut)
            .finish_non_exhaustive()
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

/// The sender of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// Unknown, as for a call without a connection.
    #[default]
    Unknown,
    /// A loopback address or a Unix socket.
    Loopback,
    /// Another machine or container, or a connection whose address is unknown.
    Remote,
}

/// A call that has arrived.
#[derive(Debug)]
pub(crate) struct NewCall<'c> {
    pub(crate) method: &'static Method,
    pub(crate) via: Via,
    pub(crate) name: &'c str,
    pub(crate) headers: HeaderMap,
    /// The media type of an HTTP/JSON request with a body.
    pub(crate) json_type: Option<HeaderValue>,
    pub(crate) message: Option<Bytes>,
    pub(crate) http_version: Option<Version>,
    pub(crate) peer: Peer,
}

/// The end of a call.
#[derive(Debug)]
pub(crate) struct CallEnd<'c> {
    pub(crate) code: Code,
    pub(crate) error: Option<Status>,
    pub(crate) response: Option<&'c [u8]>,
    pub(crate) fault: Option<u64>,
    pub(crate) is_cut: bool,
    pub(crate) html: Option<StatusCode>,
}

/// The log of received calls.
#[derive(Debug)]
pub(crate) struct CallLog {
    started_at: Instant,
    received: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    /// A time of the emulator's clock, and the instant at which the clock had this time. The instant is `None` if the clock is
    /// paused.
    now: (SystemTime, Option<Instant>),
    /// Number of calls that have ever arrived.
    arrived: u64,
    /// The recorded calls, with consecutive numbers.
    last: VecDeque<RecordedCall>,
    /// Size of the names, headers, errors and messages of the recorded calls.
    bytes: usize,
    /// Number of calls, by the path of the method.
    counts: BTreeMap<&'static str, u64>,
}

/// A recorded call, and the size of its names, headers, errors and messages.
#[derive(Debug)]
struct RecordedCall {
    call: ReceivedCall,
    bytes: usize,
}

impl CallLog {
    /// Creates an empty log. `now` is the emulator's time.
    pub(crate) fn new(started_at: Instant, now: SystemTime, is_paused: bool) -> Self {
        Self {
            started_at,
            received: Mutex::new(Log {
                now: (now, (!is_paused).then(Instant::now)),
                arrived: 0,
                last: VecDeque::new(),
                bytes: 0,
                counts: BTreeMap::new(),
            }),
        }
    }

    /// Sets the emulator's time.
    pub(crate) fn set_clock(&self, now: SystemTime, is_paused: bool) {
        self.with(|log| log.now = (now, (!is_paused).then(Instant::now)));
    }

    /// Records a call, and returns its number.
    pub(crate) fn add(&self, mut new: NewCall<'_>) -> u64 {
        clean_headers(&mut new);
        let mut call = ReceivedCall {
            method: new.method,
            via: new.via,
            name: new.name.to_owned(),
            headers: new.headers,
            request_bytes: size(new.message.as_deref()),
            message: new.message,
            at: Duration::ZERO,
            sequence: 0,
            started_at: SystemTime::UNIX_EPOCH,
            latency: None,
            code: None,
            error: None,
            response: None,
            fault: None,
            is_cut: false,
            html: None,
            http_version: new.http_version,
            peer: new.peer,
            response_bytes: 0,
        };
        let bytes = call.bytes();
        self.with(|log| {
            *log.counts.entry(call.method.path()).or_default() += 1;
            log.arrived += 1;
            call.sequence = log.arrived;
            let now = Instant::now();
            call.at = now.saturating_duration_since(self.started_at);
            call.started_at = log.time(now);
            log.push(RecordedCall { call, bytes });
            log.arrived
        })
    }

    /// Records the end of a call. If `is_wanted`, returns the call without its headers and messages; `None` if the call is no
    /// longer recorded.
    pub(crate) fn end(
        &self,
        sequence: u64,
        end: CallEnd<'_>,
        is_wanted: bool,
    ) -> Option<ReceivedCall> {
        let response = end
            .response
            .filter(|response| response.len() <= MAX_RESPONSE);
        // The recorded message is a copy, so that it does not keep the buffer of the response.
        let copy = response.map(Bytes::copy_from_slice);
        let now = self.started_at.elapsed();
        self.with(|log| {
            let first = log.last.front()?.call.sequence;
            let place = usize::try_from(sequence.checked_sub(first)?).ok()?;
            let RecordedCall { call, bytes } = log.last.get_mut(place)?;
            call.latency = Some(now.saturating_sub(call.at));
            call.code = Some(end.code);
            call.error = end.error;
            call.response = copy;
            call.response_bytes = size(end.response);
            call.fault = end.fault;
            call.is_cut = end.is_cut;
            call.html = end.html;
            let added = call.end_bytes();
            *bytes += added;
            log.bytes += added;
            let ended = is_wanted.then(|| call.basic());
            log.limit();
            ended
        })
    }

    /// Returns the recorded calls, in the order in which they were received.
    pub(crate) fn last(&self) -> Vec<ReceivedCall> {
        self.with(|log| log.calls().cloned().collect())
    }

    /// Returns the recorded calls that match and have a higher number than `after`, at most `most` of them. Also returns how
    /// many there are in all. If more than `most` calls match, returns the first ones, or the last ones if `after` is 0. The
    /// calls are in the order in which they were received.
    pub(crate) fn list(
        &self,
        after: u64,
        most: usize,
        matches: impl Fn(&ReceivedCall) -> bool,
    ) -> (Vec<ReceivedCall>, usize) {
        self.with(|log| {
            let found = log
                .calls()
                .filter(|call| call.sequence > after && matches(call));
            let total = found.clone().count();
            let skipped = match after {
                0 => total.saturating_sub(most),
                _ => 0,
            };
            (found.skip(skipped).take(most).cloned().collect(), total)
        })
    }

    pub(crate) fn count(&self, method: &Method) -> u64 {
        self.with(|log| log.counts.get(method.path()).copied().unwrap_or_default())
    }

    /// Returns the number of recorded calls, and the number of all calls.
    pub(crate) fn counts(&self) -> (usize, u64) {
        self.with(|log| (log.last.len(), log.counts.values().sum()))
    }

    pub(crate) fn clear(&self) {
        self.with(|log| {
            log.last = VecDeque::new();
            log.bytes = 0;
            log.counts.clear();
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Log) -> T) -> T {
        work(&mut self.received.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn size(message: Option<&[u8]>) -> u64 {
    // No message of a test has 2^64 bytes.
    u64::try_from(message.map_or(0, <[u8]>::len)).unwrap_or(u64::MAX)
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

    /// Decodes the response message. Returns `None` if there is no message, or if it is invalid as this type.
    #[must_use]
    pub fn response<M: Message + Default>(&self) -> Option<M> {
        M::decode(self.response.as_ref()?.as_ref()).ok()
    }

    /// Returns the call without its headers and messages.
    fn basic(&self) -> Self {
        Self {
            name: self.name.clone(),
            headers: HeaderMap::new(),
            message: None,
            error: self.error.clone(),
            response: None,
            ..*self
        }
    }

    /// Returns the size of the name, the headers and the message.
    fn bytes(&self) -> usize {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| name.as_str().len() + value.len());
        let message = self.message.as_ref().map_or(0, Bytes::len);
        self.name.len() + headers.sum::<usize>() + message
    }

    /// Returns the size of the error and the response.
    pub(crate) fn end_bytes(&self) -> usize {
        let error = self.error.as_ref();
        let error = error.map_or(0, |error| error.message().len() + error.details().len());
        error + self.response.as_ref().map_or(0, Bytes::len)
    }
}

impl RecordedCall {
    /// Drops the messages, and returns their size.
    fn drop_messages(&mut self) -> usize {
        let messages = [self.call.message.take(), self.call.response.take()];
        let dropped = messages.iter().flatten().map(Bytes::len).sum();
        self.bytes -= dropped;
        dropped
    }
}

impl Log {
    fn calls(&self) -> impl Iterator<Item = &ReceivedCall> + Clone {
        self.last.iter().map(|recorded| &recorded.call)
    }

    /// Returns the emulator's time at an instant.
    fn time(&self, now: Instant) -> SystemTime {
        let (then, since) = self.now;
        let passed = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        then.checked_add(passed).unwrap_or(then)
    }

    fn push(&mut self, call: RecordedCall) {
        if self.last.len() == MAX_CALLS {
            self.drop_first();
        }
        self.bytes += call.bytes;
        self.last.push_back(call);
        self.limit();
    }

    /// Drops messages, and then calls, above the maximum size.
    fn limit(&mut self) {
        for recorded in &mut self.last {
            if self.bytes <= MAX_BYTES {
                return;
            }
            self.bytes -= recorded.drop_messages();
        }
        while self.bytes > MAX_BYTES && self.last.len() > 1 {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(first) = self.last.pop_front() {
            self.bytes -= first.bytes;
        }
    }
}

/// Removes the headers that the transcoder has added, and masks the values of secret headers.
fn clean_headers(new: &mut NewCall<'_>) {
    let headers = &mut new.headers;
    if new.via == Via::Rest {
        headers.remove(header::TE);
        match new.json_type.take() {
            Some(media) => drop(headers.insert(header::CONTENT_TYPE, media)),
            None => drop(headers.remove(header::CONTENT_TYPE)),
        }
    }
    for (name, value) in headers {
        if value.is_sensitive() || is_secret(name.as_str()) {
            *value = HeaderValue::from_static("(masked)");
        }
    }
}

/// Returns true if a part of the name of a header shows that its value is a secret. The headers of every call are
/// checked, so the function reads the name only once.
fn is_secret(name: &str) -> bool {
    let mut rest = name.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let parts = secret_parts(*first).iter();
        if parts.copied().any(|part| rest.starts_with(part.as_bytes())) {
            return true;
        }
        rest = after;
    }
    false
}

/// Returns those words that mark a header as secret and begin with this byte.
fn secret_parts(first: u8) -> &'static [&'static str] {
    match first {
        b'a' => &["auth"],
        b'c' => &["cookie", "cred"],
        b'd' => &["dpop"],
        b'f' => &["forwarded-client-cert"],
        b'j' => &["jwt"],
        b'k' => &["key"],
        b'o' => &["original-url"],
        b'p' => &["passw", "principal"],
        b'r' => &["referer"],
        b's' => &["secret", "session", "sid", "signature"],
        b't' => &["token"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_secret_if_a_part_of_its_name_is() {
        for name in [
            "authorization",
            "set-cookie",
            "x-amz-credential",
            "dpop",
            "x-forwarded-client-cert",
            "x-goog-iap-jwt-assertion",
            "x-goog-api-key",
            "x-original-url",
            "x-password",
            "x-ms-client-principal-name",
            "referer",
            "x-secret-name",
            "x-session-id",
            "x-sid",
            "x-amz-signature",
            "x-xtoken",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["content-type", "user-agent", "te", "x-goog-request-params"] {
            assert!(!is_secret(name), "{name}");
        }
        let parts = (0..=u8::MAX).map(|first| (first, secret_parts(first)));
        for (first, parts) in parts {
            for part in parts {
                assert_eq!(part.as_bytes()[0], first, "{part}");
            }
        }
    }
}
