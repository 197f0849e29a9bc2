//! Apis: names, errors with their details, and lists.

use apigateway_grpc::ApiGateway;
use apigateway_grpc::emulator::{Details, Emulator};
use apigateway_grpc::proto::google::cloud::apigateway::v1::*;
use apigateway_grpc::proto::google::longrunning::ListOperationsRequest;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::StatusExt as _;

use crate::{API, PARENT, RUNS, client, create, delete, get, operations, over};

async fn list(client: &ApiGateway, size: i32, token: &str) -> Result<ListApisResponse, Status> {
    let request = ListApisRequest {
        parent: PARENT.into(),
        page_size: size,
        page_token: token.into(),
        ..Default::default()
    };
    Ok(client
        .service_client()
        .list_apis(request)
        .await?
        .into_inner())
}

fn violation(status: &Status) -> String {
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let details = status.get_details_bad_request().expect("details");
    details.field_violations[0].field.clone()
}

#[tokio::test(start_paused = true)]
async fn a_missing_resource_is_not_found_with_details() {
    let builder = Emulator::builder().error_details(Details::All);
    let client = over(&builder.build());
    let name = "projects/p/locations/global/operations/none";
    let error = client.get_operation(name).await.expect_err("none");
    let status = error.status().expect("a call");
    for (status, kind, name) in [
        (status, "Operation", name),
        (&get(&client, API).await.expect_err("none"), "API", API),
        (&delete(&client, API).await.expect_err("none"), "API", API),
    ] {
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(status.message(), format!("{kind} \"{name}\" not found"));
        let info = status.get_details_resource_info().expect("details");
        assert_eq!(
            (info.resource_type.as_str(), info.resource_name.as_str()),
            (kind, name)
        );
        let info = status.get_details_error_info().expect("details");
        assert_eq!(info.domain, "apigateway.googleapis.com");
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_with_a_used_id_gets_already_exists_and_a_delete_of_a_busy_api_gets_aborted() {
    let client = client();
    let started = create(&client, "a").await.expect("a new api");
    let twice = create(&client, "a").await.expect_err("used");
    assert_eq!(twice.code(), Code::AlreadyExists);
    let busy = delete(&client, API).await.expect_err("being created");
    assert_eq!(busy.code(), Code::Aborted);
    assert!(busy.message().contains(&started.name), "{busy}");
    assert!(busy.get_details_resource_info().is_some());
    tokio::time::advance(RUNS).await;
    assert_eq!(
        create(&client, "a").await.expect_err("used").code(),
        Code::AlreadyExists
    );
    delete(&client, API).await.expect("not busy any more");
    assert_eq!(
        delete(&client, API)
            .await
            .expect_err("being deleted")
            .code(),
        Code::Aborted
    );
}

#[tokio::test(start_paused = true)]
async fn invalid_ids_parents_and_sizes_are_reported_with_their_fields() {
    let client = client();
    let long = "a".repeat(64);
    for id in ["", "-a", "A", "a_b", "a.b", "ä", "a/b", " ", long.as_str()] {
        assert_eq!(
            violation(&create(&client, id).await.expect_err(id)),
            "api_id"
        );
    }
    for id in ["a", "0", "a-", &long[1..]] {
        create(&client, id).await.expect(id);
    }
    for parent in [
        "",
        "projects/p",
        "projects//locations/global",
        "projects/p/locations/us-east1",
        "projects/p/locations/global/apis",
    ] {
        let request = CreateApiRequest {
            parent: parent.into(),
            api_id: "b".into(),
            api: None,
        };
        let status = client
            .service_client()
            .create_api(request)
            .await
            .expect_err(parent);
        assert_eq!(violation(&status), "parent");
    }
    assert_eq!(
        violation(&list(&client, -1, "").await.expect_err("negative")),
        "page_size"
    );
    let negative = ListOperationsRequest {
        name: PARENT.into(),
        page_size: -1,
        ..Default::default()
    };
    // `ApiGateway::list_operations` rejects a negative size before it sends the request. A generated client does not.
    let refused = client.operations_client().list_operations(negative).await;
    assert_eq!(violation(&refused.expect_err("negative")), "page_size");
}

#[tokio::test(start_paused = true)]
async fn the_pages_of_a_list_have_each_item_once() {
    let client = client();
    for id in ["c", "a", "b", "a-1", "z"] {
        create(&client, id).await.expect(id);
    }
    let (mut ids, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = list(&client, 2, &token).await.expect("a page");
        ids.extend(page.apis.into_iter().map(|api| api.display_name));
        (token, pages) = (page.next_page_token, pages + 1);
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((ids.join(" ").as_str(), pages), ("a a-1 b c z", 3));
    for size in [0, 5, i32::MAX] {
        let page = list(&client, size, "").await.expect("a page");
        assert_eq!(
            (page.apis.len(), page.next_page_token.as_str()),
            (5, ""),
            "{size}"
        );
    }
    let (first, token) = operations(&client, 3, "").await;
    let (second, end) = operations(&client, 3, &token).await;
    assert_eq!((first.len(), second.len(), end.as_str()), (3, 2, ""));
    assert!(first.iter().all(|operation| !second.contains(operation)));
}
