//! The rows of a file, and their conversion from and to the tables.
//!
//! A key is the kind of the row and a name, such as `apis/projects/p/locations/global/apis/a`. The pending version of a
//! resource has the prefix `coming/`. A value is an encoded message. Faults, recorded calls and the previous version of a
//! resource are not stored.

use prost::Message;

use super::error::Cause;
use super::file::{Change, Row};
use super::operation_row::{OperationRow, Time};
use crate::emulator::state::Tables;
use crate::emulator::state::clock::Moment;
use crate::emulator::state::resource::Resource;
use crate::emulator::state::table::Table;
use crate::emulator::state::tracked_map::TrackedMap;
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};

const PENDING: &str = "coming";
const POLICIES: &str = "policies";
const OPERATIONS: &str = "operations";
/// The key of the row with the counters and the time.
const HEAD: &str = "head";

#[derive(Clone, Copy, PartialEq, Message)]
struct Head {
    /// The time of the last change.
    #[prost(message, optional, tag = "1")]
    last: Option<Time>,
    #[prost(uint64, tag = "2")]
    operations_started: u64,
    #[prost(uint64, tag = "3")]
    policies_set: u64,
    /// The clock is paused at the time of the last change.
    #[prost(bool, tag = "4")]
    is_paused: bool,
}

/// Starts to record changes.
pub(super) fn track(tables: &mut Tables) {
    fn both<R>(table: &mut Table<R>) {
        table.rows.track();
        table.pending.track();
    }
    both(&mut tables.apis);
    both(&mut tables.configs);
    both(&mut tables.gateways);
    tables.policies.track();
    tables.operations.rows.track();
}

/// Takes the rows that have changed. `is_clock_set` is true if the clock was set since the last call.
pub(super) fn changes(tables: &mut Tables, is_clock_set: bool) -> Vec<Change> {
    let mut changes = Vec::new();
    table(&mut changes, &mut tables.apis);
    table(&mut changes, &mut tables.configs);
    table(&mut changes, &mut tables.gateways);
    rows(&mut changes, POLICIES, &mut tables.policies, |policy| {
        policy.encode_to_vec()
    });
    let operations = &mut tables.operations;
    rows(&mut changes, OPERATIONS, &mut operations.rows, |record| {
        OperationRow::new(record).encode_to_vec()
    });
    if !changes.is_empty() || is_clock_set {
        let head = Head {
            last: Some(tables.clock.now().0.into()),
            operations_started: tables.operations.started,
            policies_set: tables.policies_set,
            is_paused: tables.clock.is_paused(),
        };
        changes.push((HEAD.to_owned(), Some(head.encode_to_vec())));
    }
    changes
}

fn table<R: Resource>(changes: &mut Vec<Change>, table: &mut Table<R>) {
    let pending = format!("{PENDING}/{}", R::COLLECTION);
    rows(changes, R::COLLECTION, &mut table.rows, R::encode_to_vec);
    rows(changes, &pending, &mut table.pending, R::encode_to_vec);
}

fn rows<V>(
    changes: &mut Vec<Change>,
    kind: &str,
    rows: &mut TrackedMap<V>,
    encode: fn(&V) -> Vec<u8>,
) {
    for name in rows.take_changes() {
        let value = rows.get(&name).map(encode);
        changes.push((format!("{kind}/{name}"), value));
    }
}

/// Returns the time of the last change, and true if the clock is paused at this time.
pub(super) fn last(rows: &[Row]) -> Result<(Moment, bool), Cause> {
    let head = head(rows)?;
    Ok(match head.last {
        Some(time) => {
            let time = time.read().map_err(|why| invalid_row(HEAD, why))?;
            (Moment(time), head.is_paused)
        }
        None => (Moment::default(), false),
    })
}

fn head(rows: &[Row]) -> Result<Head, Cause> {
    match rows.iter().find(|(key, _)| key == HEAD) {
        Some((_, value)) => decoded(HEAD, value),
        None => Ok(Head::default()),
    }
}

/// Loads rows into empty tables.
pub(super) fn load(tables: &mut Tables, rows: &[Row]) -> Result<(), Cause> {
    let head = head(rows)?;
    tables.operations.started = head.operations_started;
    tables.policies_set = head.policies_set;
    for (key, value) in rows.iter().filter(|(key, _)| key != HEAD) {
        let pending = key
            .strip_prefix(PENDING)
            .and_then(|it| it.strip_prefix('/'));
        let (kind, name) = pending.unwrap_or(key).split_once('/').unwrap_or_default();
        match (kind, pending.is_some()) {
            (Api::COLLECTION, pending) => put::<Api>(tables, pending, name, key, value)?,
            (ApiConfig::COLLECTION, pending) => {
                put::<ApiConfig>(tables, pending, name, key, value)?
            }
            (Gateway::COLLECTION, pending) => put::<Gateway>(tables, pending, name, key, value)?,
            (POLICIES, false) => {
                let policy = decoded(key, value)?;
                tables.policies.insert(name.to_owned(), policy);
            }
            (OPERATIONS, false) => {
                let row: OperationRow = decoded(key, value)?;
                let record = row.read().map_err(|why| invalid_row(key, why))?;
                tables.operations.insert(name.to_owned(), record);
            }
            _ => return Err(invalid_row(key, "unknown kind of row")),
        }
    }
    Ok(())
}

fn put<R: Resource>(
    tables: &mut Tables,
    is_pending: bool,
    name: &str,
    key: &str,
    value: &[u8],
) -> Result<(), Cause> {
    let row: R = decoded(key, value)?;
    let table = R::table_mut(tables);
    let rows = if is_pending {
        &mut table.pending
    } else {
        &mut table.rows
    };
    rows.insert(name.to_owned(), row);
    Ok(())
}

fn decoded<M: Message + Default>(key: &str, value: &[u8]) -> Result<M, Cause> {
    M::decode(value).map_err(|error| Cause::Row(key.to_owned(), error.into()))
}

fn invalid_row(key: &str, why: &str) -> Cause {
    Cause::Row(key.to_owned(), why.into())
}
