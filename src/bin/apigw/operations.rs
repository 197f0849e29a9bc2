//! `apigw operations`.

use std::time::{Duration, SystemTime};

use apigateway_grpc::ApiGateway;
use apigateway_grpc::operation::{Cancellation, OperationErrorKind, Snapshot};
use clap::{Args, Subcommand, ValueEnum};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;

use crate::client::duration;
use crate::context::{CommandResult, Context, ListFlags};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wait::{Limits, follow_any, unless_interrupted};
use crate::{output, resource};

const TABLE: &str = "table(name.segment(5):label=OPERATION_ID,name.segment(3):label=LOCATION,done,\
                     metadata.requestedCancellation:label=CANCELLED,metadata.createTime.date(),metadata.verb,metadata.target)";
const WIDE: &str = "table(name.segment(5):label=OPERATION_ID,name.segment(3):label=LOCATION,done,\
                    metadata.requestedCancellation:label=CANCELLED,metadata.createTime.date(),metadata.endTime.date(),\
                    metadata.verb,metadata.target,error.code:label=ERROR_CODE,error.message:label=ERROR)";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Request the cancellation of operations.
    Cancel(Cancel),
    /// Delete the records of operations. The work itself continues.
    Delete(Delete),
    /// Print an operation, running, done or failed.
    Describe(Describe),
    /// List operations.
    List(List),
    /// Wait for operations to complete.
    Wait(Wait),
    /// Print the changes of operations as JSON, one event per line, until they complete.
    ///
    /// `elapsed` and `delay` of an event are numbers of seconds.
    Watch(Watch),
}

/// The operations that a command applies to.
#[derive(Clone, Debug, Args)]
struct Names {
    /// Ids or full names of operations.
    #[arg(value_name = "OPERATION")]
    names: Vec<String>,
    /// Location of operations that are given by their id.
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Describe {
    /// Id or full name of the operation.
    #[arg(value_name = "OPERATION")]
    name: String,
    /// Location of an operation that is given by its id.
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Location whose operations are listed; all by default.
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
    /// List only running operations.
    #[arg(long, conflicts_with_all = ["done", "failed"])]
    running: bool,
    /// List only operations that are done.
    #[arg(long)]
    done: bool,
    /// List only operations that failed.
    #[arg(long)]
    failed: bool,
    /// List only operations on this resource, by its full name.
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// List only operations with this verb: create, update or delete.
    #[arg(long, value_name = "VERB")]
    verb: Option<String>,
    /// List only operations that were started within this time, such as 2h.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    since: Option<Duration>,
    /// Print the end time and the error too.
    #[arg(long)]
    wide: bool,
    /// Fields to sort by, after the whole list is read; `~` before a field reverses its order.
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    sort_by: Vec<String>,
    #[command(flatten)]
    list: ListFlags,
}

/// The operations to wait for, and the end of the wait.
#[derive(Clone, Debug, Args)]
struct Selection {
    #[command(flatten)]
    names: Names,
    /// Wait for the running operations on this resource, by its full name.
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Wait for all running operations in the location, or in all locations.
    #[arg(long)]
    running: bool,
    /// Wait until all operations complete, or until any one does.
    #[arg(
        long = "for",
        value_enum,
        default_value_t,
        value_name = "all|any",
        hide_possible_values = true
    )]
    until: Until,
    /// Exit with 0 even if operations fail or are cancelled.
    #[arg(long)]
    no_exit_status: bool,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Until {
    #[default]
    All,
    Any,
}

