//! `apigw operations`.

use apigateway_grpc::transcode;
use clap::{Args, Subcommand};

use super::client;
use super::output::{self, Format};
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print an operation, running, done or failed.
    Describe(Describe),
}

#[derive(Debug, Args)]
pub(crate) struct Describe {
    /// projects/{project}/locations/{location}/operations/{operation}
    name: String,
    #[command(flatten)]
    client: client::Arguments,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
}

pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Describe(describe) => describe.run().await,
    }
}

impl Describe {
    async fn run(self) -> Result<(), Failure> {
        let operation = self.client.client()?.get_operation(self.name).await?;
        output::data(&transcode::to_json(&operation)?, self.format)
    }
}
