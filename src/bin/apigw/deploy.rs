//! `apigw gateways deploy`: deploys files to a gateway.
//!
//! A deploy is idempotent: the id of the config is a digest of its immutable content, so a second deploy of the same
//! files creates nothing. It is resumable: each step reads the existing resources, and waits for an operation that is in
//! progress.

use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::Error;
use apigateway_grpc::field_mask::UpdateMask;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::State;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{ApiConfig, Gateway};
use clap::Args;
use serde_json::{Value, json};

use crate::apis::{self, split};
use crate::client::duration;
use crate::config_id::config_id;
use crate::context::{CommandResult, Context};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::FileFlags;
use crate::plan::{Change, Plan};
use crate::resource::{self, Resource as _};
use crate::validate::ValidateFlags;
use crate::variables::{substitute, variable};
use crate::wait::{Budget, Limits};
use crate::{api_configs, labels, output, prune, running, spec};

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
    /// After the deploy, delete the configs of the API that no gateway uses, except the newest N.
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// Restore the old config if the update of the gateway fails.
    #[arg(long)]
    rollback: bool,
}

/// A deploy that makes the changes of its plan.
struct Run<'a> {
    context: &'a Context,
    client: ApiGateway,
    budget: Budget,
    plan: Plan,
    /// True if the old config is restored after a failed update of the gateway.
    restores: bool,
    /// The names of the created resources.
    created: Vec<String>,
    /// True if a resource was created or the gateway was updated.
    is_changed: bool,
    /// The config that the gateway served before the update.
    previous_config: Option<String>,
}

impl Deploy {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        let budget = Budget::new(&Limits {
            timeout: self.timeout,
            cancel_on_timeout: false,
        });
        let mut desired = self.files.read()?;
        substitute(&mut desired, &self.set)?;
        self.validate.check(&desired, &self.files)?;
        desired.gateway_service_account = self
            .backend_auth_service_account
            .clone()
            .unwrap_or_default();
        let client = context.client()?;
        let plan = self.plan(context, &client, desired).await?;
        if self.dry_run {
            return self.print_plan(context, &client, &plan).await;
        }
        let mut run = Run {
            context,
            client,
            budget,
            plan,
            restores: self.rollback,
            created: Vec::new(),
            is_changed: false,
            previous_config: None,
        };
        run.make_changes().await?;
        run.print().await?;
        if let Some(keep) = self.keep {
            prune::prune(context, &run.client, &run.plan.api, keep, &run.budget).await?;
        }
        Ok(Exit::Success)
    }

    /// Finds the names of the resources and reads the existing ones.
    async fn plan(
        &self,
        context: &Context,
        client: &ApiGateway,
        desired: ApiConfig,
    ) -> Result<Plan, Failure> {
        let labels = self.labels.labels()?;
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
            existing_api: optional(client.get_api(api.as_str()).await)?,
            existing_config: optional(client.get_api_config_full(config.as_str()).await)?,
            existing_gateway: optional(client.get_gateway(&gateway).await)?,
            api: api.into(),
            config: config.into(),
            gateway,
            desired_config: desired,
            display_name: self.display_name.clone(),
            labels,
        })
    }

    /// Prints the changes of the plan, and the differences between the config in use and the desired one.
    async fn print_plan(
        &self,
        context: &Context,
        client: &ApiGateway,
        plan: &Plan,
    ) -> CommandResult {
        let changes = plan.changes()?;
        let lines: Vec<String> = changes.iter().map(|change| plan.line(change)).collect();
        let diff = match plan.previous_config() {
            Some(previous) => {
                let previous = client.get_api_config_full(previous).await?;
                let desired = ApiConfig {
                    labels: previous.labels.clone(),
                    ..plan.desired_config.clone()
                };
                spec::diff(&previous, &desired, spec::CONTEXT)
            }
            None => String::new(),
        };
        match context.has_format() {
            true => context
                .print(&json!({"steps": lines, "changed": !lines.is_empty(), "diff": diff}))?,
            false if lines.is_empty() => output::line(&format!(
                "nothing to do: {} serves {}",
                plan.gateway, plan.config
            ))?,
            false => {
                output::line(&lines.join("\n"))?;
                output::data(&diff)?;
            }
        }
        Ok(match self.exit_code && !lines.is_empty() {
            true => Exit::Found,
            false => Exit::Success,
        })
    }
}

