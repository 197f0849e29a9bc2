//! Any Google service: the stack of this crate under any generated client, by a contract that is loaded at run time.
//!
//! The page [`guide`] has a complete program.

mod client;
pub mod guide;
mod operations;

pub use client::Client;
pub use operations::Operations;
