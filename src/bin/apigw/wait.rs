//! Waits for one or more operations.

use std::time::Duration;

use apigateway_grpc::operation::{
    Operation, OperationError, OperationErrorKind, OperationResult, Schedule, Snapshot,
};
use clap::Args;

use crate::client::duration;
use crate::context::{Context, Ended};
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

/// Waits for one operation and shows its progress.
pub(crate) async fn follow<R: OperationResult>(
    reporter: &Reporter,
    title: &str,
    known: &Snapshot,
    operation: Operation<R>,
    limits: &Limits,
) -> Result<Result<R, OperationError>, Failure> {
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
            () = tokio::time::sleep(reporter.heartbeat()) => waiting.heartbeat(),
        }
    }
    let result = watch.result().await;
    let end = match &result {
        Ok(_) => End {
            outcome: "succeeded",
            snapshot: Some(&latest),
            may_still_run: false,
            message: String::new(),
            polls: None,
        },
        Err(error) => End {
            outcome: outcome(error),
            snapshot: Some(error.snapshot()),
            may_still_run: error.may_still_run(),
            message: error.to_string(),
            polls: Some(error.polls()),
        },
    };
    waiting.end(&end);
    Ok(result)
}

fn outcome(error: &OperationError) -> &'static str {
    match error.kind() {
        OperationErrorKind::Failed(_) => "failed",
        OperationErrorKind::Cancelled(_) => "cancelled",
        OperationErrorKind::Expired => "expired",
        OperationErrorKind::TimedOut { .. } => "running",
        _ => "unknown",
    }
}

/// Runs a wait until it ends or a signal arrives.
pub(crate) async fn unless_interrupted<T>(
    reporter: &Reporter,
    wait: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        ended = wait => ended,
        exit = signal::received() => {
            reporter.interrupted();
            reporter.summary(exit);
            Err(Failure::Exit(exit))
        }
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
        let reporter = Reporter::new(&self.settings.flags, self.is_verbose);
        let known = operation.snapshot().clone();
        let wait = follow(&reporter, title, &known, operation, limits);
        let ended = unless_interrupted(&reporter, wait)
            .await?
            .map_err(Failure::from);
        reporter.summary(ended.as_ref().err().map_or(Exit::Success, Failure::exit));
        ended
    }

    /// Ends a command that started an operation. Waits for the operation, and prints its result if a format is set. With
    /// `--async`, prints the command that waits for it.
    pub(crate) async fn finish<R: OperationResult + prost::Name>(
        &self,
        flags: &StartFlags,
        title: &str,
        operation: Operation<R>,
    ) -> Ended {
        if flags.is_async {
            self.note_async("Asynchronous operation is in progress", operation.name());
            self.print_if_asked(&output::json(operation.snapshot().raw())?)?;
            return Ok(Exit::Success);
        }
        let result = self.wait(operation, title, &flags.limits).await?;
        let mut json = output::json(&result)?;
        if R::full_name() == <() as prost::Name>::full_name() {
            // gcloud prints the response of a delete as the operation has it.
            json["@type"] = <() as prost::Name>::type_url().into();
        }
        self.print_if_asked(&json)?;
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
