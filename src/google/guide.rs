//! # Any Google service
//!
//! A [`Client`](super::Client) offers the features of [`ApiGateway`](crate::ApiGateway) for any Google service: routing
//! headers, timeouts, retries, credentials, REST, and operations. The messages and the methods come from a generated tonic
//! client, which you generate yourself or take from a published crate `googleapis-tonic-*`. The `Client` does not know the
//! service at build time: it reads the service's [`Contract`](crate::contract::Contract) when the program starts.
//!
//! ## A complete program
//!
//! The program creates a Spanner database and waits for it. The tests of this crate run it, against a local gRPC server.
//!
//! ```toml
//! [dependencies]
//! apigateway-grpc = { version = "0.1", features = ["google"] }
//! googleapis-tonic-google-spanner-admin-database-v1 = "0.40"
//! tokio = { version = "1", features = ["macros", "rt"] }
//! ```
//!
//! ```rust,ignore
#![doc = include_str!("guide/program.rs")]
//! ```
//!
//! ## The three files of a contract
//!
//! The two configurations are in [googleapis](https://github.com/googleapis/googleapis), in the folder of the service's protos.
//! The descriptor set is compiled from the protos. A program can also embed the files by `include_bytes!` and `include_str!`.
//!
//! - An encoded descriptor set has the methods, the routing headers, the HTTP routes and the types of operations. It is
//!   required.
//! - The service configuration, `spanner.yaml`, has the host, backend deadlines, and the HTTP routes of the mixin services.
//!   Without it, the host is the default host in the protos, and the only HTTP routes of operations are those of
//!   `google/longrunning/operations.proto`, such as `/v1/operations/**`, which few services have.
//! - The gRPC service config, `spanner_admin_database_grpc_service_config.json`, has the timeouts and the retry policies.
//!   Without it, the timeout of a unary call is its backend deadline, or else 60 seconds, and the retry policy is
//!   [`RetryPolicy::DEFAULT`](crate::RetryPolicy::DEFAULT).
//!
//! Make a descriptor set with `protoc` or `buf`, or with `protox` in a build script:
//!
//! ```sh
//! protoc --include_imports --descriptor_set_out=spanner.fds -I googleapis \
//!   google/spanner/admin/database/v1/spanner_database_admin.proto google/longrunning/operations.proto
//! ```
//!
//! The last argument, `google/longrunning/operations.proto`, adds the methods of operations to the contract. Without it, these
//! methods have the default timeout and retry policy, and no HTTP routes.
//!
//! ## Operations
//!
//! A method that starts an operation returns a `google.longrunning.Operation`. Each generated crate has its own Rust type for
//! this message, and `started_as` accepts all these types. The type of the operation's result is a type parameter. The full
//! name of this type is an argument, since most generated types do not implement `prost::Name`. For a type that implements it,
//! use `started`, which needs no name.
//!
//! The [`Operation`](crate::operation::Operation) is the same as for API Gateway: await it, watch it, cancel it, or keep its
//! handle and resume it in another process. A handle also names the service, and a client of another service rejects it.
//! [`watcher`](super::Client::watcher) waits for many operations, and lists their parents instead of polling each one.
//!
//! A watch yields [`Snapshot`](crate::operation::Snapshot)s. `Snapshot::metadata` decodes only the metadata of API Gateway. For
//! the metadata of another service, call [`metadata_named`](crate::operation::Snapshot::metadata_named) with the full name of
//! the type, such as `google.spanner.admin.database.v1.CreateDatabaseMetadata`.
//!
//! A [`ServiceProfile`](crate::operation::profile::ServiceProfile) has the properties that differ between services: the poll
//! schedule, the parent to list, and how to read the target of an operation. The default profile is made from the contract.
//!
//! ## Emulators
//!
//! `emulator_variable` names the environment variable of the service's emulator. If the variable is set, the client connects to its
//! address in plaintext, or over TLS for `https://`, and never with the application default credentials.
