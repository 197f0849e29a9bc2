//! What can be called: every method by its short form and by its request, lists, masks and typed names.

#[path = "../common/mod.rs"]
mod common;
mod errors;
mod field_mask;
mod list;
#[cfg(feature = "rest")]
mod methods;
mod names;
