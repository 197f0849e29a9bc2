//! Converts between gRPC and HTTP/JSON by `google.api.http` rules and a descriptor set, for any tonic client and any
//! tonic server.
//!
//! [`Rules`] are compiled once, from an encoded `FileDescriptorSet` and service configurations. [`Rest`] is a service
//! for generated clients that sends their calls over HTTP/JSON. [`TranscodeLayer`] is a layer for tonic servers that
//! accepts HTTP/JSON requests beside gRPC requests on one port. [`Schema`] converts between proto3 JSON and wire bytes
//! in one pass, without decoding into a message.
//!
//! ```
//! use apigateway_grpc::emulator::Emulator;
//! use apigateway_grpc::model::ListApisRequest;
//! use apigateway_grpc::proto::google::cloud::apigateway::v1::api_gateway_service_client::ApiGatewayServiceClient;
//! use apigateway_grpc::tower::Layer as _;
//! use apigateway_grpc::transcode::{Rest, Rules, TranscodeLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A client over JSON, a server behind JSON, and no socket between them.
//! let routes = Emulator::builder().build().service();
//! let server = TranscodeLayer::new(Rules::api_gateway()).layer(routes);
//! let mut client = ApiGatewayServiceClient::new(Rest::new(Rules::api_gateway(), server));
//!
//! let parent = "projects/p/locations/global".to_owned();
//! let page = client.list_apis(ListApisRequest { parent, ..Default::default() }).await?;
//! assert!(page.into_inner().apis.is_empty());
//! # Ok(())
//! # }
//! ```

mod client;
mod error_body;
mod grpc_frames;
mod http_body;
mod json;
mod rules;
mod schema;
mod server;
mod status;

pub use client::Rest;
pub use json::JsonOptions;
pub use rules::{Rules, RulesBuilder, Unserved};
pub use schema::Schema;
#[cfg(feature = "emulator")]
pub(crate) use server::media_type::is_grpc;
pub use server::{Transcode, TranscodeLayer};

use prost::{Message, Name};

use crate::error::Error;

/// Returns a message of [`proto`](crate::proto) as proto3 JSON. An `Any` of a known type is written with its content.
///
/// ```
/// use apigateway_grpc::model::Operation;
/// use apigateway_grpc::transcode::to_json;
///
/// let operation = Operation { name: "projects/p/locations/l/operations/o".into(), done: true, ..Default::default() };
/// let json = to_json(&operation).expect("a message with a JSON form");
/// assert_eq!(json, r#"{"name":"projects/p/locations/l/operations/o","done":true}"#);
/// ```
///
/// # Errors
///
/// If the message has no JSON form, for example because a timestamp is beyond the year 9999 or messages nest more than
/// 100 levels deep.
pub fn to_json<M: Message + Name>(message: &M) -> Result<String, Error> {
    let rules = Rules::api_gateway();
    let wire = message.encode_to_vec();
    rules
        .schema()
        .wire_to_json(&M::full_name(), &wire, JsonOptions::default())
}

/// The schema of this crate's protos, for the tests of the JSON engine.
#[cfg(test)]
static SCHEMA: std::sync::LazyLock<Schema> = std::sync::LazyLock::new(|| {
    Schema::new(crate::proto::FILE_DESCRIPTOR_SET).expect("the embedded descriptor set is valid")
});
