//! Filters and orders of AIP-160 and AIP-132 over resources and operations, and the tokens of their pages.

use std::collections::HashMap;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::OperationPlan;
use apigateway_grpc::proto::google::cloud::apigateway::v1::*;
use apigateway_grpc::proto::google::cloud::location::ListLocationsRequest;
use apigateway_grpc::proto::google::longrunning::{ListOperationsRequest, ListOperationsResponse};
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::StatusExt as _;

use crate::lists::operations;
use crate::{PARENT, RUNS, client, create, created, delete, emulator, list, over};

/// Creates an api with a label `team`.
async fn labelled(client: &ApiGateway, id: &str, team: &str) {
    let request = CreateApiRequest {
        parent: PARENT.into(),
        api_id: id.into(),
        api: Some(Api {
            display_name: format!("The {id}"),
            labels: HashMap::from([("team".into(), team.into())]),
            ..Default::default()
        }),
    };
    client.service_client().create_api(request).await.expect(id);
    tokio::time::advance(RUNS).await;
}

async fn ids(client: &ApiGateway, filter: &str, order_by: &str) -> String {
    let page = list(client, filter, order_by).await.expect(filter);
    let ids = page.apis.iter().map(|api| api.name.rsplit('/').next());
    ids.map(|id| id.expect("an id"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test(start_paused = true)]
async fn apis_are_filtered_by_any_field_and_label() {
    let client = client();
    for (id, team) in [("b", "core"), ("a", "edge"), ("c", "core")] {
        labelled(&client, id, team).await;
    }
    create(&client, "d").await.expect("a new api");
    for (filter, expected) in [
        ("labels.team = core", "b c"),
        ("labels:team", "a b c"),
        ("NOT labels.team:*", "d"),
        (
            "labels.team = core OR labels.team = edge AND state = ACTIVE",
            "a b c",
        ),
        (
            "(labels.team = core AND displayName = \"*c\") OR state = CREATING",
            "c d",
        ),
        ("-labels.team = core state != CREATING", "a"),
        ("name = \"projects/p/locations/global/apis/a\"", "a"),
        ("\"The b\"", "b"),
        ("managed_service:c-", "c"),
    ] {
        assert_eq!(ids(&client, filter, "").await, expected, "{filter}");
    }
    let refused = list(&client, "state = ACTIVE AND sate = X", "").await;
    let refused = refused.expect_err("no such field");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused
            .message()
            .contains("at position 20: unknown field `sate`"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn apis_are_ordered_by_several_fields_and_labels() {
    let client = client();
    for (id, team) in [("b", "core"), ("a", "edge"), ("c", "core")] {
        labelled(&client, id, team).await;
    }
    created(&client, "d").await;
    for (order, expected) in [
        ("labels.team, name desc", "d c b a"),
        ("labels.team desc,name asc", "a b c d"),
        ("labels.team desc", "a b c d"),
        ("create_time", "b a c d"),
        ("state, createTime desc", "d c a b"),
    ] {
        assert_eq!(ids(&client, "", order).await, expected, "{order}");
    }
}

#[tokio::test(start_paused = true)]
async fn operations_are_filtered_by_their_metadata_and_outcome() {
    let emulator = emulator();
    let client = over(&emulator);
    created(&client, "a").await;
    let plan = OperationPlan::default().fails(Status::internal("no backend"));
    let _fault = emulator.on(Method::CREATE_API).operation(plan);
    created(&client, "b").await;
    delete(&client, &format!("{PARENT}/apis/a"))
        .await
        .expect("it exists");
    for (filter, expected) in [
        ("", 3),
        ("done=false", 1),
        ("NOT done = true", 1),
        ("done = true AND error:*", 1),
        ("error.code = 13", 1),
        ("error.message:\"no backend\"", 1),
        ("error.message:backend", 0),
        ("error.message:*backend", 1),
        ("response:*", 1),
        ("metadata.verb = create", 2),
        ("metadata.verb=delete AND done=false", 1),
        ("metadata.verb=delete AND done=true", 0),
        ("done = false OR error:*", 2),
        ("metadata.target = \"*/apis/a\"", 2),
        ("metadata.createTime < 2100-01-01T00:00:00Z", 3),
        ("metadata.end_time > 2000-01-01T00:00:00Z", 2),
        ("metadata.requested_cancellation = true", 0),
        ("operation-00000002", 1),
    ] {
        let found = operations(&client, PARENT, filter).await;
        assert_eq!(found.len(), expected, "{filter}: {found:?}");
    }
    let request = ListOperationsRequest {
        name: PARENT.into(),
        filter: "done = yes".into(),
        ..Default::default()
    };
    let refused = client.operations_client().list_operations(request).await;
    assert_eq!(
        refused.expect_err("`yes` is not a boolean").code(),
        Code::InvalidArgument
    );
}

async fn page(client: &ApiGateway, request: ListApisRequest) -> Result<ListApisResponse, Status> {
    Ok(client
        .service_client()
        .list_apis(request)
        .await?
        .into_inner())
}

fn request(order_by: &str, page_token: &str) -> ListApisRequest {
    ListApisRequest {
        parent: PARENT.into(),
        page_size: 2,
        page_token: page_token.into(),
        order_by: order_by.into(),
        ..Default::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_next_page_starts_after_the_last_item_even_if_the_item_was_deleted() {
    for (order, first, second) in [
        ("", ["a", "b"], ["c", "d"]),
        ("name desc", ["d", "c"], ["b", "a"]),
        ("create_time", ["c", "a"], ["d", "b"]),
        ("labels.team desc", ["a", "b"], ["c", "d"]),
    ] {
        let client = client();
        for id in ["c", "a", "d", "b"] {
            created(&client, id).await;
        }
        let shown = page(&client, request(order, "")).await.expect("a page");
        let names = |page: &ListApisResponse| {
            let names = page.apis.iter().map(|api| api.display_name.clone());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(&shown), first, "{order}");
        delete(&client, &shown.apis[1].name)
            .await
            .expect("it exists");
        tokio::time::advance(RUNS).await;
        let token = shown.next_page_token;
        let shown = page(&client, request(order, &token)).await.expect("a page");
        assert_eq!(names(&shown), second, "{order}");
        assert_eq!(shown.next_page_token, "", "{order}");
    }
}

fn is_about_token(status: &Status) -> bool {
    let details = status.get_details_bad_request().expect("details");
    status.code() == Code::InvalidArgument && details.field_violations[0].field == "page_token"
}

#[tokio::test(start_paused = true)]
async fn a_page_token_is_valid_for_its_own_list_only() {
    let client = client();
    for id in ["c", "a", "d", "b"] {
        created(&client, id).await;
    }
    let token = page(&client, request("", ""))
        .await
        .expect("a page")
        .next_page_token;
    assert!(!token.contains("apis"), "{token}");
    let own = ListApisRequest {
        page_size: 1,
        ..request("", &token)
    };
    page(&client, own)
        .await
        .expect("a page size may change between pages");
    for other in [
        request("name", &token),
        request("", "garbage"),
        request("", "projects/p/locations/global/apis/a"),
        request("", &token[1..]),
        ListApisRequest {
            filter: "state = ACTIVE".into(),
            ..request("", &token)
        },
        ListApisRequest {
            parent: "projects/p/locations/-".into(),
            ..request("", &token)
        },
    ] {
        let refused = page(&client, other.clone())
            .await
            .expect_err("another list");
        assert!(is_about_token(&refused), "{other:?}: {refused}");
    }
    let operations = |filter: &str, token: &str| ListOperationsRequest {
        name: PARENT.into(),
        filter: filter.into(),
        page_size: 1,
        page_token: token.into(),
        ..Default::default()
    };
    let list = async |request| -> Result<ListOperationsResponse, Status> {
        Ok(client
            .operations_client()
            .list_operations(request)
            .await?
            .into_inner())
    };
    let first = list(operations("done=true", "")).await.expect("a page");
    let next = first.next_page_token;
    let second = list(operations("done=true", &next)).await.expect("a page");
    assert_ne!(first.operations, second.operations);
    for (filter, token) in [
        ("", &next),
        ("done=true", &token),
        ("done=true", &"x".into()),
    ] {
        let refused = list(operations(filter, token))
            .await
            .expect_err("another list");
        assert!(is_about_token(&refused), "{filter}: {refused}");
    }
    let locations = ListLocationsRequest {
        name: "projects/p".into(),
        page_token: token,
        ..Default::default()
    };
    let refused = client.locations_client().list_locations(locations).await;
    assert!(is_about_token(&refused.expect_err("another list")));
}
