//! The generated messages, clients and (feature `emulator`) server traits, by proto package.
//!
//! `build.rs` generates this module from the protos in `proto/`, which declare the same messages and services as googleapis.
//! The module has no `google.rpc`: use the messages of [`tonic_types::pb`]. [`model`](crate::model) has the common messages
//! under short paths.
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

/// All protos of the contract, as an encoded `google.protobuf.FileDescriptorSet` with its extensions. Use it for gRPC
/// reflection, or for transcoding by descriptor.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The service configuration, a `google.api.Service` in JSON. It has the deadlines of the server for all methods, and the HTTP
/// rules of the methods for locations, IAM policies and operations. The HTTP rules of the other methods are in
/// [`FILE_DESCRIPTOR_SET`].
pub const SERVICE_CONFIG: &str = include_str!("../proto/apigateway_v1.json");

impl google::cloud::apigateway::v1::api_config::File {
    /// Reads a file of a config. The file's path in the config is the last part of `path`, as with `gcloud`. Characters that
    /// are not UTF-8 are replaced.
    ///
    /// Blocks while it reads the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or has more than 16 MiB. A config can have 10 MiB in all its files.
    pub fn from_path(path: impl AsRef<std::path::Path>) -> std::io::Result<Self> {
        use std::io::{Error, ErrorKind, Read as _};

        // A file without an end, such as a device, must not fill the memory.
        const MAX_SIZE: usize = 16 << 20;

        let path = path.as_ref();
        let mut contents = Vec::new();
        let mut file = std::fs::File::open(path)?.take(MAX_SIZE as u64 + 1);
        file.read_to_end(&mut contents)?;
        if contents.len() > MAX_SIZE {
            return Err(Error::new(ErrorKind::FileTooLarge, "larger than 16 MiB"));
        }
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Self {
            path: name.to_string_lossy().into_owned(),
            contents,
        })
    }
}
