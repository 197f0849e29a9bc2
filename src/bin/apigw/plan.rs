//! The plan of a deploy: the changes that turn the existing resources into the desired ones. A deploy makes these changes,
//! and a dry run prints them.

use std::collections::HashMap;

use apigateway_grpc::field_mask::UpdateMask;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api::State as ApiState;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::State as ConfigState;
use apigateway_grpc::proto::google::cloud::apigateway::v1::gateway::State as GatewayState;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};

use crate::apis::{self, split};
use crate::config_id::has_content_of;
use crate::failure::Failure;
use crate::resource::is_same;

/// The names of the resources of a deploy, their desired content, and the existing resources.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) api: String,
    pub(crate) config: String,
    pub(crate) gateway: String,
    pub(crate) desired_config: ApiConfig,
    /// The desired display name of the gateway; `None` keeps the existing one.
    pub(crate) display_name: Option<String>,
    /// The labels that are added to those of the gateway.
    pub(crate) labels: HashMap<String, String>,
    pub(crate) existing_api: Option<Api>,
    /// The existing config, with its files.
    pub(crate) existing_config: Option<ApiConfig>,
    pub(crate) existing_gateway: Option<Gateway>,
}

/// One change of a deploy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    CreateApi,
    /// An operation is in progress on the API, so wait for its end.
    AwaitApi,
    CreateConfig,
    /// An operation is in progress on the config, so wait for its end.
    AwaitConfig,
    /// The creation of the config has failed, so delete the config and create it again.
    ReplaceConfig,
    CreateGateway,
    /// An operation is in progress on the gateway, so wait for its end.
    AwaitGateway,
    /// Write these fields of the gateway.
    UpdateGateway(Box<Gateway>, UpdateMask),
}

impl Plan {
    /// Returns the changes in the order in which they are made.
    ///
    /// The end of an awaited operation can require further changes, so the plan is made again after it.
    ///
    /// # Errors
    ///
    /// If the API or the gateway has failed, or a config with the same id has other content.
    pub(crate) fn changes(&self) -> Result<Vec<Change>, Failure> {
        let changes = [
            self.change_of_api()?,
            self.change_of_config()?,
            self.change_of_gateway()?,
        ];
        Ok(changes.into_iter().flatten().collect())
    }

    fn change_of_api(&self) -> Result<Option<Change>, Failure> {
        let Some(existing) = &self.existing_api else {
            return Ok(Some(Change::CreateApi));
        };
        match existing.state() {
            ApiState::Failed => Err(apis::failed(&self.api)),
            ApiState::Creating | ApiState::Updating | ApiState::Deleting => {
                Ok(Some(Change::AwaitApi))
            }
            _ => Ok(None),
        }
    }

    fn change_of_config(&self) -> Result<Option<Change>, Failure> {
        let Some(existing) = &self.existing_config else {
            return Ok(Some(Change::CreateConfig));
        };
        match existing.state() {
            ConfigState::Failed => return Ok(Some(Change::ReplaceConfig)),
            ConfigState::Creating
            | ConfigState::Activating
            | ConfigState::Updating
            | ConfigState::Deleting => return Ok(Some(Change::AwaitConfig)),
            _ => {}
        }
        match has_content_of(existing, &self.desired_config) {
            true => Ok(None),
            false => Err(format!(
                "config {} exists with other files or another service account: choose another id with --config-id",
                self.config
            )
            .into()),
        }
    }

    fn change_of_gateway(&self) -> Result<Option<Change>, Failure> {
        let Some(existing) = &self.existing_gateway else {
            return Ok(Some(Change::CreateGateway));
        };
        match existing.state() {
            GatewayState::Failed => {
                let (parent, id) = split(&self.gateway);
                let location = split(parent).1;
                return Err(format!(
                    "gateway {id} has the state FAILED: delete it with `apigw gateways delete {id} --location={location}`, and run this command again"
                )
                .into());
            }
            GatewayState::Creating | GatewayState::Updating | GatewayState::Deleting => {
                return Ok(Some(Change::AwaitGateway));
            }
            _ => {}
        }
        let mut new = existing.clone();
        if !is_same(&new.api_config, &self.config) {
            new.api_config.clone_from(&self.config);
        }
        if let Some(display_name) = &self.display_name {
            new.display_name.clone_from(display_name);
        }
        new.labels.extend(self.labels.clone());
        let mask = UpdateMask::between(existing, &new);
        Ok((!mask.is_empty()).then(|| Change::UpdateGateway(Box::new(new), mask)))
    }

