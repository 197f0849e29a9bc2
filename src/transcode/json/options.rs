//! The options of reading and writing JSON, and the limit on nesting in both directions.

/// Maximum depth of objects and arrays in JSON, and of messages on the wire.
pub(crate) const MAX_DEPTH: usize = 100;

/// Options for reading and writing JSON. By default enums are names, default values are not written, and unknown
/// fields are ignored.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct JsonOptions {
    /// Writes enums as numbers instead of names. Reading always accepts both.
    pub enums_as_numbers: bool,
    /// Also writes default values of fields without presence: zero, the empty string, the first value of an enum,
    /// empty lists and maps. Messages, members of a oneof and other fields with presence are written only if they are
    /// set.
    pub defaults: bool,
    /// Reads `{"@type": url, "value": "<base64>"}` without other members as the bytes of an `Any`, if the type is
    /// unknown. An `Any` of an unknown type is written in this form. By default, `value` is read as a string.
    pub any_bytes: bool,
    /// Rejects JSON that the default accepts:
    /// - Unknown fields and enum names, and unknown numbers of a closed enum. By default, they are ignored.
    /// - Duplicate keys. By default, at most 16 are accepted in the JSON of a message, and the last value is kept. Of
    ///   several `@type` in an `Any`, the first is kept.
    /// - An `Any` whose `@type` is not a URL, or whose members do not fit its type. By default, it is carried
    ///   unchanged.
    ///
    /// With this option, `{}` for a singular `Any` field sets the field. By default, it sets the field only if the field
    /// is a member of a oneof.
    pub strict: bool,
}
