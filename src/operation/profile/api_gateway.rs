//! The profile of API Gateway.

use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use prost::{Message as _, Name};
use prost_types::{Any, Timestamp};
use tonic::Status;

use super::{Facts, ServiceProfile, TargetFuture, TargetRequest, TargetStage, TargetState};
use crate::operation::schedule::Schedule;
use crate::operation::snapshot::type_name;
use crate::operation::verb::Verb;
use crate::proto::google::cloud::apigateway::v1::api_gateway_service_client::ApiGatewayServiceClient;
use crate::proto::google::cloud::apigateway::v1::{
    GetApiConfigRequest, GetApiRequest, GetGatewayRequest, OperationMetadata, api, api_config,
    gateway,
};

/// The profile of API Gateway.
///
/// Operations are listed by their location. [`Schedule::fitting`] returns the schedule. The metadata has the verb, the
/// target and the start time of an operation. The state of an API, a config or a gateway can prove how an operation on it
/// ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApiGatewayProfile;

/// The schedules: for operations that take seconds, for operations on configs, and for operations on gateways.
static SHORT: LazyLock<Arc<Schedule>> = LazyLock::new(|| Arc::new(Schedule::from_to(1, 20)));
static CONFIGS: LazyLock<Arc<Schedule>> = LazyLock::new(|| Arc::new(Schedule::from_to(5, 20)));
static GATEWAYS: LazyLock<Arc<Schedule>> = LazyLock::new(|| Arc::new(Schedule::from_to(10, 30)));

fn fitting(verb: &str, target: &str) -> &'static Arc<Schedule> {
    let mut segments = target.rsplit('/');
    let (_, collection) = (segments.next(), segments.next());
    match (collection, verb) {
        (Some("gateways"), _) => &GATEWAYS,
        (Some("configs"), verb) if verb != "delete" => &CONFIGS,
        _ => &SHORT,
    }
}

impl Schedule {
    /// Returns the default schedule of API Gateway for a verb (`create`, `update`, `delete`) and the name of the target.
    /// Operations on APIs take seconds. Operations on configs and gateways take minutes, but a config is deleted in seconds.
    ///
    /// For a gateway, the first delay is 10 s and the longest 30 s. For a config, they are 5 s and 20 s, unless the verb is
    /// `delete`. For all other operations, they are 1 s and 20 s.
    #[must_use]
    pub fn fitting(verb: &str, target: &str) -> Self {
        **fitting(verb, target)
    }
}

impl ServiceProfile for ApiGatewayProfile {
    fn service(&self) -> &str {
        "apigateway.googleapis.com"
    }

    fn schedule(&self, verb: Verb, target: Option<&str>) -> Arc<Schedule> {
        Arc::clone(fitting(verb.as_str(), target.unwrap_or_default()))
    }

    fn facts(&self, metadata: &Any) -> Facts {
        if type_name(metadata) != OperationMetadata::full_name() {
            return Facts::default();
        }
        let Ok(metadata) = OperationMetadata::decode(metadata.value.as_slice()) else {
            return Facts::default();
        };
        Facts {
            verb: Verb::parse(&metadata.verb),
            target: Some(metadata.target).filter(|target| !target.is_empty()),
            began: metadata.create_time.and_then(system_time),
        }
    }

    fn read_target(&self, request: TargetRequest) -> Option<TargetFuture> {
        Some(Box::pin(read_target(request)))
    }
}

fn system_time(time: Timestamp) -> Option<SystemTime> {
    time.try_into().ok()
}

