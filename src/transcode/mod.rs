//! gRPC to HTTP/JSON and back, by the contract's rules and the descriptor set.

mod descriptor;
mod json;
mod reply;
mod request;
mod schema;
mod template;

pub use json::JsonOptions;
pub(crate) use reply::reply;
pub(crate) use request::{Request, request};
pub use schema::Schema;

use std::sync::LazyLock;

use prost::{Message, Name};

use crate::error::Error;
use crate::proto;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(proto::FILE_DESCRIPTOR_SET).expect("the descriptor set is embedded at build time")
});

/// The proto3 JSON text of a message of [`proto`], its `Any`s unfolded.
///
/// ```
/// use apigateway_grpc::proto::google::longrunning::Operation;
/// use apigateway_grpc::transcode::to_json;
///
/// let operation = Operation { name: "projects/p/locations/l/operations/o".into(), done: true, ..Default::default() };
/// let json = to_json(&operation).expect("it has a JSON form");
/// assert_eq!(json, r#"{"name":"projects/p/locations/l/operations/o","done":true}"#);
/// ```
///
/// # Errors
///
/// If the message has no JSON form, as with a timestamp beyond the year 9999 or too deep a nesting.
pub fn to_json<M: Message + Name>(message: &M) -> Result<String, Error> {
    let name = M::full_name();
    let fault = |why: String| Error::message(format!("a {name} has no JSON form: {why}"));
    let id = SCHEMA
        .find(&name)
        .ok_or_else(|| fault("its type is unknown".to_owned()))?;
    json::write(
        &SCHEMA,
        id,
        &message.encode_to_vec(),
        json::JsonOptions::default(),
    )
    .map_err(fault)
}
