//! The metrics of a build without the feature `metrics`. The functions do nothing.

use tonic::Code;

use crate::contract::MethodRef;

pub(crate) fn describe() {}

pub(crate) fn attempt_ended(_: Option<&MethodRef>, _: &'static str, _: Code) {}

pub(crate) fn throttled(_: Option<&MethodRef>) {}

#[cfg(feature = "rest")]
pub(crate) fn fell_back() {}

#[cfg(feature = "rest")]
pub(crate) fn probed(_: &'static str) {}

#[cfg(feature = "auth")]
pub(crate) fn token_refresh(_: &'static str) {}

/// A gauge that is not recorded.
pub(crate) struct GaugeGuard;

impl GaugeGuard {
    pub(crate) fn connection(_: &'static str) -> Self {
        Self
    }

    pub(crate) fn active(_: &'static str) -> Self {
        Self
    }

    pub(crate) fn pending(_: &'static str) -> Self {
        Self
    }
}
