//! The signals that end a wait, or a command between two waits.

use std::sync::{LazyLock, Once};

use tokio::sync::watch;

use crate::exit::Exit;

/// The exit code of the signal that the process received. It is kept, so that no signal is lost between two waits.
static RECEIVED: LazyLock<watch::Sender<Option<Exit>>> = LazyLock::new(|| watch::Sender::new(None));

/// Resolves at a signal after the first wait of the process. Before the first wait, a signal ends the process by itself.
pub(crate) async fn after_a_wait() -> Exit {
    let mut exits = RECEIVED.subscribe();
    let exit = exits.wait_for(Option::is_some).await;
    // The sender is static, so the channel does not close.
    match exit.ok().and_then(|exit| *exit) {
        Some(exit) => exit,
        None => std::future::pending().await,
    }
}

/// Handles signals from now on. The future resolves at a signal to end the process, with its exit code.
pub(crate) fn received() -> impl Future<Output = Exit> {
    static HANDLED: Once = Once::new();
    HANDLED.call_once(|| {
        let exit = listen();
        tokio::spawn(async { RECEIVED.send_replace(Some(exit.await)) });
    });
    after_a_wait()
}

/// Installs handlers of signals. The future resolves at the first signal, with its exit code.
#[cfg(unix)]
fn listen() -> impl Future<Output = Exit> {
    use tokio::signal::unix::{SignalKind, signal};

    let interrupt = signal(SignalKind::interrupt());
    let terminate = signal(SignalKind::terminate());
    async {
        let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
            // Without handlers, the system ends the process itself.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => Exit::Interrupted,
            _ = terminate.recv() => Exit::Terminated,
        }
    }
}

/// Listens for Ctrl-C. The future resolves at the first one, with its exit code.
#[cfg(not(unix))]
async fn listen() -> Exit {
    match tokio::signal::ctrl_c().await {
        Ok(()) => Exit::Interrupted,
        Err(_) => std::future::pending().await,
    }
}
