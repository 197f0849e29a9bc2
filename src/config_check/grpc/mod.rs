//! Configs of gRPC services: descriptor sets and service configurations.

mod descriptors;
mod service_config;

pub(super) use descriptors::{Services, file_names};
pub(super) use service_config::check as service_config;
