//! Messages and enums, compiled from a descriptor set: fields by name, fields by number, and their types.
//!
//! An extension is a field of the message that it extends, with the name `[pkg.ext]` in JSON. Extensions of a
//! MessageSet and of well-known types are unknown fields, and so are extensions whose type the set lacks.

mod compile;
mod names;

use std::fmt;

use prost::Message as _;
use prost::encoding::WireType;

use crate::contract::descriptor::FileSet;
use crate::error::Error;
use crate::transcode::schema::names::NameTable;

/// The messages and enums of a descriptor set, compiled for converting between JSON and wire bytes.
///
/// ```
/// use apigateway_grpc::proto::FILE_DESCRIPTOR_SET;
/// use apigateway_grpc::transcode::{JsonOptions, Schema};
///
/// let schema = Schema::new(FILE_DESCRIPTOR_SET).expect("a valid descriptor set");
/// let name = "google.longrunning.GetOperationRequest";
/// let wire = schema.json_to_wire(name, br#"{"name": "operations/o"}"#, JsonOptions::default());
/// let json = schema.wire_to_json(name, &wire.expect("valid JSON"), JsonOptions::default());
/// assert_eq!(json.expect("a message with a JSON form"), r#"{"name":"operations/o"}"#);
/// ```
pub struct Schema {
    messages: Vec<Message>,
    enums: Vec<Enum>,
    by_name: NameTable,
}

/// A message of a [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageId(usize);

/// An enum of a [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EnumId(usize);

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    /// Sorted by number.
    pub(crate) fields: Vec<Field>,
    /// JSON names and proto names, each with the index of its field.
    names: NameTable,
    /// The first four bytes of each `Field::key`, to find the next field without a look-up.
    heads: Vec<u32>,
}

/// The JSON form of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// An object with a member for each field.
    Object,
    Any,
    Timestamp,
    Duration,
    FieldMask,
    Struct,
    Value,
    ListValue,
    /// The form of its only field.
    Wrapper,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) json: String,
    pub(crate) kind: FieldKind,
    pub(crate) repeat: Cardinality,
    /// True if the field has explicit presence.
    pub(crate) presence: bool,
    /// The index of the field's oneof. `None` for the synthetic oneof of a proto3 `optional`.
    pub(crate) oneof: Option<usize>,
    /// True if `google.api.field_behavior` has REQUIRED.
    pub(crate) required: bool,
    /// True if `google.api.field_behavior` has OUTPUT_ONLY.
    pub(crate) output_only: bool,
    /// True if a message is encoded between two keys, as a group, and not after its length.
    pub(crate) delimited: bool,
    /// The beginning of its member in a JSON object: the name in quotes, and the colon.
    pub(crate) key: String,
    /// Its key on the wire.
    pub(crate) tag: Tag,
}

/// A field's number and wire type, encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag {
    bytes: [u8; 5],
    length: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cardinality {
    Once,
    Many {
        packed: bool,
    },
    /// A map. The field's type is that of the entry.
    Map,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Enum(EnumId),
    Message(MessageId),
}

#[derive(Debug)]
pub(crate) struct Enum {
    /// True for `google.protobuf.NullValue`, whose only value is `null` in JSON.
    pub(crate) is_null: bool,
    /// True if a number without a name is an unknown field, as in proto2 and with the feature CLOSED.
    closed: bool,
    /// Each number once, sorted, with its first name in quotes.
    by_number: Vec<(i32, String)>,
    /// In the order of declaration. `by_name` has indices into this list.
    numbers: Vec<i32>,
    by_name: NameTable,
}

impl FieldKind {
    /// Returns the wire type of one value that is not delimited.
    pub(crate) fn wire_type(self) -> WireType {
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => WireType::SixtyFourBit,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => WireType::ThirtyTwoBit,
            Self::String | Self::Bytes | Self::Message(_) => WireType::LengthDelimited,
            Self::Int32
            | Self::Int64
            | Self::Uint32
            | Self::Uint64
            | Self::Sint32
            | Self::Sint64
            | Self::Bool
            | Self::Enum(_) => WireType::Varint,
        }
    }
}

impl Schema {
    /// Compiles an encoded `google.protobuf.FileDescriptorSet`.
    ///
    /// # Errors
    ///
    /// If the bytes are not a descriptor set; if the set lacks the type of a field; if a field number is invalid, or
    /// duplicate in its message.
    pub fn new(descriptor_set: &[u8]) -> Result<Self, Error> {
        let set = FileSet::decode(descriptor_set)
            .map_err(|error| Error::message(format!("invalid descriptor set: {error}")))?;
        Self::compile(&set).map_err(Error::message)
    }

    pub(crate) fn compile(set: &FileSet) -> Result<Self, String> {
        compile::TypeIndex::of(set).compile()
    }

