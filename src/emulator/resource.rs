//! What the three kinds of resources have in common, and what sets them apart.

use std::collections::HashMap;

use prost::{Message, Name};
use prost_types::Timestamp;
use tonic::Status;

use super::field::{Fields, Kind, Value};
use super::place::{self, Place};
use super::refusal;
use super::running::Verb;
use super::state::Tables;
use super::table::Table;
use super::violations::Violations;
use crate::config_check::{self, Diagnostic};
use crate::contract::Method;
use crate::names::ApiConfigName;
use crate::names::ApiName;
use crate::names::GatewayName;
use crate::proto::google::cloud::apigateway::v1::{
    Api, ApiConfig, Gateway, api, api_config, gateway,
};

/// A kind of resource.
pub(super) trait Resource:
    Message + Name + Clone + Default + PartialEq + Fields + 'static
{
    /// As errors name it.
    const KIND: &'static str;
    /// The segment before its id.
    const COLLECTION: &'static str;
    /// The field of requests that has it.
    const FIELD: &'static str;
    /// The form of its name.
    const PATTERN: &'static str;
    /// The fields of its own that can be changed.
    const CHANGED: &'static [&'static str] = &[];
    /// Those that cannot be changed once it is created.
    const FIXED: &'static [&'static str] = &[];
    /// What happens halfway to its creation.
    const HALF: Option<fn(&mut Tables, &str)> = None;

    fn table(tables: &Tables) -> &Table<Self>;
    fn table_mut(tables: &mut Tables) -> &mut Table<Self>;
    fn method(verb: Verb) -> &'static Method;
    fn common(&mut self) -> Common<'_>;
    fn create_time(&self) -> Option<Timestamp>;

    /// Checks what it is created in; `-` may stand for segments if it is to be listed.
    fn check_parent(tables: &Tables, parent: &str, listed: bool) -> Result<(), Status>;

    /// Checks a new one and sets what the service sets, the common fields aside.
    fn complete(&mut self, tables: &Tables, name: &str, id: &str) -> Result<(), Status>;

    /// What is wrong in its files: it is created all the same, and its operation fails.
    fn diagnostics(&self) -> Vec<Diagnostic> {
        Vec::new()
    }

    /// What no two creations may hold at a time.
    fn creation_hold(_name: &str) -> Option<String> {
        None
    }

    /// Notes what is wrong with one by itself, the common fields aside.
    fn note(&self, _wrong: &mut Violations) {}

    /// The fields that can be changed.
    fn changed() -> impl Iterator<Item = &'static str> {
        ["labels", "display_name"]
            .into_iter()
            .chain(Self::CHANGED.iter().copied())
    }

    /// Takes over a field of its own that can be changed.
    fn take(&mut self, _field: &str, _from: &Self) {}

    /// A resource with nothing but one of its [`FIXED`](Self::FIXED) fields.
    fn only(&self, field: &str) -> Self;

    /// Checks one after an update.
    fn check_change(&self, _tables: &Tables) -> Result<(), Status> {
        Ok(())
    }

    /// The service account that it acts as, empty if that is none; `None` for what never acts.
    fn account<'t>(&'t self, _tables: &'t Tables) -> Option<&'t str> {
        None
    }

    /// Why it cannot be deleted.
    fn used(_tables: &Tables, _name: &str) -> Option<String> {
        None
    }

    /// The resource without its input-only fields, which no reply has.
    fn full(&self) -> Self {
        self.clone()
    }

    /// As replies have it, if nobody asks for more.
    fn basic(&self) -> Self {
        self.clone()
    }
}

/// The fields that all kinds have.
#[derive(Debug)]
pub(super) struct Common<'r> {
    pub(super) name: &'r mut String,
    pub(super) create_time: &'r mut Option<Timestamp>,
    pub(super) update_time: &'r mut Option<Timestamp>,
    pub(super) labels: &'r mut HashMap<String, String>,
    pub(super) display_name: &'r mut String,
    /// Numbered alike in all kinds.
    pub(super) state: &'r mut i32,
}

macro_rules! common {
    ($table:ident, $create:ident, $update:ident, $delete:ident) => {
        fn table(tables: &Tables) -> &Table<Self> {
            &tables.$table
        }

        fn table_mut(tables: &mut Tables) -> &mut Table<Self> {
            &mut tables.$table
        }

        fn method(verb: Verb) -> &'static Method {
            match verb {
                Verb::Create => Method::$create,
                Verb::Update => Method::$update,
                Verb::Delete => Method::$delete,
            }
        }

        fn common(&mut self) -> Common<'_> {
            Common {
                name: &mut self.name,
                create_time: &mut self.create_time,
                update_time: &mut self.update_time,
                labels: &mut self.labels,
                display_name: &mut self.display_name,
                state: &mut self.state,
            }
        }

        fn create_time(&self) -> Option<Timestamp> {
            self.create_time
        }
    };
}

