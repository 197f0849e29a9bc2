//! Tables of events and of the steps that follow them. A claim begins with the numbers of its lines in `tests/CHECKLIST.md`.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use super::{CallFailure, Completion, Event, GiveUp, MissingResult, Next, Verdict, WaitState};
use crate::operation::schedule::Schedule;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const RUNNING: Event = Event::Answered {
    completion: Completion::Running,
    changed: false,
};
const CHANGED: Event = Event::Answered {
    completion: Completion::Running,
    changed: true,
};
const DONE: Event = Event::Answered {
    completion: Completion::Result,
    changed: true,
};
const NOTHING: Event = Event::Answered {
    completion: Completion::NoResult,
    changed: true,
};

const fn failure(code: Code) -> CallFailure {
    CallFailure {
        code,
        retry_after: None,
        permanent: false,
    }
}

const fn failed(code: Code) -> Event {
    Event::PollFailed(failure(code))
}

const fn probe_failed(code: Code) -> Event {
    Event::ProbeFailed(failure(code))
}

const fn permanently_failed(code: Code) -> Event {
    Event::PollFailed(CallFailure {
        permanent: true,
        ..failure(code)
    })
}

const fn failed_with_delay(code: Code, secs: u64) -> Event {
    Event::PollFailed(CallFailure {
        retry_after: Some(Duration::from_secs(secs)),
        ..failure(code)
    })
}

/// Returns a wait with delays from 1 s to 20 s that grow by 1.5, and a total timeout of one minute.
fn wait(missing_result: MissingResult) -> (WaitState, Instant) {
    let now = Instant::now();
    let schedule = Schedule::default().total_timeout(secs(60)).max_failures(2);
    let schedule = Arc::new(schedule);
    (WaitState::new(now, schedule, missing_result), now)
}

/// Returns the step after each event. The number of an event is its time, in seconds after the wait began.
fn follow(missing_result: MissingResult, events: &[(u64, Event)]) -> Vec<Next> {
    let (mut wait, began) = wait(missing_result);
    let step = |(at, event): &(u64, Event)| wait.step(*event, began + secs(*at), 0.5);
    events.iter().map(step).collect()
}

fn sleep(millis: u64) -> Next {
    Next::Sleep(Duration::from_millis(millis))
}

/// A case: the claim, the policy, the events, and the expected step after each event.
type Case<'a> = (&'a str, MissingResult, &'a [(u64, Event)], &'a [Next]);

