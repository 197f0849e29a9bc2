//! The probe of an operation's target, which may prove how the operation ended.

use std::time::{Duration, SystemTime};

use prost::Name;
use prost_types::{Any, Timestamp};
use tonic::Status;

use super::attempt::{single_attempt, with_timeout};
use super::state_machine::Verdict;
use super::verb::Verb;
use crate::proto::google::cloud::apigateway::v1::{
    GetApiConfigRequest, GetApiRequest, GetGatewayRequest, api, api_config, gateway,
};
use crate::stack::clients::Clients;

/// The parts of a resource's state that can prove how an operation ended.
#[derive(Clone, Debug)]
pub(super) struct ResourceState {
    stage: Stage,
    created: Option<SystemTime>,
    resource: Any,
}

/// The facts about an operation that decide what the state of its target proves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProbeContext {
    pub(super) verb: Verb,
    /// The time at which the operation began, by the server's clock.
    pub(super) began: Option<SystemTime>,
    /// True if the server reported the operation as done, with neither a response nor an error.
    pub(super) done: bool,
}

/// Maximum time by which a created resource may be older than its operation. The service writes the two times at different
/// moments, and possibly on different machines.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The resource is ready for use.
    Ready,
    /// The resource is being created or updated.
    Changing,
    Deleting,
    /// The resource has failed, or its state is unknown.
    Other,
}

/// Reads a resource by its full name, in one attempt and within `timeout`.
pub(super) async fn read_resource(
    clients: &Clients,
    name: &str,
    timeout: Duration,
) -> Result<ResourceState, Status> {
    let clients = clients.with_options(single_attempt(timeout));
    with_timeout(timeout, read(&clients, name.to_owned())).await
}

async fn read(clients: &Clients, name: String) -> Result<ResourceState, Status> {
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
            Ok(ResourceState::new(stage, api.create_time, &api))
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
            Ok(ResourceState::new(stage, config.create_time, &config))
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
            Ok(ResourceState::new(stage, gateway.create_time, &gateway))
        }
        _ => Err(Status::invalid_argument(format!(
            "unknown kind of target: {}",
            name.escape_debug()
        ))),
    }
}

impl ResourceState {
    fn new(stage: Stage, created: Option<Timestamp>, resource: &impl ToAny) -> Self {
        Self {
            stage,
            created: created.and_then(|time| time.try_into().ok()),
            resource: resource.to_any(),
        }
    }

    /// Returns true if the resource is known to be older than an operation that began at `began`.
    fn is_older_than(&self, began: Option<SystemTime>) -> bool {
        let earliest = began.and_then(|began| began.checked_sub(CLOCK_TOLERANCE));
        self.created
            .zip(earliest)
            .is_some_and(|(created, earliest)| created < earliest)
    }
}

trait ToAny {
    fn to_any(&self) -> Any;
}

impl<M: prost::Message + Name> ToAny for M {
    fn to_any(&self) -> Any {
        Any {
            type_url: M::type_url(),
            value: self.encode_to_vec(),
        }
    }
}

/// Returns the verdict about an operation, and its result if the verdict is success. `found` is the state of the target; `None`
/// if the target does not exist.
///
/// If the server no longer knows the operation, a ready target proves that a create succeeded, and a missing target that a
/// delete succeeded. The target of an update proves nothing, since it was ready before. If the server reported that the
/// operation is done without an error, a ready target is the result of an update too.
pub(super) fn judge(
    found: Option<ResourceState>,
    context: &ProbeContext,
) -> (Verdict, Option<Any>) {
    let verb = context.verb;
    let Some(found) = found else {
        return match verb {
            Verb::Delete => (Verdict::Succeeded, Some(().to_any())),
            Verb::Unknown | Verb::Create | Verb::Update => (Verdict::Unproven, None),
        };
    };
    let created = verb == Verb::Create && !found.is_older_than(context.began);
    match (found.stage, verb) {
        (Stage::Deleting, Verb::Delete) => (Verdict::Running, None),
        (_, Verb::Delete) => (Verdict::Unproven, None),
        (Stage::Ready, _) if created || context.done => (Verdict::Succeeded, Some(found.resource)),
        (Stage::Changing, _) => (Verdict::Running, None),
        (Stage::Ready | Stage::Deleting | Stage::Other, _) => (Verdict::Unproven, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};

    /// A table of verdicts, with a row for each stage of the target and for a missing target. A row has a verdict for each
    /// verb: first for an operation that is gone, then for one that the server reported as done.
    #[test]
    fn the_target_proves_only_a_creation_or_a_deletion_unless_the_server_said_done() {
        use Verdict::{Running, Succeeded, Unproven};

        let verbs = [Verb::Create, Verb::Update, Verb::Unknown, Verb::Delete];
        let cases = [
            (
                Some(Stage::Ready),
                [Succeeded, Unproven, Unproven, Unproven],
                [Succeeded, Succeeded, Succeeded, Unproven],
            ),
            (
                Some(Stage::Changing),
                [Running, Running, Running, Unproven],
                [Running, Running, Running, Unproven],
            ),
            (
                Some(Stage::Deleting),
                [Unproven, Unproven, Unproven, Running],
                [Unproven, Unproven, Unproven, Running],
            ),
            (Some(Stage::Other), [Unproven; 4], [Unproven; 4]),
            (
                None,
                [Unproven, Unproven, Unproven, Succeeded],
                [Unproven, Unproven, Unproven, Succeeded],
            ),
        ];
        for (stage, gone, done) in cases {
            for (said_done, expected) in [(false, gone), (true, done)] {
                for (verb, expected) in verbs.into_iter().zip(expected) {
                    let context = ProbeContext {
                        verb,
                        done: said_done,
                        ..ProbeContext::default()
                    };
                    let found = stage.map(|stage| ResourceState::new(stage, None, &Api::default()));
                    let (judged, result) = judge(found, &context);
                    assert_eq!(judged, expected, "{stage:?}, {verb:?}, done: {said_done}");
                    assert_eq!(result.is_some(), judged == Succeeded);
                }
            }
        }
    }

    #[test]
    fn a_resource_that_is_older_than_its_creation_proves_nothing() {
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let cases = [
            (Some(1_000_001), Some(began), Verdict::Succeeded),
            (Some(999_999), Some(began), Verdict::Succeeded),
            (Some(999_900), Some(began), Verdict::Unproven),
            (Some(999_900), None, Verdict::Succeeded),
            (None, Some(began), Verdict::Succeeded),
            (Some(i64::MAX), Some(began), Verdict::Succeeded),
            (Some(0), Some(SystemTime::UNIX_EPOCH), Verdict::Succeeded),
        ];
        for (created, began, expected) in cases {
            let created = created.map(|seconds| Timestamp { seconds, nanos: 0 });
            let found = ResourceState::new(Stage::Ready, created, &Api::default());
            let context = ProbeContext {
                verb: Verb::Create,
                began,
                done: false,
            };
            let judged = judge(Some(found), &context).0;
            assert_eq!(judged, expected, "{created:?}, {began:?}");
        }
    }

    #[test]
    fn each_kind_is_packed_as_its_own_type() {
        for (packed, name) in [
            (Api::default().to_any(), "Api"),
            (ApiConfig::default().to_any(), "ApiConfig"),
            (Gateway::default().to_any(), "Gateway"),
        ] {
            let url = format!("type.googleapis.com/google.cloud.apigateway.v1.{name}");
            assert_eq!(packed.type_url, url);
        }
    }
}
