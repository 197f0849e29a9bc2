//! Invalid requests. One error reports all violations of a request, with their fields.

use std::collections::HashMap;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::prost_types::FieldMask;
use apigateway_grpc::proto::google::cloud::apigateway::v1::*;
use apigateway_grpc::proto::google::cloud::location::ListLocationsRequest;
use apigateway_grpc::proto::google::iam::v1::{
    GetIamPolicyRequest, SetIamPolicyRequest, TestIamPermissionsRequest,
};
use apigateway_grpc::proto::google::longrunning::*;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::StatusExt as _;

use crate::{API, PARENT, RUNS, client, created, get};

/// Returns the fields of a BadRequest, in their order.
fn fields<T>(answer: Result<T, Status>) -> String {
    let status = answer.err().expect("a refusal");
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let details = status.get_details_bad_request().expect("details");
    let fields = details.field_violations.into_iter();
    fields
        .map(|violation| violation.field)
        .collect::<Vec<_>>()
        .join(" ")
}

async fn label(
    client: &ApiGateway,
    id: &str,
    labels: HashMap<String, String>,
) -> Result<(), Status> {
    let request = CreateApiRequest {
        parent: PARENT.into(),
        api_id: id.into(),
        api: Some(Api {
            labels,
            ..Default::default()
        }),
    };
    client.service_client().create_api(request).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn one_error_reports_all_violations_of_a_request() {
    let client = client();
    let service = || client.service_client();
    let labels = || HashMap::from([("Team".to_owned(), "x".to_owned())]);
    let api = CreateApiRequest {
        parent: "projects/p/locations".into(),
        api_id: "-".into(),
        api: Some(Api {
            labels: labels(),
            ..Default::default()
        }),
    };
    assert_eq!(
        fields(service().create_api(api).await),
        "parent api_id api.labels"
    );
    let gateway = CreateGatewayRequest {
        parent: PARENT.into(),
        gateway_id: "G".into(),
        gateway: Some(Gateway {
            api_config: "c".into(),
            labels: labels(),
            ..Default::default()
        }),
    };
    let expected = "parent gateway_id gateway.labels gateway.api_config";
    assert_eq!(fields(service().create_gateway(gateway).await), expected);
    let config = CreateApiConfigRequest {
        parent: PARENT.into(),
        ..Default::default()
    };
    let refused = service().create_api_config(config).await;
    assert_eq!(fields(refused), "parent api_config_id");
    let update = UpdateApiRequest {
        update_mask: Some(FieldMask {
            paths: vec!["nonsense".into()],
        }),
        api: Some(Api {
            name: "projects/p/locations/us-east1/apis/a".into(),
            ..Default::default()
        }),
    };
    assert_eq!(
        fields(service().update_api(update).await),
        "api.name update_mask"
    );
    let list = ListApisRequest {
        parent: "projects/P/locations/global".into(),
        page_size: -1,
        page_token: "x".into(),
        filter: "(".into(),
        order_by: "x".into(),
    };
    let expected = "parent page_size order_by filter page_token";
    assert_eq!(fields(service().list_apis(list).await), expected);
    let list = ListOperationsRequest {
        name: PARENT[1..].into(),
        page_size: -1,
        page_token: "x".into(),
        filter: "x = 1".into(),
        ..Default::default()
    };
    let refused = client.operations_client().list_operations(list).await;
    assert_eq!(fields(refused), "name page_size filter page_token");
    let list = ListLocationsRequest {
        name: "projects/".into(),
        page_size: -1,
        page_token: "x".into(),
        filter: "x = 1".into(),
    };
    let refused = client.locations_client().list_locations(list).await;
    assert_eq!(fields(refused), "name page_size filter page_token");
    let policy = SetIamPolicyRequest {
        resource: PARENT.into(),
        ..Default::default()
    };
    let refused = client.iam_policy_client().set_iam_policy(policy).await;
    assert_eq!(fields(refused), "resource policy");
    let permissions = TestIamPermissionsRequest {
        resource: PARENT.into(),
        permissions: vec!["apigateway.*".into()],
    };
    let refused = client
        .iam_policy_client()
        .test_iam_permissions(permissions)
        .await;
    assert_eq!(fields(refused), "resource permissions");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_does_not_match_the_pattern_is_rejected_by_get_delete_cancel_and_wait() {
    let client = client();
    for name in [
        "",
        "a",
        PARENT,
        "projects//locations/global/apis/a",
        "projects/p/locations/x/y/z",
    ] {
        let text = || name.to_owned();
        let service = || client.service_client();
        let request = GetApiRequest { name: text() };
        assert_eq!(fields(service().get_api(request).await), "name", "{name}");
        let request = GetApiConfigRequest {
            name: text(),
            view: 0,
        };
        assert_eq!(
            fields(service().get_api_config(request).await),
            "name",
            "{name}"
        );
        let request = GetGatewayRequest { name: text() };
        assert_eq!(
            fields(service().get_gateway(request).await),
            "name",
            "{name}"
        );
        let request = DeleteApiRequest { name: text() };
        assert_eq!(
            fields(service().delete_api(request).await),
            "name",
            "{name}"
        );
        let request = DeleteApiConfigRequest { name: text() };
        assert_eq!(
            fields(service().delete_api_config(request).await),
            "name",
            "{name}"
        );
        let request = DeleteGatewayRequest { name: text() };
        assert_eq!(
            fields(service().delete_gateway(request).await),
            "name",
            "{name}"
        );
        let operations = || client.operations_client();
        let request = GetOperationRequest { name: text() };
        assert_eq!(
            fields(operations().get_operation(request).await),
            "name",
            "{name}"
        );
        let request = CancelOperationRequest { name: text() };
        assert_eq!(
            fields(operations().cancel_operation(request).await),
            "name",
            "{name}"
        );
        let request = DeleteOperationRequest { name: text() };
        assert_eq!(
            fields(operations().delete_operation(request).await),
            "name",
            "{name}"
        );
        let request = WaitOperationRequest {
            name: text(),
            timeout: None,
        };
        assert_eq!(
            fields(operations().wait_operation(request).await),
            "name",
            "{name}"
        );
        if name.ends_with("apis/a") {
            continue;
        }
        let request = GetIamPolicyRequest {
            resource: text(),
            options: None,
        };
        let refused = client.iam_policy_client().get_iam_policy(request).await;
        assert_eq!(fields(refused), "resource", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn labels_are_limited_in_length_case_and_number() {
    let client = client();
    let one = |key: &str, value: &str| HashMap::from([(key.to_owned(), value.to_owned())]);
    let (most, more) = ("a".repeat(63), "a".repeat(64));
    for (key, value) in [
        ("Team", "x"),
        ("team", "X"),
        ("", "x"),
        ("1team", "x"),
        ("_team", "x"),
        ("te am", "x"),
        ("te.am", "x"),
        ("team", "a/b"),
        (more.as_str(), "x"),
        ("team", more.as_str()),
    ] {
        let refused = label(&client, "a", one(key, value)).await;
        assert_eq!(fields(refused), "api.labels", "{key}={value}");
    }
    let many = |count: usize| {
        let labels = (0..count).map(|number| (format!("k{number}"), String::new()));
        labels.collect::<HashMap<_, _>>()
    };
    assert_eq!(fields(label(&client, "a", many(65)).await), "api.labels");
    for (id, labels) in [
        ("a", one("team", "")),
        ("b", one(&most, &most)),
        ("c", one("équipe_1-x", "été")),
        ("d", many(64)),
    ] {
        label(&client, id, labels).await.expect(id);
    }
    tokio::time::advance(RUNS).await;
    let request = UpdateApiRequest {
        update_mask: Some(FieldMask {
            paths: vec!["labels".into()],
        }),
        api: Some(Api {
            name: API.into(),
            labels: one("Team", "x"),
            ..Default::default()
        }),
    };
    assert_eq!(
        fields(client.service_client().update_api(request).await),
        "api.labels"
    );
    assert_eq!(
        get(&client, API).await.expect("it exists").state(),
        api::State::Active
    );
}

#[tokio::test(start_paused = true)]
async fn every_project_with_a_valid_id_exists() {
    let client = client();
    created(&client, "a").await;
    let list = async |project: &str| {
        let request = ListApisRequest {
            parent: format!("projects/{project}/locations/global"),
            ..Default::default()
        };
        client.service_client().list_apis(request).await
    };
    for project in ["my-project", "123456789012", "example.com:my-project"] {
        let page = list(project).await.expect(project).into_inner();
        assert!(page.apis.is_empty(), "{project}");
    }
    for project in ["-p", "My", "p p", "é", &"p".repeat(64)] {
        assert_eq!(fields(list(project).await), "parent", "{project}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_name_or_mask_path_is_shortened_in_the_error() {
    let client = client();
    let missing = get(&client, &format!("{API}{}", "x".repeat(1_000_000))).await;
    let missing = missing.expect_err("none");
    assert_eq!(missing.code(), Code::NotFound);
    assert!(missing.message().len() < 1000, "{missing}");
    assert!(missing.message().contains('…'), "{missing}");

    created(&client, "a").await;
    let request = UpdateApiRequest {
        api: Some(Api {
            name: API.into(),
            ..Default::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec!["x".repeat(1_000_000)],
        }),
    };
    let refused = client.service_client().update_api(request).await;
    let refused = refused.expect_err("no such field");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().len() < 1000, "{refused}");
}
