//! Web pages and other machines: which of their requests the port serves.

#[cfg(feature = "rest")]
mod header_limit;
mod opening;
#[cfg(feature = "rest")]
mod raw;
#[cfg(feature = "rest")]
mod settings;
#[cfg(feature = "rest")]
mod table;
