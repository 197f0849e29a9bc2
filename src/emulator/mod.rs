//! An emulator of API Gateway, in process or on a port.
//!
//! It implements all 25 methods of the generated server traits. They serve APIs, configs, gateways, operations, locations and
//! policies. Dependencies between resources are checked. The emulator serves gRPC and, on a port and with the feature `rest`,
//! HTTP/JSON. An operation runs for a set time of `tokio::time`, so a test with a paused clock is deterministic.
//! [`Emulator::on`] injects faults, and [`Emulator::calls`] returns the received calls. [`testing`] shows how to test your own
//! code against it, in Rust, Python and Node.
//!
//! State is in memory, or in a file (`EmulatorBuilder::open`, feature `emulator-data`) which a later emulator can load.
//!
//! # What it checks
//!
//! The emulator checks names, states, masks and etags as the service does. If [`EmulatorBuilder::require_token`] sets a token,
//! it checks bearer tokens. It does not check IAM permissions. It checks the files of a config with
//! [`config_check`](crate::config_check): OpenAPI 2.0, 3.0 and 3.1 documents, descriptor sets and service configurations. If a
//! file has errors, the operation of the create fails and the config is FAILED. The metadata of the operation has a diagnostic
//! for each of the first 20 errors, with file and line.
//!
//! # Filters
//!
//! Filters are those of AIP-160, without functions: `state = ACTIVE AND (labels.team = core OR labels.team = edge)`,
//! `done = false AND metadata.verb = create`, `NOT labels:team`. A `*` at the start or end of a text matches any characters.
//! A value without a field is searched for in names and display names. Where AIP-160 leaves a choice:
//!
//! - `:` on a text field of the resource itself, such as `display_name:shop`, finds a part of the text.
//! - Any comparison with a label that the resource does not have is false, including `!=`.
//! - Names of fields may be spelled as in the proto or as in JSON.
//! - Repeated negations and `NOT(` without a space are accepted.
//! - A filter has at most 8,192 bytes, and 50 nested parentheses or negations.
//!
//! # Update masks
//!
//! A mask may have output-only fields, which are ignored. It may have immutable fields if the request repeats their values
//! (AIP-161, AIP-203). A mask must not be empty: the live service rejects an empty mask, although AIP-134 allows it.
//!
//! The paths of a message are in snake case, as `google/protobuf/field_mask.proto` requires. A path in camel case is rejected
//! over gRPC. Over REST `displayName` and `display_name` are both read as the path `display_name`.
//!
//! # Policies
//!
//! Policies have versions as in `google/iam/v1/policy.proto`. Conditions are written at version 3, and returned if version 3 is
//! requested. At a lower version, a conditional binding is returned without its condition, and its role ends with `_withcond_`
//! and a hash. A request that has the etag of a policy with conditions must write version 3. Without a mask, SetIamPolicy
//! writes `bindings` only.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use apigateway_grpc::ApiGateway;
//! use apigateway_grpc::emulator::Emulator;
//! use apigateway_grpc::model::{Api, CreateApiRequest};
//!
//! let emulator = Emulator::builder().build();
//! let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
//! let request = CreateApiRequest {
//!     parent: "projects/p/locations/global".into(),
//!     api_id: "hello".into(),
//!     api: Some(Api::default()),
//! };
//! let operation = client.service_client().create_api(request).await?.into_inner();
//! assert!(client.get_operation(operation.name).await?.done);
//! # Ok(())
//! # }
//! ```

mod admin;
mod api;
mod builder;
mod connection;
mod error;
mod events;
mod faults;
mod list;
pub mod messages;
mod page;
#[cfg(feature = "rest")]
mod seed;
mod server;
mod state;
#[cfg(feature = "emulator-data")]
mod storage;
#[doc = include_str!("testing.md")]
pub mod testing {}

use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::Status;
use tonic::service::Routes;
use tonic::transport::server::Connected;

use crate::contract::Method;
use crate::proto::google::longrunning::Operation;

pub use builder::EmulatorBuilder;
pub use error::details::Details;
pub use faults::operation_plan::{CancelBehavior, OperationPlan};
pub use faults::received_call::{Peer, ReceivedCall, Via};
pub use faults::{FaultBuilder, FaultGuard};
pub use server::Server;
pub use state::limits::Limits;
pub use state::location::LOCATIONS;
#[cfg(feature = "emulator-data")]
pub use storage::DataError;

use api::core::Core;
use events::Listener;
use messages::convert::plan::span;
use server::settings::PortSettings;

/// An emulated API Gateway. Clones share one state.
#[derive(Clone, Debug)]
pub struct Emulator {
    core: Arc<Core>,
    port: Arc<PortSettings>,
}

impl Emulator {
    /// Returns a builder with the defaults.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }

    /// Returns the emulator as a tower service, for calls without a socket.
    #[must_use]
    pub fn service(&self) -> Routes {
        api::routes(&self.core)
    }

