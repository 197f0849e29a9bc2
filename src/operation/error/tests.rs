//! The texts of the errors of operations, as a table.

use tonic::Status;

use super::*;
use crate::proto::google::cloud::apigateway::v1::OperationMetadata;
use crate::proto::google::longrunning::Operation as Message;

const API: &str = "projects/p/locations/l/apis/a";

fn snapshot(done: bool, metadata: Option<OperationMetadata>) -> Snapshot {
    Snapshot::new(Message {
        name: "operations/o".to_owned(),
        done,
        metadata: metadata.map(|it| Any::from_msg(&it).expect("it can be encoded")),
        ..Message::default()
    })
}

fn status(code: i32, message: &str) -> pb::Status {
    pb::Status {
        code,
        message: message.to_owned(),
        details: Vec::new(),
    }
}

/// A row of the table.
type Row = (
    OperationErrorKind,
    // True if the last snapshot was done.
    bool,
    // Number of polls.
    u32,
    // Number of seconds since the last answer.
    Option<u64>,
    // The last failure.
    Option<&'static str>,
    // The target.
    Option<&'static str>,
    // The expected text.
    &'static str,
);

/// The table of all texts. A text without the operation's own outcome says what is known, when it was seen, and how to
/// continue.
#[test]
fn every_text_says_only_what_is_known_and_how_to_continue() {
    use OperationErrorKind::{
        CancelRequest, Cancelled, Expired, Failed, MalformedResult, MissingResult, Polling,
        TimedOut, WrongResult,
    };

    let wrong = || WrongResult {
        expected: "x.Api".to_owned(),
        found: Any {
            type_url: "type.googleapis.com/x.\u{1b}Gateway".to_owned(),
            value: Vec::new(),
        },
    };
    let timed_out = |cancelled| TimedOut { cancelled };
    let away = Some("away");
    let rows: Vec<Row> = vec![
        (
            Failed(status(9, "no")),
            true,
            3,
            Some(0),
            None,
            None,
            " failed: failed precondition: no",
        ),
        (
            Failed(status(9, "no")),
            true,
            3,
            Some(0),
            away,
            Some(API),
            " failed: failed precondition: no",
        ),
        (
            Failed(status(16, "")),
            true,
            0,
            None,
            None,
            None,
            " failed: unauthenticated",
        ),
        (
            Failed(status(0, "no")),
            true,
            3,
            Some(0),
            None,
            None,
            " failed: code 0: no",
        ),
        (
            Failed(status(17, "no")),
            true,
            3,
            Some(0),
            None,
            None,
            " failed: code 17: no",
        ),
        (
            Failed(status(-1, "no")),
            true,
            3,
            Some(0),
            None,
            None,
            " failed: code -1: no",
        ),
        (
            Cancelled(status(1, "")),
            true,
            3,
            Some(0),
            away,
            None,
            " was cancelled",
        ),
        (
            Cancelled(status(1, "by me")),
            true,
            3,
            Some(0),
            away,
            None,
            " was cancelled: by me",
        ),
        (
            wrong(),
            true,
            1,
            Some(0),
            away,
            None,
            ": result type is x.\\u{1b}Gateway, expected x.Api",
        ),
        (
            MalformedResult {
                reason: Any::decode(&b"\x0a"[..]).expect_err("it is cut"),
                found: Any {
                    type_url: "type.googleapis.com/x.Api".to_owned(),
                    value: b"\x0a".to_vec(),
                },
            },
            true,
            1,
            Some(0),
            away,
            None,
            ": cannot decode the result x.Api: failed to decode Protobuf message: Any.type_url: invalid varint",
        ),
        (
            Polling,
            false,
            0,
            None,
            None,
            None,
            ": polling failed after 0 polls in 5.0s; the operation may still be running; never seen by this wait; wait for it again by its name",
        ),
        (
            Polling,
            false,
            1,
            None,
            away,
            None,
            ": polling failed after 1 poll in 5.0s; the operation may still be running; never seen by this wait; wait for it again by its name; last failure: unavailable: away",
        ),
        (
            Polling,
            false,
            2,
            Some(3),
            away,
            None,
            ": polling failed after 2 polls in 5.0s; the operation may still be running; last seen running 3.0s before; wait for it again by its name; last failure: unavailable: away",
        ),
        (
            CancelRequest,
            false,
            0,
            None,
            away,
            None,
            ": the request to cancel it failed; the operation may still be running; never seen by this wait; wait for it again by its name; last failure: unavailable: away",
        ),
        (
            CancelRequest,
            false,
            4,
            Some(1),
            away,
            None,
            ": the request to cancel it failed; the operation may still be running; last seen running 1.0s before; wait for it again by its name; last failure: unavailable: away",
        ),
        (
            timed_out(false),
            false,
            1,
            None,
            away,
            None,
            ": timed out after 1 poll in 5.0s; the operation may still be running and was not cancelled; never seen by this wait; wait for it again by its name; last failure: unavailable: away",
        ),
        (
            timed_out(false),
            false,
            4,
            Some(0),
            None,
            None,
            ": timed out after 4 polls in 5.0s; the operation may still be running and was not cancelled; last seen running just before; wait for it again by its name",
        ),
        (
            timed_out(false),
            true,
            4,
            Some(2),
            None,
            None,
            ": timed out after 4 polls in 5.0s; the operation is done, its outcome is unknown; last seen done without a result 2.0s before; read the resource for its state",
        ),
        (
            timed_out(true),
            true,
            4,
            Some(2),
            None,
            None,
            ": timed out after 4 polls in 5.0s; the operation is done, its outcome is unknown, its cancellation was requested; last seen done without a result 2.0s before; read the resource for its state",
        ),
        (
            Polling,
            true,
            0,
            Some(0),
            away,
            None,
            ": polling failed after 0 polls in 5.0s; the operation is done, its outcome is unknown; last seen done without a result just before; read the resource for its state; last failure: unavailable: away",
        ),
        (
            timed_out(true),
            false,
            4,
            Some(2),
            None,
            None,
            ": timed out after 4 polls in 5.0s; the operation may still be running, its cancellation was requested; last seen running 2.0s before; wait for it again by its name",
        ),
        (
            Expired,
            false,
            2,
            Some(3),
            None,
            Some(API),
            ": not found or expired; outcome unknown; last seen running 3.0s before; read projects/p/locations/l/apis/a for its state",
        ),
        (
            Expired,
            false,
            1,
            None,
            away,
            None,
            ": not found or expired; outcome unknown; never seen by this wait; read the resource for its state; last failure: unavailable: away",
        ),
        (
            MissingResult,
            true,
            2,
            Some(0),
            None,
            None,
            ": done without a result or an error; outcome unknown; read the resource for its state",
        ),
        (
            MissingResult,
            true,
            2,
            Some(0),
            away,
            Some(API),
            ": done without a result or an error; outcome unknown; read projects/p/locations/l/apis/a for its state; last failure: unavailable: away",
        ),
    ];
    let mut kinds = std::collections::BTreeSet::new();
    for (kind, done, polls, seen, failure, target, expected) in rows {
        kinds.insert(row_of(&kind));
        let progress = Progress {
            polls,
            elapsed: Duration::from_secs(5),
            last_seen: seen.map(Duration::from_secs),
            failure: failure.map(|text| std::sync::Arc::new(Status::unavailable(text).into())),
        };
        let error = OperationError::new(kind, snapshot(done, None), progress);
        let error = error.with_target(target.map(str::to_owned));
        assert_eq!(
            error.to_string(),
            format!("operation operations/o{expected}")
        );
        let goes_on = expected.contains("wait for it again");
        assert_eq!(error.may_still_run(), goes_on, "{error}");
        let may_run = expected.contains("may still be running");
        assert_eq!(may_run, goes_on, "{error}");
        // The text includes the failure, so the failure is not a source too.
        assert!(std::error::Error::source(&error).is_none());
        let has_failure = expected.contains("last failure");
        assert!(!has_failure || error.last_failure().is_some(), "{error}");
    }
    assert_eq!(kinds.len(), 10, "the kinds in the table: {kinds:?}");
}

