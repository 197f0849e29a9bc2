//! `apigw doctor`: checks everything that a call depends on, in order.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use apigateway_grpc::EMULATOR_HOST;
use apigateway_grpc::http::header;
use apigateway_grpc::stack::{GrpcLayer, GrpcResponse, Stack};
use apigateway_grpc::tower::util::MapResponseLayer;
use clap::Args;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::client::{self, By};
use crate::config::{Settings, credentials_file};
use crate::context::{CommandResult, Context};
use crate::exit::Exit;
use crate::failure::Failure;

const TABLE: &str = "table(check,result,detail)";
/// Timeout of one check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// The check fails if the clocks differ by this much or more. Google's token service rejects requests with wrong times.
const MAX_SKEW: Duration = Duration::from_secs(60);
const DEFAULT_HOST: &str = "apigateway.googleapis.com";

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Run only the checks that need no network.
    #[arg(long)]
    offline: bool,
}

/// The result of a check.
enum CheckResult {
    Good(String),
    Note(String),
    Bad(String),
}

impl Doctor {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        let settings = &context.settings;
        let mut checks = vec![
            (
                "version",
                CheckResult::Good(env!("CARGO_PKG_VERSION").to_owned()),
            ),
            ("gcloud configuration", configuration(settings)),
            ("project", project(context)),
            ("credentials", credentials(settings)),
            ("proxy", proxy(settings)),
        ];
        if !self.offline {
            checks.push(("connection", connection(settings).await));
            checks.push(("TLS", handshake(settings).await));
            let clock = Arc::default();
            checks.push(("gRPC", call(context, By::Grpc, &clock).await));
            checks.push(("REST", call(context, By::Rest, &clock).await));
            checks.push(("clock", difference(&clock)));
        }
        let is_sick = checks
            .iter()
            .any(|(_, finding)| matches!(finding, CheckResult::Bad(_)));
        let rows: Vec<Value> = checks
            .into_iter()
            .map(|(check, finding)| {
                let (result, detail) = match finding {
                    CheckResult::Good(detail) => ("ok", detail),
                    CheckResult::Note(detail) => ("note", detail),
                    CheckResult::Bad(detail) => ("failed", detail),
                };
                json!({"check": check, "result": result, "detail": detail})
            })
            .collect();
        context.print_list(&rows, TABLE)?;
        Ok(if is_sick { Exit::Found } else { Exit::Success })
    }
}

fn configuration(settings: &Settings) -> CheckResult {
    let properties = &settings.properties;
    match (&properties.error, &properties.file) {
        (Some(error), _) => CheckResult::Bad(error.clone()),
        (None, Some(file)) if file.is_file() => {
            CheckResult::Good(format!("{} ({})", properties.configuration, file.display()))
        }
        _ => CheckResult::Note("none".to_owned()),
    }
}

fn project(context: &Context) -> CheckResult {
    match context.project() {
        Ok(project) => CheckResult::Good(format!(
            "{project}, from {}",
            context.settings.project().source
        )),
        Err(_) => CheckResult::Bad(
            "not set: use --project or `gcloud config set project PROJECT`".to_owned(),
        ),
    }
}

fn credentials(settings: &Settings) -> CheckResult {
    if settings.endpoint().source == EMULATOR_HOST {
        return CheckResult::Good("none: an emulator is called".to_owned());
    }
    if let Some(file) = settings.access_token_file().value {
        return match std::path::Path::new(&file).is_file() {
            true => CheckResult::Good(format!("access token of {file}")),
            false => CheckResult::Bad(format!("{file} does not exist")),
        };
    }
    if settings.disable_credentials().is_true().unwrap_or(false) {
        return CheckResult::Note("none: credentials are disabled".to_owned());
    }
    let impersonated = settings
        .impersonated()
        .value
        .map(|account| format!(", as {account}"))
        .unwrap_or_default();
    match credentials_file() {
        Some(file) => CheckResult::Good(format!("{}{impersonated}", file.display())),
        None => CheckResult::Note(format!(
            "no file of application default credentials: the metadata server is used{impersonated}. To create the file: gcloud auth application-default login"
        )),
    }
}

