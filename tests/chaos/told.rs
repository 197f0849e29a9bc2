//! What a run shows of itself: the names of errors, and panics.

use std::cell::Cell;
use std::sync::Once;

use apigateway_grpc::Error;

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
