//! # Any Google service
//!
//! A [`Client`](super::Client) has what [`ApiGateway`](crate::ApiGateway) has, for any Google service: routing headers, timeouts,
//! retries, credentials, REST, and the operations. The messages and the methods come from a generated tonic client, such as the
//! published crates `googleapis-tonic-*`, or one of your own. The client does not know the service at build time: it reads the
//! service's [`Contract`](crate::contract::Contract) when the program starts.
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
//! All three are in [googleapis](https://github.com/googleapis/googleapis), in the folder of the service's protos. A program can
//! also embed them by `include_bytes!` and `include_str!`.
//!
//! | file | gives | without it |
//! |---|---|---|
//! | an encoded descriptor set | methods, routing headers, HTTP routes, types of operations | there is no contract |
//! | the service configuration, `spanner.yaml` | host, HTTP routes of the mixin services | the host is that of the protos, and operations have no routes |
//! | the gRPC service config, `spanner_admin_database_grpc_service_config.json` | timeouts and retry policies | a timeout of 60 seconds, and a retry only if the server certainly did not process the call |
//!
//! A descriptor set is made by `protoc`, by `buf`, or in a build script by `protox`:
//!
//! ```sh
//! protoc --include_imports --descriptor_set_out=spanner.fds -I googleapis \
//!   google/spanner/admin/database/v1/spanner_database_admin.proto google/longrunning/operations.proto
//! ```
//!
//! Name `google/longrunning/operations.proto` too, so that the contract has the methods of operations.
//!
//! ## Operations
//!
//! The start method of a service returns a `google.longrunning.Operation`, which each generated crate has as a type of its own.
//! `started_as` accepts all of them. The type of the result is a parameter, and its full name is an argument, since most generated
//! types do not have their names. For a type with a name, which implements `prost::Name`, `started` needs no argument.
//!
//! The [`Operation`](crate::operation::Operation) is the same as for API Gateway: await it, watch it, cancel it, or keep its handle
//! and resume it in another process. A handle also names the service, and a client of another service refuses it.
//! [`watcher`](super::Client::watcher) waits for many operations, and lists their parents instead of polling each one.
//!
//! What differs between services is in a [`ServiceProfile`](crate::operation::profile::ServiceProfile): the poll schedule, the
//! parent to list, and how to read the target of an operation. The default is made from the contract.
//!
//! ## Emulators
//!
//! `emulator_variable` names the environment variable of the service's emulator. If the variable is set, the client connects to its
//! address in plaintext, or over TLS for `https://`, and never with the application default credentials.
