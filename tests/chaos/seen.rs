//! Everything that a client emits, to be searched for what must not be in it.

use std::cell::Cell;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, Once};

use apigateway_grpc::Error;
use tracing_subscriber::fmt::MakeWriter;

use crate::source::SECRET;

/// What was logged, and the texts of errors.
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
        self.0.lock().expect("whole").push_str(text);
    }

    /// All that an error can be made to say.
    pub(crate) fn add_error(&self, error: &(dyn std::error::Error + 'static)) {
        let mut text = String::new();
        let chain = std::iter::successors(Some(error), |error| error.source());
        for error in chain {
            writeln!(text, "{error}\n{error:?}\n{error:#?}").expect("a string takes it all");
        }
        self.add(&text);
    }

    /// Logs of this thread, to the last detail of any crate, until the guard is dropped.
    pub(crate) fn capture(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    /// The first line with a secret in it, and whether anything was captured at all.
    pub(crate) fn leak(&self) -> Option<String> {
        let text = self.0.lock().expect("whole");
        if !text.contains("hyper") {
            return Some("nothing was captured".into());
        }
        let line = text.lines().find(|line| line.contains(SECRET));
        line.map(|line| format!("a secret was shown: {line}"))
    }
}

/// What an error is called by in the reports.
pub(crate) fn code(error: &Error) -> String {
    let code = error.code().map(|code| format!("{code:?}"));
    code.unwrap_or_else(|| "no code".into())
}

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// How many panics this thread has seen. The first call begins to count: tokio keeps those of its tasks
/// to itself.
pub(crate) fn panics() -> usize {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.with(|panics| panics.set(panics.get() + 1));
            before(panic);
        }));
    });
    PANICS.with(Cell::get)
}
