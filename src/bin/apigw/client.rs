//! The arguments that every command with a client has, and the client that they make.

use std::path::{Path, PathBuf};
use std::time::Duration;

use apigateway_grpc::{ApiGateway, CallOptions, Transport};
use clap::{Args, ValueEnum};

use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where the service is: HOST:PORT after `https://`, or after `http://` for plaintext.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// How calls travel; `auto` is gRPC with a fallback to REST where gRPC cannot work.
    #[arg(long, value_enum, default_value_t = By::Grpc)]
    transport: By,
    /// A file with an OAuth access token, instead of the default credentials.
    #[arg(long, value_name = "FILE")]
    access_token_file: Option<PathBuf>,
    /// How long a call may take, all attempts together, such as 500ms or 10s.
    #[arg(long, value_name = "DURATION", value_parser = positive)]
    timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    Grpc,
    Rest,
    Auto,
}

impl Arguments {
    pub(crate) fn client(&self) -> Result<ApiGateway, Failure> {
        let mut options = CallOptions::default();
        options.timeout = self.timeout;
        let mut builder =
            ApiGateway::builder()
                .call_options(options)
                .transport(match self.transport {
                    By::Grpc => Transport::Grpc,
                    By::Rest => Transport::Rest,
                    By::Auto => Transport::GrpcWithRestFallback,
                });
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint(endpoint);
        }
        if let Some(file) = &self.access_token_file {
            builder = builder.access_token(token(file)?);
        }
        Ok(builder.build()?)
    }
}

/// The one line of a token file. No part of it is ever shown.
fn token(file: &Path) -> Result<String, Failure> {
    let content =
        std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let token = content.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(format!("{}: not one access token on one line", file.display()).into());
    }
    Ok(token.to_owned())
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

fn positive(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|duration| match duration.is_zero() {
        true => Err("must be above zero".to_owned()),
        false => Ok(duration),
    })
}
