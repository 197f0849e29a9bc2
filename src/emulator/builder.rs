//! The builder of an emulator.

#[cfg(any(feature = "emulator-data", feature = "rest"))]
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use crate::contract::Method;
use crate::emulator::admin::transfer;
use crate::emulator::api::bearer_auth::{BearerTokens, TokenGrant};
use crate::emulator::api::core::{Core, OperationTimes};
use crate::emulator::error::details::Details;
use crate::emulator::events::Hub;
use crate::emulator::faults::Faults;
use crate::emulator::faults::received_call::CallLog;
use crate::emulator::messages::convert::plan::span;
use crate::emulator::messages::{Settings, StateExport, settings};
use crate::emulator::server::settings::PortSettings;
#[cfg(feature = "tls")]
use crate::emulator::server::tls::Identity;
use crate::emulator::state::clock::{Clock, Moment};
use crate::emulator::state::environment::Environment;
use crate::emulator::state::journal::Journal;
use crate::emulator::state::limits::Limits;
use crate::emulator::state::{State, Tables};
#[cfg(feature = "emulator-data")]
use crate::emulator::storage::{self, DataError};
use crate::emulator::{Emulator, Server};

/// Builds an [`Emulator`].
#[derive(Clone, Debug, Default)]
#[must_use = "no emulator exists before `build`"]
pub struct EmulatorBuilder {
    times: OperationTimes,
    tokens: BearerTokens,
    environment: Environment,
    details: Details,
    port: PortSettings,
    begins_at: Option<SystemTime>,
    seed: Option<StateExport>,
}

impl EmulatorBuilder {
    /// Sets how long operations run. The default is zero: an operation is done when it is first read.
    pub fn operation_time(mut self, time: Duration) -> Self {
        self.times.default = time;
        self
    }

    /// Sets how long the operations of one method run. The default is [`operation_time`](Self::operation_time).
    pub fn operation_time_of(mut self, method: &'static Method, time: Duration) -> Self {
        self.times.by_method.insert(method.path(), time);
        self
    }

    /// Requires a token in every call, as `authorization: Bearer TOKEN`. Each call of this method adds an accepted token. A
    /// call with a missing or unknown token fails with UNAUTHENTICATED. By default calls need no token. Calls of the admin
    /// service do not need these tokens.
    pub fn require_token(mut self, token: impl Into<String>) -> Self {
        self.tokens.add(token.into(), TokenGrant::All);
        self
    }

    /// Adds a token without permissions: calls with this token fail with PERMISSION_DENIED. From then on all other calls need a
    /// token too, as with [`require_token`](Self::require_token).
    pub fn token_without_permissions(mut self, token: impl Into<String>) -> Self {
        self.tokens.add(token.into(), TokenGrant::Nothing);
        self
    }

