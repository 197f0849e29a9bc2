//! An API Gateway in memory: the real generated server traits, in process or on a port.
//!
//! So far it has apis (create, get, list, delete) and their operations (get, list, wait, cancel,
//! delete), over gRPC and, on a port and with the feature `rest`, over HTTP/JSON. What it does not have
//! answers UNIMPLEMENTED. An operation runs for a set time by
//! `tokio::time`, so that a test on a paused clock is deterministic.
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

mod apis;
mod fault;
#[cfg_attr(not(feature = "rest"), path = "listen_grpc.rs")]
mod listen;
mod operations;
mod server;
mod state;

use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

use tonic::service::Routes;

use crate::proto::google::cloud::apigateway::v1::api_gateway_service_server::ApiGatewayServiceServer;
use crate::proto::google::longrunning::operations_server::OperationsServer;

pub use server::Server;

use state::State;

/// An API Gateway in memory. Its clones are the same one.
#[derive(Clone, Debug)]
pub struct Emulator {
    state: Arc<State>,
}

/// Sets up an [`Emulator`].
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is set up before `build`"]
pub struct EmulatorBuilder {
    operation_time: Duration,
}

impl Emulator {
    /// Begins with the defaults.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }

    /// The emulator as a tower service, for calls without a socket.
    #[must_use]
    pub fn service(&self) -> Routes {
        Routes::new(ApiGatewayServiceServer::new(self.clone()))
            .add_service(OperationsServer::new(self.clone()))
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
        Server::start(self.service(), address).await
    }
}

impl EmulatorBuilder {
    /// How long an operation runs, zero by default: it is done with the first look at it.
    pub fn operation_time(mut self, time: Duration) -> Self {
        self.operation_time = time;
        self
    }

    /// An empty emulator.
    #[must_use]
    pub fn build(self) -> Emulator {
        Emulator {
            state: Arc::new(State::new(self.operation_time)),
        }
    }
}
