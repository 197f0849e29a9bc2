//! Waits for one or more operations.

use std::time::{Duration, Instant};

use apigateway_grpc::ApiGateway;
use apigateway_grpc::operation::{
    Operation, OperationError, OperationErrorKind, OperationResult, Schedule, Snapshot,
};
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};
use apigateway_grpc::proto::google::longrunning::Operation as Message;
use clap::Args;
use serde_json::Value;

use crate::client::duration;
use crate::context::{CommandResult, Context};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::progress::{End, Reporter};
use crate::signal;

/// The flags of every command that starts an operation.
#[derive(Clone, Debug, Args)]
pub(crate) struct StartFlags {
    /// Return at once, without waiting for the operation to complete.
    #[arg(long = "async")]
    is_async: bool,
    #[command(flatten)]
    limits: Limits,
}

/// The flags of every wait.
#[derive(Clone, Debug, Args)]
pub(crate) struct Limits {
    /// Time to wait, such as 90s or 10m; 0 means no limit.
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Request the cancellation of an operation when the wait times out.
    #[arg(long)]
    pub(crate) cancel_on_timeout: bool,
}

impl Limits {
    /// Returns the operation with a schedule for a person at a terminal, limited by the timeout of the flags. The first
    /// poll is after half a second; that of gcloud is after one second.
    pub(crate) fn schedule<R: OperationResult>(
        &self,
        operation: Operation<R>,
    ) -> Result<Operation<R>, Failure> {
        let total = if self.timeout.is_zero() {
            Duration::MAX
        } else {
            self.timeout
        };
        let schedule = Schedule::default()
            .delays(Duration::from_millis(500), 1.5, Duration::from_secs(15))?
            .total_timeout(total);
        let operation = operation.with_schedule(schedule);
        Ok(match self.cancel_on_timeout {
            true => operation.cancel_on_timeout(),
            false => operation,
        })
    }
}

/// Pause before a retry of a step that another operation delays.
const BUSY_PAUSE: Duration = Duration::from_secs(3);

/// The time limit of a command of several steps. It covers all waits and pauses of the command.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    started: Instant,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            started: Instant::now(),
        }
    }

    /// Returns the limits of the next wait: its timeout is the remaining time.
    ///
    /// # Errors
    ///
    /// If no time remains. The exit code is 124.
    pub(crate) fn remaining(&self) -> Result<Limits, Failure> {
        let total = self.limits.timeout;
        let timeout = total.saturating_sub(self.started.elapsed());
        match timeout.is_zero() && !total.is_zero() {
            true => Err(Failure::TimedOut(total)),
            false => Ok(Limits {
                timeout,
                ..self.limits.clone()
            }),
        }
    }

    /// Pauses before a step is tried again.
    ///
    /// # Errors
    ///
    /// If no time remains.
    pub(crate) async fn pause(&self) -> Result<(), Failure> {
        let timeout = self.remaining()?.timeout;
        let pause = match timeout.is_zero() {
            true => BUSY_PAUSE,
            false => BUSY_PAUSE.min(timeout),
        };
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Waits for one operation and shows its progress.
pub(crate) async fn follow<R: OperationResult>(
    context: &Context,
    title: &str,
    known: &Snapshot,
    operation: Operation<R>,
    limits: &Limits,
) -> Result<Result<R, OperationError>, Failure> {
    let reporter = context.reporter();
    let mut waiting = reporter.begin(title, known);
    let mut watch = limits.schedule(operation)?.watch();
    let mut latest = known.clone();
    loop {
        tokio::select! {
            snapshot = watch.next() => match snapshot {
                Some(snapshot) => {
                    waiting.changed(&snapshot);
                    latest = snapshot;
                }
                None => break,
            },
            retry = context.retries.next(known.name()) => waiting.retried(&retry),
            () = tokio::time::sleep(reporter.heartbeat()) => waiting.heartbeat(),
        }
    }
    let result = watch.result().await;
    let end = match &result {
        Ok(_) => End {
            outcome: "succeeded",
            snapshot: Some(&latest),
            message: String::new(),
            polls: None,
        },
        Err(error) => End {
            outcome: outcome(error),
            snapshot: Some(error.snapshot()),
            message: error.to_string(),
            polls: Some(error.polls()),
        },
    };
    waiting.end(&end);
    Ok(result)
}

/// Waits for the operation with this name, whatever its result is, and shows its progress. Returns the result as JSON.
///
/// The operation is read first, for the type of its result. `title` returns the title of the progress for the verb of the
/// operation.
pub(crate) async fn follow_any(
    context: &Context,
    client: &ApiGateway,
    name: &str,
    limits: &Limits,
    title: impl Fn(&str) -> String,
) -> Result<Value, Failure> {
    let mut operation = client.operation::<()>(name)?;
    let known = match operation.poll().await {
        Ok(snapshot) => snapshot.clone(),
        Err(error) => {
            context.reporter().unread(name, &error.to_string());
            return Err(error.into());
        }
    };
    let raw = output::json::<Message>(known.raw())?;
    let verb = raw
        .pointer("/metadata/verb")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let title = title(verb);
    let target = known.target().unwrap_or_default();
    macro_rules! of {
        ($result:ty) => {{
            let operation = client.operation::<$result>(name)?;
            match follow(context, &title, &known, operation, limits).await? {
                Ok(result) => output::json(&result),
                Err(error) => other_result(error),
            }
        }};
    }
    match target.rsplit('/').nth(1) {
        _ if verb == "delete" => of!(()),
        Some("gateways") => of!(Gateway),
        Some("configs") => of!(ApiConfig),
        Some("apis") => of!(Api),
        _ => of!(()),
    }
}

/// Returns the response even if it has another type than expected, since the expected type was only inferred from the
/// target. Returns any other error unchanged.
fn other_result(error: OperationError) -> Result<Value, Failure> {
    match error.kind() {
        OperationErrorKind::WrongResult { found, .. } => output::json(found),
        _ => Err(error.into()),
    }
}

fn outcome(error: &OperationError) -> &'static str {
    match error.kind() {
        OperationErrorKind::Failed(_) => "failed",
        OperationErrorKind::Cancelled(_) => "cancelled",
        OperationErrorKind::Expired => "expired",
        OperationErrorKind::TimedOut { .. } if error.may_still_run() => "running",
        _ => "unknown",
    }
}

