//! JSON responses in the forms that a server may send. They are parsed to messages, and the messages are printed as JSON.

use apigateway_grpc::proto::google::cloud::apigateway::v1::{
    Api, ApiConfig, Gateway, GetApiConfigRequest, GetApiRequest, GetGatewayRequest,
    OperationMetadata, api, gateway,
};
use apigateway_grpc::proto::google::iam::v1::{GetIamPolicyRequest, Policy};
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::proto::google::longrunning::operation::Result as Outcome;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::transcode::to_json;
use apigateway_grpc::{Error, prost_types};
use serde_json::{Value, json};

use crate::call::client;
use crate::http1::Server;

const NAME: &str = "projects/p/locations/l/operations/o";
const METADATA: &str = "type.googleapis.com/google.cloud.apigateway.v1.OperationMetadata";
const UNKNOWN_ANY_URL: &str = "json.apigateway-grpc/google.protobuf.Struct";

async fn read(body: &Value) -> Result<Operation, Error> {
    let server = Server::script([crate::http1::json(200, &body.to_string())]).await;
    client(&server).get_operation(NAME).await
}

async fn operation(body: &Value) -> Operation {
    read(body)
        .await
        .unwrap_or_else(|error| panic!("{body}: {error}"))
}

async fn api(body: &str) -> Result<Api, Status> {
    let server = Server::script([crate::http1::json(200, body)]).await;
    let get = GetApiRequest {
        name: "projects/p/locations/l/apis/a".into(),
    };
    Ok(client(&server)
        .service_client()
        .get_api(get)
        .await?
        .into_inner())
}

async fn gateway(body: &Value) -> Gateway {
    let server = Server::script([crate::http1::json(200, &body.to_string())]).await;
    let get = GetGatewayRequest {
        name: "projects/p/locations/l/gateways/g".into(),
    };
    let reply = client(&server).service_client().get_gateway(get).await;
    reply.expect("a gateway").into_inner()
}

/// Parses the body and prints the operation.
async fn printed(body: &Value) -> Value {
    let text = to_json(&operation(body).await).expect("a JSON form");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn an_operation_in_progress_is_read_with_its_metadata() {
    let running = operation(&json!({"name": NAME, "metadata": {
        "@type": METADATA, "createTime": "2026-01-02T03:04:05.678901234Z",
        "target": "projects/p/locations/l/apis/a", "verb": "create", "apiVersion": "v1"
    }}))
    .await;
    let any = running.metadata.as_ref().expect("metadata");
    let metadata: OperationMetadata = any.to_msg().expect("of its type");
    assert_eq!(
        (running.name.as_str(), running.done, &running.result),
        (NAME, false, &None)
    );
    assert_eq!(metadata.verb, "create");
    assert!(!metadata.requested_cancellation);
    let time = metadata.create_time.expect("a time");
    assert_eq!((time.seconds, time.nanos), (1_767_323_045, 678_901_234));
}

#[tokio::test]
async fn members_with_the_value_false_count_as_absent() {
    let with = json!({"name": NAME, "done": false, "metadata": {
        "@type": METADATA, "verb": "create", "requestedCancellation": false}});
    let without = json!({"name": NAME, "metadata": {"@type": METADATA, "verb": "create"}});
    assert_eq!(operation(&with).await, operation(&without).await);
}

#[tokio::test]
async fn each_response_type_is_read_as_its_message() {
    for kind in ["Api", "ApiConfig", "Gateway"] {
        let url = format!("type.googleapis.com/google.cloud.apigateway.v1.{kind}");
        let body = json!({"name": NAME, "done": true,
            "response": {"name": "n", "labels": {"k": "v"}, "@type": url}});
        let Some(Outcome::Response(any)) = operation(&body).await.result else {
            panic!("{kind}: no response");
        };
        assert_eq!(any.type_url, url);
        let name = match kind {
            "Api" => any.to_msg::<Api>().expect(kind).name,
            "ApiConfig" => any.to_msg::<ApiConfig>().expect(kind).name,
            _ => any.to_msg::<Gateway>().expect(kind).name,
        };
        assert_eq!(name, "n");
    }
}

#[tokio::test]
async fn an_empty_response_may_have_a_value_and_is_printed_without_one() {
    let url = "type.googleapis.com/google.protobuf.Empty";
    for response in [json!({"@type": url}), json!({"@type": url, "value": {}})] {
        let body = json!({"name": NAME, "done": true, "response": response});
        let expected = prost_types::Any {
            type_url: url.into(),
            value: Vec::new(),
        };
        assert_eq!(
            operation(&body).await.result,
            Some(Outcome::Response(expected))
        );
        let shown = json!({"name": NAME, "done": true, "response": {"@type": url}});
        assert_eq!(printed(&body).await, shown);
    }
}

#[tokio::test]
async fn an_operation_that_failed_keeps_its_code_and_details() {
    let body = json!({"name": NAME, "done": true, "error": {
        "code": 9, "message": "in use",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "IN_USE", "domain": "d"},
                    {"@type": "type.example.com/x.Unknown", "a": [1, {"b": null}]}]
    }});
    let Some(Outcome::Error(error)) = operation(&body).await.result else {
        panic!("no error");
    };
    assert_eq!((error.code, error.message.as_str()), (9, "in use"));
    assert_eq!(error.details.len(), 2);
    assert_eq!(printed(&body).await, body);
}

