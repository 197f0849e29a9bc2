//! Any Google service: the stack of this crate under any generated client, by a contract that is loaded at run time.

mod client;
mod operations;

pub use client::Client;
pub use operations::Operations;
