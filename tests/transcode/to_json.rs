//! `transcode::to_json`: the JSON of messages from gRPC, with `Any`s of every content.

use apigateway_grpc::prost_types::{Any, Duration, Timestamp};
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, OperationMetadata, api};
use apigateway_grpc::proto::google::longrunning::operation::Result as Outcome;
use apigateway_grpc::proto::google::longrunning::{Operation, WaitOperationRequest};
use apigateway_grpc::transcode::to_json;
use prost::{Message, Name};
use serde_json::{Value, json};

fn printed<M: Message + Name>(message: &M) -> Value {
    let text = to_json(message).expect("it has a JSON form");
    serde_json::from_str(&text).expect("JSON")
}

fn any(type_url: &str, value: &[u8]) -> Any {
    Any {
        type_url: type_url.into(),
        value: value.into(),
    }
}

fn response(any: Any) -> Operation {
    Operation {
        result: Some(Outcome::Response(any)),
        ..Default::default()
    }
}

const API: &str = "type.googleapis.com/google.cloud.apigateway.v1.Api";

#[test]
fn a_known_type_is_read_with_any_prefix_of_its_type_url() {
    let api = Api {
        name: "n".into(),
        labels: [("a".into(), String::new())].into(),
        state: 77,
        create_time: Some(Timestamp {
            seconds: -1,
            nanos: 500_000_000,
        }),
        ..Default::default()
    };
    for url in [
        API,
        "example.com/a/google.cloud.apigateway.v1.Api",
        "google.cloud.apigateway.v1.Api",
    ] {
        let shown = json!({"response": {"@type": url, "name": "n", "labels": {"a": ""},
            "state": 77, "createTime": "1969-12-31T23:59:59.500Z"}});
        assert_eq!(printed(&response(any(url, &api.encode_to_vec()))), shown);
    }
}

#[test]
fn an_unknown_or_undecodable_any_is_shown_as_its_bytes() {
    let cases = [
        any("type.googleapis.com/x.Unknown", b"\xfb\xff"),
        any(API, b"\xfb\xff"),
        any("", b"\xfb\xff"),
        any("nonsense", b"\xfb\xff"),
    ];
    for any in cases {
        let shown = json!({"response": {"@type": any.type_url, "value": "+/8="}});
        assert_eq!(printed(&response(any)), shown);
    }
    assert_eq!(printed(&response(Any::default())), json!({"response": {}}));
}

#[test]
fn an_any_of_an_empty_is_written_without_value_and_an_any_of_an_any_with_it() {
    let empty = any("type.googleapis.com/google.protobuf.Empty", b"");
    let shown = json!({"response": {"@type": "type.googleapis.com/google.protobuf.Empty"}});
    assert_eq!(printed(&response(empty.clone())), shown);
    let inner = Any {
        type_url: "type.googleapis.com/google.protobuf.Any".into(),
        value: empty.encode_to_vec(),
    };
    let shown = json!({"response": {"@type": "type.googleapis.com/google.protobuf.Any",
        "value": {"@type": "type.googleapis.com/google.protobuf.Empty"}}});
    assert_eq!(printed(&response(inner)), shown);
}

#[test]
fn defaults_are_left_out_and_enums_are_names() {
    assert_eq!(printed(&Operation::default()), json!({}));
    let api = Api {
        state: api::State::Creating.into(),
        ..Default::default()
    };
    assert_eq!(printed(&api), json!({"state": "CREATING"}));
}

#[test]
fn labels_that_look_like_an_any_are_labels() {
    let api = Api {
        labels: [
            ("@type".into(), "x/google.protobuf.Empty".into()),
            ("value".into(), "kept".into()),
        ]
        .into(),
        ..Default::default()
    };
    let shown = json!({"labels": {"@type": "x/google.protobuf.Empty", "value": "kept"}});
    assert_eq!(printed(&api), shown);
}

#[test]
fn a_value_without_a_json_form_is_an_error_that_names_the_type() {
    let far = Timestamp {
        seconds: 253_402_300_800,
        nanos: 0,
    };
    let late = OperationMetadata {
        create_time: Some(far),
        ..Default::default()
    };
    let error = to_json(&late).expect_err("the year 10000");
    let what = "google.cloud.apigateway.v1.OperationMetadata has no JSON form: ";
    assert!(error.to_string().starts_with(what), "{error}");
    let long = WaitOperationRequest {
        timeout: Some(Duration {
            seconds: i64::MAX,
            nanos: 0,
        }),
        ..Default::default()
    };
    to_json(&long).expect_err("beyond ten thousand years");
}

#[test]
fn anys_in_anys_are_written_as_bytes_beyond_the_limit_of_depth() {
    let mut nested = any("type.googleapis.com/google.protobuf.Empty", b"");
    for _ in 0..2000 {
        nested = any(
            "type.googleapis.com/google.protobuf.Any",
            &nested.encode_to_vec(),
        );
    }
    let json = to_json(&response(nested)).expect("only what is too deep is written as bytes");
    assert_eq!(json.matches("@type").count(), 99);
    serde_json::from_str::<serde_json::Value>(&json).expect("serde_json accepts the depth");
}
