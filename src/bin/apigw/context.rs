//! The context of a command: its settings, its client and its output.

use std::cell::OnceCell;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::list::{Items, List, ListRequest};
use apigateway_grpc::names::ProjectName;
use prost::{Message, Name};
use serde_json::Value;

use crate::client;
use crate::config::{Progress, Settings};
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::format::Format;
use crate::output;
use crate::progress::Reporter;
use crate::retries::Retries;

/// The result of a command.
pub(crate) type CommandResult = Result<Exit, Failure>;

pub(crate) struct Context {
    /// The name of the command in errors.
    name: String,
    pub(crate) settings: Settings,
    /// The format that the flag or the configuration sets.
    format: Option<Format>,
    pub(crate) is_quiet: bool,
    /// True if messages other than errors are printed on standard error.
    pub(crate) is_verbose: bool,
    /// The display of all waits of the command. It is created at the first wait.
    reporter: OnceCell<Reporter>,
    /// The retried polls of the command's client.
    pub(crate) retries: Arc<Retries>,
}

impl Context {
    /// Creates the context from the settings that all commands share.
    ///
    /// # Errors
    ///
    /// If the format or a boolean setting is invalid.
    pub(crate) fn new(settings: Settings, name: &str) -> Result<Self, Failure> {
        let format = settings.format();
        let parse = |text: &String| {
            let invalid =
                |error| Failure::usage(format!("invalid format of {}: {error}", format.source));
            text.parse::<Format>().map_err(invalid)
        };
        let shown = settings.user_output_enabled();
        Ok(Self {
            name: name.to_owned(),
            format: format.value.as_ref().map(parse).transpose()?,
            is_quiet: settings.quiet().is_true()?,
            is_verbose: shown.value.is_none() || shown.is_true()?,
            settings,
            reporter: OnceCell::new(),
            retries: Arc::default(),
        })
    }

    /// Returns the display of the waits of this command.
    pub(crate) fn reporter(&self) -> &Reporter {
        self.reporter
            .get_or_init(|| Reporter::new(&self.settings.flags, self.is_verbose))
    }

    /// Returns the display that prints the events of waits on standard output, for `operations watch`.
    pub(crate) fn event_reporter(&self, is_full: bool, heartbeat: Duration) -> &Reporter {
        self.reporter
            .get_or_init(|| Reporter::events(is_full, heartbeat))
    }

    /// Ends the command: prints its error, and the last event. Returns the exit code.
    pub(crate) fn end(&self, ended: CommandResult) -> Exit {
        let exit = match ended {
            Ok(exit) => exit,
            Err(failure) => {
                self.report(&failure);
                failure.exit()
            }
        };
        match self.settings.flags.progress {
            Progress::Json if self.is_verbose => self.reporter().summary(exit),
            _ => {
                if let Some(reporter) = self.reporter.get() {
                    reporter.summary(exit);
                }
            }
        }
        exit
    }

    /// Reports each operation that the command still waits for, after a signal.
    pub(crate) fn interrupted(&self) {
        if let Some(reporter) = self.reporter.get() {
            reporter.interrupted();
        }
    }

    pub(crate) fn client(&self) -> Result<ApiGateway, Failure> {
        if let Some(error) = &self.settings.properties.error {
            output::warning(&format!("gcloud's configuration cannot be read: {error}"));
        }
        client::client(&self.settings, Arc::clone(&self.retries))
    }

    /// Returns the project of resources that are given by their id.
    ///
    /// # Errors
    ///
    /// If no setting has a project.
    pub(crate) fn project(&self) -> Result<String, Failure> {
        let found = self.settings.project().value;
        let project = found.ok_or_else(|| {
            Failure::from(
                "The required property [project] is not currently set.\n\
                 It can be set on a per-command basis by re-running your command with the [--project] flag.\n\n\
                 You may set it for your current workspace by running:\n\n  \
                 $ gcloud config set project VALUE\n\n\
                 or it can be set temporarily by the environment variable [CLOUDSDK_CORE_PROJECT]"
                    .to_owned(),
            )
        })?;
        match ProjectName::new(&project) {
            Ok(_) => Ok(project),
            Err(error) => Err(Failure::usage(format!(
                "invalid project of {}: {error}",
                self.settings.project().source
            ))),
        }
    }

    /// Prints an error that does not end the command.
    pub(crate) fn report(&self, failure: &Failure) {
        failure::report(&self.name, failure);
        if self.settings.flags.progress == Progress::Json && self.is_verbose {
            self.reporter().error(failure);
        }
    }

    /// Prints a message on standard error, unless user output is disabled.
    pub(crate) fn note(&self, text: &str) {
        if self.is_verbose {
            output::note(text);
        }
    }

    /// Returns true if a format is set.
    pub(crate) fn has_format(&self) -> bool {
        self.format.is_some()
    }

    /// Prints a resource in the format that is set, or as YAML by default.
    pub(crate) fn print(&self, resource: &Value) -> Result<(), Failure> {
        let yaml = Format::yaml();
        let format = self.format.as_ref().unwrap_or(&yaml);
        write(format, &format.one(resource))
    }

