//! `apigw emulator`: the verbs that control a running emulator, over its admin service.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use apigateway_grpc::emulator::messages::admin_client::AdminClient;
use apigateway_grpc::emulator::messages::{
    AdvanceClockRequest, Call, CallView, ClearCallsRequest, Clock, CreateFaultRequest,
    DeleteFaultRequest, ExportStateRequest, Fault, GetClockRequest, GetStateRequest,
    ImportStateRequest, ListCallsRequest, ListFaultsRequest, PauseClockRequest, ResetRequest,
    ResumeClockRequest, State, StateExport, StateView, UpdateFaultRequest, WatchEventsRequest,
    call, event, from_json, to_json,
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

use super::client::duration;
use super::emulator::{self, ADMIN_TOKEN, Secret};
use super::output;
use crate::config::Settings;
use crate::failure::{Failure, code_name};

/// The address of an emulator that is started without `--listen`.
const DEFAULT: &str = "http://127.0.0.1:8470";

/// Maximum size in bytes of a state from standard input. A seed file has the same limit.
const MAX_STATE: u64 = 32 << 20;

/// Time between two attempts of `status --wait`.
const READY_PAUSE: Duration = Duration::from_millis(100);

/// Number of calls that the emulator keeps.
const RECORDED_CALLS: usize = 1000;

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
struct ShowStatus {
    /// Wait at most this long until the emulator answers.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait: Option<Duration>,
    /// Print the state as JSON, without resources, operations and faults.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Args)]
struct Calls {
    /// Print further calls as they end, until it is interrupted.
    #[arg(long, short)]
    follow: bool,
    /// Only calls of this method, such as GetOperation.
    #[arg(long, value_name = "METHOD", default_value = "")]
    method: String,
    /// Only calls for this resource and for those below it.
    #[arg(long, value_name = "NAME", default_value = "")]
    resource: String,
    /// Only calls with this code, such as NOT_FOUND.
    #[arg(long, value_name = "CODE", default_value = "")]
    code: String,
    /// Only calls that have this text in the method, the name, the error or the fault.
    #[arg(long, value_name = "TEXT", default_value = "")]
    text: String,
    /// Print only the newest recorded calls, at most this many. With --follow, further calls are printed without a limit.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..))]
    limit: Option<i32>,
    /// Print one JSON object a line, with headers and messages unless --follow is given.
    #[arg(long)]
    json: bool,
    /// Delete the recorded calls instead.
    #[arg(long, conflicts_with_all = ["follow", "json", "method", "resource", "code", "text", "limit"])]
    clear: bool,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Subcommand)]
enum Faults {
    /// Inject a fault, given as JSON: {"method": "GetApi", "times": 2, "fail": {"code": 14}}.
    ///
    /// A fault has a `method`, and one of `fail`, `delay`, `dropConnection`, `loseResponse`, `stale`, `notFoundFor`, `html`,
    /// `respond` and `operation`. It applies to one call, unless it has `times` or `always`, and to all resources, unless it
    /// has a `resource`.
    Create {
        /// The fault.
        #[arg(value_name = "JSON")]
        fault: String,
        #[command(flatten)]
        access: Access,
    },
    /// Print the faults that are not used up, one JSON object a line.
    List(Access),
    /// Disable a fault without deleting it.
    Disable(OneFault),
    /// Enable a disabled fault.
    Enable(OneFault),
    /// Delete a fault.
    Delete(OneFault),
}

#[derive(Debug, Args)]
struct OneFault {
    /// Name of the fault, such as faults/1, or its number.
    #[arg(value_name = "FAULT", value_parser = fault_name)]
    name: String,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Subcommand)]
