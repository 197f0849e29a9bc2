//! Random calls, faults, clocks and restarts, and the invariants after each step.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use prost::Message as _;
use prost_types::FieldMask;
#[cfg(feature = "emulator-data")]
use tokio::time::Instant;
use tonic::{Code, Status};

use super::broken;
use crate::contract::Method;
use crate::emulator::{CancelBehavior, Emulator, OperationPlan};
use crate::proto::google::cloud::apigateway::v1::api_config::{File, OpenApiDocument};
use crate::proto::google::cloud::apigateway::v1::api_gateway_service_client::ApiGatewayServiceClient;
use crate::proto::google::cloud::apigateway::v1::*;
use crate::proto::google::iam::v1::iam_policy_client::IamPolicyClient;
use crate::proto::google::iam::v1::{Binding, Policy, SetIamPolicyRequest};
use crate::proto::google::longrunning::operations_client::OperationsClient;
use crate::proto::google::longrunning::{
    CancelOperationRequest, DeleteOperationRequest, Operation, operation,
};
use crate::proto::google::r#type::Expr;

const GLOBAL: &str = "projects/p/locations/global";
const REGION: &str = "projects/p/locations/us-central1";
const BEGINNING: Duration = Duration::from_secs(1_800_000_000);
/// A valid document. A config needs one: without it the create is rejected, and with an invalid one its operation fails.
const DOCUMENT: &str = "swagger: '2.0'\ninfo: {title: t, version: '1'}\npaths: {}\n";

/// A resource with one of few names, so that steps affect the same resources.
#[derive(Clone, Copy, Debug)]
enum What {
    Api(usize),
    Config(usize, usize),
    Gateway(usize),
}

#[derive(Clone, Debug)]
enum Step {
    Create(What, usize, Option<Plan>),
    Update(What, usize, Option<Plan>),
    Delete(What, Option<Plan>),
    /// One of the started operations, counted from the last.
    Cancel(usize),
    Forget(usize),
    Policy(What),
    Fault(usize, usize),
    Advance(u64),
    Restart,
    /// An export, and its import.
    Transfer,
    Clear,
}

#[derive(Clone, Debug)]
struct Plan {
    takes: u64,
    fails: Option<Code>,
    cancelling: CancelBehavior,
    forgotten: Option<u64>,
    has_invalid_files: bool,
}

impl What {
    fn name(self) -> String {
        match self {
            Self::Api(api) => format!("{GLOBAL}/apis/a{api}"),
            Self::Config(api, config) => format!("{GLOBAL}/apis/a{api}/configs/c{config}"),
            Self::Gateway(gateway) => format!("{REGION}/gateways/g{gateway}"),
        }
    }

    /// Returns the methods that create, update and delete the resource.
    fn methods(self) -> [&'static Method; 3] {
        match self {
            Self::Api(_) => [Method::CREATE_API, Method::UPDATE_API, Method::DELETE_API],
            Self::Config(..) => [
                Method::CREATE_API_CONFIG,
                Method::UPDATE_API_CONFIG,
                Method::DELETE_API_CONFIG,
            ],
            Self::Gateway(_) => [
                Method::CREATE_GATEWAY,
                Method::UPDATE_GATEWAY,
                Method::DELETE_GATEWAY,
            ],
        }
    }
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        (0..2_usize).prop_map(What::Api),
        (0..2_usize, 0..2_usize).prop_map(|(api, config)| What::Config(api, config)),
        (0..2_usize).prop_map(What::Gateway),
    ]
}

fn plan() -> impl Strategy<Value = Option<Plan>> {
    let cancelling = prop_oneof![
        4 => Just(CancelBehavior::Honoured),
        3 => (0..40_u64).prop_map(|time| CancelBehavior::HonouredAfter(Duration::from_secs(time))),
        1 => Just(CancelBehavior::Ignored),
        1 => Just(CancelBehavior::Fails(Status::internal("planned failure"))),
        1 => Just(CancelBehavior::Fails(Status::cancelled("injected"))),
        1 => Just(CancelBehavior::Unimplemented),
    ];
    let fails = prop_oneof![
        5 => Just(None),
        1 => Just(Some(Code::Internal)),
        1 => Just(Some(Code::Cancelled)),
    ];
    let forgotten = proptest::option::weighted(0.2, 0..60_u64);
    let plan = (
        0..40_u64,
        fails,
        cancelling,
        forgotten,
        proptest::bool::weighted(0.1),
    );
    let plan = plan.prop_map(
        |(takes, fails, cancelling, forgotten, has_invalid_files)| Plan {
            takes,
            fails,
            cancelling,
            forgotten,
            has_invalid_files,
        },
    );
    proptest::option::weighted(0.7, plan)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (what(), 0..4_usize, plan()).prop_map(|(what, config, plan)| Step::Create(what, config, plan)),
        4 => (what(), 0..4_usize, plan()).prop_map(|(what, config, plan)| Step::Update(what, config, plan)),
        4 => (what(), plan()).prop_map(|(what, plan)| Step::Delete(what, plan)),
        6 => (0..4_usize).prop_map(Step::Cancel),
        1 => (0..6_usize).prop_map(Step::Forget),
        2 => what().prop_map(Step::Policy),
        1 => (0..9_usize, 0..4_usize).prop_map(|(method, fault)| Step::Fault(method, fault)),
        8 => (0..40_u64).prop_map(Step::Advance),
        1 => Just(Step::Restart),
        2 => Just(Step::Transfer),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let clear = prop_oneof![40 => step(), 1 => Just(Step::Clear)];
    proptest::collection::vec(clear, 1..60)
}