    /// Prints several results as one list in the format that is set, or as YAML by default.
    pub(crate) fn print_all(&self, resources: &[Value]) -> Result<(), Failure> {
        let yaml = Format::yaml();
        let format = self.format.as_ref().unwrap_or(&yaml);
        write(format, &format.many(resources))
    }

    /// Prints a resource if a format is set. By default, the create, update and delete commands print nothing.
    pub(crate) fn print_if_formatted(&self, resource: &Value) -> Result<(), Failure> {
        match self.has_format() {
            true => self.print(resource),
            false => Ok(()),
        }
    }

    /// Prints a list in the format that is set, or as the table by default.
    pub(crate) fn print_list(&self, resources: &[Value], table: &str) -> Result<(), Failure> {
        let table: Format = table.parse()?;
        let format = match &self.format {
            Some(format) => format.clone().over(&table),
            None => table,
        };
        write(&format, &format.many(resources))?;
        if resources.is_empty() && self.format.is_none() {
            self.note("Listed 0 items.");
        }
        Ok(())
    }

    /// Asks for confirmation before something is deleted. The default answer is yes.
    ///
    /// # Errors
    ///
    /// If the answer is no, or there is no answer.
    pub(crate) fn confirm(&self, message: &str) -> Result<(), Failure> {
        if self.is_quiet {
            return Ok(());
        }
        output::note(&format!("{message}\n"));
        output::prompt("Continue anyway (Y/n)?  ");
        loop {
            let mut answer = String::new();
            let read = std::io::stdin().read_line(&mut answer).unwrap_or(0);
            if !std::io::stdin().is_terminal() {
                output::note("");
            }
            if read == 0 {
                return Err("This prompt could not be answered because you are not in an interactive session.  \
                    You can re-run the command with the --quiet flag to accept default answers for all prompts."
                    .to_owned()
                    .into());
            }
            match answer.trim().to_lowercase().as_str() {
                "" | "y" | "yes" => return Ok(()),
                "n" | "no" => return Err("Aborted by user.".to_owned().into()),
                _ => output::prompt("Please enter 'y' or 'n':  "),
            }
        }
    }
}

/// Writes formatted resources to standard output.
fn write(format: &Format, text: &str) -> Result<(), Failure> {
    match format.is_json() {
        true => output::json_data(text),
        false => output::data(text),
    }
}

/// The flags of list methods with a filter on the server.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ListFlags {
    /// Filter on the resources, in the syntax of AIP-160, such as `state=ACTIVE`. The server applies it.
    #[arg(long, value_name = "EXPRESSION")]
    pub(crate) filter: Option<String>,
    /// Maximum number of resources to list.
    #[arg(long, value_name = "LIMIT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Number of resources that the server returns per call.
    #[arg(long, value_name = "PAGE_SIZE", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) page_size: Option<i32>,
    /// Exit with 6 if the list is incomplete because a location did not respond.
    #[arg(long)]
    pub(crate) require_complete: bool,
}

/// The flag of list methods with an order on the server.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SortFlag {
    /// Fields to sort by; `~` before a field reverses its order.
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    pub(crate) sort_by: Vec<String>,
}

impl SortFlag {
    /// Returns the order in the syntax of AIP-132.
    pub(crate) fn order(&self) -> String {
        let term = |field: &String| match field.strip_prefix('~') {
            Some(field) => format!("{field} desc"),
            None => field.clone(),
        };
        self.sort_by.iter().map(term).collect::<Vec<_>>().join(",")
    }
}

impl ListFlags {
    /// Reads the items of a list for which `keep` returns true, up to the limit. Warns of locations that did not respond.
    pub(crate) async fn read<R: ListRequest>(
        &self,
        mut list: List<R>,
        keep: impl Fn(&Value) -> bool,
    ) -> Result<(Vec<Value>, Exit), Failure>
    where
        R::Item: Message + Name,
    {
        if let Some(filter) = &self.filter {
            if filter.contains('~') {
                return Err(Failure::usage(
                    "argument --filter: the operators `~` and `!~` are not supported: the server applies the filter, by AIP-160",
                ));
            }
            list = list.filter(filter);
        }
        if let Some(size) = self.page_size {
            list = list.page_size(size);
        }
        let mut items = list.items();
        let mut found = Vec::new();
        let limit = self.limit.map_or(usize::MAX, |limit| limit as usize);
        while found.len() < limit {
            let Some(item) = items.next().await else {
                break;
            };
            let item = output::json(&item?)?;
            if keep(&item) {
                found.push(item);
            }
        }
        Ok((found, self.completeness(&items)))
    }

    fn completeness<R: ListRequest>(&self, items: &Items<R>) -> Exit {
        let missing = items.unreachable();
        if missing.is_empty() {
            return Exit::Success;
        }
        output::warning(&format!(
            "these locations did not respond, and their resources are missing: {}",
            output::one_line(&missing.join(", "))
        ));
        match self.require_complete {
            true => Exit::Incomplete,
            false => Exit::Success,
        }
    }
}
