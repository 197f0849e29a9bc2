//! The generated messages, clients and (feature `emulator`) server traits, by proto package.
//!
//! Everything in here is compiled by `build.rs` from the protos in `proto/`, whose declarations are
//! those of googleapis. `google.rpc` is not generated again: its messages are those of
//! [`tonic_types::pb`]. [`model`](crate::model) has the common messages under short paths.
//!
//! ```
//! use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
//! use apigateway_grpc::proto::google::longrunning::Operation;
//!
//! let api = Api { display_name: "Hello".into(), ..Api::default() };
//! let operation = Operation { done: true, ..Operation::default() };
//! assert!(operation.done && api.labels.is_empty());
//! ```

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::use_self,
    reason = "generated code"
)]

include!(concat!(env!("OUT_DIR"), "/proto.rs"));

/// All protos of the contract, as an encoded `google.protobuf.FileDescriptorSet` with its
/// extensions: for gRPC reflection, and for transcoding by descriptor.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The service configuration's rules, a `google.api.Service` in JSON: where methods stand in HTTP, and
/// how long the service works on them.
pub const SERVICE_CONFIG: &str = include_str!("../proto/apigateway_v1.json");
