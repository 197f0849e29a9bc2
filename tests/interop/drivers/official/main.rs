//! Runs the scenario of `tests/interop/clients` with the official client: `interop_official rest …`.

mod outcome;
#[path = "../scene.rs"]
mod scene;

use std::time::Duration;

use google_cloud_apigateway_v1::client::ApiGatewayService;
use google_cloud_apigateway_v1::model::api_config::{File, OpenApiDocument};
use google_cloud_apigateway_v1::model::get_api_config_request::ConfigView;
use google_cloud_apigateway_v1::model::{Api, ApiConfig, Gateway, OperationMetadata};
use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::exponential_backoff::ExponentialBackoffBuilder;
use google_cloud_gax::paginator::{ItemPaginator as _, Paginator as _};
use google_cloud_longrunning::model::Operation;
use google_cloud_lro::{Poller, PollingResult};
use google_cloud_wkt::FieldMask;
use outcome::{contents, of_api, of_config, of_error, of_gateway, of_metadata, of_operation};
use scene::{Arguments, Names, Result, id, refused, report};
use serde_json::{Value, json};

const OFTEN: Duration = Duration::from_millis(50);
const WAIT: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::read()?;
    if arguments.transport != "rest" {
        return Err(format!("invalid transport: {}", arguments.transport).into());
    }
    let play = Play::new(&arguments, &arguments.quick).await?;
    play.apis().await?;
    play.configs(&arguments.document).await?;
    play.gateways().await?;
    play.operations().await?;
    play.bad_config().await?;
    play.errors().await?;
    play.deletes().await?;
    let slow = Play::new(&arguments, &arguments.slow).await?;
    tokio::time::timeout(WAIT, slow.slowly()).await?
}

struct Play {
    client: ApiGatewayService,
    names: Names,
}

impl Play {
    async fn new(arguments: &Arguments, endpoint: &str) -> Result<Self> {
        let often = ExponentialBackoffBuilder::new()
            .with_initial_delay(OFTEN)
            .with_maximum_delay(OFTEN)
            .build()?;
        let client = ApiGatewayService::builder()
            .with_endpoint(endpoint)
            .with_credentials(anonymous::Builder::new().build())
            .with_polling_backoff_policy(often)
            .build()
            .await?;
        let names = Names::of(&arguments.project);
        Ok(Self { client, names })
    }

    async fn apis(&self) -> Result<()> {
        let Names { home, api, .. } = &self.names;
        let create = || {
            let new = Api::new().set_labels([("team", "blue")]);
            let create = self.client.create_api().set_parent(home);
            create.set_api_id("shop").set_api(new)
        };
        report("create_api", of_api(&ended(create().poller()).await?))?;
        let found = self.client.get_api().set_name(api).send().await?;
        report("get_api", of_api(&found))?;
        let again = create().send().await;
        report("create_api_again", of_error(&refused(again)?))?;
        let renamed = Api::new().set_name(api).set_display_name("Große Läden");
        let updating = self.client.update_api().set_api(renamed);
        let updating = updating.set_update_mask(mask(["display_name", "labels"]));
        report("update_api", of_api(&ended(updating.poller()).await?))?;
        report("list_apis", json!(self.api_names().await?))
    }

    async fn api_names(&self) -> Result<Vec<String>> {
        let mut items = self
            .client
            .list_apis()
            .set_parent(&self.names.home)
            .by_item();
        let mut names = Vec::new();
        while let Some(api) = items.next().await {
            names.push(api?.name);
        }
        Ok(names)
    }

    async fn config_names(&self, size: i32) -> Result<Vec<String>> {
        let list = self.client.list_api_configs().set_parent(&self.names.api);
        let mut items = list.set_page_size(size).by_item();
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
            let create = self.client.create_api_config().set_parent(api);
            let create = create
                .set_api_config_id(id(name))
                .set_api_config(new.clone());
            created.push(of_config(&ended(create.poller()).await?));
        }
        report("create_configs", json!(created))?;
        let get = || self.client.get_api_config().set_name(&configs[0]);
        report("get_config_basic", contents(&get().send().await?)?)?;
        let full = get().set_view(ConfigView::Full).send().await?;
        report("get_config_full", contents(&full)?)?;

