//! The rows of operations, locations and policies.

use std::time::Duration;

use apigateway_grpc::proto::google::cloud::location::{GetLocationRequest, ListLocationsRequest};
use apigateway_grpc::proto::google::iam::v1::*;
use apigateway_grpc::proto::google::longrunning::*;

use super::rows::{API, L, MARK, Row, row};

const P: &str = "projects/p";
const OPERATION: &str = "projects/p/locations/l/operations/o";

fn empty(_: ()) -> String {
    MARK.to_owned()
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = operations();
    rows.extend(locations());
    rows.extend(policies());
    rows
}

const NAMED: &str = "name=projects%2Fp%2Flocations%2Fl%2Foperations%2Fo";

fn operations() -> Vec<Row> {
    let name = OPERATION.to_owned();
    let list = ListOperationsRequest {
        name: L.into(),
        ..ListOperationsRequest::default()
    };
    let wait = WaitOperationRequest {
        name: name.clone(),
        timeout: Some(apigateway_grpc::prost_types::Duration {
            seconds: 2,
            nanos: 0,
        }),
    };
    vec![
        row(
            GetOperationRequest { name: name.clone() },
            "GET /v1/projects/p/locations/l/operations/o",
            NAMED,
            |client| async move { Ok(client.get_operation(OPERATION).await?.name) },
        ),
        row(
            list,
            "GET /v1/projects/p/locations/l/operations",
            "name=projects%2Fp%2Flocations%2Fl",
            |client| async move {
                let mut items = client.list_operations(L).items();
                Ok(items.next().await.expect("one")?.name)
            },
        ),
        row(
            CancelOperationRequest { name: name.clone() },
            "POST /v1/projects/p/locations/l/operations/o:cancel",
            NAMED,
            |client| async move { client.cancel_operation(OPERATION).await.map(empty) },
        ),
        row(
            DeleteOperationRequest { name },
            "DELETE /v1/projects/p/locations/l/operations/o",
            NAMED,
            |client| async move { client.delete_operation(OPERATION).await.map(empty) },
        ),
        row(wait, "", NAMED, |client| async move {
            let waited = client.wait_operation(OPERATION, Duration::from_secs(2));
            Ok(waited.await?.name)
        }),
    ]
}

const OF_API: &str = "resource=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa";

fn locations() -> Vec<Row> {
    let list = ListLocationsRequest {
        name: P.into(),
        ..ListLocationsRequest::default()
    };
    vec![
        row(
            list,
            "GET /v1/projects/p/locations",
            "name=projects%2Fp",
            |client| async move {
                Ok(client
                    .list_locations(P)
                    .first_page()
                    .await?
                    .items
                    .remove(0)
                    .name)
            },
        ),
        row(
            GetLocationRequest { name: L.into() },
            "GET /v1/projects/p/locations/l",
            "name=projects%2Fp%2Flocations%2Fl",
            |client| async move { Ok(client.get_location(L).await?.name) },
        ),
    ]
}

fn policies() -> Vec<Row> {
    let resource = API.to_owned();
    let get = GetIamPolicyRequest {
        resource: resource.clone(),
        options: None,
    };
    let policy = || Policy {
        version: 3,
        ..Policy::default()
    };
    let set = SetIamPolicyRequest {
        resource: resource.clone(),
        policy: Some(policy()),
        update_mask: None,
    };
    let test = TestIamPermissionsRequest {
        resource,
        permissions: vec!["a.b.c".into()],
    };
    let etag = |policy: Policy| String::from_utf8_lossy(&policy.etag).into_owned();
    vec![
        row(
            get,
            "GET /v1/projects/p/locations/l/apis/a:getIamPolicy",
            OF_API,
            move |client| async move { client.get_iam_policy(API).await.map(etag) },
        ),
        row(
            set,
            "POST /v1/projects/p/locations/l/apis/a:setIamPolicy",
            OF_API,
            move |client| async move { client.set_iam_policy(API, policy()).await.map(etag) },
        ),
        row(
            test,
            "POST /v1/projects/p/locations/l/apis/a:testIamPermissions",
            OF_API,
            |client| async move {
                let had = client.test_iam_permissions(API, ["a.b.c"]);
                Ok(had.await?.remove(0))
            },
        ),
    ]
}
