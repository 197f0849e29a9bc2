//! The transcoder as users have it: rules of any service, a client service and a server layer.
#![cfg(feature = "rest")]

mod arbitrary;
mod client;
mod compliance;
mod conflicts;
mod errors;
mod fixture;
mod requests;
mod round;
mod rules;
mod streams;