#[tokio::test]
async fn an_unknown_any_is_kept_and_printed_unchanged() {
    let unknown = json!({"@type": "type.googleapis.com/x.y.Unknown", "n": 1.5, "s": "é", "l": [true, null, {}],
        "@nested": {"@type": "type.googleapis.com/google.protobuf.Empty", "value": {}}});
    let body = json!({"name": NAME, "done": true, "metadata": unknown, "response": unknown});
    let read = operation(&body).await;
    assert_eq!(
        read.metadata.as_ref().expect("metadata").type_url,
        UNKNOWN_ANY_URL
    );
    assert!(
        matches!(&read.result, Some(Outcome::Response(any)) if any.type_url == UNKNOWN_ANY_URL)
    );
    assert_eq!(printed(&body).await, body);
}

#[tokio::test]
async fn input_with_our_own_type_url_is_invalid() {
    for prefix in [
        "json.apigateway-grpc/google.protobuf.Struct",
        "json.apigateway-grpc/x.Y",
    ] {
        let error = read(&json!({"name": NAME, "metadata": {"@type": prefix, "value": {}}}))
            .await
            .expect_err("reserved");
        assert_eq!(error.code(), Some(Code::Internal));
        assert!(error.to_string().contains("reserved"), "{error}");
    }
}

#[tokio::test]
async fn empty_or_null_metadata_is_absent() {
    for metadata in [json!({}), Value::Null] {
        let read = operation(&json!({"name": NAME, "metadata": metadata})).await;
        assert_eq!(read.metadata, None);
    }
}

#[tokio::test]
async fn unknown_fields_are_skipped_at_any_depth() {
    let body = json!({"name": "g", "streamingMode": "BIDI", "x": {"y": [1]}, "displayName": "G"});
    let read = gateway(&body).await;
    assert_eq!((read.name.as_str(), read.display_name.as_str()), ("g", "G"));
    let body = json!({"name": NAME, "x": 1, "metadata": {"@type": METADATA, "verb": "v", "x": {},
        "diagnostics": [{"location": "l", "x": 1}]}});
    let any = operation(&body).await.metadata.expect("metadata");
    let metadata: OperationMetadata = any.to_msg().expect("of its type");
    assert_eq!(metadata.verb, "v");
    assert_eq!(metadata.diagnostics.len(), 1);
}

#[tokio::test]
async fn enums_are_read_by_name_and_by_number_known_or_not() {
    let active = i32::from(gateway::State::Active);
    let cases = [
        (json!("ACTIVE"), active),
        (json!(2), active),
        (json!("2"), active),
        (json!(99), 99),
        (json!("OF_TOMORROW"), 0),
        (Value::Null, 0),
    ];
    for (state, expected) in cases {
        let read = gateway(&json!({"name": "g", "state": state})).await;
        assert_eq!((read.name.as_str(), read.state), ("g", expected), "{state}");
    }
    let url = "type.googleapis.com/google.cloud.apigateway.v1.Api";
    let body = json!({"name": NAME, "done": true, "response": {"@type": url, "name": "a", "state": "OF_TOMORROW"}});
    let Some(Outcome::Response(any)) = operation(&body).await.result else {
        panic!("no response");
    };
    let read: Api = any.to_msg().expect("an api");
    assert_eq!(
        (read.name.as_str(), read.state()),
        ("a", api::State::Unspecified)
    );
}

