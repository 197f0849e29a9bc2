//! The public methods, by their short form and by their request; lists, masks and typed names.

#[path = "../common/mod.rs"]
mod common;
mod errors;
mod field_mask;
mod list;
#[cfg(feature = "rest")]
mod methods;
mod names;
