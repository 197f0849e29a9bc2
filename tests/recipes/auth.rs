//! Google credentials for another generated client.

use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::google_cloud_auth::credentials::api_key_credentials;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tonic::transport::Certificate;

include!("../../src/recipes/auth_layer.rs");

#[tokio::test]
async fn the_layer_adds_credentials_to_the_calls_of_another_client_over_tls() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let server = Emulator::builder().tls(cert.pem(), signing_key.serialize_pem());
    let server = server.start().await.expect("a free port");
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(cert.pem()));
    let key = api_key_credentials::Builder::new("a-key").build();
    let counted = count_operations(server.endpoint(), tls, key).await;
    assert_eq!(counted.expect("it is reached"), 0);
    let call = &server.emulator().calls()[0];
    assert!(call.headers.contains_key("x-goog-api-key"), "{call:?}");
    server.stop().await.expect("it stops");
}
