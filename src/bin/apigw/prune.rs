//! `apigw api-configs prune`: deletes old configs that no gateway uses.

use std::time::{Duration, SystemTime};

use apigateway_grpc::ApiGateway;
use clap::Args;

use crate::apis::{self, split};
use crate::client::duration;
use crate::context::{Context, Ended};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wait::Limits;
use crate::{output, resource};

#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// API whose configs are deleted.
    #[arg(long, value_name = "API")]
    api: Option<String>,
    /// Number of unused configs to keep, the newest ones.
    #[arg(long, value_name = "N", default_value_t = 5)]
    keep: usize,
    /// Delete only configs that are older than this, such as 30d.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    older_than: Option<Duration>,
    /// Print what would be deleted, and delete nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    limits: Limits,
}

impl Prune {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let api = context.settings.api(self.api.as_deref()).value;
        let api = api.ok_or_else(|| Failure::usage("argument --api: Must be specified."))?;
        let api = String::from(resource::api(context, &api)?);
        let client = context.client()?;
        let candidates = candidates(&client, &api, self.keep, self.older_than).await?;
        if self.dry_run || candidates.is_empty() {
            return print(&candidates);
        }
        context.confirm(&format!(
            "These configs will be deleted:\n  {}",
            candidates.join("\n  ")
        ))?;
        delete(context, &client, &candidates, &self.limits).await?;
        print(&candidates)
    }
}

/// Deletes old configs of an API without a prompt.
pub(crate) async fn prune(
    context: &Context,
    client: &ApiGateway,
    api: &str,
    keep: usize,
    older_than: Option<Duration>,
    limits: &Limits,
) -> Result<(), Failure> {
    let candidates = candidates(client, api, keep, older_than).await?;
    delete(context, client, &candidates, limits).await
}

async fn delete(
    context: &Context,
    client: &ApiGateway,
    configs: &[String],
    limits: &Limits,
) -> Result<(), Failure> {
    for name in configs {
        let operation = client.delete_api_config(name).await?;
        let title = format!("Waiting for API Config [{}] to be deleted", split(name).1);
        context.wait(operation, &title, limits).await?;
    }
    Ok(())
}

fn print(configs: &[String]) -> Ended {
    configs.iter().try_for_each(|name| output::line(name))?;
    Ok(Exit::Success)
}

/// Returns the configs that no gateway uses, except the newest ones. The oldest config is first.
async fn candidates(
    client: &ApiGateway,
    api: &str,
    keep: usize,
    older_than: Option<Duration>,
) -> Result<Vec<String>, Failure> {
    let used = apis::configs_in_use(client, api).await?;
    let mut free = Vec::new();
    let mut configs = client.list_api_configs(api).items();
    while let Some(config) = configs.next().await {
        let config = config?;
        let time = config
            .create_time
            .and_then(|time| SystemTime::try_from(time).ok());
        if !used.iter().any(|(used, _)| *used == config.name) {
            free.push((time.unwrap_or(SystemTime::UNIX_EPOCH), config.name));
        }
    }
    if let missing @ [_, ..] = configs.unreachable() {
        return Err(format!("these locations did not respond: {}", missing.join(", ")).into());
    }
    free.sort_unstable();
    free.truncate(free.len().saturating_sub(keep));
    let is_old =
        |time: &SystemTime| older_than.is_none_or(|age| time.elapsed().unwrap_or_default() >= age);
    Ok(free
        .into_iter()
        .filter(|(time, _)| is_old(time))
        .map(|(_, name)| name)
        .collect())
}
