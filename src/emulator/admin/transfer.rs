//! Export and import of the whole state.

use std::collections::BTreeSet;
use std::time::SystemTime;

use prost_types::Timestamp;
use tonic::Status;

use crate::emulator::api::check_policy;
use crate::emulator::api::core::Core;
use crate::emulator::error;
use crate::emulator::error::violations::Violations;
use crate::emulator::faults::{FaultCount, NewFault};
use crate::emulator::messages::StateExport;
use crate::emulator::messages::convert::plan::{error_status, from_status};
use crate::emulator::messages::convert::{clock, fault, plan};
use crate::emulator::messages::state_export::stored_operation::Result as StoredResult;
use crate::emulator::messages::state_export::{Pending, ResourcePolicy, StoredOperation, pending};
use crate::emulator::state::Tables;
use crate::emulator::state::clock::{Clock, Moment};
use crate::emulator::state::operation::{Effect, OperationRecord, ResourceKind, Verb};
use crate::emulator::state::resource::Resource;
use crate::names::OperationName;
use crate::proto::google::cloud::apigateway::v1::api::State as Stage;
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway, api_config};
use crate::proto::google::longrunning::operation;

/// Maximum value of a counter. JavaScript represents all integers up to 2^53 exactly.
const MAX_COUNT: u64 = 1 << 53;

/// Returns the whole state, except for the recorded calls.
pub(in crate::emulator) fn export(core: &Core) -> StateExport {
    // The faults are locked before the state, as in a call, which reads the state while the faults are locked.
    core.faults.read(|faults| {
        let tables = core.state.lock();
        let apis = tables
            .apis
            .pending
            .values()
            .cloned()
            .map(pending::Kind::Api);
        let configs = tables.configs.pending.values().cloned();
        let gateways = tables.gateways.pending.values().cloned();
        let pending = apis
            .chain(configs.map(pending::Kind::ApiConfig))
            .chain(gateways.map(pending::Kind::Gateway));
        let policies = tables.policies.iter();
        let operations = tables.operations.rows.iter();
        StateExport {
            apis: tables.apis.rows().values().cloned().collect(),
            api_configs: tables.configs.rows().values().cloned().collect(),
            gateways: tables.gateways.rows().values().cloned().collect(),
            policies: policies
                .map(|(name, policy)| ResourcePolicy {
                    resource: name.clone(),
                    policy: Some(policy.clone()),
                })
                .collect(),
            operations: operations
                .map(|(name, record)| stored(name, record))
                .collect(),
            pending: pending.map(|kind| Pending { kind: Some(kind) }).collect(),
            faults: faults.iter().map(|entry| fault::to_proto(entry)).collect(),
            clock: Some(clock::to_proto(&tables)),
            operations_started: tables.operations.started,
            policies_set: tables.policies_set,
        }
    })
}

fn stored(name: &str, record: &OperationRecord) -> StoredOperation {
    StoredOperation {
        name: name.to_owned(),
        target: record.target.clone(),
        verb: record.effect.verb.name().to_owned(),
        start_time: Some(record.started_at.into()),
        end_time: Some(record.ends_at.into()),
        plan: Some(plan::to_proto(&record.plan)),
        cancelled: record.cancelled.as_ref().map(from_status),
        requested_cancellation: record.requested_cancellation,
        deleted: record.is_hidden,
        result: record.result.clone().map(|result| match result {
            operation::Result::Response(response) => StoredResult::Response(response),
            operation::Result::Error(error) => StoredResult::Error(error),
        }),
        locks: record.locks.clone(),
        stopped: record.plan.stopped,
    }
}

/// A state that was checked.
#[derive(Debug)]
pub(in crate::emulator) struct NewState {
    tables: Tables,
    faults: Vec<NewFault>,
    /// The time, and true if the clock is paused at this time.
    clock: Option<(Moment, bool)>,
}

/// Replaces the whole state, except for the recorded calls.
///
/// # Errors
///
/// INVALID_ARGUMENT with the field that is invalid. Nothing changes then.
pub(in crate::emulator) fn import(core: &Core, state: StateExport) -> Result<(), Status> {
    // Rows without times get the time of the imported clock, or the current time if the state has no clock.
    let now = core.state.lock().clock.now();
    let NewState {
        tables: new,
        faults,
        clock,
    } = check(state, now)?;
    // The faults are locked before the state, as in a call, which reads the state while the faults are locked.
    core.faults.replace(faults, || {
        let mut tables = core.state.lock();
        fill(&mut tables, new, clock);
        let clock = tables.clock;
        core.calls.set_clock(clock.now().into(), clock.is_paused());
        core.events.reset(&mut tables);
    });
    core.ended_early.notify_waiters();
    Ok(())
}

