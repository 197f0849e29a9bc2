//! `apigw emulator clock`: reads and sets the clock.

use std::time::Duration;

use apigateway_grpc::emulator::messages::{
    AdvanceClockRequest, Clock, GetClockRequest, PauseClockRequest, ResumeClockRequest,
};
use clap::Subcommand;

use super::{Access, failed};
use crate::client::duration;
use crate::config::Settings;
use crate::failure::Failure;
use crate::output;

#[derive(Debug, Subcommand)]
pub(super) enum SetClock {
    /// Print the clock.
    Show(Access),
    /// Advance the clock, and end the operations that are due by then.
    Advance {
        /// Time by which to advance the clock, such as 90s or 1h.
        #[arg(value_name = "DURATION", value_parser = message_duration)]
        by: Duration,
        #[command(flatten)]
        access: Access,
    },
    /// Pause the clock.
    Pause(Access),
    /// Resume the clock.
    Resume(Access),
}

impl SetClock {
    pub(super) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let clock = match self {
            Self::Show(access) => access.admin(settings)?.get_clock(GetClockRequest {}).await,
            Self::Advance { by, access } => {
                let by = by.try_into();
                let by = by.map_err(|_| Failure::usage("argument DURATION: too long"))?;
                let request = AdvanceClockRequest { by: Some(by) };
                access.admin(settings)?.advance_clock(request).await
            }
            Self::Pause(access) => {
                access
                    .admin(settings)?
                    .pause_clock(PauseClockRequest {})
                    .await
            }
            Self::Resume(access) => {
                access
                    .admin(settings)?
                    .resume_clock(ResumeClockRequest {})
                    .await
            }
        };
        let clock = clock.map_err(|status| failed(&status))?.into_inner();
        output::line(&clock_text(&clock))
    }
}

pub(super) fn clock_text(clock: &Clock) -> String {
    let time = clock.time.map(|time| time.to_string()).unwrap_or_default();
    let paused = if clock.paused { ", paused" } else { "" };
    let advanced = clock.advanced.filter(|by| by.seconds > 0 || by.nanos > 0);
    let advanced = advanced.map(|by| format!(", advanced by {by}"));
    format!("{time}{paused}{}", advanced.unwrap_or_default())
}

/// Parses a duration that a message can have.
fn message_duration(text: &str) -> Result<Duration, String> {
    const MOST: u64 = 315_576_000_000;
    duration(text).and_then(|time| match time.as_secs() <= MOST {
        true => Ok(time),
        false => Err(format!("must be at most {MOST}s")),
    })
}
