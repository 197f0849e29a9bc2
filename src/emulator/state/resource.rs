//! The three kinds of resources.

use std::collections::HashMap;

use prost::{Message, Name};
use prost_types::Timestamp;
use tonic::Status;

use super::location::{self, LocationKind};
use super::operation::{ResourceKind, Verb};
use super::table::Table;
use super::tables::Tables;
use crate::config_check::{self, Diagnostic};
use crate::contract::Method;
use crate::emulator::error;
use crate::emulator::error::violations::Violations;
use crate::emulator::list::field::{FieldType, FieldValue, Fields};
use crate::names::ApiConfigName;
use crate::names::ApiName;
use crate::names::GatewayName;
use crate::proto::google::cloud::apigateway::v1::{
    Api, ApiConfig, Gateway, api, api_config, gateway,
};

/// A kind of resource.
pub(crate) trait Resource:
    Message + Name + Clone + Default + PartialEq + Fields + 'static
{
    /// The kind, as operations record it.
    const RESOURCE_KIND: ResourceKind;
    /// The kind, as errors name it.
    const KIND: &'static str;
    /// The segment of names before the id.
    const COLLECTION: &'static str;
    /// The name of the request field that has the resource.
    const FIELD: &'static str;
    /// The pattern of names.
    const PATTERN: &'static str;
    /// The mutable fields that only this kind has.
    const MUTABLE: &'static [&'static str] = &[];
    /// The immutable fields that only this kind has.
    const IMMUTABLE: &'static [&'static str] = &[];

    fn table(tables: &Tables) -> &Table<Self>;
    fn table_mut(tables: &mut Tables) -> &mut Table<Self>;
    fn method(verb: Verb) -> &'static Method;
    fn common(&mut self) -> Common<'_>;
    fn create_time(&self) -> Option<Timestamp>;

    /// Checks the parent of a create, or of a list, in which a segment may be `-`.
    fn check_parent(tables: &Tables, parent: &str, is_list: bool) -> Result<(), Status>;

    /// Checks a new resource, and sets the fields that the service sets, except the common ones.
    fn prepare(&mut self, tables: &Tables, name: &str, id: &str) -> Result<(), Status>;

    /// Returns the diagnostics of the files. If one of them is an error, the resource is created and its operation fails.
    fn diagnostics(&self) -> Vec<Diagnostic> {
        Vec::new()
    }

    /// Returns a lock that only one creation at a time can hold.
    fn creation_lock(_name: &str) -> Option<String> {
        None
    }

    /// Adds the violations that do not depend on other resources, except those of common fields.
    fn validate(&self, _violations: &mut Violations) {}

    /// Returns all mutable fields.
    fn mutable_fields() -> impl Iterator<Item = &'static str> {
        ["labels", "display_name"]
            .into_iter()
            .chain(Self::MUTABLE.iter().copied())
    }

    /// Copies one of the [`MUTABLE`](Self::MUTABLE) fields.
    fn copy_field(&mut self, _field: &str, _from: &Self) {}

    /// Returns a resource with only one of the [`IMMUTABLE`](Self::IMMUTABLE) fields.
    fn only_field(&self, field: &str) -> Self;

    /// Checks the resources that this one refers to.
    fn check_references(&self, _tables: &Tables) -> Result<(), Status> {
        Ok(())
    }

    /// Returns the service account, which is empty if none is set; `None` for kinds without one.
    fn account<'t>(&'t self, _tables: &'t Tables) -> Option<&'t str> {
        None
    }

    /// Returns a description of the use of the resource, or `None`. A resource in use cannot be deleted.
    fn use_of(_tables: &Tables, _name: &str) -> Option<String> {
        None
    }

    /// Returns the resource without its input-only fields, which no response has.
    fn full_view(&self) -> Self {
        self.clone()
    }

    /// Returns the resource as responses have it by default.
    fn basic_view(&self) -> Self {
        self.clone()
    }
}

/// The fields that all kinds have.
#[derive(Debug)]
pub(crate) struct Common<'r> {
    pub(crate) name: &'r mut String,
    pub(crate) create_time: &'r mut Option<Timestamp>,
    pub(crate) update_time: &'r mut Option<Timestamp>,
    pub(crate) labels: &'r mut HashMap<String, String>,
    pub(crate) display_name: &'r mut String,
    /// The number of the state. All kinds use the same numbers.
    pub(crate) state: &'r mut i32,
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

