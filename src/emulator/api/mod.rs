//! The methods of the API: each service, and what every call passes before it.

pub(super) mod bearer_auth;
mod crud;
pub(super) mod decompress;
mod iam;
pub(super) mod intercept;
mod locations;
pub(super) mod operations;
mod service;
pub(super) mod update_mask;
