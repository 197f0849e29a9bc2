//! The messages of the admin service, and its client.
//!
//! `proto/apigateway_grpc/emulator/v1/admin.proto` declares them. For tests in the same process, [`Emulator`](super::Emulator)
//! has a method for each method of the service, except those that list, update and delete faults: its state lists the faults, and
//! the guard of a fault disables and withdraws it. [`AdminClient`](admin_client::AdminClient) calls an emulator in another process.
//!
//! ```
//! use apigateway_grpc::emulator::Emulator;
//! use apigateway_grpc::emulator::messages::GetStateRequest;
//! use apigateway_grpc::emulator::messages::admin_client::AdminClient;
//! use apigateway_grpc::tonic::transport::Channel;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Emulator::builder().start().await?;
//! let channel = Channel::from_shared(server.endpoint())?.connect().await?;
//! let state = AdminClient::new(channel).get_state(GetStateRequest::default()).await?.into_inner();
//! assert_eq!(state.counts, server.emulator().state().counts);
//! # Ok(())
//! # }
//! ```

pub(super) mod convert;
#[cfg(feature = "rest")]
pub(super) mod json;

pub use generated::*;
#[cfg(feature = "rest")]
pub use json::{from_json, to_json};

/// All protos of the contract and the admin service, as an encoded `FileDescriptorSet`.
pub(super) const DESCRIPTORS: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/emulator_descriptors.bin"));

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::use_self,
    reason = "generated code"
)]
mod generated {
    include!(concat!(
        env!("OUT_DIR"),
        "/emulator/apigateway_grpc.emulator.v1.rs"
    ));
}

/// The version of the emulator.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