fn proxy(settings: &Settings) -> CheckResult {
    let flags = &settings.flags.client;
    if flags.no_proxy {
        return CheckResult::Good("none: --no-proxy".to_owned());
    }
    // The URL of a proxy may have a password.
    let host = |url: &str| url.rsplit('@').next().unwrap_or_default().to_owned();
    if let Some(url) = &flags.proxy {
        return CheckResult::Good(format!("{}, from --proxy", host(url)));
    }
    let names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let set = names.into_iter().find_map(|name| {
        Some((
            name,
            std::env::var(name).ok().filter(|url| !url.is_empty())?,
        ))
    });
    match set {
        Some((name, url)) => CheckResult::Note(format!("{}, from {name}", host(&url))),
        None => CheckResult::Good("none".to_owned()),
    }
}

/// Returns the host and the port of the service, and true if it is called in plaintext.
fn address(settings: &Settings) -> (String, bool) {
    let endpoint = settings.endpoint();
    let default = match settings.universe_domain().value {
        Some(domain) => format!("https://apigateway.{domain}"),
        None => format!("https://{DEFAULT_HOST}"),
    };
    let url = endpoint.value.unwrap_or(default);
    let is_plaintext = url.starts_with("http://")
        || (endpoint.source == EMULATOR_HOST && !url.starts_with("https://"));
    let host = url
        .trim_start_matches("https://")
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let host = match host.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => host.to_owned(),
        _ => format!("{host}:{}", if is_plaintext { 80 } else { 443 }),
    };
    (host, is_plaintext)
}

/// Resolves the name of the service and opens a TCP connection.
async fn connection(settings: &Settings) -> CheckResult {
    let endpoint = settings.endpoint();
    let (host, _) = address(settings);
    let addresses: Vec<_> = match timeout(CHECK_TIMEOUT, lookup_host(host.clone())).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return CheckResult::Bad(format!("cannot resolve {host}: {error}")),
        Err(_) => {
            return CheckResult::Bad(format!(
                "cannot resolve {host}: no response within {CHECK_TIMEOUT:?}"
            ));
        }
    };
    match timeout(CHECK_TIMEOUT, TcpStream::connect(&addresses[..])).await {
        Ok(Ok(stream)) => CheckResult::Good(match stream.peer_addr() {
            Ok(address) => format!("{host} at {address}"),
            Err(_) => host,
        }),
        Ok(Err(error)) if endpoint.source == EMULATOR_HOST => CheckResult::Bad(format!(
            "{EMULATOR_HOST} names {host}, and nothing listens there: {error}"
        )),
        Ok(Err(error)) => {
            CheckResult::Note(format!("cannot connect to {host} without a proxy: {error}"))
        }
        Err(_) => CheckResult::Note(format!(
            "cannot connect to {host} without a proxy: no response within {CHECK_TIMEOUT:?}"
        )),
    }
}

/// Makes a TLS handshake without a proxy, and reports the protocol that the server chose by ALPN. gRPC needs `h2`.
async fn handshake(settings: &Settings) -> CheckResult {
    let (host, is_plaintext) = address(settings);
    if is_plaintext {
        return CheckResult::Good("none: plaintext".to_owned());
    }
    let handshake = async {
        let config = tls_config(settings)?;
        let name = host
            .rsplit_once(':')
            .map_or(host.as_str(), |(name, _)| name);
        let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())
            .map_err(|error| error.to_string())?;
        let stream = TcpStream::connect(&host).await;
        let stream = stream.map_err(|error| format!("cannot connect without a proxy: {error}"))?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let session = stream.get_ref().1;
        let version = session
            .protocol_version()
            .and_then(|version| version.as_str());
        let protocol = session.alpn_protocol().map(String::from_utf8_lossy);
        Ok::<_, String>((
            version.unwrap_or("TLS").to_owned(),
            protocol.map(|protocol| protocol.into_owned()),
        ))
    };
    match timeout(CHECK_TIMEOUT, handshake).await {
        Err(_) => CheckResult::Note(format!("no handshake with {host} within {CHECK_TIMEOUT:?}")),
        Ok(Err(text)) => CheckResult::Note(format!("{host}: {text}")),
        Ok(Ok((version, Some(protocol)))) if protocol == "h2" => {
            CheckResult::Good(format!("{version}, ALPN h2"))
        }
        Ok(Ok((version, protocol))) => CheckResult::Note(format!(
            "{version}, ALPN {}: gRPC needs h2, which an intermediary may have removed: use --transport=rest",
            protocol.as_deref().unwrap_or("none")
        )),
    }
}

