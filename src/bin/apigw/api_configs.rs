//! `apigw api-configs`.

use apigateway_grpc::ApiGateway;
use apigateway_grpc::field_mask::UpdateMask;
use apigateway_grpc::proto::google::cloud::apigateway::v1::ApiConfig;
use clap::{Args, Subcommand, ValueEnum};

use crate::apis::{self, split};
use crate::context::{CommandResult, Context, ListFlags, SortFlag};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::FileFlags;
use crate::resource::{self, Resource as _, is_same};
use crate::wait::{Budget, StartFlags};
use crate::{iam, labels, output, prune, running, spec, validate};

const TABLE: &str = "table(name.segment(7):label=CONFIG_ID,name.segment(5):label=API_ID,displayName,serviceConfigId,\
                     state,createTime.date())";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a config of an API. The API is created if it does not exist.
    Create(Create),
    /// Delete a config.
    Delete(Delete),
    /// Print a config.
    Describe(Describe),
    /// List configs.
    List(List),
    /// Change the display name or the labels of a config.
    Update(Update),
    /// Check files offline, and print each diagnostic as `file:line:column: severity: message`.
    Validate(validate::Validate),
    /// Print the files of a config.
    ShowSpec(spec::ShowSpec),
    /// Print the differences between two configs, or between a config and files.
    Diff(spec::Diff),
    /// Delete old configs that no gateway uses.
    Prune(prune::Prune),
    #[command(flatten)]
    Iam(iam::Command<resource::Config>),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    config: resource::Config,
    #[command(flatten)]
    files: FileFlags,
    /// Service account with which the gateway calls backends.
    #[arg(long, value_name = "EMAIL")]
    backend_auth_service_account: Option<String>,
    /// Human-readable name; the id by default.
    #[arg(long, value_name = "DISPLAY_NAME")]
    display_name: Option<String>,
    #[command(flatten)]
    labels: labels::CreateFlags,
    #[command(flatten)]
    validate: validate::ValidateFlags,
    /// Check the files and print the config that would be created, but do not create it.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    start: StartFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    config: resource::Config,
    /// Delete nothing and succeed if a gateway uses the config.
    #[arg(long)]
    if_unused: bool,
    #[command(flatten)]
    start: StartFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Describe {
    #[command(flatten)]
    config: resource::Config,
    /// FULL includes the files of the config, in base64.
    #[arg(
        long,
        value_enum,
        default_value_t,
        ignore_case = true,
        value_name = "BASIC|FULL",
        hide_possible_values = true
    )]
    view: View,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
enum View {
    #[default]
    Basic,
    Full,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// API whose configs are listed; all by default.
    #[arg(long, value_name = "API")]
    api: Option<String>,
    #[command(flatten)]
    list: ListFlags,
    #[command(flatten)]
    sort: SortFlag,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    #[command(flatten)]
    config: resource::Config,
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
            Self::Validate(validate) => validate.run(&context.settings),
            Self::ShowSpec(show) => show.run(context).await,
            Self::Diff(diff) => diff.run(context).await,
            Self::Prune(prune) => prune.run(context).await,
            Self::Iam(command) => command.run(context).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> CommandResult {
        let name = self.config.full_name(context)?;
        let config = ApiConfig {
            display_name: self.display_name.unwrap_or_default(),
            gateway_service_account: self.backend_auth_service_account.unwrap_or_default(),
            labels: self.labels.labels()?,
            ..self.files.read()?
        };
        self.validate.check(&config, &self.files)?;
        if self.dry_run {
            output::line(&format!("create config {name}"))?;
            return Ok(Exit::Success);
        }
        let client = context.client()?;
        let (api, id) = (String::from(name.parent()), name.id());
        let budget = Budget::new(self.start.limits());
        apis::ensure(context, &client, &api, &budget).await?;
        let operation = client.create_api_config(&api, id, config).await?;
        let title = format!(
            "Waiting for API Config [{id}] to be created for API [{}]",
            split(&api).1
        );
        context.finish(&self.start, &title, operation).await
    }
}

impl Delete {
    async fn run(self, context: &Context) -> CommandResult {
        let client = context.client()?;
        let name = self.config.name(context, &client).await?;
        if self.if_unused {
            let used = apis::configs_in_use(&client, &name).await?;
            if let Some((_, gateway)) = used.iter().find(|(used, _)| is_same(used, &name)) {
                context.note(&output::one_line(&format!(
                    "Nothing is deleted: gateway {gateway} uses {name}."
                )));
                return Ok(Exit::Success);
            }
        }
        context.confirm(&format!(
            "Are you sure? This will delete the API Config '{name}', along with all of the associated consumer information."
        ))?;
        let operation = client.delete_api_config(&name).await?;
        let title = format!("Waiting for API Config [{}] to be deleted", split(&name).1);
        context.finish(&self.start, &title, operation).await
    }
}

/// Deletes a config as one step of a command, and waits for the deletion. If another operation is in progress on the config,
/// waits for its end first: an earlier run may have started the deletion. Succeeds if the config does not exist.
pub(crate) async fn delete(
    context: &Context,
    client: &ApiGateway,
    name: &str,
    budget: &Budget,
) -> Result<(), Failure> {
    let title = format!("Waiting for API Config [{}] to be deleted", split(name).1);
    loop {
        let limits = budget.remaining()?;
        match client.delete_api_config(name).await {
            Ok(operation) => return context.wait(operation, &title, &limits).await,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) if error.is_aborted() => {
                running::wait(context, client, name, budget).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

impl Describe {
    async fn run(self, context: &Context) -> CommandResult {
        let client = context.client()?;
        let name = self.config.name(context, &client).await?;
        let config = match self.view {
            View::Basic => client.get_api_config(name).await?,
            View::Full => client.get_api_config_full(name).await?,
        };
        context.print(&output::json(&config)?)?;
        Ok(Exit::Success)
    }
}

impl List {
    async fn run(self, context: &Context) -> CommandResult {
        let api = context.settings.api(self.api.as_deref()).value;
        let parent = resource::api(context, api.as_deref().unwrap_or("-"))?;
        let list = context
            .client()?
            .list_api_configs(parent)
            .order_by(self.sort.order());
        let (configs, exit) = self.list.read(list, |_| true).await?;
        context.print_list(&configs, TABLE)?;
        Ok(exit)
    }
}

impl Update {
    async fn run(self, context: &Context) -> CommandResult {
        self.changes.check()?;
        let client = context.client()?;
        let name = self.config.name(context, &client).await?;
        let old = client.get_api_config(&name).await?;
        let mut new = old.clone();
        self.changes.apply(&mut new.display_name, &mut new.labels)?;
        let mask = UpdateMask::between(&old, &new);
        if mask.is_empty() {
            return apis::unchanged(context, &old);
        }
        let operation = client.update_api_config(new, mask).await?;
        let title = format!("Waiting for API Config [{}] to be updated", split(&name).1);
        context.finish(&self.start, &title, operation).await
    }
}