async fn read_target(request: TargetRequest) -> Result<TargetState, Status> {
    let limit = request.max_response_size;
    let mut service = ApiGatewayServiceClient::new(request.stack).max_decoding_message_size(limit);
    let name = request.name;
    let collection = name.rsplit('/').nth(1).unwrap_or_default();
    match collection {
        "apis" => {
            let api = service.get_api(GetApiRequest { name }).await?.into_inner();
            let stage = match api.state() {
                api::State::Active => TargetStage::Ready,
                api::State::Creating | api::State::Updating => TargetStage::Changing,
                api::State::Deleting => TargetStage::Deleting,
                api::State::Failed | api::State::Unspecified => TargetStage::Other,
            };
            Ok(state(stage, api.create_time, &api))
        }
        "configs" => {
            let request = GetApiConfigRequest { name, view: 0 };
            let config = service.get_api_config(request).await?.into_inner();
            let stage = match config.state() {
                api_config::State::Active => TargetStage::Ready,
                api_config::State::Creating
                | api_config::State::Updating
                | api_config::State::Activating => TargetStage::Changing,
                api_config::State::Deleting => TargetStage::Deleting,
                api_config::State::Failed | api_config::State::Unspecified => TargetStage::Other,
            };
            Ok(state(stage, config.create_time, &config))
        }
        "gateways" => {
            let request = GetGatewayRequest { name };
            let gateway = service.get_gateway(request).await?.into_inner();
            let stage = match gateway.state() {
                gateway::State::Active => TargetStage::Ready,
                gateway::State::Creating | gateway::State::Updating => TargetStage::Changing,
                gateway::State::Deleting => TargetStage::Deleting,
                gateway::State::Failed | gateway::State::Unspecified => TargetStage::Other,
            };
            Ok(state(stage, gateway.create_time, &gateway))
        }
        _ => Err(Status::invalid_argument(format!(
            "unknown kind of target: {}",
            name.escape_debug()
        ))),
    }
}

fn state<M: prost::Message + Name>(
    stage: TargetStage,
    created: Option<Timestamp>,
    resource: &M,
) -> TargetState {
    TargetState {
        stage,
        created: created.and_then(system_time),
        resource: Any {
            type_url: M::type_url(),
            value: resource.encode_to_vec(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_first_delay_and_the_longest_fit_the_verb_and_the_resource() {
        let api = "projects/p/locations/global/apis/a";
        let cases = [
            ("create", api.to_owned(), 1, 20),
            ("create", format!("{api}/configs/c"), 5, 20),
            ("delete", format!("{api}/configs/c"), 1, 20),
            (
                "update",
                "projects/p/locations/l/gateways/g".to_owned(),
                10,
                30,
            ),
            ("", String::new(), 1, 20),
        ];
        for (verb, target, first, longest) in cases {
            let schedule = Schedule::fitting(verb, &target);
            assert_eq!(schedule.delay(0, None, 0.5), secs(first), "{verb} {target}");
            assert_eq!(
                schedule.delay(99, None, 0.5),
                secs(longest),
                "{verb} {target}"
            );
            assert_eq!(schedule.total(), secs(1200));
        }
    }

    #[test]
    fn each_kind_is_packed_as_its_own_type() {
        for (packed, name) in [
            (state(TargetStage::Ready, None, &Api::default()), "Api"),
            (
                state(TargetStage::Ready, None, &ApiConfig::default()),
                "ApiConfig",
            ),
            (
                state(TargetStage::Ready, None, &Gateway::default()),
                "Gateway",
            ),
        ] {
            let url = format!("type.googleapis.com/google.cloud.apigateway.v1.{name}");
            assert_eq!(packed.resource.type_url, url);
        }
    }

    #[test]
    fn facts_are_read_only_from_the_metadata_of_api_gateway() {
        let metadata = OperationMetadata {
            verb: "create".to_owned(),
            target: "projects/p/locations/l/gateways/g".to_owned(),
            create_time: Some(Timestamp {
                seconds: 7,
                nanos: 0,
            }),
            ..OperationMetadata::default()
        };
        let mut any = Any::from_msg(&metadata).expect("it is encoded");
        let facts = ApiGatewayProfile.facts(&any);
        assert_eq!(facts.verb, Verb::Create);
        assert_eq!(
            facts.target.as_deref(),
            Some("projects/p/locations/l/gateways/g")
        );
        assert_eq!(facts.began, Some(SystemTime::UNIX_EPOCH + secs(7)));
        any.type_url = "type.googleapis.com/google.spanner.v1.Other".to_owned();
        assert_eq!(ApiGatewayProfile.facts(&any), Facts::default());
        any.type_url = OperationMetadata::type_url();
        any.value = vec![0xff];
        assert_eq!(ApiGatewayProfile.facts(&any), Facts::default());
    }
}