/// Puts a state into tables.
pub(in crate::emulator) fn fill(tables: &mut Tables, new: Tables, clock: Option<(Moment, bool)>) {
    tables.clear();
    if let Some((time, is_paused)) = clock {
        // If a test has paused tokio's clock, leave the emulator's clock running: only tokio's clock can advance it then.
        tables
            .clock
            .set(time, is_paused && !Clock::is_tokio_paused());
    }
    let Tables {
        apis,
        configs,
        gateways,
        policies,
        policies_set,
        operations,
        ..
    } = new;
    tables.apis.fill(apis);
    tables.configs.fill(configs);
    tables.gateways.fill(gateways);
    for (name, policy) in policies.into_rows() {
        tables.policies.insert(name, policy);
    }
    tables.policies_set = policies_set;
    tables.operations.started = operations.started;
    for (name, record) in operations.rows.into_rows() {
        tables.operations.insert(name, record);
    }
}

impl NewState {
    /// Puts the state into the tables of a new emulator. Returns the faults of the state.
    pub(in crate::emulator) fn seed(self, tables: &mut Tables) -> Vec<NewFault> {
        fill(tables, self.tables, self.clock);
        self.faults
    }
}

/// Checks a state, and sets the fields that are absent.
///
/// # Errors
///
/// INVALID_ARGUMENT with the field that is invalid.
pub(in crate::emulator) fn check(state: StateExport, now: Moment) -> Result<NewState, Status> {
    let mut tables = Tables::new(Clock::start(now));
    let clock = match state.clock {
        Some(clock) => match clock.time {
            Some(time) => {
                let time = moment("state.clock.time", &time)?;
                Some((time, clock.paused))
            }
            None => clock.paused.then_some((now, true)),
        },
        None => None,
    };
    let created = clock.map_or(now, |(time, _)| time).into();
    for (index, stored) in state.operations.into_iter().enumerate() {
        operation(&mut tables, &format!("state.operations[{index}]"), stored)?;
    }
    let started = state.operations_started.max(last_number(&tables));
    tables.operations.started = counter("state.operations_started", started)?;
    for (index, pending) in state.pending.into_iter().enumerate() {
        let field = format!("state.pending[{index}]");
        match pending.kind {
            Some(pending::Kind::Api(row)) => set_pending(&mut tables, &field, row)?,
            Some(pending::Kind::ApiConfig(row)) => set_pending(&mut tables, &field, row)?,
            Some(pending::Kind::Gateway(row)) => set_pending(&mut tables, &field, row)?,
            None => return Err(error::invalid(&field, "must have a resource")),
        }
    }
    rows(&mut tables, "state.apis", state.apis, created)?;
    rows(&mut tables, "state.api_configs", state.api_configs, created)?;
    rows(&mut tables, "state.gateways", state.gateways, created)?;
    check_pending::<Api>(&mut tables)?;
    check_pending::<ApiConfig>(&mut tables)?;
    check_pending::<Gateway>(&mut tables)?;
    check_running(&tables)?;
    tables.policies_set = counter("state.policies_set", state.policies_set)?;
    for (index, policy) in state.policies.into_iter().enumerate() {
        set_policy(&mut tables, &format!("state.policies[{index}]"), policy)?;
    }
    let faults = state.faults.into_iter().enumerate();
    let faults = faults.map(|(index, proto)| {
        let used = proto.used;
        let read = fault::read(proto).and_then(|fault| with_count(fault, used));
        read.map_err(|why| error::invalid(&format!("state.faults[{index}]"), why.message()))
    });
    Ok(NewState {
        faults: faults.collect::<Result<_, _>>()?,
        tables,
        clock,
    })
}

/// Sets the number of calls to which an imported fault was applied before its export.
///
/// # Errors
///
/// INVALID_ARGUMENT if the fault is used up. No emulator exports such a fault, and it would never occur.
fn with_count(fault: NewFault, used: u64) -> Result<NewFault, Status> {
    match fault.times {
        FaultCount::Exactly(times) if used >= times => {
            let why = format!("must be less than `times` ({times}), not {used}");
            Err(error::invalid("fault.used", &why))
        }
        _ => {
            let used = counter("fault.used", used)?;
            Ok(NewFault { used, ..fault })
        }
    }
}