/// An emulator, and the file with its state, if it has one.
struct Rig {
    emulator: Emulator,
    #[cfg(feature = "emulator-data")]
    file: Option<std::path::PathBuf>,
    #[cfg(feature = "emulator-data")]
    began: Instant,
    operations: Vec<String>,
}

impl Rig {
    fn in_memory() -> Self {
        let builder = Emulator::builder().operation_time(Duration::from_secs(20));
        Self {
            emulator: builder
                .begins_at(SystemTime::UNIX_EPOCH + BEGINNING)
                .build(),
            #[cfg(feature = "emulator-data")]
            file: None,
            #[cfg(feature = "emulator-data")]
            began: Instant::now(),
            operations: Vec::new(),
        }
    }

    #[cfg(feature = "emulator-data")]
    fn in_file(path: std::path::PathBuf) -> Self {
        let began = Instant::now();
        Self {
            emulator: open(&path, began),
            file: Some(path),
            began,
            operations: Vec::new(),
        }
    }

    async fn run(&mut self, step: &Step) -> Result<(), Status> {
        let started = match step {
            Step::Create(what, config, plan) => self.create(*what, *config, plan.as_ref()).await?,
            Step::Update(what, config, plan) => self.update(*what, *config, plan.as_ref()).await?,
            Step::Delete(what, plan) => self.delete(*what, plan.as_ref()).await?,
            Step::Cancel(back) => {
                let name = self.operation(*back);
                let mut client = OperationsClient::new(self.emulator.service());
                client
                    .cancel_operation(CancelOperationRequest { name })
                    .await?;
                return Ok(());
            }
            Step::Forget(back) => {
                let name = self.operation(*back);
                let mut client = OperationsClient::new(self.emulator.service());
                client
                    .delete_operation(DeleteOperationRequest { name })
                    .await?;
                return Ok(());
            }
            Step::Policy(what) => {
                let mut client = IamPolicyClient::new(self.emulator.service());
                let request = SetIamPolicyRequest {
                    resource: what.name(),
                    policy: Some(conditional_policy()),
                    update_mask: None,
                };
                client.set_iam_policy(request).await?;
                return Ok(());
            }
            Step::Fault(method, fault) => {
                let kinds = [What::Api(0), What::Config(0, 0), What::Gateway(0)];
                let on = self.emulator.on(kinds[method / 3].methods()[method % 3]);
                match fault {
                    0 => on.fail(Status::unavailable("injected")),
                    1 => on.delay(Duration::from_secs(15)),
                    2 => on.drop_connection(),
                    _ => on.lose_response(),
                }
                .leave();
                return Ok(());
            }
            Step::Advance(seconds) => {
                tokio::time::advance(Duration::from_secs(*seconds)).await;
                return Ok(());
            }
            Step::Restart => {
                self.restart();
                return Ok(());
            }
            Step::Transfer => {
                self.transfer();
                return Ok(());
            }
            Step::Clear => {
                self.emulator.reset();
                self.operations.clear();
                return Ok(());
            }
        };
        self.operations.push(started.name);
        Ok(())
    }

    fn operation(&self, back: usize) -> String {
        let place = self.operations.len().checked_sub(1 + back);
        place.map_or_else(
            || format!("{GLOBAL}/operations/none"),
            |place| self.operations[place].clone(),
        )
    }

    /// Sets a plan for the operation of the next call of a method.
    fn plan(&self, method: &'static Method, plan: Option<&Plan>) {
        let Some(plan) = plan else { return };
        let mut operation = OperationPlan::default()
            .takes(Duration::from_secs(plan.takes))
            .cancel_behavior(plan.cancelling.clone());
        if let Some(code) = plan.fails {
            operation = operation.fails(Status::new(code, "injected"));
        }
        if let Some(time) = plan.forgotten {
            operation = operation.forgotten_after(Duration::from_secs(time));
        }
        self.emulator.on(method).operation(operation).leave();
    }

