//! The methods of Operations, Locations and IAMPolicy over REST. The verb, path, query, body and routing header of each method
//! follow the service configuration, not the mixins' own protos.

use std::time::Duration;

use apigateway_grpc::contract::Method;
use apigateway_grpc::proto::google::cloud::location::{GetLocationRequest, ListLocationsRequest};
use apigateway_grpc::proto::google::iam::v1::{
    Binding, GetIamPolicyRequest, GetPolicyOptions, Policy, SetIamPolicyRequest,
    TestIamPermissionsRequest,
};
use apigateway_grpc::proto::google::longrunning::ListOperationsRequest;
use apigateway_grpc::tonic::Code;
use serde_json::{Value, json};

use crate::call::{client, parts, sent};
use crate::http1::Server;

const OPERATION: &str = "projects/p/locations/l/operations/o";
const OPERATION_KEY: &str = "name=projects%2Fp%2Flocations%2Fl%2Foperations%2Fo";

#[tokio::test]
async fn operations_are_listed_by_their_location() {
    let list = ListOperationsRequest {
        name: "projects/p/locations/l".into(),
        filter: "done = false".into(),
        page_size: 5,
        page_token: "t".into(),
        return_partial_success: true,
    };
    let request = sent(async |client| {
        client
            .operations_client()
            .list_operations(list)
            .await
            .map(drop)
    })
    .await;
    let (line, routing, body) = parts(&request);
    let (path, query) = line.split_once('?').expect("a query");
    let mut query: Vec<_> = query.split('&').collect();
    query.sort_unstable();
    assert_eq!(path, "GET /v1/projects/p/locations/l/operations");
    assert_eq!(
        query,
        [
            "filter=done%20%3D%20false",
            "pageSize=5",
            "pageToken=t",
            "returnPartialSuccess=true"
        ]
    );
    assert_eq!(
        (routing, body),
        ("name=projects%2Fp%2Flocations%2Fl", Value::Null)
    );
}

#[tokio::test]
async fn an_operation_is_read_deleted_and_cancelled_under_its_own_name() {
    type Case = (&'static str, Value);
    let cases: [(crate::http1::Request, Case); 3] = [
        (
            sent(async |client| {
                let get = client.get_operation(OPERATION).await;
                get.map(drop)
                    .map_err(|error| error.status().expect("a call").clone())
            })
            .await,
            ("GET /v1/projects/p/locations/l/operations/o", Value::Null),
        ),
        (
            sent(async |client| {
                let delete = client.delete_operation(OPERATION).await;
                delete.map_err(|error| error.status().expect("a call").clone())
            })
            .await,
            (
                "DELETE /v1/projects/p/locations/l/operations/o",
                Value::Null,
            ),
        ),
        (
            sent(async |client| {
                let cancel = client.cancel_operation(OPERATION).await;
                cancel.map_err(|error| error.status().expect("a call").clone())
            })
            .await,
            (
                "POST /v1/projects/p/locations/l/operations/o:cancel",
                json!({}),
            ),
        ),
    ];
    for (request, (line, body)) in &cases {
        assert_eq!(parts(request), (*line, OPERATION_KEY, body.clone()));
    }
}

#[tokio::test]
async fn wait_operation_has_no_route_and_sends_nothing() {
    let server = Server::script([]).await;
    let client = client(&server);
    let wait = client.wait_operation(OPERATION, Duration::from_secs(1));
    let error = wait.await.expect_err("REST has no route for WaitOperation");
    assert_eq!(error.code(), Some(Code::Unimplemented));
    assert!(
        error
            .to_string()
            .contains("no HTTP rule for /google.longrunning.Operations/WaitOperation"),
        "{error}"
    );
    assert!(error.to_string().contains(OPERATION), "{error}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn every_method_of_the_contract_but_wait_operation_has_a_route() {
    let without: Vec<_> = Method::all()
        .iter()
        .filter(|method| method.http().is_empty())
        .collect();
    assert_eq!(Method::all().len() - without.len(), 24);
    assert_eq!(
        without.first().map(|method| method.name()),
        Some("WaitOperation")
    );
}

#[tokio::test]
async fn locations_are_listed_and_read() {
    let list = ListLocationsRequest {
        name: "projects/p".into(),
        filter: "f".into(),
        page_size: 2,
        page_token: "t".into(),
    };
    let request = sent(async |client| {
        client
            .locations_client()
            .list_locations(list)
            .await
            .map(drop)
    })
    .await;
    assert_eq!(
        parts(&request),
        (
            "GET /v1/projects/p/locations?filter=f&pageSize=2&pageToken=t",
            "name=projects%2Fp",
            Value::Null
        )
    );
    let get = GetLocationRequest {
        name: "projects/p/locations/l".into(),
    };
    let request =
        sent(async |client| client.locations_client().get_location(get).await.map(drop)).await;
    assert_eq!(
        parts(&request),
        (
            "GET /v1/projects/p/locations/l",
            "name=projects%2Fp%2Flocations%2Fl",
            Value::Null
        )
    );
}

/// The three resource types with a policy, which are three bindings of one method.
const RESOURCES: [&str; 3] = [
    "projects/p/locations/l/gateways/g",
    "projects/p/locations/l/apis/a",
    "projects/p/locations/l/apis/a/configs/c",
];

#[tokio::test]
async fn a_policy_is_read_by_get_on_gateways_apis_and_configs() {
    for resource in RESOURCES {
        let routing = format!("resource={}", resource.replace('/', "%2F"));
        let get = GetIamPolicyRequest {
            resource: resource.into(),
            options: Some(GetPolicyOptions {
                requested_policy_version: 3,
            }),
        };
        let request = sent(async |client| {
            client
                .iam_policy_client()
                .get_iam_policy(get)
                .await
                .map(drop)
        })
        .await;
        let line = format!("GET /v1/{resource}:getIamPolicy?options.requestedPolicyVersion=3");
        assert_eq!(
            parts(&request),
            (line.as_str(), routing.as_str(), Value::Null)
        );
    }
}

#[tokio::test]
async fn a_policy_is_set_and_tested_by_post_with_all_but_the_resource_in_the_body() {
    for resource in RESOURCES {
        let routing = format!("resource={}", resource.replace('/', "%2F"));
        let policy = Policy {
            version: 3,
            bindings: vec![Binding {
                role: "roles/x".into(),
                members: vec!["user:u".into()],
                condition: None,
            }],
            etag: vec![1, 2, 3],
            ..Default::default()
        };
        let set = SetIamPolicyRequest {
            resource: resource.into(),
            policy: Some(policy),
            update_mask: None,
        };
        let request = sent(async |client| {
            client
                .iam_policy_client()
                .set_iam_policy(set)
                .await
                .map(drop)
        })
        .await;
        let line = format!("POST /v1/{resource}:setIamPolicy");
        let body = json!({"policy": {
            "version": 3, "etag": "AQID",
            "bindings": [{"role": "roles/x", "members": ["user:u"]}]
        }});
        assert_eq!(parts(&request), (line.as_str(), routing.as_str(), body));

        let test = TestIamPermissionsRequest {
            resource: resource.into(),
            permissions: vec!["a.b.c".into(), "d.e.f".into()],
        };
        let request = sent(async |client| {
            client
                .iam_policy_client()
                .test_iam_permissions(test)
                .await
                .map(drop)
        })
        .await;
        let line = format!("POST /v1/{resource}:testIamPermissions");
        let body = json!({"permissions": ["a.b.c", "d.e.f"]});
        assert_eq!(parts(&request), (line.as_str(), routing.as_str(), body));
    }
}