    /// Returns the gateway to create.
    pub(crate) fn new_gateway(&self) -> Gateway {
        Gateway {
            api_config: self.config.clone(),
            display_name: self.display_name.clone().unwrap_or_default(),
            labels: self.labels.clone(),
            ..Gateway::default()
        }
    }

    /// Returns the name of the config that the gateway serves, if it is not the planned one.
    pub(crate) fn previous_config(&self) -> Option<&str> {
        let serving = self.existing_gateway.as_ref()?.api_config.as_str();
        (!serving.is_empty() && !is_same(serving, &self.config)).then_some(serving)
    }

    /// Returns the line of a dry run for a change.
    pub(crate) fn line(&self, change: &Change) -> String {
        let Self {
            api,
            config,
            gateway,
            ..
        } = self;
        match change {
            Change::CreateApi => format!("create api {api}"),
            Change::AwaitApi => format!("wait for api {api}"),
            Change::CreateConfig => format!("create config {config}"),
            Change::AwaitConfig => format!("wait for config {config}"),
            Change::ReplaceConfig => {
                format!("delete and create config {config}, whose creation failed")
            }
            Change::CreateGateway => format!("create gateway {gateway}"),
            Change::AwaitGateway => format!("wait for gateway {gateway}"),
            Change::UpdateGateway(_, mask) => {
                format!("update gateway {gateway}: {}", mask.paths().join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "projects/p/locations/global/apis/a/configs/c";

    fn plan(api: ApiState, config: ConfigState, gateway: GatewayState) -> Plan {
        Plan {
            config: CONFIG.to_owned(),
            gateway: "projects/p/locations/l/gateways/g".to_owned(),
            existing_api: Some(Api {
                state: api.into(),
                ..Api::default()
            }),
            existing_config: Some(ApiConfig {
                state: config.into(),
                ..ApiConfig::default()
            }),
            existing_gateway: Some(Gateway {
                state: gateway.into(),
                api_config: CONFIG.replace("projects/p", "projects/123"),
                ..Gateway::default()
            }),
            ..Plan::default()
        }
    }

    #[test]
    fn all_resources_are_created_if_none_exists() {
        let changes = Plan::default().changes().expect("a plan");
        assert_eq!(
            changes,
            [
                Change::CreateApi,
                Change::CreateConfig,
                Change::CreateGateway
            ]
        );
    }

    #[test]
    fn each_state_of_a_resource_has_its_change() {
        let active = (ApiState::Active, ConfigState::Active, GatewayState::Active);
        for state in [ApiState::Creating, ApiState::Updating, ApiState::Deleting] {
            let changes = plan(state, active.1, active.2).changes();
            assert_eq!(changes.expect("a plan"), [Change::AwaitApi], "{state:?}");
        }
        for (state, change) in [
            (ConfigState::Creating, Some(Change::AwaitConfig)),
            (ConfigState::Activating, Some(Change::AwaitConfig)),
            (ConfigState::Updating, Some(Change::AwaitConfig)),
            (ConfigState::Deleting, Some(Change::AwaitConfig)),
            (ConfigState::Failed, Some(Change::ReplaceConfig)),
            (ConfigState::Active, None),
        ] {
            let changes = plan(active.0, state, active.2).changes();
            let expected: Vec<Change> = change.into_iter().collect();
            assert_eq!(changes.expect("a plan"), expected, "{state:?}");
        }
        for state in [
            GatewayState::Creating,
            GatewayState::Updating,
            GatewayState::Deleting,
        ] {
            let changes = plan(active.0, active.1, state).changes();
            assert_eq!(
                changes.expect("a plan"),
                [Change::AwaitGateway],
                "{state:?}"
            );
        }
        assert!(
            plan(ApiState::Failed, active.1, active.2)
                .changes()
                .is_err()
        );
        assert!(
            plan(active.0, active.1, GatewayState::Failed)
                .changes()
                .is_err()
        );
    }

    #[test]
    fn a_gateway_is_updated_by_the_fields_that_differ() {
        let mut plan = plan(ApiState::Active, ConfigState::Active, GatewayState::Active);
        plan.config = CONFIG.replace("/c", "/d");
        plan.display_name = Some("G".to_owned());
        let changes = plan.changes().expect("a plan");
        let [Change::UpdateGateway(new, mask)] = &changes[..] else {
            panic!("{changes:?}");
        };
        assert_eq!(
            (new.api_config.as_str(), new.display_name.as_str()),
            (plan.config.as_str(), "G")
        );
        let mut paths = mask.paths().to_vec();
        paths.sort_unstable();
        assert_eq!(paths, ["api_config", "display_name"]);
    }
}
