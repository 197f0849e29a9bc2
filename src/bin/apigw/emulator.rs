//! `apigw emulator`.

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::{Details, Emulator, LOCATIONS, Limits, Server};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::client::{content, duration};
use super::output;
use crate::failure::Failure;

/// The environment variable for `--admin-token`. Unlike a flag, the variable does not appear in a list of processes.
pub(crate) const ADMIN_TOKEN: &str = "APIGW_ADMIN_TOKEN";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Address to listen on; port 0 chooses a free port.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8470")]
    listen: String,
    /// Time that an operation runs.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    operation_time: Duration,
    /// Time that the operations of one method run; repeatable.
    #[arg(long, value_name = "METHOD=DURATION", value_parser = method_time)]
    operation_time_of: Vec<(&'static Method, Duration)>,
    /// Bearer token that calls may have; repeatable. Calls without one of these tokens fail. By default calls need no token.
    #[arg(long, value_name = "TOKEN")]
    require_token: Vec<Token>,
    /// Known bearer token without permissions; repeatable.
    #[arg(long, value_name = "TOKEN")]
    token_without_permissions: Vec<Token>,
    /// Unreachable location; repeatable.
    #[arg(long, value_name = "LOCATION", value_parser = PossibleValuesParser::new(LOCATIONS), hide_possible_values = true)]
    unreachable: Vec<String>,
    /// Email of an existing service account; repeatable. If given, only these accounts exist; otherwise any account, or
    /// none, is accepted.
    #[arg(long, value_name = "EMAIL")]
    service_account: Vec<String>,
    /// Limit the number of resources as the service does: 50 apis, 100 configs of an api, 50 gateways of a region.
    #[arg(long)]
    limits: bool,
    /// Limit the number of `apis`, `configs` or `gateways`; repeatable. The other limits are those of --limits.
    #[arg(long, value_name = "KIND=NUMBER", value_parser = limit)]
    limit: Vec<Limit>,
    /// Details of errors: only those that Google documents, those of AIP-193 but none for NOT_FOUND, or all of AIP-193.
    #[arg(long, value_name = "documented|standard|all", default_value = "standard", value_parser = details)]
    error_details: Details,
    /// Host by which requests may call the admin service, in addition to loopback and the address of the listener;
    /// repeatable.
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Origin whose web pages may use the emulator, such as http://localhost:3000; repeatable. By default,
    /// only the emulator's own page can use it.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Bearer token with which other machines may call the admin service; - generates a token and prints it. By default
    /// only loopback addresses may call it.
    #[arg(long, value_name = "TOKEN", env = ADMIN_TOKEN, hide_env_values = true)]
    admin_token: Option<Secret>,
    /// Serve the page of the emulator; this is the default.
    #[arg(long, overrides_with = "no_ui")]
    ui: bool,
    /// Do not serve the page of the emulator.
    #[arg(long)]
    no_ui: bool,
    /// Open the page in a browser, if standard output is a terminal.
    #[arg(long, conflicts_with = "no_ui")]
    open: bool,
    /// Maximum time to open a connection: the TLS handshake, and the HTTP/2 preface or the first HTTP/1.1 request head.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    handshake_timeout: Duration,
    /// Certificate chain in PEM, to serve over TLS.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// File in YAML or JSON with the initial state, as `emulator export` prints it. It is ignored, with a warning, if --data
    /// has a state.
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// File that keeps the state. The emulator starts with the state in the file.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

impl Arguments {
    /// Returns the arguments that name the certificate and the key, for errors.
    fn tls_files(&self) -> String {
        let shown = |name: &str, file: &Option<PathBuf>| {
            let file = file.as_deref().unwrap_or(Path::new("")).display();
            format!("{name} {file}")
        };
        let (cert, key) = (&self.tls_cert, &self.tls_key);
        format!("{} {}", shown("--tls-cert", cert), shown("--tls-key", key))
    }

    fn emulator(self) -> Result<Emulator, Failure> {
        let mut builder = Emulator::builder().operation_time(self.operation_time);
        for (method, time) in self.operation_time_of {
            builder = builder.operation_time_of(method, time);
        }
        for token in self.require_token {
            builder = builder.require_token(token.0);
        }
        for token in self.token_without_permissions {
            builder = builder.token_without_permissions(token.0);
        }
        for location in self.unreachable {
            builder = builder.unreachable(location);
        }
        if !self.service_account.is_empty() {
            builder = builder.service_accounts(self.service_account);
        }
        if self.limits || !self.limit.is_empty() {
            let mut limits = Limits::default();
            for Limit { kind, most } in self.limit {
                *kind(&mut limits) = most;
            }
            builder = builder.limits(limits);
        }
        builder = builder.error_details(self.error_details);
        for name in self.host {
            builder = builder.host(name);
        }
        for origin in self.allow_origin {
            builder = builder.allow_origin(origin);
        }
        if let Some(token) = self.admin_token {
            builder = builder.admin_token(token.0);
        }
        builder = builder.page(!self.no_ui);
        builder = builder.handshake_timeout(self.handshake_timeout);
        if let (Some(chain), Some(key)) = (self.tls_cert, self.tls_key) {
            builder = builder.tls(content("--tls-cert", &chain)?, content("--tls-key", &key)?);
        }
        if let Some(file) = &self.seed {
            let text = |error: apigateway_grpc::Error| about_setting("", &error);
            builder = builder.seed(file).map_err(text)?;
        }
        match self.data {
            Some(file) => Ok(builder
                .open(file)
                .map_err(|error| format!("--data: {}", with_causes(&error)))?),
            None => Ok(builder.build()),
        }
    }
}

fn details(text: &str) -> Result<Details, String> {
    match text {
        "documented" => Ok(Details::Documented),
        "standard" => Ok(Details::Standard),
        "all" => Ok(Details::All),
        _ => Err("must be documented, standard or all".to_owned()),
    }
}

/// A limit on one kind of resource.
#[derive(Clone, Copy, Debug)]
struct Limit {
    kind: fn(&mut Limits) -> &mut usize,
    most: usize,
}

fn limit(text: &str) -> Result<Limit, String> {
    let (kind, most) = text.split_once('=').ok_or("must be KIND=NUMBER")?;
    let kind: fn(&mut Limits) -> &mut usize = match kind {
        "apis" => |limits| &mut limits.apis,
        "configs" => |limits| &mut limits.api_configs,
        "gateways" => |limits| &mut limits.gateways,
        _ => {
            return Err(format!(
                "invalid kind {kind}: must be apis, configs or gateways"
            ));
        }
    };
    let most = most.parse().map_err(|_| format!("invalid number {most}"))?;
    Ok(Limit { kind, most })
}

/// A token that `Debug` output does not show.
#[derive(Clone)]
struct Token(String);

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err("must be one token without white space".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// A text that is hidden in `Debug` output and in errors of the command line. The emulator checks it.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) String);

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Returns the admin token of an argument or of [`ADMIN_TOKEN`]. An empty variable counts as unset; an empty argument does
    /// not, since the script that passed it expected a token.
    pub(crate) fn given(token: Option<Self>) -> Option<Self> {
        let is_variable_empty = || std::env::var_os(ADMIN_TOKEN).is_some_and(|it| it.is_empty());
        token.filter(|token| !token.0.is_empty() || !is_variable_empty())
    }

    /// Returns a token of 256 random bits.
    fn random() -> Result<Self, Failure> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)
            .map_err(|error| Failure::from(format!("--admin-token -: {error}")))?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }
}

