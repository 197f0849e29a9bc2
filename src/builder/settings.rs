//! What is set, its defaults, and what is wrong with it.

use std::time::Duration;

use http::{HeaderValue, Uri};

use super::proxy;
use crate::authentication::{self, Authentication};
use crate::call::CallOptions;
use crate::endpoint;
use crate::error::Error;
use crate::layer::headers::HeadersLayer;
use crate::layer::retry::RetryThrottling;
use crate::trailers::LARGEST_METADATA;
use crate::transport::{Custom, Keepalive, Limits, Target, TlsOptions, Transport};

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) endpoint: Option<String>,
    pub(super) universe_domain: Option<String>,
    pub(super) authentication: Authentication,
    pub(super) quota_project: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) options: CallOptions,
    pub(super) retry_throttling: Option<RetryThrottling>,
    pub(super) connect_timeout: Duration,
    pub(super) keepalive: Keepalive,
    pub(super) limits: Limits,
    pub(super) max_reply_size: usize,
    pub(super) max_metadata_size: usize,
    pub(super) tls: TlsOptions,
    pub(super) proxy: proxy::Setting,
    pub(super) connector: Option<Custom>,
    pub(super) transport: Transport,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: None,
            universe_domain: None,
            authentication: Authentication::default(),
            quota_project: None,
            user_agent: None,
            options: CallOptions::default(),
            retry_throttling: Some(RetryThrottling::default()),
            // Shorter than the shortest deadline of a call, so that a dead address is told as such.
            connect_timeout: Duration::from_secs(5),
            // The front ends allow a ping every minute or so; a half-open connection is found in 80 s.
            keepalive: Keepalive {
                interval: Duration::from_secs(60),
                timeout: Duration::from_secs(20),
            },
            // The front ends allow 100 streams a connection; over HTTP/1.1 it is as if there were one.
            limits: Limits {
                connections: 16,
                http1: 100,
                streams: 100,
            },
            // A page of configs in full view holds whole OpenAPI documents.
            max_reply_size: 64 << 20,
            // That of gRPC's C core and of tonic.
            max_metadata_size: 16 << 10,
            tls: TlsOptions::default(),
            proxy: proxy::Setting::default(),
            connector: None,
            transport: Transport::default(),
        }
    }
}

impl Settings {
    pub(super) fn target(&self) -> Result<Target, Error> {
        if self.connect_timeout.is_zero() {
            return Err(Error::configuration("connect_timeout: must be above zero"));
        }
        if self.keepalive.interval.is_zero() || self.keepalive.timeout.is_zero() {
            return Err(Error::configuration(
                "keepalive: both durations must be above zero",
            ));
        }
        if self.limits.connections == 0 {
            return Err(Error::configuration("max_connections: must be above zero"));
        }
        if self.limits.streams == 0 {
            return Err(Error::configuration("max_streams: must be above zero"));
        }
        if self.max_reply_size == 0 {
            return Err(Error::configuration("max_reply_size: must be above zero"));
        }
        if !(1..=LARGEST_METADATA).contains(&self.max_metadata_size) {
            return Err(Error::configuration(format!(
                "max_metadata_size: must be from 1 to {LARGEST_METADATA} bytes"
            )));
        }
        let mut through = self.proxy.through()?;
        let uri = match &self.endpoint {
            Some(endpoint) => endpoint::parse("endpoint", endpoint)?,
            None => match endpoint::emulator()? {
                Some(emulator) => {
                    through = through.without_environment();
                    emulator
                }
                None => {
                    let domain = self
                        .universe_domain
                        .as_deref()
                        .unwrap_or(endpoint::DEFAULT_UNIVERSE);
                    endpoint::in_universe(domain)?
                }
            },
        };
        Ok(Target {
            uri,
            connect_timeout: self.connect_timeout,
            tls: self.tls.clone(),
            through,
            connector: self.connector.clone(),
        })
    }

    pub(super) fn headers(&self) -> Result<HeadersLayer, Error> {
        let user_agent = header("user_agent", self.user_agent.as_deref())?;
        let quota_project = header("quota_project", self.quota_project.as_deref())?;
        Ok(HeadersLayer::new(
            user_agent.as_ref(),
            quota_project,
            self.options.clone(),
        ))
    }

    /// An emulator that the environment names is called without credentials, unless some are set.
    pub(super) fn authentication(&self, uri: &Uri) -> Result<Option<authentication::Layer>, Error> {
        let emulator = self.endpoint.is_none() && uri.scheme_str() == Some("http");
        let authentication = match &self.authentication {
            Authentication::Default if emulator => Authentication::None,
            set => set.clone(),
        };
        authentication.layer(uri)
    }
}

fn header(knob: &str, value: Option<&str>) -> Result<Option<HeaderValue>, Error> {
    let parse = |value| {
        HeaderValue::from_str(value)
            .map_err(|error| Error::configuration_from(format!("{knob}: not header text"), error))
    };
    value.map(parse).transpose()
}
