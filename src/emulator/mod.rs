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
//! [`EmulatorBuilder::require_token`] says so, but no permissions. It reads the files of a config: OpenAPI 2.0
//! documents, as YAML or JSON, descriptor sets and service configs. If they are wrong, the operation of the
//! create fails with a diagnostic for each fault, at file and line, and the config is left FAILED.
//!
//! Filters are those of AIP-160 but for functions: `state = ACTIVE AND (labels.team = core OR labels.team = edge)`,
//! `done = false AND metadata.verb = create`, `NOT labels:team`. `:` asks whether a text has another within, and `*` at
//! an end of what a text is to equal stands for anything. A word by itself is looked for in names and display names.
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
mod admin;
mod beside;
mod calls;
mod clock;
mod cursor;
#[cfg_attr(not(feature = "emulator-data"), path = "no_data.rs")]
mod data;
mod door;
mod fault;
mod field;
mod filter;
mod incoming;
#[cfg_attr(not(feature = "rest"), path = "listen_grpc.rs")]
mod listen;
mod listing;
mod locations;
mod mask;
mod operations;
mod order;
mod place;
mod plan;
mod policies;
mod refusal;
mod resource;
mod rows;
mod running;
mod server;
mod service;
mod socket;
mod source;
mod state;
mod table;
#[doc = include_str!("testing.md")]
pub mod testing {}
mod tokens;
mod verbs;
mod violations;
mod world;

use std::net::ToSocketAddrs;
#[cfg(feature = "emulator-data")]
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tonic::service::Routes;

use crate::contract::Method;
use crate::proto::google::cloud::apigateway::v1::api_gateway_service_server::ApiGatewayServiceServer;
use crate::proto::google::cloud::location::locations_server::LocationsServer;
use crate::proto::google::iam::v1::iam_policy_server::IamPolicyServer;
use crate::proto::google::longrunning::operations_server::OperationsServer;

pub use calls::{ReceivedCall, Via};
#[cfg(feature = "emulator-data")]
pub use data::DataError;
pub use fault::{Fault, On};
pub use place::LOCATIONS;
pub use plan::{Cancelling, OperationPlan};
pub use server::Server;

use accept::Identity;
use clock::{Clock, Moment};
use data::Keeper;
use door::Door;
use state::{State, Tables, Times};
use tokens::{Allowed, Tokens};
use world::World;

/// An API Gateway, in memory or in a file. Its clones are the same one.
#[derive(Clone, Debug)]
pub struct Emulator {
    state: Arc<State>,
    identity: Option<Arc<Identity>>,
}

