//! Resource names: an invalid name is rejected with the expected pattern, and nothing is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apigateway_grpc::names::{ApiName, LocationName};
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use apigateway_grpc::{ApiGateway, Error};
use tonic::Status;

/// Returns a client, and the number of calls that reached its transport.
fn counted() -> (ApiGateway, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let arrived = Arc::clone(&count);
    let transport = tower::service_fn(move |_: GrpcRequest| {
        arrived.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Err::<GrpcResponse, _>(Status::not_found("it arrived")))
    });
    let builder = ApiGateway::builder()
        .transport_service(transport)
        .anonymous();
    (builder.build().expect("the settings are valid"), count)
}

/// Checks that the error rejects a name, shows the pattern, and counts as unsent.
fn refuses(error: &Error, form: &str) {
    let text = error.to_string();
    assert!(error.is_invalid_name() && error.is_unsent(), "{text}");
    assert!(error.status().is_none() && error.code().is_none(), "{text}");
    assert!(text.ends_with(&format!("must match {form}")), "{text}");
}

const OPERATION: &str = "projects/{project}/locations/{location}/operations/{operation}";
const LOCATION: &str = "projects/{project}/locations/{location}";

#[tokio::test]
async fn every_method_refuses_an_invalid_operation_name_and_sends_nothing() {
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
async fn the_error_for_an_id_instead_of_a_name_begins_with_the_action() {
    let (client, _) = counted();
    let error = client.get_operation("o").await.expect_err("an id");
    let expected = format!(
        "get operation o: invalid operation name `o`: an id is not a full name; must match {OPERATION}"
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn the_error_of_a_name_has_no_control_characters() {
    let (client, _) = counted();
    let error = client.get_operation("a\u{1b}[2J\n/b").await;
    let text = error.expect_err("control characters").to_string();
    assert!(!text.chars().any(char::is_control), "{text}");
}

#[tokio::test]
async fn only_a_location_is_a_parent_of_operations() {
    let (client, arrived) = counted();
    let list = async |name: &str| client.list_operations(name).first_page().await;
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
async fn a_name_that_matches_the_pattern_is_sent_even_if_its_ids_are_unusual() {
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

const API: &str = "projects/{project}/locations/{location}/apis/{api}";

#[tokio::test]
async fn every_name_in_a_path_is_checked_against_the_pattern_of_its_http_rule() {
    let (client, arrived) = counted();
    let api = "projects/p/locations/global/apis/a";
    let gateway = "projects/p/locations/l/gateways/g";
    refuses(&client.get_api("a").await.expect_err("an id"), API);
    refuses(&client.delete_api(gateway).await.expect_err("another"), API);
    let named = Api {
        name: gateway.into(),
        ..Api::default()
    };
    let update = client.update_api(named, ["labels"]).await;
    refuses(&update.expect_err("another"), API);
    let update = client.update_api(Api::default(), ["labels"]).await;
    refuses(&update.expect_err("none"), API);
    let list = client.list_api_configs("projects/p/locations/global");
    refuses(&list.first_page().await.expect_err("a location"), API);
    let create = client.create_api(api, "b", Api::default()).await;
    refuses(&create.expect_err("an api"), LOCATION);
    let create = client.create_api_config("a", "c", ApiConfig::default());
    refuses(&create.await.expect_err("an id"), API);
    let list = client.list_locations("projects/p/locations/l");
    refuses(
        &list.first_page().await.expect_err("a location"),
        "projects/{project}",
    );
    assert_eq!(arrived.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn only_gateways_apis_and_configs_have_policies() {
    let (client, arrived) = counted();
    let forms = "projects/{project}/locations/{location}/gateways/{gateway}, \
        projects/{project}/locations/{location}/apis/{api} or \
        projects/{project}/locations/{location}/apis/{api}/configs/{config}";
    let policy = client.get_iam_policy("projects/p/locations/l").await;
    let error = policy.expect_err("a location");
    refuses(&error, forms);
    let text = error.to_string();
    assert!(text.starts_with("get iam policy of projects/p/locations/l: "));
    assert!(text.contains("invalid gateway, api or config name `"));
    assert_eq!(arrived.load(Ordering::Relaxed), 0);
    let resources = [
        "projects/p/locations/l/gateways/g",
        "projects/p/locations/l/apis/a",
        "projects/p/locations/l/apis/a/configs/c",
    ];
    for resource in resources {
        let asked = client.test_iam_permissions(resource, ["a.b.c"]).await;
        assert!(asked.expect_err("not found").is_not_found());
    }
    assert_eq!(arrived.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn an_invalid_id_is_refused_and_the_error_for_a_full_name_shows_its_id() {
    let (client, arrived) = counted();
    let parent = "projects/p/locations/l";
    let long = "a".repeat(64);
    for id in [
        "",
        "-a",
        "A",
        "a_b",
        &long,
        "a/b",
        "projects/p/locations/l/gateways/g",
    ] {
        let created = client.create_gateway(parent, id, Gateway::default()).await;
        let error = created.expect_err(id);
        let text = error.to_string();
        assert!(error.is_invalid_name() && error.is_invalid_argument() && error.is_unsent());
        assert!(text.starts_with("create gateway projects/p/locations/l/gateways/"));
        assert!(text.contains("invalid `gateway_id` `"), "{text}");
    }
    let name = "projects/p/locations/l/gateways/g";
    let created = client
        .create_gateway(parent, name, Gateway::default())
        .await;
    let text = created.expect_err("a name").to_string();
    let fix = "a full name is not an id, use `g`; \
        must be 1 to 63 characters of a-z, 0-9 and -, and must not begin with -";
    assert!(text.ends_with(fix), "{text}");
    assert_eq!(arrived.load(Ordering::Relaxed), 0);
    let long = "a".repeat(63);
    for id in ["a", "0-", &long] {
        let created = client.create_gateway(parent, id, Gateway::default()).await;
        assert!(created.expect_err("not found").is_not_found());
    }
    assert_eq!(arrived.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn typed_names_are_accepted_in_place_of_text() {
    let (client, arrived) = counted();
    let api = ApiName::new("p", "a").expect("parts");
    assert!(client.get_api(&api).await.expect_err("").is_not_found());
    assert!(client.get_api(api).await.expect_err("").is_not_found());
    let parent = LocationName::new("p", "-").expect("parts");
    let page = client.list_gateways(parent).first_page().await;
    assert!(page.expect_err("").is_not_found());
    assert_eq!(arrived.load(Ordering::Relaxed), 3);
}
