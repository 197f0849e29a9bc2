//! Runs the scenario of `tests/interop/clients` with this crate: `interop_surface grpc|rest …`.

mod outcome;
#[path = "../scene.rs"]
mod scene;

use std::time::Duration;

use apigateway_grpc::operation::{Cancellation, Operation, OperationResult, Schedule};
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::{File, OpenApiDocument};
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};
use apigateway_grpc::proto::google::iam::v1::{Binding, Policy};
use apigateway_grpc::{ApiGateway, Transport};
use outcome::{
    contents, of_api, of_config, of_error, of_failure, of_gateway, of_operation, of_policy,
    of_snapshot,
};
use scene::{Arguments, Names, Result, id, refused, report};
use serde_json::{Value, json};

const WAIT: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::read()?;
    let play = Play::new(&arguments, &arguments.quick)?;
    play.locations().await?;
    let creating_api = play.apis().await?;
    play.configs(&arguments.document).await?;
    let creating_gateway = play.gateways().await?;
    play.operations(&creating_api, &creating_gateway).await?;
    play.bad_config().await?;
    if arguments.transport == "grpc" {
        play.wait().await?;
    }
    play.policies().await?;
    play.errors().await?;
    play.deletes().await?;
    Play::new(&arguments, &arguments.slow)?.slowly().await
}

struct Play {
    client: ApiGateway,
    names: Names,
}

impl Play {
    fn new(arguments: &Arguments, endpoint: &str) -> Result<Self> {
        let transport = match arguments.transport.as_str() {
            "grpc" => Transport::Grpc,
            "rest" => Transport::Rest,
            other => return Err(format!("invalid transport: {other}").into()),
        };
        let client = ApiGateway::builder()
            .endpoint(endpoint)
            .transport(transport)
            .anonymous()
            .build()?;
        let names = Names::of(&arguments.project);
        Ok(Self { client, names })
    }

    async fn locations(&self) -> Result<()> {
        let mut items = self.client.list_locations(&self.names.project).items();
        let mut ids = Vec::new();
        while let Some(location) = items.next().await {
            ids.push(location?.location_id);
        }
        report("list_locations", json!(ids))?;
        let found = self.client.get_location(&self.names.region).await?;
        report(
            "get_location",
            json!({"name": found.name, "id": found.location_id}),
        )
    }

    /// Returns the name of the operation that created the api.
    async fn apis(&self) -> Result<String> {
        let Names { home, api, .. } = &self.names;
        let new = Api {
            labels: [("team".to_owned(), "blue".to_owned())].into(),
            ..Api::default()
        };
        let creating = self.client.create_api(home, "shop", new.clone()).await?;
        let name = creating.name().to_owned();
        report("create_api", of_api(&ended(creating).await?))?;
        report("get_api", of_api(&self.client.get_api(api).await?))?;
        let again = self.client.create_api(home, "shop", new).await;
        report("create_api_again", of_error(&refused(again)?))?;
        let renamed = Api {
            name: api.clone(),
            display_name: "Große Läden".to_owned(),
            ..Api::default()
        };
        let mask = ["display_name", "labels"];
        let updating = self.client.update_api(renamed, mask).await?;
        report("update_api", of_api(&ended(updating).await?))?;
        report("list_apis", json!(self.api_names().await?))?;
        Ok(name)
    }

    async fn api_names(&self) -> Result<Vec<String>> {
        let mut items = self.client.list_apis(&self.names.home).items();
        let mut names = Vec::new();
        while let Some(api) = items.next().await {
            names.push(api?.name);
        }
        Ok(names)
    }

    async fn config_names(&self, size: i32) -> Result<Vec<String>> {
        let list = self.client.list_api_configs(&self.names.api);
        let mut items = list.page_size(size).items();
        let mut names = Vec::new();
        while let Some(config) = items.next().await {
            names.push(config?.name);
        }
        Ok(names)
    }

