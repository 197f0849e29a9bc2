//! An API Gateway in memory: the real generated server traits, in process or on a port.
//!
//! It has all 25 methods: apis, their configs and gateways with what depends on what, operations, locations
//! and policies, over gRPC and, on a port and with the feature `rest`, over HTTP/JSON. An operation runs for a
//! set time by `tokio::time`, so that a test on a paused clock is deterministic. What goes wrong is said by
//! [`Emulator::on`], and what was called is told by [`Emulator::calls`].
//!
//! State is in memory, or in a file (`EmulatorBuilder::open`, feature `emulator-data`), from which a later
//! emulator goes on.
//!
//! It checks names, states, masks and etags as the service does, and bearer tokens where
//! [`EmulatorBuilder::require_token`] says so, but no permissions. It checks the files of a config by
//! [`config_check`](crate::config_check): OpenAPI 2.0, 3.0 and 3.1 documents, descriptor sets and service configurations. If
//! one has an error, the operation of the create fails with a diagnostic for each error, at file and line, and the config
//! is left FAILED.
//!
//! Filters are those of AIP-160 but for functions: `state = ACTIVE AND (labels.team = core OR labels.team = edge)`,
//! `done = false AND metadata.verb = create`, `NOT labels:team`. `*` at an end of what a text is to equal stands for
//! anything. A value without a field is searched for in names and display names. Where AIP-160 leaves a choice:
//!
//! - `:` on a text field of the resource itself, such as `display_name:shop`, finds a part of the text.
//! - A label that a resource does not have matches no comparison, not even `!=`.
//! - Names of fields are accepted as in the proto and as in JSON.
//! - Repeated negations and `NOT(` without a space are accepted.
//! - A filter has at most 8,192 bytes, and 50 nested parentheses or negations.
//!
//! An update mask may have output-only fields, which are ignored, and immutable ones if the request repeats their
//! values (AIP-161, AIP-203). A mask must not be empty: the live service refuses that, although AIP-134 does not.
//!
//! Policies have versions as `google/iam/v1/policy.proto` says. Conditions are written at version 3, and shown if
//! version 3 is asked for. Otherwise the role of their binding ends with `_withcond_` and a hash. With the etag of a policy
//! that has conditions, bindings are written at version 3 only. Without a mask, SetIamPolicy writes `bindings` alone.
//!
//! [`testing`] shows how to test your own code against it, in Rust, Python and Node.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use apigateway_grpc::ApiGateway;
//! use apigateway_grpc::emulator::Emulator;
//! use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, CreateApiRequest};
//!
//! let emulator = Emulator::builder().build();
//! let client = ApiGateway::builder().with_transport(emulator.service()).anonymous().build()?;
//! let request = CreateApiRequest {
//!     parent: "projects/p/locations/global".into(),
//!     api_id: "hello".into(),
//!     api: Some(Api::default()),
//! };
//! let operation = client.service().create_api(request).await?.into_inner();
//! assert!(client.get_operation(operation.name).await?.done);
//! # Ok(())
//! # }
//! ```

#[cfg_attr(not(feature = "tls"), path = "accept_plain.rs")]
mod accept;
mod access;
mod admin;
mod beside;
mod builder;
mod calls;
mod clock;
mod cursor;
#[cfg_attr(not(feature = "emulator-data"), path = "no_data.rs")]
mod data;
mod decompress;
mod door;
mod errors;
mod fault;
mod field;
mod filter;
mod incoming;
#[cfg(test)]
mod invariants;
mod limits;
#[cfg_attr(not(feature = "rest"), path = "listen_grpc.rs")]
mod listen;
mod listing;
mod locations;
mod mask;
mod opening;
mod operations;
mod order;
mod place;
mod plan;
mod policies;
mod policy;
mod port_settings;
mod refusal;
mod resource;
mod rows;
mod running;
mod server;
mod service;
mod socket;
mod state;
mod table;
#[doc = include_str!("testing.md")]
pub mod testing {}
mod tokens;
mod verbs;
mod violations;
mod world;

use std::net::ToSocketAddrs;
use std::sync::Arc;

use futures_core::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::service::Routes;
use tonic::transport::server::Connected;

use crate::contract::Method;
use crate::proto::google::cloud::apigateway::v1::api_gateway_service_server::ApiGatewayServiceServer;
use crate::proto::google::cloud::location::locations_server::LocationsServer;
use crate::proto::google::iam::v1::iam_policy_server::IamPolicyServer;
use crate::proto::google::longrunning::operations_server::OperationsServer;

pub use builder::EmulatorBuilder;
pub use calls::{ReceivedCall, Via};
#[cfg(feature = "emulator-data")]
pub use data::DataError;
pub use errors::Details;
pub use fault::{Fault, On};
pub use limits::Limits;
pub use place::LOCATIONS;
pub use plan::{Cancelling, OperationPlan};
pub use server::Server;

use door::{Door, MAX_REQUEST};
use port_settings::PortSettings;
use state::State;

/// An API Gateway, in memory or in a file. Its clones are the same one.
#[derive(Clone, Debug)]
pub struct Emulator {
    state: Arc<State>,
    port: Arc<PortSettings>,
}

impl Emulator {
    /// Begins with the defaults.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }

    /// The emulator as a tower service, for calls without a socket.
    #[must_use]
    pub fn service(&self) -> Routes {
        let door = &self.state;
        let api = ApiGatewayServiceServer::new(self.clone()).max_decoding_message_size(MAX_REQUEST);
        let operations = OperationsServer::new(self.clone()).max_decoding_message_size(MAX_REQUEST);
        let locations = LocationsServer::new(self.clone()).max_decoding_message_size(MAX_REQUEST);
        let policies = IamPolicyServer::new(self.clone()).max_decoding_message_size(MAX_REQUEST);
        Routes::new(Door::new(door, api))
            .add_service(Door::new(door, operations))
            .add_service(Door::new(door, locations))
            .add_service(Door::new(door, policies))
    }

    /// Serves on a port, gRPC and (feature `rest`) HTTP/JSON, over HTTP/1.1 and HTTP/2; port 0 picks one.
    ///
    /// # Errors
    ///
    /// If the address cannot be listened on, or a setting of the builder is invalid.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind; dropping the [`Server`] ends it.
    pub async fn start(&self, address: impl ToSocketAddrs) -> std::io::Result<Server> {
        Server::start(self, address).await
    }

    /// Serves connections of yours, as [`start`](Self::start) does those of a port: over Unix sockets, in a
    /// simulated network, within the process. A stream that is one of TCP listeners or of
    /// [`tokio::io::duplex`](https://docs.rs/tokio/latest/tokio/io/fn.duplex.html) pairs serves as it is. An error in
    /// it is passed over. The admin service answers to TCP from a loopback address, to Unix sockets, and to whoever has the
    /// token of [`EmulatorBuilder::admin_token`]. A connection must be opened within
    /// [`EmulatorBuilder::handshake_timeout`].
    ///
    /// It ends once the stream has ended and all its connections are closed.
    ///
    /// # Errors
    ///
    /// If a setting of the builder is invalid, such as the certificate of [`EmulatorBuilder::tls`], or serving failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connections, each after the calls that are under way on it.
    ///
    /// # Example
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::io;
    ///
    /// use apigateway_grpc::ApiGateway;
    /// use apigateway_grpc::emulator::Emulator;
    /// use apigateway_grpc::http::Uri;
    /// use futures_util::stream;
    /// use hyper_util::rt::TokioIo;
    /// use tokio::sync::mpsc;
    ///
    /// // Each connection is a pipe within this process.
    /// let (connect, accept) = mpsc::unbounded_channel();
    /// let incoming = stream::unfold(accept, |mut accept| async {
    ///     Some((Ok::<_, io::Error>(accept.recv().await?), accept))
    /// });
    /// let emulator = Emulator::builder().build();
    /// let serving = tokio::spawn({
    ///     let emulator = emulator.clone();
    ///     async move { emulator.serve_with_incoming(incoming).await }
    /// });
    ///
    /// let pipes = tower::service_fn(move |_: Uri| {
    ///     let (ours, theirs) = tokio::io::duplex(64 << 10);
    ///     let sent = connect.send(theirs);
    ///     async move { sent.map(|()| TokioIo::new(ours)) }
    /// });
    /// let client = ApiGateway::builder().endpoint("http://localhost").connector(pipes).anonymous();
    /// let client = client.build()?;
    /// client.list_apis("projects/p/locations/global").page("").await?;
    ///
    /// // With the client the connections end, and with the last of both the server.
    /// drop(client);
    /// serving.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn serve_with_incoming<I, E>(
        &self,
        incoming: impl Stream<Item = Result<I, E>>,
    ) -> std::io::Result<()>
    where
        I: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static,
    {
        server::serve_all(self, incoming).await
    }

    /// Begins to say what is to happen to calls of a method, over whatever transport they come.
    ///
    /// # Example
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use apigateway_grpc::ApiGateway;
    /// use apigateway_grpc::contract::Method;
    /// use apigateway_grpc::emulator::Emulator;
    /// use apigateway_grpc::proto::google::longrunning::Operation;
    /// use apigateway_grpc::tonic::Status;
    ///
    /// let emulator = Emulator::builder().build();
    /// let client = ApiGateway::builder().with_transport(emulator.service()).anonymous().build()?;
    ///
    /// // The first call fails and is tried again; the second is answered with a message of ours.
    /// let busy = emulator.on(Method::GET_OPERATION).fail(Status::unavailable("busy"));
    /// let name = "projects/p/locations/global/operations/o";
    /// let answer = Operation { name: name.into(), ..Default::default() };
    /// let given = emulator.on(Method::GET_OPERATION).named(name).respond(&answer);
    ///
    /// assert_eq!(client.get_operation(name).await?, answer);
    /// assert_eq!((busy.used(), given.used()), (1, 1));
    /// assert_eq!(emulator.count(Method::GET_OPERATION), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on(&self, method: &'static Method) -> On {
        On::new(&self.state, method)
    }

    /// The faults that have not happened as often as they should have, in words.
    #[must_use]
    pub fn unused(&self) -> Vec<String> {
        self.state.faults.unused()
    }

    /// The calls received so far, in the order in which they came, at most the last thousand. A REST request
    /// that is no call of a method is not among them.
    #[must_use]
    pub fn calls(&self) -> Vec<ReceivedCall> {
        self.state.calls.last()
    }

    /// How many calls of a method were received, however long ago.
    #[must_use]
    pub fn count(&self, method: &'static Method) -> u64 {
        self.state.calls.count(method)
    }

    /// Forgets all resources, operations, faults and calls. A file that keeps the state is emptied too, before the
    /// next call is answered.
    pub fn reset(&self) {
        self.state.clear();
        self.state.faults.clear();
        self.state.calls.clear();
    }
}