#[tokio::test(start_paused = true)]
async fn each_event_has_its_next_step() {
    use MissingResult::{CheckTarget, Empty, Fail};

    let cases: &[Case<'_>] = &[
        (
            "6: a running operation is not a failure, and the delays grow",
            CheckTarget,
            &[(1, RUNNING), (2, RUNNING), (4, RUNNING)],
            &[sleep(1000), sleep(1500), sleep(2250)],
        ),
        (
            "17: the delays start again after a change",
            CheckTarget,
            &[(1, RUNNING), (2, RUNNING), (4, CHANGED), (5, RUNNING)],
            &[sleep(1000), sleep(1500), sleep(1000), sleep(1500)],
        ),
        (
            "7: transient failures are not counted",
            CheckTarget,
            &[
                (1, failed(Code::Unavailable)),
                (2, failed(Code::DeadlineExceeded)),
                (4, failed(Code::ResourceExhausted)),
                (7, failed(Code::Cancelled)),
                (11, failed(Code::Aborted)),
            ],
            &[
                sleep(1000),
                sleep(1500),
                sleep(2250),
                sleep(3375),
                Next::Sleep(Duration::from_micros(5_062_500)),
            ],
        ),
        (
            "7: too many INTERNAL and UNKNOWN failures in a row end the wait",
            CheckTarget,
            &[
                (1, failed(Code::Internal)),
                (2, failed(Code::Unknown)),
                (4, failed(Code::DataLoss)),
            ],
            &[sleep(1000), sleep(1500), Next::GiveUp(GiveUp::Failed)],
        ),
        (
            "7: a successful poll resets the count of failures",
            CheckTarget,
            &[
                (1, failed(Code::Internal)),
                (2, failed(Code::Internal)),
                (4, CHANGED),
                (5, failed(Code::Internal)),
                (6, failed(Code::Internal)),
                (7, failed(Code::Internal)),
            ],
            &[
                sleep(1000),
                sleep(1500),
                sleep(1000),
                sleep(1500),
                sleep(2250),
                Next::GiveUp(GiveUp::Failed),
            ],
        ),
        (
            "7: PERMISSION_DENIED ends the wait at once",
            CheckTarget,
            &[(1, failed(Code::PermissionDenied))],
            &[Next::GiveUp(GiveUp::Failed)],
        ),
        (
            "8: one last poll is made at the end of the total timeout",
            CheckTarget,
            &[(59, RUNNING), (60, RUNNING)],
            &[sleep(1000), Next::GiveUp(GiveUp::TimedOut)],
        ),
        (
            "8: a poll that ends after the total timeout is followed by a last poll at once",
            CheckTarget,
            &[(65, failed(Code::DeadlineExceeded)), (66, RUNNING)],
            &[sleep(0), Next::GiveUp(GiveUp::TimedOut)],
        ),
        (
            "8: the wait finishes if the last poll shows that the operation is done",
            CheckTarget,
            &[(59, RUNNING), (60, DONE)],
            &[sleep(1000), Next::Finish],
        ),
        (
            "9: the server's delay lengthens the sleep and never shortens it",
            CheckTarget,
            &[
                (1, failed_with_delay(Code::ResourceExhausted, 7)),
                (8, failed_with_delay(Code::ResourceExhausted, 0)),
            ],
            &[sleep(7000), sleep(1500)],
        ),
        (
            "9: the server's delay is limited by the rest of the total timeout",
            CheckTarget,
            &[(50, failed_with_delay(Code::Unavailable, 3600))],
            &[sleep(10_000)],
        ),
        (
            "15: NOT_FOUND just after the start is retried",
            CheckTarget,
            &[
                (1, failed(Code::NotFound)),
                (9, failed(Code::NotFound)),
                (10, DONE),
            ],
            &[sleep(1000), sleep(1500), Next::Finish],
        ),
        (
            "15: a later NOT_FOUND leads to a probe, and a proven success finishes the wait",
            CheckTarget,
            &[
                (10, failed(Code::NotFound)),
                (10, Event::Probed(Verdict::Succeeded)),
            ],
            &[Next::Probe, Next::Finish],
        ),
        (
            "15: the wait continues while the target is changing",
            CheckTarget,
            &[
                (10, failed(Code::NotFound)),
                (10, Event::Probed(Verdict::Running)),
            ],
            &[Next::Probe, sleep(1000)],
        ),
        (
            "15: a target that proves nothing ends the wait",
            CheckTarget,
            &[
                (10, failed(Code::NotFound)),
                (10, Event::Probed(Verdict::Unproven)),
            ],
            &[Next::Probe, Next::GiveUp(GiveUp::Expired)],
        ),
        (
            "15: a probe that failed with a transient error is repeated",
            CheckTarget,
            &[
                (10, failed(Code::NotFound)),
                (10, probe_failed(Code::Unavailable)),
                (11, failed(Code::NotFound)),
            ],
            &[Next::Probe, sleep(1000), Next::Probe],
        ),
        (
            "15: a probe that failed with a permanent error ends the wait",
            CheckTarget,
            &[
                (10, failed(Code::NotFound)),
                (10, probe_failed(Code::PermissionDenied)),
            ],
            &[Next::Probe, Next::GiveUp(GiveUp::Expired)],
        ),
        (
            "15: a failed probe after the last poll ends the wait",
            CheckTarget,
            &[
                (59, failed(Code::Unavailable)),
                (60, failed(Code::NotFound)),
                (60, probe_failed(Code::Unavailable)),
            ],
            &[sleep(1000), Next::Probe, Next::GiveUp(GiveUp::Expired)],
        ),
        (
            "16: the wait times out if the target is still changing after the last poll",
            CheckTarget,
            &[
                (59, failed(Code::Unavailable)),
                (60, failed(Code::NotFound)),
                (60, Event::Probed(Verdict::Running)),
            ],
            &[sleep(1000), Next::Probe, Next::GiveUp(GiveUp::TimedOut)],
        ),
        (
            "20: failed probes are repeated until too many have failed",
            CheckTarget,
            &[
                (1, NOTHING),
                (1, probe_failed(Code::Internal)),
                (2, NOTHING),
                (2, probe_failed(Code::Internal)),
                (3, NOTHING),
                (3, probe_failed(Code::Internal)),
            ],
            &[
                Next::Probe,
                sleep(1000),
                Next::Probe,
                sleep(1500),
                Next::Probe,
                Next::GiveUp(GiveUp::MissingResult),
            ],
        ),
        (
            "7: a permanent failure ends the wait at once, whatever its code",
            CheckTarget,
            &[(1, permanently_failed(Code::ResourceExhausted))],
            &[Next::GiveUp(GiveUp::Failed)],
        ),
        (
            "20: an operation without a result is an error with the policy Fail",
            Fail,
            &[(1, NOTHING)],
            &[Next::GiveUp(GiveUp::MissingResult)],
        ),
        (
            "20: an operation without a result is a success with the policy Empty",
            Empty,
            &[(1, NOTHING)],
            &[Next::Finish],
        ),
        (
            "20: an operation without a result leads to a probe with the policy CheckTarget",
            CheckTarget,
            &[(1, NOTHING), (1, Event::Probed(Verdict::Succeeded))],
            &[Next::Probe, Next::Finish],
        ),
        (
            "20: an operation without a result is an error if the target proves nothing",
            CheckTarget,
            &[(1, NOTHING), (1, Event::Probed(Verdict::Unproven))],
            &[Next::Probe, Next::GiveUp(GiveUp::MissingResult)],
        ),
        (
            "1, 14: a result ends the wait, whatever the policy",
            Fail,
            &[(0, DONE)],
            &[Next::Finish],
        ),
    ];
    for (claim, policy, events, expected) in cases {
        assert_eq!(follow(*policy, events), *expected, "{claim}");
    }
}

