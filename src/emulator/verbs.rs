//! Create, get, list, update and delete, for resources of any kind.

use prost_types::{Any, FieldMask, Timestamp};
use tonic::Status;

use super::cursor::Cursor;
use super::door::Given;
use super::filter::Filter;
use super::listing::{Listing, page_size};
use super::mask::Mask;
use super::order::{Order, sorted};
use super::plan::OperationPlan;
use super::refusal;
use super::resource::Resource;
use super::running::{Ended, Verb, Work};
use super::state::{State, Tables};
use super::table::{Collection, page};
use super::violations::Violations;
use crate::config_check;
use crate::proto::google::cloud::apigateway::v1::api::State as Stage;
use crate::proto::google::cloud::apigateway::v1::operation_metadata::Diagnostic;
use crate::proto::google::longrunning::Operation;

/// Maximum number of diagnostics in the metadata of an operation.
const MAX_DIAGNOSTICS: usize = 20;

impl State {
    pub(super) fn create<R: Resource>(
        &self,
        given: &Given,
        parent: &str,
        id: &str,
        resource: Option<R>,
    ) -> Result<Operation, Status> {
        let mut resource = resource.unwrap_or_default();
        // Before the lock, since files may be large.
        let plan = plan(given.plan(), &resource);
        let mut tables = self.now();
        let mut wrong = Violations::default();
        wrong.keep(R::check_parent(&tables, parent, false));
        wrong.id(&format!("{}_id", R::FIELD), id);
        note(&mut resource, &mut wrong);
        wrong.check()?;
        let name = format!("{parent}/{}/{id}", R::COLLECTION);
        if R::table(&tables).get(&name).is_some() {
            return Err(refusal::already_exists(R::KIND, &name));
        }
        if let Some(limits) = self.world.limits {
            limits.check::<R>(&tables, parent)?;
        }
        let held = R::creation_hold(&name).unwrap_or_default();
        if let Some(operation) = tables.operations.under_way(&held) {
            return Err(refusal::busy(R::KIND, &held, operation));
        }
        resource.complete(&tables, &name, id)?;
        if let Some(account) = resource.account(&tables) {
            self.world.check_account(R::KIND, &name, account)?;
        }
        let created = Some(tables.clock.now().into());
        let common = resource.common();
        common.name.clone_from(&name);
        (*common.create_time, *common.update_time) = (created, created);
        *common.state = Stage::Creating.into();
        if common.display_name.is_empty() {
            id.clone_into(common.display_name);
        }
        R::table_mut(&mut tables).put(&name, resource);
        Ok(self.start::<R>(&mut tables, Verb::Create, &name, plan.as_ref()))
    }

    pub(super) fn get<R: Resource>(
        &self,
        given: &Given,
        name: &str,
        show: fn(&R) -> R,
    ) -> Result<R, Status> {
        check_name::<R>("name", name)?;
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
        let mut tables = self.now();
        let mut wrong = Violations::default();
        wrong.keep(R::check_parent(&tables, &listing.parent, true));
        let size = wrong.keep(page_size(listing.page_size)).unwrap_or_default();
        let order = wrong.keep(Order::of::<R>(&listing.order_by)).flatten();
        let filter = wrong
            .keep(Filter::of::<R>(&listing.filter))
            .unwrap_or_default();
        let list = listing.key(R::COLLECTION);
        let cursor = wrong
            .keep(Cursor::read(&listing.page_token, &list))
            .unwrap_or_default();
        wrong.check()?;
        let collection = Collection::new(&listing.parent, R::COLLECTION);
        let shown = |name: &str, row: &R| self.world.reaches(name) && filter.has(row);
        let table = R::table_mut(&mut tables);
        let (rows, last) = table.seen(given.is_stale(), |rows| match order {
            Some(order) => {
                let all = collection.after(rows, "");
                let rows = all.filter(|(name, row)| shown(name, row));
                sorted(rows, &order, &cursor, size)
            }
            None => {
                let later = collection.after(rows, &cursor.name);
                let rows = later.filter(|(name, row)| shown(name, row));
                page(rows.map(|(name, row)| (name, row.basic())), size)
            }
        });
        let token = last.map_or_else(String::new, |last| last.token(&list));
        Ok((rows, token))
    }

