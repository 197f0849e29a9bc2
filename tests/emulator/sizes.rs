//! Large requests and responses, over gRPC and HTTP/JSON on a port.

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::emulator::{Emulator, Server};
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::{File, OpenApiDocument};
use apigateway_grpc::proto::google::cloud::apigateway::v1::{
    Api, ApiConfig, CreateApiConfigRequest, CreateApiRequest, ListApisRequest,
};
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::transcode::to_json;

use crate::http::{Answer, ok, send};
use crate::{API, PARENT};

const APIS: &str = "/v1/projects/p/locations/global/apis";
const MEBIBYTE: usize = 1 << 20;

async fn server() -> (Server, ApiGateway) {
    let server = Emulator::builder().start().await.expect("a free port");
    let builder = ApiGateway::builder().endpoint(server.endpoint());
    let client = builder.retry(RetryPolicy::NEVER).anonymous().build();
    let client = client.expect("valid");
    crate::create(&client, "a").await.expect("a new api");
    (server, client)
}

/// Returns a config whose documents have this many bytes in all, in this many files.
fn config(bytes: usize, files: usize) -> ApiConfig {
    let documents = (0..files).map(|number| {
        let size = bytes / files + usize::from(number < bytes % files);
        // The first byte is invalid, so that the check of the document ends there: in a debug build, a check of a whole large
        // document is slow. The create is accepted, and only its operation fails.
        let mut contents = b"]".to_vec();
        contents.resize(size, b'x');
        OpenApiDocument {
            document: Some(File {
                path: format!("{number}.yaml"),
                contents,
            }),
        }
    });
    ApiConfig {
        openapi_documents: documents.collect(),
        ..ApiConfig::default()
    }
}

async fn over_grpc(client: &ApiGateway, id: &str, config: ApiConfig) -> Result<(), Status> {
    let request = CreateApiConfigRequest {
        parent: API.into(),
        api_config_id: id.into(),
        api_config: Some(config),
    };
    client
        .service_client()
        .create_api_config(request)
        .await
        .map(drop)
}

/// Sends the whole request before it reads, as simple clients do.
async fn over_rest(server: &Server, id: &str, config: &ApiConfig) -> Answer {
    let line = format!("POST {APIS}/a/configs?apiConfigId={id}");
    let body = to_json(config).expect("it has a JSON form");
    send(server, &line, "content-type: application/json\r\n", &body).await
}

#[tokio::test]
async fn grpc_and_rest_accept_ten_mebibytes_in_fifty_files_and_no_more() {
    let (server, client) = server().await;
    let too_many = "api_config: has 51 files: must have at most 50";
    let too_much = "api_config: has files of 10485761 bytes: must be at most 10485760 in all";
    let too_large = "Request payload size exceeds the limit: 16777216 bytes.";
    for (bytes, files, refusal) in [
        (4 * MEBIBYTE, 1, None),
        (10 * MEBIBYTE, 1, None),
        (10 * MEBIBYTE, 50, None),
        (51 * 100, 51, Some(too_many)),
        (10 * MEBIBYTE + 1, 1, Some(too_much)),
        (10 * MEBIBYTE + 1, 7, Some(too_much)),
        (17 * MEBIBYTE, 1, Some(too_large)),
    ] {
        let config = config(bytes, files);
        let id = format!("c-{bytes}-{files}");
        let rest = over_rest(&server, &format!("{id}-rest"), &config).await;
        let grpc = over_grpc(&client, &id, config).await;
        let Some(refusal) = refusal else {
            grpc.expect("it fits");
            assert_eq!(
                (rest.status, &rest.body["error"]),
                (200, &serde_json::Value::Null)
            );
            continue;
        };
        let grpc = grpc.expect_err("it does not fit");
        assert_eq!(
            (grpc.code(), grpc.message()),
            (Code::InvalidArgument, refusal)
        );
        let error = &rest.body["error"];
        assert_eq!(
            (rest.status, &error["status"], &error["message"]),
            (400, &"INVALID_ARGUMENT".into(), &refusal.into())
        );
    }
}

#[tokio::test]
async fn a_body_above_the_limit_gets_a_response_that_a_simple_client_can_read() {
    let (server, client) = server().await;
    // The limit for JSON is 32 MiB.
    let blanks = " ".repeat(40 * MEBIBYTE);
    for line in [
        format!("POST {APIS}?apiId=b"),
        "POST /v1/nothing".to_owned(),
    ] {
        let answer = send(
            &server,
            &line,
            "content-type: application/json\r\n",
            &blanks,
        )
        .await;
        let error = &answer.body["error"];
        match line.contains("nothing") {
            true => assert_eq!(answer.status, 404),
            false => assert_eq!(
                (answer.status, &error["status"], &error["message"]),
                (
                    400,
                    &"INVALID_ARGUMENT".into(),
                    &"Request payload size exceeds the limit: 33554432 bytes.".into()
                )
            ),
        }
    }
    let api = Api {
        display_name: blanks,
        ..Api::default()
    };
    let request = CreateApiRequest {
        parent: PARENT.into(),
        api_id: "b".into(),
        api: Some(api),
    };
    let refused = client.service_client().create_api(request).await;
    assert_eq!(
        refused.expect_err("too large").code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn responses_have_no_limit_over_grpc_and_rest() {
    let (server, client) = server().await;
    let within = crate::over(server.emulator());
    for number in 0..899 {
        let labels = (0..64).map(|label| (format!("{label:k>63}"), "v".repeat(63)));
        let request = CreateApiRequest {
            parent: PARENT.into(),
            api_id: format!("b{number}"),
            api: Some(Api {
                labels: labels.collect(),
                ..Api::default()
            }),
        };
        within
            .service_client()
            .create_api(request)
            .await
            .expect("created");
    }
    let list = ListApisRequest {
        parent: PARENT.into(),
        page_size: 1000,
        ..ListApisRequest::default()
    };
    let apis = client
        .service_client()
        .list_apis(list)
        .await
        .expect("listed");
    assert_eq!(apis.into_inner().apis.len(), 900);
    let listed = ok(&server, &format!("GET {APIS}?pageSize=1000"), "").await;
    assert_eq!(listed["apis"].as_array().map(Vec::len), Some(900));
}

#[tokio::test]
async fn a_list_of_calls_has_messages_of_at_most_256_kib_and_the_size_of_every_message() {
    let (server, client) = server().await;
    for (id, size) in [("small", 128 << 10), ("large", 6 * MEBIBYTE)] {
        over_grpc(&client, id, config(size, 1))
            .await
            .expect("created");
    }
    let listed = ok(&server, "GET /emulator/v1/calls?method=CreateApiConfig", "").await;
    let document = |call: usize| {
        let config = &listed["calls"][call]["request"]["apiConfig"];
        config["openapiDocuments"][0]["document"]["contents"].as_str()
    };
    let contents = document(0).expect("the document");
    assert_eq!(contents.len(), (128_usize << 10).div_ceil(3) * 4);
    assert_eq!(document(1), None);
    let bytes = listed["calls"][1]["requestBytes"].as_str();
    let bytes: usize = bytes.expect("a size").parse().expect("a number");
    assert!(bytes > 6 * MEBIBYTE, "{bytes}");
}
