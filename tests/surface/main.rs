//! The public methods, by their short form and by `send`; lists, masks, names, the table of
//! methods, and the traits of public types.

#[path = "../common/mod.rs"]
mod common;
mod contract;
mod errors;
mod field_mask;
mod list;
mod log_texts;
#[cfg(feature = "rest")]
mod methods;
mod name_checks;
mod names;
mod setting_texts;
mod types;
