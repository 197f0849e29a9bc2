//! The clients of the benchmark.

use std::time::{Duration, Instant};

use apigateway_grpc::contract::Contract;
use apigateway_grpc::google;
use apigateway_grpc::google_cloud_auth::credentials::{
    CacheableResource, Credentials, CredentialsProvider, EntityTag,
};
use apigateway_grpc::google_cloud_auth::errors::CredentialsError;
use apigateway_grpc::proto::google::longrunning::GetOperationRequest;
use apigateway_grpc::proto::google::longrunning::operations_client::OperationsClient;
use apigateway_grpc::proto::{FILE_DESCRIPTOR_SET, SERVICE_CONFIG};
use apigateway_grpc::stack::Stack;
use apigateway_grpc::{ApiGateway, Transport};
use google_cloud_apigateway_v1::client::ApiGatewayService;
use http::{Extensions, HeaderMap, HeaderValue, header};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tonic::transport::Endpoint;

use super::NAME;

/// An access token with the length of Google's shorter access tokens.
const TOKEN: &str =
    "ya29.0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Makes the calls one after the other, and returns the elapsed time.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn client(kind: &str, addresses: &str, calls: usize) -> Duration {
    let (grpc, rest) = addresses.split_once(',').expect("two addresses");
    let channel = || {
        let endpoint = Endpoint::from_shared(grpc.to_owned()).expect("an address");
        endpoint.connect_lazy()
    };
    match kind {
        "bare tonic" => {
            let mut client = OperationsClient::new(channel());
            let began = Instant::now();
            for _ in 0..calls {
                client.get_operation(request()).await.expect("an operation");
            }
            began.elapsed()
        }
        "bare tonic with our headers" => {
            let mut client = OperationsClient::with_interceptor(channel(), with_headers);
            let began = Instant::now();
            for _ in 0..calls {
                client.get_operation(request()).await.expect("an operation");
            }
            began.elapsed()
        }
        super::BUILT_IN => {
            let builder = ApiGateway::builder().credentials(Token::credentials());
            let client = builder.endpoint(grpc).build().expect("valid");
            by_stack(client.stack(), calls).await
        }
        "ours, run-time contract" => {
            let builder = google::Client::builder(contract()).credentials(Token::credentials());
            let client = builder.endpoint(grpc).build().expect("valid");
            by_stack(client.stack(), calls).await
        }
        "ours over gRPC" => ours(grpc, Transport::Grpc, Some(Token::credentials()), calls).await,
        super::OURS => ours(rest, Transport::Rest, Some(Token::credentials()), calls).await,
        "ours over REST, access_token" => ours(rest, Transport::Rest, None, calls).await,
        "reqwest with serde_json" => with_reqwest(rest, calls).await,
        "google-cloud-apigateway-v1" => official(rest, calls).await,
        _ => bare_http(rest, calls).await,
    }
}

fn request() -> GetOperationRequest {
    GetOperationRequest {
        name: NAME.to_owned(),
    }
}

fn with_headers(mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
    let metadata = request.metadata_mut();
    let routing = "name=projects%2Fmy-project-1%2Flocations%2Fus-central1%2Foperations%2Foperation-1790000000000-0";
    metadata.insert(
        "x-goog-request-params",
        routing.parse().expect("header text"),
    );
    metadata.insert(
        "x-goog-api-client",
        "gl-rust/1.95.0 gapic/0.1.0 grpc/0.14.9"
            .parse()
            .expect("header text"),
    );
    metadata.insert(
        "user-agent",
        "apigateway-grpc/0.1.0".parse().expect("header text"),
    );
    metadata.insert(
        "authorization",
        format!("Bearer {TOKEN}").parse().expect("header text"),
    );
    request.set_timeout(Duration::from_secs(10));
    Ok(request)
}

/// Credentials with one constant bearer token, for Google's crate and for this one.
#[derive(Debug)]
struct Token {
    headers: HeaderMap,
    tag: EntityTag,
}

