//! The page of the emulator, with the feature `emulator-ui`: the state and the test controls in a browser.

#[cfg(not(feature = "emulator-ui"))]
mod disabled;
#[cfg(feature = "emulator-ui")]
mod enabled;

#[cfg(not(feature = "emulator-ui"))]
pub(super) use disabled::{PageLayer, is_page_request};
#[cfg(feature = "emulator-ui")]
pub(super) use enabled::{PageLayer, is_page_request};
