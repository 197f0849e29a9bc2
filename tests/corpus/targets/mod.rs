//! The invariants for any bytes, through the public API: the bodies of the fuzz targets, which `tests/corpus` replays, too.

mod fixture;
pub(crate) mod json;
pub(crate) mod query;
mod record;
pub(crate) mod reply;
pub(crate) mod route;
