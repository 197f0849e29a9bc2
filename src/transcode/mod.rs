//! gRPC to HTTP/JSON and back, by the contract's rules and the descriptor set.

pub(crate) mod json;
mod query;
mod reply;
mod request;
mod template;

pub(crate) use reply::reply;
pub(crate) use request::{Request, request};

use std::sync::LazyLock;

use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use crate::error::Error;
use crate::proto;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET)
        .expect("the descriptor set is embedded at build time")
});

/// The descriptor of a message of the contract, or a well-known one.
pub(crate) fn descriptor(full_name: &str) -> Option<MessageDescriptor> {
    POOL.get_message_by_name(full_name)
}

/// The proto3 JSON text of a message of [`proto`](crate::proto), its `Any`s unfolded.
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
    let descriptor = descriptor(&name).ok_or_else(|| fault("its type is unknown".to_owned()))?;
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic
        .transcode_from(message)
        .map_err(|error| fault(error.to_string()))?;
    json::to_json(&dynamic)
        .map(|json| json.to_string())
        .map_err(fault)
}
