//! `apigw gateways deploy`: deploys files to a gateway.
//!
//! A deploy is idempotent: the id of the config is a digest of its immutable content, so a second deploy of the same
//! files creates nothing. It is resumable: each step reads the existing resources, and waits for an operation that is in
//! progress.

use std::time::{Duration, Instant};

use apigateway_grpc::ApiGateway;
use apigateway_grpc::field_mask::UpdateMask;
use apigateway_grpc::operation::OperationResult;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::State;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{ApiConfig, Gateway, gateway};
use apigateway_grpc::tonic::Code;
use clap::Args;
use serde_json::{Value, json};

use crate::apis::{self, split};
use crate::client::duration;
use crate::config_id::{config_id, digest};
use crate::context::{Context, Ended};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::FileFlags;
use crate::resource::{self, Resource as _};
use crate::validate::ValidateFlags;
use crate::variables::{substitute, variable};
use crate::wait::Limits;
use crate::{labels, output};

/// Pause before a create is retried while the service creates another config.
const BUSY_PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    gateway: resource::Gateway,
    /// API of the config; it is created if it does not exist.
    #[arg(long, value_name = "API")]
    api: Option<String>,
    #[command(flatten)]
    files: FileFlags,
    /// Service account with which the gateway calls backends.
    #[arg(long, value_name = "EMAIL")]
    backend_auth_service_account: Option<String>,
    /// Id of the config, instead of a prefix and a digest of its files.
    #[arg(long, value_name = "ID", conflicts_with = "config_prefix")]
    config_id: Option<String>,
    /// Prefix of the id of the config, before the digest; the id of the API by default.
    #[arg(long, value_name = "PREFIX")]
    config_prefix: Option<String>,
    /// Human-readable name of the gateway.
    #[arg(long, value_name = "DISPLAY_NAME")]
    display_name: Option<String>,
    #[command(flatten)]
    labels: labels::CreateFlags,
    /// Replace `${NAME}` in the files by a value; repeatable. With this flag, a name without a value is an error.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    set: Vec<(String, String)>,
    #[command(flatten)]
    validate: ValidateFlags,
    /// Print the plan, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run, exit with 5 if the deploy would change anything.
    #[arg(long, requires = "dry_run")]
    exit_code: bool,
    /// Total time to wait, such as 10m; 0 means no limit.
    #[arg(long, value_name = "DURATION", default_value = "40m", value_parser = duration)]
    timeout: Duration,
    /// After the deploy, delete configs of the API that no gateway uses, except this many of the newest.
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// Restore the old config if the update of the gateway fails.
    #[arg(long)]
    rollback: bool,
}

/// The desired state of a deploy, and the existing resources.
struct Plan {
    api: String,
    config: String,
    gateway: String,
    desired: ApiConfig,
    api_exists: bool,
    existing: Option<ApiConfig>,
    serving: Option<Gateway>,
}

/// The step that a deploy takes for the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Reuse,
    Create,
    /// Wait for the operation that creates the config.
    Await,
    /// Delete the config, since its creation failed, and create it again.
    Replace,
}

