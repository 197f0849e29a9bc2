//! What a JSON text is not, and where.

use std::fmt;

pub(crate) type Result<T> = std::result::Result<T, Fault>;

/// Boxed, so that a result is no larger for it.
#[derive(Debug)]
pub(crate) struct Fault(Box<Parts>);

#[derive(Debug)]
struct Parts {
    at: usize,
    /// Of the field, from the message that was to be read.
    path: String,
    why: String,
    /// Whether no reading of the text can help: it is broken, or what it says is forbidden.
    is_final: bool,
}

impl Fault {
    pub(crate) fn new(at: usize, why: String) -> Self {
        Self(Box::new(Parts {
            at,
            path: String::new(),
            why,
            is_final: false,
        }))
    }

    /// One that stays one whatever the text was to be read as.
    pub(crate) fn finally(mut self) -> Self {
        self.0.is_final = true;
        self
    }

    pub(crate) fn is_final(&self) -> bool {
        self.0.is_final
    }

    /// As seen from the message that has the field.
    pub(crate) fn within(mut self, field: &str) -> Self {
        let path = &mut self.0.path;
        if !path.is_empty() && !path.starts_with('[') {
            path.insert(0, '.');
        }
        path.insert_str(0, field);
        self
    }

    /// As seen from the list that has the element.
    pub(crate) fn element(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }

    #[cfg(test)]
    pub(crate) fn at(&self) -> usize {
        self.0.at
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { at, path, why, .. } = &*self.0;
        if !path.is_empty() {
            write!(f, "`{path}`: ")?;
        }
        write!(f, "{why} at byte {at}")
    }
}
