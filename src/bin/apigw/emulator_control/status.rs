//! `apigw emulator status`: the state of a running emulator in a few lines.

use std::time::Duration;

use apigateway_grpc::emulator::messages::{GetStateRequest, State, StateView};
use apigateway_grpc::tonic::{Code, Status};
use clap::Args;

use super::clock::clock_text;
use super::{Access, READY_PAUSE, endpoint, failed, pretty};
use crate::client::duration;
use crate::config::Settings;
use crate::failure::Failure;
use crate::output;

#[derive(Debug, Args)]
pub(super) struct ShowStatus {
    /// Wait at most this long until the emulator answers.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait: Option<Duration>,
    /// Print the state as JSON, without resources, operations and faults.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    access: Access,
}

impl ShowStatus {
    pub(super) async fn run(&self, settings: &Settings) -> Result<(), Failure> {
        let request = GetStateRequest {
            view: StateView::Basic.into(),
            ..GetStateRequest::default()
        };
        let attempt = async || {
            let state = self.access.admin(settings)?.get_state(request).await;
            Ok::<_, Failure>(state)
        };
        let state = match self.wait.filter(|wait| !wait.is_zero()) {
            None => attempt().await?,
            Some(wait) => {
                let mut last = Status::unavailable(format!("no response within {wait:?}"));
                let answer = async {
                    loop {
                        match attempt().await? {
                            Err(status) if status.code() == Code::Unavailable => last = status,
                            answer => return Ok::<_, Failure>(answer),
                        }
                        tokio::time::sleep(READY_PAUSE).await;
                    }
                };
                match tokio::time::timeout(wait, answer).await {
                    Ok(answer) => answer?,
                    Err(_) => Err(last),
                }
            }
        };
        let state = state.map_err(|status| failed(&status))?.into_inner();
        match self.json {
            true => pretty(&state),
            false => output::data(&describe(&state, &endpoint(settings).0)),
        }
    }
}

/// Describes a state in a few lines.
fn describe(state: &State, endpoint: &str) -> String {
    let counts = state.counts.unwrap_or_default();
    let clock = state.clock.unwrap_or_default();
    let data = state.settings.as_ref().map(|settings| &settings.data_file);
    let data = data.filter(|file| !file.is_empty());
    let data = data.map_or("in memory", |file| file.as_str());
    let lines = [
        ("emulator", format!("{endpoint}, version {}", state.version)),
        ("clock", clock_text(&clock)),
        ("state", data.to_owned()),
        ("apis", counts.apis.to_string()),
        ("configs", counts.api_configs.to_string()),
        ("gateways", counts.gateways.to_string()),
        (
            "operations",
            format!(
                "{} running, {} done",
                counts.running_operations, counts.done_operations
            ),
        ),
        ("faults", counts.faults.to_string()),
        ("calls", counts.calls.to_string()),
    ];
    let lines = lines.map(|(name, value)| format!("{name:<11} {}\n", output::printable(&value)));
    lines.concat()
}