impl Deploy {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let started = Instant::now();
        let mut desired = self.files.read()?;
        substitute(&mut desired, &self.set)?;
        self.validate.check(&desired, &self.files)?;
        desired.gateway_service_account = self
            .backend_auth_service_account
            .clone()
            .unwrap_or_default();
        let client = context.client()?;
        let plan = self.plan(context, &client, desired).await?;
        let step = plan.step()?;
        if self.dry_run {
            return self.print_plan(context, &plan, step);
        }
        let left = |context: &str| {
            let limits = Limits {
                timeout: self.timeout.saturating_sub(started.elapsed()),
                cancel_on_timeout: false,
            };
            match limits.timeout.is_zero() && !self.timeout.is_zero() {
                true => Err(timed_out(context, self.timeout)),
                false => Ok(limits),
            }
        };
        let mut created = Vec::new();
        if apis::ensure(context, &client, &plan.api, &left("the API")?).await? {
            created.push(plan.api.clone());
        }
        if step != Step::Reuse {
            self.config(context, &client, &plan, step, &left).await?;
            created.push(plan.config.clone());
        }
        let (gateway, changed) = self
            .serve(context, &client, &plan, &left("the gateway")?)
            .await?;
        if plan.serving.is_none() {
            created.push(gateway.name.clone());
        }
        self.print(context, &client, &plan, &gateway, &created, changed)
            .await?;
        if let Some(keep) = self.keep {
            crate::prune::prune(
                context,
                &client,
                &plan.api,
                keep,
                None,
                &left("the old configs")?,
            )
            .await?;
        }
        Ok(Exit::Success)
    }

    /// Reads the existing resources.
    async fn plan(
        &self,
        context: &Context,
        client: &ApiGateway,
        desired: ApiConfig,
    ) -> Result<Plan, Failure> {
        let api = context.settings.api(self.api.as_deref()).value;
        let api = api.ok_or_else(|| Failure::usage("argument --api: Must be specified."))?;
        let api = resource::api(context, &api)?;
        let prefix = self.config_prefix.as_deref().unwrap_or(api.api());
        let id = match &self.config_id {
            Some(id) => id.clone(),
            None => config_id(prefix, self.files.kind(), &desired),
        };
        let config = resource::config(context, &format!("{api}/configs/{id}"), None)?;
        let gateway = match self.gateway.has_location(context) {
            true => self.gateway.full_name(context)?,
            // An existing gateway is looked up without a location; a new gateway needs one.
            false => match self.gateway.name(context, client).await {
                Ok(name) => name,
                Err(failure @ Failure::Usage(_)) => return Err(failure),
                Err(_) => self.gateway.full_name(context)?,
            },
        };
        Ok(Plan {
            api_exists: optional(client.get_api(api.as_str()).await)?.is_some(),
            existing: optional(client.get_api_config_full(config.as_str()).await)?,
            serving: optional(client.get_gateway(&gateway).await)?,
            api: api.into(),
            config: config.into(),
            gateway,
            desired,
        })
    }

    /// Creates the config, or waits for the one that is being created.
    async fn config(
        &self,
        context: &Context,
        client: &ApiGateway,
        plan: &Plan,
        step: Step,
        left: &impl Fn(&str) -> Result<Limits, Failure>,
    ) -> Result<(), Failure> {
        let (_, id) = split(&plan.config);
        let title = format!(
            "Waiting for API Config [{id}] to be created for API [{}]",
            split(&plan.api).1
        );
        if step == Step::Await
            && await_running::<ApiConfig>(
                context,
                client,
                &plan.config,
                &title,
                &left("the config")?,
            )
            .await?
        {
            return Ok(());
        }
        if step == Step::Replace {
            let operation = client.delete_api_config(&plan.config).await?;
            let title =
                format!("Waiting for API Config [{id}], whose creation failed, to be deleted");
            context
                .wait(operation, &title, &left("the config")?)
                .await?;
        }
        loop {
            let limits = left("the config")?;
            match client
                .create_api_config(&plan.api, id, plan.desired.clone())
                .await
            {
                Ok(operation) => return context.wait(operation, &title, &limits).await.map(drop),
                // The service creates one config of an API at a time.
                Err(error) if error.code() == Some(Code::Aborted) => {
                    context.note(&format!(
                        "Another config of the API is being created; trying again: {error}"
                    ));
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                // Another run of the same deploy has created the config meanwhile.
                Err(error) if error.code() == Some(Code::AlreadyExists) => {
                    await_running::<ApiConfig>(context, client, &plan.config, &title, &limits)
                        .await?;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Creates or updates the gateway, so that it serves the config. Returns the gateway, and true if it changed.
    async fn serve(
        &self,
        context: &Context,
        client: &ApiGateway,
        plan: &Plan,
        limits: &Limits,
    ) -> Result<(Gateway, bool), Failure> {
        let (parent, id) = split(&plan.gateway);
        let title = format!("Waiting for API Gateway [{id}] to be updated");
        let Some(serving) = &plan.serving else {
            let gateway = Gateway {
                api_config: plan.config.clone(),
                display_name: self.display_name.clone().unwrap_or_default(),
                labels: self.labels.labels()?,
                ..Gateway::default()
            };
            let operation = client.create_gateway(parent, id, gateway).await?;
            let title = format!(
                "Waiting for API Gateway [{id}] to be created with [{}] config",
                plan.config
            );
            return Ok((context.wait(operation, &title, limits).await?, true));
        };
        let mut old = serving.clone();
        // An earlier run may have started an operation on the gateway.
        if await_running::<Gateway>(context, client, &plan.gateway, &title, limits).await? {
            old = client.get_gateway(&plan.gateway).await?;
        }
        if old.state() == gateway::State::Failed {
            let location = split(parent).1;
            return Err(format!(
                "gateway {id} has the state FAILED: delete it with `apigw gateways delete {id} --location={location}`, and run this command again"
            )
            .into());
        }
        let new = self.changed(&old, plan)?;
        let mask = UpdateMask::between(&old, &new);
        if mask.is_empty() {
            return Ok((old, false));
        }
        let operation = client.update_gateway(new, mask).await?;
        match context.wait(operation, &title, limits).await {
            Ok(gateway) => Ok((gateway, true)),
            Err(failure)
                if failure.exit() == Exit::OperationFailed || failure.exit() == Exit::Cancelled =>
            {
                context.note(&format!("The gateway still serves {}.", old.api_config));
                if self.rollback {
                    let operation = client.update_gateway(old.clone(), ["api_config"]).await?;
                    let title = format!(
                        "Waiting for API Gateway [{id}] to go back to [{}] config",
                        old.api_config
                    );
                    context.wait(operation, &title, limits).await?;
                }
                Err(failure)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Returns the desired state of an existing gateway.
    fn changed(&self, old: &Gateway, plan: &Plan) -> Result<Gateway, Failure> {
        let mut new = old.clone();
        new.api_config.clone_from(&plan.config);
        new.labels.extend(self.labels.labels()?);
        if let Some(display_name) = &self.display_name {
            new.display_name.clone_from(display_name);
        }
        Ok(new)
    }

    fn print_plan(&self, context: &Context, plan: &Plan, step: Step) -> Ended {
        let mut lines = Vec::new();
        if !plan.api_exists {
            lines.push(format!("create api {}", plan.api));
        }
        match step {
            Step::Reuse => {}
            Step::Create => lines.push(format!("create config {}", plan.config)),
            Step::Await => lines.push(format!("wait for config {}", plan.config)),
            Step::Replace => lines.push(format!(
                "delete and create config {}, whose creation failed",
                plan.config
            )),
        }
        match &plan.serving {
            None => lines.push(format!("create gateway {}", plan.gateway)),
            Some(old) => {
                let mask = UpdateMask::between(old, &self.changed(old, plan)?);
                if !mask.is_empty() {
                    lines.push(format!(
                        "update gateway {}: {}",
                        plan.gateway,
                        mask.paths().join(", ")
                    ));
                }
            }
        }
        match context.has_format() {
            true => context.print(&json!({"steps": lines, "changed": !lines.is_empty()}))?,
            false if lines.is_empty() => output::line(&format!(
                "nothing to do: {} serves {}",
                plan.gateway, plan.config
            ))?,
            false => output::line(&lines.join("\n"))?,
        }
        Ok(match self.exit_code && !lines.is_empty() {
            true => Exit::Found,
            false => Exit::Success,
        })
    }

    /// Prints the URL or the result on standard output, and the command of a rollback on standard error.
    async fn print(
        &self,
        context: &Context,
        client: &ApiGateway,
        plan: &Plan,
        gateway: &Gateway,
        created: &[String],
        changed: bool,
    ) -> Result<(), Failure> {
        let url = format!("https://{}", gateway.default_hostname);
        let previous = plan
            .serving
            .as_ref()
            .map(|serving| &serving.api_config)
            .filter(|config| **config != plan.config);
        match context.has_format() {
            true => context.print(&json!({
                "gateway": output::json(gateway)?,
                "apiConfig": plan.config,
                "previousApiConfig": previous,
                "created": created,
                "changed": changed || !created.is_empty(),
                "url": url,
            }))?,
            false => output::line(&url)?,
        }
        if let Some(previous) = previous {
            let (location, id) = split(&plan.gateway);
            // The gateway may have served a config of another API.
            let (api, config) = split(previous);
            context.note(&format!(
                "To roll back: apigw gateways update {id} --location={} --api={} --api-config={config}",
                split(location).1,
                split(api).1,
            ));
        }
        if needs_api_keys(&plan.desired) {
            let service = client.get_api(&plan.api).await?.managed_service;
            context.note(&format!(
                "To have API keys work: gcloud services enable {service}"
            ));
        }
        Ok(())
    }
}

impl Plan {
    /// Returns the step for the config.
    ///
    /// # Errors
    ///
    /// If a config with the same id exists and has other content.
    fn step(&self) -> Result<Step, Failure> {
        let Some(existing) = &self.existing else {
            return Ok(Step::Create);
        };
        match existing.state() {
            State::Failed => return Ok(Step::Replace),
            State::Creating | State::Activating => return Ok(Step::Await),
            _ => {}
        }
        // The service does not return the kind of the files, so the kind is left out of both digests.
        let is_same = digest("", existing) == digest("", &self.desired);
        match is_same {
            true => Ok(Step::Reuse),
            false => Err(format!(
                "config {} exists and was made of other files or another service account: choose another id with --config-id",
                self.config
            )
            .into()),
        }
    }
}

/// Waits for the operation that is in progress on a resource. Returns true if there was one.
async fn await_running<R: OperationResult>(
    context: &Context,
    client: &ApiGateway,
    target: &str,
    title: &str,
    limits: &Limits,
) -> Result<bool, Failure> {
    let location = target.split('/').take(4).collect::<Vec<_>>().join("/");
    let mut operations = client.list_operations(location).items();
    while let Some(operation) = operations.next().await {
        let operation = operation?;
        let metadata = output::json(&operation)?;
        let of = metadata.pointer("/metadata/target").and_then(Value::as_str);
        if !operation.done && of == Some(target) {
            let operation = client.operation::<R>(operation.name)?;
            context.wait(operation, title, limits).await?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn optional<T>(read: Result<T, apigateway_grpc::Error>) -> Result<Option<T>, Failure> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn timed_out(what: &str, timeout: Duration) -> Failure {
    output::note(&format!(
        "The {timeout:.0?} of --timeout are over before {what} was ready. Run the same command again to go on."
    ));
    Failure::Exit(Exit::TimedOut)
}

/// Returns true if an OpenAPI document requires API keys.
fn needs_api_keys(config: &ApiConfig) -> bool {
    let documents = config
        .openapi_documents
        .iter()
        .filter_map(|document| document.document.as_ref());
    documents.into_iter().any(|file| {
        let text = String::from_utf8_lossy(&file.contents);
        let parsed: Value = serde_saphyr::from_str(&text).unwrap_or_default();
        let definitions = parsed
            .get("securityDefinitions")
            .or_else(|| parsed.pointer("/components/securitySchemes"));
        let schemes = definitions.and_then(Value::as_object);
        schemes.is_some_and(|schemes| {
            schemes
                .values()
                .any(|scheme| scheme.get("type").and_then(Value::as_str) == Some("apiKey"))
        })
    })
}