/// Sets up an [`Emulator`].
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is set up before `build`"]
pub struct EmulatorBuilder {
    times: Times,
    tokens: Tokens,
    world: World,
    identity: Option<Identity>,
    begins_at: Option<SystemTime>,
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
        Routes::new(Door::new(door, ApiGatewayServiceServer::new(self.clone())))
            .add_service(Door::new(door, OperationsServer::new(self.clone())))
            .add_service(Door::new(door, LocationsServer::new(self.clone())))
            .add_service(Door::new(door, IamPolicyServer::new(self.clone())))
    }

    /// Serves on a port, gRPC and (feature `rest`) HTTP/JSON, over HTTP/1.1 and HTTP/2; port 0 picks one.
    ///
    /// # Errors
    ///
    /// If the address cannot be listened on.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind; dropping the [`Server`] ends it.
    pub async fn start(&self, address: impl ToSocketAddrs) -> std::io::Result<Server> {
        Server::start(self, address).await
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

impl EmulatorBuilder {
    /// How long an operation runs, zero by default: it is done with the first look at it.
    pub fn operation_time(mut self, time: Duration) -> Self {
        self.times.usual = time;
        self
    }

    /// How long the operations of one method run, if not as long as all others.
    pub fn operation_time_of(mut self, method: &'static Method, time: Duration) -> Self {
        self.times.by_method.insert(method.path, time);
        self
    }

    /// Every call must bring a token that was given here, as `authorization: Bearer TOKEN`. One that brings
    /// none, or another, is UNAUTHENTICATED. The admin service needs none.
    pub fn require_token(mut self, token: impl Into<String>) -> Self {
        self.tokens.add(token.into(), Allowed::All);
        self
    }

    /// A token that is known and allows nothing: whatever brings it is PERMISSION_DENIED. Calls need a token
    /// then, as with [`require_token`](Self::require_token).
    pub fn token_without_permissions(mut self, token: impl Into<String>) -> Self {
        self.tokens.add(token.into(), Allowed::Nothing);
        self
    }

    /// A location, one of [`LOCATIONS`], that does not answer. What is about it or in it is UNAVAILABLE, and
    /// lists of all locations are without it and name it. A list of operations does so only with
    /// `return_partial_success`, and is UNAVAILABLE else. Each call adds one; by default all answer.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use apigateway_grpc::ApiGateway;
    /// use apigateway_grpc::emulator::Emulator;
    ///
    /// let emulator = Emulator::builder().unreachable("us-east1").build();
    /// let client = ApiGateway::builder().with_transport(emulator.service()).anonymous().build()?;
    /// let page = client.list_gateways("projects/p/locations/-").page("").await?;
    /// assert_eq!(page.unreachable, ["projects/p/locations/us-east1"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unreachable(mut self, location: impl Into<String>) -> Self {
        self.world.lose(location.into());
        self
    }

    /// Only these service accounts exist, each given by its email or as `projects/{project}/serviceAccounts/{email}`.
    /// A config that has another or none is refused with FAILED_PRECONDITION, and so is a gateway for such a
    /// config. Further calls add to them; by default any account will do, and none.
    pub fn service_accounts<A: Into<String>>(
        mut self,
        accounts: impl IntoIterator<Item = A>,
    ) -> Self {
        self.world.accept(accounts.into_iter().map(Into::into));
        self
    }

    /// Serves over TLS, with this certificate chain and its private key, both PEM text.
    /// [`Emulator::start`] fails if they are not that.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some(Identity {
            chain: chain.into(),
            key: key.into(),
        });
        self
    }

    /// What its clock shows as it is set up, by default what the system's does. From then on it goes with
    /// tokio's, so that on a paused clock all times that it tells are the same in every run.
    pub fn begins_at(mut self, time: SystemTime) -> Self {
        self.begins_at = Some(time);
        self
    }

    /// An empty emulator, which keeps its state in memory.
    #[must_use]
    pub fn build(self) -> Emulator {
        let tables = Tables::new(Clock::start(self.wall()));
        self.over(tables, Keeper::default())
    }

    /// An emulator that keeps its state in a file, and goes on from what is in it. A file that is not there is
    /// made, one that is empty is filled.
    ///
    /// No call is answered before what it did, and what it tells, is in the file: it survives the process,
    /// however that ends, and a failure of the power. Faults and the record of calls are not kept, nor what
    /// [stale reads](On::stale) see. Time goes on between two runs: an operation whose end has passed meanwhile has
    /// ended. If the system's clock was put back, time goes on from the last change instead. If the file
    /// cannot be written any more, every call is answered with INTERNAL, for good.
    ///
    /// This waits for the disk, and so does dropping the last clone of the emulator with its services and
    /// servers, which closes the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written, if another emulator has it open, if it is damaged, and if it is
    /// something else or of a version that this one does not know. What is in it then stays as it is.
    ///
    /// # Example
    ///
    /// ```
    /// use apigateway_grpc::emulator::Emulator;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let file = std::env::temp_dir().join(format!("emulator-{}.redb", std::process::id()));
    /// let emulator = Emulator::builder().open(&file)?;
    /// let refused = Emulator::builder().open(&file).unwrap_err();
    /// assert!(refused.is_in_use());
    /// # drop(emulator);
    /// # std::fs::remove_file(file)?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "emulator-data")]
    pub fn open(self, file: impl AsRef<Path>) -> Result<Emulator, DataError> {
        let (tables, keeper) = data::open(file.as_ref(), self.wall())?;
        Ok(self.over(tables, keeper))
    }

    fn wall(&self) -> Moment {
        self.begins_at.unwrap_or_else(SystemTime::now).into()
    }

    fn over(self, tables: Tables, keeper: Keeper) -> Emulator {
        Emulator {
            state: Arc::new(State::new(
                self.times,
                self.tokens,
                self.world,
                tables,
                keeper,
            )),
            identity: self.identity.map(Arc::new),
        }
    }

    /// An empty emulator, served on a free port of the loopback.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use apigateway_grpc::ApiGateway;
    /// use apigateway_grpc::contract::Method;
    /// use apigateway_grpc::emulator::Emulator;
    ///
    /// let server = Emulator::builder().start().await?;
    /// let client = ApiGateway::builder().endpoint(server.endpoint()).anonymous().build()?;
    /// client.list_apis("projects/p/locations/global").page("").await?;
    /// assert_eq!(server.emulator().count(Method::LIST_APIS), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If no port is free, or the certificate is none.
    pub async fn start(self) -> std::io::Result<Server> {
        self.build().start("127.0.0.1:0").await
    }
}