/// Returns the configuration of TLS with the certificates of `--ca-cert`, or with those of the system.
fn tls_config(settings: &Settings) -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    match &settings.flags.client.ca_cert {
        Some(file) => {
            let pem = client::content("--ca-cert", file).map_err(|failure| failure.to_string())?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| error.to_string())?;
                roots.add(certificate).map_err(|error| error.to_string())?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The local time and the server's time, from the `date` header of the latest response.
type Clock = Arc<Mutex<Option<(SystemTime, SystemTime)>>>;

/// Returns a layer that notes the time of the server.
fn clock_layer(clock: &Clock) -> impl GrpcLayer<Stack> + Send + Sync + 'static {
    let clock = Arc::clone(clock);
    MapResponseLayer::new(move |response: GrpcResponse| {
        let date = response.headers().get(header::DATE);
        let date = date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        if let Some(date) = date {
            *clock.lock().unwrap_or_else(PoisonError::into_inner) = Some((SystemTime::now(), date));
        }
        response
    })
}

fn difference(clock: &Clock) -> CheckResult {
    match *clock.lock().unwrap_or_else(PoisonError::into_inner) {
        None => CheckResult::Note("not checked: no response had a date".to_owned()),
        Some((local, server)) => compared(local, server),
    }
}

/// Compares the local clock with that of the server, whose date has whole seconds.
fn compared(local: SystemTime, server: SystemTime) -> CheckResult {
    let (apart, direction) = match local.duration_since(server) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(error) => (error.duration(), "behind"),
    };
    let text = format!("{}s {direction} the server's", apart.as_secs());
    match apart {
        apart if apart < MAX_SKEW => CheckResult::Good(text),
        _ => CheckResult::Bad(format!(
            "{text}: set the clock, since Google's token service rejects requests with wrong times"
        )),
    }
}

/// Lists locations over one transport.
async fn call(context: &Context, by: By, clock: &Clock) -> CheckResult {
    let Ok(project) = context.project() else {
        return CheckResult::Note("not checked: no project is set".to_owned());
    };
    let mut flags = context.settings.flags.clone();
    flags.client.transport = by;
    flags.client.request_timeout = flags.client.request_timeout.or(Some(CHECK_TIMEOUT));
    let client = match client::with_layer(&Settings::new(flags), clock_layer(clock)) {
        Ok(client) => client,
        Err(failure) => return bad(&failure),
    };
    match client
        .list_locations(format!("projects/{project}"))
        .first_page()
        .await
    {
        Ok(page) => CheckResult::Good(format!("{} locations", page.items.len())),
        Err(error) => bad(&error.into()),
    }
}

fn bad(failure: &Failure) -> CheckResult {
    let text = failure
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    CheckResult::Bad(match failure.hint() {
        Some(hint) => format!("{text}; {hint}"),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_a_minute_wrong_is_an_error() {
        let server = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let text = |finding: CheckResult| match finding {
            CheckResult::Good(text) => format!("ok {text}"),
            CheckResult::Note(text) => format!("note {text}"),
            CheckResult::Bad(text) => format!("failed {text}"),
        };
        let at = |seconds: i64| {
            let local = match seconds < 0 {
                true => server - Duration::from_secs(seconds.unsigned_abs()),
                false => server + Duration::from_secs(seconds.unsigned_abs()),
            };
            text(compared(local, server))
        };
        assert_eq!(at(1), "ok 1s ahead of the server's");
        assert_eq!(at(-3), "ok 3s behind the server's");
        assert!(at(90).starts_with("failed 90s ahead of"));
        assert!(at(-3600).starts_with("failed 3600s behind"));
    }
}