/// The next step after each code of a failed probe, for an operation that is done without a result and for one that the server
/// does not know.
#[tokio::test(start_paused = true)]
async fn every_code_of_a_failed_probe_has_its_step() {
    let transient = [
        Code::Unavailable,
        Code::DeadlineExceeded,
        Code::ResourceExhausted,
        Code::Aborted,
        Code::Cancelled,
        Code::Internal,
        Code::Unknown,
        Code::DataLoss,
        Code::Ok,
    ];
    for code in (0..=16).map(Code::from_i32) {
        for (before, why) in [
            (NOTHING, GiveUp::MissingResult),
            (failed(Code::NotFound), GiveUp::Expired),
        ] {
            let events = [(30, before), (30, probe_failed(code))];
            let next = follow(MissingResult::CheckTarget, &events)[1];
            let expected = match transient.contains(&code) {
                true => sleep(1000),
                false => Next::GiveUp(why),
            };
            assert_eq!(next, expected, "{code:?}, {why:?}");
            let events = [(59, RUNNING), (60, before), (60, probe_failed(code))];
            let next = follow(MissingResult::CheckTarget, &events)[2];
            assert_eq!(
                next,
                Next::GiveUp(why),
                "{code:?}, {why:?}, at the end of the time"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_ends_at_most_one_poll_timeout_after_the_total_timeout() {
    let (mut wait, began) = wait(MissingResult::CheckTarget);
    let round = began + secs(70);
    assert_eq!(wait.probe_timeout(began + secs(1), round), secs(10));
    assert_eq!(wait.probe_timeout(began + secs(57), round), secs(3));
    wait.step(RUNNING, began + secs(60), 0.5);
    assert_eq!(wait.probe_timeout(began + secs(64), round), secs(6));
    assert_eq!(wait.probe_timeout(began + secs(71), round), secs(0));
}

#[tokio::test(start_paused = true)]
async fn every_code_has_one_class() {
    let fatal = [
        Code::InvalidArgument,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::FailedPrecondition,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::Unauthenticated,
    ];
    for code in (0..=16).map(Code::from_i32) {
        let next = follow(MissingResult::Fail, &[(30, failed(code))])[0];
        let given_up = next == Next::GiveUp(GiveUp::Failed);
        assert_eq!(given_up, fatal.contains(&code), "{code:?}: {next:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_new_operation_begins_with_a_delay() {
    let (mut wait, began) = wait(MissingResult::Fail);
    let next = wait.first_poll(began, 0.5);
    assert_eq!(next, sleep(1000));
}

/// A wait ends whatever the answers are: one more poll is made at the end of its total timeout.
#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_its_total_timeout_whatever_the_answers_are() {
    for event in [
        RUNNING,
        CHANGED,
        failed(Code::Unavailable),
        failed_with_delay(Code::Unavailable, 99),
    ] {
        let (mut wait, began) = wait(MissingResult::Fail);
        let mut now = began;
        let mut polls = 0;
        let why = loop {
            match wait.step(event, now, 0.0) {
                Next::Sleep(delay) => now += delay,
                Next::GiveUp(why) => break why,
                other => panic!("{other:?}"),
            }
            polls += 1;
            assert!(polls < 1000, "{event:?} never ends");
        };
        assert_eq!(why, GiveUp::TimedOut);
        assert_eq!(now - began, secs(60), "{event:?}");
    }
}