    async fn configs(&self, document: &str) -> Result<()> {
        let Names { api, configs, .. } = &self.names;
        let new = of_document(document);
        let mut created = Vec::new();
        for name in configs {
            let creating = self.client.create_api_config(api, id(name), new.clone());
            created.push(of_config(&ended(creating.await?).await?));
        }
        report("create_configs", json!(created))?;
        let first = &configs[0];
        let basic = self.client.get_api_config(first).await?;
        report("get_config_basic", contents(&basic)?)?;
        let full = self.client.get_api_config_full(first).await?;
        report("get_config_full", contents(&full)?)?;

        let list = self.client.list_api_configs(api).page_size(1);
        let mut pages = Vec::new();
        let mut token = Some(String::new());
        while let Some(next) = token {
            let page = list.page(next).await?;
            let names = page.items.into_iter().map(|config| config.name);
            pages.push(names.collect::<Vec<_>>());
            token = page.next_page_token;
        }
        report("list_configs_by_page", json!(pages))?;
        report("list_configs_by_item", json!(self.config_names(2).await?))?;
        let labelled = ApiConfig {
            name: first.clone(),
            labels: [("tier".to_owned(), "gold".to_owned())].into(),
            ..ApiConfig::default()
        };
        let updating = self.client.update_api_config(labelled, ["labels"]).await?;
        report("update_config", of_config(&ended(updating).await?))
    }

    /// Returns the name of the operation that created the gateway.
    async fn gateways(&self) -> Result<String> {
        let Names {
            region,
            configs,
            gateway,
            ..
        } = &self.names;
        let new = |config: &String| Gateway {
            name: gateway.clone(),
            api_config: config.clone(),
            ..Gateway::default()
        };
        let creating = self
            .client
            .create_gateway(region, "front", new(&configs[0]))
            .await?;
        let name = creating.name().to_owned();
        report("create_gateway", of_gateway(&ended(creating).await?))?;
        let found = self.client.get_gateway(gateway).await?;
        report("get_gateway", of_gateway(&found))?;
        let switching = self
            .client
            .update_gateway(new(&configs[1]), ["api_config"])
            .await?;
        report("switch_gateway", of_gateway(&ended(switching).await?))?;
        let everywhere = format!("{}/locations/-", self.names.project);
        let page = self.client.list_gateways(everywhere).first_page().await?;
        let names: Vec<String> = page.items.into_iter().map(|gateway| gateway.name).collect();
        report("list_gateways", json!(names))?;
        Ok(name)
    }

    async fn operations(&self, creating_api: &str, creating_gateway: &str) -> Result<()> {
        let list = self.client.list_operations(&self.names.home);
        let mut items = list.page_size(2).items();
        let mut done = Vec::new();
        while let Some(operation) = items.next().await {
            done.push(operation?.done);
        }
        report("list_operations", json!(done))?;
        let found = self.client.get_operation(creating_gateway).await?;
        report("get_operation", of_operation(&found)?)?;
        self.client.delete_operation(creating_api).await?;
        let gone = self.client.get_operation(creating_api).await;
        report("delete_operation", of_error(&refused(gone)?))
    }

    async fn bad_config(&self) -> Result<()> {
        let api = &self.names.api;
        let creating = self.client.create_api_config(api, "bad", of_document("{}"));
        let failed = refused(poll_often(creating.await?)?.await)?;
        report("create_bad_config", of_failure(&failed)?)?;
        let bad = format!("{api}/configs/bad");
        let config = self.client.get_api_config(&bad).await?;
        report("get_bad_config", of_config(&config))?;
        ended(self.client.delete_api_config(&bad).await?).await
    }

    async fn wait(&self) -> Result<()> {
        let home = &self.names.home;
        let creating = self.client.create_api(home, "waited", Api::default());
        let creating = creating.await?;
        let created = self.client.wait_operation(creating.name(), WAIT).await?;
        let deleting = self.client.delete_api(format!("{home}/apis/waited"));
        let deleting = deleting.await?;
        let deleted = self.client.wait_operation(deleting.name(), WAIT).await?;
        report("wait_operation", json!([created.done, deleted.done]))
    }

    /// Returns the names of the resources with policies.
    fn with_policies(&self) -> [&str; 3] {
        let Names {
            api,
            configs,
            gateway,
            ..
        } = &self.names;
        [api, &configs[0], gateway]
    }

    async fn bindings(&self) -> Result<Value> {
        let mut outcome = Vec::new();
        for name in self.with_policies() {
            outcome.push(of_policy(&self.client.get_iam_policy(name).await?));
        }
        Ok(json!(outcome))
    }

