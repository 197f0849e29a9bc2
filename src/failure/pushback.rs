//! What a server says of when to come again.

use std::time::Duration;

use tonic::Status;
use tonic_types::StatusExt as _;

/// The delay that the server asks for, in either way: what is sent again before it comes too early.
pub(crate) fn retry_delay(status: &Status) -> Option<Duration> {
    let info = status.get_details_retry_info();
    let info = info.and_then(|info| info.retry_delay);
    match pushback(status) {
        Some(Pushback::After(delay)) => info.max(Some(delay)),
        Some(Pushback::Never) | None => info,
    }
}

/// What a server says of further attempts in the metadata that its status comes with (gRFC A6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushback {
    /// The next one may come after so long.
    After(Duration),
    /// There shall be none.
    Never,
}

/// The server's word on further attempts: milliseconds. A number below zero, what is none, and several values
/// say that there shall be none.
pub(crate) fn pushback(status: &Status) -> Option<Pushback> {
    let metadata = status.metadata();
    // Few statuses have any.
    if metadata.is_empty() {
        return None;
    }
    let mut values = metadata.get_all("grpc-retry-pushback-ms").iter();
    let value = values.next()?;
    let millis = value.to_str().ok().filter(|_| values.next().is_none());
    let millis = millis.and_then(|text| text.parse::<i32>().ok());
    let millis = millis.and_then(|millis| u64::try_from(millis).ok());
    Some(millis.map_or(Pushback::Never, |millis| {
        Pushback::After(Duration::from_millis(millis))
    }))
}
