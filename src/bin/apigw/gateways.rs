//! `apigw gateways`.

use apigateway_grpc::field_mask::UpdateMask;
use apigateway_grpc::proto::google::cloud::apigateway::v1::Gateway;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::apis::{self, split};
use crate::context::{CommandResult, Context, ListFlags, SortFlag};
use crate::exit::Exit;
use crate::resource::{self, Resource as _};
use crate::wait::StartFlags;
use crate::{deploy, iam, labels, output, rollback};

const TABLE: &str = "table(name.segment(5):label=GATEWAY_ID,name.segment(3):label=LOCATION,displayName,state,\
                     createTime.date(),updateTime.date())";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a gateway.
    Create(Create),
    /// Delete a gateway.
    Delete(Delete),
    /// Print a gateway.
    Describe(Describe),
    /// List gateways.
    List(List),
    /// Change the config, the display name or the labels of a gateway.
    Update(Update),
    /// Deploy files to a gateway: create what is missing, update what differs, print the URL.
    Deploy(Box<deploy::Deploy>),
    /// Make a gateway serve an older config again.
    Rollback(rollback::Rollback),
    #[command(flatten)]
    Iam(iam::Command<resource::Gateway>),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    gateway: resource::Gateway,
    /// Id or full name of the config to serve.
    #[arg(long, value_name = "API_CONFIG", required = true)]
    api_config: String,
    /// API of the config; required unless --api-config is a full name.
    #[arg(long, value_name = "API")]
    api: Option<String>,
    /// Human-readable name; the id by default.
    #[arg(long, value_name = "DISPLAY_NAME")]
    display_name: Option<String>,
    #[command(flatten)]
    labels: labels::CreateFlags,
    #[command(flatten)]
    start: StartFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    gateway: resource::Gateway,
    #[command(flatten)]
    start: StartFlags,
}

#[derive(Debug, Args)]
pub(crate) struct Describe {
    #[command(flatten)]
    gateway: resource::Gateway,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Location whose gateways are listed; all by default.
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
    /// List only gateways of this API.
    #[arg(long, value_name = "API")]
    api: Option<String>,
    /// List only gateways that serve this config.
    #[arg(long, value_name = "API_CONFIG")]
    api_config: Option<String>,
    #[command(flatten)]
    list: ListFlags,
    #[command(flatten)]
    sort: SortFlag,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    #[command(flatten)]
    gateway: resource::Gateway,
    /// Id or full name of the config to serve.
    #[arg(long, value_name = "API_CONFIG")]
    api_config: Option<String>,
    /// API of the config; required unless --api-config is a full name.
    #[arg(long, value_name = "API")]
    api: Option<String>,
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
            Self::Deploy(deploy) => deploy.run(context).await,
            Self::Rollback(rollback) => rollback.run(context).await,
            Self::Iam(command) => command.run(context).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> CommandResult {
        let name = self.gateway.full_name(context)?;
        let config = resource::config(context, &self.api_config, self.api.as_deref())?;
        let gateway = Gateway {
            api_config: (&config).into(),
            display_name: self.display_name.unwrap_or_default(),
            labels: self.labels.labels()?,
            ..Gateway::default()
        };
        let (parent, id) = split(&name);
        let operation = context
            .client()?
            .create_gateway(parent, id, gateway)
            .await?;
        let title = format!("Waiting for API Gateway [{id}] to be created with [{config}] config");
        context.finish(&self.start, &title, operation).await
    }
}

impl Delete {
    async fn run(self, context: &Context) -> CommandResult {
        // The name is not looked up in all locations: a lookup could find another gateway of the same id.
        let name = self.gateway.full_name(context)?;
        context.confirm(&format!(
            "Are you sure? This will delete the gateway '{name}', along with all of the associated consumer information."
        ))?;
        let operation = context.client()?.delete_gateway(&name).await?;
        let title = format!("Waiting for API Gateway [{}] to be deleted", split(&name).1);
        context.finish(&self.start, &title, operation).await
    }
}

impl Describe {
    async fn run(self, context: &Context) -> CommandResult {
        let client = context.client()?;
        let name = self.gateway.name(context, &client).await?;
        context.print(&output::json(&client.get_gateway(name).await?)?)?;
        Ok(Exit::Success)
    }
}

impl List {
    async fn run(self, context: &Context) -> CommandResult {
        let location = context.settings.location(self.location.as_deref()).value;
        let parent = resource::location(context, location.as_deref().unwrap_or("-"))?;
        let api = self
            .api
            .as_deref()
            .map(|api| resource::api(context, api))
            .transpose()?;
        let config = self.api_config.as_deref();
        let config = config
            .map(|config| resource::config(context, config, self.api.as_deref()))
            .transpose()?;
        let keep = |gateway: &Value| {
            let serves = gateway
                .get("apiConfig")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let is_of_api = api
                .as_ref()
                .is_none_or(|api| resource::is_within(serves, api.as_str()));
            is_of_api
                && config
                    .as_ref()
                    .is_none_or(|config| resource::is_same(serves, config.as_str()))
        };
        let list = context
            .client()?
            .list_gateways(parent)
            .order_by(self.sort.order());
        let (gateways, exit) = self.list.read(list, keep).await?;
        context.print_list(&gateways, TABLE)?;
        Ok(exit)
    }
}

impl Update {
    async fn run(self, context: &Context) -> CommandResult {
        self.changes.check()?;
        let config = self.api_config.as_deref();
        let config = config
            .map(|config| resource::config(context, config, self.api.as_deref()))
            .transpose()?;
        let client = context.client()?;
        let name = self.gateway.name(context, &client).await?;
        let old = client.get_gateway(&name).await?;
        let mut new = old.clone();
        self.changes.apply(&mut new.display_name, &mut new.labels)?;
        if let Some(config) = config {
            new.api_config = config.into();
        }
        let mask = UpdateMask::between(&old, &new);
        if mask.is_empty() {
            return apis::unchanged(context, &old);
        }
        let operation = client.update_gateway(new, mask).await?;
        let title = format!("Waiting for API Gateway [{}] to be updated", split(&name).1);
        context.finish(&self.start, &title, operation).await
    }
}
