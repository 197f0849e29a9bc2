//! `apigw`: API Gateway's operations on the command line, and an emulator of the service.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod client;
mod demo;
mod emulator;
mod failure;
mod operations;
mod output;

/// Google API Gateway over gRPC: read operations, run an emulator.
#[derive(Debug, Parser)]
#[command(name = "apigw", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read long-running operations.
    #[command(subcommand)]
    Operations(operations::Command),
    /// Run an API Gateway in memory or over a file, for tests and trials.
    Emulator(emulator::Arguments),
    /// Show the emulator, an operation's progress, and both transports.
    Demo,
}

impl Command {
    /// The name in error messages, as gcloud has it.
    fn name(&self) -> &'static str {
        match self {
            Self::Operations(operations::Command::Describe(_)) => "apigw.operations.describe",
            Self::Emulator(_) => "apigw.emulator",
            Self::Demo => "apigw.demo",
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let name = arguments.command.name();
    let ended = match arguments.command {
        Command::Operations(command) => operations::run(command).await,
        Command::Emulator(arguments) => emulator::run(arguments).await,
        Command::Demo => demo::run().await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::error(&format!("ERROR: ({name}) {failure}"));
            ExitCode::FAILURE
        }
    }
}
