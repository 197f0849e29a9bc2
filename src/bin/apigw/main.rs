//! `apigw`: Google API Gateway on the command line, and an emulator of the service.
//!
//! Each noun of the command line is a module. Each verb parses its arguments, calls the library and prints the result. Formats,
//! progress, settings and exit codes are each in one module.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

mod api_configs;
mod apis;
mod client;
mod completion;
mod config;
mod config_id;
mod context;
mod demo;
mod deploy;
mod doctor;
mod emulator;
mod emulator_control;
mod exit;
mod failure;
mod files;
mod format;
mod gateways;
mod gcloud_token;
mod iam;
mod labels;
mod locations;
mod operations;
mod output;
mod pages;
mod plan;
mod progress;
mod prune;
mod resource;
mod retries;
mod rollback;
mod running;
mod settings;
mod signal;
mod spec;
mod validate;
mod variables;
mod wait;

use config::Settings;
use context::{CommandResult, Context};
use exit::Exit;
use failure::Failure;

/// An allocator that returns the memory of an emulator's closed connections to the system. The allocator of glibc keeps this
/// memory.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Google API Gateway: manage APIs, configs and gateways, wait for operations, run an emulator.
///
/// Nouns, verbs and flags are those of `gcloud api-gateway`. Data is printed on standard output, and everything else on
/// standard error.
#[derive(Debug, Parser)]
#[command(
    name = "apigw",
    version,
    disable_help_subcommand = true,
    max_term_width = 120
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    flags: config::Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Manage APIs.
    #[command(subcommand)]
    Apis(apis::Command),
    /// Manage the configs of APIs.
    #[command(subcommand)]
    ApiConfigs(api_configs::Command),
    /// Manage gateways.
    #[command(subcommand)]
    Gateways(gateways::Command),
    /// Read operations and wait for them.
    #[command(subcommand)]
    Operations(operations::Command),
    /// List the locations of the service.
    #[command(subcommand)]
    Locations(locations::Command),
    /// Print settings and their sources.
    #[command(subcommand)]
    Config(settings::Command),
    /// Check what a call depends on: settings, credentials, network and service.
    Doctor(doctor::Doctor),
    /// Run an emulator of API Gateway, in memory or with its state in a file, and control a running one.
    Emulator(Box<emulator_control::Emulator>),
    /// Demonstrate the emulator, the progress of an operation, and both transports.
    Demo(demo::Arguments),
    /// Print a completion script for a shell.
    Completion(completion::Completion),
    /// Print the version.
    Version,
    /// Print a help page (differences, environment, exit-codes, formats), or the help of a command.
    Help(pages::Help),
}

#[tokio::main]
async fn main() -> ExitCode {
    let (arguments, name) = match parse() {
        Ok(parsed) => parsed,
        Err(exit) => return exit.into(),
    };
    let exit = match Box::pin(run(arguments, &name)).await {
        Ok(exit) => exit,
        Err(failure) => {
            failure::report(&name, &failure);
            failure.exit()
        }
    };
    exit.into()
}

/// Parses the command line. Returns the arguments and the name of the command for errors, such as `apigw.apis.create`.
fn parse() -> Result<(Arguments, String), Exit> {
    let mut command = Arguments::command();
    let fault = |error: clap::Error| {
        if !error.use_stderr() {
            // Help and version are data. An error is ignored, since the reader may have closed the pipe.
            error.print().ok();
            return Exit::Success;
        }
        let text = error.to_string();
        let without_verb = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        if error.kind() == without_verb
            && let Some(usage) = usage(&text)
        {
            let name = name_of_arguments();
            output::note(&format!(
                "ERROR: ({name}) Command name argument expected.\n\n{usage}\n\nFor all flags, run:\n  {} --help",
                name.replace('.', " ")
            ));
            return Exit::Usage;
        }
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        output::note(&format!(
            "ERROR: ({}) {}",
            name_of_arguments(),
            text.trim_end()
        ));
        Exit::Usage
    };
    let matches = command
        .try_get_matches_from_mut(std::env::args_os())
        .map_err(fault)?;
    let mut name = String::from("apigw");
    let mut level = &matches;
    while let Some((verb, inner)) = level.subcommand() {
        name.push_str(&format!(".{verb}"));
        level = inner;
    }
    let arguments = Arguments::from_arg_matches(&matches).map_err(fault)?;
    Ok((arguments, name))
}

