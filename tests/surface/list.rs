//! Lists by page and by item, with servers that fail, delay or repeat pages.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{Server, mock_client, ok};
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{
    Api, ListApisRequest, ListApisResponse,
};
use apigateway_grpc::proto::google::longrunning::{ListOperationsRequest, ListOperationsResponse};
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use apigateway_grpc::{ApiGateway, Error};
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use prost::Message;
use tonic::Status;

const PARENT: &str = "projects/p/locations/global";

/// Decodes the message of a request.
async fn message<M: Message + Default>(rpc: GrpcRequest) -> M {
    let body = rpc.into_body().collect().await.expect("it is whole");
    M::decode(&body.to_bytes()[5..]).expect("the message of the method")
}

fn api(id: &str) -> Api {
    Api {
        name: format!("{PARENT}/apis/{id}"),
        ..Api::default()
    }
}

fn page(ids: &[&str], next: &str, unreachable: &[&str]) -> ListApisResponse {
    ListApisResponse {
        apis: ids.iter().map(|id| api(id)).collect(),
        next_page_token: next.to_owned(),
        unreachable_locations: unreachable.iter().map(|it| (*it).to_owned()).collect(),
    }
}

/// Answers one request with a page, and returns the request.
async fn answer(server: &mut Server, page: ListApisResponse) -> ListApisRequest {
    let (rpc, answer) = server.next_request().await;
    answer.send_response(ok(&page));
    message(rpc).await
}

/// Answers one request with each page, and returns the page tokens of the requests.
async fn answer_all(server: &mut Server, pages: Vec<ListApisResponse>) -> Vec<String> {
    let mut tokens = Vec::new();
    for page in pages {
        tokens.push(answer(server, page).await.page_token);
    }
    tokens
}

/// Reads a list. Returns the ids of its items, the error that ended it, if any, and the unreachable locations.
async fn read(client: &ApiGateway) -> (Vec<String>, Option<Error>, Vec<String>) {
    let mut items = client.list_apis(PARENT).items();
    let (mut ids, mut ended) = (Vec::new(), None);
    while let Some(item) = items.next().await {
        match item {
            Ok(api) => ids.push(api.name.rsplit('/').next().expect("an id").to_owned()),
            Err(error) => assert!(ended.replace(error).is_none(), "a second error"),
        }
    }
    assert!(items.next().await.is_none(), "an item after the end");
    (ids, ended, items.unreachable().to_vec())
}

