//! `apigw emulator`: the verbs that control a running emulator, over its admin service.

mod calls;
mod clock;
mod faults;
mod status;

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use apigateway_grpc::emulator::messages::admin_client::AdminClient;
use apigateway_grpc::emulator::messages::{
    ExportStateRequest, ImportStateRequest, ResetRequest, StateExport, from_json, to_json,
};
use apigateway_grpc::stack::Stack;
use apigateway_grpc::tonic::metadata::MetadataValue;
use apigateway_grpc::tonic::service::Interceptor;
use apigateway_grpc::tonic::service::interceptor::InterceptedService;
use apigateway_grpc::tonic::{Code, Request, Status};
use apigateway_grpc::{ApiGateway, CallOptions, EMULATOR_HOST, Transport};
use clap::{Args, Subcommand};
use prost::{Message, Name};
use serde_json::Value;

use calls::Calls;
use clock::SetClock;
use faults::Faults;
use status::ShowStatus;

use crate::client;
use crate::config::Settings;
use crate::emulator::{self, ADMIN_TOKEN, Secret};
use crate::failure::{Failure, code_name};
use crate::output;

/// The address of an emulator that is started without `--listen`.
const DEFAULT: &str = "http://127.0.0.1:8470";

/// Maximum size in bytes of a state from standard input. A seed file has the same limit.
const MAX_STATE: u64 = 32 << 20;

/// Time between two attempts of `status --wait`, and before `calls --follow` connects again.
const READY_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Emulator {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    start: emulator::Arguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run an emulator, the same as without a verb.
    Start(Box<emulator::Arguments>),
    /// Print the environment variables that make clients use an emulator, for `eval`.
    Env(Env),
    /// Print the state of a running emulator in a few lines.
    Status(ShowStatus),
    /// Print the calls that a running emulator has received.
    Calls(Calls),
    /// Inject, list and delete faults.
    #[command(subcommand)]
    Faults(Faults),
    /// Delete all resources, operations, faults and recorded calls.
    Reset(Access),
    /// Read and set the clock.
    #[command(subcommand)]
    Clock(SetClock),
    /// Print the whole state as JSON.
    Export(Access),
    /// Replace the whole state by that of a file.
    Import(Import),
}

#[derive(Debug, Args)]
struct Access {
    /// Bearer token of an emulator that is not on a loopback address.
    #[arg(long, value_name = "TOKEN", env = ADMIN_TOKEN, hide_env_values = true)]
    admin_token: Option<Secret>,
}

#[derive(Debug, Args)]
struct Env {
    /// Print the variables of gcloud, too.
    #[arg(long)]
    gcloud: bool,
}

#[derive(Debug, Args)]
struct Import {
    /// File in JSON or YAML, as `export` prints it; - reads JSON from standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    access: Access,
}

/// Adds the admin token to a call.
#[derive(Clone)]
struct Authorization(Option<MetadataValue<apigateway_grpc::tonic::metadata::Ascii>>);

impl Interceptor for Authorization {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", value.clone());
        }
        Ok(request)
    }
}

type Admin = AdminClient<InterceptedService<Stack, Authorization>>;

pub(crate) async fn run(noun: Emulator, settings: &Settings) -> Result<(), Failure> {
    let Some(command) = noun.command else {
        return emulator::run(noun.start).await;
    };
    if settings.flags.format.is_some() {
        let text = "argument --format: not supported here: `status` and `calls` have --json, `export` prints JSON";
        return Err(Failure::usage(text));
    }
    match command {
        Command::Start(start) => emulator::run(*start).await,
        Command::Env(env) => env.run(settings),
        Command::Status(status) => status.run(settings).await,
        // `--follow` ends when its reader closes the pipe, as `head` does.
        Command::Calls(calls) => tokio::select! {
            printed = calls.run(settings) => printed,
            () = output::closed() => Ok(()),
        },
        Command::Faults(faults) => faults.run(settings).await,
        Command::Reset(access) => {
            let reset = access.admin(settings)?.reset(ResetRequest {}).await;
            reset.map(drop).map_err(|status| failed(&status))
        }
        Command::Clock(clock) => clock.run(settings).await,
        Command::Export(access) => {
            let mut admin = access.admin(settings)?;
            let state = admin.export_state(ExportStateRequest {}).await;
            pretty(&state.map_err(|status| failed(&status))?.into_inner())
        }
        Command::Import(import) => import.run(settings).await,
    }
}

