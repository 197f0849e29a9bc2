//! `apigw api-configs prune`: deletes old configs that no gateway uses.

use std::time::{Duration, SystemTime};

use apigateway_grpc::ApiGateway;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::State;
use clap::Args;

use crate::apis;
use crate::client::duration;
use crate::context::{CommandResult, Context};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::resource::is_same;
use crate::wait::{Budget, Limits};
use crate::{api_configs, output, resource};

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
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
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
        delete(context, &client, &candidates, &Budget::new(&self.limits)).await?;
        print(&candidates)
    }
}

/// Deletes old configs of an API without a prompt.
pub(crate) async fn prune(
    context: &Context,
    client: &ApiGateway,
    api: &str,
    keep: usize,
    budget: &Budget,
) -> Result<(), Failure> {
    let candidates = candidates(client, api, keep, None).await?;
    delete(context, client, &candidates, budget).await
}

async fn delete(
    context: &Context,
    client: &ApiGateway,
    configs: &[String],
    budget: &Budget,
) -> Result<(), Failure> {
    for name in configs {
        api_configs::delete(context, client, name, budget).await?;
    }
    Ok(())
}

fn print(configs: &[String]) -> CommandResult {
    configs.iter().try_for_each(|name| output::line(name))?;
    Ok(Exit::Success)
}

/// Returns the configs that no gateway uses, except the newest ones. The oldest config is first.
///
/// Configs that are being deleted come first, whatever their age: an earlier run may have started their deletion. Configs on
/// which another operation is in progress are left out, since a deploy may be about to use them.
async fn candidates(
    client: &ApiGateway,
    api: &str,
    keep: usize,
    older_than: Option<Duration>,
) -> Result<Vec<String>, Failure> {
    let used = apis::configs_in_use(client, api).await?;
    let (mut deleting, mut unused) = (Vec::new(), Vec::new());
    let mut configs = client.list_api_configs(api).items();
    while let Some(config) = configs.next().await {
        let config = config?;
        if used.iter().any(|(used, _)| is_same(used, &config.name)) {
            continue;
        }
        match config.state() {
            State::Deleting => deleting.push(config.name),
            State::Creating | State::Activating | State::Updating => {}
            _ => {
                let time = config
                    .create_time
                    .and_then(|time| SystemTime::try_from(time).ok());
                unused.push((time.unwrap_or(SystemTime::UNIX_EPOCH), config.name));
            }
        }
    }
    if let missing @ [_, ..] = configs.unreachable() {
        return Err(format!("these locations did not respond: {}", missing.join(", ")).into());
    }
    unused.sort_unstable();
    unused.truncate(unused.len().saturating_sub(keep));
    let is_old =
        |time: &SystemTime| older_than.is_none_or(|age| time.elapsed().unwrap_or_default() >= age);
    let old = unused
        .into_iter()
        .filter(|(time, _)| is_old(time))
        .map(|(_, name)| name);
    Ok(deleting.into_iter().chain(old).collect())
}
