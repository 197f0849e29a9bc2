//! The clients of the benchmark.

use apigateway_grpc::ApiGateway;
use apigateway_grpc::google_cloud_auth::credentials::service_account::{AccessSpecifier, Builder};
use apigateway_grpc::google_cloud_auth::credentials::{CacheableResource, Credentials};
use apigateway_grpc::proto::google::longrunning::GetOperationRequest;
use apigateway_grpc::proto::google::longrunning::operations_client::OperationsClient;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::encoding::Pkcs8V1Der;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use google_cloud_apigateway_v1::client::ApiGatewayService;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, header};
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};

use super::load::{Measured, load};
use super::with_headers::WithHeaders;
use super::{KEY, LAYER, NAME, OFFICIAL, OURS, OURS_POOLED};

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Makes `calls` calls, `in_flight` at a time, and returns the measurement.
pub(crate) fn client(kind: &str, addresses: &str, in_flight: usize, calls: usize) -> Measured {
    let key = std::env::var(KEY).expect("the key is given");
    // A run under callgrind makes few calls. It uses one thread, because callgrind also counts the instructions that wake
    // threads.
    let mut runtime = match calls {
        0..10_000 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.worker_threads(2).enable_all().build();
    let (grpc, rest) = addresses.split_once(',').expect("two addresses");
    runtime.expect("a runtime").block_on(async {
        let credentials = service_account(&key);
        match kind {
            OURS | OURS_POOLED => {
                let client = ApiGateway::builder().endpoint(grpc);
                let client = match kind {
                    OURS => client.max_connections(1),
                    _ => client,
                };
                let client = client.credentials(credentials).build().expect("valid");
                let call = move || {
                    let client = client.clone();
                    async move { drop(client.get_operation(NAME).await.expect("a response")) }
                };
                load(in_flight, calls, call).await
            }
            OFFICIAL => {
                let client = ApiGatewayService::builder().with_endpoint(rest);
                let client = client.with_credentials(credentials).build().await;
                let client = client.expect("valid");
                let call = move || {
                    let call = client.get_operation().set_name(NAME);
                    async move { drop(call.send().await.expect("a response")) }
                };
                load(in_flight, calls, call).await
            }
            LAYER => {
                let headers = headers(&credentials).await.into();
                let channel = channel(grpc, Some("apigateway-grpc/0.1.0"));
                let client = OperationsClient::new(WithHeaders { channel, headers });
                load(in_flight, calls, move || get(client.clone())).await
            }
            _ => {
                let client = OperationsClient::new(channel(grpc, None));
                load(in_flight, calls, move || get(client.clone())).await
            }
        }
    })
}

async fn get<S>(mut client: OperationsClient<S>)
where
    S: tonic::client::GrpcService<Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResponseBody: tonic::codegen::Body<Data = bytes::Bytes> + Send + 'static,
    <S::ResponseBody as tonic::codegen::Body>::Error:
        Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    let name = NAME.to_owned();
    let operation = client.get_operation(GetOperationRequest { name }).await;
    drop(operation.expect("a response"));
}

fn channel(address: &str, user_agent: Option<&'static str>) -> Channel {
    let endpoint = Endpoint::from_shared(address.to_owned()).expect("an address");
    let endpoint = match user_agent {
        Some(user_agent) => endpoint.user_agent(user_agent).expect("header text"),
        None => endpoint,
    };
    endpoint.connect_lazy()
}

/// The headers that this crate's client sends.
async fn headers(credentials: &Credentials) -> Vec<(HeaderName, HeaderValue)> {
    let token = credentials.headers(Extensions::new()).await;
    let CacheableResource::New { data: token, .. } = token.expect("a token") else {
        panic!("the first headers are new");
    };
    let authorization = HeaderMap::get(&token, header::AUTHORIZATION);
    let routing = NAME.replace('/', "%2F");
    let own = [
        ("x-goog-request-params", format!("name={routing}")),
        (
            "x-goog-api-client",
            "gl-rust/1.95.0 gapic/0.1.0 grpc/0.14.9".to_owned(),
        ),
        // The remaining time of a deadline. This crate computes it for each call.
        ("grpc-timeout", "9999876u".to_owned()),
    ];
    let own = own.map(|(name, value)| {
        let value = HeaderValue::from_str(&value).expect("header text");
        (HeaderName::from_static(name), value)
    });
    let authorization = authorization.expect("a header with the token").clone();
    let token = [(header::AUTHORIZATION, authorization)];
    own.into_iter().chain(token).collect()
}

/// Generates a service account key for this run.
pub(crate) fn key() -> String {
    let key = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).expect("a key");
    let body = BASE64_STANDARD.encode(der.as_ref());
    let key = serde_json::json!({
        "type": "service_account",
        "client_email": "benchmark@my-project-1.iam.gserviceaccount.com",
        "private_key_id": "0123456789abcdef0123456789abcdef01234567",
        "private_key": format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"),
        "project_id": "my-project-1",
        "universe_domain": "googleapis.com",
    });
    key.to_string()
}

/// Credentials that sign their own tokens.
fn service_account(key: &str) -> Credentials {
    let key = serde_json::from_str(key).expect("a credential file");
    let access = AccessSpecifier::from_scopes([SCOPE]);
    let credentials = Builder::new(key).with_access_specifier(access);
    credentials.build().expect("the key is whole")
}