impl Token {
    fn credentials() -> Credentials {
        let mut value: HeaderValue = format!("Bearer {TOKEN}").parse().expect("header text");
        value.set_sensitive(true);
        let token = Self {
            headers: HeaderMap::from_iter([(header::AUTHORIZATION, value)]),
            tag: EntityTag::new(),
        };
        token.into()
    }
}

impl CredentialsProvider for Token {
    async fn headers(
        &self,
        known: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        if known.get::<EntityTag>() == Some(&self.tag) {
            return Ok(CacheableResource::NotModified);
        }
        Ok(CacheableResource::New {
            entity_tag: self.tag.clone(),
            data: self.headers.clone(),
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

/// Makes the calls with this crate's client, which has these credentials or the constant token. Returns the time that they
/// took.
async fn ours(
    endpoint: &str,
    transport: Transport,
    credentials: Option<Credentials>,
    calls: usize,
) -> Duration {
    let builder = ApiGateway::builder()
        .endpoint(endpoint)
        .transport(transport);
    let builder = match credentials {
        Some(credentials) => builder.credentials(credentials),
        None => builder.access_token(TOKEN),
    };
    let client = builder.build().expect("valid");
    let began = Instant::now();
    for _ in 0..calls {
        client.get_operation(NAME).await.expect("an operation");
    }
    began.elapsed()
}

/// Makes the calls with a generated client over the stack.
async fn by_stack(stack: Stack, calls: usize) -> Duration {
    let mut client = OperationsClient::new(stack);
    let began = Instant::now();
    for _ in 0..calls {
        client.get_operation(request()).await.expect("an operation");
    }
    began.elapsed()
}

/// Returns API Gateway's own contract, loaded at run time.
fn contract() -> Contract {
    Contract::builder(FILE_DESCRIPTOR_SET)
        .service_config(SERVICE_CONFIG)
        .grpc_service_config(include_str!(
            "../../proto/apigateway_grpc_service_config.json"
        ))
        .build()
        .expect("the contract is valid")
}

async fn official(endpoint: &str, calls: usize) -> Duration {
    let client = ApiGatewayService::builder()
        .with_endpoint(endpoint)
        .with_credentials(Token::credentials())
        .build()
        .await
        .expect("valid");
    let began = Instant::now();
    for _ in 0..calls {
        let call = client.get_operation().set_name(NAME);
        call.send().await.expect("an operation");
    }
    began.elapsed()
}

/// The operation as a hand-written REST client would declare it.
#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "read to be measured")]
struct Operation {
    name: String,
    #[serde(default)]
    done: bool,
    metadata: Option<serde_json::Map<String, serde_json::Value>>,
    response: Option<serde_json::Map<String, serde_json::Value>>,
    error: Option<serde_json::Map<String, serde_json::Value>>,
}

async fn with_reqwest(address: &str, calls: usize) -> Duration {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("valid");
    let began = Instant::now();
    for _ in 0..calls {
        let call = client
            .get(format!("{address}/v1/{NAME}"))
            .bearer_auth(TOKEN)
            .header("accept", "application/json");
        let reply = call.send().await.expect("an operation");
        let body = reply.bytes().await.expect("the whole body");
        serde_json::from_slice::<Operation>(&body).expect("an operation");
    }
    began.elapsed()
}

async fn bare_http(address: &str, calls: usize) -> Duration {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let uri: http::Uri = format!("{address}/v1/{NAME}").parse().expect("an address");
    let began = Instant::now();
    for _ in 0..calls {
        let request = http::Request::get(uri.clone())
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("accept", "application/json")
            .body(Empty::new())
            .expect("a request");
        let reply = client.request(request).await.expect("an operation");
        let body = reply
            .into_body()
            .collect()
            .await
            .expect("the whole body")
            .to_bytes();
        serde_json::from_slice::<Operation>(&body).expect("an operation");
    }
    began.elapsed()
}