/// Reads the resources of one kind.
fn rows<R: Resource>(
    tables: &mut Tables,
    field: &str,
    rows: Vec<R>,
    created: Timestamp,
) -> Result<(), Status> {
    for (index, row) in rows.into_iter().enumerate() {
        let field = format!("{field}[{index}]");
        let about = |status: Status| error::invalid(&field, status.message());
        let row = read(tables, &field, row, created).map_err(about)?;
        let (name, row) = row;
        R::table_mut(tables).put(&name, row);
    }
    Ok(())
}

fn read<R: Resource>(
    tables: &Tables,
    field: &str,
    mut row: R,
    created: Timestamp,
) -> Result<(String, R), Status> {
    let name = row.common().name.clone();
    let mut violations = Violations::default();
    violations.name("name", &name, &[R::PATTERN]);
    violations.check()?;
    let (parent, _) = name.rsplit_once('/').unwrap_or_default();
    let (parent, _) = parent.rsplit_once('/').unwrap_or_default();
    R::check_parent(tables, parent, false)?;
    if R::table(tables).get(&name).is_some() {
        return Err(error::already_exists(R::KIND, &name));
    }
    let stage = set_default_stage(&mut row);
    check_stage::<R>(tables, field, &name, stage)?;
    Ok((name, complete(tables, row, created)?))
}

/// Sets the state of a row to ACTIVE if it is absent. Returns the state.
fn set_default_stage<R: Resource>(row: &mut R) -> i32 {
    let common = row.common();
    if *common.state == 0 {
        *common.state = Stage::Active.into();
    }
    *common.state
}

/// Checks the fields of a row, and sets those that are absent. The name and the state are already checked.
fn complete<R: Resource>(tables: &Tables, mut row: R, created: Timestamp) -> Result<R, Status> {
    let mut violations = Violations::default();
    violations.labels("labels", row.common().labels);
    row.validate(&mut violations);
    violations.check()?;
    let common = row.common();
    let name = common.name.clone();
    let id = name.rsplit('/').next().unwrap_or_default();
    check_time("create_time", *common.create_time)?;
    check_time("update_time", *common.update_time)?;
    common.create_time.get_or_insert(created);
    let create_time = *common.create_time;
    *common.update_time = common.update_time.or(create_time);
    if common.display_name.is_empty() {
        id.clone_into(common.display_name);
    }
    if *common.state == i32::from(Stage::Active)
        && let Some(problem) = row.diagnostics().iter().find(|found| found.is_error())
    {
        return Err(error::invalid("files", &problem.to_string()));
    }
    row.prepare(tables, &name, id)?;
    Ok(row)
}

/// Checks that the state of a resource and its running operation agree: a resource in a transitional state has a running
/// operation with the verb of that state, and any other resource has no running operation.
fn check_stage<R: Resource>(
    tables: &Tables,
    field: &str,
    name: &str,
    stage: i32,
) -> Result<(), Status> {
    let is_activating = R::RESOURCE_KIND == ResourceKind::ApiConfig
        && stage == i32::from(api_config::State::Activating);
    let expected = match Stage::try_from(stage) {
        _ if is_activating => Some(Verb::Create),
        Ok(Stage::Creating) => Some(Verb::Create),
        Ok(Stage::Updating) => Some(Verb::Update),
        Ok(Stage::Deleting) => Some(Verb::Delete),
        Ok(Stage::Active | Stage::Failed) => None,
        _ => return Err(error::invalid(field, "unknown state")),
    };
    let operation = tables.operations.locked_by(name);
    let record = operation.and_then(|operation| tables.operations.rows.get(operation));
    let verb = record
        .filter(|record| record.target == name)
        .map(|record| record.effect.verb);
    match (verb, expected) {
        (found, expected) if found == expected => Ok(()),
        (Some(verb), _) => {
            let stage = match verb {
                Verb::Create if R::RESOURCE_KIND == ResourceKind::ApiConfig => {
                    "CREATING or ACTIVATING"
                }
                Verb::Create => "CREATING",
                Verb::Update => "UPDATING",
                Verb::Delete => "DELETING",
            };
            let verb = verb.name();
            let why = format!("must be {stage}: the resource has a running {verb} operation");
            Err(error::invalid("state", &why))
        }
        (None, _) => {
            let why = "must be ACTIVE or FAILED: the resource has no running operation";
            Err(error::invalid("state", why))
        }
    }
}

fn set_pending<R: Resource>(tables: &mut Tables, field: &str, mut row: R) -> Result<(), Status> {
    let name = row.common().name.clone();
    let mut violations = Violations::default();
    violations.name(&format!("{field}.name"), &name, &[R::PATTERN]);
    violations.check()?;
    let common = row.common();
    check_time(&format!("{field}.create_time"), *common.create_time)?;
    check_time(&format!("{field}.update_time"), *common.update_time)?;
    match R::table_mut(tables).pending.insert(name, row) {
        Some(_) => Err(error::invalid(&format!("{field}.name"), "duplicate name")),
        None => Ok(()),
    }
}

