//! `apigw locations`.

use clap::{Args, Subcommand};

use crate::context::{CommandResult, Context, ListFlags};
use crate::exit::Exit;
use crate::{output, resource};

const TABLE: &str = "table(locationId,displayName)";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a location.
    Describe(Describe),
    /// List the locations that can have gateways.
    List(List),
}

#[derive(Debug, Args)]
pub(crate) struct Describe {
    /// Id or full name of the location.
    #[arg(value_name = "LOCATION")]
    location: String,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    list: ListFlags,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        match self {
            Self::Describe(describe) => {
                let name = resource::location(context, &describe.location)?;
                context.print(&output::json(&context.client()?.get_location(name).await?)?)?;
                Ok(Exit::Success)
            }
            Self::List(list) => {
                let project = format!("projects/{}", context.project()?);
                let found = context.client()?.list_locations(project);
                let (locations, exit) = list.list.read(found, |_| true).await?;
                context.print_list(&locations, TABLE)?;
                Ok(exit)
            }
        }
    }
}
