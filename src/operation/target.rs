//! What an operation was done to, looked at where the operation itself says nothing.

use prost::Name;
use prost_types::Any;
use tonic::Status;

use super::step::Target;
use crate::clients::Clients;
use crate::proto::google::cloud::apigateway::v1::{
    GetApiConfigRequest, GetApiRequest, GetGatewayRequest, api, api_config, gateway,
};

/// A resource, as far as it tells how an operation on it ended.
#[derive(Clone, Debug)]
pub(super) struct Found {
    stage: Stage,
    resource: Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It can be used.
    Ready,
    /// It is being made or changed.
    Changing,
    Deleting,
    /// It failed, or there is no telling.
    Other,
}

/// Reads a resource by its full name.
pub(super) async fn look(clients: &Clients, name: &str) -> Result<Found, Status> {
    let name = name.to_owned();
    let mut service = clients.service();
    let collection = name.rsplit('/').nth(1).unwrap_or_default();
    match collection {
        "apis" => {
            let api = service.get_api(GetApiRequest { name }).await?.into_inner();
            let stage = match api.state() {
                api::State::Active => Stage::Ready,
                api::State::Creating | api::State::Updating => Stage::Changing,
                api::State::Deleting => Stage::Deleting,
                api::State::Failed | api::State::Unspecified => Stage::Other,
            };
            Ok(Found::new(stage, &api))
        }
        "configs" => {
            let request = GetApiConfigRequest { name, view: 0 };
            let config = service.get_api_config(request).await?.into_inner();
            let stage = match config.state() {
                api_config::State::Active => Stage::Ready,
                api_config::State::Creating
                | api_config::State::Updating
                | api_config::State::Activating => Stage::Changing,
                api_config::State::Deleting => Stage::Deleting,
                api_config::State::Failed | api_config::State::Unspecified => Stage::Other,
            };
            Ok(Found::new(stage, &config))
        }
        "gateways" => {
            let request = GetGatewayRequest { name };
            let gateway = service.get_gateway(request).await?.into_inner();
            let stage = match gateway.state() {
                gateway::State::Active => Stage::Ready,
                gateway::State::Creating | gateway::State::Updating => Stage::Changing,
                gateway::State::Deleting => Stage::Deleting,
                gateway::State::Failed | gateway::State::Unspecified => Stage::Other,
            };
            Ok(Found::new(stage, &gateway))
        }
        _ => Err(Status::invalid_argument(format!(
            "the operation's target {} is of no known kind",
            name.escape_debug()
        ))),
    }
}

impl Found {
    fn new(stage: Stage, resource: &impl Packed) -> Self {
        Self {
            stage,
            resource: resource.packed(),
        }
    }
}

trait Packed {
    fn packed(&self) -> Any;
}

impl<M: prost::Message + Name> Packed for M {
    fn packed(&self) -> Any {
        Any {
            type_url: M::type_url(),
            value: self.encode_to_vec(),
        }
    }
}

/// What a resource that is there says of an operation on it, and the operation's result if it is that.
pub(super) fn judge(found: Found, deletes: bool) -> (Target, Option<Any>) {
    match (found.stage, deletes) {
        (Stage::Ready, false) => (Target::Settled, Some(found.resource)),
        (Stage::Changing, false) | (Stage::Deleting, true) => (Target::Busy, None),
        _ => (Target::Silent, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};

    #[test]
    fn a_resource_that_is_ready_stands_for_a_success_unless_it_was_to_be_deleted() {
        let cases = [
            (Stage::Ready, false, Target::Settled),
            (Stage::Changing, false, Target::Busy),
            (Stage::Deleting, false, Target::Silent),
            (Stage::Other, false, Target::Silent),
            (Stage::Ready, true, Target::Silent),
            (Stage::Changing, true, Target::Silent),
            (Stage::Deleting, true, Target::Busy),
            (Stage::Other, true, Target::Silent),
        ];
        for (stage, deletes, target) in cases {
            let (judged, result) = judge(Found::new(stage, &Api::default()), deletes);
            assert_eq!(judged, target, "{stage:?}, a delete: {deletes}");
            assert_eq!(result.is_some(), judged == Target::Settled);
        }
    }

    #[test]
    fn each_kind_is_packed_as_its_own_type() {
        for (packed, name) in [
            (Api::default().packed(), "Api"),
            (ApiConfig::default().packed(), "ApiConfig"),
            (Gateway::default().packed(), "Gateway"),
        ] {
            let url = format!("type.googleapis.com/google.cloud.apigateway.v1.{name}");
            assert_eq!(packed.type_url, url);
        }
    }
}
