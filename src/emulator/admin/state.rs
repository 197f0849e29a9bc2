//! The state, the clock, and the end of operations.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use prost_types::Duration;
use tonic::Status;
use tonic_types::pb;

use crate::emulator::api::core::Core;
use crate::emulator::error;
use crate::emulator::error::violations::Violations;
use crate::emulator::messages::config_files::File;
use crate::emulator::messages::convert::plan::{duration, error_status};
use crate::emulator::messages::convert::{clock, fault, operation};
use crate::emulator::messages::{
    Clock, ConfigFiles, Counts, GetStateRequest, OperationState, State, StateView, VERSION,
};
use crate::emulator::state::location::project;
use crate::emulator::state::operation::OPERATION;
use crate::emulator::state::resource::Resource as _;
use crate::emulator::state::{Tables, lifecycle};
use crate::names::OperationName;
use crate::proto::google::cloud::apigateway::v1::{ApiConfig, api_config};
use crate::proto::google::longrunning::Operation;

/// Default maximum number of done operations in the response of GetState.
const DONE_OPERATIONS: usize = 100;

/// Returns the state.
///
/// # Errors
///
/// INVALID_ARGUMENT with each invalid field.
pub(in crate::emulator) fn read(core: &Core, request: &GetStateRequest) -> Result<State, Status> {
    let mut violations = Violations::default();
    let view = StateView::try_from(request.view).unwrap_or_else(|_| {
        violations.add("view", "unknown view");
        StateView::Full
    });
    let done = match usize::try_from(request.done_operations) {
        Ok(0) => DONE_OPERATIONS,
        Ok(done) => done,
        Err(_) => {
            violations.add("done_operations", "must not be negative");
            0
        }
    };
    violations.check()?;
    // The faults are locked before the state, as in a call.
    Ok(core.faults.read(|faults| {
        let mut tables = core.state.lock();
        let (recorded, calls) = core.calls.counts();
        let operations = &tables.operations;
        let mut state = State {
            version: VERSION.to_owned(),
            clock: Some(clock::to_proto(&tables)),
            settings: Some(core.settings.clone()),
            counts: Some(Counts {
                apis: number(tables.apis.rows().len()),
                api_configs: number(tables.configs.rows().len()),
                gateways: number(tables.gateways.rows().len()),
                policies: number(tables.policies.len()),
                running_operations: number(operations.by_done[0].len()),
                done_operations: number(operations.by_done[1].len()),
                faults: number(faults.len()),
                recorded_calls: number(recorded),
                calls,
            }),
            projects: projects(&tables),
            ..State::default()
        };
        if view != StateView::Basic {
            state.apis = tables.apis.rows().values().cloned().collect();
            let configs = tables.configs.rows().values();
            state.api_configs = configs.map(ApiConfig::basic_view).collect();
            state.gateways = tables.gateways.rows().values().cloned().collect();
            state.policies = tables.policies.keys().cloned().collect();
            state.operations = last_operations(&tables, false, usize::MAX);
            state
                .operations
                .extend(last_operations(&tables, true, done));
            state.faults = faults.iter().map(|entry| fault::to_proto(entry)).collect();
        }
        state.revision = core.events.revision(&mut tables);
        state
    }))
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn projects(tables: &Tables) -> Vec<String> {
    let resources = tables.apis.rows().keys();
    let resources = resources.chain(tables.configs.rows().keys());
    let resources = resources.chain(tables.gateways.rows().keys());
    let operations = tables.operations.by_done.iter();
    let names = resources.chain(operations.flat_map(|names| names.keys()));
    let projects: BTreeSet<&str> = names.map(|name| project(name)).collect();
    projects.into_iter().map(str::to_owned).collect()
}

/// Returns at most `most` operations, newest first: the ones that are done if `is_done` is true, or else the running ones.
fn last_operations(tables: &Tables, is_done: bool, most: usize) -> Vec<OperationState> {
    let names = tables.operations.by_done[usize::from(is_done)].keys();
    let rows = names.filter_map(|name| tables.operations.rows.get_key_value(name));
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|(name, record)| Reverse((record.started_at, *name)));
    let now = tables.clock.now();
    let rows = rows.into_iter().take(most);
    rows.map(|(name, record)| operation::to_proto(name, record, now))
        .collect()
}