/// Parses the operation time of one method, such as `CreateGateway=30s`.
fn method_time(text: &str) -> Result<(&'static Method, Duration), String> {
    let (name, time) = text.split_once('=').ok_or("must be METHOD=DURATION")?;
    let starting = Method::all()
        .iter()
        .filter(|method| method.operation().is_some());
    let method = starting.clone().find(|method| method.name() == name);
    let method = method.ok_or_else(|| {
        let names: Vec<_> = starting.map(|method| method.name()).collect();
        format!("{name} starts no operation; these do: {}", names.join(", "))
    })?;
    Ok((method, duration(time)?))
}

/// Maximum time that calls in progress may take to end after the first signal. Docker Compose kills a process ten seconds after
/// the signal.
const GRACE: Duration = Duration::from_secs(5);

/// Serves until a signal arrives. Calls in progress then have [`GRACE`] to end, unless a second signal arrives.
pub(crate) async fn run(mut arguments: Arguments) -> Result<(), Failure> {
    let ended = ended()?;
    arguments.admin_token = Secret::given(arguments.admin_token.take());
    let made_up = match &arguments.admin_token {
        Some(Secret(text)) if text == "-" => Some(Secret::random()?),
        _ => None,
    };
    if let Some(token) = &made_up {
        arguments.admin_token = Some(token.clone());
    }
    let listen = arguments.listen.clone();
    let (has_page, open) = (!arguments.no_ui, arguments.open);
    let tls = arguments.tls_files();
    let emulator = arguments.emulator()?;
    let started = emulator.start(&listen).await;
    let server = started.map_err(|error| match error.get_ref() {
        Some(setting) if setting.is::<apigateway_grpc::Error>() => about_setting(&tls, setting),
        // The text is not an address, or has a scheme, which makes the host unresolvable.
        _ if error.kind() == io::ErrorKind::InvalidInput || listen.contains("://") => {
            let rule = "must be HOST:PORT, such as 127.0.0.1:8470; port 0 chooses a free port";
            Failure::usage(format!("--listen {listen}: {rule}"))
        }
        _ => format!("--listen {listen}: {error}").into(),
    })?;
    output::line(&format!("listening on {}", server.endpoint()))?;
    if let Some(Secret(token)) = &made_up {
        output::line(&format!("admin token: {token}"))?;
    }
    if has_page {
        let address = page_address(&server);
        let token = made_up.map(|Secret(token)| format!("#token={token}"));
        output::line(&format!("page: {address}{}", token.unwrap_or_default()))?;
        if open && std::io::stdout().is_terminal() {
            // A browser on localhost needs no token.
            browse(&address);
        }
    }
    ended.await;
    let again = self::ended()?;
    // Dropping the future of `stop` ends the server at once.
    tokio::select! {
        stopped = server.stop() => stopped.map_err(|error| error.to_string().into()),
        () = again => Ok(()),
        () = tokio::time::sleep(GRACE) => Ok(()),
    }
}

