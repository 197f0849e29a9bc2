//! The life of an operation: its start, cancellation and events, and their effects on its resource.

use prost_types::{Any, Timestamp};
use tonic::Status;

use super::clock::Moment;
use super::operation::{Effect, Event, Outcome, ResourceKind, Verb, to_any};
use super::resource::Resource;
use super::tables::Tables;
use crate::emulator::error;
use crate::emulator::faults::operation_plan::{CancelBehavior, OperationPlan};
use crate::proto::google::cloud::apigateway::v1::api::State as Stage;
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway, api_config};
use crate::proto::google::longrunning::{Operation, operation};

/// Starts an operation on a resource. No other operation can change the resource until it ends.
pub(crate) fn start<R: Resource>(
    tables: &mut Tables,
    verb: Verb,
    target: &str,
    plan: OperationPlan,
) -> Operation {
    let kind = R::RESOURCE_KIND;
    let mut locks = vec![target.to_owned()];
    if verb == Verb::Create {
        locks.extend(R::creation_lock(target));
    }
    let now = tables.clock.now();
    let effect = Effect { verb, kind };
    let name = tables.operations.start(effect, target, locks, plan, now);
    tables.operation(&name, false).unwrap_or_default()
}

/// Requests the cancellation of an operation. Returns true if the end of the operation may have moved.
///
/// Cancellation is best effort (AIP-151). It has no effect on an operation that is done. A creation whose resource is in use is
/// not cancelled, since that would remove the resource. Only the request is recorded. A second request does not postpone the end.
///
/// # Errors
///
/// UNIMPLEMENTED if the plan of the operation has `CancelBehavior::Unimplemented`.
pub(crate) fn cancel(tables: &mut Tables, name: &str) -> Result<bool, Status> {
    let now = tables.clock.now();
    let record = tables.operations.rows.get_mut(name);
    let Some(record) = record.filter(|record| record.result.is_none()) else {
        return Ok(false);
    };
    let end = match record.plan.cancel_behavior.clone() {
        CancelBehavior::Unimplemented => return Err(error::cancel_unsupported()),
        CancelBehavior::Honoured => Some((error::cancelled(), now)),
        CancelBehavior::HonouredAfter(time) => Some((error::cancelled(), now.after(time))),
        CancelBehavior::Fails(status) => Some((status, now)),
        CancelBehavior::Ignored => None,
    };
    record.requested_cancellation = true;
    let (effect, target) = (record.effect, record.target.clone());
    let end = end.filter(|(status, _)| {
        !effect.removes_target(status) || use_of(tables, effect.kind, &target).is_none()
    });
    let Some((status, at)) = end else {
        return Ok(false);
    };
    tables.operations.end_with(name, status, at);
    settle(tables, now);
    Ok(true)
}

/// Ends a running operation now: with an error status, or with the result that its plan or its cancellation sets. Returns false
/// if the operation is done.
pub(crate) fn finish(tables: &mut Tables, name: &str, status: Option<Status>) -> bool {
    let now = tables.clock.now();
    let record = tables.operations.rows.get(name);
    if record.is_none_or(|record| record.result.is_some()) {
        return false;
    }
    match status {
        Some(status) => tables.operations.end_with(name, status, now),
        None => tables.operations.end_at(name, now),
    }
    settle(tables, now);
    true
}

/// Applies all events that are due, in the order of their times.
pub(super) fn settle(tables: &mut Tables, now: Moment) {
    while let Some((at, event, name)) = tables.operations.next_event(now) {
        let Some(record) = tables.operations.rows.get(&name) else {
            continue;
        };
        let (target, effect) = (record.target.clone(), record.effect);
        match event {
            Event::Expiry => tables.operations.hide(&name),
            Event::Progress => tables.operations.rows.touch(&name),
            Event::Midpoint => activate(tables, &target),
            Event::End => {
                let (outcome, error) = record.outcome();
                let response = apply(tables, &target, effect, outcome, at.into());
                let result = match error {
                    None => operation::Result::Response(response),
                    Some(error) => operation::Result::Error(error),
                };
                tables.operations.finish(&name, result);
            }
        }
    }
}

/// Returns a description of the use of a resource, or `None` if it is not in use.
fn use_of(tables: &Tables, kind: ResourceKind, name: &str) -> Option<String> {
    match kind {
        ResourceKind::Api => Api::use_of(tables, name),
        ResourceKind::ApiConfig => ApiConfig::use_of(tables, name),
        ResourceKind::Gateway => Gateway::use_of(tables, name),
    }
}

/// Makes a config ACTIVATING, after half of the running time of its creation.
fn activate(tables: &mut Tables, name: &str) {
    let activating = api_config::State::Activating.into();
    tables
        .configs
        .change(name, |config| config.state = activating);
}

fn apply(
    tables: &mut Tables,
    name: &str,
    effect: Effect,
    outcome: Outcome,
    time: Timestamp,
) -> Any {
    let apply = match effect.kind {
        ResourceKind::Api => apply_to::<Api>,
        ResourceKind::ApiConfig => apply_to::<ApiConfig>,
        ResourceKind::Gateway => apply_to::<Gateway>,
    };
    apply(tables, name, effect.verb, outcome, time)
}

/// Applies the end of an operation to its resource. Returns the response of an operation that succeeds.
fn apply_to<R: Resource>(
    tables: &mut Tables,
    name: &str,
    verb: Verb,
    outcome: Outcome,
    time: Timestamp,
) -> Any {
    let pending = R::table_mut(tables).pending.remove(name);
    let outcome = match (verb, outcome) {
        // The plan ends the creation with CANCELLED, but a resource in use is kept as FAILED.
        (Verb::Create, Outcome::Cancelled) if R::use_of(tables, name).is_some() => Outcome::Failed,
        (_, outcome) => outcome,
    };
    match (verb, outcome) {
        (Verb::Delete, Outcome::Succeeded) | (Verb::Create, Outcome::Cancelled) => {
            R::table_mut(tables).remove(name);
            tables.policies.remove(name);
            return to_any(&());
        }
        (Verb::Create, Outcome::Failed) => {
            set_stage::<R>(tables, name, Stage::Failed, Some(time));
        }
        (Verb::Update, Outcome::Succeeded) => {
            if let Some(mut updated) = pending {
                *updated.common().update_time = Some(time);
                R::table_mut(tables).put(name, updated);
            }
        }
        (Verb::Create, Outcome::Succeeded) => {
            set_stage::<R>(tables, name, Stage::Active, Some(time));
        }
        // The resource returns to its previous state, which is ACTIVE or FAILED.
        (Verb::Update | Verb::Delete, _) => {
            let previous = pending.map(|mut previous| *previous.common().state);
            let previous = previous.and_then(|previous| Stage::try_from(previous).ok());
            set_stage::<R>(tables, name, previous.unwrap_or(Stage::Active), Some(time));
        }
    }
    let row = R::table(tables).get(name).map(R::basic_view);
    to_any(&row.unwrap_or_default())
}

/// Sets the state of a resource, and its update time if one is given.
pub(crate) fn set_stage<R: Resource>(
    tables: &mut Tables,
    name: &str,
    stage: Stage,
    time: Option<Timestamp>,
) {
    R::table_mut(tables).change(name, |row| {
        let common = row.common();
        *common.state = stage.into();
        *common.update_time = time.or(*common.update_time);
    });
}