/// Implements [`Fields`]: the common fields, and further text fields of the kind.
macro_rules! fields {
    ($kind:ident, $state:path, [$($text:ident),*]) => {
        impl Fields for $kind {
            const FIELDS: &'static [(&'static str, FieldType)] = &[
                ("name", FieldType::Text),
                ("create_time", FieldType::Time),
                ("update_time", FieldType::Time),
                ("labels", FieldType::Map),
                ("display_name", FieldType::Text),
                ("state", FieldType::Enum(|number| <$state>::try_from(number).ok().map(|state| state.as_str_name()))),
                $((stringify!($text), FieldType::Text),)*
            ];

            fn value(&self, path: &str) -> FieldValue<'_> {
                match path {
                    "name" => FieldValue::text(&self.name),
                    "create_time" => FieldValue::time(self.create_time),
                    "update_time" => FieldValue::time(self.update_time),
                    "labels" => FieldValue::Map(&self.labels),
                    "display_name" => FieldValue::text(&self.display_name),
                    "state" => FieldValue::Number(self.state.into()),
                    $(stringify!($text) => FieldValue::text(&self.$text),)*
                    _ => FieldValue::Unset,
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
    const RESOURCE_KIND: ResourceKind = ResourceKind::Api;
    const KIND: &'static str = "API";
    const COLLECTION: &'static str = "apis";
    const FIELD: &'static str = "api";
    const PATTERN: &'static str = ApiName::PATTERN;
    const IMMUTABLE: &'static [&'static str] = &["managed_service"];

    common!(apis, CREATE_API, UPDATE_API, DELETE_API);

    fn check_parent(_: &Tables, parent: &str, is_list: bool) -> Result<(), Status> {
        match LocationKind::parse("parent", parent, is_list)? {
            LocationKind::Global | LocationKind::All => Ok(()),
            LocationKind::Region => Err(error::invalid(
                "parent",
                "must be projects/{project}/locations/global",
            )),
        }
    }

    fn prepare(&mut self, _: &Tables, name: &str, id: &str) -> Result<(), Status> {
        if self.managed_service.is_empty() {
            let project = location::project(name);
            let hash = hash(name);
            self.managed_service = format!("{id}-{hash:08x}.apigateway.{project}.cloud.goog");
        }
        Ok(())
    }

    fn only_field(&self, field: &str) -> Self {
        let mut only = Self::default();
        if field == "managed_service" {
            only.managed_service.clone_from(&self.managed_service);
        }
        only
    }

    fn use_of(tables: &Tables, name: &str) -> Option<String> {
        let within = format!("{name}/{}/", ApiConfig::COLLECTION);
        let mut configs = tables.configs.rows().range(within.clone()..);
        let (config, _) = configs.next()?;
        config
            .starts_with(&within)
            .then(|| format!("still has the config {config}"))
    }
}

