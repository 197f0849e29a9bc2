//! What an operation was done to, looked at where the operation itself says nothing.

use std::time::{Duration, SystemTime};

use prost::Name;
use prost_types::{Any, Timestamp};
use tonic::Status;

use super::state_machine::Target;
use super::verb::Verb;
use super::waiter::{once, within};
use crate::proto::google::cloud::apigateway::v1::{
    GetApiConfigRequest, GetApiRequest, GetGatewayRequest, api, api_config, gateway,
};
use crate::stack::clients::Clients;

/// A resource, as far as it tells how an operation on it ended.
#[derive(Clone, Debug)]
pub(super) struct Found {
    stage: Stage,
    created: Option<SystemTime>,
    resource: Any,
}

/// The facts about an operation that decide what its target's state proves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Question {
    pub(super) verb: Verb,
    /// When the operation began, by the server's clock.
    pub(super) began: Option<SystemTime>,
    /// The server said that the operation is done, with neither a response nor an error.
    pub(super) done: bool,
}

/// How much earlier than its operation a created resource may claim to be: the service writes the two times at
/// different moments and possibly on different machines.
const TOLERANCE: Duration = Duration::from_secs(60);

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

/// Reads a resource by its full name, in one attempt and within `timeout`.
pub(super) async fn look(
    clients: &Clients,
    name: &str,
    timeout: Duration,
) -> Result<Found, Status> {
    let clients = clients.with_options(once(timeout));
    within(timeout, read(&clients, name.to_owned())).await
}

async fn read(clients: &Clients, name: String) -> Result<Found, Status> {
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
            Ok(Found::new(stage, api.create_time, &api))
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
            Ok(Found::new(stage, config.create_time, &config))
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
            Ok(Found::new(stage, gateway.create_time, &gateway))
        }
        _ => Err(Status::invalid_argument(format!(
            "unknown kind of target: {}",
            name.escape_debug()
        ))),
    }
}

impl Found {
    fn new(stage: Stage, created: Option<Timestamp>, resource: &impl Packed) -> Self {
        Self {
            stage,
            created: created.and_then(|time| time.try_into().ok()),
            resource: resource.packed(),
        }
    }

    /// Returns whether the resource existed before an operation that began at this moment, as far as is known.
    fn is_older_than(&self, began: Option<SystemTime>) -> bool {
        let earliest = began.and_then(|began| began.checked_sub(TOLERANCE));
        self.created
            .zip(earliest)
            .is_some_and(|(created, earliest)| created < earliest)
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

/// Returns what the state of the target proves about an operation, and the operation's result if it proves success.
/// `None` is a target that does not exist.
///
/// For an operation that the server does not know any more, only a ready resource that the operation created, or a
/// missing one that it deleted, proves success. The target of an update was ready before and proves nothing. For an
/// operation that the server said is done without an error, a ready resource stands for the result of an update as
/// well.
pub(super) fn judge(found: Option<Found>, question: &Question) -> (Target, Option<Any>) {
    let verb = question.verb;
    let Some(found) = found else {
        return match verb {
            Verb::Delete => (Target::Settled, Some(().packed())),
            Verb::Unknown | Verb::Create | Verb::Update => (Target::Silent, None),
        };
    };
    let created = verb == Verb::Create && !found.is_older_than(question.began);
    match (found.stage, verb) {
        (Stage::Deleting, Verb::Delete) => (Target::Busy, None),
        (_, Verb::Delete) => (Target::Silent, None),
        (Stage::Ready, _) if created || question.done => (Target::Settled, Some(found.resource)),
        (Stage::Changing, _) => (Target::Busy, None),
        (Stage::Ready | Stage::Deleting | Stage::Other, _) => (Target::Silent, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};

    /// For each stage of the target, and its absence: what each verb makes of it, first where the operation is
    /// gone, then where the server said that it is done.
    #[test]
    fn the_target_proves_only_a_creation_or_a_deletion_unless_the_server_said_done() {
        use Target::{Busy, Settled, Silent};

        let verbs = [Verb::Create, Verb::Update, Verb::Unknown, Verb::Delete];
        let cases = [
            (
                Some(Stage::Ready),
                [Settled, Silent, Silent, Silent],
                [Settled, Settled, Settled, Silent],
            ),
            (
                Some(Stage::Changing),
                [Busy, Busy, Busy, Silent],
                [Busy, Busy, Busy, Silent],
            ),
            (
                Some(Stage::Deleting),
                [Silent, Silent, Silent, Busy],
                [Silent, Silent, Silent, Busy],
            ),
            (Some(Stage::Other), [Silent; 4], [Silent; 4]),
            (
                None,
                [Silent, Silent, Silent, Settled],
                [Silent, Silent, Silent, Settled],
            ),
        ];
        for (stage, gone, done) in cases {
            for (said_done, expected) in [(false, gone), (true, done)] {
                for (verb, expected) in verbs.into_iter().zip(expected) {
                    let question = Question {
                        verb,
                        done: said_done,
                        ..Question::default()
                    };
                    let found = stage.map(|stage| Found::new(stage, None, &Api::default()));
                    let (judged, result) = judge(found, &question);
                    assert_eq!(judged, expected, "{stage:?}, {verb:?}, done: {said_done}");
                    assert_eq!(result.is_some(), judged == Settled);
                }
            }
        }
    }

    #[test]
    fn a_resource_that_is_older_than_its_creation_proves_nothing() {
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let cases = [
            (Some(1_000_001), Some(began), Target::Settled),
            (Some(999_999), Some(began), Target::Settled),
            (Some(999_900), Some(began), Target::Silent),
            (Some(999_900), None, Target::Settled),
            (None, Some(began), Target::Settled),
            (Some(i64::MAX), Some(began), Target::Settled),
            (Some(0), Some(SystemTime::UNIX_EPOCH), Target::Settled),
        ];
        for (created, began, expected) in cases {
            let created = created.map(|seconds| Timestamp { seconds, nanos: 0 });
            let found = Found::new(Stage::Ready, created, &Api::default());
            let question = Question {
                verb: Verb::Create,
                began,
                done: false,
            };
            let judged = judge(Some(found), &question).0;
            assert_eq!(judged, expected, "{created:?}, {began:?}");
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
