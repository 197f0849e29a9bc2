//! The programs of the docs module `recipes`.

#[cfg(all(feature = "auth", feature = "emulator", feature = "tls"))]
mod auth;
#[cfg(feature = "rest")]
mod build;
#[cfg(feature = "emulator")]
#[path = "../../src/recipes/emulator_in_a_test.rs"]
mod emulator_in_a_test;
#[cfg(feature = "rest")]
mod rest_face;
#[cfg(feature = "emulator")]
mod trace;
