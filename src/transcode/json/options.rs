//! The options of reading and writing JSON, and the limit on nesting, which holds in both directions.

/// Maximum depth of objects and arrays in JSON, and of messages on the wire.
pub(crate) const MAX_DEPTH: usize = 100;

/// How JSON is written and read. By default: enums as names, no default values, unknown fields ignored.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct JsonOptions {
    /// Writes enums as numbers instead of names. Both are read.
    pub enums_as_numbers: bool,
    /// Writes fields that hold their default, too: numbers, texts and enums that are set to it or not at
    /// all, empty lists and maps. Not messages that are not set, members of a oneof, or fields whose
    /// presence is told apart.
    pub defaults: bool,
    /// Reads `{"@type": url, "value": "<base64>"}` of an unknown type, with these two members and no
    /// other, as the bytes of that type: the form in which one is written. Without it, a text is a text.
    pub any_bytes: bool,
    /// Refuses unknown fields, unknown enum names (and numbers, if the enum is closed), names that stand twice, and an `Any` whose `@type` is no
    /// URL. Otherwise the former two are left out, of a name that stands twice the last holds (of the
    /// `@type` the first), and an `Any` is told as it came. An `Any` that is `{}` counts as set here;
    /// otherwise a field that holds it alone, outside a oneof, is taken for one that is not set.
    pub strict: bool,
}