/// Returns the files of a config.
///
/// # Errors
///
/// NOT_FOUND if the config does not exist, and INVALID_ARGUMENT if the name is invalid.
pub(in crate::emulator) fn config_files(core: &Core, name: &str) -> Result<ConfigFiles, Status> {
    let mut violations = Violations::default();
    violations.name("name", name, &[ApiConfig::PATTERN]);
    violations.check()?;
    let tables = core.state.lock();
    let config = tables.configs.get(name);
    let config = config.ok_or_else(|| error::not_found(ApiConfig::KIND, name))?;
    let file = |field: &str, file: &api_config::File| File {
        path: file.path.clone(),
        contents: file.contents.clone(),
        field: field.to_owned(),
    };
    let documents = config.openapi_documents.iter();
    let documents = documents.filter_map(|openapi| openapi.document.as_ref());
    let mut files: Vec<_> = documents
        .map(|document| file("openapi_documents", document))
        .collect();
    for service in &config.grpc_services {
        let sources = service.file_descriptor_set.iter().chain(&service.source);
        files.extend(sources.map(|source| file("grpc_services", source)));
    }
    let services = config.managed_service_configs.iter();
    files.extend(services.map(|service| file("managed_service_configs", service)));
    Ok(ConfigFiles { files })
}

/// Returns the clock.
pub(in crate::emulator) fn clock(core: &Core) -> Clock {
    clock::to_proto(&core.state.lock())
}

/// Advances the clock.
///
/// # Errors
///
/// INVALID_ARGUMENT if the time is negative or too long, or FAILED_PRECONDITION if a test has paused tokio's clock.
pub(in crate::emulator) fn advance_clock(core: &Core, by: &Duration) -> Result<(), Status> {
    let by = duration("by", by)?;
    core.set_clock(|clock| match clock.advance(by) {
        true => Ok(()),
        false => Err(error::invalid(
            "by",
            "must not advance the clock beyond the year 9999",
        )),
    })
}

/// Pauses or resumes the clock. Pausing a paused clock and resuming a running one do not change its time.
///
/// # Errors
///
/// FAILED_PRECONDITION if a test has paused tokio's clock.
pub(in crate::emulator) fn pause_clock(core: &Core, is_paused: bool) -> Result<(), Status> {
    core.set_clock(|clock| {
        clock.set(clock.now(), is_paused);
        Ok(())
    })
}

/// Ends a running operation now, as planned or with an error status.
///
/// # Errors
///
/// NOT_FOUND if the operation does not exist, FAILED_PRECONDITION if it is done, and INVALID_ARGUMENT if the code is not an
/// error code.
pub(in crate::emulator) fn finish_operation(
    core: &Core,
    name: &str,
    fails: Option<&pb::Status>,
) -> Result<Operation, Status> {
    let mut violations = Violations::default();
    violations.name("name", name, &[OperationName::PATTERN]);
    let fails = fails.map(|fails| {
        fault::check_any("fails.details", fails)?;
        error_status("fails.code", fails)
    });
    let fails = violations.take(fails.transpose()).flatten();
    violations.check()?;
    let mut tables = core.state.lock();
    if tables.operations.get(name).is_none() {
        return Err(error::not_found(OPERATION, name));
    }
    if !lifecycle::finish(&mut tables, name, fails) {
        return Err(error::operation_done(name));
    }
    core.ended_early.notify_waiters();
    let operation = tables.operation(name, false);
    operation.ok_or_else(|| error::not_found(OPERATION, name))
}
