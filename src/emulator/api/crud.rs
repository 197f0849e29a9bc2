//! Create, get, list, update and delete, for resources of every kind.

use prost_types::FieldMask;
use tonic::Status;

use super::core::Core;
use super::intercept::FaultEffect;
use super::update_mask::UpdateMask;
use crate::config_check;
use crate::emulator::error;
use crate::emulator::error::violations::Violations;
use crate::emulator::faults::operation_plan::OperationPlan;
use crate::emulator::list::filter::Filter;
use crate::emulator::list::order::{Order, sorted_page};
use crate::emulator::list::page::{Collection, page};
use crate::emulator::list::page_token::PageToken;
use crate::emulator::list::request::{ListRequest, page_size};
use crate::emulator::state::Tables;
use crate::emulator::state::lifecycle::{self, set_stage};
use crate::emulator::state::operation::Verb;
use crate::emulator::state::resource::Resource;
use crate::proto::google::cloud::apigateway::v1::api::State as Stage;
use crate::proto::google::cloud::apigateway::v1::operation_metadata::Diagnostic;
use crate::proto::google::longrunning::Operation;

/// Maximum number of errors in the files of a config that become diagnostics. If there are more errors, one
/// further diagnostic says how many are left out.
const MAX_DIAGNOSTICS: usize = 20;