    /// Makes a location, one of [`LOCATIONS`](super::LOCATIONS), unreachable. Calls to it fail with UNAVAILABLE; lists over all
    /// locations omit it and name it in `unreachable`. A list of operations over all locations omits it only with
    /// `return_partial_success`, and otherwise fails with UNAVAILABLE. An unknown location is ignored. Each call of this method
    /// adds one location; by default all are reachable.
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
        self.environment.add_unreachable(location.into());
        self
    }

    /// Sets the service accounts that exist, each as its email or as `projects/{project}/serviceAccounts/{email}`. A config
    /// with another account, or none, fails with FAILED_PRECONDITION, and so does a gateway for such a config. Each call of
    /// this method adds accounts. By default any account, or none, is accepted. If an account has neither form, serving fails.
    ///
    /// A seed or an imported state may have a config whose account does not exist, as if the account had been deleted after the
    /// config was created. A gateway for such a config fails.
    pub fn service_accounts<A: Into<String>>(
        mut self,
        accounts: impl IntoIterator<Item = A>,
    ) -> Self {
        self.environment
            .add_accounts(accounts.into_iter().map(Into::into));
        self
    }

    /// Limits the number of resources. A create above a limit fails with RESOURCE_EXHAUSTED, with the ErrorInfo
    /// `RESOURCE_QUOTA_EXCEEDED` and a QuotaFailure. A resource counts until its deletion has ended. By default there are no
    /// limits.
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
        self.environment.limits = Some(limits);
        self
    }

    /// Chooses the details of errors. The default is [`Details::Standard`]: the details of AIP-193, but none for NOT_FOUND.
    /// Most of them are this crate's invention; see [Error details](super::testing#error-details).
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

    /// Serves over TLS, with this certificate chain and private key in PEM. By default the port is plaintext. If the
    /// certificate chain or the key is invalid, [`Emulator::start`] fails.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.port.identity = Some(Identity {
            chain: chain.into(),
            key: key.into(),
        });
        self
    }

    /// Accepts a name as the host of requests to the admin service. Each call of this method adds one name.
    ///
    /// By default the host must be a loopback address, `localhost`, a name below it, or the address of the listener, with any
    /// port. This rejects a web page whose name resolves to localhost (DNS rebinding). In a container the emulator needs the
    /// name by which others call it. The API itself accepts any host.
    ///
    /// The name is a host name or an IP address, without a port. If it is invalid, serving fails.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.port.access.hosts.push(name.into());
        self
    }

    /// Lets the web pages of an origin, such as `http://localhost:3000`, use the emulator. Each call of this method adds
    /// one origin.
    ///
    /// By default no web page can use the API, and only the emulator's own pages can use the admin service. Pages of an allowed
    /// origin can use both: their browsers get CORS headers and responses to preflight requests. Their writes to the admin
    /// service must have `Content-Type: application/json`. If the origin is invalid, serving fails.
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

    /// Sets whether the page of the emulator is served at `/`, for clients that accept `text/html`. Its files are below
    /// `/ui/`. The default is true.
    ///
    /// The page shows the state and has the test controls: clock, faults, and the ends of operations. Every host, origin and
    /// machine that can use the admin service can use the page. See [The page](super::testing#the-page).
    #[cfg(feature = "emulator-ui")]
    pub fn page(mut self, is_served: bool) -> Self {
        self.port.access.is_page_off = !is_served;
        self
    }

    /// Lets other machines call the admin service with this token, as `Authorization: Bearer TOKEN`.
    ///
    /// By default only loopback addresses and Unix sockets can call the service, and they never need the token. For an emulator
    /// in a container, no client outside has a loopback address. The token must have visible ASCII characters only; if it is
    /// invalid or empty, serving fails. It is sent in plaintext unless the emulator has a certificate.
    pub fn admin_token(mut self, token: impl Into<String>) -> Self {
        self.port.access.admin_token = Some(token.into());
        self
    }

    /// Sets the time in which a client must open a connection: the TLS handshake, and then the preface of HTTP/2 or the first
    /// request head of HTTP/1.1. The default is 10 seconds. A connection that is not open by then is closed.
    ///
    /// The limits on an open connection are fixed; see [Connections](super::testing#connections). [`Duration::MAX`] sets no
    /// limit; with zero, serving fails.
    pub fn handshake_timeout(mut self, time: Duration) -> Self {
        self.port.handshake_timeout = time;
        self
    }

    /// Sets the time at which the emulator's clock starts. The default is the system's time. From then on the clock advances
    /// with tokio's clock. If a test pauses tokio's clock, all times in responses are the same in every run.
    pub fn begins_at(mut self, time: SystemTime) -> Self {
        self.begins_at = Some(time);
        self
    }

    /// Starts with the state in a file, in YAML or JSON. The format is that of
    /// [`StateExport`](super::messages::StateExport) as proto3 JSON, as `apigw emulator export` prints it. A resource
    /// needs only its name, a config also its files, and a gateway also its config.
    ///
    /// If a file of a config has a `path` but no `contents`, the contents are read from this path, relative to the seed file.
    /// An emulator that [opens](Self::open) a data file with resources or operations ignores the seed, and logs a warning.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use apigateway_grpc::emulator::Emulator;
    ///
    /// # let file = std::env::temp_dir().join(format!("seed-{}.yaml", std::process::id()));
    /// std::fs::write(&file, "
    /// apis:
    /// - name: projects/p/locations/global/apis/shop
    ///   labels: {team: core}
    /// ")?;
    /// let emulator = Emulator::builder().seed(&file)?.build();
    /// assert_eq!(emulator.state().apis[0].display_name, "shop");
    /// # std::fs::remove_file(file)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is invalid. The error names the file and the place.
    #[cfg(feature = "rest")]
    pub fn seed(mut self, file: impl AsRef<Path>) -> Result<Self, crate::Error> {
        self.seed = Some(crate::emulator::seed::read(file.as_ref(), self.wall())?);
        Ok(self)
    }

    /// Returns an emulator with its state in memory: empty, or with the state of [`seed`](Self::seed).
    #[must_use]
    pub fn build(self) -> Emulator {
        let tables = Tables::new(Clock::start(self.wall()));
        self.with_tables(tables, None, String::new())
    }

    /// Returns an emulator with its state in a file, and loads the state from it. The file is created if it is missing.
    ///
    /// A call returns only after its changes, and all changes that its response shows, are in the file. They survive the end of
    /// the process and a power failure. Faults, recorded calls and the data of [stale reads](super::FaultBuilder::stale) are
    /// not stored. Time continues while no emulator runs: an operation that was due to end in this time is done when the file
    /// is opened. If the system's clock was set back, time continues from the last change. If writing to the file fails, the
    /// call that caused the write and all later calls fail with INTERNAL.
    ///
    /// This method blocks on disk I/O. Dropping the last clone of the emulator, its services and servers closes the file,
    /// which blocks too.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written, is open in another emulator, is damaged, is not a data file, or has an unknown
    /// version. The file is then unchanged, except that a file that was not closed may have been repaired.
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
        let (tables, journal) = storage::open(file.as_ref(), self.wall())?;
        let path = file.as_ref().display().to_string();
        Ok(self.with_tables(tables, Some(journal), path))
    }

    fn wall(&self) -> Moment {
        self.begins_at.unwrap_or_else(SystemTime::now).into()
    }

    /// Returns the settings as the admin service returns them.
    fn settings(&self, data_file: String) -> Settings {
        let by_method = self.times.by_method.iter();
        let by_method = by_method.map(|(path, time)| {
            let name = path.rsplit('/').next().unwrap_or_default();
            (name.to_owned(), span(*time))
        });
        let access = &self.port.access;
        let accounts = self.environment.accounts();
        let limits = self.environment.limits;
        let number = |limit: usize| u64::try_from(limit).unwrap_or(u64::MAX);
        Settings {
            operation_time: Some(span(self.times.default)),
            operation_time_of: by_method.collect(),
            tokens: self.tokens.count(),
            error_details: self.details.name().to_owned(),
            tls: self.port.identity.is_some(),
            data_file,
            admin_token: access.admin_token.is_some(),
            hosts: access.hosts.clone(),
            allowed_origins: access.origins.clone(),
            unreachable: self.environment.unreachable().cloned().collect(),
            service_accounts: accounts.map(|emails| settings::ServiceAccounts {
                emails: emails.iter().cloned().collect(),
            }),
            limits: limits.map(|limits| settings::Limits {
                apis: number(limits.apis),
                api_configs: number(limits.api_configs),
                gateways: number(limits.gateways),
            }),
        }
    }

    fn with_tables(
        self,
        mut tables: Tables,
        journal: Option<Box<dyn Journal>>,
        data_file: String,
    ) -> Emulator {
        if self.seed.is_some() && !tables.is_empty() {
            tracing::warn!(data_file, "the seed is ignored: the data file has a state");
        }
        let seed = self.seed.clone().filter(|_| tables.is_empty());
        // The seed was checked when it was set.
        let seed = seed.and_then(|seed| transfer::check(seed, tables.clock.now()).ok());
        let faults = seed.map(|seed| seed.seed(&mut tables));
        let clock = tables.clock;
        let events = Arc::new(Hub::new(clock));
        let emulator = Emulator {
            core: Arc::new(Core {
                calls: CallLog::new(clock.started_at, clock.now().into(), clock.is_paused()),
                settings: self.settings(data_file),
                state: State::new(tables, journal, Arc::clone(&events) as _),
                times: self.times,
                environment: self.environment,
                tokens: self.tokens,
                details: self.details,
                faults: Arc::new(Faults::new(Arc::clone(&events) as _)),
                events,
                ended_early: Notify::new(),
            }),
            port: Arc::new(self.port),
        };
        for fault in faults.into_iter().flatten() {
            emulator.core.faults.add(fault);
        }
        emulator
    }

    /// Starts the emulator on a free port of localhost.
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
    /// assert_eq!(server.emulator().call_count(Method::LIST_APIS), 1);
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
