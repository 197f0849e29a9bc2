//! The invariants of the state, which hold between any two calls. Tests check them.
//!
//! 1. The name in a row is the key of the row. The row was changed no earlier than it was created, and no later than now.
//! 2. The API of a config exists. It is not being deleted, and no cancelled creation will remove it.
//! 3. A gateway's config exists and is ACTIVE, or is being updated and was ACTIVE. The same is true of the config that a
//!    running update will set.
//! 4. A resource in a transitional state (CREATING, ACTIVATING, UPDATING, DELETING) has one running operation with the verb of
//!    the state, and each running operation has such a resource. Other resources have no running operation.
//! 5. A resource has a pending version if and only if an update or a deletion of the resource is running.
//! 6. A resource that is being deleted is not in use.
//! 7. A policy belongs to an existing resource and has an etag that was returned to a client.
//! 8. A running operation holds the lock of its target and its other locks, and ends later than now. No two operations hold
//!    the same lock. An operation that is done holds no lock, and its only event is its expiry.
//! 9. A hidden operation is running and is in no list. Every other operation is in one of two lists: running, or done.

mod random;

use std::collections::{BTreeMap, BTreeSet};

use super::clock::Moment;
use super::operation::{Event, ResourceKind, Verb};
use super::resource::Resource;
use super::tables::Tables;
use crate::proto::google::cloud::apigateway::v1::api::State as Stage;
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway, api, api_config};

/// Returns a text for each violation of an invariant in the tables.
pub(crate) fn broken(tables: &Tables) -> Vec<String> {
    let mut found = Broken {
        tables,
        now: tables.clock.now(),
        violations: Vec::new(),
    };
    found.rows::<Api>();
    found.rows::<ApiConfig>();
    found.rows::<Gateway>();
    found.configs();
    found.gateways();
    found.policies();
    found.operations();
    found.violations
}

struct Broken<'t> {
    tables: &'t Tables,
    now: Moment,
    violations: Vec<String>,
}

