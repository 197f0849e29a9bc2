//! Credential sources against local fakes: which tokens arrive, how each source fails, and whether a client recovers.
//!
//! Each row of a table is data. A row runs in two kinds of child processes with a cleared environment: this test binary,
//! which calls the library (`child.rs`), and `apigw`. `token_server.rs` plays the metadata server and all token
//! endpoints, `api_server.rs` the service over TLS. All connections stay on the loopback
//! interface; one row asks the system's resolver for `metadata.invalid`.
//! `cargo test --features cli --test credentials -- --nocapture` prints the tables as Markdown.
#![cfg(feature = "cli")]

mod api_server;
mod authority;
mod child;
mod credential_file;
mod failing_row;
mod failing_rows;
mod failure;
mod process;
mod recovery;
mod setup;
mod source;
mod success;
mod token_server;
