//! A client for any Google service. It loads the contract of the service at run time, and generated clients make their calls
//! through its stack.
//!
//! The page [`guide`] has a complete program.

mod client;
pub mod guide;
mod operations;

pub use client::Client;
pub use operations::Operations;
