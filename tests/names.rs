//! Resource names: a wrong one is refused with the form it should have, and nothing is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apigateway_grpc::proto::google::longrunning::ListOperationsRequest;
use apigateway_grpc::stack::{Reply, Rpc};
use apigateway_grpc::{ApiGateway, Error};
use tonic::Status;

/// A client, and how many calls reached its transport.
fn counted() -> (ApiGateway, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let arrived = Arc::clone(&count);
    let transport = tower::service_fn(move |_: Rpc| {
        arrived.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Err::<Reply, _>(Status::not_found("it arrived")))
    });
    let builder = ApiGateway::builder().with_transport(transport).anonymous();
    (builder.build().expect("the settings are valid"), count)
}

/// Whether the error refuses a name, shows its form, and knows that nothing was sent.
fn refuses(error: &Error, form: &str) {
    let text = error.to_string();
    assert!(error.is_invalid_name() && error.is_unsent(), "{text}");
    assert!(error.status().is_none() && error.code().is_none(), "{text}");
    assert!(text.ends_with(&format!("its form is {form}")), "{text}");
}

const OPERATION: &str = "projects/{project}/locations/{location}/operations/{operation}";
const LOCATION: &str = "projects/{project}/locations/{location}";

#[tokio::test]
async fn what_is_not_an_operations_name_is_refused_by_every_method_and_never_sent() {
    let (client, arrived) = counted();
    let wrong = [
        "",
        "o",
        "operation-1732-a",
        "operations/o",
        "locations/l/operations/o",
        "projects/p/locations/l",
        "projects/p/locations/l/operations",
        "projects/p/locations/l/operations/",
        "projects//locations/l/operations/o",
        "projects/p/locations/l/apis/a",
        "projects/p/locations/l/operations/o/x",
        "projects/p/regions/l/operations/o",
        "projects/p/locations/../operations/o",
        "projects/p/locations/./operations/o",
        "projects/p/locations/l/operations/..",
        "/projects/p/locations/l/operations/o",
        "//apigateway.googleapis.com/projects/p/locations/l/operations/o",
        "projects/p/locations/l/operations/o\r\nx: y",
        "projects/p/locations/l/operations/\u{1b}[2J",
    ];
    for name in wrong {
        let wait = client.wait_operation(name, Duration::from_secs(1));
        let errors = [
            client.get_operation(name).await.expect_err(name),
            wait.await.expect_err(name),
            client.cancel_operation(name).await.expect_err(name),
            client.delete_operation(name).await.expect_err(name),
        ];
        for error in &errors {
            refuses(error, OPERATION);
        }
    }
    assert_eq!(arrived.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_id_is_told_to_be_one_and_the_error_names_what_was_done() {
    let (client, _) = counted();
    let error = client.get_operation("o").await.expect_err("an id");
    let expected = format!(
        "get operation o: `o` is not the name of an operation: an id is not a full name; its form is {OPERATION}"
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_refused_name_cannot_deceive_a_terminal() {
    let (client, _) = counted();
    let error = client.get_operation("a\u{1b}[2J\n/b").await;
    let text = error.expect_err("control characters").to_string();
    assert!(!text.chars().any(char::is_control), "{text}");
}

#[tokio::test]
async fn operations_are_listed_of_a_location_and_of_nothing_else() {
    let (client, arrived) = counted();
    let list = |name: &str| {
        client.list_operations(ListOperationsRequest {
            name: name.to_owned(),
            ..ListOperationsRequest::default()
        })
    };
    let wrong = [
        "",
        "global",
        "projects/p",
        "projects/p/locations/",
        "projects/p/locations/l/operations",
        "projects/p/locations/l/operations/o",
        "projects/../locations/l",
    ];
    for name in wrong {
        refuses(&list(name).await.expect_err(name), LOCATION);
    }
    assert_eq!(arrived.load(Ordering::Relaxed), 0);
    for name in ["projects/p/locations/global", "projects/p/locations/-"] {
        assert!(list(name).await.expect_err("not found").is_not_found());
    }
    assert_eq!(arrived.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_name_of_the_form_is_sent_however_odd_its_ids() {
    let (client, arrived) = counted();
    let odd = [
        "projects/p/locations/l/operations/o",
        "projects/example.com:p/locations/us-west1/operations/operation-1-2",
        "projects/é/locations/l/operations/a b~%2F..",
    ];
    for name in odd {
        let error = client.get_operation(name).await.expect_err("not found");
        assert!(error.is_not_found(), "{error}");
        assert!(error.to_string().starts_with("get operation projects/"));
    }
    assert_eq!(arrived.load(Ordering::Relaxed), odd.len());
}