#[derive(Debug, Args)]
pub(crate) struct Wait {
    #[command(flatten)]
    selection: Selection,
    /// Print the result of each operation.
    #[arg(long)]
    result: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    selection: Selection,
    /// Time without a change after which a heartbeat event is printed.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    heartbeat: Duration,
    /// Include the whole operation in each event.
    #[arg(long)]
    full: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    #[command(flatten)]
    names: Names,
    /// Wait for the end of the operation, and exit with 0 if it is cancelled, or with 7 if it completed anyway.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    names: Names,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        match self {
            Self::Cancel(cancel) => cancel.run(context).await,
            Self::Delete(delete) => delete.run(context).await,
            Self::Describe(describe) => describe.run(context).await,
            Self::List(list) => list.run(context).await,
            Self::Wait(wait) => wait.run(context).await,
            Self::Watch(watch) => watch.run(context).await,
        }
    }
}

impl Names {
    fn full(&self, context: &Context) -> Result<Vec<String>, Failure> {
        let names = self
            .names
            .iter()
            .map(|name| resource::operation(context, name, self.location.as_deref()));
        names.collect()
    }

    fn some(&self, context: &Context) -> Result<Vec<String>, Failure> {
        match self.names.is_empty() {
            true => Err(Failure::usage("argument OPERATION: Must be specified.")),
            false => self.full(context),
        }
    }
}

impl Describe {
    async fn run(self, context: &Context) -> CommandResult {
        let name = resource::operation(context, &self.name, self.location.as_deref())?;
        context.print(&output::json(
            &context.client()?.get_operation(name).await?,
        )?)?;
        Ok(Exit::Success)
    }
}

impl List {
    async fn run(self, context: &Context) -> CommandResult {
        let location = context.settings.location(self.location.as_deref()).value;
        let parent = match self.target.as_deref().and_then(location_of) {
            // The operations of a resource are in its location.
            Some(parent) if location.is_none() => parent.to_owned(),
            _ => resource::location(context, location.as_deref().unwrap_or("-"))?,
        };
        let since = self.since.map(|since| {
            SystemTime::now()
                .checked_sub(since)
                .unwrap_or(SystemTime::UNIX_EPOCH)
        });
        let keep = |operation: &Value| {
            let is_done = operation.get("done") == Some(&Value::Bool(true));
            let metadata = |key: &str| {
                operation
                    .pointer(&format!("/metadata/{key}"))
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let began = humantime::parse_rfc3339(metadata("createTime"));
            (!self.running || !is_done)
                && (!self.done || is_done)
                && (!self.failed || operation.get("error").is_some())
                && self
                    .target
                    .as_deref()
                    .is_none_or(|target| target == metadata("target"))
                && self
                    .verb
                    .as_deref()
                    .is_none_or(|verb| verb == metadata("verb"))
                && since.is_none_or(|since| began.is_ok_and(|began| began >= since))
        };
        let list = context.client()?.list_operations(parent);
        // The limit is applied after sorting, since the first items in sort order may be the last ones of the list.
        let mut flags = self.list.clone();
        let limit = flags.limit.take_if(|_| !self.sort_by.is_empty());
        let (mut operations, exit) = flags.read(list, keep).await?;
        sort(&mut operations, &self.sort_by);
        operations.truncate(limit.map_or(usize::MAX, |limit| limit as usize));
        context.print_list(&operations, if self.wide { WIDE } else { TABLE })?;
        Ok(exit)
    }
}

/// Sorts by fields such as `~metadata.createTime`, in descending order of precedence.
fn sort(operations: &mut [Value], fields: &[String]) {
    let text = |operation: &Value, field: &str| {
        let found = operation.pointer(&format!("/{}", field.replace('.', "/")));
        found
            .map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            })
            .unwrap_or_default()
    };
    for field in fields.iter().rev() {
        match field.strip_prefix('~') {
            Some(field) => {
                operations.sort_by_key(|operation| std::cmp::Reverse(text(operation, field)))
            }
            None => operations.sort_by_key(|operation| text(operation, field)),
        }
    }
}

/// Returns the name of the location in a full name, such as `projects/p/locations/l` of `projects/p/locations/l/apis/a`.
fn location_of(name: &str) -> Option<&str> {
    let mut parts = name.split('/');
    let is_full = parts.next() == Some("projects") && parts.nth(1) == Some("locations");
    let end = name.match_indices('/').nth(3)?.0;
    is_full.then(|| &name[..end])
}