    pub(super) fn update<R: Resource>(
        &self,
        given: &Given,
        resource: Option<R>,
        mask: Option<&FieldMask>,
    ) -> Result<Operation, Status> {
        let mut resource = resource.unwrap_or_default();
        let name = resource.common().name.clone();
        let mut wrong = Violations::default();
        wrong.name(&format!("{}.name", R::FIELD), &name, &[R::PATTERN]);
        let mask = wrong.keep(Mask::of::<R>(mask)).unwrap_or_default();
        wrong.check()?;
        let mut tables = self.now();
        let found = R::table(&tables).get(&name).cloned();
        let found = found.ok_or_else(|| refusal::not_found(R::KIND, &name))?;
        let mut coming = found.clone();
        let mut wrong = Violations::default();
        wrong.keep(mask.apply(&mut coming, &mut resource));
        note(&mut coming, &mut wrong);
        wrong.check()?;
        check_free::<R>(&tables, &name)?;
        coming.check_change(&tables)?;
        // What it acts as already it may go on to act as.
        if let Some(account) = coming.account(&tables)
            && found.account(&tables) != Some(account)
        {
            self.world.check_account(R::KIND, &name, account)?;
        }
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
        check_name::<R>("name", name)?;
        let mut tables = self.now();
        let found = R::table(&tables).get(name).cloned();
        let found = found.ok_or_else(|| refusal::not_found(R::KIND, name))?;
        check_free::<R>(&tables, name)?;
        if let Some(why) = R::used(&tables, name) {
            return Err(refusal::in_use(R::KIND, name, &why));
        }
        // What it is again if it is not deleted after all.
        let table = R::table_mut(&mut tables);
        table.coming.insert(name.to_owned(), found);
        set_stage::<R>(&mut tables, name, Stage::Deleting, None);
        Ok(self.start::<R>(&mut tables, Verb::Delete, name, given.plan()))
    }
}

/// The plan of a creation: wrong files fail it, unless it was told to fail in another way.
fn plan<R: Resource>(told: Option<&OperationPlan>, resource: &R) -> Option<OperationPlan> {
    if told.is_some_and(|plan| plan.fails.is_some()) {
        return told.cloned();
    }
    let Some((status, diagnostics)) = failure(&resource.diagnostics()) else {
        return told.cloned();
    };
    let mut plan = told.cloned().unwrap_or_default().fails(status);
    plan.diagnostics.extend(diagnostics);
    plan.stopped = true;
    Some(plan)
}

/// Returns the status and the diagnostics with which the errors in its files fail the creation of a config. Warnings do
/// not fail it.
fn failure(found: &[config_check::Diagnostic]) -> Option<(Status, Vec<Diagnostic>)> {
    let errors: Vec<_> = found.iter().filter(|found| found.is_error()).collect();
    let (first, others) = errors.split_first()?;
    let mut message = first.to_string();
    if !others.is_empty() {
        message.push_str(&format!(" (and {} more)", others.len()));
    }
    let mut diagnostics: Vec<_> = errors
        .iter()
        .take(MAX_DIAGNOSTICS)
        .map(|error| Diagnostic {
            location: error.location(),
            message: error.message.clone(),
        })
        .collect();
    if let Some(more) = errors.len().checked_sub(MAX_DIAGNOSTICS)
        && more > 0
    {
        diagnostics.push(Diagnostic {
            location: errors[errors.len() - 1].file.clone(),
            message: format!("and {more} more"),
        });
    }
    // No details: the diagnostics have all faults, and the official Node client cannot read an operation over REST
    // whose error has details.
    Some((Status::invalid_argument(message), diagnostics))
}

impl Work {
    pub(super) fn of<R: Resource>(verb: Verb) -> Self {
        Self {
            verb,
            half: R::HALF.filter(|_| verb == Verb::Create),
            used: R::used,
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
    let ended = match (verb, ended) {
        // Its plan was to end as cancelled, and meanwhile it came into use. What is in use stays.
        (Verb::Create, Ended::Cancelled) if R::used(tables, name).is_some() => Ended::Failed,
        (_, ended) => ended,
    };
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
                *coming.common().update_time = Some(time);
                R::table_mut(tables).put(name, coming);
            }
        }
        (Verb::Create, Ended::Done) => {
            set_stage::<R>(tables, name, Stage::Active, Some(time));
        }
        // It is as it was, which is ACTIVE or FAILED.
        (Verb::Update | Verb::Delete, _) => {
            let before = coming.map(|mut before| *before.common().state);
            let before = before.and_then(|before| Stage::try_from(before).ok());
            set_stage::<R>(tables, name, before.unwrap_or(Stage::Active), Some(time));
        }
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

fn check_name<R: Resource>(field: &str, name: &str) -> Result<(), Status> {
    let mut wrong = Violations::default();
    wrong.name(field, name, &[R::PATTERN]);
    wrong.check()
}

/// Notes what is wrong with a resource by itself.
fn note<R: Resource>(resource: &mut R, wrong: &mut Violations) {
    wrong.labels(&format!("{}.labels", R::FIELD), resource.common().labels);
    resource.note(wrong);
}
