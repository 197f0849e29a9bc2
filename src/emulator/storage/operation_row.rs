//! The row of an operation.

use std::time::Duration;

use prost::{Message, Oneof};
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::pb;

use crate::emulator::error;
use crate::emulator::faults::operation_plan::{CancelBehavior, OperationPlan};
use crate::emulator::state::clock::Moment;
use crate::emulator::state::operation::{Effect, OperationRecord, ResourceKind, Verb};
use crate::emulator::state::resource::Resource as _;
use crate::proto::google::cloud::apigateway::v1::operation_metadata::Diagnostic;
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};
use crate::proto::google::longrunning::operation;

/// A duration, or a moment as the time since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Time {
    #[prost(uint64, tag = "1")]
    seconds: u64,
    #[prost(uint32, tag = "2")]
    nanos: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OperationRow {
    #[prost(message, optional, tag = "1")]
    began: Option<Time>,
    #[prost(message, optional, tag = "2")]
    ends: Option<Time>,
    #[prost(string, tag = "3")]
    target: String,
    #[prost(string, tag = "4")]
    verb: String,
    #[prost(message, optional, tag = "5")]
    plan: Option<PlanRow>,
    #[prost(message, optional, tag = "6")]
    cancelled: Option<pb::Status>,
    #[prost(bool, tag = "7")]
    requested_cancellation: bool,
    #[prost(bool, tag = "8")]
    forgotten: bool,
    #[prost(string, repeated, tag = "9")]
    holds: Vec<String>,
    /// `None` while the operation runs.
    #[prost(oneof = "ResultRow", tags = "10, 11")]
    result: Option<ResultRow>,
}

#[derive(Clone, PartialEq, Oneof)]
enum ResultRow {
    #[prost(message, tag = "10")]
    Response(Any),
    #[prost(message, tag = "11")]
    Error(pb::Status),
}

#[derive(Clone, PartialEq, Message)]
struct PlanRow {
    #[prost(message, optional, tag = "1")]
    takes: Option<Time>,
    #[prost(message, optional, tag = "2")]
    fails: Option<pb::Status>,
    #[prost(message, repeated, tag = "3")]
    diagnostics: Vec<Diagnostic>,
    #[prost(message, repeated, tag = "4")]
    progress: Vec<ProgressRow>,
    #[prost(message, optional, tag = "5")]
    forgotten: Option<Time>,
    /// `None` if a cancellation ends the operation at once.
    #[prost(oneof = "CancellingRow", tags = "6, 7, 8, 9")]
    cancelling: Option<CancellingRow>,
    #[prost(bool, tag = "10")]
    stopped: bool,
}

#[derive(Clone, PartialEq, Message)]
struct ProgressRow {
    #[prost(message, optional, tag = "1")]
    after: Option<Time>,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, Oneof)]
enum CancellingRow {
    #[prost(message, tag = "6")]
    HonouredAfter(Time),
    #[prost(message, tag = "7")]
    Ignored(()),
    #[prost(message, tag = "8")]
    Fails(pb::Status),
    #[prost(message, tag = "9")]
    Unimplemented(()),
}

/// A decoded value, or the reason why the message is not a valid row.
type Read<T> = Result<T, &'static str>;

impl From<Duration> for Time {
    fn from(time: Duration) -> Self {
        Self {
            seconds: time.as_secs(),
            nanos: time.subsec_nanos(),
        }
    }
}

impl Time {
    pub(super) fn read(self) -> Read<Duration> {
        // A billion nanoseconds or more would carry over into the seconds, which could overflow.
        match self.nanos {
            0..1_000_000_000 => Ok(Duration::new(self.seconds, self.nanos)),
            _ => Err("a time with more than 999,999,999 nanoseconds"),
        }
    }
}

fn time(time: Option<Time>) -> Read<Option<Duration>> {
    time.map(Time::read).transpose()
}

