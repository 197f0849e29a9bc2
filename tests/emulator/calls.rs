//! The log of received calls.

use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::{ReceivedCall, Via};
use apigateway_grpc::proto::google::cloud::apigateway::v1::{GetApiRequest, ListApisRequest};
use apigateway_grpc::tonic::{Code, Request, Status};

use crate::{API, PARENT, RUNS, create, created, emulator, get, operations, over};

#[tokio::test(start_paused = true)]
async fn calls_are_recorded_in_order_with_their_names_and_counted() {
    let emulator = emulator();
    let client = over(&emulator);
    created(&client, "a").await;
    get(&client, API).await.expect("it exists");
    operations(&client, 0, "").await;
    create(&client, "a").await.expect_err("used");
    let calls = emulator.calls();
    let recorded: Vec<_> = calls
        .iter()
        .map(|call| (call.method.name(), call.via, call.name.as_str(), call.at))
        .collect();
    assert_eq!(
        recorded,
        [
            ("CreateApi", Via::Grpc, API, std::time::Duration::ZERO),
            ("GetApi", Via::Grpc, API, RUNS),
            ("ListOperations", Via::Grpc, PARENT, RUNS),
            ("CreateApi", Via::Grpc, API, RUNS),
        ]
    );
    assert!(
        calls[1].headers["x-goog-request-params"]
            == "name=projects%2Fp%2Flocations%2Fglobal%2Fapis%2Fa"
    );
    assert_eq!(emulator.call_count(Method::CREATE_API), 2);
    assert_eq!(emulator.call_count(Method::GET_GATEWAY), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_fault_is_recorded() {
    let emulator = emulator();
    let client = over(&emulator);
    let _fault = emulator.on(Method::GET_API).fail(Status::aborted("no"));
    get(&client, API)
        .await
        .expect_err("a fault makes the call fail");
    assert_eq!(emulator.call_count(Method::GET_API), 1);
}

#[tokio::test(start_paused = true)]
async fn recorded_calls_have_no_secrets() {
    let emulator = emulator();
    let client = over(&emulator);
    let mut request = Request::new(GetApiRequest { name: API.into() });
    let secret = [
        "authorization",
        "x-goog-api-key",
        "cookie",
        "x-password",
        "x-goog-iap-jwt-assertion",
        "x-session-id",
        "x-amz-signature",
        "referer",
    ];
    for name in secret.into_iter().chain(["x-plain"]) {
        let value = "hush".parse().expect("a header");
        request.metadata_mut().insert(name, value);
    }
    client
        .service_client()
        .get_api(request)
        .await
        .expect_err("none");
    let calls = emulator.calls();
    for name in secret {
        assert_eq!(calls[0].headers[name], "(masked)", "{name}");
    }
    assert_eq!(calls[0].headers["x-plain"], "hush");
}

#[tokio::test(start_paused = true)]
async fn the_last_thousand_calls_are_recorded_and_all_are_counted() {
    let emulator = emulator();
    let client = over(&emulator);
    for number in 0..1003 {
        get(&client, &format!("{API}{number}"))
            .await
            .expect_err("none");
    }
    let calls = emulator.calls();
    assert_eq!(
        (calls.len(), calls[0].name.as_str()),
        (1000, format!("{API}3").as_str())
    );
    assert_eq!(emulator.call_count(Method::GET_API), 1003);
}

#[tokio::test(start_paused = true)]
async fn the_messages_of_calls_are_recorded_up_to_16_mib() {
    let emulator = emulator();
    let client = over(&emulator);
    // The log has room for four of these messages, not for five.
    for number in 0..5 {
        let request = ListApisRequest {
            parent: "projects/p/locations/global".to_owned(),
            filter: format!("{number}{}", "x".repeat(4_000_000)),
            ..ListApisRequest::default()
        };
        // The filter may be invalid; the call is recorded in either case.
        client.service_client().list_apis(request).await.ok();
    }
    get(&client, API).await.expect_err("none");
    let calls = emulator.calls();
    let kept = calls.iter().map(|call| call.message.is_some());
    assert_eq!(
        kept.collect::<Vec<_>>(),
        [false, true, true, true, true, true]
    );
    let last: Option<GetApiRequest> = calls[5].request();
    assert_eq!(last.map(|request| request.name).as_deref(), Some(API));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_too_large_is_rejected() {
    let emulator = emulator();
    let client = over(&emulator);
    let name = format!("{API}{}", "x".repeat((16 << 20) - 100));
    let found = get(&client, &name).await.expect_err("none");
    assert_eq!(found.code(), Code::NotFound);
    let refused = get(&client, &name.repeat(2)).await.expect_err("too large");
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
}

#[tokio::test(start_paused = true)]
async fn recorded_calls_with_long_names_have_a_limited_size() {
    let emulator = emulator();
    let client = over(&emulator);
    let name = format!("{API}{}", "x".repeat(1 << 20));
    for _ in 0..20 {
        let found = get(&client, &name).await.expect_err("none");
        assert_eq!(found.code(), Code::NotFound);
    }
    let calls = emulator.calls();
    let bytes = |call: &ReceivedCall| {
        let headers: usize = call.headers.values().map(|value| value.len()).sum();
        let message = call.message.as_ref().map_or(0, |message| message.len());
        call.name.len() + headers + message
    };
    let total: usize = calls.iter().map(bytes).sum();
    assert!(total <= 16 << 20, "{total}");
    assert!((5..20).contains(&calls.len()), "{}", calls.len());
    assert_eq!(calls.last().map(|call| &call.name), Some(&name));
    assert_eq!(emulator.call_count(Method::GET_API), 20);
}
