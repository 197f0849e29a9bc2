//! Retry throttling: a client whose calls keep failing stops retrying them.

use crate::common::{NAME, Server, done, mock_client};
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::{ApiGateway, RetryThrottling};
use tonic::{Code, Status};

fn throttling(max_tokens: u32, token_ratio: f64) -> RetryThrottling {
    RetryThrottling::default()
        .max_tokens(max_tokens)
        .token_ratio(token_ratio)
}

fn throttled(max_tokens: u32, token_ratio: f64) -> (ApiGateway, Server) {
    mock_client(|it| it.retry_throttling(Some(throttling(max_tokens, token_ratio))))
}

/// Makes a read whose attempts are answered with these codes; OK is a success.
///
/// A further attempt would make the next read or the end of the test fail.
async fn read(client: &ApiGateway, server: &mut Server, codes: &[Code]) {
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        for (index, code) in codes.iter().enumerate() {
            let (_, answer) = server.next_request().await;
            match code {
                Code::Ok => answer.send_response(done()),
                code => answer.send_error(Status::new(*code, format!("{index}"))),
            }
        }
    });
    match codes.last() {
        Some(Code::Ok) => assert!(result.expect("the last attempt succeeded").done),
        last => {
            let error = result.expect_err("the last attempt failed");
            assert_eq!(error.code(), last.copied(), "{error}");
            let text = format!(": {}", codes.len() - 1);
            assert!(error.to_string().ends_with(&text), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn throttled_calls_are_not_retried_until_enough_calls_have_succeeded() {
    use Code::{Ok, Unavailable};

    let (client, mut server) = throttled(4, 1.0);
    // Three tokens are left after the first failure, so the call is retried. Two tokens are left after the second failure. Two
    // is not more than half, so the call is not retried again.
    read(&client, &mut server, &[Unavailable, Unavailable]).await;
    // All clones of a client share the tokens.
    read(&client.clone(), &mut server, &[Unavailable]).await;
    read(&client, &mut server, &[Ok]).await;
    read(&client, &mut server, &[Ok]).await;
    // Three tokens are available again. The failure removes one, and two are too few for a retry.
    read(&client, &mut server, &[Unavailable]).await;
    read(&client, &mut server, &[Ok]).await;
    read(&client, &mut server, &[Ok]).await;
    read(&client, &mut server, &[Unavailable, Ok]).await;
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn without_throttling_only_the_policy_limits_retries() {
    let (client, mut server) = mock_client(|it| it.retry_throttling(None));
    for _ in 0..50 {
        read(&client, &mut server, &[Code::Unavailable; 5]).await;
    }
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn by_default_half_of_a_hundred_tokens_may_be_used_up() {
    let (client, mut server) = mock_client(|it| it);
    // Each call removes five tokens, and the last attempt of the tenth call leaves fifty.
    for _ in 0..10 {
        read(&client, &mut server, &[Code::Unavailable; 5]).await;
    }
    read(&client, &mut server, &[Code::Unavailable]).await;
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn an_error_that_the_policy_does_not_list_takes_no_token() {
    let (client, mut server) = throttled(3, 0.1);
    for code in [Code::NotFound, Code::PermissionDenied, Code::Internal] {
        read(&client, &mut server, &[code]).await;
    }
    read(&client, &mut server, &[Code::Unavailable, Code::Ok]).await;
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn calls_with_a_single_attempt_count_too() {
    let (client, mut server) = throttled(4, 0.1);
    let once = apigateway_grpc::CallOptions::default().retry(RetryPolicy::NEVER);
    let once = client.with_options(once);
    read(&once, &mut server, &[Code::Unavailable]).await;
    read(&client, &mut server, &[Code::Unavailable]).await;
    drop(once);
    server.expect_no_more_requests(client).await;
}

/// The schedule of an operation decides when to poll again.
#[tokio::test(start_paused = true)]
async fn polls_of_an_operation_remove_tokens_and_are_never_throttled() {
    let (client, mut server) = throttled(10, 0.1);
    let mut operation = client.operation::<Api>(NAME).expect("a name");
    for _ in 0..5 {
        let (result, ()) = tokio::join!(operation.poll(), async {
            let (_, answer) = server.next_request().await;
            answer.send_error(Status::unavailable("away"));
        });
        result.expect_err("the server is away");
    }
    read(&client, &mut server, &[Code::Unavailable]).await;
    drop(operation);
    server.expect_no_more_requests(client).await;
}

#[test]
fn invalid_throttling_is_refused_and_named_in_the_error() {
    for (throttling, name) in [
        (throttling(0, 0.1), "max_tokens"),
        (throttling(10, f64::NAN), "token_ratio"),
    ] {
        let builder = ApiGateway::builder().retry_throttling(Some(throttling));
        let error = builder
            .anonymous()
            .build()
            .expect_err("the value is invalid");
        let text = error.to_string();
        assert!(
            text.contains("retry_throttling") && text.contains(name),
            "{text}"
        );
    }
}
