//! The signals that end a wait.

use crate::exit::Exit;

/// Resolves at a signal to end the process, with its exit code.
#[cfg(unix)]
pub(crate) async fn received() -> Exit {
    use tokio::signal::unix::{SignalKind, signal};

    let (interrupt, terminate) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    );
    let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
        // Without handlers, the system ends the process itself.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => Exit::Interrupted,
        _ = terminate.recv() => Exit::Terminated,
    }
}

/// Resolves at a signal to end the process, with its exit code.
#[cfg(not(unix))]
pub(crate) async fn received() -> Exit {
    match tokio::signal::ctrl_c().await {
        Ok(()) => Exit::Interrupted,
        Err(_) => std::future::pending().await,
    }
}
