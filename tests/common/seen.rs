//! Records everything that a client emits, to search it for secrets.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

/// Everything that was logged, and every text that a test adds.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<String>>);

impl io::Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Seen {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Seen {
    pub(crate) fn add(&self, text: &str) {
        self.0.lock().expect("not poisoned").push_str(text);
    }

    /// Adds all texts of an error.
    pub(crate) fn add_error(&self, error: &(dyn std::error::Error + 'static)) {
        let mut text = String::new();
        let chain = std::iter::successors(Some(error), |error| error.source());
        // The source chain of an `Error` skips causes whose text the error contains. The chain of its status has all causes.
        let status = error.downcast_ref::<apigateway_grpc::Error>();
        let status = status.and_then(apigateway_grpc::Error::status);
        let causes = std::iter::successors(status.and_then(std::error::Error::source), |error| {
            error.source()
        });
        for error in chain.chain(causes) {
            writeln!(text, "{error}\n{error:?}\n{error:#?}").expect("a string accepts any text");
        }
        self.add(&text);
    }

    /// Captures the logs of this thread, of all crates and levels, until the guards are dropped.
    pub(crate) fn capture(&self) -> (tracing::Dispatch, tracing::subscriber::DefaultGuard) {
        // With a second subscriber, `tracing` asks all subscribers whether an event is enabled. With a single one, the first
        // thread that reaches the event decides for all threads, and it may be the thread of another test, without a subscriber.
        let second = tracing::Dispatch::new(tracing_subscriber::registry());
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
            .with_writer(self.clone())
            .finish();
        (second, tracing::subscriber::set_default(subscriber))
    }

    /// Returns the first captured line that contains the secret. If the text `control` was not captured, returns an error text:
    /// the search for the secret would prove nothing.
    pub(crate) fn leak(&self, secret: &str, control: &str) -> Option<String> {
        let text = self.0.lock().expect("not poisoned");
        if !text.contains(control) {
            return Some(format!("`{control}` was not captured: {text}"));
        }
        let line = text.lines().find(|line| line.contains(secret));
        line.map(|line| format!("a secret was shown: {line}"))
    }
}