/// Returns the part of a help text with the usage and the commands, without the flags.
fn usage(help: &str) -> Option<&str> {
    let (start, end) = (help.find("Usage: ")?, help.find("\n\nOptions:")?);
    help.get(start..end)
}

/// Returns the name of the command whose arguments are invalid.
fn name_of_arguments() -> String {
    let mut name = String::from("apigw");
    let root = Arguments::command();
    let mut command = &root;
    for argument in std::env::args_os().skip(1) {
        if let Some(inner) = command.find_subcommand(&argument) {
            name.push_str(&format!(".{}", inner.get_name()));
            command = inner;
        }
    }
    name
}

async fn run(arguments: Arguments, name: &str) -> CommandResult {
    let settings = Settings::new(arguments.flags);
    log_at(&settings);
    match arguments.command {
        Command::Emulator(arguments) => {
            return done(emulator_control::run(*arguments, &settings).await);
        }
        Command::Demo(arguments) => return done(demo::run(arguments).await),
        Command::Completion(completion) => return done(completion.run(&mut Arguments::command())),
        Command::Version => {
            return done(output::line(&format!(
                "apigw {}",
                env!("CARGO_PKG_VERSION")
            )));
        }
        Command::Help(help) => return done(help.run(Arguments::command())),
        _ => {}
    }
    settings.check()?;
    // Validation needs no project and has its own formats.
    if let Command::ApiConfigs(api_configs::Command::Validate(validate)) = arguments.command {
        return validate.run(&settings);
    }
    let context = Context::new(settings, name)?;
    let ended = tokio::select! {
        ended = run_with(arguments.command, &context) => ended,
        exit = signal::after_a_wait() => {
            // The signal may arrive here before it arrives at the wait.
            context.interrupted();
            Ok(exit)
        }
    };
    Ok(context.end(ended))
}

/// Runs a command that calls the service, or that depends on its settings.
async fn run_with(command: Command, context: &Context) -> CommandResult {
    match command {
        Command::Apis(command) => command.run(context).await,
        Command::ApiConfigs(command) => command.run(context).await,
        Command::Gateways(command) => command.run(context).await,
        Command::Operations(command) => command.run(context).await,
        Command::Locations(command) => command.run(context).await,
        Command::Config(command) => command.run(context),
        Command::Doctor(doctor) => doctor.run(context).await,
        Command::Emulator(_)
        | Command::Demo(_)
        | Command::Completion(_)
        | Command::Version
        | Command::Help(_) => Ok(Exit::Success),
    }
}

fn done(result: Result<(), Failure>) -> CommandResult {
    result.map(|()| Exit::Success)
}

/// Logs to standard error at the level of `RUST_LOG`, or by default at the level of `--verbosity`.
fn log_at(settings: &Settings) {
    let verbosity = settings.verbosity().value;
    let level = match verbosity.as_deref() {
        Some("debug") => "debug",
        Some("info") => "info",
        Some("warning") => "warn",
        Some("none" | "critical") => "off",
        // The emulator logs nothing for calls.
        _ => "error,apigateway_grpc::emulator=warn",
    };
    let filter = match std::env::var_os("RUST_LOG") {
        Some(_) => tracing_subscriber::EnvFilter::from_default_env(),
        None => tracing_subscriber::EnvFilter::new(level),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(progress::has_color(settings.flags.color))
        .with_writer(std::io::stderr)
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_of_all_commands_are_consistent() {
        Arguments::command().debug_assert();
    }
}
