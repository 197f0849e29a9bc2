//! What is served on a port beside the API: the admin service, health and reflection.

use std::io;

use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_reflection::server;

use crate::contract::Method;
use crate::emulator::Emulator;
use crate::emulator::admin::{AdminServer, Allowed, DESCRIPTORS};
use crate::emulator::api::decompress::Decompress;
use crate::emulator::api::intercept::MAX_REQUEST;

/// Holds up what never ends by itself.
#[derive(Debug)]
pub(crate) struct Beside {
    health: HealthReporter,
}

/// Adds the other services to those of the API.
pub(crate) async fn beside(emulator: &Emulator, api: Routes) -> io::Result<(Routes, Beside)> {
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
    let admin = AdminServer::new(emulator.clone()).max_decoding_message_size(MAX_REQUEST);
    let reflection = reflected().build_v1().map_err(io::Error::other)?;
    // What grpcurl and grpc_cli of some years ago ask.
    let reflection_alpha = reflected().build_v1alpha().map_err(io::Error::other)?;
    let routes = api
        .add_service(Decompress(Allowed(admin)))
        .add_service(Decompress(health_server))
        .add_service(Decompress(reflection))
        .add_service(Decompress(reflection_alpha));
    Ok((routes, Beside { health }))
}

impl Beside {
    /// Ends the watches of health, which a server that stops would wait for.
    pub(crate) async fn end(&mut self) {
        for service in services().into_iter().chain([""]) {
            self.health
                .set_service_status(service, ServingStatus::NotServing)
                .await;
            self.health.clear_service_status(service).await;
        }
    }
}

/// The services of the contract.
fn services() -> Vec<&'static str> {
    let mut names: Vec<_> = Method::all().iter().map(|method| method.service).collect();
    names.dedup();
    names
}
