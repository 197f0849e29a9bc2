//! A path that drops all bytes of established connections, while new connections work.

use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::{ApiGateway, CallOptions};
use futures_util::future::join_all;
use tokio::runtime::Builder;

use crate::alone;
use crate::fault::HALF_OPEN;
use crate::proxy::Proxy;
use crate::run::{API, PARENT};

/// Calls that begin before the client notices the silence get no answer. Calls that begin later get one. The client notices it
/// within two seconds; the test waits for three.
#[test]
fn calls_after_two_seconds_of_silence_are_answered_over_another_connection() {
    let _alone = alone();
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(silence());
}

async fn silence() {
    let emulator = Emulator::builder().build();
    let server = emulator.start("127.0.0.1:0").await.expect("a free port");
    let proxy = Proxy::start(server.address()).await.expect("a free port");
    let client = ApiGateway::builder().endpoint(proxy.endpoint()).anonymous();
    let client = client.retry(RetryPolicy::NEVER).build().expect("valid");
    let created = client.create_api(PARENT, "a", Api::default()).await;
    created.expect("started").await.expect("an api");

    proxy.order(HALF_OPEN);
    let within = |seconds| {
        let options = CallOptions::default().timeout(Duration::from_secs(seconds));
        client.with_options(options)
    };
    let (early, late) = (within(4), within(10));
    let early = tokio::spawn(async move { join_all((0..64).map(|_| early.get_api(API))).await });
    tokio::time::sleep(Duration::from_millis(3000)).await;
    // If the machine suspended the process meanwhile, the first wave may begin before the client has noticed the silence.
    let mut waves = 0;
    loop {
        let late = join_all((0..64).map(|_| late.get_api(API))).await;
        waves += 1;
        let failed = late.iter().find_map(|api| api.as_ref().err());
        match failed {
            None => break,
            Some(error) => assert!(waves < 5, "no other connection is used: {error}"),
        }
    }
    for api in early.await.expect("no panic") {
        let error = api.expect_err("what is in flight is lost");
        assert!(error.is_timeout() || error.is_unavailable(), "{error}");
    }
}