impl OperationRow {
    pub(super) fn new(record: &OperationRecord) -> Self {
        Self {
            began: Some(record.started_at.0.into()),
            ends: Some(record.ends_at.0.into()),
            target: record.target.clone(),
            verb: record.effect.verb.name().to_owned(),
            plan: Some(PlanRow::of(&record.plan)),
            cancelled: record.cancelled.as_ref().map(error::to_proto),
            requested_cancellation: record.requested_cancellation,
            forgotten: record.is_hidden,
            holds: record.locks.clone(),
            result: record.result.clone().map(|result| match result {
                operation::Result::Response(response) => ResultRow::Response(response),
                operation::Result::Error(status) => ResultRow::Error(status),
            }),
        }
    }

    pub(super) fn read(self) -> Read<OperationRecord> {
        let moment = |given| time(given)?.map(Moment).ok_or("missing time");
        Ok(OperationRecord {
            started_at: moment(self.began)?,
            ends_at: moment(self.ends)?,
            effect: effect(&self.target, &self.verb)?,
            target: self.target,
            plan: self.plan.unwrap_or_default().read()?,
            cancelled: self.cancelled.map(status),
            requested_cancellation: self.requested_cancellation,
            result: self.result.map(|result| match result {
                ResultRow::Response(response) => operation::Result::Response(response),
                ResultRow::Error(status) => operation::Result::Error(status),
            }),
            is_hidden: self.forgotten,
            locks: self.holds,
        })
    }
}

impl PlanRow {
    fn of(plan: &OperationPlan) -> Self {
        let progress = plan.progress.iter().map(|(after, message)| ProgressRow {
            after: Some((*after).into()),
            message: message.clone(),
        });
        Self {
            takes: plan.takes.map(Time::from),
            fails: plan.fails.as_ref().map(error::to_proto),
            diagnostics: plan.diagnostics.clone(),
            progress: progress.collect(),
            forgotten: plan.forgotten.map(Time::from),
            stopped: plan.stopped,
            cancelling: match &plan.cancel_behavior {
                CancelBehavior::Honoured => None,
                CancelBehavior::HonouredAfter(time) => {
                    Some(CancellingRow::HonouredAfter((*time).into()))
                }
                CancelBehavior::Ignored => Some(CancellingRow::Ignored(())),
                CancelBehavior::Fails(status) => {
                    Some(CancellingRow::Fails(error::to_proto(status)))
                }
                CancelBehavior::Unimplemented => Some(CancellingRow::Unimplemented(())),
            },
        }
    }

    fn read(self) -> Read<OperationPlan> {
        let progress = self.progress.into_iter();
        let progress = progress.map(|row| Ok((time(row.after)?.unwrap_or_default(), row.message)));
        Ok(OperationPlan {
            takes: time(self.takes)?,
            fails: self.fails.map(status),
            diagnostics: self.diagnostics,
            progress: progress.collect::<Read<_>>()?,
            forgotten: time(self.forgotten)?,
            stopped: self.stopped,
            cancel_behavior: match self.cancelling {
                None => CancelBehavior::Honoured,
                Some(CancellingRow::HonouredAfter(time)) => {
                    CancelBehavior::HonouredAfter(time.read()?)
                }
                Some(CancellingRow::Ignored(())) => CancelBehavior::Ignored,
                Some(CancellingRow::Fails(given)) => CancelBehavior::Fails(status(given)),
                Some(CancellingRow::Unimplemented(())) => CancelBehavior::Unimplemented,
            },
        })
    }
}

/// Returns the effect of an operation. The kind of the resource follows from its name.
fn effect(target: &str, verb: &str) -> Read<Effect> {
    let verbs = [Verb::Create, Verb::Update, Verb::Delete];
    let verb = verbs.into_iter().find(|known| known.name() == verb);
    let verb = verb.ok_or("unknown verb")?;
    let kind = match target.split('/').nth_back(1) {
        Some(Api::COLLECTION) => ResourceKind::Api,
        Some(ApiConfig::COLLECTION) => ResourceKind::ApiConfig,
        Some(Gateway::COLLECTION) => ResourceKind::Gateway,
        _ => return Err("unknown kind of target"),
    };
    Ok(Effect { verb, kind })
}

fn status(written: pb::Status) -> Status {
    let details = written.encode_to_vec();
    Status::with_details(Code::from(written.code), written.message, details.into())
}