impl Run<'_> {
    /// Makes the changes of the plan, one after another. The plan is made again after each change.
    async fn make_changes(&mut self) -> Result<(), Failure> {
        while let Some(change) = self.plan.changes()?.into_iter().next() {
            let is_last = self.make(change).await?;
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// Makes one change, and records the result in the plan. Returns true after the last change: the creation or the update of
    /// the gateway.
    ///
    /// Another run of the same deploy may make the same change at the same time. A create then fails with ALREADY_EXISTS or
    /// ABORTED, and the resource is read again.
    async fn make(&mut self, change: Change) -> Result<bool, Failure> {
        match change {
            Change::CreateApi | Change::AwaitApi => {
                let name = &self.plan.api;
                let (api, is_created) =
                    apis::ensure(self.context, &self.client, name, &self.budget).await?;
                if is_created {
                    self.created.push(name.clone());
                    self.is_changed = true;
                }
                self.plan.existing_api = Some(api);
            }
            Change::CreateConfig => self.create_config().await?,
            Change::AwaitConfig => {
                running::wait(self.context, &self.client, &self.plan.config, &self.budget).await?;
                self.read_config().await?;
            }
            Change::ReplaceConfig => {
                let name = &self.plan.config;
                api_configs::delete(self.context, &self.client, name, &self.budget).await?;
                self.plan.existing_config = None;
            }
            Change::CreateGateway => return self.create_gateway().await,
            Change::AwaitGateway => self.await_gateway().await?,
            Change::UpdateGateway(new, mask) => return self.update_gateway(*new, mask).await,
        }
        Ok(false)
    }

    async fn create_config(&mut self) -> Result<(), Failure> {
        let (_, id) = split(&self.plan.config);
        let limits = self.budget.remaining()?;
        let config = self.plan.desired_config.clone();
        let started = self.client.create_api_config(&self.plan.api, id, config);
        let operation = match started.await {
            Ok(operation) => operation,
            Err(error) if is_of_another_run(&error) => {
                self.read_config().await?;
                if self.plan.existing_config.is_none() {
                    // The service creates one config of an API at a time.
                    self.context.note(&format!(
                        "Another operation on the API is in progress; trying again: {}",
                        output::one_line(&error.to_string())
                    ));
                    self.budget.pause().await?;
                }
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let title = format!(
            "Waiting for API Config [{id}] to be created for API [{}]",
            split(&self.plan.api).1
        );
        self.context.wait(operation, &title, &limits).await?;
        // The response has no files, so the desired files are used.
        self.plan.existing_config = Some(ApiConfig {
            state: State::Active.into(),
            ..self.plan.desired_config.clone()
        });
        self.created.push(self.plan.config.clone());
        self.is_changed = true;
        Ok(())
    }

    async fn read_config(&mut self) -> Result<(), Failure> {
        let read = self.client.get_api_config_full(&self.plan.config).await;
        self.plan.existing_config = optional(read)?;
        Ok(())
    }

    async fn create_gateway(&mut self) -> Result<bool, Failure> {
        let (parent, id) = split(&self.plan.gateway);
        let limits = self.budget.remaining()?;
        let gateway = self.plan.new_gateway();
        let operation = match self.client.create_gateway(parent, id, gateway).await {
            Ok(operation) => operation,
            Err(error) if is_of_another_run(&error) => {
                self.read_gateway().await?;
                if self.plan.existing_gateway.is_none() {
                    self.budget.pause().await?;
                }
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let title = format!(
            "Waiting for API Gateway [{id}] to be created with [{}] config",
            self.plan.config
        );
        let gateway = self.context.wait(operation, &title, &limits).await?;
        self.plan.existing_gateway = Some(gateway);
        self.created.push(self.plan.gateway.clone());
        self.is_changed = true;
        Ok(true)
    }

    async fn await_gateway(&mut self) -> Result<(), Failure> {
        running::wait(self.context, &self.client, &self.plan.gateway, &self.budget).await?;
        self.read_gateway().await
    }

    async fn read_gateway(&mut self) -> Result<(), Failure> {
        let read = self.client.get_gateway(&self.plan.gateway).await;
        self.plan.existing_gateway = optional(read)?;
        Ok(())
    }

    async fn update_gateway(&mut self, new: Gateway, mask: UpdateMask) -> Result<bool, Failure> {
        let limits = self.budget.remaining()?;
        let previous = self.plan.previous_config().map(str::to_owned);
        let operation = match self.client.update_gateway(new, mask).await {
            Ok(operation) => operation,
            Err(error) if error.is_aborted() => {
                self.await_gateway().await?;
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let id = split(&self.plan.gateway).1;
        let title = format!("Waiting for API Gateway [{id}] to be updated");
        match self.context.wait(operation, &title, &limits).await {
            Ok(gateway) => {
                self.plan.existing_gateway = Some(gateway);
                self.is_changed = true;
                self.previous_config = previous;
                Ok(true)
            }
            Err(failure) => {
                if let (Some(previous), Exit::OperationFailed | Exit::Cancelled) =
                    (previous, failure.exit())
                {
                    let text = format!("The gateway still serves {previous}.");
                    self.context.note(&output::one_line(&text));
                    if self.restores {
                        self.restore(&previous, &limits).await?;
                    }
                }
                Err(failure)
            }
        }
    }

    /// Restores the old config of the gateway after a failed update.
    async fn restore(&self, previous: &str, limits: &Limits) -> Result<(), Failure> {
        let old = self.plan.existing_gateway.clone().unwrap_or_default();
        let operation = self.client.update_gateway(old, ["api_config"]).await?;
        let id = split(&self.plan.gateway).1;
        let title = format!("Waiting for API Gateway [{id}] to go back to [{previous}] config");
        self.context.wait(operation, &title, limits).await?;
        Ok(())
    }

    /// Prints the URL or the result on standard output, and the command of a rollback on standard error.
    async fn print(&self) -> Result<(), Failure> {
        let (context, plan) = (self.context, &self.plan);
        let gateway = plan.existing_gateway.clone().unwrap_or_default();
        let url = format!("https://{}", gateway.default_hostname);
        match context.has_format() {
            true => context.print(&json!({
                "gateway": output::json(&gateway)?,
                "apiConfig": plan.config,
                "previousApiConfig": self.previous_config,
                "created": self.created,
                "changed": self.is_changed,
                "url": url,
            }))?,
            false => output::line(&url)?,
        }
        if !self.is_changed {
            context.note(&output::one_line(&format!(
                "Nothing was changed: {} serves {}.",
                plan.gateway, plan.config
            )));
        }
        if let Some(previous) = &self.previous_config {
            let (location, id) = split(&plan.gateway);
            // The gateway may have served a config of another API.
            let (api, config) = split(previous);
            context.note(&output::one_line(&format!(
                "To roll back: apigw gateways update {id} --location={} --api={} --api-config={config}",
                split(location).1,
                split(api).1,
            )));
        }
        if needs_api_keys(&plan.desired_config) {
            let service = self.client.get_api(&plan.api).await?.managed_service;
            context.note(&output::one_line(&format!(
                "To enable API keys: gcloud services enable {service}"
            )));
        }
        Ok(())
    }
}

/// Returns true if a create failed because the resource exists, or because another operation is in progress.
fn is_of_another_run(error: &Error) -> bool {
    error.is_already_exists() || error.is_aborted()
}

fn optional<T>(read: Result<T, Error>) -> Result<Option<T>, Failure> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
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
