//! Calls that the server certainly did not process are retried once without delay, for any method.

use std::time::Duration;

use crate::common::{NAME, done, mock_client};
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::proto::google::cloud::apigateway::v1::CreateApiRequest;
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::{ApiGateway, Error, RetryThrottling};
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tonic::Status;

fn refused() -> h2::Error {
    h2::Error::from(h2::Reason::REFUSED_STREAM)
}

async fn create(client: &ApiGateway) -> Result<Operation, Error> {
    let request = CreateApiRequest {
        parent: "projects/p/locations/global".into(),
        api_id: "a".into(),
        api: None,
    };
    let created = client.service_client().create_api(request).await;
    created
        .map(tonic::Response::into_inner)
        .map_err(Error::from)
}

#[tokio::test(start_paused = true)]
async fn a_create_on_a_refused_stream_is_retried_once_without_delay_under_any_policy() {
    let (client, mut server) = mock_client(|it| it.retry(RetryPolicy::NEVER));
    let began = Instant::now();
    let (result, ()) = tokio::join!(create(&client), async {
        server.next_request().await.1.send_error(refused());
        server.next_request().await.1.send_response(done());
    });
    assert!(result.expect("the second attempt succeeded").done);
    assert_eq!(began.elapsed(), Duration::ZERO);
    server.expect_no_more_requests(client).await;
}

/// With a transport of the user, the refusal of the stream appears as an error of the response's body.
#[tokio::test(start_paused = true)]
async fn a_create_whose_stream_is_refused_after_the_response_head_is_not_sent_again() {
    let (client, mut server) = mock_client(|it| it);
    let (result, ()) = tokio::join!(create(&client), async {
        let refused = Status::from_error(refused().into());
        let cut = http_body_util::Empty::new()
            .map_err(|never| match never {})
            .with_trailers(std::future::ready(Some(Err(refused))));
        let reply = done().map(|_| tonic::body::Body::new(cut));
        server.next_request().await.1.send_response(reply);
    });
    let error = result.expect_err("the response was truncated");
    assert!(error.is_unavailable() && !error.is_unsent(), "{error}");
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_refused_stream_is_not_retried_transparently() {
    let (client, mut server) = mock_client(|it| it.retry(RetryPolicy::NEVER));
    let (result, ()) = tokio::join!(create(&client), async {
        server.next_request().await.1.send_error(refused());
        server.next_request().await.1.send_error(refused());
    });
    let error = result.expect_err("the policy has one attempt");
    assert!(error.is_unsent() && error.is_unavailable(), "{error}");
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_transparent_retry_is_not_an_attempt_of_the_policy_and_takes_no_token() {
    let policy = RetryPolicy::default().max_attempts(2);
    let throttling = RetryThrottling::default().max_tokens(4);
    let (client, mut server) =
        mock_client(|it| it.retry(policy).retry_throttling(Some(throttling)));
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        server.next_request().await.1.send_error(refused());
        let away = Status::unavailable("away");
        server.next_request().await.1.send_error(away.clone());
        server.next_request().await.1.send_error(away);
    });
    let error = result.expect_err("both attempts failed");
    assert!(!error.is_unsent(), "{error}");
    server.expect_no_more_requests(client).await;
}

/// A call whose connection cannot be opened is retried only by the policy, after its delay, so a server that is down gets no
/// immediate retry.
#[tokio::test(start_paused = true)]
async fn a_failed_connection_is_retried_only_by_the_policy() {
    let (client, mut server) = mock_client(|it| it.retry(RetryPolicy::NEVER));
    let (result, ()) = tokio::join!(create(&client), async {
        let refused = tonic::ConnectError("refused".into());
        server.next_request().await.1.send_error(refused);
    });
    assert!(result.expect_err("the port is closed").is_unsent());
    server.expect_no_more_requests(client).await;
}
