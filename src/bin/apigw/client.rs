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
    #[arg(long, value_name = "FILE", conflicts_with = "anonymous")]
    access_token_file: Option<PathBuf>,
    /// Call without credentials.
    #[arg(long)]
    anonymous: bool,
    /// A PEM file of CA certificates to trust, instead of the well-known ones.
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// A PEM file with a certificate chain to show the server, for mutual TLS.
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// The PEM file with the private key of the client certificate.
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
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
        if self.anonymous {
            builder = builder.anonymous();
        }
        if let Some(file) = &self.ca_cert {
            builder = builder.ca_certificates(content("--ca-cert", file)?);
        }
        if let (Some(chain), Some(key)) = (&self.client_cert, &self.client_key) {
            let chain = content("--client-cert", chain)?;
            builder = builder.client_identity(chain, content("--client-key", key)?);
        }
        let built = builder.build();
        built.map_err(|error| Failure::from(error).with_files(&self.files()))
    }

    /// The arguments that name a file, and their files.
    fn files(&self) -> Vec<(&'static str, &Path)> {
        let files = [
            ("--ca-cert", &self.ca_cert),
            ("--client-cert", &self.client_cert),
            ("--client-key", &self.client_key),
        ];
        let given = files.into_iter();
        let given = given.filter_map(|(name, file)| Some((name, file.as_deref()?)));
        given.collect()
    }
}

/// The content of a file. Errors name the argument and the file.
pub(crate) fn content(argument: &str, file: &Path) -> Result<Vec<u8>, Failure> {
    let content = std::fs::read(file);
    content.map_err(|error| format!("{argument} {}: {error}", file.display()).into())
}

/// The one line of a token file. No part of it is ever shown.
fn token(file: &Path) -> Result<String, Failure> {
    let fault = |fault: &dyn std::fmt::Display| -> Failure {
        format!("--access-token-file {}: {fault}", file.display()).into()
    };
    let content = std::fs::read_to_string(file).map_err(|error| fault(&error))?;
    let token = content.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(fault(&"not one access token on one line"));
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