/// The fields that lists can go by: those of all kinds, and the texts that a kind has besides.
macro_rules! fields {
    ($kind:ident, $state:path, [$($text:ident),*]) => {
        impl Fields for $kind {
            const FIELDS: &'static [(&'static str, Kind)] = &[
                ("name", Kind::Text),
                ("create_time", Kind::Time),
                ("update_time", Kind::Time),
                ("labels", Kind::Map),
                ("display_name", Kind::Text),
                ("state", Kind::Enum(|name| <$state>::from_str_name(name).map(i32::from))),
                $((stringify!($text), Kind::Text),)*
            ];

            fn value(&self, path: &str) -> Value<'_> {
                match path {
                    "name" => Value::text(&self.name),
                    "create_time" => Value::time(self.create_time),
                    "update_time" => Value::time(self.update_time),
                    "labels" => Value::Map(&self.labels),
                    "display_name" => Value::text(&self.display_name),
                    "state" => Value::Number(self.state.into()),
                    $(stringify!($text) => Value::text(&self.$text),)*
                    _ => Value::Unset,
                }
            }
        }
    };
}

fields!(Api, api::State, [managed_service]);
fields!(
    ApiConfig,
    api_config::State,
    [gateway_service_account, service_config_id]
);
fields!(Gateway, gateway::State, [api_config, default_hostname]);

impl Resource for Api {
    const KIND: &'static str = "API";
    const COLLECTION: &'static str = "apis";
    const FIELD: &'static str = "api";
    const PATTERN: &'static str = ApiName::PATTERN;
    const FIXED: &'static [&'static str] = &["managed_service"];

    common!(apis, CREATE_API, UPDATE_API, DELETE_API);

    fn check_parent(_: &Tables, parent: &str, listed: bool) -> Result<(), Status> {
        match Place::of("parent", parent, listed)? {
            Place::Global | Place::All => Ok(()),
            Place::Region => Err(refusal::invalid(
                "parent",
                "must be projects/{project}/locations/global",
            )),
        }
    }

    fn complete(&mut self, _: &Tables, name: &str, id: &str) -> Result<(), Status> {
        if self.managed_service.is_empty() {
            let project = place::project(name);
            let hash = hash(name);
            self.managed_service = format!("{id}-{hash:08x}.apigateway.{project}.cloud.goog");
        }
        Ok(())
    }

    fn only(&self, field: &str) -> Self {
        let mut only = Self::default();
        if field == "managed_service" {
            only.managed_service.clone_from(&self.managed_service);
        }
        only
    }

    fn used(tables: &Tables, name: &str) -> Option<String> {
        let within = format!("{name}/{}/", ApiConfig::COLLECTION);
        let mut configs = tables.configs.rows().range(within.clone()..);
        let (config, _) = configs.next()?;
        config
            .starts_with(&within)
            .then(|| format!("still has the config {config}"))
    }
}