/// An operation that was waited for.
struct Waited {
    name: String,
    /// The result, or the reason for its absence.
    result: Result<Value, Failure>,
}

impl Selection {
    /// Returns the names of the operations: the given ones, or those that run.
    async fn names(&self, context: &Context, client: &ApiGateway) -> Result<Vec<String>, Failure> {
        if !self.running && self.target.is_none() {
            return self.names.some(context);
        }
        let mut names = self.names.full(context)?;
        let location = context
            .settings
            .location(self.names.location.as_deref())
            .value;
        let parent = match self.target.as_deref().and_then(location_of) {
            // The operations of a resource are in its location.
            Some(parent) if location.is_none() => parent.to_owned(),
            _ => resource::location(context, location.as_deref().unwrap_or("-"))?,
        };
        let keep = |operation: &Value| {
            let target = operation
                .pointer("/metadata/target")
                .and_then(Value::as_str);
            operation.get("done") != Some(&Value::Bool(true))
                && self
                    .target
                    .as_deref()
                    .is_none_or(|wanted| target == Some(wanted))
        };
        let (running, _) = ListFlags::default()
            .read(client.list_operations(parent), keep)
            .await?;
        names.extend(
            running
                .iter()
                .filter_map(|operation| operation.get("name")?.as_str().map(str::to_owned)),
        );
        Ok(names)
    }

    /// Waits for all operations or for any one of them.
    async fn wait(
        &self,
        context: &Context,
        client: &ApiGateway,
        names: &[String],
    ) -> Result<Vec<Waited>, Failure> {
        let mut waits: FuturesUnordered<_> = names
            .iter()
            .map(|name| wait_for(context, client, name, &self.limits))
            .collect();
        let mut ended = Vec::new();
        while let Some(waited) = waits.next().await {
            ended.push(waited);
            if self.until == Until::Any {
                break;
            }
        }
        Ok(ended)
    }

    /// Returns true if the command line names exactly one operation.
    fn is_single(&self) -> bool {
        self.names.names.len() == 1 && !self.running && self.target.is_none()
    }

    /// Returns one exit code for all operations.
    fn exit(&self, ended: &[Waited]) -> Exit {
        let exits = ended.iter().map(|waited| {
            waited
                .result
                .as_ref()
                .err()
                .map_or(Exit::Success, Failure::exit)
        });
        match Exit::of_many(exits) {
            Exit::OperationFailed | Exit::Cancelled if self.no_exit_status => Exit::Success,
            exit => exit,
        }
    }
}

async fn wait_for(context: &Context, client: &ApiGateway, name: &str, limits: &Limits) -> Waited {
    let title = |_: &str| format!("Waiting for Operation [{name}] to complete");
    Waited {
        name: name.to_owned(),
        result: follow_any(context, client, name, limits, title).await,
    }
}

impl Wait {
    async fn run(self, context: &Context) -> CommandResult {
        let client = context.client()?;
        let names = self.selection.names(context, &client).await?;
        let reporter = context.reporter();
        let wait = self.selection.wait(context, &client, &names);
        let mut ended = unless_interrupted(reporter, wait).await?;
        let exit = self.selection.exit(&ended);
        // The results are printed in the order of the names, not in the order in which the operations ended.
        ended.sort_by_key(|waited| names.iter().position(|name| *name == waited.name));
        let mut results = Vec::new();
        for waited in ended {
            match waited.result {
                Ok(result) => {
                    results.push(result);
                    context.note(&format!(
                        "Operation completed successfully. Use the following command for more details:\n\n\
                         apigw operations describe {}\n",
                        waited.name
                    ));
                }
                Err(failure) => context.report(&failure),
            }
        }
        if self.result {
            match &results[..] {
                [result] if self.selection.is_single() => context.print(result)?,
                [] if self.selection.is_single() => {}
                results => context.print_all(results)?,
            }
        }
        Ok(exit)
    }
}

