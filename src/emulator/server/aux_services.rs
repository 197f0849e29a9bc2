//! The services on a port besides the API: admin, health and reflection.

use std::io;
use std::sync::Arc;

use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_reflection::server;

use super::access::require_admin_allowed;
use super::checked::Checked;
use crate::contract::Method;
use crate::emulator::admin;
use crate::emulator::api::core::Core;
use crate::emulator::api::decompress::{MAX_REQUEST, decompress};
use crate::emulator::events::{Streams, StreamsEnd};
use crate::emulator::messages::DESCRIPTORS;

/// The streams of the services, which must be ended before the server stops.
#[derive(Debug)]
pub(crate) struct AuxServices {
    health: HealthReporter,
    /// Ends the streams of events when it is dropped.
    events: Option<StreamsEnd>,
}

/// The source of the streams of events over HTTP.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "rest"),
    expect(dead_code, reason = "without REST there are streams over gRPC only")
)]
pub(super) struct EventSource {
    pub(super) core: Arc<Core>,
    pub(super) streams: Streams,
}

/// Adds the services to those of the API.
pub(super) async fn aux_services(
    core: &Arc<Core>,
    api: Routes,
) -> io::Result<(Routes, AuxServices, EventSource)> {
    let (health, health_server) = tonic_health::server::health_reporter();
    for service in services() {
        health
            .set_service_status(service, ServingStatus::Serving)
            .await;
    }
    let reflected = || {
        server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (events, streams) = Streams::new();
    let source = EventSource {
        core: Arc::clone(core),
        streams: streams.clone(),
    };
    let admin = admin::server(core, streams).max_decoding_message_size(MAX_REQUEST);
    let reflection = reflected().build_v1().map_err(io::Error::other)?;
    // Older versions of grpcurl and grpc_cli use v1alpha.
    let reflection_alpha = reflected().build_v1alpha().map_err(io::Error::other)?;
    let routes = api
        .add_service(Checked::new(
            Checked::new(admin, require_admin_allowed),
            decompress,
        ))
        .add_service(Checked::new(health_server, decompress))
        .add_service(Checked::new(reflection, decompress))
        .add_service(Checked::new(reflection_alpha, decompress));
    let services = AuxServices {
        health,
        events: Some(events),
    };
    Ok((routes, services, source))
}

impl AuxServices {
    /// Ends the watches of the health service and the streams of events, since a stopping server would wait for them.
    pub(crate) async fn end(&mut self) {
        for service in services().into_iter().chain([""]) {
            self.health
                .set_service_status(service, ServingStatus::NotServing)
                .await;
            self.health.clear_service_status(service).await;
        }
        if let Some(events) = self.events.take() {
            events.end().await;
        }
    }
}

/// Returns the names of the services of the API.
fn services() -> Vec<&'static str> {
    let mut names: Vec<_> = Method::all().iter().map(Method::service).collect();
    names.dedup();
    names
}