        let list = self.client.list_api_configs().set_parent(api);
        let mut by_page = list.set_page_size(1).by_page();
        let mut pages = Vec::new();
        while let Some(page) = by_page.next().await {
            let names = page?.api_configs.into_iter().map(|config| config.name);
            pages.push(names.collect::<Vec<_>>());
        }
        report("list_configs_by_page", json!(pages))?;
        report("list_configs_by_item", json!(self.config_names(2).await?))?;
        let labelled = ApiConfig::new()
            .set_name(&configs[0])
            .set_labels([("tier", "gold")]);
        let updating = self.client.update_api_config().set_api_config(labelled);
        let updating = updating.set_update_mask(mask(["labels"]));
        report("update_config", of_config(&ended(updating.poller()).await?))
    }

    async fn gateways(&self) -> Result<()> {
        let Names {
            region,
            configs,
            gateway,
            ..
        } = &self.names;
        let new = Gateway::new().set_api_config(&configs[0]);
        let creating = self.client.create_gateway().set_parent(region);
        let creating = creating.set_gateway_id("front").set_gateway(new);
        report(
            "create_gateway",
            of_gateway(&ended(creating.poller()).await?),
        )?;
        let found = self.client.get_gateway().set_name(gateway).send().await?;
        report("get_gateway", of_gateway(&found))?;
        let switched = Gateway::new().set_name(gateway).set_api_config(&configs[1]);
        let switching = self.client.update_gateway().set_gateway(switched);
        let switching = switching.set_update_mask(mask(["api_config"]));
        report(
            "switch_gateway",
            of_gateway(&ended(switching.poller()).await?),
        )?;
        let everywhere = format!("{}/locations/-", self.names.project);
        let mut items = self.client.list_gateways().set_parent(everywhere).by_item();
        let mut names = Vec::new();
        while let Some(gateway) = items.next().await {
            names.push(gateway?.name);
        }
        report("list_gateways", json!(names))
    }

    /// Returns the first operation in a location. A poller does not return the name of its operation, so the program searches
    /// for it.
    async fn first(&self, location: &str, filter: &str) -> Result<Operation> {
        let list = self.client.list_operations().set_name(location);
        let mut items = list.set_filter(filter).by_item();
        let first = items.next().await.ok_or("there is no operation")?;
        Ok(first?)
    }

    async fn operations(&self) -> Result<()> {
        let Names { home, region, .. } = &self.names;
        let list = self.client.list_operations().set_name(home);
        let mut items = list.set_page_size(2).by_item();
        let mut done = Vec::new();
        while let Some(operation) = items.next().await {
            done.push(operation?.done);
        }
        report("list_operations", json!(done))?;
        let get = |name: &str| self.client.get_operation().set_name(name).send();
        let creating_gateway = self.first(region, "").await?.name;
        report(
            "get_operation",
            of_operation(&get(&creating_gateway).await?)?,
        )?;
        let creating_api = self.first(home, "").await?.name;
        let delete = self.client.delete_operation().set_name(&creating_api);
        delete.send().await?;
        report(
            "delete_operation",
            of_error(&refused(get(&creating_api).await)?),
        )
    }

    async fn bad_config(&self) -> Result<()> {
        let api = &self.names.api;
        let create = self.client.create_api_config().set_parent(api);
        let create = create
            .set_api_config_id("bad")
            .set_api_config(of_document("{}"));
        let failed = refused(create.poller().until_done().await)?;
        report("create_bad_config", of_error(&failed))?;
        let bad = format!("{api}/configs/bad");
        let config = self.client.get_api_config().set_name(&bad).send().await?;
        report("get_bad_config", of_config(&config))?;
        ended(self.client.delete_api_config().set_name(bad).poller()).await
    }

    async fn errors(&self) -> Result<()> {
        let Names {
            home, api, configs, ..
        } = &self.names;
        let none = format!("{home}/apis/none");
        let none = self.client.get_api().set_name(none).send().await;
        report("not_found", of_error(&refused(none)?))?;
        let wrong = self.client.list_apis().set_parent(home);
        let wrong = wrong.set_filter("colour = red").send().await;
        report("invalid_argument", of_error(&refused(wrong)?))?;
        let api = self.client.delete_api().set_name(api).send().await;
        report("delete_api_in_use", of_error(&refused(api)?))?;
        let config = self.client.delete_api_config().set_name(&configs[1]);
        report(
            "delete_config_in_use",
            of_error(&refused(config.send().await)?),
        )
    }

    async fn deletes(&self) -> Result<()> {
        let Names {
            api,
            configs,
            gateway,
            ..
        } = &self.names;
        ended(self.client.delete_gateway().set_name(gateway).poller()).await?;
        let gone = self.client.get_gateway().set_name(gateway).send().await;
        report("delete_gateway", of_error(&refused(gone)?))?;
        let [v1, v2, v3] = configs.each_ref().map(|config| {
            let delete = self.client.delete_api_config().set_name(config);
            ended(delete.poller())
        });
        tokio::try_join!(v1, v2, v3)?;
        report("delete_configs", json!(self.config_names(2).await?))?;
        ended(self.client.delete_api().set_name(api).poller()).await?;
        report("delete_api", json!(self.api_names().await?))
    }

    async fn slowly(&self) -> Result<()> {
        let home = &self.names.home;
        let create = |id: &str| {
            let create = self.client.create_api().set_parent(home);
            create.set_api_id(id).set_api(Api::new())
        };
        let mut poller = create("held").poller();
        let begun = match poller.poll().await {
            Some(PollingResult::InProgress(Some(metadata))) => of_metadata(false, &metadata),
            other => return Err(format!("the operation is not in progress: {other:?}").into()),
        };
        report("start", begun)?;
        let name = self.first(home, "").await?.name;
        let get = |name: &str| self.client.get_operation().set_name(name).send();
        report("resume", of_operation(&get(&name).await?)?)?;
        let running = self.client.list_operations().set_name(home);
        let running = running.set_filter("done = false").send().await?.operations;
        let running: Result<Vec<Value>> = running.iter().map(of_operation).collect();
        report("list_running", json!(running?))?;
        let busy = self
            .client
            .delete_api()
            .set_name(format!("{home}/apis/held"));
        report("busy", of_error(&refused(busy.send().await)?))?;
        let cancel = |name: &str| self.client.cancel_operation().set_name(name).send();
        cancel(&name).await?;
        report("cancel", of_error(&refused(poller.until_done().await)?))?;
        report("cancelled", of_operation(&get(&name).await?)?)?;
        let other = create("other").send().await?.name;
        cancel(&other).await?;
        report("cancel_by_name", of_operation(&get(&other).await?)?)?;

        let failed = refused(create("doomed").poller().until_done().await)?;
        report("create_doomed", of_error(&failed))?;
        let mut codes = Vec::new();
        for number in 1..=16 {
            let error = refused(create(&format!("code-{number}")).send().await)?;
            codes.push(of_error(&error));
        }
        report("every_code", json!(codes))
    }
}

/// Returns the result of an operation.
async fn ended<R>(poller: impl Poller<R, OperationMetadata>) -> Result<R> {
    Ok(tokio::time::timeout(WAIT, poller.until_done()).await??)
}

fn mask<const N: usize>(paths: [&str; N]) -> FieldMask {
    FieldMask::default().set_paths(paths)
}

fn of_document(text: &str) -> ApiConfig {
    let file = File::new()
        .set_path("openapi.json")
        .set_contents(text.to_owned());
    ApiConfig::new().set_openapi_documents([OpenApiDocument::new().set_document(file)])
}
