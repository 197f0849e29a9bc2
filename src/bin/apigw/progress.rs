//! Shows a wait: as a spinner, as lines, as events in JSON, or not at all.
//!
//! Progress goes to standard error. The events of `operations watch` are data, and go to standard output.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{ErrorKind, IsTerminal as _};
use std::time::{Duration, Instant, SystemTime};

use apigateway_grpc::operation::{Metadata, Snapshot};
use apigateway_grpc::proto::google::longrunning::Operation as Message;
use apigateway_grpc::tonic::Code;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::config::{Color, Flags, Progress};
use crate::exit::Exit;
use crate::failure::{Failure, code_name};
use crate::output;
use crate::retries::Retry;

/// Time without a change after which a line is printed.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// Shows the waits of this run.
pub(crate) struct Reporter {
    mode: Mode,
    heartbeat: Duration,
    started: Instant,
    running: RefCell<Vec<String>>,
    outcomes: RefCell<BTreeMap<&'static str, u32>>,
    is_summarised: Cell<bool>,
    /// The first error of writing events as data.
    write_error: RefCell<Option<Failure>>,
    /// Notified by a write to a closed pipe.
    pipe_closed: Notify,
}

enum Mode {
    Spinner(MultiProgress, bool),
    Lines,
    Silent,
    Events(Events),
}

/// The output of events, and whether they include whole snapshots.
#[derive(Clone, Copy)]
struct Events {
    is_data: bool,
    is_full: bool,
}

/// One operation that is waited for.
pub(crate) struct Waiting<'a> {
    reporter: &'a Reporter,
    name: String,
    title: String,
    spinner: Option<ProgressBar>,
    seen: Map<String, Value>,
    started: Instant,
}

/// The end of an operation, for events and for lines.
pub(crate) struct End<'a> {
    pub(crate) outcome: &'static str,
    pub(crate) snapshot: Option<&'a Snapshot>,
    pub(crate) message: String,
    /// The number of polls, if the error of the wait has it.
    pub(crate) polls: Option<u32>,
}

impl Reporter {
    pub(crate) fn new(flags: &Flags, is_verbose: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let mode = match flags.progress {
            _ if !is_verbose => Mode::Silent,
            Progress::None => Mode::Silent,
            Progress::Json => Mode::Events(Events {
                is_data: false,
                is_full: false,
            }),
            Progress::Auto if !is_terminal => Mode::Lines,
            Progress::Plain => Mode::Lines,
            Progress::Auto | Progress::Tty => {
                Mode::Spinner(MultiProgress::new(), has_color(flags.color))
            }
        };
        Self::of(mode, HEARTBEAT)
    }

    /// Prints events as data, for `operations watch`.
    pub(crate) fn events(is_full: bool, heartbeat: Duration) -> Self {
        Self::of(
            Mode::Events(Events {
                is_data: true,
                is_full,
            }),
            heartbeat,
        )
    }

    fn of(mode: Mode, heartbeat: Duration) -> Self {
        let reporter = Self {
            mode,
            heartbeat,
            started: Instant::now(),
            running: RefCell::default(),
            outcomes: RefCell::default(),
            is_summarised: Cell::new(false),
            write_error: RefCell::default(),
            pipe_closed: Notify::new(),
        };
        reporter.event(
            &json!({"type": "version", "format": "1.0", "apigw": env!("CARGO_PKG_VERSION")}),
        );
        reporter
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    /// Begins to show a wait.
    pub(crate) fn begin(&self, title: &str, snapshot: &Snapshot) -> Waiting<'_> {
        let spinner = match &self.mode {
            Mode::Spinner(all, has_color) => {
                let template = if *has_color {
                    "{msg} {spinner:.cyan} {elapsed}"
                } else {
                    "{msg} {spinner} {elapsed}"
                };
                let style = ProgressStyle::with_template(template)
                    .unwrap_or_else(|_| ProgressStyle::default_spinner());
                let spinner = all.add(ProgressBar::new_spinner().with_style(style));
                spinner.set_message(output::one_line(&format!("{title}...")));
                spinner.enable_steady_tick(Duration::from_millis(200));
                Some(spinner)
            }
            Mode::Lines => {
                output::note(&output::one_line(&format!("{title}...")));
                None
            }
            Mode::Silent | Mode::Events(_) => None,
        };
        self.running.borrow_mut().push(snapshot.name().to_owned());
        let metadata = snapshot.metadata();
        let verb = match &metadata {
            Metadata::Known(metadata) => metadata.verb.clone(),
            _ => String::new(),
        };
        self.event(&json!({
            "type": "started", "at": now(), "operation": snapshot.name(),
            "verb": verb, "target": snapshot.target(), "done": snapshot.is_done(),
        }));
        Waiting {
            reporter: self,
            name: snapshot.name().to_owned(),
            title: output::one_line(title),
            spinner,
            seen: members(snapshot),
            started: Instant::now(),
        }
    }

