//! The details of errors over gRPC and REST, with each setting of `Details`.

use std::time::Duration;

use apigateway_grpc::contract::{Method, RetryPolicy};
use apigateway_grpc::emulator::{CancelBehavior, Details, Emulator, OperationPlan, Server};

use apigateway_grpc::proto::google::cloud::apigateway::v1::*;
use apigateway_grpc::proto::google::iam::v1::{Policy, SetIamPolicyRequest};
use apigateway_grpc::proto::google::longrunning::CancelOperationRequest;
use apigateway_grpc::proto::google::longrunning::operation::Result as Outcome;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::{ErrorDetails, StatusExt as _};
use apigateway_grpc::{ApiGateway, Transport};
use serde_json::json;

use crate::configs::{CONFIG, DOCUMENT, REGION, configure, open, openapi};
use crate::{API, PARENT, create, delete, get, http};

const DOMAIN: &str = "apigateway.googleapis.com";

fn client(server: &Server, transport: Transport) -> ApiGateway {
    let builder = ApiGateway::builder().endpoint(server.endpoint());
    let builder = builder.transport(transport).retry(RetryPolicy::NEVER);
    builder.anonymous().build().expect("valid")
}

/// Returns the details of an error with a code, and checks its ErrorInfo.
fn details<T>(answer: Result<T, Status>, code: Code) -> ErrorDetails {
    let status = answer
        .err()
        .unwrap_or_else(|| panic!("{code:?} is expected"));
    assert_eq!(status.code(), code, "{status}");
    let details = status.get_error_details();
    let info = details.error_info().expect("an ErrorInfo");
    assert_eq!(info.domain, DOMAIN);
    assert_eq!(
        info.metadata.get("service").map(String::as_str),
        Some(DOMAIN)
    );
    let fits = |char: char| char.is_ascii_uppercase() || char == '_';
    assert!(
        !info.reason.is_empty() && info.reason.chars().all(fits),
        "{}",
        info.reason
    );
    details
}

fn is_about(details: &ErrorDetails, kind: &str, name: &str) -> bool {
    let info = details.resource_info().expect("a ResourceInfo");
    info.resource_type == kind && info.resource_name == name
}

fn is_retried(details: &ErrorDetails) -> bool {
    let info = details.retry_info().expect("a RetryInfo");
    info.retry_delay > Some(Duration::ZERO)
}