/// Runs a wait until it ends, a signal arrives, or the reader of the events closes the pipe.
pub(crate) async fn unless_interrupted<T>(
    reporter: &Reporter,
    wait: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    // Signals are handled before the wait prints its first line, so that a signal after this line is always reported.
    let signal = signal::received();
    tokio::select! {
        ended = wait => ended,
        exit = signal => {
            reporter.interrupted();
            reporter.summary(exit);
            Err(Failure::Exit(exit))
        }
        // The reader of the events has gone, so the wait has no purpose any more.
        () = reporter.closed() => Err(Failure::Exit(Exit::Success)),
    }
}

impl Context {
    /// Waits for an operation that was just started. Returns its result.
    ///
    /// # Errors
    ///
    /// If the operation fails or is cancelled, or the wait times out.
    pub(crate) async fn wait<R: OperationResult>(
        &self,
        operation: Operation<R>,
        title: &str,
        limits: &Limits,
    ) -> Result<R, Failure> {
        let known = operation.snapshot().clone();
        let wait = follow(self, title, &known, operation, limits);
        let ended = unless_interrupted(self.reporter(), wait).await?;
        ended.map_err(Failure::from)
    }

    /// Ends a command that started an operation. Waits for the operation, and prints its result if a format is set. With
    /// `--async`, prints the command that waits for it.
    pub(crate) async fn finish<R: OperationResult + prost::Name>(
        &self,
        flags: &StartFlags,
        title: &str,
        operation: Operation<R>,
    ) -> CommandResult {
        if flags.is_async {
            self.note_async("Asynchronous operation is in progress", operation.name());
            self.print_if_formatted(&output::json(operation.snapshot().raw())?)?;
            return Ok(Exit::Success);
        }
        let result = self.wait(operation, title, &flags.limits).await?;
        let mut json = output::json(&result)?;
        if R::full_name() == <() as prost::Name>::full_name() {
            // gcloud prints the response of a delete with the `@type` that it has in the operation.
            json["@type"] = <() as prost::Name>::type_url().into();
        }
        self.print_if_formatted(&json)?;
        Ok(Exit::Success)
    }

    /// Prints the command that waits for an operation.
    pub(crate) fn note_async(&self, what: &str, name: &str) {
        self.note(&format!(
            "{what}. Use the following command to wait for its completion:\n\napigw operations wait {name}\n"
        ));
    }
}

impl StartFlags {
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }
}