#[tokio::test]
async fn times_are_read_with_offsets_and_any_number_of_digits() {
    let cases = [
        ("2026-01-02T03:04:05Z", 0),
        ("2026-01-02T03:04:05.5Z", 500_000_000),
        ("2026-01-02T05:04:05.123456789+02:00", 123_456_789),
        ("2026-01-01T19:04:05.000001-08:00", 1_000),
    ];
    for (text, nanos) in cases {
        let read = gateway(&json!({"createTime": text})).await;
        let time = read.create_time.expect(text);
        assert_eq!((time.seconds, time.nanos), (1_767_323_045, nanos), "{text}");
    }
}

#[tokio::test]
async fn a_field_name_in_either_spelling_a_null_value_and_a_repeated_key_are_accepted() {
    let read =
        api(r#"{"display_name": "A", "labels": null, "createTime": null, "state": null}"#).await;
    assert_eq!(read.expect("an api").display_name, "A");
    let read = api(r#"{"name": "first", "name": "last", "labels": {}}"#).await;
    assert_eq!(read.expect("an api").name, "last");
}

#[tokio::test]
async fn a_number_may_be_text_and_bytes_may_have_either_base64_alphabet() {
    let server = |body: Value| Server::script([crate::http1::json(200, &body.to_string())]);
    for (version, etag) in [
        (json!("3"), "+/8="),
        (json!(3), "-_8="),
        (json!(3.0), "-_8"),
        (json!(3), "+/8"),
    ] {
        let server = server(json!({"version": version, "etag": etag})).await;
        let get = GetIamPolicyRequest {
            resource: "projects/p/locations/l/apis/a".into(),
            options: None,
        };
        let reply = client(&server)
            .iam_policy_client()
            .get_iam_policy(get)
            .await;
        let Policy { version, etag, .. } = reply.expect("a policy").into_inner();
        assert_eq!((version, etag), (3, vec![0xfb, 0xff]));
    }
    let contents = json!({"openapiDocuments": [{"document": {"contents": "_-8"}}]});
    let server = server(contents).await;
    let get = GetApiConfigRequest {
        name: "projects/p/locations/l/apis/a/configs/c".into(),
        view: 0,
    };
    let reply = client(&server).service_client().get_api_config(get).await;
    let config = reply.expect("a config").into_inner();
    let document = config.openapi_documents[0]
        .document
        .as_ref()
        .expect("a file");
    assert_eq!(document.contents, [0xff, 0xef]);
}

#[tokio::test]
async fn a_64_bit_number_is_read_as_text_and_as_number() {
    let with_detail = |value: Value| {
        json!({"name": NAME, "done": true, "error": {"code": 8, "details": [
            {"@type": "type.googleapis.com/google.protobuf.Int64Value", "value": value}]}})
    };
    let text = with_detail(json!("9007199254740993"));
    assert_eq!(
        operation(&text).await,
        operation(&with_detail(json!(9_007_199_254_740_993_i64))).await
    );
    assert_eq!(printed(&text).await, text);
}

#[tokio::test]
async fn a_value_of_another_type_is_a_clear_error() {
    let cases = [
        r#"{"name": 5}"#,
        r#"{"createTime": "yesterday"}"#,
        r#"{"createTime": "2026-13-01T00:00:00Z"}"#,
        r#"{"labels": ["a"]}"#,
        r#"{"state": 1e30}"#,
        r#"{"state": {}}"#,
        r#"{"labels": {"a": 1}}"#,
        r#"["an array"]"#,
        r#""a text""#,
        "5",
        "null",
        "true",
    ];
    for body in cases {
        let status = api(body).await.expect_err(body);
        assert_eq!(status.code(), Code::Internal, "{body}: {status}");
        let what = "invalid google.cloud.apigateway.v1.Api in the response: ";
        assert!(status.message().starts_with(what), "{body}: {status}");
    }
}