fn precondition(details: &ErrorDetails) -> (&str, &str) {
    let failure = details
        .precondition_failure()
        .expect("a PreconditionFailure");
    let violation = &failure.violations[0];
    assert!(!violation.description.is_empty());
    (&violation.r#type, &violation.subject)
}

#[tokio::test]
async fn each_error_has_its_details_over_grpc_and_rest() {
    for transport in [Transport::Grpc, Transport::Rest] {
        let builder = Emulator::builder().operation_time(Duration::from_secs(3600));
        let server = builder
            .error_details(Details::All)
            .unreachable("us-east1")
            .start()
            .await
            .expect("a free port");
        let client = client(&server, transport);

        let found = details(get(&client, API).await, Code::NotFound);
        assert!(is_about(&found, "API", API));

        let plan = OperationPlan::default().cancel_behavior(CancelBehavior::Unimplemented);
        let _fault = server.emulator().on(Method::CREATE_API).operation(plan);
        let name = create(&client, "a").await.expect("a new api").name;
        let cancelled = client
            .operations_client()
            .cancel_operation(CancelOperationRequest { name })
            .await;
        details(cancelled, Code::Unimplemented);

        let found = details(create(&client, "a").await, Code::AlreadyExists);
        assert!(is_about(&found, "API", API));

        let busy = details(delete(&client, API).await, Code::Aborted);
        assert!(is_about(&busy, "API", API) && is_retried(&busy));
        // The metadata has the variables of the message (AIP-193).
        let info = busy.error_info().expect("an ErrorInfo");
        assert_eq!(info.metadata["resource"], API);
        assert!(info.metadata["operation"].contains("/operations/"));

        let request = ListApisRequest {
            parent: PARENT.into(),
            page_size: -1,
            filter: "(".into(),
            ..Default::default()
        };
        let wrong = details(
            client.service_client().list_apis(request).await,
            Code::InvalidArgument,
        );
        let fields = &wrong.bad_request().expect("a BadRequest").field_violations;
        let fields: Vec<_> = fields
            .iter()
            .map(|violation| violation.field.as_str())
            .collect();
        assert_eq!(fields, ["page_size", "filter"]);

        configure(&client, "c", openapi(DOCUMENT))
            .await
            .expect("a new config");
        let early = details(
            open(&client, REGION, CONFIG).await,
            Code::FailedPrecondition,
        );
        assert!(is_about(&early, "ApiConfig", CONFIG));
        assert_eq!(precondition(&early), ("RESOURCE_NOT_READY", CONFIG));

        let policy = SetIamPolicyRequest {
            resource: API.into(),
            policy: Some(Policy {
                etag: b"stale".to_vec(),
                ..Default::default()
            }),
            update_mask: None,
        };
        let stale = details(
            client.iam_policy_client().set_iam_policy(policy).await,
            Code::Aborted,
        );
        assert!(is_about(&stale, "API", API) && is_retried(&stale));

        let request = GetGatewayRequest {
            name: "projects/p/locations/us-east1/gateways/g".into(),
        };
        let lost = details(
            client.service_client().get_gateway(request).await,
            Code::Unavailable,
        );
        assert!(is_retried(&lost));
        let info = lost.error_info().expect("an ErrorInfo");
        assert_eq!(info.reason, "LOCATION_UNREACHABLE");
    }
}

#[tokio::test]
async fn the_error_for_a_resource_in_use_names_what_uses_it_over_grpc_and_rest() {
    for transport in [Transport::Grpc, Transport::Rest] {
        let server = Emulator::builder().start().await.expect("a free port");
        let client = client(&server, transport);
        create(&client, "a").await.expect("a new api");
        configure(&client, "c", openapi(DOCUMENT))
            .await
            .expect("a new config");
        let used = details(delete(&client, API).await, Code::FailedPrecondition);
        assert!(is_about(&used, "API", API));
        assert_eq!(precondition(&used), ("RESOURCE_IN_USE", API));
        let failure = used.precondition_failure().expect("a PreconditionFailure");
        assert!(failure.violations[0].description.contains(CONFIG));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_too_large_has_details() {
    let client = crate::client();
    let large = get(&client, &"x".repeat(17 << 20)).await;
    details(large, Code::InvalidArgument);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_operation_has_no_details_so_that_every_client_can_read_it() {
    let client = crate::client();
    let name = create(&client, "a").await.expect("a new api").name;
    client
        .cancel_operation(&name)
        .await
        .expect("the cancellation is accepted");
    let ended = client.get_operation(&name).await.expect("it exists");
    let Some(Outcome::Error(error)) = ended.result else {
        panic!("no error: {ended:?}");
    };
    assert_eq!((error.code, error.details), (1, Vec::new()));
}

#[tokio::test]
async fn a_setting_adds_details_to_not_found_over_rest() {
    let builder = Emulator::builder().error_details(Details::All);
    let server = builder.start().await.expect("a free port");
    let answer = http::send(&server, &format!("GET /v1/{API}"), "", "").await;
    let error = &answer.body["error"];
    assert_eq!(
        (answer.status, &error["status"]),
        (404, &"NOT_FOUND".into())
    );
    let info = &error["details"][0];
    assert_eq!(info["@type"], "type.googleapis.com/google.rpc.ErrorInfo");
    assert_eq!(
        (&info["domain"], &info["reason"]),
        (&DOMAIN.into(), &"RESOURCE_NOT_FOUND".into())
    );
    let about = &error["details"][1];
    assert_eq!(
        about["@type"],
        "type.googleapis.com/google.rpc.ResourceInfo"
    );
    assert_eq!(about["resourceName"], API);
    assert_eq!(error["errors"], json!(null));
}

#[tokio::test]
async fn not_found_over_rest_is_equal_to_the_recorded_response_of_the_service() {
    let server = Emulator::builder().start().await.expect("a free port");
    for (verb, name, kind) in [
        ("GET", API, "API"),
        ("DELETE", API, "API"),
        ("GET", CONFIG, "ApiConfig"),
        ("GET", "projects/p/locations/us-east1/gateways/g", "Gateway"),
        (
            "GET",
            "projects/p/locations/global/operations/o",
            "Operation",
        ),
        ("GET", "projects/p/locations/moon", "Location"),
    ] {
        let answer = http::send(&server, &format!("{verb} /v1/{name}"), "", "").await;
        let mut message = format!("{kind} \"{name}\" not found");
        if kind == "Location" {
            // Our addition: the message lists the valid locations.
            let answered = answer.body["error"]["message"].as_str();
            let list = answered.and_then(|text| text.strip_prefix(&message));
            let list = list.unwrap_or_default().to_owned();
            assert!(list.contains("; the locations are global, "), "{list}");
            message += &list;
        }
        let errors = json!([{"message": message, "domain": "global", "reason": "notFound"}]);
        let error =
            json!({"code": 404, "message": message, "errors": errors, "status": "NOT_FOUND"});
        assert_eq!(
            (answer.status, answer.body),
            (404, json!({"error": error})),
            "{verb}"
        );
    }
    // A fault's error without details has the list `errors` too. One with details has its details instead.
    let emulator = server.emulator();
    let plain = emulator.on(Method::GET_API).fail(Status::not_found("gone"));
    let answer = http::send(&server, &format!("GET /v1/{API}"), "", "").await;
    assert_eq!(answer.body["error"]["errors"][0]["message"], "gone");
    drop(plain);
    let details = ErrorDetails::with_resource_info("kind", "name", "", "");
    let status = Status::with_error_details(Code::NotFound, "gone", details);
    let _detailed = emulator.on(Method::GET_API).fail(status);
    let answer = http::send(&server, &format!("GET /v1/{API}"), "", "").await;
    let error = &answer.body["error"];
    assert_eq!(error["details"][0]["resourceName"], "name");
    assert_eq!(error["errors"], json!(null));
}

#[tokio::test(start_paused = true)]
async fn not_found_over_grpc_has_no_details() {
    let emulator = crate::emulator();
    let client = crate::over(&emulator);
    let missing = get(&client, API).await.expect_err("no such api");
    assert_eq!(missing.code(), Code::NotFound);
    assert!(missing.details().is_empty(), "{missing:?}");
    create(&client, "a").await.expect("a new api");
    let hour = Duration::from_secs(3600);
    let _fault = emulator.on(Method::GET_API).not_found_for(hour);
    let missing = get(&client, API).await.expect_err("too new");
    assert_eq!(missing.code(), Code::NotFound);
    assert!(missing.details().is_empty(), "{missing:?}");
}

#[tokio::test]
async fn a_setting_removes_all_details_that_are_not_documented() {
    for transport in [Transport::Grpc, Transport::Rest] {
        let builder = Emulator::builder().operation_time(Duration::from_secs(3600));
        let builder = builder.unreachable("us-east1");
        let builder = builder.error_details(Details::Documented);
        let server = builder.start().await.expect("a free port");
        let client = client(&server, transport);
        let plain = |answer: Result<(), Status>, code| {
            let status = answer.expect_err("a refusal");
            assert_eq!(status.code(), code, "{status}");
            assert!(status.details().is_empty(), "{status:?}");
        };
        plain(get(&client, API).await.map(drop), Code::NotFound);
        create(&client, "a").await.expect("a new api");
        plain(create(&client, "a").await.map(drop), Code::AlreadyExists);
        plain(delete(&client, API).await.map(drop), Code::Aborted);
        let request = ListApisRequest {
            parent: PARENT.into(),
            page_size: -1,
            ..Default::default()
        };
        let wrong = client.service_client().list_apis(request).await;
        // The error's message lists all violations.
        let status = wrong.as_ref().expect_err("a negative size");
        assert_eq!(status.message(), "page_size: must not be negative");
        plain(wrong.map(drop), Code::InvalidArgument);
        configure(&client, "c", openapi(DOCUMENT))
            .await
            .expect("a new config");
        let early = open(&client, REGION, CONFIG).await;
        plain(early.map(drop), Code::FailedPrecondition);
        let request = GetGatewayRequest {
            name: "projects/p/locations/us-east1/gateways/g".into(),
        };
        let lost = client.service_client().get_gateway(request).await;
        plain(lost.map(drop), Code::Unavailable);
    }
}
