//! The names of errors, and the number of panics, for the report of a run.

use std::cell::Cell;
use std::sync::Once;

use apigateway_grpc::Error;

/// Returns the name of an error's code, for the reports.
pub(crate) fn code(error: &Error) -> String {
    let code = error.code().map(|code| format!("{code:?}"));
    code.unwrap_or_else(|| "no code".into())
}

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Returns the number of panics of this thread so far. Tokio does not report panics of its tasks, so a panic hook counts
/// them. The first call installs it.
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
