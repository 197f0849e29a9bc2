//! Errors as a program sees them: kinds, conversions and chains of sources.

use std::error::Error as StdError;
use std::time::Duration;

use apigateway_grpc::model::{Api, ApiConfig};
use apigateway_grpc::operation::{OperationError, Schedule};
use apigateway_grpc::{ApiGateway, Error, ErrorKind, RetryPolicy};
use tonic::{Code, Status};

use crate::common::mock_client;

const PARENT: &str = "projects/p/locations/global";
const OPERATION: &str = "projects/p/locations/global/operations/o";

/// Returns a client of a port on which nothing listens.
fn nowhere() -> ApiGateway {
    let builder = ApiGateway::builder().endpoint("http://127.0.0.1:1");
    builder.retry(RetryPolicy::NEVER).build().expect("valid")
}

async fn timed_out() -> OperationError {
    let schedule = Schedule::default().total_timeout(Duration::ZERO);
    let operation = nowhere().operation::<Api>(OPERATION).expect("a name");
    operation
        .with_schedule(schedule)
        .await
        .expect_err("no server")
}

/// Returns the text of each error of a chain. Fails if a text is part of an earlier one.
fn walk(error: &(dyn StdError + 'static)) -> Vec<String> {
    let mut texts = Vec::<String>::new();
    for error in std::iter::successors(Some(error), |&error| error.source()) {
        let text = error.to_string();
        let is_repeated = texts.iter().any(|earlier| earlier.contains(&text));
        assert!(!is_repeated, "`{text}` is repeated: {texts:?}");
        texts.push(text);
    }
    texts
}

#[tokio::test]
async fn a_chain_of_sources_repeats_no_text() {
    let refused = nowhere().get_operation(OPERATION).await;
    let refused = refused.expect_err("nobody listens");
    assert!(refused.is_connect() && refused.is_unsent(), "{refused}");
    walk(&refused);

    let user_agent = ApiGateway::builder().user_agent("a\nb").build();
    assert!(walk(&user_agent.expect_err("not a header value")).len() > 1);
    let file = ApiConfig::from_openapi_files(["/no/such/file.yaml"]);
    let file = file.expect_err("no such file");
    assert_eq!(file.kind(), ErrorKind::InvalidArgument);
    assert_eq!(walk(&file).len(), 2);

    let wait = timed_out().await;
    assert!(wait.to_string().contains("last failure"), "{wait}");
    walk(&wait);
    walk(&Error::from(wait));
}

#[tokio::test]
async fn an_error_of_a_wait_converts_to_an_error_with_the_operation() {
    let error = Error::from(timed_out().await);
    assert_eq!(error.kind(), ErrorKind::OperationUnfinished);
    assert!(error.is_timeout() && error.code().is_none() && !error.is_unsent());
    let wait = error.operation_error().expect("it came from a wait");
    assert_eq!((wait.name(), wait.may_still_run()), (OPERATION, true));
    assert_eq!(error.to_string(), wait.to_string());
    assert_eq!(Status::from(error).code(), Code::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn the_question_mark_converts_errors_of_calls_and_of_waits() {
    async fn create(client: &ApiGateway) -> Result<Api, Error> {
        client
            .create_api(PARENT, "a", Api::default())
            .await?
            .await
            .map_err(Error::from)
    }
    async fn delete(client: &ApiGateway) -> Result<(), Error> {
        Ok(client.delete_api(format!("{PARENT}/apis/a")).await?.await?)
    }
    let (client, mut server) = mock_client(|it| it.retry(RetryPolicy::NEVER));
    let answers = async {
        for status in [Status::already_exists("there"), Status::aborted("changed")] {
            server.next_request().await.1.send_error(status);
        }
    };
    let calls = async { (create(&client).await, delete(&client).await) };
    let ((created, deleted), ()) = tokio::join!(calls, answers);
    assert!(created.is_err_and(|error| error.is_already_exists()));
    assert_eq!(
        deleted.map_err(|error| error.kind()),
        Err(ErrorKind::Aborted)
    );
}
