//! The options of reading and writing JSON, and the limit on nesting, which holds in both directions.

/// Maximum depth of objects and arrays in JSON, and of messages on the wire.
pub(crate) const MAX_DEPTH: usize = 100;

/// Options for reading and writing JSON. By default enums are names, default values are not written, and unknown
/// fields are ignored.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct JsonOptions {
    /// Writes enums as numbers instead of names. Both are always read.
    pub enums_as_numbers: bool,
    /// Also writes default values of fields without presence: zero, the empty string, the first value of an enum,
    /// empty lists and maps. Messages, members of a oneof and other fields with presence are written only if they are
    /// set.
    pub defaults: bool,
    /// Reads an `Any` of an unknown type, if it is `{"@type": url, "value": "<base64>"}` without other members, as
    /// the bytes of that type. This is the form in which such an `Any` is written. Otherwise `value` is a string.
    pub any_bytes: bool,
    /// Refuses unknown fields, unknown enum names (and unknown numbers of a closed enum), duplicate keys, and an
    /// `Any` whose `@type` is not a URL. By default unknown fields and enum values are ignored, the last of several
    /// values for one key is kept (of `@type` the first), and an `Any` with an invalid `@type` is carried unchanged.
    /// A singular field outside a oneof whose `Any` is `{}` is_known as set if this is true, and as not set by
    /// default.
    pub strict: bool,
}
