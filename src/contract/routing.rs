//! The fields of the routing header (AIP-4222).

use std::borrow::Cow;

/// A field of the request that goes into the `x-goog-request-params` header (AIP-4222).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingKey {
    pub(crate) name: Cow<'static, str>,
    pub(crate) field: Cow<'static, [u32]>,
}

impl RoutingKey {
    /// Returns the key, which is the path of the field: `name`, `gateway.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the field numbers that lead to the value in the encoded request.
    #[must_use]
    pub fn field(&self) -> &[u32] {
        &self.field
    }
}
