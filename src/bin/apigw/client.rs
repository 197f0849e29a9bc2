//! Builds the client of a command from the settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use apigateway_grpc::google_cloud_auth::credentials::{
    Builder as DefaultCredentials, impersonated,
};
use apigateway_grpc::stack::{GrpcLayer, Stack};
use apigateway_grpc::{ApiGateway, CallOptions, EMULATOR_HOST, Transport};
use clap::{Args, ValueEnum};

use crate::config::{Setting, Settings};
use crate::failure::Failure;
use crate::gcloud_token::GcloudToken;
use crate::retries::Retries;
use crate::{files, output};

/// The environment variable from which the library reads the universe domain.
const UNIVERSE_DOMAIN: &str = "GOOGLE_CLOUD_UNIVERSE_DOMAIN";

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Connection flags")]
#[group(skip)]
pub(crate) struct Flags {
    /// URL of the service: `https://HOST:PORT`, or `http://HOST:PORT` for plaintext.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Universe domain of the service.
    #[arg(long, global = true, value_name = "DOMAIN")]
    pub(crate) universe_domain: Option<String>,
    /// Transport of calls; `auto` is gRPC with a fallback to REST where gRPC cannot work.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "auto|grpc|rest",
        hide_possible_values = true
    )]
    pub(crate) transport: By,
    /// Timeout of a call with all its attempts, such as 500ms or 10s.
    #[arg(long, global = true, value_name = "DURATION", value_parser = positive)]
    pub(crate) request_timeout: Option<Duration>,
    /// Credentials of calls: the application default ones, those of `gcloud auth login`, or none.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "auto|adc|gcloud|none",
        hide_possible_values = true
    )]
    pub(crate) credentials: Source,
    /// File with an OAuth access token, used instead of the default credentials.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "anonymous")]
    pub(crate) access_token_file: Option<PathBuf>,
    /// Call without credentials.
    #[arg(long, global = true)]
    pub(crate) anonymous: bool,
    /// Service account to impersonate. In a list, each account impersonates the next one, and the last one makes the calls.
    #[arg(long, global = true, value_name = "EMAIL,…", conflicts_with_all = ["anonymous", "access_token_file"])]
    pub(crate) impersonate_service_account: Option<String>,
    /// Project that is charged for quota.
    #[arg(long, global = true, value_name = "PROJECT")]
    pub(crate) billing_project: Option<String>,
    /// PEM file of CA certificates to trust, instead of the well-known ones.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca_cert: Option<PathBuf>,
    /// PEM file with the client's certificate chain, for mutual TLS.
    #[arg(long, global = true, value_name = "FILE", requires = "client_key")]
    pub(crate) client_cert: Option<PathBuf>,
    /// PEM file with the private key of the client certificate.
    #[arg(long, global = true, value_name = "FILE", requires = "client_cert")]
    pub(crate) client_key: Option<PathBuf>,
    /// URL of the proxy, instead of the one in the environment.
    #[arg(long, global = true, value_name = "URL", conflicts_with = "no_proxy")]
    pub(crate) proxy: Option<String>,
    /// Use no proxy, even if the environment sets one.
    #[arg(long, global = true)]
    pub(crate) no_proxy: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    #[default]
    Auto,
    Grpc,
    Rest,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Source {
    #[default]
    Auto,
    Adc,
    Gcloud,
    None,
}

/// Builds the client. `retries` records the failed polls and their retries.
///
/// # Errors
///
/// If a setting is invalid or a file cannot be read. The error names the flag or the variable.
pub(crate) fn client(settings: &Settings, retries: Arc<Retries>) -> Result<ApiGateway, Failure> {
    with_layer(settings, retries.layer())
}

/// Builds the client with a layer around its calls.
///
/// # Errors
///
/// As [`client`].
pub(crate) fn with_layer(
    settings: &Settings,
    layer: impl GrpcLayer<Stack> + Send + Sync + 'static,
) -> Result<ApiGateway, Failure> {
    let flags = &settings.flags.client;
    let mut options = CallOptions::default();
    options.timeout = flags.request_timeout;
    let mut builder =
        ApiGateway::builder()
            .call_options(options)
            .transport(match flags.transport {
                By::Grpc => Transport::Grpc,
                By::Rest => Transport::Rest,
                By::Auto => Transport::GrpcWithRestFallback,
            });
    let endpoint = settings.endpoint();
    match endpoint.value.as_deref() {
        // The library reads the emulator's variable itself. `HOST:PORT` in it means plaintext, and default credentials are
        // not sent to an emulator.
        Some(_) if endpoint.source == EMULATOR_HOST => warn_of_two_endpoints(settings),
        Some(url) if endpoint.source == "--endpoint" => builder = builder.endpoint(url),
        Some(url) => builder = builder.endpoint(overridden(url, &endpoint)?),
        None => {}
    }
    let universe = settings.universe_domain();
    // The library reads its own variable itself, and names it in errors.
    if let Some(domain) = universe
        .value
        .filter(|_| universe.source != UNIVERSE_DOMAIN)
    {
        builder = builder.universe_domain(domain);
    }
    if let Some(project) = settings.billing_project().value {
        builder = builder.quota_project(project);
    }
    let token_file = settings.access_token_file();
    if flags.credentials == Source::None || flags.anonymous {
        builder = builder.anonymous();
    } else if let Some(file) = &token_file.value {
        builder = builder.access_token(token(&token_file.source, Path::new(file))?);
    } else if settings.disable_credentials().is_true()? {
        builder = builder.anonymous();
    } else if flags.credentials == Source::Gcloud {
        builder = builder.credentials(GcloudToken::new(settings)?);
    } else if let Some(chain) = settings.impersonated().value {
        builder = builder.credentials(impersonation(&chain)?);
    }
    if let Some(url) = &flags.proxy {
        builder = builder.proxy(url);
    }
    if flags.no_proxy {
        builder = builder.no_proxy();
    }
    if let Some(file) = &flags.ca_cert {
        builder = builder.ca_certificates(content("--ca-cert", file)?);
    }
    if let (Some(chain), Some(key)) = (&flags.client_cert, &flags.client_key) {
        let chain = content("--client-cert", chain)?;
        builder = builder.client_identity(chain, content("--client-key", key)?);
    }
    let built = builder.layer(layer).build();
    built.map_err(|error| {
        let failure = Failure::from(error).with_files(&flags.files());
        flags.usage(failure)
    })
}

