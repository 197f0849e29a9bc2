//! The signals that end a wait, or a command between two waits.

use tokio::sync::Notify;

use crate::exit::Exit;

/// Notified by the first wait. From then on, a signal no longer ends the process by itself.
static HANDLED: Notify = Notify::const_new();

/// Resolves at a signal after the first wait of the process. Before the first wait, a signal ends the process by itself.
pub(crate) async fn after_a_wait() -> Exit {
    HANDLED.notified().await;
    received().await
}

/// Handles signals from now on. The future resolves at a signal to end the process, with its exit code.
#[cfg(unix)]
pub(crate) fn received() -> impl Future<Output = Exit> {
    use tokio::signal::unix::{SignalKind, signal};

    let interrupt = signal(SignalKind::interrupt());
    let terminate = signal(SignalKind::terminate());
    async {
        let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
            // Without handlers, the system ends the process itself.
            return std::future::pending().await;
        };
        HANDLED.notify_one();
        tokio::select! {
            _ = interrupt.recv() => Exit::Interrupted,
            _ = terminate.recv() => Exit::Terminated,
        }
    }
}

/// Resolves at a signal to end the process, with its exit code.
#[cfg(not(unix))]
pub(crate) async fn received() -> Exit {
    HANDLED.notify_one();
    match tokio::signal::ctrl_c().await {
        Ok(()) => Exit::Interrupted,
        Err(_) => std::future::pending().await,
    }
}