impl Core {
    pub(super) fn create<R: Resource>(
        &self,
        effect: &FaultEffect,
        parent: &str,
        id: &str,
        resource: Option<R>,
    ) -> Result<Operation, Status> {
        let mut resource = resource.unwrap_or_default();
        // The files are checked before the state is locked, since they may be large.
        let plan = creation_plan(effect.plan(), &resource);
        let mut tables = self.state.lock();
        let mut violations = Violations::default();
        violations.take(R::check_parent(&tables, parent, false));
        violations.id(&format!("{}_id", R::FIELD), id);
        validate(&mut resource, &mut violations);
        violations.check()?;
        let name = format!("{parent}/{}/{id}", R::COLLECTION);
        if R::table(&tables).get(&name).is_some() {
            return Err(error::already_exists(R::KIND, &name));
        }
        if let Some(limits) = self.environment.limits {
            limits.check::<R>(&tables, parent)?;
        }
        let lock = R::creation_lock(&name).unwrap_or_default();
        if let Some(operation) = tables.operations.locked_by(&lock) {
            return Err(error::busy(R::KIND, &lock, operation));
        }
        resource.prepare(&tables, &name, id)?;
        if let Some(account) = resource.account(&tables) {
            self.environment.check_account(R::KIND, &name, account)?;
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
        Ok(self.start::<R>(&mut tables, Verb::Create, &name, plan))
    }

    pub(super) fn get<R: Resource>(
        &self,
        effect: &FaultEffect,
        name: &str,
        view: fn(&R) -> R,
    ) -> Result<R, Status> {
        check_name::<R>("name", name)?;
        let mut tables = self.state.lock();
        let table = R::table_mut(&mut tables);
        let found = table.read(effect.is_stale(), |rows| rows.get(name).map(view));
        found.ok_or_else(|| error::not_found(R::KIND, name))
    }

    /// Returns a page of resources and the token of the next page.
    pub(super) fn list<R: Resource>(
        &self,
        effect: &FaultEffect,
        request: &ListRequest,
    ) -> Result<(Vec<R>, String), Status> {
        let mut tables = self.state.lock();
        let mut violations = Violations::default();
        violations.take(R::check_parent(&tables, &request.parent, true));
        let size = violations.take(page_size(request.page_size));
        let size = size.unwrap_or_default();
        let order = violations.take(Order::parse::<R>(&request.order_by));
        let order = order.flatten();
        let filter = violations.take(Filter::parse::<R>(&request.filter));
        let filter = filter.unwrap_or_default();
        let scope = request.scope(R::COLLECTION);
        let start = violations.take(PageToken::parse(&request.page_token, &scope));
        let start = start.unwrap_or_default();
        violations.check()?;
        let collection = Collection::new(&request.parent, R::COLLECTION);
        let is_listed =
            |name: &str, row: &R| self.environment.is_reachable(name) && filter.matches(row);
        let table = R::table_mut(&mut tables);
        let (rows, next) = table.read(effect.is_stale(), |rows| match order {
            Some(order) => {
                let all = collection.after(rows, "");
                let rows = all.filter(|(name, row)| is_listed(name, row));
                let (rows, next) = sorted_page(rows, &order, &start, size);
                (rows.into_iter().map(R::basic_view).collect(), next)
            }
            None => {
                let later = collection.after(rows, &start.name);
                let rows = later.filter(|(name, row)| is_listed(name, row));
                page(rows.map(|(name, row)| (name, row.basic_view())), size)
            }
        });
        let token = next.map_or_else(String::new, |next| next.into_text(&scope));
        Ok((rows, token))
    }

    pub(super) fn update<R: Resource>(
        &self,
        effect: &FaultEffect,
        resource: Option<R>,
        mask: Option<&FieldMask>,
    ) -> Result<Operation, Status> {
        let mut resource = resource.unwrap_or_default();
        let name = resource.common().name.clone();
        let mut violations = Violations::default();
        violations.name(&format!("{}.name", R::FIELD), &name, &[R::PATTERN]);
        let mask = violations.take(UpdateMask::parse::<R>(mask));
        let mask = mask.unwrap_or_default();
        violations.check()?;
        let mut tables = self.state.lock();
        let found = R::table(&tables).get(&name).cloned();
        let found = found.ok_or_else(|| error::not_found(R::KIND, &name))?;
        let mut updated = found.clone();
        let mut violations = Violations::default();
        violations.take(mask.apply(&mut updated, &mut resource));
        validate(&mut updated, &mut violations);
        violations.check()?;
        check_unlocked::<R>(&tables, &name)?;
        updated.check_references(&tables)?;
        // An unchanged service account is not checked again.
        if let Some(account) = updated.account(&tables)
            && found.account(&tables) != Some(account)
        {
            self.environment.check_account(R::KIND, &name, account)?;
        }
        let table = R::table_mut(&mut tables);
        table.pending.insert(name.clone(), updated);
        set_stage::<R>(&mut tables, &name, Stage::Updating, None);
        let plan = effect.plan().cloned();
        Ok(self.start::<R>(&mut tables, Verb::Update, &name, plan))
    }

    pub(super) fn delete<R: Resource>(
        &self,
        effect: &FaultEffect,
        name: &str,
    ) -> Result<Operation, Status> {
        check_name::<R>("name", name)?;
        let mut tables = self.state.lock();
        let found = R::table(&tables).get(name).cloned();
        let found = found.ok_or_else(|| error::not_found(R::KIND, name))?;
        check_unlocked::<R>(&tables, name)?;
        if let Some(reason) = R::use_of(&tables, name) {
            return Err(error::in_use(R::KIND, name, &reason));
        }
        // The row is restored if the operation fails.
        let table = R::table_mut(&mut tables);
        table.pending.insert(name.to_owned(), found);
        set_stage::<R>(&mut tables, name, Stage::Deleting, None);
        let plan = effect.plan().cloned();
        Ok(self.start::<R>(&mut tables, Verb::Delete, name, plan))
    }

    /// Starts an operation, which runs for the time of its method unless its plan has another time.
    fn start<R: Resource>(
        &self,
        tables: &mut Tables,
        verb: Verb,
        target: &str,
        plan: Option<OperationPlan>,
    ) -> Operation {
        let mut plan = plan.unwrap_or_default();
        let time = self.times.by_method.get(R::method(verb).path());
        plan.takes
            .get_or_insert(*time.unwrap_or(&self.times.default));
        lifecycle::start::<R>(tables, verb, target, plan)
    }
}

/// Returns the plan of a creation. Invalid files make the operation fail, unless its plan has another failure.
fn creation_plan<R: Resource>(
    given: Option<&OperationPlan>,
    resource: &R,
) -> Option<OperationPlan> {
    if given.is_some_and(|plan| plan.fails.is_some()) {
        return given.cloned();
    }
    let Some((status, diagnostics)) = failure(&resource.diagnostics()) else {
        return given.cloned();
    };
    let mut plan = given.cloned().unwrap_or_default().fails(status);
    plan.diagnostics.extend(diagnostics);
    plan.stopped = true;
    Some(plan)
}

/// Returns the status and the diagnostics of a creation that fails because files of the config have errors. Returns
/// `None` if no file has an error; warnings do not count.
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
    // The status has no details. The diagnostics list the errors, and the official Node client cannot read an operation
    // over REST whose error has details.
    Some((Status::invalid_argument(message), diagnostics))
}

fn check_unlocked<R: Resource>(tables: &Tables, name: &str) -> Result<(), Status> {
    match tables.operations.locked_by(name) {
        Some(operation) => Err(error::busy(R::KIND, name, operation)),
        None => Ok(()),
    }
}

fn check_name<R: Resource>(field: &str, name: &str) -> Result<(), Status> {
    let mut violations = Violations::default();
    violations.name(field, name, &[R::PATTERN]);
    violations.check()
}

/// Adds the violations of a resource that do not depend on other resources.
fn validate<R: Resource>(resource: &mut R, violations: &mut Violations) {
    let labels = format!("{}.labels", R::FIELD);
    violations.labels(&labels, resource.common().labels);
    resource.validate(violations);
}
