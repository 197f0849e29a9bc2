//! The functions that the fuzz targets run on any bytes. They check invariants through the public API. `tests/corpus` runs them
//! on stored inputs.

mod fixture;
pub(crate) mod json;
pub(crate) mod query;
mod record;
pub(crate) mod reply;
pub(crate) mod route;