    pub(crate) fn find(&self, full_name: &str) -> Option<MessageId> {
        self.by_name.find(full_name).map(MessageId)
    }

    pub(crate) fn message(&self, id: MessageId) -> &Message {
        &self.messages[id.0]
    }

    pub(crate) fn enumeration(&self, id: EnumId) -> &Enum {
        &self.enums[id.0]
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema")
            .field("messages", &self.messages.len())
            .finish_non_exhaustive()
    }
}

impl Message {
    /// Returns the field with this JSON name or proto name, and its index.
    pub(crate) fn field_named(&self, name: &str) -> Option<(usize, &Field)> {
        let place = self.names.find(name)?;
        Some((place, &self.fields[place]))
    }

    /// Looks at the few fields from index `from` on, and returns the one whose key is at the beginning of `text`.
    /// Most texts have their members in the order of the fields, so it is usually one of these.
    pub(crate) fn field_next(&self, from: usize, text: &[u8]) -> Option<(usize, &Field)> {
        const FEW: usize = 8;
        let begin = head(text)?;
        let heads = self.heads.get(from..)?;
        let places = from..from + heads.len().min(FEW);
        places.zip(heads).find_map(|(place, head)| {
            let field = &self.fields[place];
            (*head == begin && text.starts_with(field.key.as_bytes())).then_some((place, field))
        })
    }

    pub(crate) fn field_numbered(&self, number: u32) -> Option<(usize, &Field)> {
        // Most messages number their fields from one without a gap.
        let guess = (number as usize).wrapping_sub(1);
        let place = match self.fields.get(guess) {
            Some(field) if field.number == number => guess,
            _ => self
                .fields
                .binary_search_by_key(&number, |field| field.number)
                .ok()?,
        };
        Some((place, &self.fields[place]))
    }
}

/// Returns the first four bytes of a text. A `Field::key` has at least four: the name, two quotes and the colon.
fn head(key: &[u8]) -> Option<u32> {
    key.first_chunk().map(|head| u32::from_le_bytes(*head))
}

impl Tag {
    pub(crate) fn new(number: u32, wire_type: WireType) -> Self {
        let mut bytes = [0; 5];
        let mut rest = &mut bytes[..];
        // A field number has at most 29 bits and a wire type has 3, which fit into five bytes.
        prost::encoding::encode_varint(u64::from(number) << 3 | wire_type as u64, &mut rest);
        let left = rest.len();
        let length = u8::try_from(bytes.len() - left).unwrap_or_default();
        Self { bytes, length }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl Enum {
    /// Returns the name of a number, in quotes.
    pub(crate) fn quoted(&self, number: i32) -> Option<&str> {
        // Most enums number their values from zero without a gap.
        let guess = usize::try_from(number)
            .ok()
            .and_then(|at| self.by_number.get(at));
        match guess {
            Some((known, name)) if *known == number => Some(name),
            _ => {
                let found = self
                    .by_number
                    .binary_search_by_key(&number, |(number, _)| *number);
                Some(&self.by_number[found.ok()?].1)
            }
        }
    }

    pub(crate) fn number(&self, name: &str) -> Option<i32> {
        Some(self.numbers[self.by_name.find(name)?])
    }

    /// Returns the names of the values in the order of their numbers, separated by commas. A long list is cut.
    pub(crate) fn names(&self) -> String {
        const MOST: usize = 20;
        let names = self.by_number.iter().take(MOST);
        let names: Vec<&str> = names.map(|(_, name)| name.trim_matches('"')).collect();
        let rest = match self.by_number.len() > MOST {
            true => ", …",
            false => "",
        };
        format!("{}{rest}", names.join(", "))
    }

    /// Returns whether a number is a value of the enum.
    pub(crate) fn has(&self, number: i32) -> bool {
        !self.closed || self.quoted(number).is_some()
    }

    /// Returns the value of a field that is not set: the first declared, which is zero unless the enum is closed.
    pub(crate) fn default(&self) -> i32 {
        self.numbers.first().copied().unwrap_or_default()
    }
}

/// Splits a dotted name into field names. The name of an extension has its dots within brackets.
pub(crate) fn field_names(name: &str) -> impl Iterator<Item = &str> {
    let mut within = false;
    name.split(move |char| {
        match char {
            '[' => within = true,
            ']' => within = false,
            _ => {}
        }
        char == '.' && !within
    })
}

/// Returns a name in camel case: `display_name` becomes `displayName`.
pub(crate) fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for char in name.chars() {
        if char == '_' {
            upper = true;
        } else if upper {
            out.push(char.to_ascii_uppercase());
            upper = false;
        } else {
            out.push(char);
        }
    }
    out
}