    /// Serves on a port: gRPC and, with the feature `rest`, HTTP/JSON, over HTTP/1.1 and HTTP/2. Port 0 chooses a free port.
    ///
    /// # Errors
    ///
    /// If the port cannot be bound, or a setting of the builder is invalid.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the port. Dropping the [`Server`] does so too.
    pub async fn start(&self, address: impl ToSocketAddrs) -> std::io::Result<Server> {
        Server::start(self, address).await
    }

    /// Serves the connections of a stream as [`start`](Self::start) serves the connections of a port. The connections can be
    /// Unix sockets, a simulated network, or pipes within the process, such as
    /// [`tokio::io::duplex`](https://docs.rs/tokio/latest/tokio/io/fn.duplex.html). Errors in the stream are skipped. The admin
    /// service accepts calls over TCP from loopback addresses, calls over Unix sockets, and calls with the token of
    /// [`EmulatorBuilder::admin_token`]. A client must open its connection within [`EmulatorBuilder::handshake_timeout`].
    ///
    /// The future completes when the stream has ended and the last connection is closed.
    ///
    /// # Errors
    ///
    /// If a setting of the builder is invalid, such as the certificate of [`EmulatorBuilder::tls`], or serving failed.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, each connection is closed once its calls in progress have ended.
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
    /// client.list_apis("projects/p/locations/global").first_page().await?;
    ///
    /// // Dropping the client closes the connection and ends the stream, so the server ends.
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

