//! Access control on the port, and limits on connections.

#[cfg(feature = "rest")]
mod header_limit;
mod opening;
#[cfg(feature = "rest")]
mod raw;
#[cfg(feature = "rest")]
mod settings;
#[cfg(feature = "rest")]
mod table;
