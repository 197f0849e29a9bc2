//! `apigw emulator`.

use std::error::Error;
use std::path::PathBuf;
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
    /// Keep the state in this file, and go on from what is in it.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        listen,
        operation_time,
        data,
    } = arguments;
    let ended = ended()?;
    let emulator = Emulator::builder().operation_time(operation_time);
    let emulator = match data {
        Some(file) => emulator
            .open(file)
            .map_err(|error| told("--data", &error))?,
        None => emulator.build(),
    };
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

/// An error with its causes, and the argument that it is about.
fn told(argument: &str, error: &dyn Error) -> String {
    let mut text = format!("{argument}: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
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
