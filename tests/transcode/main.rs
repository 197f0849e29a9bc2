//! The transcoder as users have it: rules of any service, a client service and a server layer.
#![cfg(feature = "rest")]

mod arbitrary;
mod client;
mod errors;
mod fixture;
mod forms;
mod requests;
mod round;
mod streams;
