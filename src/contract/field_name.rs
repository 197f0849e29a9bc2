//! The spelling of field names.
//!
//! The build script also includes this file, so it imports nothing else of the crate.

/// Returns a field name in the snake case of protos. A name in camel case is the name in JSON.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 2);
    for char in name.chars() {
        if char.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}