impl Resource for ApiConfig {
    const RESOURCE_KIND: ResourceKind = ResourceKind::ApiConfig;
    const KIND: &'static str = "ApiConfig";
    const COLLECTION: &'static str = "configs";
    const FIELD: &'static str = "api_config";
    const PATTERN: &'static str = ApiConfigName::PATTERN;
    const IMMUTABLE: &'static [&'static str] = &[
        "gateway_service_account",
        "openapi_documents",
        "grpc_services",
        "managed_service_configs",
    ];

    common!(
        configs,
        CREATE_API_CONFIG,
        UPDATE_API_CONFIG,
        DELETE_API_CONFIG
    );

    fn check_parent(tables: &Tables, parent: &str, is_list: bool) -> Result<(), Status> {
        let why = "must be projects/{project}/locations/global/apis/{api}";
        let invalid = || error::invalid("parent", why);
        let (location, api) = parent.split_once("/apis/").ok_or_else(invalid)?;
        Api::check_parent(tables, location, is_list)?;
        if is_list && (api == "-" || location.ends_with("/-")) {
            return Ok(());
        }
        if api.is_empty() || api.contains('/') {
            return Err(invalid());
        }
        let found = tables.apis.get(parent);
        found
            .map(drop)
            .ok_or_else(|| error::not_found(Api::KIND, parent))
    }

    fn prepare(&mut self, tables: &Tables, name: &str, id: &str) -> Result<(), Status> {
        config_check::structure(self).map_err(error::invalid_fields)?;
        let (api, _) = name.split_once("/configs/").unwrap_or_default();
        if let Some(api) = tables.apis.get(api)
            && api.state() == api::State::Deleting
        {
            return Err(error::not_ready(Api::KIND, &api.name, "is being deleted"));
        }
        if tables.operations.will_be_removed(api) {
            let why = "will be removed: its creation was cancelled";
            return Err(error::not_ready(Api::KIND, api, why));
        }
        self.service_config_id = format!("{id}-{:08x}", hash(name));
        Ok(())
    }

    fn diagnostics(&self) -> Vec<Diagnostic> {
        config_check::check_files(self)
    }

    fn only_field(&self, field: &str) -> Self {
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

    fn full_view(&self) -> Self {
        let mut config = self.clone();
        for service in &mut config.grpc_services {
            service.file_descriptor_set = None;
        }
        config
    }

    fn account<'t>(&'t self, _: &'t Tables) -> Option<&'t str> {
        Some(&self.gateway_service_account)
    }

    fn validate(&self, violations: &mut Violations) {
        let field = "api_config.gateway_service_account";
        violations.account(field, &self.gateway_service_account);
    }

    fn creation_lock(name: &str) -> Option<String> {
        name.split_once("/configs/")
            .map(|(api, _)| format!("{api}/configs"))
    }

    fn use_of(tables: &Tables, name: &str) -> Option<String> {
        let gateways = &tables.gateways;
        let mut rows = gateways.rows().values().chain(gateways.pending.values());
        rows.find(|gateway| gateway.api_config == name)
            .map(|gateway| format!("is in use by the gateway {}", gateway.name))
    }

    fn basic_view(&self) -> Self {
        Self {
            openapi_documents: Vec::new(),
            grpc_services: Vec::new(),
            managed_service_configs: Vec::new(),
            ..self.clone()
        }
    }
}

impl Resource for Gateway {
    const RESOURCE_KIND: ResourceKind = ResourceKind::Gateway;
    const KIND: &'static str = "Gateway";
    const COLLECTION: &'static str = "gateways";
    const FIELD: &'static str = "gateway";
    const PATTERN: &'static str = GatewayName::PATTERN;
    const MUTABLE: &'static [&'static str] = &["api_config"];

    common!(gateways, CREATE_GATEWAY, UPDATE_GATEWAY, DELETE_GATEWAY);

    fn check_parent(_: &Tables, parent: &str, is_list: bool) -> Result<(), Status> {
        match LocationKind::parse("parent", parent, is_list)? {
            LocationKind::Region | LocationKind::All => Ok(()),
            LocationKind::Global => Err(error::invalid(
                "parent",
                "must be projects/{project}/locations/{region}: gateways are regional",
            )),
        }
    }

    fn prepare(&mut self, tables: &Tables, name: &str, id: &str) -> Result<(), Status> {
        let code = location::region_code(name);
        self.default_hostname = format!("{id}-{:08x}.{code}.gateway.dev", hash(name));
        self.check_references(tables)
    }

    fn validate(&self, violations: &mut Violations) {
        violations.name(
            "gateway.api_config",
            &self.api_config,
            &[ApiConfigName::PATTERN],
        );
    }

    fn only_field(&self, _field: &str) -> Self {
        // A gateway has no immutable fields.
        Self::default()
    }

    fn copy_field(&mut self, field: &str, from: &Self) {
        if field == "api_config" {
            self.api_config.clone_from(&from.api_config);
        }
    }

    fn account<'t>(&'t self, tables: &'t Tables) -> Option<&'t str> {
        let config = tables.configs.get(&self.api_config)?;
        config.account(tables)
    }

    fn check_references(&self, tables: &Tables) -> Result<(), Status> {
        let config = tables.configs.get(&self.api_config);
        let config = config.ok_or_else(|| error::not_found(ApiConfig::KIND, &self.api_config))?;
        let state = match config.state() {
            // During an update the previous state counts.
            api_config::State::Updating => {
                let before = tables.configs.pending.get(&self.api_config);
                before.unwrap_or(config).state()
            }
            state => state,
        };
        match state {
            api_config::State::Active => Ok(()),
            other => {
                let why = format!("is {}, not ACTIVE", other.as_str_name());
                Err(error::not_ready(ApiConfig::KIND, &config.name, &why))
            }
        }
    }
}

/// Returns the FNV-1a hash. The emulator derives from it the values that the service draws at random, so that they are
/// the same in every run.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