/// Numbers the kinds of the table. A new kind does not compile until it has a number. Then add a row to the table, and
/// raise the number in the assertion above.
fn row_of(kind: &OperationErrorKind) -> u8 {
    match kind {
        OperationErrorKind::Failed(_) => 1,
        OperationErrorKind::Cancelled(_) => 2,
        OperationErrorKind::WrongResult { .. } => 3,
        OperationErrorKind::MissingResult => 4,
        OperationErrorKind::Polling => 5,
        OperationErrorKind::CancelRequest => 6,
        OperationErrorKind::TimedOut { cancelled: false } => 7,
        OperationErrorKind::TimedOut { cancelled: true } => 8,
        OperationErrorKind::Expired => 9,
        OperationErrorKind::MalformedResult { .. } => 10,
    }
}

#[test]
fn the_target_comes_from_the_metadata_and_diagnostics_follow_every_text() {
    let metadata = OperationMetadata {
        target: API.to_owned(),
        diagnostics: vec![Diagnostic {
            location: "api.yaml:3".to_owned(),
            message: "no such host".to_owned(),
        }],
        ..OperationMetadata::default()
    };
    for kind in [
        OperationErrorKind::Failed(status(13, "broken")),
        OperationErrorKind::Cancelled(status(1, "")),
        OperationErrorKind::MissingResult,
        OperationErrorKind::Expired,
        OperationErrorKind::Polling,
        OperationErrorKind::CancelRequest,
        OperationErrorKind::TimedOut { cancelled: true },
    ] {
        let snapshot = snapshot(true, Some(metadata.clone()));
        let error = OperationError::new(kind, snapshot, Progress::default()).to_string();
        assert!(error.ends_with("\n  api.yaml:3: no such host"), "{error}");
        assert_eq!(
            error.contains("outcome unknown") || error.contains("outcome is unknown"),
            error.contains(API),
            "{error}"
        );
    }
}