impl Broken<'_> {
    fn check(&mut self, is_valid: bool, violation: impl FnOnce() -> String) {
        if !is_valid {
            self.violations.push(violation());
        }
    }

    /// Returns the verb of the running operation on a resource.
    fn verb(&self, name: &str) -> Option<Verb> {
        let operation = self.tables.operations.locked_by(name)?;
        let record = self.tables.operations.rows.get(operation)?;
        (record.target == name).then_some(record.effect.verb)
    }

    fn rows<R: Resource>(&mut self) {
        let table = R::table(self.tables);
        for (name, row) in table.rows() {
            let mut row = row.clone();
            let common = row.common();
            let (created, updated) = (*common.create_time, *common.update_time);
            let now = Some(self.now.into());
            let in_order = |one: Option<_>, other: Option<_>| {
                let parts = |time: prost_types::Timestamp| (time.seconds, time.nanos);
                one.map(parts) <= other.map(parts)
            };
            let stage = *common.state;
            let named = common.name == name;
            self.check(named, || {
                format!("the row {name} has the name of another row")
            });
            self.check(
                created.is_some() && in_order(created, updated) && in_order(updated, now),
                || format!("{name} was created at {created:?} and changed at {updated:?}"),
            );
            let verb = self.verb(name);
            let expected = if stage == api_config::State::Activating as i32
                && R::RESOURCE_KIND == ResourceKind::ApiConfig
            {
                Some(Verb::Create)
            } else {
                match Stage::try_from(stage) {
                    Ok(Stage::Creating) => Some(Verb::Create),
                    Ok(Stage::Updating) => Some(Verb::Update),
                    Ok(Stage::Deleting) => Some(Verb::Delete),
                    _ => None,
                }
            };
            self.check(verb == expected, || {
                format!("{name} is in state {stage} with the operation {verb:?}")
            });
            let is_stable = matches!(Stage::try_from(stage), Ok(Stage::Active | Stage::Failed));
            self.check(is_stable || expected.is_some(), || {
                format!("{name} is in the state {stage}")
            });
            let has_pending = table.pending.get(name).is_some();
            let changes = matches!(verb, Some(Verb::Update | Verb::Delete));
            self.check(has_pending == changes, || {
                format!(
                    "{name} has the running operation {verb:?}, but has_pending is {has_pending}"
                )
            });
            if verb == Some(Verb::Delete) {
                let used = R::use_of(self.tables, name);
                self.check(used.is_none(), || {
                    format!("{name} is being deleted and in use: {used:?}")
                });
            }
            if verb == Some(Verb::Create) && self.tables.operations.will_be_removed(name) {
                let used = R::use_of(self.tables, name);
                self.check(used.is_none(), || {
                    format!("the creation of {name} was cancelled and it is in use: {used:?}")
                });
            }
        }
        for name in table.pending.keys() {
            let exists = table.get(name).is_some();
            self.check(exists, || {
                format!("{name} has a pending version and does not exist")
            });
        }
    }

    fn configs(&mut self) {
        for name in self.tables.configs.rows().keys() {
            let api = name.split_once("/configs/").map_or("", |(api, _)| api);
            let state = self.tables.apis.get(api).map(Api::state);
            self.check(
                state.is_some_and(|state| state != api::State::Deleting),
                || format!("the API of {name} is {state:?}"),
            );
        }
    }

    fn gateways(&mut self) {
        let tables = self.tables;
        let rows = tables.gateways.rows().values();
        for gateway in rows.chain(tables.gateways.pending.values()) {
            let row = tables.configs.get(&gateway.api_config);
            let state = row.map(|row| match row.state() {
                api_config::State::Updating => {
                    let before = tables.configs.pending.get(&gateway.api_config);
                    before.unwrap_or(row).state()
                }
                state => state,
            });
            self.check(state == Some(api_config::State::Active), || {
                let Gateway {
                    name, api_config, ..
                } = gateway;
                format!("{name} has the config {api_config}, which is {state:?}")
            });
        }
    }

    fn policies(&mut self) {
        let tables = self.tables;
        for (name, policy) in tables.policies.iter() {
            let exists = tables.apis.get(name).is_some()
                || tables.configs.get(name).is_some()
                || tables.gateways.get(name).is_some();
            self.check(exists, || format!("{name} has a policy and does not exist"));
            let given = tables.policies_set.to_be_bytes();
            self.check(
                policy.etag.len() == 8 && policy.etag[..] <= given[..],
                || format!("the policy of {name} has the etag {:?}", policy.etag),
            );
        }
    }

    fn operations(&mut self) {
        let operations = &self.tables.operations;
        let mut holds = BTreeMap::new();
        let mut ends = BTreeSet::new();
        for (name, record) in operations.rows.iter() {
            let done = record.result.is_some();
            for held in &record.locks {
                let other = holds.insert(held.clone(), name.clone());
                self.check(other.is_none(), || {
                    format!("{name} and {other:?} hold the lock {held}")
                });
            }
            self.check(record.started_at <= record.ends_at, || {
                format!("{name} ends before it begins")
            });
            let listed = operations
                .by_done
                .each_ref()
                .map(|names| names.contains_key(name));
            let expected = [!done && !record.is_hidden, done && !record.is_hidden];
            self.check(listed == expected, || {
                format!("{name} is listed as {listed:?}")
            });
            if done {
                self.check(record.locks.is_empty(), || {
                    format!("{name} is done and holds a lock")
                });
                self.check(!record.is_hidden, || {
                    format!("{name} is done, hidden and stored")
                });
                continue;
            }
            ends.insert((record.ends_at, Event::End, name.clone()));
            self.check(record.locks.contains(&record.target), || {
                format!("{name} does not hold the lock of {}", record.target)
            });
            let now = self.now;
            self.check(record.ends_at > now, || format!("{name} should have ended"));
            let verb = self.verb(&record.target);
            self.check(verb == Some(record.effect.verb), || {
                format!("{name} is not the operation of {}", record.target)
            });
            let exists = self.exists(&record.target);
            self.check(exists, || {
                format!("{} of {name} does not exist", record.target)
            });
        }
        self.check(holds == operations.locks, || {
            format!(
                "the held locks are {:?}, but the operations have {holds:?}",
                operations.locks
            )
        });
        let due = operations
            .events
            .iter()
            .filter(|(_, event, _)| *event == Event::End);
        let due: BTreeSet<_> = due.cloned().collect();
        self.check(due == ends, || {
            format!("the scheduled ends are {due:?}, but the operations have {ends:?}")
        });
        for (_, event, name) in &operations.events {
            let row = operations.rows.get(name);
            let done = row.is_some_and(|record| record.result.is_some());
            self.check(!done || *event == Event::Expiry, || {
                format!("{name} is done and has the event {event:?}")
            });
        }
        for name in operations.by_done.iter().flat_map(BTreeMap::keys) {
            let exists = operations.rows.contains_key(name);
            self.check(exists, || format!("{name} is listed and does not exist"));
        }
    }

    fn exists(&self, name: &str) -> bool {
        match name.split('/').nth_back(1) {
            Some(Api::COLLECTION) => self.tables.apis.get(name).is_some(),
            Some(ApiConfig::COLLECTION) => self.tables.configs.get(name).is_some(),
            _ => self.tables.gateways.get(name).is_some(),
        }
    }
}
