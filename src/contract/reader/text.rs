//! Texts of the sources as shown in errors.

/// Returns a text on one line, and shortened. The sources may have texts of any length.
pub(super) fn shown(text: &str) -> String {
    const MAX: usize = 200;
    match text.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}…", text[..end].escape_debug()),
        None => text.escape_debug().to_string(),
    }
}
