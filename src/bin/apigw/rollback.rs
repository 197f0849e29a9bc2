//! `apigw gateways rollback`: lets a gateway serve an earlier config again.

use apigateway_grpc::ApiGateway;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::State;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{ApiConfig, Gateway};
use clap::Args;

use crate::apis::{self, split};
use crate::context::{CommandResult, Context};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::resource::{self, Resource as _, is_same};
use crate::wait::{Budget, Limits};
use crate::{output, running};

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    #[command(flatten)]
    gateway: resource::Gateway,
    /// Id or full name of the config to restore; by default the newest active config that is older than the current one.
    #[arg(long, value_name = "API_CONFIG")]
    to: Option<String>,
    #[command(flatten)]
    limits: Limits,
}

impl Rollback {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        let client = context.client()?;
        let name = self.gateway.name(context, &client).await?;
        let budget = Budget::new(&self.limits);
        let gateway = loop {
            let old = client.get_gateway(&name).await?;
            let (api, _) = split(&old.api_config);
            let to = match &self.to {
                Some(to) => resource::config(context, to, Some(api))?.into(),
                None => previous(&client, api, &old.api_config).await?,
            };
            if is_same(&to, &old.api_config) {
                return apis::unchanged(context, &old);
            }
            let title = format!(
                "Waiting for API Gateway [{}] to go back to [{to}] config",
                split(&name).1
            );
            let new = Gateway {
                api_config: to,
                ..old
            };
            let limits = budget.remaining()?;
            match client.update_gateway(new, ["api_config"]).await {
                Ok(operation) => break context.wait(operation, &title, &limits).await?,
                // An update may be in progress, such as that of a deploy.
                Err(error) if error.is_aborted() => {
                    running::wait(context, &client, &name, &budget).await?;
                }
                Err(error) => return Err(error.into()),
            }
        };
        match context.has_format() {
            true => context.print(&output::json(&gateway)?)?,
            false => output::line(&gateway.api_config)?,
        }
        Ok(Exit::Success)
    }
}

/// Returns the newest active config that is older than the current one.
async fn previous(client: &ApiGateway, api: &str, current: &str) -> Result<String, Failure> {
    let time = |config: &ApiConfig| config.create_time.map(|time| (time.seconds, time.nanos));
    let began = time(&client.get_api_config(current).await?);
    let mut found: Option<ApiConfig> = None;
    let mut configs = client.list_api_configs(api).items();
    while let Some(config) = configs.next().await {
        let config = config?;
        let is_older = time(&config) < began
            && !is_same(&config.name, current)
            && config.state() == State::Active;
        if is_older
            && found
                .as_ref()
                .is_none_or(|found| time(found) < time(&config))
        {
            found = Some(config);
        }
    }
    let found =
        found.ok_or_else(|| format!("{api} has no active config that is older than {current}"))?;
    Ok(found.name)
}
