//! The invariants of the emulator's state, for its tests: what holds between any two calls, whatever was called.
//!
//! 1. A row has the name of its key, and was changed no earlier than it was created and no later than now.
//! 2. The API of a config exists, and is neither being deleted nor will it be gone because its creation was cancelled.
//! 3. A gateway's config exists and is ACTIVE, or is being updated and was ACTIVE. That holds for the config that a
//!    running update will set, too.
//! 4. A resource in a passing state (CREATING, ACTIVATING, UPDATING, DELETING) has one running operation of the verb that
//!    belongs to the state, and each running operation has such a resource. Other resources have none.
//! 5. What a resource will be, or was, is kept exactly while an update or a delete of it runs.
//! 6. What is being deleted is not in use.
//! 7. A policy is that of a resource that exists, and has an etag that was given out.
//! 8. A running operation holds its target and what else it started with, no other operation holds these, and it ends
//!    later than now. One that is done holds nothing and will do nothing but be forgotten.
//! 9. A forgotten operation is still running, and is in no list; all others are, by whether they are done.

mod random;

use std::collections::{BTreeMap, BTreeSet};

use super::Tables;
use super::clock::Moment;
use super::operation::{Due, Verb};
use super::resource::Resource;
use crate::proto::google::cloud::apigateway::v1::api::State as Stage;
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway, api, api_config};

/// Returns a text for each part of the state that breaks an invariant.
pub(crate) fn broken(tables: &Tables) -> Vec<String> {
    let mut found = Broken {
        tables,
        now: tables.clock.now(),
        faults: Vec::new(),
    };
    found.rows::<Api>();
    found.rows::<ApiConfig>();
    found.rows::<Gateway>();
    found.configs();
    found.gateways();
    found.policies();
    found.operations();
    found.faults
}

struct Broken<'t> {
    tables: &'t Tables,
    now: Moment,
    faults: Vec<String>,
}

impl Broken<'_> {
    fn check(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(fault());
        }
    }

    /// The verb of the operation that is under way on a resource, and nothing else than the resource.
    fn verb(&self, name: &str) -> Option<Verb> {
        let operation = self.tables.operations.under_way(name)?;
        let running = self.tables.operations.rows.get(operation)?;
        (running.target == name).then_some(running.work.verb)
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
            self.check(named, || format!("{name} has another name"));
            self.check(
                created.is_some() && in_order(created, updated) && in_order(updated, now),
                || format!("{name} was created at {created:?} and changed at {updated:?}"),
            );
            let verb = self.verb(name);
            let expected = if stage == api_config::State::Activating as i32 && R::HALF.is_some() {
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
            let lasting = matches!(Stage::try_from(stage), Ok(Stage::Active | Stage::Failed));
            self.check(lasting || expected.is_some(), || {
                format!("{name} is in the state {stage}")
            });
            let keeps = table.coming.get(name).is_some();
            let changes = matches!(verb, Some(Verb::Update | Verb::Delete));
            self.check(keeps == changes, || {
                format!("{name} keeps another form of itself: {keeps}, with {verb:?}")
            });
            if verb == Some(Verb::Delete) {
                let used = R::used(self.tables, name);
                self.check(used.is_none(), || format!("{name} is deleted but {used:?}"));
            }
            if verb == Some(Verb::Create) && self.tables.operations.is_being_undone(name) {
                let used = R::used(self.tables, name);
                self.check(used.is_none(), || format!("{name} is undone but {used:?}"));
            }
        }
        for name in table.coming.keys() {
            let exists = table.get(name).is_some();
            self.check(exists, || {
                format!("another form of {name} is kept, which does not exist")
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
        for gateway in rows.chain(tables.gateways.coming.values()) {
            let row = tables.configs.get(&gateway.api_config);
            let state = row.map(|row| match row.state() {
                api_config::State::Updating => {
                    let before = tables.configs.coming.get(&gateway.api_config);
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
            let given = tables.revision.to_be_bytes();
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
        for (name, running) in operations.rows.iter() {
            let done = running.result.is_some();
            for held in &running.holds {
                let other = holds.insert(held.clone(), name.clone());
                self.check(other.is_none(), || {
                    format!("{name} and {other:?} hold {held}")
                });
            }
            self.check(running.began <= running.ends, || {
                format!("{name} ends before it begins")
            });
            let listed = operations
                .by_done
                .each_ref()
                .map(|names| names.contains_key(name));
            let expected = [!done && !running.forgotten, done && !running.forgotten];
            self.check(listed == expected, || {
                format!("{name} is listed as {listed:?}")
            });
            if done {
                self.check(running.holds.is_empty(), || {
                    format!("{name} is done and holds something")
                });
                self.check(!running.forgotten, || {
                    format!("{name} is done, forgotten and kept")
                });
                continue;
            }
            ends.insert((running.ends, Due::End, name.clone()));
            self.check(running.holds.contains(&running.target), || {
                format!("{name} does not hold {}", running.target)
            });
            let now = self.now;
            self.check(running.ends > now, || format!("{name} should have ended"));
            let verb = self.verb(&running.target);
            self.check(verb == Some(running.work.verb), || {
                format!("{name} is not the operation of {}", running.target)
            });
            let exists = self.exists(&running.target);
            self.check(exists, || {
                format!("{} of {name} does not exist", running.target)
            });
        }
        self.check(holds == operations.holds, || {
            format!(
                "held is {:?}, by the operations {holds:?}",
                operations.holds
            )
        });
        let due = operations.due.iter().filter(|(_, due, _)| *due == Due::End);
        let due: BTreeSet<_> = due.cloned().collect();
        self.check(due == ends, || {
            format!("due is {due:?}, by the operations {ends:?}")
        });
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