    /// Reports an operation that could not be read, and so was not waited for.
    pub(crate) fn unread(&self, name: &str, message: &str) {
        self.count("unknown");
        self.event(&json!({
            "type": "ended", "at": now(), "operation": name, "outcome": "unknown", "error": {"message": message},
        }));
    }

    /// Reports that a signal ended the wait, and how to continue it.
    pub(crate) fn interrupted(&self) {
        for name in self.running.take() {
            self.event(&json!({
                "type": "interrupted", "at": now(), "operation": name, "elapsed": seconds(self.started.elapsed()),
                "still_running": true, "resume": format!("apigw operations wait {name}"),
            }));
            self.count("running");
            if let Mode::Spinner(all, _) = &self.mode {
                all.clear().ok();
            }
            if !matches!(self.mode, Mode::Events(_)) && !name.is_empty() {
                let name = output::one_line(&name);
                output::note(&format!(
                    "Aborting wait for operation {name}.\nThe operation continues. Wait for it with:\n\napigw operations wait {name}\n"
                ));
            }
        }
    }

    /// Prints the last event: the number of operations by outcome.
    pub(crate) fn summary(&self, exit: Exit) {
        if self.is_summarised.replace(true) {
            return;
        }
        self.event(&json!({"type": "summary", "at": now(), "outcomes": *self.outcomes.borrow(), "exit_code": exit as u8}));
    }

    fn count(&self, outcome: &'static str) {
        *self.outcomes.borrow_mut().entry(outcome).or_default() += 1;
    }

    fn event(&self, event: &Value) {
        let Mode::Events(events) = &self.mode else {
            return;
        };
        let line = output::escaped_json(&event.to_string());
        match events.is_data {
            true => match output::write_out(&format!("{line}\n")) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    self.pipe_closed.notify_one()
                }
                Err(error) => {
                    let failure = output::write_failure(&error);
                    self.write_error.borrow_mut().get_or_insert(failure);
                }
            },
            false => output::note(&line),
        }
    }

    /// Returns the error of writing events as data, if there was one.
    pub(crate) fn written(&self) -> Result<(), Failure> {
        self.write_error.take().map_or(Ok(()), Err)
    }

    /// Resolves when the reader of the events closes the pipe. Never resolves if the events do not go to standard output.
    pub(crate) async fn closed(&self) {
        match self.mode {
            Mode::Events(Events { is_data: true, .. }) => tokio::select! {
                () = output::closed() => {}
                () = self.pipe_closed.notified() => {}
            },
            _ => std::future::pending().await,
        }
    }

    /// Prints an error of the command as an event.
    pub(crate) fn error(&self, failure: &Failure) {
        if matches!(failure, Failure::Exit(_)) {
            return;
        }
        self.event(&json!({
            "type": "error", "at": now(), "message": failure.to_string(), "hint": failure.hint(),
            "code": failure.code().map(|code| code as i32), "status": failure.code().map(code_name),
            "exit_code": failure.exit() as u8,
        }));
    }
}