    /// Returns a builder of a fault for calls of a method, over gRPC and REST.
    ///
    /// # Example
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use apigateway_grpc::ApiGateway;
    /// use apigateway_grpc::contract::Method;
    /// use apigateway_grpc::emulator::Emulator;
    /// use apigateway_grpc::model::Operation;
    /// use apigateway_grpc::tonic::Status;
    ///
    /// let emulator = Emulator::builder().build();
    /// let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
    ///
    /// // The client retries the first call, which fails. The second call gets our own response.
    /// let busy = emulator.on(Method::GET_OPERATION).fail(Status::unavailable("busy"));
    /// let name = "projects/p/locations/global/operations/o";
    /// let answer = Operation { name: name.into(), ..Default::default() };
    /// let given = emulator.on(Method::GET_OPERATION).named(name).respond(&answer);
    ///
    /// assert_eq!(client.get_operation(name).await?, answer);
    /// assert_eq!((busy.used(), given.used()), (1, 1));
    /// assert_eq!(emulator.call_count(Method::GET_OPERATION), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on(&self, method: &'static Method) -> FaultBuilder {
        FaultBuilder::new(&self.core.faults, method)
    }

    /// Describes the faults that occurred less often than requested.
    #[must_use]
    pub fn unused_faults(&self) -> Vec<String> {
        self.core.faults.unused()
    }

    /// Returns the received calls in their order, at most the last thousand. REST requests without a route are not recorded.
    #[must_use]
    pub fn calls(&self) -> Vec<ReceivedCall> {
        self.core.calls.last()
    }

    /// Returns the number of calls of a method since the start or the last [`reset`](Self::reset).
    #[must_use]
    pub fn call_count(&self, method: &'static Method) -> u64 {
        self.core.calls.count(method)
    }

    /// Returns the resources, operations, faults, clock and settings. Of the operations that are done, the last 100 are
    /// included.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use apigateway_grpc::ApiGateway;
    /// use apigateway_grpc::emulator::Emulator;
    /// use apigateway_grpc::model::Api;
    ///
    /// let emulator = Emulator::builder().build();
    /// let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
    /// client.create_api("projects/p/locations/global", "shop", Api::default()).await?.await?;
    /// let state = emulator.state();
    /// assert_eq!(state.projects, ["p"]);
    /// assert_eq!(state.apis[0].display_name, "shop");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn state(&self) -> messages::State {
        let all = messages::GetStateRequest::default();
        // The default request is valid.
        admin::state::read(&self.core, &all).unwrap_or_default()
    }

    /// Returns the files of an API config, which [`state`](Self::state) omits.
    ///
    /// # Errors
    ///
    /// NOT_FOUND if the config does not exist, and INVALID_ARGUMENT if the name is invalid.
    pub fn config_files(&self, name: &str) -> Result<messages::ConfigFiles, Status> {
        admin::state::config_files(&self.core, name)
    }

    /// Returns the events from now on. The first one is `hello`. The stream never ends. If more than 1,024 events happen before
    /// the next read, the next event is `lost`.
    ///
    /// Polling the stream applies the ends of operations when they are due, so a test can wait for the end of an operation
    /// without a call.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use apigateway_grpc::ApiGateway;
    /// use apigateway_grpc::emulator::Emulator;
    /// use apigateway_grpc::emulator::messages::event::Event as Kind;
    /// use apigateway_grpc::model::Api;
    /// use futures_util::StreamExt as _;
    ///
    /// let emulator = Emulator::builder().operation_time(Duration::from_secs(60)).build();
    /// let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
    /// let mut events = emulator.events();
    /// client.create_api("projects/p/locations/global", "shop", Api::default()).await?;
    /// let done = events.any(async |event| match event.event {
    ///     Some(Kind::Operation(state)) => state.operation.is_some_and(|operation| operation.done),
    ///     _ => false,
    /// });
    /// assert!(done.await);
    /// # Ok(())
    /// # }
    /// ```
    pub fn events(&self) -> impl Stream<Item = messages::Event> + Send + Unpin + use<> {
        self.listen(None)
    }

    /// Returns the events after the number of an event, or after the `revision` of a state.
    ///
    /// If events after this number are missing, the first event is `lost`.
    pub fn events_after(
        &self,
        number: u64,
    ) -> impl Stream<Item = messages::Event> + Send + Unpin + use<> {
        self.listen(Some(number))
    }

    fn listen(
        &self,
        after: Option<u64>,
    ) -> impl Stream<Item = messages::Event> + Send + Unpin + use<> {
        let listener = Listener::new(&self.core, after);
        let events = stream::unfold(listener, |mut listener| async {
            let event = listener.next(None).await?;
            Some((event, listener))
        });
        Box::pin(events)
    }

    /// Returns the clock, which sets the times of resources and operations.
    #[must_use]
    pub fn clock(&self) -> messages::Clock {
        admin::state::clock(&self.core)
    }

    /// Advances the clock, and ends the operations that are due by then. Waiters continue at once. The clock does not affect
    /// `delay` faults and the timers of clients.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use apigateway_grpc::ApiGateway;
    /// use apigateway_grpc::emulator::Emulator;
    /// use apigateway_grpc::model::Api;
    ///
    /// let emulator = Emulator::builder().operation_time(Duration::from_secs(600)).build();
    /// let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
    /// let operation = client.create_api("projects/p/locations/global", "shop", Api::default()).await?;
    /// emulator.advance_clock(Duration::from_secs(600))?;
    /// assert!(client.get_operation(operation.name()).await?.done);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// FAILED_PRECONDITION if the test has paused tokio's clock: use `tokio::time::advance` then. INVALID_ARGUMENT if the time
    /// would be beyond the year 9999.
    pub fn advance_clock(&self, by: Duration) -> Result<(), Status> {
        admin::state::advance_clock(&self.core, &span(by))
    }

    /// Pauses the clock: no running operation ends until the clock is advanced or resumed.
    ///
    /// # Errors
    ///
    /// FAILED_PRECONDITION if the test has paused tokio's clock.
    pub fn pause_clock(&self) -> Result<(), Status> {
        admin::state::pause_clock(&self.core, true)
    }

    /// Resumes the clock. It continues from the time at which it was paused, or to which it was advanced since then.
    ///
    /// # Errors
    ///
    /// FAILED_PRECONDITION if the test has paused tokio's clock.
    pub fn resume_clock(&self) -> Result<(), Status> {
        admin::state::pause_clock(&self.core, false)
    }

    /// Ends a running operation now, and returns it. With `fails`, the operation fails with this status. Otherwise it ends as
    /// planned.
    ///
    /// # Errors
    ///
    /// NOT_FOUND if the operation does not exist, FAILED_PRECONDITION if it is done, and INVALID_ARGUMENT if the name or the
    /// status is invalid.
    pub fn finish_operation(
        &self,
        name: &str,
        fails: Option<&Status>,
    ) -> Result<Operation, Status> {
        let fails = fails.map(error::to_proto);
        admin::state::finish_operation(&self.core, name, fails.as_ref())
    }

    /// Deletes the recorded calls, and sets their counts to zero.
    pub fn clear_calls(&self) {
        self.core.clear_calls();
    }

    /// Returns the whole state except for the recorded calls, in a form that [`import`](Self::import) accepts.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use apigateway_grpc::ApiGateway;
    /// use apigateway_grpc::emulator::Emulator;
    /// use apigateway_grpc::model::Api;
    ///
    /// let emulator = Emulator::builder().build();
    /// let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
    /// client.create_api("projects/p/locations/global", "shop", Api::default()).await?.await?;
    /// let saved = emulator.export();
    /// emulator.reset();
    /// emulator.import(saved)?;
    /// assert_eq!(emulator.state().apis[0].display_name, "shop");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn export(&self) -> messages::StateExport {
        admin::transfer::export(&self.core)
    }

    /// Replaces the whole state except for the recorded calls. If the clock of the new state is paused, the emulator's clock is
    /// paused too, unless a test has paused tokio's clock.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT with the field that is invalid. In that case nothing changes.
    pub fn import(&self, state: messages::StateExport) -> Result<(), Status> {
        admin::transfer::import(&self.core, state)
    }

    /// Deletes all resources, operations, faults and recorded calls. A data file is emptied too; any later call of the API
    /// waits until this is done. The clock is unchanged.
    pub fn reset(&self) {
        self.core.reset();
    }
}