impl Resource for ApiConfig {
    const KIND: &'static str = "ApiConfig";
    const COLLECTION: &'static str = "configs";
    const FIELD: &'static str = "api_config";
    const PATTERN: &'static str = ApiConfigName::PATTERN;
    const FIXED: &'static [&'static str] = &[
        "gateway_service_account",
        "openapi_documents",
        "grpc_services",
        "managed_service_configs",
    ];
    const HALF: Option<fn(&mut Tables, &str)> = Some(|tables, name| {
        let activating = api_config::State::Activating.into();
        tables
            .configs
            .change(name, |config| config.state = activating);
    });

    common!(
        configs,
        CREATE_API_CONFIG,
        UPDATE_API_CONFIG,
        DELETE_API_CONFIG
    );

    fn check_parent(tables: &Tables, parent: &str, listed: bool) -> Result<(), Status> {
        let form = "must be projects/{project}/locations/global/apis/{api}";
        let wrong = || refusal::invalid("parent", form);
        let (location, api) = parent.split_once("/apis/").ok_or_else(wrong)?;
        Api::check_parent(tables, location, listed)?;
        if listed && (api == "-" || location.ends_with("/-")) {
            return Ok(());
        }
        if api.is_empty() || api.contains('/') {
            return Err(wrong());
        }
        let found = tables.apis.get(parent);
        found
            .map(drop)
            .ok_or_else(|| refusal::not_found(Api::KIND, parent))
    }

    fn complete(&mut self, tables: &Tables, name: &str, id: &str) -> Result<(), Status> {
        config_check::structure(self).map_err(refusal::invalid_fields)?;
        let (api, _) = name.split_once("/configs/").unwrap_or_default();
        if let Some(api) = tables.apis.get(api)
            && api.state() == api::State::Deleting
        {
            return Err(refusal::not_ready(Api::KIND, &api.name, "is being deleted"));
        }
        if tables.operations.is_being_undone(api) {
            let why = "is not going to exist: its creation was cancelled";
            return Err(refusal::not_ready(Api::KIND, api, why));
        }
        self.service_config_id = format!("{id}-{:08x}", hash(name));
        Ok(())
    }

    fn diagnostics(&self) -> Vec<Diagnostic> {
        config_check::check_files(self)
    }

    fn only(&self, field: &str) -> Self {
        let mut only = Self::default();
        match field {
            "gateway_service_account" => {
                let account = &self.gateway_service_account;
                only.gateway_service_account.clone_from(account);
            }
            "openapi_documents" => only.openapi_documents.clone_from(&self.openapi_documents),
            "grpc_services" => only.grpc_services.clone_from(&self.grpc_services),
            "managed_service_configs" => {
                let configs = &self.managed_service_configs;
                only.managed_service_configs.clone_from(configs);
            }
            _ => {}
        }
        only
    }

    fn full(&self) -> Self {
        let mut config = self.clone();
        for service in &mut config.grpc_services {
            service.file_descriptor_set = None;
        }
        config
    }

    fn account<'t>(&'t self, _: &'t Tables) -> Option<&'t str> {
        Some(&self.gateway_service_account)
    }

    fn creation_hold(name: &str) -> Option<String> {
        name.split_once("/configs/")
            .map(|(api, _)| format!("{api}/configs"))
    }

    fn used(tables: &Tables, name: &str) -> Option<String> {
        let gateways = &tables.gateways;
        let mut rows = gateways.rows().values().chain(gateways.coming.values());
        rows.find(|gateway| gateway.api_config == name)
            .map(|gateway| format!("is in use by the gateway {}", gateway.name))
    }

    fn basic(&self) -> Self {
        Self {
            openapi_documents: Vec::new(),
            grpc_services: Vec::new(),
            managed_service_configs: Vec::new(),
            ..self.clone()
        }
    }
}

impl Resource for Gateway {
    const KIND: &'static str = "Gateway";
    const COLLECTION: &'static str = "gateways";
    const FIELD: &'static str = "gateway";
    const PATTERN: &'static str = GatewayName::PATTERN;
    const CHANGED: &'static [&'static str] = &["api_config"];

    common!(gateways, CREATE_GATEWAY, UPDATE_GATEWAY, DELETE_GATEWAY);

    fn check_parent(_: &Tables, parent: &str, listed: bool) -> Result<(), Status> {
        match Place::of("parent", parent, listed)? {
            Place::Region | Place::All => Ok(()),
            Place::Global => Err(refusal::invalid(
                "parent",
                "must be a region: no gateway is global",
            )),
        }
    }

    fn complete(&mut self, tables: &Tables, name: &str, id: &str) -> Result<(), Status> {
        let code = place::region_code(name);
        self.default_hostname = format!("{id}-{:08x}.{code}.gateway.dev", hash(name));
        self.check_change(tables)
    }

    fn note(&self, wrong: &mut Violations) {
        wrong.name(
            "gateway.api_config",
            &self.api_config,
            &[ApiConfigName::PATTERN],
        );
    }

    fn only(&self, _field: &str) -> Self {
        // None of its fields is immutable.
        Self::default()
    }

    fn take(&mut self, field: &str, from: &Self) {
        if field == "api_config" {
            self.api_config.clone_from(&from.api_config);
        }
    }

    fn account<'t>(&'t self, tables: &'t Tables) -> Option<&'t str> {
        let config = tables.configs.get(&self.api_config)?;
        config.account(tables)
    }

    fn check_change(&self, tables: &Tables) -> Result<(), Status> {
        let config = tables.configs.get(&self.api_config);
        let config = config.ok_or_else(|| refusal::not_found(ApiConfig::KIND, &self.api_config))?;
        let state = match config.state() {
            // One whose labels are being changed serves as before, or does not.
            api_config::State::Updating => {
                let before = tables.configs.coming.get(&self.api_config);
                before.unwrap_or(config).state()
            }
            state => state,
        };
        match state {
            api_config::State::Active => Ok(()),
            other => {
                let why = format!("is not active but {}", other.as_str_name());
                Err(refusal::not_ready(ApiConfig::KIND, &config.name, &why))
            }
        }
    }
}

/// FNV-1a, so that what the service would draw by lot is the same in every run.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