impl Watch {
    async fn run(self, context: &Context) -> CommandResult {
        let client = context.client()?;
        let names = self.selection.names(context, &client).await?;
        let heartbeat = self.heartbeat.max(Duration::from_millis(100));
        let reporter = context.event_reporter(self.full, heartbeat);
        let wait = self.selection.wait(context, &client, &names);
        let ended = unless_interrupted(reporter, wait).await?;
        reporter.written()?;
        Ok(self.selection.exit(&ended))
    }
}

impl Cancel {
    async fn run(self, context: &Context) -> CommandResult {
        let names = self.names.some(context)?;
        for name in &names {
            context.confirm(&format!("The operation [{name}] will be cancelled."))?;
        }
        let client = context.client()?;
        let mut exits = Vec::new();
        for name in &names {
            let ended = match self.wait {
                true => self.cancel_and_wait(context, &client, name).await,
                false => self.request(context, &client, name).await,
            };
            exits.push(ended.unwrap_or_else(|failure| {
                context.report(&failure);
                failure.exit()
            }));
        }
        Ok(Exit::of_many(exits))
    }

    async fn request(&self, context: &Context, client: &ApiGateway, name: &str) -> CommandResult {
        client.cancel_operation(name).await?;
        context.note_async("Operation cancellation requested", name);
        Ok(Exit::Success)
    }

    async fn cancel_and_wait(
        &self,
        context: &Context,
        client: &ApiGateway,
        name: &str,
    ) -> CommandResult {
        let reporter = context.reporter();
        let mut operation = client.operation::<()>(name)?;
        let known: Snapshot = operation.poll().await?.clone();
        let waiting = reporter.begin(
            &format!("Waiting for Operation [{name}] to be cancelled"),
            &known,
        );
        let mut operation = self.limits.schedule(operation)?;
        let cancelled =
            unless_interrupted(reporter, async { Ok(operation.cancel().await) }).await?;
        let (outcome, exit) = match &cancelled {
            Ok(Cancellation::Cancelled(_)) => ("cancelled", Exit::Success),
            Ok(Cancellation::CompletedAnyway(())) => ("succeeded", Exit::CompletedAnyway),
            Ok(Cancellation::Failed(_)) => ("failed", Exit::OperationFailed),
            Err(error)
                if matches!(
                    error.kind(),
                    OperationErrorKind::WrongResult { .. }
                        | OperationErrorKind::MalformedResult { .. }
                ) =>
            {
                ("succeeded", Exit::CompletedAnyway)
            }
            Err(error) if error.may_still_run() => ("running", Exit::TimedOut),
            _ => ("unknown", Exit::Failure),
        };
        waiting.end(&crate::progress::End {
            outcome,
            snapshot: Some(operation.snapshot()),
            message: String::new(),
            polls: None,
        });
        match cancelled {
            Ok(Cancellation::Unsupported) => {
                Err(format!("the service does not cancel operations; {name} continues").into())
            }
            Err(error) if exit == Exit::Failure || exit == Exit::TimedOut => Err(error.into()),
            _ => Ok(exit),
        }
    }
}

impl Delete {
    async fn run(self, context: &Context) -> CommandResult {
        let names = self.names.some(context)?;
        context.confirm(&format!(
            "The records of these operations will be deleted; their work continues:\n  {}",
            names.join("\n  ")
        ))?;
        let client = context.client()?;
        let mut exits = Vec::new();
        for name in &names {
            match client.delete_operation(name).await {
                Ok(()) => context.note(&format!("Deleted the record of operation [{name}].")),
                Err(error) => {
                    let failure = Failure::from(error);
                    context.report(&failure);
                    exits.push(failure.exit());
                }
            }
        }
        Ok(Exit::of_many(exits))
    }
}