#[tokio::test(start_paused = true)]
async fn items_of_all_pages_are_returned_also_after_an_empty_page() {
    let (client, mut server) = mock_client(|it| it);
    let pages = vec![
        page(&[], "t1", &[]),
        page(&["a", "b"], "t2", &[]),
        page(&[], "t3", &[]),
        page(&["c"], "", &[]),
    ];
    let (read, asked) = tokio::join!(read(&client), answer_all(&mut server, pages));
    assert_eq!(read.0, ["a", "b", "c"]);
    assert!(read.1.is_none());
    assert_eq!(asked, ["", "t1", "t2", "t3"]);
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_repeated_page_token_ends_the_list_with_an_error_that_names_it() {
    let (client, mut server) = mock_client(|it| it);
    let pages = vec![
        page(&["a"], "t1", &[]),
        page(&["b"], "t2", &[]),
        page(&["c"], "t1", &[]),
    ];
    let (read, asked) = tokio::join!(read(&client), answer_all(&mut server, pages));
    assert_eq!(read.0, ["a", "b", "c"], "all items before the error");
    let error = read.1.expect("the list would never end");
    let expected = format!("list apis of {PARENT}: the server returned the page token `t1` twice");
    assert_eq!(error.to_string(), expected);
    assert!(error.is_invalid_response() && !error.is_unsent());
    assert_eq!(asked, ["", "t1", "t2"]);
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_negative_size_is_refused_and_never_sent() {
    let (client, server) = mock_client(|it| it);
    let list = client.list_apis(PARENT).page_size(-1);
    let expected = format!("list apis of {PARENT}: invalid `page_size` -1: must not be negative");
    let error = list.first_page().await.expect_err("negative");
    assert_eq!(error.to_string(), expected);
    assert!(error.is_invalid_argument() && error.is_unsent());
    let mut items = list.items();
    let error = items.next().await.expect("an error").expect_err("negative");
    assert_eq!(error.to_string(), expected);
    drop(items);
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn filter_order_and_size_are_the_same_for_all_pages() {
    let (client, mut server) = mock_client(|it| it);
    let list = client.list_apis(PARENT);
    let list = list.filter("state = ACTIVE").order_by("name desc");
    let mut items = list.page_size(7).items();
    let answers = async {
        let first = answer(&mut server, page(&["a"], "t", &[])).await;
        (first, answer(&mut server, page(&["b"], "", &[])).await)
    };
    let reads = async { while items.next().await.is_some() {} };
    let ((first, second), ()) = tokio::join!(answers, reads);
    let expected = ListApisRequest {
        parent: PARENT.into(),
        page_size: 7,
        page_token: String::new(),
        filter: "state = ACTIVE".into(),
        order_by: "name desc".into(),
    };
    assert_eq!(first, expected);
    let page_token = "t".to_owned();
    let expected = ListApisRequest {
        page_token,
        ..expected
    };
    assert_eq!(second, expected);
}

#[tokio::test(start_paused = true)]
async fn unreachable_locations_are_returned_once_each_after_the_items() {
    let (client, mut server) = mock_client(|it| it);
    let pages = vec![
        page(&["a"], "t1", &["here", "there"]),
        page(&["b"], "", &["there", "elsewhere"]),
    ];
    let (read, _) = tokio::join!(read(&client), answer_all(&mut server, pages));
    assert_eq!(read.2, ["here", "there", "elsewhere"]);
}

#[tokio::test(start_paused = true)]
async fn at_most_one_page_is_fetched_ahead() {
    let (client, mut server) = mock_client(|it| it);
    let mut items = client.list_apis(PARENT).items();
    assert!(
        server.next_request().now_or_never().is_none(),
        "a page was requested before the first item"
    );
    let first = answer(&mut server, page(&["a", "b"], "t1", &[]));
    let (item, _) = tokio::join!(items.next(), first);
    assert_eq!(item.expect("one").expect("read"), api("a"));
    let ahead = answer(&mut server, page(&["c", "d"], "t2", &[])).await;
    assert_eq!(
        ahead.page_token, "t1",
        "the second page is requested with the first item"
    );
    assert_eq!(items.next().await.expect("one").expect("read"), api("b"));
    assert!(
        server.next_request().now_or_never().is_none(),
        "a second page was requested ahead"
    );
    assert_eq!(items.next().await.expect("one").expect("read"), api("c"));
    let ahead = answer(&mut server, page(&[], "", &[])).await;
    assert_eq!(ahead.page_token, "t2");
}

#[tokio::test(start_paused = true)]
async fn an_error_comes_after_the_items_before_it_and_ends_the_list() {
    let (client, mut server) = mock_client(|it| it.retry(RetryPolicy::NEVER));
    let answers = async {
        answer(&mut server, page(&["a", "b"], "t1", &[])).await;
        let (_, answer) = server.next_request().await;
        answer.send_error(Status::permission_denied("not this page"));
    };
    let (read, ()) = tokio::join!(read(&client), answers);
    assert_eq!(read.0, ["a", "b"]);
    let error = read.1.expect("it failed").to_string();
    let expected = format!("list apis of {PARENT}: permission denied: not this page");
    assert_eq!(error, expected);
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_prefetched_page_that_timed_out_is_requested_again() {
    let (client, mut server) = mock_client(|it| it.retry(RetryPolicy::NEVER));
    let mut items = client.list_apis(PARENT).items();
    let first = answer(&mut server, page(&["a"], "t1", &[]));
    let (item, _) = tokio::join!(items.next(), first);
    assert_eq!(item.expect("one").expect("read"), api("a"));
    let (_ahead, _never) = server.next_request().await;
    tokio::time::advance(Duration::from_secs(600)).await;
    let second = answer(&mut server, page(&["b"], "t2", &[]));
    let (item, request) = tokio::join!(items.next(), second);
    assert_eq!(item.expect("one").expect("read"), api("b"));
    assert_eq!(request.page_token, "t1");
    let (_ahead, _never) = server.next_request().await;
    tokio::time::advance(Duration::from_secs(600)).await;
    let (error, _never) = tokio::join!(items.next(), server.next_request());
    let error = error
        .expect("an error")
        .expect_err("the requested page timed out");
    assert!(error.is_timeout(), "{error}");
    assert!(items.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_of_next_loses_no_item() {
    let (client, mut server) = mock_client(|it| it);
    let mut items = client.list_apis(PARENT).items();
    assert!(items.next().now_or_never().is_none());
    let (rpc, answer) = server.next_request().await;
    assert!(items.next().now_or_never().is_none());
    answer.send_response(ok(&page(&["a"], "", &[])));
    assert_eq!(items.next().await.expect("one").expect("read"), api("a"));
    assert!(items.next().await.is_none());
    drop((rpc, items));
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn dropping_a_stream_of_items_ends_its_calls() {
    let running = Arc::new(());
    let held = Arc::clone(&running);
    let transport = tower::service_fn(move |rpc: GrpcRequest| {
        let held = Arc::clone(&held);
        async move {
            let request = message::<ListApisRequest>(rpc).await;
            if request.page_token.is_empty() {
                return Ok::<GrpcResponse, Status>(ok(&page(&["a"], "t1", &[])));
            }
            std::future::pending::<()>().await;
            drop(held);
            Err(Status::aborted("never"))
        }
    });
    let client = ApiGateway::builder()
        .transport_service(transport)
        .anonymous();
    let client = client.build().expect("the settings are valid");
    let mut items = client.list_apis(PARENT).items();
    assert_eq!(items.next().await.expect("one").expect("read"), api("a"));
    assert!(items.next().now_or_never().is_none());
    assert_eq!(
        Arc::strong_count(&running),
        3,
        "the call for the page ahead is in progress"
    );
    drop(items);
    tokio::task::yield_now().await;
    assert_eq!(Arc::strong_count(&running), 2);
    assert_eq!(
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn operations_are_listed_by_the_name_of_their_parent_without_a_suffix() {
    let (client, mut server) = mock_client(|it| it);
    let refused = client.list_operations(format!("{PARENT}/operations"));
    let error = refused.first_page().await.expect_err("not a location");
    assert!(error.is_invalid_name(), "{error}");
    let list = client.list_operations("projects/p/locations/-");
    let answers = async {
        let (rpc, answer) = server.next_request().await;
        answer.send_response(ok(&ListOperationsResponse {
            next_page_token: "next".into(),
            unreachable: vec!["there".into()],
            ..ListOperationsResponse::default()
        }));
        message::<ListOperationsRequest>(rpc).await
    };
    let (page, request) = tokio::join!(list.page("this"), answers);
    let page = page.expect("answered");
    assert_eq!(page.next_page_token.as_deref(), Some("next"));
    assert_eq!(page.unreachable, ["there"]);
    assert_eq!(request.name, "projects/p/locations/-");
    assert_eq!(request.page_token, "this");
    assert!(
        request.return_partial_success,
        "an unreachable location must not fail the list"
    );
}

#[tokio::test(start_paused = true)]
async fn a_strict_list_fails_if_a_location_is_unreachable() {
    let (client, mut server) = mock_client(|it| it);
    let list = client.list_apis("projects/p/locations/-").strict();
    let answers = async {
        server
            .next_request()
            .await
            .1
            .send_response(ok(&ListApisResponse {
                unreachable_locations: vec!["projects/p/locations/there".into()],
                ..ListApisResponse::default()
            }));
    };
    let (page, ()) = tokio::join!(list.first_page(), answers);
    let error = page.expect_err("a location is missing");
    assert!(error.is_unavailable(), "{error}");
    let expected = "unreachable locations: projects/p/locations/there";
    assert!(error.to_string().ends_with(expected), "{error}");

    let list = client.list_operations("projects/p/locations/-").strict();
    let answers = async {
        let (rpc, answer) = server.next_request().await;
        answer.send_response(ok(&ListOperationsResponse::default()));
        message::<ListOperationsRequest>(rpc).await
    };
    let (page, request) = tokio::join!(list.first_page(), answers);
    page.expect("all are reached");
    assert!(!request.return_partial_success);
}