impl Waiting<'_> {
    /// Shows the changes since the last snapshot.
    pub(crate) fn changed(&mut self, snapshot: &Snapshot) {
        let now_seen = members(snapshot);
        if now_seen.is_empty() || now_seen == self.seen {
            return;
        }
        let differs = now_seen
            .iter()
            .filter(|(key, value)| self.seen.get(*key) != Some(*value));
        let differs: Map<String, Value> = differs
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        self.seen = now_seen;
        let mut event =
            json!({"type": "changed", "at": now(), "operation": self.name, "metadata": differs});
        if let Mode::Events(Events { is_full: true, .. }) = self.reporter.mode {
            event["snapshot"] = output::json::<Message>(snapshot.raw()).unwrap_or_default();
        }
        self.reporter.event(&event);
        let texts: Vec<String> = differs
            .iter()
            .filter_map(|(key, value)| described(key, value))
            .collect();
        if texts.is_empty() {
            return;
        }
        match (&self.spinner, &self.reporter.mode) {
            (Some(spinner), _) => spinner.set_message(output::one_line(&format!(
                "{}... {}",
                self.title,
                texts.join("; ")
            ))),
            (None, Mode::Lines) => output::note(&output::one_line(&format!(
                "{}... {} ({})",
                self.title,
                texts.join("; "),
                self.elapsed()
            ))),
            _ => {}
        }
    }

    /// Shows that a failed poll was retried.
    pub(crate) fn retried(&self, retry: &Retry) {
        self.reporter.event(&json!({
            "type": "retrying", "at": now(), "operation": self.name, "code": code_name(retry.code),
            "message": retry.message, "delay": seconds(retry.delay),
        }));
    }

    /// Shows that the wait continues without changes.
    pub(crate) fn heartbeat(&self) {
        let elapsed = seconds(self.started.elapsed());
        self.reporter.event(
            &json!({"type": "heartbeat", "at": now(), "operation": self.name, "elapsed": elapsed}),
        );
        if matches!(self.reporter.mode, Mode::Lines) {
            output::note(&format!(
                "{}... still waiting ({})",
                self.title,
                self.elapsed()
            ));
        }
    }

    /// Shows the end.
    pub(crate) fn end(self, end: &End<'_>) {
        self.reporter
            .running
            .borrow_mut()
            .retain(|name| *name != self.name);
        self.reporter.count(end.outcome);
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        let word = match end.outcome {
            "succeeded" => "done",
            "running" => "timed out",
            other => other,
        };
        match self.reporter.mode {
            Mode::Spinner(..) => output::note(&format!("{}...{word}.", self.title)),
            Mode::Lines => output::note(&format!("{}... {word} ({}).", self.title, self.elapsed())),
            Mode::Silent => {}
            Mode::Events(_) => self.ended_event(end),
        }
    }

    fn ended_event(&self, end: &End<'_>) {
        let elapsed = seconds(self.started.elapsed());
        if end.outcome == "running" {
            self.reporter.event(&json!({
                "type": "timeout", "at": now(), "operation": self.name, "elapsed": elapsed, "still_running": true,
                "polls": end.polls, "message": end.message, "resume": format!("apigw operations wait {}", self.name),
            }));
            return;
        }
        let raw = end
            .snapshot
            .and_then(|snapshot| output::json::<Message>(snapshot.raw()).ok())
            .unwrap_or_default();
        let mut event = json!({
            "type": "ended", "at": now(), "operation": self.name, "outcome": end.outcome, "elapsed": elapsed,
        });
        if let Some(polls) = end.polls {
            event["polls"] = polls.into();
        }
        if let Some(response) = raw.get("response") {
            event["response"] = response.clone();
        }
        match raw.get("error") {
            Some(error) => {
                event["error"] = error.clone();
                let code = error
                    .get("code")
                    .and_then(Value::as_i64)
                    .and_then(|code| i32::try_from(code).ok());
                let name = code.map(|code| code_name(Code::from_i32(code)));
                event["error"]["status"] = name.into();
            }
            None if end.outcome != "succeeded" => event["error"] = json!({"message": end.message}),
            None => {}
        }
        if let Some(diagnostics) = raw.pointer("/metadata/diagnostics") {
            event["diagnostics"] = diagnostics.clone();
        }
        self.reporter.event(&event);
    }

    fn elapsed(&self) -> String {
        format!("{}s", self.started.elapsed().as_secs())
    }
}

/// Returns the parts of a snapshot that are compared: the metadata without its type, and `done` if the operation is done.
fn members(snapshot: &Snapshot) -> Map<String, Value> {
    let raw = output::json::<Message>(snapshot.raw()).unwrap_or_default();
    let mut members = match raw.get("metadata") {
        Some(Value::Object(metadata)) => metadata.clone(),
        _ => Map::new(),
    };
    members.remove("@type");
    if snapshot.is_done() {
        members.insert("done".to_owned(), true.into());
    }
    members
}

/// Returns the text of a change, or `None` for a change that the end reports anyway.
fn described(key: &str, value: &Value) -> Option<String> {
    match (key, value) {
        ("statusMessage", Value::String(text)) => Some(text.clone()),
        ("requestedCancellation", Value::Bool(true)) => Some("cancellation requested".to_owned()),
        ("diagnostics", Value::Array(items)) => Some(format!("{} diagnostics", items.len())),
        _ => None,
    }
}

/// Returns true if standard error is coloured. `NO_COLOR` and `TERM=dumb` disable colour, `CLICOLOR_FORCE` enables it.
pub(crate) fn has_color(color: Color) -> bool {
    let is_set =
        |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if is_set("NO_COLOR") => false,
        Color::Auto if is_set("CLICOLOR_FORCE") => true,
        Color::Auto => {
            std::io::stderr().is_terminal()
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// Returns a duration in seconds, rounded to milliseconds.
fn seconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}