    fn client(&self) -> ApiGatewayServiceClient<tonic::service::Routes> {
        ApiGatewayServiceClient::new(self.emulator.service())
    }

    async fn create(
        &self,
        what: What,
        config: usize,
        plan: Option<&Plan>,
    ) -> Result<Operation, Status> {
        self.plan(what.methods()[0], plan);
        let mut client = self.client();
        let started = match what {
            What::Api(api) => {
                let request = CreateApiRequest {
                    parent: GLOBAL.into(),
                    api_id: format!("a{api}"),
                    api: None,
                };
                client.create_api(request).await?
            }
            What::Config(api, config) => {
                let is_invalid = plan.is_some_and(|plan| plan.has_invalid_files);
                let contents = if is_invalid {
                    "swagger: '2.0'\n"
                } else {
                    DOCUMENT
                };
                let document = File {
                    path: "openapi.yaml".into(),
                    contents: contents.into(),
                };
                let documents = vec![OpenApiDocument {
                    document: Some(document),
                }];
                let request = CreateApiConfigRequest {
                    parent: What::Api(api).name(),
                    api_config_id: format!("c{config}"),
                    api_config: Some(ApiConfig {
                        openapi_documents: documents,
                        ..ApiConfig::default()
                    }),
                };
                client.create_api_config(request).await?
            }
            What::Gateway(gateway) => {
                let request = CreateGatewayRequest {
                    parent: REGION.into(),
                    gateway_id: format!("g{gateway}"),
                    gateway: Some(with_config(String::new(), config)),
                };
                client.create_gateway(request).await?
            }
        };
        Ok(started.into_inner())
    }

    async fn update(
        &self,
        what: What,
        config: usize,
        plan: Option<&Plan>,
    ) -> Result<Operation, Status> {
        self.plan(what.methods()[1], plan);
        let mut client = self.client();
        let name = what.name();
        let update_mask = Some(FieldMask {
            paths: vec!["display_name".into()],
        });
        let display_name = format!("d{config}");
        let started = match what {
            What::Api(_) => {
                let api = Some(Api {
                    name,
                    display_name,
                    ..Api::default()
                });
                client
                    .update_api(UpdateApiRequest { update_mask, api })
                    .await?
            }
            What::Config(..) => {
                let api_config = Some(ApiConfig {
                    name,
                    display_name,
                    ..ApiConfig::default()
                });
                let request = UpdateApiConfigRequest {
                    update_mask,
                    api_config,
                };
                client.update_api_config(request).await?
            }
            What::Gateway(_) => {
                let update_mask = Some(FieldMask {
                    paths: vec!["api_config".into()],
                });
                let request = UpdateGatewayRequest {
                    update_mask,
                    gateway: Some(with_config(name, config)),
                };
                client.update_gateway(request).await?
            }
        };
        Ok(started.into_inner())
    }

    async fn delete(&self, what: What, plan: Option<&Plan>) -> Result<Operation, Status> {
        self.plan(what.methods()[2], plan);
        let mut client = self.client();
        let name = what.name();
        let started = match what {
            What::Api(_) => client.delete_api(DeleteApiRequest { name }).await?,
            What::Config(..) => {
                client
                    .delete_api_config(DeleteApiConfigRequest { name })
                    .await?
            }
            What::Gateway(_) => client.delete_gateway(DeleteGatewayRequest { name }).await?,
        };
        Ok(started.into_inner())
    }

    /// Restarts the emulator, and checks that its content is the same.
    fn restart(&mut self) {
        let before = content(&self.emulator);
        self.reopen();
        let after = content(&self.emulator);
        assert_eq!(after, before, "a restart lost something");
    }

    /// Imports the emulator's own export, and checks that its content is the same.
    fn transfer(&self) {
        let before = content(&self.emulator);
        let imported = self.emulator.import(self.emulator.export());
        imported.expect("an export is valid");
        let after = content(&self.emulator);
        assert_eq!(after, before, "an import changed something");
    }

    #[cfg(not(feature = "emulator-data"))]
    fn reopen(&mut self) {}

    /// Closes the file and opens it again.
    #[cfg(feature = "emulator-data")]
    fn reopen(&mut self) {
        let Some(file) = &self.file else { return };
        // Dropping the last clone of the emulator closes the file, so another emulator replaces it first.
        self.emulator = Emulator::builder().build();
        self.emulator = open(file, self.began);
    }

