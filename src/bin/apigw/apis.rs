//! `apigw apis`.

use apigateway_grpc::ApiGateway;
use apigateway_grpc::field_mask::UpdateMask;
use apigateway_grpc::operation::Operation;
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api::State;
use clap::{Args, Subcommand};

use crate::context::{CommandResult, Context, ListFlags, SortFlag};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::resource::{self, Resource as _};
use crate::wait::{Budget, StartFlags};
use crate::{api_configs, iam, labels, output, running};

const TABLE: &str =
    "table(name.segment(5):label=API_ID,displayName,managedService,state,createTime.date())";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create an API.
    Create(Create),
    /// Delete an API.
    Delete(Delete),
    /// Print an API.
    Describe(Describe),
    /// List APIs.
    List(List),
    /// Change the display name or the labels of an API.
    Update(Update),
    #[command(flatten)]
    Iam(iam::Command<resource::Api>),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    api: resource::Api,
    /// Human-readable name; the id by default.
    #[arg(long, value_name = "DISPLAY_NAME")]
    display_name: Option<String>,
    /// Existing managed service of the API; the service creates one by default.
    #[arg(long, value_name = "MANAGED_SERVICE")]
    managed_service: Option<String>,
    #[command(flatten)]
    labels: labels::CreateFlags,
    #[command(flatten)]
    start: StartFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    api: resource::Api,
    /// Delete the configs of the API too. Nothing is deleted if a gateway uses one.
    #[arg(long)]
    cascade: bool,
    #[command(flatten)]
    start: StartFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Describe {
    #[command(flatten)]
    api: resource::Api,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    list: ListFlags,
    #[command(flatten)]
    sort: SortFlag,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    #[command(flatten)]
    api: resource::Api,
    #[command(flatten)]
    changes: labels::UpdateFlags,
    #[command(flatten)]
    start: StartFlags,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        match self {
            Self::Create(create) => create.run(context).await,
            Self::Delete(delete) => delete.run(context).await,
            Self::Describe(describe) => describe.run(context).await,
            Self::List(list) => list.run(context).await,
            Self::Update(update) => update.run(context).await,
            Self::Iam(command) => command.run(context).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> CommandResult {
        let name = self.api.full_name(context)?;
        let api = Api {
            display_name: self.display_name.unwrap_or_default(),
            managed_service: self.managed_service.unwrap_or_default(),
            labels: self.labels.labels()?,
            ..Api::default()
        };
        let (parent, id) = split(&name);
        let operation = context.client()?.create_api(parent, id, api).await?;
        context
            .finish(
                &self.start,
                &format!("Waiting for API [{id}] to be created"),
                operation,
            )
            .await
    }
}

impl Delete {
    async fn run(self, context: &Context) -> CommandResult {
        let name = self.api.full_name(context)?;
        let client = context.client()?;
        let configs = match self.cascade {
            true => unused_configs(&client, &name).await?,
            false => Vec::new(),
        };
        let lost = match configs.len() {
            0 => String::new(),
            _ => format!(
                "\nIts configs are deleted first:\n  {}",
                configs.join("\n  ")
            ),
        };
        context.confirm(&format!(
            "Are you sure? This will delete the API '{name}', along with all of the associated consumer information.{lost}"
        ))?;
        let budget = Budget::new(self.start.limits());
        for config in &configs {
            api_configs::delete(context, &client, config, &budget).await?;
        }
        let title = format!("Waiting for API [{}] to be deleted", split(&name).1);
        let operation = match self.cascade {
            true => start_deletion(context, &client, &name, &budget).await?,
            false => client.delete_api(&name).await.map_err(|error| {
                let hint = "an API with configs cannot be deleted: `apigw apis delete API --cascade` deletes both";
                match error.is_failed_precondition() {
                    true => Failure::from(error).with_hint(hint),
                    false => error.into(),
                }
            })?,
        };
        context.finish(&self.start, &title, operation).await
    }
}

/// Starts the deletion of an API, or returns the deletion that is in progress.
async fn start_deletion(
    context: &Context,
    client: &ApiGateway,
    name: &str,
    budget: &Budget,
) -> Result<Operation<()>, Failure> {
    loop {
        match client.delete_api(name).await {
            Err(error) if error.is_aborted() => {
                let is_deleting = client.get_api(name).await?.state() == State::Deleting;
                match running::find(client, name).await? {
                    Some(operation) if is_deleting => return Ok(client.operation(operation)?),
                    _ => running::wait(context, client, name, budget).await?,
                }
            }
            started => return Ok(started?),
        }
    }
}

/// Returns the names of the configs of an API.
///
/// # Errors
///
/// If a gateway uses one of the configs, or if a location does not respond, since a gateway there may use one.
async fn unused_configs(client: &ApiGateway, api: &str) -> Result<Vec<String>, Failure> {
    let used = configs_in_use(client, api).await?;
    let mut configs = Vec::new();
    let mut list = client.list_api_configs(api).items();
    while let Some(config) = list.next().await {
        configs.push(config?.name);
    }
    match used
        .iter()
        .find(|(config, _)| resource::is_within(config, api))
    {
        None => Ok(configs),
        Some((config, gateway)) => {
            Err(format!("gateway {gateway} uses {config}: delete the gateway first").into())
        }
    }
}

/// Returns the configs in use in a project, each with the gateway that uses it. The project is that of `resource`.
///
/// # Errors
///
/// If a location does not respond.
pub(crate) async fn configs_in_use(
    client: &ApiGateway,
    resource: &str,
) -> Result<Vec<(String, String)>, Failure> {
    let project = resource.split("/locations/").next().unwrap_or_default();
    let mut used = Vec::new();
    let mut gateways = client
        .list_gateways(format!("{project}/locations/-"))
        .items();
    while let Some(gateway) = gateways.next().await {
        let gateway = gateway?;
        used.push((gateway.api_config, gateway.name));
    }
    match gateways.unreachable() {
        [] => Ok(used),
        missing => Err(format!(
            "these locations did not respond, and a gateway there may use a config: {}",
            missing.join(", ")
        )
        .into()),
    }
}

impl Describe {
    async fn run(self, context: &Context) -> CommandResult {
        let client = context.client()?;
        let name = self.api.name(context, &client).await?;
        context.print(&output::json(&client.get_api(name).await?)?)?;
        Ok(Exit::Success)
    }
}

impl List {
    async fn run(self, context: &Context) -> CommandResult {
        let parent = resource::location(context, resource::GLOBAL)?;
        let list = context
            .client()?
            .list_apis(parent)
            .order_by(self.sort.order());
        let (apis, exit) = self.list.read(list, |_| true).await?;
        context.print_list(&apis, TABLE)?;
        Ok(exit)
    }
}

impl Update {
    async fn run(self, context: &Context) -> CommandResult {
        self.changes.check()?;
        let client = context.client()?;
        let name = self.api.name(context, &client).await?;
        let old = client.get_api(&name).await?;
        let mut new = old.clone();
        self.changes.apply(&mut new.display_name, &mut new.labels)?;
        let mask = UpdateMask::between(&old, &new);
        if mask.is_empty() {
            return unchanged(context, &old);
        }
        let operation = client.update_api(new, mask).await?;
        context
            .finish(
                &self.start,
                &format!("Waiting for API [{}] to be updated", split(&name).1),
                operation,
            )
            .await
    }
}

/// Ends an update that changes nothing. No request is sent, since the service rejects an empty mask.
pub(crate) fn unchanged<M: prost::Message + prost::Name>(
    context: &Context,
    resource: &M,
) -> CommandResult {
    context.note("Nothing to change.");
    context.print_if_formatted(&output::json(resource)?)?;
    Ok(Exit::Success)
}

/// Creates the API if it does not exist, and waits until it is ready. Returns the API, and true if this call created it.
///
/// Another process may create the same API at the same time. The call then waits for that creation.
///
/// # Errors
///
/// If a call or the creation fails, or the API exists and has failed.
pub(crate) async fn ensure(
    context: &Context,
    client: &ApiGateway,
    name: &str,
    budget: &Budget,
) -> Result<(Api, bool), Failure> {
    let (parent, id) = split(name);
    loop {
        match client.get_api(name).await {
            Ok(api) => match api.state() {
                State::Failed => return Err(failed(name)),
                State::Creating | State::Updating | State::Deleting => {
                    running::wait(context, client, name, budget).await?;
                    continue;
                }
                _ => return Ok((api, false)),
            },
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
        let limits = budget.remaining()?;
        match client.create_api(parent, id, Api::default()).await {
            Ok(operation) => {
                let title = format!("Waiting for API [{id}] to be created");
                return Ok((context.wait(operation, &title, &limits).await?, true));
            }
            Err(error) if error.is_already_exists() || error.is_aborted() => {
                running::wait(context, client, name, budget).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Returns the error about an API that has failed.
pub(crate) fn failed(name: &str) -> Failure {
    let (_, id) = split(name);
    format!(
        "API {id} has the state FAILED: delete it with `apigw apis delete {id}`, and run this command again"
    )
    .into()
}

/// Splits a resource name into the name of its parent (a location or an API) and its id.
pub(crate) fn split(name: &str) -> (&str, &str) {
    let (path, id) = name.rsplit_once('/').unwrap_or(("", name));
    (path.rsplit_once('/').map_or("", |(parent, _)| parent), id)
}
