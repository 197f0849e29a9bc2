//! Errors of reading a JSON text, with their position.

use std::fmt;

pub(crate) type Result<T> = std::result::Result<T, JsonError>;

/// Maximum number of bytes of a reason and of a path, and of one name in a path. Their parts are texts of the sender, which may
/// have megabytes.
const MAX_TEXT: usize = 1000;
const MAX_NAME: usize = 200;

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
            why: shortened(why, MAX_TEXT),
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
        let field = shortened(field.to_owned(), MAX_NAME);
        path.insert_str(0, &field);
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
        let path = shortened(path.clone(), MAX_TEXT);
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

/// Replaces the middle of a longer text by `…`. The end is kept, because the end of a reason says what would be valid.
fn shortened(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let start = &text[..text.floor_char_boundary(most / 2)];
    let end = &text[text.ceil_char_boundary(text.len() - most / 2)..];
    format!("{start}…{end}")
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { at, path, why, .. } = &*self.0;
        let path = shortened(path.clone(), MAX_TEXT);
        match path.is_empty() {
            true => write!(f, "byte {at}: {why}"),
            false => write!(f, "`{path}` at byte {at}: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_of_the_sender_is_shortened_and_the_end_of_the_error_stays() {
        let long = "é".repeat(1 << 20);
        let error = JsonError::new(7, format!("invalid `{long}`: must be short"));
        let mut error = error.within("last").within(&format!("[{long}]"));
        for _ in 0..100 {
            error = error.within(&long);
        }
        let text = error.to_string();
        assert!(text.len() < 2_100, "{}", text.len());
        assert!(
            text.starts_with("`éé") && text.ends_with("é`: must be short"),
            "{text}"
        );
        assert!(text.contains("é].last` at byte 7: invalid `éé"), "{text}");
        #[cfg(feature = "emulator")]
        assert!(error.without_position().len() < 2_100);
    }
}
