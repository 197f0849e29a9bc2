//! Lists of all locations, with filters and orders, and the list of locations.

use apigateway_grpc::ApiGateway;
use apigateway_grpc::proto::google::cloud::apigateway::v1::*;
use apigateway_grpc::proto::google::cloud::location::{GetLocationRequest, ListLocationsRequest};
use apigateway_grpc::proto::google::longrunning::ListOperationsRequest;
use apigateway_grpc::tonic::Code;

use crate::configs::{REGION, all};
use crate::{PARENT, RUNS, client, create, created, list};

fn ids(apis: &[Api]) -> String {
    let ids = apis
        .iter()
        .map(|api| api.name.rsplit('/').next().expect("an id"));
    ids.collect::<Vec<_>>().join(" ")
}

pub(crate) async fn operations(client: &ApiGateway, name: &str, filter: &str) -> Vec<String> {
    let request = ListOperationsRequest {
        name: name.into(),
        filter: filter.into(),
        ..Default::default()
    };
    let page = client.send(request).await.expect("a page");
    page.operations
        .into_iter()
        .map(|operation| operation.name)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_dash_lists_all_locations() {
    let client = client();
    all(&client).await;
    let gateways = |parent: &str| ListGatewaysRequest {
        parent: parent.into(),
        ..Default::default()
    };
    for (parent, expected) in [
        (REGION, 1),
        ("projects/p/locations/-", 1),
        ("projects/p/locations/us-east1", 0),
        ("projects/other/locations/-", 0),
    ] {
        let page = client
            .service_client()
            .list_gateways(gateways(parent))
            .await
            .expect(parent);
        assert_eq!(page.into_inner().gateways.len(), expected, "{parent}");
    }
    for (parent, expected) in [
        ("projects/p/locations/global/apis/-", 1),
        ("projects/p/locations/-/apis/a", 1),
        ("projects/p/locations/-/apis/b", 0),
    ] {
        let configs = ListApiConfigsRequest {
            parent: parent.into(),
            ..Default::default()
        };
        let page = client
            .service_client()
            .list_api_configs(configs)
            .await
            .expect(parent);
        assert_eq!(page.into_inner().api_configs.len(), expected, "{parent}");
    }
    for (name, expected) in [(PARENT, 2), (REGION, 1), ("projects/p/locations/-", 3)] {
        assert_eq!(
            operations(&client, name, "").await.len(),
            expected,
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn operations_are_filtered_by_done() {
    let client = client();
    created(&client, "a").await;
    let running = create(&client, "b").await.expect("a new api").name;
    assert_eq!(
        operations(&client, PARENT, "done=false").await,
        [running.as_str()]
    );
    assert_eq!(operations(&client, PARENT, "done = true").await.len(), 1);
    tokio::time::advance(RUNS).await;
    assert!(operations(&client, PARENT, "done=false").await.is_empty());
    assert_eq!(operations(&client, PARENT, "done=true").await.len(), 2);
    client.delete_operation(&running).await.expect("it is done");
    assert_eq!(operations(&client, PARENT, "done=true").await.len(), 1);
    let other = create(&client, "c").await.expect("a new api").name;
    client.delete_operation(&other).await.expect("forgotten");
    tokio::time::advance(RUNS).await;
    assert!(operations(&client, PARENT, "done=false").await.is_empty());
    assert_eq!(operations(&client, PARENT, "done=true").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn lists_are_filtered_and_ordered() {
    let client = client();
    for id in ["b", "a", "c"] {
        created(&client, id).await;
    }
    create(&client, "d").await.expect("a new api");
    for (filter, order, expected) in [
        ("state = ACTIVE", "", "a b c"),
        ("state != ACTIVE", "", "d"),
        ("", "create_time", "b a c d"),
        ("", "createTime desc", "d c a b"),
        (
            "state=ACTIVE AND displayName != a",
            "display_name desc",
            "c b",
        ),
    ] {
        let page = list(&client, filter, order).await.expect(filter);
        assert_eq!(ids(&page.apis), expected, "{filter}; {order}");
    }
    for (filter, order) in [
        ("nonsense = 1", ""),
        ("state =", ""),
        ("", "nonsense"),
        ("", "labels"),
        ("", "name,"),
        ("", "name desc asc"),
        ("", "name up"),
    ] {
        let refused = list(&client, filter, order).await.expect_err("wrong");
        assert_eq!(refused.code(), Code::InvalidArgument, "{filter}; {order}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ordered_list_has_pages() {
    let client = client();
    for id in ["b", "a", "c"] {
        created(&client, id).await;
    }
    let mut shown = String::new();
    let mut token = String::new();
    loop {
        let request = ListApisRequest {
            parent: PARENT.into(),
            page_size: 1,
            page_token: token,
            order_by: "create_time desc".into(),
            ..Default::default()
        };
        let page = client
            .service_client()
            .list_apis(request)
            .await
            .expect("a page")
            .into_inner();
        shown += &ids(&page.apis);
        assert!(shown.len() <= 3, "pages without end: {shown}");
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(shown, "cab");
}

#[tokio::test(start_paused = true)]
async fn the_locations_are_global_and_the_regions() {
    let client = client();
    let request = ListLocationsRequest {
        name: "projects/p".into(),
        ..Default::default()
    };
    let page = client
        .locations_client()
        .list_locations(request)
        .await
        .expect("a page");
    let ids: Vec<_> = page
        .into_inner()
        .locations
        .into_iter()
        .map(|location| location.location_id)
        .collect();
    assert!(
        ids.contains(&"global".into()) && ids.contains(&"us-central1".into()) && ids.is_sorted()
    );
    for (name, code) in [
        (REGION, Code::Ok),
        (PARENT, Code::Ok),
        ("projects/p/locations/moon", Code::NotFound),
    ] {
        let request = GetLocationRequest { name: name.into() };
        let found = client.locations_client().get_location(request).await;
        assert_eq!(
            found.map_or_else(|status| status.code(), |_| Code::Ok),
            code,
            "{name}"
        );
    }
}
