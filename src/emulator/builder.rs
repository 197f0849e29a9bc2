//! How an emulator is set up.

#[cfg(feature = "emulator-data")]
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

#[cfg(feature = "tls")]
use super::accept::Identity;
use super::clock::{Clock, Moment};
use super::data::Keeper;
#[cfg(feature = "emulator-data")]
use super::data::{self, DataError};
use super::errors::Details;
use super::limits::Limits;
use super::port_settings::PortSettings;
use super::state::{State, Tables, Times};
use super::tokens::{Allowed, Tokens};
use super::world::World;
use super::{Emulator, Server};
use crate::contract::Method;

/// Sets up an [`Emulator`].
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is set up before `build`"]
pub struct EmulatorBuilder {
    times: Times,
    tokens: Tokens,
    world: World,
    details: Details,
    port: PortSettings,
    begins_at: Option<SystemTime>,
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

    /// A location, one of [`LOCATIONS`](super::LOCATIONS), that does not answer. What is about it or in it is UNAVAILABLE, and
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
    /// let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
    /// let page = client.list_gateways("projects/p/locations/-").first_page().await?;
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

    /// Limits how many resources can exist. A create of one more is RESOURCE_EXHAUSTED, with the ErrorInfo
    /// `RESOURCE_QUOTA_EXCEEDED` and a QuotaFailure. A resource counts until its deletion has ended. By default there is no
    /// limit.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use apigateway_grpc::ApiGateway;
    /// use apigateway_grpc::emulator::{Emulator, Limits};
    /// use apigateway_grpc::model::Api;
    /// use apigateway_grpc::tonic::Code;
    ///
    /// let mut limits = Limits::default();
    /// limits.apis = 1;
    /// let emulator = Emulator::builder().limits(limits).build();
    /// let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
    /// let parent = "projects/p/locations/global";
    /// client.create_api(parent, "first", Api::default()).await?.await?;
    /// let refused = client.create_api(parent, "second", Api::default()).await.unwrap_err();
    /// assert_eq!(refused.status().map(|status| status.code()), Some(Code::ResourceExhausted));
    /// # Ok(())
    /// # }
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.world.limits = Some(limits);
        self
    }

    /// Chooses which details errors have, [`Details::Standard`] by default: those of AIP-193, but none for NOT_FOUND. Most are
    /// our invention; see [Error details](super::testing#error-details).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use apigateway_grpc::ApiGateway;
    /// use apigateway_grpc::emulator::{Details, Emulator};
    ///
    /// for (details, count) in [(Details::Standard, 0), (Details::All, 2)] {
    ///     let emulator = Emulator::builder().error_details(details).build();
    ///     let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
    ///     let missing = client.get_api("projects/p/locations/global/apis/none").await.unwrap_err();
    ///     assert_eq!(missing.details().len(), count);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn error_details(mut self, details: Details) -> Self {
        self.details = details;
        self
    }

    /// Serves over TLS, with this certificate chain and its private key, both PEM text.
    /// [`Emulator::start`] fails if they are not that.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.port.identity = Some(Identity {
            chain: chain.into(),
            key: key.into(),
        });
        self
    }

    /// Accepts a name as the host of requests to the admin service. Each call adds one.
    ///
    /// By default the host must be a loopback address, `localhost`, a name below it, or the address that is listened on, on
    /// any port. A web page on a name that leads to this machine (DNS rebinding) is refused so, while a container needs the
    /// name by which others call it. The API itself accepts any host.
    ///
    /// The name is a host name or an IP address, without a port. If it is invalid, serving fails.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.port.access.hosts.push(name.into());
        self
    }

    /// Lets the web pages of an origin, such as `http://localhost:3000`, use the emulator. Each call adds one.
    ///
    /// By default no web page can use the API, and none but the emulator's own the admin service. Pages of the origin may
    /// use both: their browsers get CORS headers, and answers to preflight requests. They write to the admin
    /// service with `Content-Type: application/json` only. If the origin is invalid, serving fails.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use apigateway_grpc::emulator::Emulator;
    ///
    /// let server = Emulator::builder().allow_origin("http://localhost:3000").start().await?;
    /// # drop(server);
    /// let invalid = Emulator::builder().allow_origin("localhost:3000").start().await;
    /// assert_eq!(invalid.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    /// # Ok(())
    /// # }
    /// ```
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.port.access.origins.push(origin.into());
        self
    }

    /// Lets other machines call the admin service with this token, as `Authorization: Bearer TOKEN`.
    ///
    /// By default only loopback addresses and Unix sockets may call it, and they never need the token. Inside a container
    /// no client outside has a loopback address. The token has visible ASCII characters only; if it is invalid or empty,
    /// serving fails. It is sent in plaintext unless the emulator has a certificate.
    pub fn admin_token(mut self, token: impl Into<String>) -> Self {
        self.port.access.admin_token = Some(token.into());
        self
    }

    /// The time in which a new connection must be opened, 10 seconds by default: the TLS handshake, and then the preface of
    /// HTTP/2 or the first request head of HTTP/1.1. A connection that is not opened by then is closed.
    ///
    /// The limits on an open connection are fixed; see [Connections](super::testing#connections). [`Duration::MAX`] sets no
    /// limit; with zero, serving fails.
    pub fn handshake_timeout(mut self, time: Duration) -> Self {
        self.port.handshake_timeout = time;
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
    /// [stale reads](super::On::stale) see. Time goes on between two runs: an operation whose end has passed meanwhile has
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
                self.details,
                tables,
                keeper,
            )),
            port: Arc::new(self.port),
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
    /// client.list_apis("projects/p/locations/global").first_page().await?;
    /// assert_eq!(server.emulator().count(Method::LIST_APIS), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If no port is free, or a setting is invalid, such as the certificate.
    pub async fn start(self) -> std::io::Result<Server> {
        self.build().start("127.0.0.1:0").await
    }
}
