//! One call through the stack: its headers, deadline, retries, credentials and checks, against a mock server.

#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "auth")]
#[path = "../common/credentials.rs"]
mod credentials;
#[cfg(feature = "auth")]
#[path = "../common/seen.rs"]
mod seen;

#[cfg(feature = "auth")]
mod auth;
#[cfg(feature = "auth")]
mod credential_recovery;
#[cfg(feature = "auth")]
mod credential_refresh;
mod deadline;
mod headers;
mod layers;
mod pushback;
mod response_check;
mod retry;
#[cfg(feature = "auth")]
mod secrets;
mod throttling;
mod transparent_retry;
