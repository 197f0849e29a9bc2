//! The delay that a server asks for before a retry: `grpc-retry-pushback-ms` and `RetryInfo`.

use std::time::Duration;

use prost::{DecodeError, Message as _};
use prost_types::Any;
use tonic::Status;
use tonic_types::pb;

/// Returns the minimum delay before a retry: the longer of the pushback and the delay of `RetryInfo`.
pub(crate) fn retry_delay(status: &Status) -> Option<Duration> {
    let info = retry_info(status);
    match pushback(status) {
        Some(Pushback::After(delay)) => info.max(Some(delay)),
        Some(Pushback::Never) | None => info,
    }
}

/// Returns the delay of the first valid RetryInfo among the details. Does not use the conversion of tonic-types, which
/// overflows for `i64::MIN` seconds.
fn retry_info(status: &Status) -> Option<Duration> {
    // Most statuses have no details.
    if status.details().is_empty() {
        return None;
    }
    let details = pb::Status::decode(status.details()).ok()?.details;
    let infos = details.iter().filter(|detail| is_retry_info(detail));
    let delays = infos.filter_map(|detail| delay_of(detail).ok());
    delays.flatten().next()
}

/// Returns the delay of a RetryInfo. A delay that is negative or out of range is ignored.
fn delay_of(detail: &Any) -> Result<Option<Duration>, DecodeError> {
    let info = pb::RetryInfo::decode(detail.value.as_slice())?;
    Ok(info.retry_delay.and_then(duration))
}

fn is_retry_info(detail: &Any) -> bool {
    let name = detail.type_url.rsplit('/').next();
    name == Some("google.rpc.RetryInfo")
}

/// Returns whether a detail is a RetryInfo whose delay is negative or out of range. The conversion of such a delay to a
/// standard `Duration` would overflow.
pub(crate) fn is_bad_retry_info(detail: &Any) -> bool {
    let info = pb::RetryInfo::decode(detail.value.as_slice());
    let delay = info.ok().and_then(|info| info.retry_delay);
    is_retry_info(detail) && delay.is_some_and(|delay| duration(delay).is_none())
}

/// Converts a protobuf duration; `None` if it is negative or out of the range of duration.proto.
pub(crate) fn duration(value: prost_types::Duration) -> Option<Duration> {
    /// Ten thousand years in seconds, the maximum of duration.proto.
    const LONGEST: u64 = 315_576_000_000;

    let seconds = u64::try_from(value.seconds).ok()?;
    let nanos = u32::try_from(value.nanos).ok()?;
    (seconds <= LONGEST && nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))
}

/// The server's pushback, in the metadata of its status (gRFC A6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushback {
    /// The next attempt may be made after this delay.
    After(Duration),
    /// No further attempt may be made.
    Never,
}

/// Reads the pushback, a number of milliseconds. A negative number, an invalid number or several values mean
/// [`Pushback::Never`].
pub(crate) fn pushback(status: &Status) -> Option<Pushback> {
    let metadata = status.metadata();
    // Most statuses have no metadata.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tonic::Code;

    use super::*;

    fn status(details: Vec<Any>) -> Status {
        let whole = pb::Status {
            details,
            ..Default::default()
        };
        Status::with_details(Code::Unavailable, "", whole.encode_to_vec().into())
    }

    fn info(seconds: i64, nanos: i32) -> Any {
        let info = pb::RetryInfo {
            retry_delay: Some(prost_types::Duration { seconds, nanos }),
        };
        Any {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
            value: info.encode_to_vec(),
        }
    }

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn an_invalid_retry_delay_is_ignored() {
        let cases = [
            (0, 0, seconds(0)),
            (1, 5, Some(Duration::new(1, 5))),
            (
                315_576_000_000,
                999_999_999,
                Some(Duration::new(315_576_000_000, 999_999_999)),
            ),
            (315_576_000_001, 0, None),
            (-1, 0, None),
            (0, -1, None),
            (1, -1, None),
            (-1, 1, None),
            (0, 1_000_000_000, None),
            (0, i32::MAX, None),
            (0, i32::MIN, None),
            (i64::MAX, i32::MAX, None),
            (i64::MIN, 0, None),
            (i64::MIN, i32::MIN, None),
            (i64::MIN, 1, None),
        ];
        for (seconds, nanos, delay) in cases {
            let status = status(vec![info(seconds, nanos)]);
            assert_eq!(retry_delay(&status), delay, "{seconds} {nanos}");
        }
    }

    #[test]
    fn a_retry_delay_is_found_among_malformed_details() {
        let garbage = |name: &str| Any {
            type_url: format!("type.googleapis.com/google.rpc.{name}"),
            value: vec![0xff],
        };
        let details = vec![
            garbage("ErrorInfo"),
            garbage("RetryInfo"),
            info(i64::MIN, 0),
            info(2, 0),
            info(3, 0),
        ];
        assert_eq!(retry_delay(&status(details)), seconds(2));
        let other = Any {
            type_url: "type.googleapis.com/google.rpc.Other".to_owned(),
            ..info(1, 0)
        };
        assert_eq!(retry_delay(&status(vec![other])), None);
        assert_eq!(retry_delay(&Status::unavailable("")), None);
        let garbage = Status::with_details(Code::Unavailable, "", vec![0xff].into());
        assert_eq!(retry_delay(&garbage), None);
    }

    proptest! {
        #[test]
        fn any_delay_of_a_server_is_a_valid_duration_or_is_ignored(seconds: i64, nanos: i32) {
            let value = prost_types::Duration { seconds, nanos };
            let status = status(vec![info(seconds, nanos)]);
            prop_assert_eq!(retry_delay(&status), duration(value));
            let details = crate::error::typed_details(vec![info(seconds, nanos)]);
            prop_assert_eq!(details.len(), usize::from(duration(value).is_some()));
        }
    }
}
