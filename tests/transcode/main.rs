//! Tests of the transcoder's public API: rules of any service, a client service and a server layer.
#![cfg(feature = "rest")]

mod any_message;
mod arbitrary;
mod client;
mod client_texts;
mod compliance;
mod conflicts;
mod descriptors;
mod error_texts;
mod errors;
mod fixture;
mod forms;
mod random_requests;
#[path = "../common/random_sets/mod.rs"]
mod random_sets;
mod requests;
mod round;
mod rules;
mod streams;
mod to_json;
