//! Create, get, list, update and delete, for resources of any kind.

use prost_types::{Any, FieldMask, Timestamp};
use tonic::Status;

use super::door::Given;
use super::filter::Filter;
use super::listing::{Listing, Order, page_size};
use super::resource::Resource;
use super::running::{Ended, Verb, Work};
use super::state::{State, Tables};
use super::table::{Collection, page};
use super::{mask, refusal};
use crate::proto::google::cloud::apigateway::v1::api::State as Stage;
use crate::proto::google::longrunning::Operation;

impl State {
    pub(super) fn create<R: Resource>(
        &self,
        given: &Given,
        parent: &str,
        id: &str,
        resource: Option<R>,
    ) -> Result<Operation, Status> {
        let mut tables = self.now();
        R::check_parent(&tables, parent, false)?;
        check_id(R::FIELD, id)?;
        let name = format!("{parent}/{}/{id}", R::COLLECTION);
        if R::table(&tables).get(&name).is_some() {
            return Err(refusal::already_exists(R::KIND, &name));
        }
        let held = R::creation_hold(&name).unwrap_or_default();
        if let Some(operation) = tables.operations.under_way(&held) {
            return Err(refusal::busy(R::KIND, &held, operation));
        }
        let mut resource = resource.unwrap_or_default();
        resource.complete(&tables, &name, id)?;
        let created = Some(tables.clock.now().into());
        let common = resource.common();
        common.name.clone_from(&name);
        (*common.create_time, *common.update_time) = (created, created);
        *common.state = Stage::Creating.into();
        if common.display_name.is_empty() {
            id.clone_into(common.display_name);
        }
        R::table_mut(&mut tables).put(&name, resource);
        Ok(self.start::<R>(&mut tables, Verb::Create, &name, given.plan()))
    }

    pub(super) fn get<R: Resource>(
        &self,
        given: &Given,
        name: &str,
        show: fn(&R) -> R,
    ) -> Result<R, Status> {
        let mut tables = self.now();
        let table = R::table_mut(&mut tables);
        let found = table.seen(given.is_stale(), |rows| rows.get(name).map(show));
        found.ok_or_else(|| refusal::not_found(R::KIND, name))
    }

    /// A page of resources, and the token of the next one.
    pub(super) fn list<R: Resource>(
        &self,
        given: &Given,
        listing: &Listing,
    ) -> Result<(Vec<R>, String), Status> {
        let size = page_size(listing.page_size)?;
        let order = Order::read::<R>(&listing.order_by)?;
        let filter = Filter::of::<R>(&listing.filter)?;
        let mut tables = self.now();
        R::check_parent(&tables, &listing.parent, true)?;
        let collection = Collection::new(&listing.parent, R::COLLECTION);
        let table = R::table_mut(&mut tables);
        Ok(table.seen(given.is_stale(), |rows| {
            if let Some(order) = order {
                let all = collection.after(rows, "");
                return order.page(all, &filter, &listing.page_token, size);
            }
            let later = collection.after(rows, &listing.page_token);
            let items = later.filter(|(_, row)| filter.has(*row));
            page(items.map(|(name, row)| (name.clone(), row.basic())), size)
        }))
    }

    pub(super) fn update<R: Resource>(
        &self,
        given: &Given,
        resource: Option<R>,
        mask: Option<&FieldMask>,
    ) -> Result<Operation, Status> {
        let mut resource = resource.unwrap_or_default();
        let name = resource.common().name.clone();
        let mut tables = self.now();
        let found = R::table(&tables).get(&name).cloned();
        let mut coming = found.ok_or_else(|| refusal::not_found(R::KIND, &name))?;
        check_free::<R>(&tables, &name)?;
        mask::apply(mask, &mut coming, &mut resource)?;
        coming.check_change(&tables)?;
        let table = R::table_mut(&mut tables);
        table.coming.insert(name.clone(), coming);
        set_stage::<R>(&mut tables, &name, Stage::Updating, None);
        Ok(self.start::<R>(&mut tables, Verb::Update, &name, given.plan()))
    }

    pub(super) fn delete<R: Resource>(
        &self,
        given: &Given,
        name: &str,
    ) -> Result<Operation, Status> {
        let mut tables = self.now();
        if R::table(&tables).get(name).is_none() {
            return Err(refusal::not_found(R::KIND, name));
        }
        check_free::<R>(&tables, name)?;
        if let Some(why) = R::used(&tables, name) {
            return Err(refusal::in_use(R::KIND, name, &why));
        }
        set_stage::<R>(&mut tables, name, Stage::Deleting, None);
        Ok(self.start::<R>(&mut tables, Verb::Delete, name, given.plan()))
    }
}

impl Work {
    pub(super) fn of<R: Resource>(verb: Verb) -> Self {
        Self {
            verb,
            half: R::HALF.filter(|_| verb == Verb::Create),
            end: end::<R>,
        }
    }
}

/// What the end of an operation does to its resource, and what it responds with if it is done.
fn end<R: Resource>(
    tables: &mut Tables,
    name: &str,
    verb: Verb,
    ended: Ended,
    time: Timestamp,
) -> Any {
    let coming = R::table_mut(tables).coming.remove(name);
    match (verb, ended) {
        (Verb::Delete, Ended::Done) | (Verb::Create, Ended::Cancelled) => {
            R::table_mut(tables).remove(name);
            tables.policies.remove(name);
            return Any::from_msg(&()).unwrap_or_default();
        }
        (Verb::Create, Ended::Failed) => {
            set_stage::<R>(tables, name, Stage::Failed, Some(time));
        }
        (Verb::Update, Ended::Done) => {
            if let Some(mut coming) = coming {
                *coming.common().state = Stage::Active.into();
                *coming.common().update_time = Some(time);
                R::table_mut(tables).put(name, coming);
            }
        }
        _ => set_stage::<R>(tables, name, Stage::Active, Some(time)),
    }
    let row = R::table(tables).get(name).map(R::basic);
    Any::from_msg(&row.unwrap_or_default()).unwrap_or_default()
}

fn set_stage<R: Resource>(tables: &mut Tables, name: &str, stage: Stage, time: Option<Timestamp>) {
    R::table_mut(tables).change(name, |row| {
        let common = row.common();
        *common.state = stage.into();
        *common.update_time = time.or(*common.update_time);
    });
}

fn check_free<R: Resource>(tables: &Tables, name: &str) -> Result<(), Status> {
    match tables.operations.under_way(name) {
        Some(operation) => Err(refusal::busy(R::KIND, name, operation)),
        None => Ok(()),
    }
}

fn check_id(field: &str, id: &str) -> Result<(), Status> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if id.is_empty() || id.len() > 63 || id.starts_with('-') || !id.bytes().all(fits) {
        return Err(refusal::invalid(
            &format!("{field}_id"),
            "must be 1 to 63 of a-z, 0-9 and -, not beginning with -",
        ));
    }
    Ok(())
}
