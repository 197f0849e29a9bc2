//! A method's entry in a contract, shared by the layers of a call.

use std::ops::Deref;
use std::sync::Arc;

use super::Method;

/// A reference to a method of a contract. Cloning allocates nothing.
#[derive(Clone, Debug)]
pub(crate) enum MethodRef {
    /// An entry of the built-in table.
    Static(&'static Method),
    /// The entry with this index in a contract that was loaded at run time.
    #[cfg_attr(
        not(feature = "google"),
        expect(dead_code, reason = "this build loads no contract")
    )]
    Loaded(Arc<[Method]>, usize),
}

impl Deref for MethodRef {
    type Target = Method;

    fn deref(&self) -> &Method {
        match self {
            Self::Static(method) => method,
            Self::Loaded(methods, index) => &methods[*index],
        }
    }
}

impl From<&'static Method> for MethodRef {
    fn from(method: &'static Method) -> Self {
        Self::Static(method)
    }
}
