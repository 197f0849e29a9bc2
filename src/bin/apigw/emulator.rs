//! `apigw emulator`.

use std::time::Duration;

use apigateway_grpc::emulator::Emulator;
use clap::Args;

use super::client::duration;
use super::output;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where to listen; port 0 picks one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8470")]
    listen: String,
    /// How long an operation runs.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    operation_time: Duration,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        listen,
        operation_time,
    } = arguments;
    let ended = ended()?;
    let emulator = Emulator::builder().operation_time(operation_time).build();
    let server = emulator
        .start(&listen)
        .await
        .map_err(|error| format!("--listen {listen}: {error}"))?;
    output::line(&format!("listening on {}", server.endpoint()))?;
    ended.await;
    server
        .stop()
        .await
        .map_err(|error| error.to_string().into())
}

/// Resolves when the process is asked to end. Set up before the address is told, so that no signal that
/// follows it is missed.
#[cfg(unix)]
fn ended() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| {
        signal(kind).map_err(|error: std::io::Error| Failure::from(format!("signals: {error}")))
    };
    let (mut interrupt, mut terminate) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    );
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Resolves when the process is asked to end.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the face of the other build")]
fn ended() -> Result<impl Future<Output = ()>, Failure> {
    Ok(async {
        // A process that cannot hear the signal is ended by the system's own way.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