/// Checks that a resource has a pending version if, and only if, it is being updated or deleted. Checks the pending versions
/// as rows are checked, and sets their absent fields: a pending version can become the row.
fn check_pending<R: Resource>(tables: &mut Tables) -> Result<(), Status> {
    check_which_are_pending::<R>(tables)?;
    for name in Vec::from_iter(R::table(tables).pending.keys().cloned()) {
        let table = R::table(tables);
        let created = table.get(&name).and_then(R::create_time);
        let (Some(row), Some(created)) = (table.pending.get(&name).cloned(), created) else {
            continue;
        };
        let row = complete_pending(tables, row, created).map_err(|status| {
            let why = format!("has an invalid version of {name}: {}", status.message());
            error::invalid("state.pending", &why)
        })?;
        R::table_mut(tables).pending.insert(name, row);
    }
    Ok(())
}

fn complete_pending<R: Resource>(
    tables: &Tables,
    mut row: R,
    created: Timestamp,
) -> Result<R, Status> {
    match Stage::try_from(set_default_stage(&mut row)) {
        Ok(Stage::Active | Stage::Failed) => complete(tables, row, created),
        _ => Err(error::invalid("state", "must be ACTIVE or FAILED")),
    }
}

fn check_which_are_pending<R: Resource>(tables: &Tables) -> Result<(), Status> {
    let table = R::table(tables);
    for name in table.pending.keys() {
        if table.get(name).is_none() {
            let why = format!("has a version of {name}, which is not in the state");
            return Err(error::invalid("state.pending", &why));
        }
    }
    for (name, row) in table.rows() {
        let stage = *row.clone().common().state;
        let changes = [Stage::Updating, Stage::Deleting].map(i32::from);
        let why = match (changes.contains(&stage), table.pending.contains_key(name)) {
            (true, false) => {
                format!(
                    "must have a version of {name}, since this resource is UPDATING or DELETING"
                )
            }
            (false, true) => {
                format!(
                    "has a version of {name}, but this resource is neither UPDATING nor DELETING"
                )
            }
            _ => continue,
        };
        return Err(error::invalid("state.pending", &why));
    }
    Ok(())
}

/// Checks that the resource of each running operation exists.
fn check_running(tables: &Tables) -> Result<(), Status> {
    for (name, record) in tables.operations.rows.iter() {
        let target = &record.target;
        let exists = match record.effect.kind {
            ResourceKind::Api => tables.apis.get(target).is_some(),
            ResourceKind::ApiConfig => tables.configs.get(target).is_some(),
            ResourceKind::Gateway => tables.gateways.get(target).is_some(),
        };
        if record.result.is_none() && !exists {
            let why = format!("the target of the running operation {name} is not in the state");
            return Err(error::invalid("state.operations", &why));
        }
    }
    Ok(())
}

fn set_policy(tables: &mut Tables, field: &str, given: ResourcePolicy) -> Result<(), Status> {
    let name = given.resource;
    let exists = tables.apis.get(&name).is_some()
        || tables.configs.get(&name).is_some()
        || tables.gateways.get(&name).is_some();
    if !exists {
        let field = format!("{field}.resource");
        return Err(error::invalid(&field, "must be a resource of the state"));
    }
    if tables.policies.contains_key(&name) {
        let field = format!("{field}.resource");
        return Err(error::invalid(&field, "duplicate name"));
    }
    let mut policy = given.policy.unwrap_or_default();
    let mut violations = Violations::default();
    check_policy(&policy, &mut violations);
    let checked = violations.check();
    checked.map_err(|status| error::invalid(field, status.message()))?;
    if policy.etag.is_empty() {
        tables.policies_set += 1;
        policy.etag = tables.policies_set.to_be_bytes().to_vec();
    }
    tables.policies.insert(name, policy);
    Ok(())
}

