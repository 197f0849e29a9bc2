//! Errors of reading a JSON text, with their position.

use std::fmt;

pub(crate) type Result<T> = std::result::Result<T, JsonError>;

/// An error with its position. It is boxed to keep results small.
#[derive(Debug)]
pub(crate) struct JsonError(Box<Parts>);

#[derive(Debug)]
struct Parts {
    at: usize,
    /// Path of the field, from the message that was read.
    path: String,
    why: String,
    /// True if the text is invalid for every type: it is not JSON, or it has a reserved type URL.
    is_final: bool,
}

impl JsonError {
    pub(crate) fn new(at: usize, why: String) -> Self {
        Self(Box::new(Parts {
            at,
            path: String::new(),
            why,
            is_final: false,
        }))
    }

    /// Marks the error as independent of the type that was read.
    pub(crate) fn into_final(mut self) -> Self {
        self.0.is_final = true;
        self
    }

    pub(crate) fn is_final(&self) -> bool {
        self.0.is_final
    }

    /// Adds the field in which the error occurred to the path.
    pub(crate) fn within(mut self, field: &str) -> Self {
        let path = &mut self.0.path;
        if !path.is_empty() && !path.starts_with('[') {
            path.insert(0, '.');
        }
        path.insert_str(0, field);
        self
    }

    /// Adds the list element in which the error occurred to the path.
    pub(crate) fn element(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }

    /// Returns the field and the reason, without the byte.
    #[cfg(feature = "emulator")]
    pub(crate) fn without_position(&self) -> String {
        let Parts { path, why, .. } = &*self.0;
        match path.is_empty() {
            true => why.clone(),
            false => format!("`{path}`: {why}"),
        }
    }

    #[cfg(test)]
    pub(crate) fn at(&self) -> usize {
        self.0.at
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { at, path, why, .. } = &*self.0;
        match path.is_empty() {
            true => write!(f, "byte {at}: {why}"),
            false => write!(f, "`{path}` at byte {at}: {why}"),
        }
    }
}
