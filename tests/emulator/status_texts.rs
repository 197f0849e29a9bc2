//! The texts of the statuses of the emulator, each with the request that causes it. A text names the resource or the field, and
//! also the valid values or the cause of the refusal.

use std::time::Duration;

use apigateway_grpc::emulator::{Emulator, Limits, Server};
use serde_json::{Value, json};

use crate::http::{ok, send};

const APIS: &str = "/v1/projects/p/locations/global/apis";
const GATEWAYS: &str = "/v1/projects/p/locations/us-central1/gateways";
const DOCUMENT: &str =
    "c3dhZ2dlcjogJzIuMCcKaW5mbzoge3RpdGxlOiB0LCB2ZXJzaW9uOiAnMSd9CnBhdGhzOiB7fQo=";

/// A request, its body, and the HTTP status and the text of the error.
type Row<'r> = (&'r str, Value, u16, &'r str);

/// Sends the requests in their order, and compares the errors.
async fn check(server: &Server, headers: &str, rows: &[Row<'_>]) {
    let headers = format!("content-type: application/json\r\n{headers}");
    let mut wrong = Vec::new();
    for (line, body, status, text) in rows {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let answer = send(server, line, &headers, &body).await;
        let found = answer.body["error"]["message"].as_str().unwrap_or_default();
        if (answer.status, found) != (*status, *text) {
            wrong.push(format!("{line}: {} {found}", answer.status));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn config() -> Value {
    json!({"openapiDocuments": [{"document": {"path": "a.yaml", "contents": DOCUMENT}}]})
}

#[tokio::test]
async fn each_refused_request_is_reported_with_its_resource_or_field() {
    let builder = Emulator::builder().unreachable("us-east1");
    let server = builder.service_accounts(["a@p.iam.gserviceaccount.com"]);
    let server = server.start().await.expect("a free port");
    let mut named = config();
    named["gatewayServiceAccount"] = "a@p.iam.gserviceaccount.com".into();
    let mut missing = config();
    missing["gatewayServiceAccount"] = "b@p.iam.gserviceaccount.com".into();
    ok(&server, &format!("POST {APIS}?apiId=a"), "{}").await;
    let line = format!("POST {APIS}/a/configs?apiConfigId=c");
    ok(&server, &line, &named.to_string()).await;
    let gateway = json!({"apiConfig": "projects/p/locations/global/apis/a/configs/none"});
    check(
        &server,
        "",
        &[
            (&format!("GET {APIS}/none"), Value::Null, 404, r#"API "projects/p/locations/global/apis/none" not found"#),
            (&format!("GET {APIS}/A"), Value::Null, 404, r#"API "projects/p/locations/global/apis/A" not found"#),
            (
                "GET /v1/projects/p/locations/mars/gateways",
                Value::Null,
                404,
                r#"Location "projects/p/locations/mars" not found; the locations are global, asia-northeast1, australia-southeast1, europe-west1, europe-west2, us-central1, us-east1, us-east4, us-west2, us-west3, us-west4"#,
            ),
            (
                "GET /v1/projects/p/locations/us-east1/gateways",
                Value::Null,
                503,
                "the location us-east1 is unreachable",
            ),
            (&format!("GET {APIS}?pageSize=-1"), Value::Null, 400, "page_size: must not be negative"),
            (&format!("GET {APIS}?pageToken=x"), Value::Null, 400, "page_token: is not from this list: all fields but page_size must stay the same"),
            (
                &format!("GET {APIS}?filter=a.b%3D1"),
                Value::Null,
                400,
                "filter: at position 1: unknown field `a.b`: must be one of name, create_time, update_time, labels, display_name, state, managed_service",
            ),
            (&format!("GET {APIS}?orderBy=a"), Value::Null, 400, "order_by: unknown field `a`: must be one of name, create_time, update_time, labels, display_name, state, managed_service"),
            (
                &format!("GET {APIS}/a?fields=name"),
                Value::Null,
                501,
                "the emulator has no partial responses: `fields`, `$fields` or `X-Goog-FieldMask` must be absent or `*`",
            ),
            (&format!("POST {APIS}?apiId=a"), json!({}), 409, r#"API "projects/p/locations/global/apis/a" already exists"#),
            (&format!("POST {APIS}?apiId=-a"), json!({}), 400, "api_id: invalid id `-a`: must have 1 to 63 characters of a-z, 0-9 and -, not beginning with -"),
            (&format!("POST {APIS}"), json!({}), 400, "api_id: must be set (over REST by the required query parameter `apiId`): 1 to 63 characters of a-z, 0-9 and -, not beginning with -"),
            (
                &format!("POST {APIS}/a/configs?apiConfigId=d"),
                config(),
                400,
                r#"ApiConfig "projects/p/locations/global/apis/a/configs/d" has no service account; an existing service account is required"#,
            ),
            (
                &format!("POST {APIS}/a/configs?apiConfigId=d"),
                missing,
                400,
                r#"ApiConfig "projects/p/locations/global/apis/a/configs/d" has the service account "b@p.iam.gserviceaccount.com", which does not exist"#,
            ),
            (
                &format!("POST {APIS}/a/configs?apiConfigId=d"),
                json!({}),
                400,
                "api_config: must have OpenAPI documents or gRPC services",
            ),
            (&format!("PATCH {APIS}/a"), json!({}), 400, "update_mask: must have a path: `*`, or one of labels, display_name"),
            (
                &format!("PATCH {APIS}/a?updateMask=x"),
                json!({}),
                400,
                "update_mask: `x` is an unknown field: must be `*`, or one of labels, display_name",
            ),
            (
                &format!("PATCH {APIS}/a?updateMask=managedService"),
                json!({"managedService": "s"}),
                400,
                "update_mask: `managed_service` is immutable",
            ),
            (
                &format!("POST {GATEWAYS}?gatewayId=g"),
                gateway,
                404,
                r#"ApiConfig "projects/p/locations/global/apis/a/configs/none" not found"#,
            ),
            (&format!("DELETE {APIS}/a"), Value::Null, 400, r#"API "projects/p/locations/global/apis/a" still has the config projects/p/locations/global/apis/a/configs/c"#),
            (
                &format!("POST {APIS}/a:setIamPolicy"),
                json!({"policy": {"etag": "AAAA"}}),
                409,
                r#"the policy of API "projects/p/locations/global/apis/a" has changed since it was read"#,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_exceeded_quota_and_a_resource_or_operation_in_the_wrong_state_are_reported() {
    let builder = Emulator::builder().operation_time(Duration::from_secs(3600));
    let mut limits = Limits::default();
    limits.apis = 1;
    let server = builder.limits(limits).start().await.expect("a free port");
    let started = ok(&server, &format!("POST {APIS}?apiId=a"), "{}").await;
    let name = started["name"].as_str().expect("a name").to_owned();
    let busy =
        format!("API \"projects/p/locations/global/apis/a\" has an operation in progress: {name}");
    let finish = json!({"name": name});
    let line = "POST /emulator/v1/operations:finish";
    check(
        &server,
        "",
        &[
            (&format!("POST {APIS}?apiId=b"), json!({}), 429, "quota 'ApisPerProject' exceeded: projects/p/locations/global can have at most 1 APIs"),
            (&format!("DELETE {APIS}/a"), Value::Null, 409, &busy),
        ],
    )
    .await;
    ok(&server, line, &finish.to_string()).await;
    let done = format!("Operation \"{name}\" is done");
    check(&server, "", &[(line, finish, 400, &done)]).await;
}

#[tokio::test]
async fn the_refusal_of_a_call_without_a_valid_token_names_the_requirement() {
    let builder = Emulator::builder().require_token("t");
    let server = builder.token_without_permissions("u").start().await;
    let server = server.expect("a free port");
    let line = format!("GET {APIS}/a");
    for (header, status, text) in [
        (
            "",
            401,
            "missing credentials: an OAuth 2 access token is required",
        ),
        (
            "authorization: Bearer x\r\n",
            401,
            "unknown access token: a valid OAuth 2 access token is required",
        ),
        (
            "authorization: Bearer u\r\n",
            403,
            "permission 'apigateway.apis.get' denied on 'projects/p/locations/global/apis/a', or it does not exist",
        ),
    ] {
        check(&server, header, &[(&line, Value::Null, status, text)]).await;
    }
}
