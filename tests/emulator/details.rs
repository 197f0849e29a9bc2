//! The details of each error that the emulator can give, over gRPC and over REST.

use std::time::Duration;

use apigateway_grpc::contract::{Method, RetryPolicy};
use apigateway_grpc::emulator::{Cancelling, Emulator, OperationPlan, Server};

use apigateway_grpc::proto::google::cloud::apigateway::v1::*;
use apigateway_grpc::proto::google::iam::v1::{Policy, SetIamPolicyRequest};
use apigateway_grpc::proto::google::longrunning::CancelOperationRequest;
use apigateway_grpc::proto::google::longrunning::operation::Result as Outcome;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::{ErrorDetails, StatusExt as _};
use apigateway_grpc::{ApiGateway, Transport};

use crate::configs::{CONFIG, DOCUMENT, REGION, configure, open, openapi};
use crate::{API, PARENT, create, delete, get, http};

const DOMAIN: &str = "apigateway.googleapis.com";

fn client(server: &Server, transport: Transport) -> ApiGateway {
    let builder = ApiGateway::builder().endpoint(server.endpoint());
    let builder = builder.transport(transport).retry(RetryPolicy::NEVER);
    builder.anonymous().build().expect("valid")
}

/// The details of a refusal with a code, of which the first is checked.
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
async fn each_error_has_its_details_over_both() {
    for transport in [Transport::Grpc, Transport::Rest] {
        let builder = Emulator::builder().operation_time(Duration::from_secs(3600));
        let server = builder
            .unreachable("us-east1")
            .start()
            .await
            .expect("a free port");
        let client = client(&server, transport);

        let found = details(get(&client, API).await, Code::NotFound);
        assert!(is_about(&found, "API", API));

        let plan = OperationPlan::default().cancelling(Cancelling::Unimplemented);
        let _fault = server.emulator().on(Method::CREATE_API).operation(plan);
        let name = create(&client, "a").await.expect("a new api").name;
        let cancelled = client
            .operations()
            .cancel_operation(CancelOperationRequest { name })
            .await;
        details(cancelled, Code::Unimplemented);

        let found = details(create(&client, "a").await, Code::AlreadyExists);
        assert!(is_about(&found, "API", API));

        let busy = details(delete(&client, API).await, Code::Aborted);
        assert!(is_about(&busy, "API", API) && is_retried(&busy));

        let request = ListApisRequest {
            parent: PARENT.into(),
            page_size: -1,
            filter: "(".into(),
            ..Default::default()
        };
        let wrong = details(
            client.service().list_apis(request).await,
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
            client.iam_policy().set_iam_policy(policy).await,
            Code::Aborted,
        );
        assert!(is_about(&stale, "API", API) && is_retried(&stale));

        let request = GetGatewayRequest {
            name: "projects/p/locations/us-east1/gateways/g".into(),
        };
        let lost = details(
            client.service().get_gateway(request).await,
            Code::Unavailable,
        );
        assert!(is_retried(&lost));
        let info = lost.error_info().expect("an ErrorInfo");
        assert_eq!(info.reason, "LOCATION_UNREACHABLE");
    }
}

#[tokio::test]
async fn what_is_in_use_says_by_what_over_both() {
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
async fn an_operation_that_is_cancelled_has_none_so_that_every_client_can_read_it() {
    let client = crate::client();
    let name = create(&client, "a").await.expect("a new api").name;
    client.cancel_operation(&name).await.expect("asked");
    let ended = client.get_operation(&name).await.expect("it");
    let Some(Outcome::Error(error)) = ended.result else {
        panic!("no error: {ended:?}");
    };
    assert_eq!((error.code, error.details), (1, Vec::new()));
}

#[tokio::test]
async fn the_body_of_an_error_over_rest_has_the_details_as_json() {
    let server = Emulator::builder().start().await.expect("a free port");
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
}
