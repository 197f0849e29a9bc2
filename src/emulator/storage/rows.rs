//! What is in a file: the tables, row by row.
//!
//! A key is the kind of the row and the name of what it is about, `apis/projects/p/locations/global/apis/a`; what an
//! update under way will have made of a resource is in `coming/apis/…`. A value is a message. Faults, the record
//! of calls, and how a resource was before its last change are not kept.

use prost::Message;

use super::error::What;
use super::file::{Change, Row};
use super::operation_row::{OperationRow, Time};
use crate::emulator::state::Tables;
use crate::emulator::state::clock::Moment;
use crate::emulator::state::resource::Resource;
use crate::emulator::state::table::Table;
use crate::emulator::state::tracked_map::Rows;
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};

const COMING: &str = "coming";
const POLICIES: &str = "policies";
const OPERATIONS: &str = "operations";
/// The key of what there is one of.
const HEAD: &str = "head";

#[derive(Clone, Copy, PartialEq, Message)]
struct Head {
    /// When the last change was made.
    #[prost(message, optional, tag = "1")]
    last: Option<Time>,
    #[prost(uint64, tag = "2")]
    operations_started: u64,
    #[prost(uint64, tag = "3")]
    policies_set: u64,
}

/// From now on, changes are noted.
pub(super) fn begin(tables: &mut Tables) {
    fn both<R>(table: &mut Table<R>) {
        table.rows.changed.begin();
        table.coming.changed.begin();
    }
    both(&mut tables.apis);
    both(&mut tables.configs);
    both(&mut tables.gateways);
    tables.policies.changed.begin();
    tables.operations.rows.changed.begin();
}

/// Takes what has changed.
pub(super) fn changes(tables: &mut Tables) -> Vec<Change> {
    let mut changes = Vec::new();
    table(&mut changes, &mut tables.apis);
    table(&mut changes, &mut tables.configs);
    table(&mut changes, &mut tables.gateways);
    rows(&mut changes, POLICIES, &mut tables.policies, |policy| {
        policy.encode_to_vec()
    });
    let operations = &mut tables.operations;
    rows(&mut changes, OPERATIONS, &mut operations.rows, |running| {
        OperationRow::of(running).encode_to_vec()
    });
    if !changes.is_empty() {
        let head = Head {
            last: Some(tables.clock.now().0.into()),
            operations_started: tables.operations.started,
            policies_set: tables.revision,
        };
        changes.push((HEAD.to_owned(), Some(head.encode_to_vec())));
    }
    changes
}

fn table<R: Resource>(changes: &mut Vec<Change>, table: &mut Table<R>) {
    let coming = format!("{COMING}/{}", R::COLLECTION);
    rows(changes, R::COLLECTION, &mut table.rows, R::encode_to_vec);
    rows(changes, &coming, &mut table.coming, R::encode_to_vec);
}

fn rows<V>(changes: &mut Vec<Change>, kind: &str, rows: &mut Rows<V>, encode: fn(&V) -> Vec<u8>) {
    for name in rows.changed.take() {
        let value = rows.map.get(&name).map(encode);
        changes.push((format!("{kind}/{name}"), value));
    }
}

/// When the last change was made.
pub(super) fn last(rows: &[Row]) -> Result<Moment, What> {
    Ok(match head(rows)?.last {
        Some(time) => Moment(time.read().map_err(|why| wrong(HEAD, why))?),
        None => Moment::default(),
    })
}

fn head(rows: &[Row]) -> Result<Head, What> {
    match rows.iter().find(|(key, _)| key == HEAD) {
        Some((_, value)) => decoded(HEAD, value),
        None => Ok(Head::default()),
    }
}

/// Fills empty tables.
pub(super) fn load(tables: &mut Tables, rows: &[Row]) -> Result<(), What> {
    let head = head(rows)?;
    tables.operations.started = head.operations_started;
    tables.revision = head.policies_set;
    for (key, value) in rows.iter().filter(|(key, _)| key != HEAD) {
        let coming = key.strip_prefix(COMING).and_then(|it| it.strip_prefix('/'));
        let (kind, name) = coming.unwrap_or(key).split_once('/').unwrap_or_default();
        match (kind, coming.is_some()) {
            (Api::COLLECTION, coming) => put::<Api>(tables, coming, name, key, value)?,
            (ApiConfig::COLLECTION, coming) => put::<ApiConfig>(tables, coming, name, key, value)?,
            (Gateway::COLLECTION, coming) => put::<Gateway>(tables, coming, name, key, value)?,
            (POLICIES, false) => {
                let policy = decoded(key, value)?;
                tables.policies.insert(name.to_owned(), policy);
            }
            (OPERATIONS, false) => {
                let row: OperationRow = decoded(key, value)?;
                let running = row.read().map_err(|why| wrong(key, why))?;
                tables.operations.take_up(name.to_owned(), running);
            }
            _ => return Err(wrong(key, "it is of no known kind")),
        }
    }
    Ok(())
}

fn put<R: Resource>(
    tables: &mut Tables,
    coming: bool,
    name: &str,
    key: &str,
    value: &[u8],
) -> Result<(), What> {
    let row: R = decoded(key, value)?;
    let table = R::table_mut(tables);
    let rows = if coming {
        &mut table.coming
    } else {
        &mut table.rows
    };
    rows.insert(name.to_owned(), row);
    Ok(())
}

fn decoded<M: Message + Default>(key: &str, value: &[u8]) -> Result<M, What> {
    M::decode(value).map_err(|error| What::Row(key.to_owned(), error.into()))
}

fn wrong(key: &str, why: &str) -> What {
    What::Row(key.to_owned(), why.into())
}