impl Flags {
    /// Converts an error about the value of a flag to a usage error.
    fn usage(&self, failure: Failure) -> Failure {
        let given = [
            ("`--endpoint`", self.endpoint.is_some()),
            ("`--universe-domain`", self.universe_domain.is_some()),
            ("`--billing-project`", self.billing_project.is_some()),
            ("`--proxy`", self.proxy.is_some()),
        ];
        match failure {
            Failure::Other(text)
                if given
                    .iter()
                    .any(|(flag, is_given)| *is_given && text.contains(flag)) =>
            {
                Failure::Usage(text)
            }
            failure => failure,
        }
    }

    /// Returns the flags that name a file, each with its file.
    fn files(&self) -> Vec<(&'static str, &Path)> {
        let files = [
            ("--ca-cert", &self.ca_cert),
            ("--client-cert", &self.client_cert),
            ("--client-key", &self.client_key),
        ];
        files
            .into_iter()
            .filter_map(|(name, file)| Some((name, file.as_deref()?)))
            .collect()
    }
}

/// Warns if gcloud's endpoint override differs from the address of the emulator that is used.
fn warn_of_two_endpoints(settings: &Settings) {
    let override_name = "CLOUDSDK_API_ENDPOINT_OVERRIDES_APIGATEWAY";
    let Ok(url) = std::env::var(override_name) else {
        return;
    };
    let host = url
        .trim_end_matches('/')
        .trim_start_matches("https://")
        .trim_start_matches("http://");
    let emulator = settings.endpoint().value.unwrap_or_default();
    let emulator = emulator.trim_start_matches("http://");
    if !host.is_empty() && host != emulator {
        output::warning(&format!(
            "{EMULATOR_HOST} is used; {override_name} names another endpoint, {host}"
        ));
    }
}

/// Returns the endpoint of gcloud's override, without the `/` at its end. The library's endpoint has no path.
fn overridden<'a>(url: &'a str, setting: &Setting) -> Result<&'a str, Failure> {
    let endpoint = url.strip_suffix('/').unwrap_or(url);
    match endpoint
        .split_once("://")
        .is_some_and(|(_, host)| host.contains('/'))
    {
        true => Err(format!(
            "invalid endpoint `{url}` of {}: must not have a path",
            setting.source
        )
        .into()),
        false => Ok(endpoint),
    }
}

/// Returns credentials for the last account of a chain, impersonated through the accounts before it.
fn impersonation(
    chain: &str,
) -> Result<apigateway_grpc::google_cloud_auth::credentials::Credentials, Failure> {
    let mut accounts: Vec<&str> = chain
        .split(',')
        .map(str::trim)
        .filter(|account| !account.is_empty())
        .collect();
    let target = accounts.pop().ok_or_else(|| {
        Failure::usage("argument --impersonate-service-account: no service account is named")
    })?;
    let fault = |error: &dyn std::fmt::Display| {
        Failure::from(format!("--impersonate-service-account: {error}"))
    };
    let source = DefaultCredentials::default()
        .build()
        .map_err(|error| fault(&error))?;
    let mut builder =
        impersonated::Builder::from_source_credentials(source).with_target_principal(target);
    if !accounts.is_empty() {
        builder = builder.with_delegates(accounts);
    }
    builder.build().map_err(|error| fault(&error))
}

/// Returns the content of a file. Errors name the flag and the file.
pub(crate) fn content(flag: &str, file: &Path) -> Result<Vec<u8>, Failure> {
    let content = files::read_file(file);
    content.map_err(|error| format!("{flag} {}: {error}", file.display()).into())
}

/// Returns the only line of a token file. Errors never show any part of the token.
fn token(source: &str, file: &Path) -> Result<String, Failure> {
    let fault = |fault: &dyn std::fmt::Display| -> Failure {
        format!("{source} {}: {fault}", file.display()).into()
    };
    let content = files::read_file(file).map_err(|error| fault(&error))?;
    let content = String::from_utf8(content).unwrap_or_default();
    let token = content.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(fault(&"must be one access token on one line"));
    }
    Ok(token.to_owned())
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

fn positive(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|duration| match duration.is_zero() {
        true => Err("must be above zero".to_owned()),
        false => Ok(duration),
    })
}
