//! Masks: every update has one, and its paths are fields of the resource.

use crate::common::{NAME as OPERATION, done, mock_client};
use apigateway_grpc::field_mask::UpdateMask;
use apigateway_grpc::prost_types::{FieldMask, Timestamp};
use apigateway_grpc::proto::FILE_DESCRIPTOR_SET;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{
    Api, ApiConfig, Gateway, UpdateApiRequest, UpdateGatewayRequest,
};
use prost_reflect::{DescriptorPool, DynamicMessage, MapKey, Value};

const NAME: &str = "projects/p/locations/global/apis/a";

#[test]
fn a_computed_mask_has_the_writable_fields_that_differ() {
    let old = Api {
        name: NAME.into(),
        ..Api::default()
    };
    let new = Api {
        name: "another".into(),
        create_time: Some(Timestamp::default()),
        update_time: Some(Timestamp::default()),
        labels: [("a".into(), "b".into())].into(),
        display_name: "Shown".into(),
        managed_service: "service".into(),
        state: 2,
    };
    let mask = UpdateMask::between(&old, &new);
    assert_eq!(mask.paths(), ["labels", "display_name", "managed_service"]);
    let labelled = Api {
        labels: new.labels.clone(),
        ..old.clone()
    };
    assert_eq!(UpdateMask::between(&old, &labelled).paths(), ["labels"]);
    assert!(UpdateMask::between(&new, &new.clone()).is_empty());
    let old = Gateway::default();
    let new = Gateway {
        api_config: "config".into(),
        default_hostname: "host".into(),
        ..Gateway::default()
    };
    assert_eq!(UpdateMask::between(&old, &new).paths(), ["api_config"]);
}

#[test]
fn labels_in_another_order_do_not_differ() {
    let pairs = || (0..50).map(|n| (format!("k{n}"), "v".to_owned()));
    let of = |labels| Api {
        labels,
        ..Api::default()
    };
    let (old, new) = (of(pairs().collect()), of(pairs().rev().collect()));
    assert!(UpdateMask::between(&old, &new).is_empty());
}

/// Sets each field of a resource alone. The mask has the field if and only if it is neither OUTPUT_ONLY nor `name`.
fn check_fields<R>(name: &str)
where
    R: apigateway_grpc::field_mask::Resource + Default,
{
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("embedded at build time");
    let message = pool.get_message_by_name(name).expect("a resource");
    let behaviour = pool.get_extension_by_name("google.api.field_behavior");
    let behaviour = behaviour.expect("an annotation");
    for field in message.fields() {
        let options = field.options();
        let values = options.get_extension(&behaviour);
        let output_only = Value::EnumNumber(3);
        let is_output = values.as_list().expect("repeated").contains(&output_only);
        let mut set = DynamicMessage::new(message.clone());
        set.set_field(&field, sample(&field));
        let new = set.transcode_to::<R>().expect("the same message");
        let mask = UpdateMask::between(&R::default(), &new);
        let expected = (!is_output && field.name() != "name").then(|| field.name().to_owned());
        assert_eq!(mask.paths(), expected.as_slice(), "{}", field.full_name());
    }
}

/// Returns a value that is not the field's default.
fn sample(field: &prost_reflect::FieldDescriptor) -> Value {
    use prost_reflect::Kind;
    if field.is_map() {
        return Value::Map([(MapKey::String("k".into()), Value::String("v".into()))].into());
    }
    let one = match field.kind() {
        Kind::String => Value::String("v".into()),
        Kind::Enum(_) => Value::EnumNumber(1),
        Kind::Message(message) => Value::Message(DynamicMessage::new(message)),
        other => panic!("no sample of {other:?}"),
    };
    if field.is_list() {
        return Value::List(vec![one]);
    }
    one
}

#[test]
fn a_computed_mask_can_have_every_writable_field_of_the_protos() {
    check_fields::<Api>("google.cloud.apigateway.v1.Api");
    check_fields::<ApiConfig>("google.cloud.apigateway.v1.ApiConfig");
    check_fields::<Gateway>("google.cloud.apigateway.v1.Gateway");
}

#[tokio::test]
async fn an_update_without_changes_is_an_error_and_is_not_sent() {
    let (client, server) = mock_client(|it| it);
    let api = Api {
        name: NAME.into(),
        ..Api::default()
    };
    let mask = UpdateMask::between(&api, &api);
    let error = client.update_api(api.clone(), mask).await;
    let error = error.expect_err("there is nothing to do");
    let text = error.to_string();
    assert!(error.is_invalid_argument() && error.is_unsent());
    assert!(
        text.starts_with(&format!("update api {NAME}: nothing changed")),
        "{text}"
    );
    let given = client.update_api(api, Vec::<String>::new()).await;
    let text = given.expect_err("no mask").to_string();
    assert!(
        text.contains("invalid `update_mask`: must not be empty"),
        "{text}"
    );
    server.expect_no_more_requests(client).await;
}

#[tokio::test]
async fn an_update_without_a_mask_is_refused_by_method_and_by_request() {
    let (client, server) = mock_client(|it| it);
    let request = |update_mask| UpdateApiRequest {
        update_mask,
        api: Some(Api {
            name: NAME.into(),
            ..Api::default()
        }),
    };
    for mask in [None, Some(FieldMask::default())] {
        let error = client.send(request(mask)).await.expect_err("no mask");
        assert!(
            error.is_invalid_argument() && !error.is_invalid_name(),
            "{error}"
        );
    }
    server.expect_no_more_requests(client).await;
}

#[tokio::test]
async fn an_unknown_path_of_a_mask_is_named_in_the_error() {
    let (client, server) = mock_client(|it| it);
    let wrong = [
        "displayName",
        "api_config",
        "display_name.x",
        "labels.",
        "create_time.seconds",
        "",
        "name ",
    ];
    for path in wrong {
        let api = Api {
            name: NAME.into(),
            ..Api::default()
        };
        let error = client.update_api(api, ["labels", path]).await;
        let error = error.expect_err(path).to_string();
        let expected = format!(
            "update api {NAME}: invalid path `{path}` in `update_mask`: must be a field of Api; \
             the fields that a client can set are labels, display_name, managed_service"
        );
        assert_eq!(error, expected);
    }
    server.expect_no_more_requests(client).await;
}

#[tokio::test]
async fn a_mask_is_sent_unchanged() {
    use http_body_util::BodyExt as _;
    use prost::Message as _;

    let (client, mut server) = mock_client(|it| it);
    let gateway = Gateway {
        name: "projects/p/locations/l/gateways/g".into(),
        api_config: "c".into(),
        ..Gateway::default()
    };
    let update = client.update_gateway(gateway.clone(), ["api_config", "labels.team", "*"]);
    let answers = async {
        let (rpc, answer) = server.next_request().await;
        answer.send_response(done());
        let body = rpc.into_body().collect().await.expect("whole").to_bytes();
        UpdateGatewayRequest::decode(&body[5..]).expect("an update")
    };
    let (updated, request) = tokio::join!(update, answers);
    assert_eq!(updated.expect("started").name(), OPERATION);
    let mask = request.update_mask.expect("a mask");
    assert_eq!(mask.paths, ["api_config", "labels.team", "*"]);
    assert_eq!(request.gateway, Some(gateway));
}