/// Returns the endpoint of the emulator: that of --endpoint or of the variable, or the default. The second value is true if
/// the endpoint is that of the variable, which the library reads itself.
fn endpoint(settings: &Settings) -> (String, bool) {
    let endpoint = settings.endpoint();
    match endpoint.value {
        Some(value) if endpoint.source == EMULATOR_HOST => (value, true),
        Some(value) if endpoint.source == "--endpoint" => (value, false),
        // An override for gcloud may point at another service.
        _ => (DEFAULT.to_owned(), false),
    }
}

/// Returns the stack of a client of the emulator.
///
/// # Errors
///
/// If the endpoint or another setting is invalid.
fn stack(settings: &Settings) -> Result<Stack, Failure> {
    let (endpoint, is_variable) = endpoint(settings);
    let mut builder = ApiGateway::builder()
        .transport(Transport::Grpc)
        .call_options(CallOptions::default())
        .max_response_size(usize::MAX)
        .anonymous();
    if !is_variable {
        builder = builder.endpoint(endpoint);
    }
    if let Some(file) = &settings.flags.client.ca_cert {
        builder = builder.ca_certificates(client::content("--ca-cert", file)?);
    }
    Ok(builder.build()?.stack())
}

impl Access {
    fn admin(&self, settings: &Settings) -> Result<Admin, Failure> {
        let token = Secret::given(self.admin_token.clone()).map(|token| {
            let is_valid =
                !token.0.is_empty() && token.0.bytes().all(|byte| byte.is_ascii_graphic());
            let value = MetadataValue::try_from(format!("Bearer {}", token.0));
            let mut value = value.ok().filter(|_| is_valid).ok_or_else(|| {
                let rule = "must be one or more visible ASCII characters, without spaces";
                Failure::usage(format!("--admin-token or {ADMIN_TOKEN}: {rule}"))
            })?;
            value.set_sensitive(true);
            Ok::<_, Failure>(value)
        });
        let authorization = Authorization(token.transpose()?);
        let stack = InterceptedService::new(stack(settings)?, authorization);
        Ok(AdminClient::new(stack).max_decoding_message_size(usize::MAX))
    }
}

impl Env {
    fn run(&self, settings: &Settings) -> Result<(), Failure> {
        // A shell evaluates the output, so it must not have an invalid endpoint.
        stack(settings)?;
        let (endpoint, _) = endpoint(settings);
        let (scheme, address) = endpoint.split_once("://").unwrap_or(("http", &endpoint));
        let address = address.trim_end_matches('/');
        let value = match scheme {
            "http" => address.to_owned(),
            scheme => format!("{scheme}://{address}"),
        };
        output::line(&format!("export {EMULATOR_HOST}={value}"))?;
        if self.gcloud {
            output::line(&format!(
                "export CLOUDSDK_API_ENDPOINT_OVERRIDES_APIGATEWAY={scheme}://{address}/"
            ))?;
            output::line("export CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true")?;
        }
        Ok(())
    }
}

impl Import {
    async fn run(&self, settings: &Settings) -> Result<(), Failure> {
        let state = match self.file.as_os_str() == "-" {
            true => {
                let mut text = Vec::new();
                let read = std::io::stdin().take(MAX_STATE + 1).read_to_end(&mut text);
                let read = read.map_err(|error| format!("standard input: {error}"))?;
                if read as u64 > MAX_STATE {
                    return Err("standard input: larger than 32 MiB".to_owned().into());
                }
                from_json(&text)?
            }
            // The library's error is about the setting `seed`.
            false => StateExport::read(&self.file).map_err(|error| {
                let text = error.to_string();
                text.replacen("invalid `seed` ", "invalid state in ", 1)
            })?,
        };
        let request = ImportStateRequest { state: Some(state) };
        let imported = self.access.admin(settings)?.import_state(request).await;
        imported.map(drop).map_err(|status| failed(&status))
    }
}

fn failed(status: &Status) -> Failure {
    let text = output::printable(status.message());
    let failure = Failure::from(format!("{}: {text}", code_name(status.code())));
    match status.code() {
        Code::Unavailable => failure.with_hint(format!(
            "start an emulator with `apigw emulator`, or name a running one with --endpoint or {EMULATOR_HOST}"
        )),
        _ => failure,
    }
}

/// Returns a message as JSON on one line.
fn compact<M: Message + Name>(message: &M) -> Result<String, Failure> {
    Ok(to_json(message)?)
}

/// Prints a message as JSON on several lines.
fn pretty<M: Message + Name>(message: &M) -> Result<(), Failure> {
    let value: Value =
        serde_json::from_str(&to_json(message)?).map_err(|error| error.to_string())?;
    let text = serde_json::to_string_pretty(&value).map_err(|error| error.to_string())?;
    output::line(&text)
}