    fn check(&self) {
        let broken = broken(&self.emulator.core.state.lock());
        assert!(broken.is_empty(), "{broken:#?}");
    }

    /// Advances the clock, and checks that all operations have ended.
    async fn finish(&self) {
        tokio::time::advance(Duration::from_secs(1_000_000)).await;
        self.check();
        let tables = self.emulator.core.state.lock();
        let running = tables.operations.rows.values();
        let running = running.filter(|running| running.result.is_none());
        assert_eq!(running.count(), 0, "operations that never end");
    }
}

#[cfg(feature = "emulator-data")]
fn open(path: &std::path::Path, began: Instant) -> Emulator {
    let builder = Emulator::builder().operation_time(Duration::from_secs(20));
    let builder = builder.begins_at(SystemTime::UNIX_EPOCH + BEGINNING + began.elapsed());
    builder.open(path).expect("a file of ours")
}

/// Returns a policy of version 3.
fn conditional_policy() -> Policy {
    let condition = Expr {
        expression: "true".into(),
        ..Expr::default()
    };
    let binding = Binding {
        role: "roles/apigateway.viewer".into(),
        members: vec!["user:a@example.com".into()],
        condition: Some(condition),
    };
    Policy {
        version: 3,
        bindings: vec![binding],
        ..Policy::default()
    }
}

fn with_config(name: String, config: usize) -> Gateway {
    Gateway {
        name,
        api_config: What::Config(config / 2, config % 2).name(),
        ..Gateway::default()
    }
}

/// Returns everything that a client can see.
fn content(emulator: &Emulator) -> BTreeMap<String, Vec<u8>> {
    let tables = emulator.core.state.lock();
    let apis = tables.apis.rows().iter();
    let apis = apis.map(|(name, row)| (name.clone(), row.encode_to_vec()));
    let configs = tables.configs.rows().iter();
    let configs = configs.map(|(name, row)| (name.clone(), row.encode_to_vec()));
    let gateways = tables.gateways.rows().iter();
    let gateways = gateways.map(|(name, row)| (name.clone(), row.encode_to_vec()));
    let policies = tables.policies.iter();
    let policies = policies.map(|(name, row)| (format!("policy/{name}"), row.encode_to_vec()));
    let operations = tables.operations.rows.keys();
    let operations = operations.filter_map(|name| {
        let operation = tables.operation(name, false)?;
        Some((name.clone(), operation.encode_to_vec()))
    });
    let resources = apis.chain(configs).chain(gateways);
    resources.chain(policies).chain(operations).collect()
}

async fn hold(mut rig: Rig, steps: &[Step]) {
    for step in steps {
        if let Err(status) = rig.run(step).await {
            let is_injected = matches!(
                status.message(),
                "injected" | "connection dropped by a fault of the emulator"
            );
            let refused = matches!(
                status.code(),
                Code::NotFound
                    | Code::AlreadyExists
                    | Code::Aborted
                    | Code::FailedPrecondition
                    | Code::Unimplemented
            );
            assert!(is_injected || refused, "{step:?}: {status:?}");
        }
        rig.check();
    }
    rig.finish().await;
}

fn paused() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold_after_every_step(steps in steps()) {
        paused().block_on(async { hold(Rig::in_memory(), &steps).await });
    }
}

#[cfg(feature = "emulator-data")]
proptest! {
    // Each call waits for the disk.
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold_in_a_file_over_restarts(steps in steps(), number: u64) {
        let name = format!("invariants-{}-{number:x}.redb", std::process::id());
        let path = std::env::temp_dir().join(name);
        paused().block_on(async { hold(Rig::in_file(path.clone()), &steps).await });
        std::fs::remove_file(path)?;
    }
}

#[tokio::test(start_paused = true)]
async fn the_check_finds_a_missing_api_and_a_stray_policy_and_a_lock_of_a_done_operation() {
    let rig = Rig::in_memory();
    rig.create(What::Api(0), 0, None).await.expect("new");
    rig.create(What::Config(0, 0), 0, None).await.expect("new");
    rig.check();
    let mut tables = rig.emulator.core.state.lock();
    tables.apis.remove(&What::Api(0).name());
    tables.policies.insert("nothing".into(), Policy::default());
    let name = rig_operation(&tables);
    tables
        .operations
        .rows
        .get_mut(&name)
        .expect("it runs")
        .result = Some(operation::Result::Error(Default::default()));
    let found = broken(&tables).join("\n");
    for part in ["the API of", "has a policy", "is done and holds"] {
        assert!(found.contains(part), "{part}: {found}");
    }
}

fn rig_operation(tables: &crate::emulator::state::Tables) -> String {
    let names = tables.operations.rows.keys();
    names.last().expect("two run").clone()
}