enum SetClock {
    /// Print the clock.
    Show(Access),
    /// Advance the clock, and end the operations that are due by then.
    Advance {
        /// Time by which to advance the clock, such as 90s or 1h.
        #[arg(value_name = "DURATION", value_parser = message_duration)]
        by: Duration,
        #[command(flatten)]
        access: Access,
    },
    /// Pause the clock.
    Pause(Access),
    /// Resume the clock.
    Resume(Access),
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
        builder = builder.ca_certificates(super::client::content("--ca-cert", file)?);
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

impl ShowStatus {
    async fn run(&self, settings: &Settings) -> Result<(), Failure> {
        let request = GetStateRequest {
            view: StateView::Basic.into(),
            ..GetStateRequest::default()
        };
        let attempt = async || {
            let state = self.access.admin(settings)?.get_state(request).await;
            Ok::<_, Failure>(state)
        };
        let state = match self.wait.filter(|wait| !wait.is_zero()) {
            None => attempt().await?,
            Some(wait) => {
                let mut last = Status::unavailable(format!("no response within {wait:?}"));
                let answer = async {
                    loop {
                        match attempt().await? {
                            Err(status) if status.code() == Code::Unavailable => last = status,
                            answer => return Ok::<_, Failure>(answer),
                        }
                        tokio::time::sleep(READY_PAUSE).await;
                    }
                };
                match tokio::time::timeout(wait, answer).await {
                    Ok(answer) => answer?,
                    Err(_) => Err(last),
                }
            }
        };
        let state = state.map_err(|status| failed(&status))?.into_inner();
        match self.json {
            true => pretty(&state),
            false => output::data(&describe(&state, &endpoint(settings).0)),
        }
    }
}

/// Describes a state in a few lines.
fn describe(state: &State, endpoint: &str) -> String {
    let counts = state.counts.unwrap_or_default();
    let clock = state.clock.unwrap_or_default();
    let data = state.settings.as_ref().map(|settings| &settings.data_file);
    let data = data.filter(|file| !file.is_empty());
    let data = data.map_or("in memory", |file| file.as_str());
    let lines = [
        ("emulator", format!("{endpoint}, version {}", state.version)),
        ("clock", clock_text(&clock)),
        ("state", data.to_owned()),
        ("apis", counts.apis.to_string()),
        ("configs", counts.api_configs.to_string()),
        ("gateways", counts.gateways.to_string()),
        (
            "operations",
            format!(
                "{} running, {} done",
                counts.running_operations, counts.done_operations
            ),
        ),
        ("faults", counts.faults.to_string()),
        ("calls", counts.calls.to_string()),
    ];
    let lines = lines.map(|(name, value)| format!("{name:<11} {}\n", output::printable(&value)));
    lines.concat()
}

fn clock_text(clock: &Clock) -> String {
    let time = clock.time.map(|time| time.to_string()).unwrap_or_default();
    let paused = if clock.paused { ", paused" } else { "" };
    let advanced = clock.advanced.filter(|by| by.seconds > 0 || by.nanos > 0);
    let advanced = advanced.map(|by| format!(", advanced by {by}"));
    format!("{time}{paused}{}", advanced.unwrap_or_default())
}

impl Calls {
    async fn run(&self, settings: &Settings) -> Result<(), Failure> {
        let mut admin = self.access.admin(settings)?;
        if self.clear {
            let cleared = admin.clear_calls(ClearCallsRequest {}).await;
            return cleared.map(drop).map_err(|status| failed(&status));
        }
        // The stream is opened before the calls are listed, so that no call is missed. A call that is both listed and streamed
        // is printed once.
        let stream = match self.follow {
            true => Some(watch(&mut admin, None).await?),
            false => None,
        };
        let mut printed = BTreeSet::new();
        let limit = self.limit.unwrap_or_default();
        self.print(&mut admin, 0, limit, &mut printed).await?;
        let Some(mut stream) = stream else {
            return Ok(());
        };
        // With `--limit`, older calls than the first one that was printed stay unprinted.
        let first = printed.first().filter(|_| self.limit.is_some());
        let skipped = first.map_or(0, |first| first - 1);
        let mut number = None;
        loop {
            match stream.message().await {
                Ok(Some(event)) => {
                    number = Some(event.number);
                    // The emulator applies the filters to lists only, so the call is read from a list, not from the event.
                    let after = match event.event {
                        Some(event::Event::Call(call)) if !printed.contains(&call.sequence) => {
                            call.sequence.saturating_sub(1)
                        }
                        Some(event::Event::Lost(_) | event::Event::Reset(())) => skipped,
                        _ => continue,
                    };
                    self.print(&mut admin, after, 0, &mut printed).await?;
                }
                // The server ends its streams when it stops.
                Ok(None) => return Ok(()),
                Err(status) if status.code() == Code::Unavailable => {
                    tokio::time::sleep(READY_PAUSE).await;
                    stream = watch(&mut admin, number).await?;
                }
                Err(status) => return Err(failed(&status)),
            }
        }
    }