    async fn policies(&self) -> Result<()> {
        let viewer = |etag: Vec<u8>| Policy {
            bindings: vec![Binding {
                role: "roles/viewer".to_owned(),
                members: vec!["user:a@example.com".to_owned()],
                condition: None,
            }],
            etag,
            ..Policy::default()
        };
        report("get_iam_policy", self.bindings().await?)?;
        let mut answered = Vec::new();
        for name in self.with_policies() {
            let policy = self.client.set_iam_policy(name, viewer(Vec::new()));
            answered.push(policy.await?);
        }
        let outcome: Vec<Value> = answered.iter().map(of_policy).collect();
        report("set_iam_policy", json!(outcome))?;
        report("get_iam_policy_again", self.bindings().await?)?;
        let (api, etag) = (&self.names.api, answered.swap_remove(0).etag);
        self.client
            .set_iam_policy(api, viewer(etag.clone()))
            .await?;
        let stale = self.client.set_iam_policy(api, viewer(etag)).await;
        report("set_iam_policy_stale", of_error(&refused(stale)?))?;
        let mut tested = Vec::new();
        for name in self.with_policies() {
            let had = self
                .client
                .test_iam_permissions(name, ["apigateway.apis.get"]);
            tested.push(had.await?);
        }
        report("test_iam_permissions", json!(tested))
    }

    async fn errors(&self) -> Result<()> {
        let Names {
            home, api, configs, ..
        } = &self.names;
        let none = self.client.get_api(format!("{home}/apis/none")).await;
        report("not_found", of_error(&refused(none)?))?;
        let wrong = self.client.list_apis(home).filter("colour = red");
        report(
            "invalid_argument",
            of_error(&refused(wrong.first_page().await)?),
        )?;
        let api = self.client.delete_api(api).await;
        report("delete_api_in_use", of_error(&refused(api)?))?;
        let config = self.client.delete_api_config(&configs[1]).await;
        report("delete_config_in_use", of_error(&refused(config)?))
    }

    async fn deletes(&self) -> Result<()> {
        let Names {
            api,
            configs,
            gateway,
            ..
        } = &self.names;
        ended(self.client.delete_gateway(gateway).await?).await?;
        let gone = self.client.get_gateway(gateway).await;
        report("delete_gateway", of_error(&refused(gone)?))?;
        let mut deleting = Vec::new();
        for config in configs {
            deleting.push(self.client.delete_api_config(config).await?);
        }
        for operation in deleting {
            ended(operation).await?;
        }
        report("delete_configs", json!(self.config_names(2).await?))?;
        ended(self.client.delete_api(api).await?).await?;
        report("delete_api", json!(self.api_names().await?))
    }

    async fn slowly(&self) -> Result<()> {
        let home = &self.names.home;
        let creating = self.client.create_api(home, "held", Api::default());
        let mut creating = poll_often(creating.await?)?;
        report("start", of_snapshot(creating.snapshot())?)?;
        let name = creating.name().to_owned();
        let mut taken = self.client.operation::<Api>(&name)?;
        report("resume", of_snapshot(taken.poll().await?)?)?;
        let list = self.client.list_operations(home).filter("done = false");
        let running = list.first_page().await?.items;
        let running: Result<Vec<Value>> = running.iter().map(of_operation).collect();
        report("list_running", json!(running?))?;
        let busy = self.client.delete_api(format!("{home}/apis/held")).await;
        report("busy", of_error(&refused(busy)?))?;
        let Cancellation::Cancelled(error) = creating.cancel().await? else {
            return Err("the operation was not cancelled".into());
        };
        report("cancel", of_failure(&error)?)?;
        report(
            "cancelled",
            of_operation(&self.client.get_operation(&name).await?)?,
        )?;
        let other = self.client.create_api(home, "other", Api::default());
        let other = other.await?.name().to_owned();
        self.client.cancel_operation(&other).await?;
        let other = self.client.get_operation(other).await?;
        report("cancel_by_name", of_operation(&other)?)?;

        let create = |id: String| self.client.create_api(home, id, Api::default());
        let failed = refused(poll_often(create("doomed".to_owned()).await?)?.await)?;
        report("create_doomed", of_failure(&failed)?)?;
        let mut codes = Vec::new();
        for number in 1..=16 {
            let error = refused(create(format!("code-{number}")).await)?;
            codes.push(of_error(&error));
        }
        report("every_code", json!(codes))
    }
}

/// Waits for an operation with frequent polls, and returns its result.
async fn ended<R: OperationResult>(operation: Operation<R>) -> Result<R> {
    Ok(poll_often(operation)?.await?)
}

fn poll_often<R: OperationResult>(operation: Operation<R>) -> Result<Operation<R>> {
    let delay = Duration::from_millis(50);
    let schedule = Schedule::default().delays(delay, 1.0, delay)?;
    Ok(operation.with_schedule(schedule.total_timeout(WAIT)))
}

fn of_document(text: &str) -> ApiConfig {
    let document = File {
        path: "openapi.json".to_owned(),
        contents: text.to_owned().into_bytes(),
    };
    ApiConfig {
        openapi_documents: vec![OpenApiDocument {
            document: Some(document),
        }],
        ..ApiConfig::default()
    }
}
