//! Access control on the port, limits on connections, and the files of the page.

mod connections;
#[cfg(feature = "rest")]
mod header_limit;
#[cfg(feature = "emulator-ui")]
mod page;
#[cfg(feature = "rest")]
mod raw;
#[cfg(feature = "rest")]
mod routes;
#[cfg(feature = "rest")]
mod settings;
#[cfg(feature = "rest")]
mod table;
