//! Limits on the number of resources.

use apigateway_grpc::ApiGateway;
use apigateway_grpc::emulator::{Emulator, Limits};
use apigateway_grpc::proto::google::cloud::apigateway::v1::*;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::StatusExt as _;

use crate::configs::{CONFIG, DOCUMENT, REGION, configure, openapi};
use crate::{API, PARENT, RUNS, create, delete, over};

fn limited(apis: usize, api_configs: usize, gateways: usize) -> ApiGateway {
    let mut limits = Limits::default();
    (limits.apis, limits.api_configs, limits.gateways) = (apis, api_configs, gateways);
    let builder = Emulator::builder().operation_time(RUNS);
    over(&builder.limits(limits).build())
}

async fn open(client: &ApiGateway, parent: &str, id: &str) -> Result<(), Status> {
    let request = CreateGatewayRequest {
        parent: parent.into(),
        gateway_id: id.into(),
        gateway: Some(Gateway {
            api_config: CONFIG.into(),
            ..Default::default()
        }),
    };
    client
        .service_client()
        .create_gateway(request)
        .await
        .map(drop)
}

/// Returns the quota id and the parent that a quota error names.
fn quota<T: std::fmt::Debug>(answer: Result<T, Status>) -> (String, String) {
    let status = answer.expect_err("over the limit");
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    // These details are documented (`google/api/error_reason.proto`), so every setting of `Details` has them.
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!(info.reason, "RESOURCE_QUOTA_EXCEEDED");
    assert_eq!(info.domain, "googleapis.com");
    assert_eq!(info.metadata["consumer"], "projects/p");
    assert_eq!(info.metadata["service"], "apigateway.googleapis.com");
    let failure = status.get_details_quota_failure().expect("a QuotaFailure");
    let violation = &failure.violations[0];
    assert_eq!(violation.subject, "project:p");
    assert_eq!(violation.quota_id, info.metadata["quota_limit"]);
    assert_eq!(violation.quota_metric, info.metadata["quota_metric"]);
    assert_eq!(violation.quota_value, 2);
    (violation.quota_id.clone(), info.metadata["parent"].clone())
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_apis_counts_an_api_until_its_deletion_has_ended() {
    let client = limited(2, 2, 2);
    for id in ["a", "b"] {
        create(&client, id).await.expect("within the limit");
    }
    let expected = || ("ApisPerProject".to_owned(), PARENT.to_owned());
    assert_eq!(quota(create(&client, "c").await), expected());
    // At the limit, a create with an existing id still gets ALREADY_EXISTS.
    let again = create(&client, "a").await.expect_err("it exists");
    assert_eq!(again.code(), Code::AlreadyExists);
    // Each project has its own limits.
    let request = CreateApiRequest {
        parent: "projects/other/locations/global".into(),
        api_id: "a".into(),
        api: None,
    };
    let other = client.service_client().create_api(request).await;
    other.expect("another project");
    tokio::time::advance(RUNS).await;
    delete(&client, API).await.expect("it exists");
    assert_eq!(quota(create(&client, "c").await), expected());
    tokio::time::advance(RUNS).await;
    create(&client, "c").await.expect("within the limit again");
}

#[tokio::test(start_paused = true)]
async fn configs_are_limited_per_api_and_gateways_per_region() {
    let client = limited(50, 2, 2);
    for id in ["a", "ab"] {
        create(&client, id).await.expect("within the limit");
    }
    for id in ["c", "d"] {
        let started = configure(&client, id, openapi(DOCUMENT)).await;
        started.expect("within the limit");
        tokio::time::advance(RUNS).await;
    }
    let refused = configure(&client, "e", openapi(DOCUMENT)).await;
    let expected = ("ApiConfigsPerApi".to_owned(), API.to_owned());
    assert_eq!(quota(refused), expected);
    let request = CreateApiConfigRequest {
        parent: format!("{PARENT}/apis/ab"),
        api_config_id: "c".into(),
        api_config: Some(openapi(DOCUMENT)),
    };
    let other = client.service_client().create_api_config(request).await;
    other.expect("another api");
    for id in ["g", "h"] {
        open(&client, REGION, id).await.expect("within the limit");
    }
    let expected = ("GatewaysPerProjectPerRegion".to_owned(), REGION.to_owned());
    assert_eq!(quota(open(&client, REGION, "i").await), expected);
    let other = "projects/p/locations/us-east1";
    open(&client, other, "i").await.expect("another region");
}

#[tokio::test(start_paused = true)]
async fn there_are_no_limits_by_default() {
    let client = crate::client();
    for number in 0..=Limits::default().apis {
        let created = create(&client, &format!("a{number}")).await;
        created.expect("no limit");
    }
}
