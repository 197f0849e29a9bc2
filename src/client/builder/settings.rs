//! The settings, their defaults and their checks.

use std::borrow::Cow;
use std::time::Duration;

use http::HeaderValue;

use super::proxy::ProxySetting;
use crate::call::CallOptions;
use crate::call::trailers::MAX_METADATA_SIZE;
use crate::contract::Contract;
use crate::error::Error;
use crate::layer::headers::HeadersLayer;
use crate::layer::retry::RetryThrottling;
use crate::stack::credentials::{self, Authentication};
use crate::transport::endpoint::{
    self, Credential, CredentialDecision, CredentialRoute, Endpoint, EndpointSettings,
    EndpointSource,
};
use crate::transport::{
    ActiveTransport, AnyTransport, ConnectConfig, CustomConnector, Keepalive, PoolLimits, Proxy,
    TlsOptions, Transport, TransportConfig,
};

#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The environment variable with the address of an emulator.
    pub(super) emulator_variable: Option<Cow<'static, str>>,
    pub(super) endpoint: Option<String>,
    pub(super) universe_domain: Option<String>,
    pub(super) authentication: Authentication,
    pub(super) quota_project: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) options: CallOptions,
    pub(super) retry_throttling: Option<RetryThrottling>,
    pub(super) connect_timeout: Duration,
    pub(super) keepalive: Keepalive,
    pub(super) limits: PoolLimits,
    pub(super) max_response_size: usize,
    pub(super) max_metadata_size: usize,
    pub(super) tls: TlsOptions,
    pub(super) proxy: ProxySetting,
    pub(super) connector: Option<CustomConnector>,
    pub(super) transport: Transport,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            emulator_variable: None,
            endpoint: None,
            universe_domain: None,
            authentication: Authentication::default(),
            quota_project: None,
            user_agent: None,
            options: CallOptions::default(),
            retry_throttling: Some(RetryThrottling::default()),
            // Shorter than the shortest deadline of a call, so that a call to a dead address fails with an error that names the
            // address, not with an exceeded deadline.
            connect_timeout: Duration::from_secs(5),
            // Google's front ends allow about one ping a minute. A half-open connection is detected within 80 s.
            keepalive: Keepalive {
                interval: Duration::from_secs(60),
                timeout: Duration::from_secs(20),
            },
            // Google's front ends allow 100 streams a connection, so 100 HTTP/1.1 connections carry as many calls as one of
            // HTTP/2.
            limits: PoolLimits {
                connections: 16,
                http1: 100,
                streams: 100,
            },
            // A page of configs in full view contains whole OpenAPI documents.
            max_response_size: 64 << 20,
            // The default of gRPC's C core and of tonic.
            max_metadata_size: 16 << 10,
            tls: TlsOptions::default(),
            proxy: ProxySetting::default(),
            connector: None,
            transport: Transport::default(),
        }
    }
}

impl Settings {
    /// Returns the address of the service.
    pub(super) fn endpoint(&self, contract: &Contract) -> Result<Endpoint, Error> {
        let choice = EndpointSettings {
            host: contract.default_host(),
            emulator_variable: self.emulator_variable.as_deref(),
            endpoint: self.endpoint.as_deref(),
            universe_domain: self.universe_domain.as_deref(),
            identity: self.tls.identity.is_some(),
        };
        choice.resolve(|name| std::env::var_os(name))
    }

    pub(super) fn target(&self, endpoint: &Endpoint) -> Result<ConnectConfig, Error> {
        self.check_numbers()?;
        let mut proxy = self.proxy.mode()?;
        let mut variable = None;
        if endpoint.source == EndpointSource::Emulator {
            proxy = proxy.without_environment();
            variable = self.emulator_variable.as_deref().map(str::to_owned);
        }
        let route = CredentialRoute {
            endpoint: &endpoint.uri,
            source: endpoint.source,
            emulator_variable: self.emulator_variable.as_deref().unwrap_or_default(),
            proxy: None,
            custom_resolver: self.connector.is_some(),
        };
        let tls = match endpoint::decide_credential(Credential::Identity, &route) {
            CredentialDecision::Send => self.tls.clone(),
            CredentialDecision::Withhold | CredentialDecision::Refuse(_) => {
                self.tls.without_identity()
            }
        };
        Ok(ConnectConfig {
            uri: endpoint.uri.clone(),
            variable,
            connect_timeout: self.connect_timeout,
            tls,
            proxy,
            connector: self.connector.clone(),
        })
    }

