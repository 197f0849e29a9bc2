//! The probe of an operation's target, which may prove how the operation ended.

use std::time::{Duration, SystemTime};

use prost::Name as _;
use prost_types::Any;
use tonic::Status;

use super::attempt::{single_attempt, with_timeout};
use super::clients::Clients;
use super::profile::{Facts, TargetRequest, TargetStage, TargetState};
use super::state_machine::Verdict;
use super::verb::Verb;

/// Maximum time by which a created resource may be older than its operation. The service writes the two times at different
/// moments, and possibly on different machines.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// Reads a resource by its full name, in one attempt and within `timeout`. Returns `None` if the profile does not read
/// resources.
pub(super) async fn read_resource(
    clients: &Clients,
    name: &str,
    timeout: Duration,
) -> Option<Result<TargetState, Status>> {
    let request = TargetRequest {
        stack: clients.stack().with_options(single_attempt(timeout)),
        name: name.to_owned(),
        max_response_size: clients.max_response_size(),
    };
    let read = clients.profile().read_target(request)?;
    Some(with_timeout(timeout, read).await)
}

/// Returns true if the resource is known to be older than an operation that began at `began`.
fn is_older(created: Option<SystemTime>, began: Option<SystemTime>) -> bool {
    let earliest = began.and_then(|began| began.checked_sub(CLOCK_TOLERANCE));
    created
        .zip(earliest)
        .is_some_and(|(created, earliest)| created < earliest)
}

/// Returns the verdict about an operation, and its result if the verdict is success. `found` is the state of the target; `None`
/// if the target does not exist.
///
/// If the server no longer knows the operation, a ready target proves that a create succeeded. A missing target proves that a
/// delete succeeded. The target of an update proves nothing, since it was ready before. If the server reported that the
/// operation is done without an error, a ready target is the result of an update too.
///
/// `done` is true if the server reported the operation as done, with neither a response nor an error.
pub(super) fn judge(
    found: Option<TargetState>,
    facts: &Facts,
    done: bool,
) -> (Verdict, Option<Any>) {
    let verb = facts.verb;
    let Some(found) = found else {
        return match verb {
            Verb::Delete => (Verdict::Succeeded, Some(empty())),
            Verb::Unknown | Verb::Create | Verb::Update => (Verdict::Unproven, None),
        };
    };
    let created = verb == Verb::Create && !is_older(found.created, facts.began);
    match (found.stage, verb) {
        (TargetStage::Deleting, Verb::Delete) => (Verdict::Running, None),
        (_, Verb::Delete) => (Verdict::Unproven, None),
        (TargetStage::Ready, _) if created || done => (Verdict::Succeeded, Some(found.resource)),
        (TargetStage::Changing, _) => (Verdict::Running, None),
        (TargetStage::Ready | TargetStage::Deleting | TargetStage::Other, _) => {
            (Verdict::Unproven, None)
        }
    }
}

/// Returns the result of a delete.
fn empty() -> Any {
    Any {
        type_url: <()>::type_url(),
        value: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of verdicts, with a row for each stage of the target and for a missing target. A row has a verdict for each
    /// verb: first for an operation that is gone, then for one that the server reported as done.
    #[test]
    fn the_target_proves_an_update_only_if_the_server_reported_it_as_done() {
        use Verdict::{Running, Succeeded, Unproven};

        let verbs = [Verb::Create, Verb::Update, Verb::Unknown, Verb::Delete];
        let cases = [
            (
                Some(TargetStage::Ready),
                [Succeeded, Unproven, Unproven, Unproven],
                [Succeeded, Succeeded, Succeeded, Unproven],
            ),
            (
                Some(TargetStage::Changing),
                [Running, Running, Running, Unproven],
                [Running, Running, Running, Unproven],
            ),
            (
                Some(TargetStage::Deleting),
                [Unproven, Unproven, Unproven, Running],
                [Unproven, Unproven, Unproven, Running],
            ),
            (Some(TargetStage::Other), [Unproven; 4], [Unproven; 4]),
            (
                None,
                [Unproven, Unproven, Unproven, Succeeded],
                [Unproven, Unproven, Unproven, Succeeded],
            ),
        ];
        for (stage, gone, done) in cases {
            for (reported_done, expected) in [(false, gone), (true, done)] {
                for (verb, expected) in verbs.into_iter().zip(expected) {
                    let facts = Facts {
                        verb,
                        ..Facts::default()
                    };
                    let found = stage.map(|stage| TargetState::new(stage, Any::default()));
                    let (judged, result) = judge(found, &facts, reported_done);
                    assert_eq!(
                        judged, expected,
                        "{stage:?}, {verb:?}, done: {reported_done}"
                    );
                    assert_eq!(result.is_some(), judged == Succeeded);
                }
            }
        }
    }

    #[test]
    fn a_resource_that_is_older_than_the_create_operation_proves_nothing() {
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let cases = [
            (Some(1_000_001), Some(began), Verdict::Succeeded),
            (Some(999_999), Some(began), Verdict::Succeeded),
            (Some(999_900), Some(began), Verdict::Unproven),
            (Some(999_900), None, Verdict::Succeeded),
            (None, Some(began), Verdict::Succeeded),
            (Some(i64::MAX as u64), Some(began), Verdict::Succeeded),
            (Some(0), Some(SystemTime::UNIX_EPOCH), Verdict::Succeeded),
        ];
        for (created, began, expected) in cases {
            let mut found = TargetState::new(TargetStage::Ready, Any::default());
            let seconds = Duration::from_secs;
            found.created = created.map(|created| SystemTime::UNIX_EPOCH + seconds(created));
            let facts = Facts {
                verb: Verb::Create,
                began,
                ..Facts::default()
            };
            let judged = judge(Some(found), &facts, false).0;
            assert_eq!(judged, expected, "{created:?}, {began:?}");
        }
    }
}
