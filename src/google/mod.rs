//! Any Google service: the stack of this crate under any generated client, by a contract that is loaded at run time.

mod client;

pub use client::Client;