    /// Prints the calls that have a higher number than `after` and are not in `printed`, and adds them to `printed`. If `limit`
    /// is not 0, prints at most this many. With `--follow`, omits the calls in progress: they are printed when they have ended.
    async fn print(
        &self,
        admin: &mut Admin,
        after: u64,
        limit: i32,
        printed: &mut BTreeSet<u64>,
    ) -> Result<(), Failure> {
        let view = match self.json && !self.follow {
            true => CallView::Full,
            false => CallView::Basic,
        };
        let request = ListCallsRequest {
            method: self.method.clone(),
            page_size: limit,
            after,
            resource: self.resource.clone(),
            code: self.code.clone(),
            text: self.text.clone(),
            view: view.into(),
        };
        let listed = admin.list_calls(request).await;
        let listed = listed.map_err(|status| failed(&status))?.into_inner();
        for call in &listed.calls {
            let is_omitted = self.follow && call.status.is_none();
            if is_omitted || !printed.insert(call.sequence) {
                continue;
            }
            match self.json {
                true => output::line(&compact(call)?)?,
                false => output::line(&call_text(call))?,
            }
        }
        // The emulator no longer lists older calls.
        while printed.len() > RECORDED_CALLS {
            printed.pop_first();
        }
        Ok(())
    }
}

async fn watch(
    admin: &mut Admin,
    after: Option<u64>,
) -> Result<apigateway_grpc::tonic::Streaming<apigateway_grpc::emulator::messages::Event>, Failure>
{
    let watch = admin.watch_events(WatchEventsRequest { after }).await;
    watch
        .map(apigateway_grpc::tonic::Response::into_inner)
        .map_err(|status| failed(&status))
}

/// Returns a call on one line.
fn call_text(call: &Call) -> String {
    let method = call.method.rsplit('.').next().unwrap_or_default();
    let transport = match call.transport() {
        call::Transport::Grpc => "gRPC",
        call::Transport::Rest => "REST",
        call::Transport::Unspecified => "-",
    };
    let time = call.start_time.map(|time| time.to_string());
    let code = call.status.as_ref();
    let code = code.map(|status| code_name(Code::from_i32(status.code)));
    let latency = call.latency.and_then(|time| Duration::try_from(time).ok());
    let latency = latency.map(|time| format!(" {:.1}ms", time.as_secs_f64() * 1000.0));
    let fault = match call.fault.as_str() {
        "" => String::new(),
        fault => format!(" {fault}"),
    };
    let text = format!(
        "{} {} {method} {} {transport} {}{}{fault}",
        call.sequence,
        time.unwrap_or_default(),
        call.resource,
        code.as_deref().unwrap_or("in progress"),
        latency.unwrap_or_default(),
    );
    output::printable(&text).replace('\n', " ")
}

impl Faults {
    async fn run(self, settings: &Settings) -> Result<(), Failure> {
        match self {
            Self::Create { fault, access } => {
                let fault = read_fault(&fault)?;
                let request = CreateFaultRequest { fault: Some(fault) };
                let set = access.admin(settings)?.create_fault(request).await;
                let set = set.map_err(|status| failed(&status))?.into_inner();
                output::line(&compact(&set)?)
            }
            Self::List(access) => {
                let mut admin = access.admin(settings)?;
                let listed = admin.list_faults(ListFaultsRequest {}).await;
                let listed = listed.map_err(|status| failed(&status))?;
                for fault in &listed.into_inner().faults {
                    output::line(&compact(fault)?)?;
                }
                Ok(())
            }
            Self::Disable(fault) => fault.set_disabled(settings, true).await,
            Self::Enable(fault) => fault.set_disabled(settings, false).await,
            Self::Delete(OneFault { name, access }) => {
                let request = DeleteFaultRequest { name };
                let deleted = access.admin(settings)?.delete_fault(request).await;
                deleted.map(drop).map_err(|status| failed(&status))
            }
        }
    }
}

impl OneFault {
    async fn set_disabled(self, settings: &Settings, disabled: bool) -> Result<(), Failure> {
        let fault = Fault {
            name: self.name,
            disabled,
            ..Fault::default()
        };
        let request = UpdateFaultRequest { fault: Some(fault) };
        let updated = self.access.admin(settings)?.update_fault(request).await;
        let updated = updated.map_err(|status| failed(&status))?.into_inner();
        output::line(&compact(&updated)?)
    }
}

impl SetClock {
    async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let clock = match self {
            Self::Show(access) => access.admin(settings)?.get_clock(GetClockRequest {}).await,
            Self::Advance { by, access } => {
                let by = by.try_into();
                let by = by.map_err(|_| Failure::usage("argument DURATION: too long"))?;
                let request = AdvanceClockRequest { by: Some(by) };
                access.admin(settings)?.advance_clock(request).await
            }
            Self::Pause(access) => {
                access
                    .admin(settings)?
                    .pause_clock(PauseClockRequest {})
                    .await
            }
            Self::Resume(access) => {
                access
                    .admin(settings)?
                    .resume_clock(ResumeClockRequest {})
                    .await
            }
        };
        let clock = clock.map_err(|status| failed(&status))?.into_inner();
        output::line(&clock_text(&clock))
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

/// Parses a duration that a message can have.
fn message_duration(text: &str) -> Result<Duration, String> {
    const MOST: u64 = 315_576_000_000;
    duration(text).and_then(|time| match time.as_secs() <= MOST {
        true => Ok(time),
        false => Err(format!("must be at most {MOST}s")),
    })
}

/// Reads a fault from the JSON of an argument.
fn read_fault(json: &str) -> Result<Fault, Failure> {
    if !json.trim_start().starts_with('{') {
        let text = format!(
            "argument JSON: must be a JSON object, such as {{\"method\": \"GetApi\", \"fail\": {{\"code\": 14}}}}, not `{}`",
            output::printable(json)
        );
        return Err(Failure::Usage(text));
    }
    from_json(json.as_bytes()).map_err(|error| Failure::usage(format!("argument JSON: {error}")))
}

/// Returns the name of a fault that is given by its name or its number.
fn fault_name(text: &str) -> Result<String, String> {
    Ok(match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => format!("faults/{text}"),
        false => text.to_owned(),
    })
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
