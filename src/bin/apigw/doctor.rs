//! `apigw doctor`: checks everything that a call depends on, in order.

use std::time::Duration;

use apigateway_grpc::EMULATOR_HOST;
use clap::Args;
use serde_json::{Value, json};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::client::{self, By};
use crate::config::{Settings, credentials_file};
use crate::context::{Context, Ended};
use crate::exit::Exit;
use crate::failure::Failure;

const TABLE: &str = "table(check,result,detail)";
/// Timeout of one check.
const PATIENCE: Duration = Duration::from_secs(10);
const DEFAULT_HOST: &str = "apigateway.googleapis.com";

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Run only the checks that need no network.
    #[arg(long)]
    offline: bool,
}

/// The result of a check.
enum Finding {
    Good(String),
    Note(String),
    Bad(String),
}

impl Doctor {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let settings = &context.settings;
        let mut checks = vec![
            (
                "version",
                Finding::Good(env!("CARGO_PKG_VERSION").to_owned()),
            ),
            ("gcloud configuration", configuration(settings)),
            ("project", project(context)),
            ("credentials", credentials(settings)),
            ("proxy", proxy(settings)),
        ];
        if !self.offline {
            checks.push(("connection", connection(settings).await));
            checks.push(("gRPC", call(context, By::Grpc).await));
            checks.push(("REST", call(context, By::Rest).await));
        }
        let is_sick = checks
            .iter()
            .any(|(_, finding)| matches!(finding, Finding::Bad(_)));
        let rows: Vec<Value> = checks
            .into_iter()
            .map(|(check, finding)| {
                let (result, detail) = match finding {
                    Finding::Good(detail) => ("ok", detail),
                    Finding::Note(detail) => ("note", detail),
                    Finding::Bad(detail) => ("failed", detail),
                };
                json!({"check": check, "result": result, "detail": detail})
            })
            .collect();
        context.print_list(&rows, TABLE)?;
        Ok(if is_sick { Exit::Found } else { Exit::Success })
    }
}

fn configuration(settings: &Settings) -> Finding {
    let properties = &settings.properties;
    match (&properties.fault, &properties.file) {
        (Some(fault), _) => Finding::Bad(fault.clone()),
        (None, Some(file)) if file.is_file() => {
            Finding::Good(format!("{} ({})", properties.configuration, file.display()))
        }
        _ => Finding::Note("none".to_owned()),
    }
}

fn project(context: &Context) -> Finding {
    match context.project() {
        Ok(project) => Finding::Good(format!(
            "{project}, from {}",
            context.settings.project().source
        )),
        Err(_) => {
            Finding::Bad("not set: use --project or `gcloud config set project PROJECT`".to_owned())
        }
    }
}

fn credentials(settings: &Settings) -> Finding {
    if settings.endpoint().source == EMULATOR_HOST {
        return Finding::Good("none: an emulator is called".to_owned());
    }
    if let Some(file) = settings.access_token_file().value {
        return match std::path::Path::new(&file).is_file() {
            true => Finding::Good(format!("access token of {file}")),
            false => Finding::Bad(format!("{file} does not exist")),
        };
    }
    if settings.disable_credentials().is_true().unwrap_or(false) {
        return Finding::Note("none: credentials are disabled".to_owned());
    }
    let of = settings
        .impersonated()
        .value
        .map(|account| format!(", as {account}"))
        .unwrap_or_default();
    match credentials_file() {
        Some(file) => Finding::Good(format!("{}{of}", file.display())),
        None => Finding::Note(format!(
            "no file of application default credentials; the metadata server is asked{of}. To create the file: gcloud auth application-default login"
        )),
    }
}

fn proxy(settings: &Settings) -> Finding {
    let flags = &settings.flags.client;
    if flags.no_proxy {
        return Finding::Good("none: --no-proxy".to_owned());
    }
    // The URL of a proxy may have a password.
    let host = |url: &str| url.rsplit('@').next().unwrap_or_default().to_owned();
    if let Some(url) = &flags.proxy {
        return Finding::Good(format!("{}, from --proxy", host(url)));
    }
    let names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let set = names.into_iter().find_map(|name| {
        Some((
            name,
            std::env::var(name).ok().filter(|url| !url.is_empty())?,
        ))
    });
    match set {
        Some((name, url)) => Finding::Note(format!("{}, from {name}", host(&url))),
        None => Finding::Good("none".to_owned()),
    }
}

/// Resolves the name of the service and opens a TCP connection.
async fn connection(settings: &Settings) -> Finding {
    let endpoint = settings.endpoint();
    let default = match settings.universe_domain().value {
        Some(domain) => format!("https://apigateway.{domain}"),
        None => format!("https://{DEFAULT_HOST}"),
    };
    let url = endpoint.value.clone().unwrap_or(default);
    let is_plaintext = url.starts_with("http://") || endpoint.source == EMULATOR_HOST;
    let host = url
        .trim_start_matches("https://")
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let host = match host.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => host.to_owned(),
        _ => format!("{host}:{}", if is_plaintext { 80 } else { 443 }),
    };
    let addresses: Vec<_> = match timeout(PATIENCE, lookup_host(host.clone())).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Finding::Bad(format!("cannot resolve {host}: {error}")),
        Err(_) => return Finding::Bad(format!("cannot resolve {host}: no answer in {PATIENCE:?}")),
    };
    match timeout(PATIENCE, TcpStream::connect(&addresses[..])).await {
        Ok(Ok(stream)) => Finding::Good(match stream.peer_addr() {
            Ok(address) => format!("{host} at {address}"),
            Err(_) => host,
        }),
        Ok(Err(error)) if endpoint.source == EMULATOR_HOST => Finding::Bad(format!(
            "{EMULATOR_HOST} names {host}, and nothing listens there: {error}"
        )),
        Ok(Err(error)) => {
            Finding::Note(format!("cannot connect to {host} without a proxy: {error}"))
        }
        Err(_) => Finding::Note(format!(
            "cannot connect to {host} without a proxy: no answer in {PATIENCE:?}"
        )),
    }
}

/// Lists locations over one transport.
async fn call(context: &Context, by: By) -> Finding {
    let Ok(project) = context.project() else {
        return Finding::Note("not checked: no project is set".to_owned());
    };
    let mut flags = context.settings.flags.clone();
    flags.client.transport = by;
    flags.client.request_timeout = flags.client.request_timeout.or(Some(PATIENCE));
    let client = match client::client(&Settings::new(flags), None) {
        Ok(client) => client,
        Err(failure) => return bad(&failure),
    };
    match client
        .list_locations(format!("projects/{project}"))
        .first_page()
        .await
    {
        Ok(page) => Finding::Good(format!("{} locations", page.items.len())),
        Err(error) => bad(&error.into()),
    }
}

fn bad(failure: &Failure) -> Finding {
    let text = failure
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    Finding::Bad(match failure.hint() {
        Some(hint) => format!("{text}; {hint}"),
        None => text,
    })
}