fn operation(tables: &mut Tables, field: &str, stored: StoredOperation) -> Result<(), Status> {
    fault::check_any(field, &stored)?;
    let mut violations = Violations::default();
    violations.name(
        &format!("{field}.name"),
        &stored.name,
        &[OperationName::PATTERN],
    );
    let kinds = [
        (ResourceKind::Api, Api::PATTERN),
        (ResourceKind::ApiConfig, ApiConfig::PATTERN),
        (ResourceKind::Gateway, Gateway::PATTERN),
    ];
    let kind = kinds.into_iter().find(|(_, pattern)| {
        let mut violations = Violations::default();
        violations.name("", &stored.target, &[pattern]);
        violations.check().is_ok()
    });
    if kind.is_none() {
        let why = "must be the name of an API, an API config or a gateway";
        violations.add(&format!("{field}.target"), why);
    }
    let verbs = [Verb::Create, Verb::Update, Verb::Delete];
    let verb = verbs.into_iter().find(|verb| verb.name() == stored.verb);
    if verb.is_none() {
        violations.add(&format!("{field}.verb"), "must be create, update or delete");
    }
    if tables.operations.rows.contains_key(&stored.name) {
        violations.add(&format!("{field}.name"), "duplicate name");
    }
    let time = |name: &str, time: Option<Timestamp>| {
        let field = format!("{field}.{name}");
        let time = time.ok_or_else(|| error::invalid(&field, "must be set"))?;
        moment(&field, &time)
    };
    let started_at = violations.take(time("start_time", stored.start_time));
    let ends_at = violations.take(time("end_time", stored.end_time));
    let plan = plan::from_proto(stored.plan.unwrap_or_default());
    let plan = plan.map_err(|why| error::invalid(&format!("{field}.plan"), why.message()));
    let mut plan = violations.take(plan).unwrap_or_default();
    plan.stopped = stored.stopped;
    let cancelled = stored.cancelled.as_ref();
    let cancelled = cancelled.map(|status| error_status(&format!("{field}.cancelled"), status));
    let cancelled = violations.take(cancelled.transpose()).flatten();
    if let Some(StoredResult::Error(status)) = &stored.result {
        violations.take(error_status(&format!("{field}.error.code"), status));
    }
    violations.check()?;
    let (Some((kind, _)), Some(verb), Some(started_at), Some(ends_at)) =
        (kind, verb, started_at, ends_at)
    else {
        // Not reached: for each missing value the check above returns an error.
        return Ok(());
    };
    let is_running = stored.result.is_none();
    if stored.deleted && !is_running {
        // Nothing refers to an operation that is done and deleted.
        return Ok(());
    }
    let mut locks = Vec::new();
    if is_running {
        locks.push(stored.target.clone());
        if kind == ResourceKind::ApiConfig && verb == Verb::Create {
            locks.extend(ApiConfig::creation_lock(&stored.target));
        }
    }
    let given: BTreeSet<_> = stored.locks.iter().collect();
    if is_running && !given.is_empty() && given != locks.iter().collect() {
        let why = format!("must be {}", locks.join(" and "));
        return Err(error::invalid(&format!("{field}.locks"), &why));
    }
    for lock in &locks {
        if let Some(other) = tables.operations.locked_by(lock) {
            let why = format!("{lock} is locked by {other}");
            return Err(error::invalid(&format!("{field}.locks"), &why));
        }
    }
    let record = OperationRecord {
        started_at,
        ends_at,
        target: stored.target,
        effect: Effect { verb, kind },
        plan,
        cancelled,
        requested_cancellation: stored.requested_cancellation,
        result: stored.result.map(|result| match result {
            StoredResult::Response(response) => operation::Result::Response(response),
            StoredResult::Error(error) => operation::Result::Error(error),
        }),
        is_hidden: stored.deleted,
        locks,
    };
    tables.operations.insert(stored.name, record);
    Ok(())
}

/// Checks that a counter is far from an overflow.
fn counter(field: &str, count: u64) -> Result<u64, Status> {
    match count <= MAX_COUNT {
        true => Ok(count),
        false => Err(error::invalid(field, "must be at most 2^53")),
    }
}

/// Returns the highest number in the names of operations. New operations need higher numbers.
fn last_number(tables: &Tables) -> u64 {
    let names = tables.operations.rows.keys();
    let numbers = names.filter_map(|name| {
        let (_, number) = name.rsplit_once("/operation-")?;
        u64::from_str_radix(number, 16).ok()
    });
    numbers.max().unwrap_or_default()
}

/// Checks that a time is from 1970 to 9999. Over gRPC it can have any value.
fn check_time(field: &str, time: Option<Timestamp>) -> Result<(), Status> {
    time.map_or(Ok(()), |time| moment(field, &time).map(drop))
}

fn moment(field: &str, time: &Timestamp) -> Result<Moment, Status> {
    let last = 253_402_300_799;
    let is_valid = (0..=last).contains(&time.seconds) && (0..1_000_000_000).contains(&time.nanos);
    let time = SystemTime::try_from(*time).ok().filter(|_| is_valid);
    let time = time.ok_or_else(|| error::invalid(field, "must be a time from 1970 to 9999"));
    time.map(Moment::from)
}