    /// Assembles the transport to the target. Nothing is connected yet.
    pub(super) fn assemble(
        &self,
        target: &ConnectConfig,
        contract: &Contract,
    ) -> Result<(AnyTransport, ActiveTransport), Error> {
        let config = TransportConfig {
            transport: self.transport,
            contract,
            connect: target,
            keepalive: self.keepalive,
            limits: self.limits,
            max_response: self.max_response_size,
        };
        config.build()
    }

    fn check_numbers(&self) -> Result<(), Error> {
        if self.connect_timeout.is_zero() {
            return Err(Error::configuration(
                "invalid `connect_timeout` 0: must be above zero",
            ));
        }
        if self.keepalive.interval.is_zero() || self.keepalive.timeout.is_zero() {
            return Err(Error::configuration(
                "invalid `keepalive` 0: both durations must be above zero",
            ));
        }
        if self.limits.connections == 0 {
            return Err(Error::configuration(
                "invalid `max_connections` 0: must be above zero",
            ));
        }
        if self.limits.streams == 0 {
            return Err(Error::configuration(
                "invalid `max_streams` 0: must be above zero",
            ));
        }
        if self.max_response_size == 0 {
            return Err(Error::configuration(
                "invalid `max_response_size` 0: must be above zero",
            ));
        }
        if !(1..=MAX_METADATA_SIZE).contains(&self.max_metadata_size) {
            return Err(Error::configuration(format!(
                "invalid `max_metadata_size` {}: must be from 1 to {MAX_METADATA_SIZE} bytes",
                self.max_metadata_size
            )));
        }
        Ok(())
    }

    pub(super) fn headers(&self, contract: Contract) -> Result<HeadersLayer, Error> {
        let user_agent = header("user_agent", self.user_agent.as_deref())?;
        let quota_project = header("quota_project", self.quota_project.as_deref())?;
        Ok(HeadersLayer::new(
            contract,
            user_agent.as_ref(),
            quota_project,
            self.options.clone(),
        ))
    }

    /// Returns the layer of the credentials that may be sent to the target. `is_built_in` is true for a transport of this
    /// crate. A user's transport does not use the proxy of this client, and may resolve the endpoint's name itself.
    pub(super) fn authentication(
        &self,
        endpoint: &Endpoint,
        target: &ConnectConfig,
        is_built_in: bool,
    ) -> Result<Option<credentials::Layer>, Error> {
        let proxy = match is_built_in {
            true => target.proxy.proxy_for(&endpoint.uri)?,
            false => None,
        };
        let route = CredentialRoute {
            endpoint: &endpoint.uri,
            source: endpoint.source,
            emulator_variable: self.emulator_variable.as_deref().unwrap_or_default(),
            proxy: proxy.as_ref().map(Proxy::uri),
            custom_resolver: !is_built_in || self.connector.is_some(),
        };
        match endpoint::decide_credential(self.authentication.credential(), &route) {
            CredentialDecision::Withhold => Ok(None),
            CredentialDecision::Send => self.authentication.clone().layer(&endpoint.universe),
            CredentialDecision::Refuse(refusal) => {
                Err(Error::configuration(route.explain(refusal)))
            }
        }
    }
}

fn header(setting: &str, value: Option<&str>) -> Result<Option<HeaderValue>, Error> {
    let parse = |value| {
        HeaderValue::from_str(value).map_err(|error| {
            Error::configuration_from(
                format!("invalid `{setting}`: must not have control characters"),
                error,
            )
        })
    };
    value.map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let mut settings = Settings::default();
        settings.tls.identity = Some((b"chain".to_vec(), b"key".to_vec()));
        settings
    }

    #[test]
    fn a_client_certificate_is_not_shown_to_an_emulator_that_the_environment_names() {
        for (source, uri, is_shown) in [
            (EndpointSource::Endpoint, "https://127.0.0.1:1", true),
            (
                EndpointSource::Universe,
                "https://apigateway.mtls.googleapis.com",
                true,
            ),
            (EndpointSource::Emulator, "https://127.0.0.1:1", false),
            (EndpointSource::Emulator, "https://emulator.test", false),
        ] {
            let endpoint = Endpoint {
                uri: uri.parse().expect("an address"),
                source,
                universe: endpoint::DEFAULT_UNIVERSE.to_owned(),
            };
            let target = settings().target(&endpoint).expect("valid");
            assert_eq!(target.tls.identity.is_some(), is_shown, "{source:?} {uri}");
        }
    }
}
