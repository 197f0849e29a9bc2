//! The bodies of the benchmark: a done operation with both its `Any`s filled, and lists of it.

use apigateway_grpc::proto::google::cloud::apigateway::v1::{
    Gateway, OperationMetadata, operation_metadata,
};
use apigateway_grpc::proto::google::longrunning::{ListOperationsResponse, Operation, operation};
use apigateway_grpc::transcode::to_json;
use prost::{Message, Name};
use prost_types::{Any, Timestamp};

/// One message as JSON and as protobuf.
pub(crate) struct Body {
    pub(crate) wire: Vec<u8>,
    pub(crate) json: String,
}

impl Body {
    /// Returns a list of `count` operations, or a single operation for 0.
    pub(crate) fn of(count: usize) -> Self {
        match count {
            0 => Self::from(&operation(0)),
            count => Self::from(&ListOperationsResponse {
                operations: (0..count).map(operation).collect(),
                next_page_token: "CiAKGjBpNDd2Nmp2Zml2cXRwYjBpOXA".to_owned(),
                ..Default::default()
            }),
        }
    }

    fn from<M: Message + Name>(message: &M) -> Self {
        Self {
            wire: message.encode_to_vec(),
            json: to_json(message).expect("a message with a JSON form"),
        }
    }
}

fn gateway(index: usize) -> Gateway {
    Gateway {
        name: format!("projects/my-project-1/locations/us-central1/gateways/gateway-{index}"),
        create_time: time(123_456_789),
        update_time: time(987_654_321),
        labels: [
            ("environment".to_owned(), "test".to_owned()),
            ("team".to_owned(), "api".to_owned()),
        ]
        .into(),
        display_name: "A gateway for the benchmark".into(),
        api_config: "projects/my-project-1/locations/global/apis/api-1/configs/config-1".into(),
        state: 2,
        default_hostname: "gateway-1-abcdefgh.uc.gateway.dev".into(),
    }
}

fn time(nanos: i32) -> Option<Timestamp> {
    Some(Timestamp {
        seconds: 1_790_000_000,
        nanos,
    })
}

fn operation(index: usize) -> Operation {
    let gateway = gateway(index);
    let metadata = OperationMetadata {
        create_time: time(123_456_789),
        end_time: time(987_654_321),
        target: gateway.name.clone(),
        verb: "create".into(),
        diagnostics: vec![operation_metadata::Diagnostic {
            location: "projects/my-project-1/locations/us-central1/services/gateway".into(),
            message: "the backend took 1.5 s to answer".into(),
        }],
        api_version: "v1".into(),
        ..Default::default()
    };
    Operation {
        name: format!(
            "projects/my-project-1/locations/us-central1/operations/operation-1790000000000-{index}"
        ),
        metadata: Some(any(&metadata)),
        done: true,
        result: Some(operation::Result::Response(any(&gateway))),
    }
}

fn any<M: Message + Name>(message: &M) -> Any {
    Any::from_msg(message).expect("an encoded message")
}