/// Returns the address of the page. A browser cannot open an unspecified address, so it is replaced by a loopback address.
pub(crate) fn page_address(server: &Server) -> String {
    let endpoint = server.endpoint();
    let mut address = server.address();
    if !address.ip().is_unspecified() {
        return format!("{endpoint}/");
    }
    address.set_ip(match address {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    });
    let scheme = endpoint.split("://").next().unwrap_or("http");
    format!("{scheme}://{address}/")
}

/// Opens an address in the browser of the desktop. A failure is a warning.
fn browse(address: &str) {
    let (program, arguments): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("rundll32", &["url.dll,FileProtocolHandler"])
    } else {
        ("xdg-open", &[])
    };
    let mut command = Command::new(program);
    command.args(arguments).arg(address);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    if let Err(error) = command.stderr(Stdio::null()).spawn() {
        output::warning(&format!("--open: {program}: {error}"));
    }
}

/// Returns the emulator's error about a setting, with the arguments that set it. An error in the content of a file is not
/// wrong usage.
fn about_setting(tls: &str, error: &(dyn Error + Send + Sync + 'static)) -> Failure {
    let text = with_causes(error);
    let files = [
        ("invalid `tls`: ", format!("{tls}: ")),
        ("invalid `seed` ", "--seed ".to_owned()),
    ];
    let arguments = [
        ("invalid `host` ", "--host ".to_owned()),
        ("invalid `allow_origin` ", "--allow-origin ".to_owned()),
        (
            "invalid `service_accounts`: ",
            "--service-account: ".to_owned(),
        ),
        (
            "invalid `admin_token`: ",
            format!("--admin-token or {ADMIN_TOKEN}: "),
        ),
        (
            "invalid `handshake_timeout` ",
            "--handshake-timeout ".to_owned(),
        ),
    ];
    let named = |(setting, name): &(&str, String)| {
        let rest = text.strip_prefix(setting)?;
        Some(format!("{name}{rest}"))
    };
    if let Some(text) = arguments.iter().find_map(named) {
        return Failure::Usage(text);
    }
    let file = files.iter().find_map(named);
    file.unwrap_or(text).into()
}

/// Returns the text of an error, followed by those of its causes.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// Resolves at a signal to end the process. The handlers are installed before the address is printed, so that no later
/// signal is missed.
#[cfg(unix)]
pub(crate) fn ended() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| {
        signal(kind).map_err(|error: std::io::Error| Failure::from(format!("signals: {error}")))
    };
    let (mut interrupt, mut terminate) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    );
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Resolves at a signal to end the process.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
pub(crate) fn ended() -> Result<impl Future<Output = ()>, Failure> {
    Ok(async {
        // Without a handler for the signal, the system ends the process itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
