//! The pushback of a server, `grpc-retry-pushback-ms` (gRFC A6).

use std::time::Duration;

use crate::common::{NAME, done, grpc, mock_client, ok};
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::prost_types::Any;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, CreateApiRequest};
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::proto::google::longrunning::operation::Result as Ending;
use apigateway_grpc::stack::GrpcResponse;
use apigateway_grpc::{ApiGateway, RetryThrottling};
use http_body_util::{BodyExt as _, Empty};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Returns the status with these values of pushback.
fn pushed(mut status: Status, values: &[&str]) -> Status {
    for value in values {
        let value = value.parse().expect("header text");
        let metadata = status.metadata_mut();
        metadata.append("grpc-retry-pushback-ms", value);
    }
    status
}

fn away(values: &[&str]) -> Status {
    pushed(Status::unavailable("away"), values)
}

fn in_head(status: &Status) -> GrpcResponse {
    status.clone().into_http()
}

fn in_trailers(status: &Status) -> GrpcResponse {
    let trailers = in_head(status).into_parts().0.headers;
    let body = Empty::new().with_trailers(std::future::ready(Some(Ok(trailers))));
    grpc(tonic::body::Body::new(body))
}

/// Makes a read whose first attempt gets this response and whose second attempt succeeds. Returns the duration of the read.
async fn wait(first: GrpcResponse) -> Duration {
    let (client, mut server) = mock_client(|it| it);
    let began = Instant::now();
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        server.next_request().await.1.send_response(first);
        server.next_request().await.1.send_response(done());
    });
    assert!(result.expect("the second attempt succeeded").done);
    server.expect_no_more_requests(client).await;
    began.elapsed()
}

/// Makes a read that fails with this status and is not retried.
async fn fails(status: Status) {
    let (client, mut server) = mock_client(|it| it);
    let began = Instant::now();
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        server
            .next_request()
            .await
            .1
            .send_response(in_head(&status));
    });
    let error = result.expect_err("the call is not retried");
    assert_eq!(error.code(), Some(status.code()), "{error}");
    assert_eq!(began.elapsed(), Duration::ZERO);
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn pushback_replaces_the_random_delay() {
    for (value, expected) in [("0", 0), ("1", 1), ("700", 700), ("4321", 4321)] {
        let status = away(&[value]);
        for first in [in_head(&status), in_trailers(&status)] {
            assert_eq!(wait(first).await, millis(expected), "{value}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn negative_or_invalid_pushback_forbids_a_retry() {
    for values in [
        &["-1"][..],
        &["-2147483648"],
        &["soon"],
        &[""],
        &["1.5"],
        &["99999999999"],
        &["5", "5"],
    ] {
        fails(away(values)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn pushback_sets_the_delay_but_does_not_force_a_retry() {
    fails(pushed(Status::not_found("no"), &["5"])).await;
    // The call has a timeout of ten seconds.
    fails(away(&["10000"])).await;
    let (client, mut server) = mock_client(|it| it);
    let create = async |client: &ApiGateway| {
        let request = CreateApiRequest {
            parent: "projects/p/locations/global".into(),
            api_id: "a".into(),
            api: None,
        };
        client.service_client().create_api(request).await
    };
    let (result, ()) = tokio::join!(create(&client), async {
        server
            .next_request()
            .await
            .1
            .send_response(in_head(&away(&["5"])));
    });
    let status = result.expect_err("the create may have been processed");
    assert_eq!(status.code(), Code::Unavailable);
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        for _ in 1..=5 {
            server
                .next_request()
                .await
                .1
                .send_response(in_head(&away(&["5"])));
        }
    });
    assert!(result.expect_err("five attempts").is_unavailable());
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn retry_info_raises_the_pushback_and_never_lowers_it() {
    let with = |hint: u64, value: &str| {
        let details = ErrorDetails::with_retry_info(Some(millis(hint)));
        let status = Status::with_error_details(Code::Unavailable, "away", details);
        pushed(status, &[value])
    };
    assert_eq!(wait(in_head(&with(3000, "200"))).await, millis(3000));
    assert_eq!(wait(in_head(&with(200, "3000"))).await, millis(3000));
    fails(with(200, "-1")).await;
}

#[tokio::test(start_paused = true)]
async fn after_pushback_the_backoff_starts_again() {
    let growing = RetryPolicy::default()
        .unlimited_attempts()
        .initial_backoff(millis(1))
        .max_backoff(Duration::from_secs(9))
        .multiplier(1000.0);
    let (client, mut server) = mock_client(|it| it.retry(growing));
    let began = Instant::now();
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        for values in [&["5"][..], &["5"], &["5"], &[]] {
            server
                .next_request()
                .await
                .1
                .send_response(in_head(&away(values)));
        }
        server.next_request().await.1.send_response(done());
    });
    assert!(result.expect("the fifth attempt succeeded").done);
    // Three delays of 5 ms by pushback, and a first backoff of at most 1 ms.
    assert!(began.elapsed() <= millis(17), "{:?}", began.elapsed());
    server.expect_no_more_requests(client).await;
}

/// Returns whether a failed call is retried after two earlier calls that failed with this pushback.
async fn is_retried_after(values: &[&str]) -> bool {
    let throttling = RetryThrottling::default().max_tokens(4);
    let (client, mut server) = mock_client(|it| it.retry_throttling(Some(throttling)));
    for _ in 0..2 {
        let (result, ()) = tokio::join!(client.get_operation(NAME), async {
            let status = pushed(Status::not_found("no"), values);
            server
                .next_request()
                .await
                .1
                .send_response(in_head(&status));
        });
        assert!(result.expect_err("it is not there").is_not_found());
    }
    let call = client.get_operation(NAME);
    let serve = async {
        server
            .next_request()
            .await
            .1
            .send_response(in_head(&away(&[])));
        server.next_request().await.1.send_response(done());
    };
    tokio::select! {
        biased;
        result = call => {
            assert!(result.expect_err("it failed").is_unavailable());
            false
        }
        () = serve => true,
    }
}

#[tokio::test(start_paused = true)]
async fn pushback_that_forbids_a_retry_takes_a_token_with_any_code() {
    assert!(is_retried_after(&[]).await);
    assert!(is_retried_after(&["5"]).await);
    assert!(!is_retried_after(&["-1"]).await);
}

#[tokio::test(start_paused = true)]
async fn pushback_delays_a_poll_of_an_operation_and_never_forbids_it() {
    for (value, within) in [("17000", 17..21), ("-1", 0..4)] {
        let (client, mut server) = mock_client(|it| it);
        let began = Instant::now();
        let waited = async {
            let operation = client.operation::<Api>(NAME).expect("a name");
            operation.await.expect("it succeeded")
        };
        let (_, ()) = tokio::join!(waited, async {
            let busy = pushed(Status::resource_exhausted("slower"), &[value]);
            server.next_request().await.1.send_response(in_head(&busy));
            server
                .next_request()
                .await
                .1
                .send_response(ok(&succeeded()));
        });
        let took = began.elapsed().as_secs();
        assert!(within.contains(&took), "{value}: {took}");
        server.expect_no_more_requests(client).await;
    }
}

/// A successful operation that created an api.
fn succeeded() -> Operation {
    let api = Any {
        type_url: "type.googleapis.com/google.cloud.apigateway.v1.Api".to_owned(),
        value: Vec::new(),
    };
    Operation {
        name: NAME.to_owned(),
        done: true,
        result: Some(Ending::Response(api)),
        ..Operation::default()
    }
}
