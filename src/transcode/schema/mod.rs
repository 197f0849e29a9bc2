//! Messages and enums, compiled from a descriptor set for the JSON engine: names to fields, numbers to
//! fields, and what kind each is.
//!
//! An extension is a field of the message that it extends, by the name `[pkg.ext]` in JSON. Unknown are only the
//! extensions of a MessageSet and of well-known types, and those whose type the set lacks.

mod compile;
pub(crate) mod descriptor;
mod names;

use std::fmt;

use prost::Message as _;
use prost::encoding::WireType;

use crate::error::Error;
use crate::transcode::json::{self, JsonOptions};
use crate::transcode::schema::descriptor::FileSet;
use crate::transcode::schema::names::Names;

/// The messages and enums of a descriptor set, compiled for going from JSON to the wire and back.
///
/// ```
/// use apigateway_grpc::proto::FILE_DESCRIPTOR_SET;
/// use apigateway_grpc::transcode::{JsonOptions, Schema};
///
/// let schema = Schema::new(FILE_DESCRIPTOR_SET).expect("it is whole");
/// let name = "google.longrunning.GetOperationRequest";
/// let wire = schema.json_to_wire(name, br#"{"name": "operations/o"}"#, JsonOptions::default());
/// let json = schema.wire_to_json(name, &wire.expect("it is one"), JsonOptions::default());
/// assert_eq!(json.expect("it has a JSON form"), r#"{"name":"operations/o"}"#);
/// ```
pub struct Schema {
    messages: Vec<Message>,
    enums: Vec<Enum>,
    by_name: Names,
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
    /// JSON names and proto names, each with its field's place.
    names: Names,
    /// The beginning of each field's key, to find the next one without a look-up.
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
    /// That of its one field.
    Wrapper,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) json: String,
    pub(crate) kind: Kind,
    pub(crate) repeat: Repeat,
    /// Whether a value that is the default is told from none.
    pub(crate) presence: bool,
    /// The oneof that it is of, if that has others.
    pub(crate) oneof: Option<usize>,
    /// Whether `google.api.field_behavior` says that it is required.
    pub(crate) required: bool,
    /// Whether `google.api.field_behavior` says that only the service sets it.
    pub(crate) output_only: bool,
    /// Whether a message stands between two keys, as a group does, instead of after its length.
    pub(crate) delimited: bool,
    /// The name as a member of a JSON object begins: in quotes, with the colon.
    pub(crate) key: String,
    /// What it begins with on the wire.
    pub(crate) tag: Tag,
}

/// A field's number and wire type, encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag {
    bytes: [u8; 5],
    length: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    Once,
    Many {
        packed: bool,
    },
    /// The kind is that of the entry.
    Map,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
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
    /// `google.protobuf.NullValue`, whose one value is `null`.
    pub(crate) is_null: bool,
    /// Whether a number without a name is an unknown field: so it is in proto2 and with the feature CLOSED.
    closed: bool,
    /// Sorted by number, of which each is there once, with its first name in quotes.
    by_number: Vec<(i32, String)>,
    /// As declared; `by_name` has the places.
    numbers: Vec<i32>,
    by_name: Names,
}

impl Kind {
    /// The wire type, where it is neither packed nor delimited.
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
    /// If the bytes are no descriptor set, or a type that a field names is not in it.
    pub fn new(descriptor_set: &[u8]) -> Result<Self, Error> {
        let set = FileSet::decode(descriptor_set)
            .map_err(|error| Error::message(format!("this is no descriptor set: {error}")))?;
        Self::compile(&set).map_err(Error::message)
    }

    /// The wire bytes of a message in proto3 JSON.
    ///
    /// # Errors
    ///
    /// If the schema has no message of this full name, or the text is not its JSON form; the error names
    /// the field and the byte.
    pub fn json_to_wire(
        &self,
        message: &str,
        json: &[u8],
        options: JsonOptions,
    ) -> Result<Vec<u8>, Error> {
        json::read(self, self.known(message)?, json, options)
            .map_err(|why| Error::message(format!("this is no {message}: {why}")))
    }

    /// The proto3 JSON text of a message on the wire.
    ///
    /// # Errors
    ///
    /// If the schema has no message of this full name, the bytes are not one, or what they hold has no
    /// JSON form, as with a timestamp beyond the year 9999.
    pub fn wire_to_json(
        &self,
        message: &str,
        wire: &[u8],
        options: JsonOptions,
    ) -> Result<String, Error> {
        json::write(self, self.known(message)?, wire, options)
            .map_err(|why| Error::message(format!("a {message} has no JSON form: {why}")))
    }

    fn known(&self, message: &str) -> Result<MessageId, Error> {
        self.find(message)
            .ok_or_else(|| Error::message(format!("the schema has no message `{message}`")))
    }

    pub(crate) fn compile(set: &FileSet) -> Result<Self, String> {
        compile::Types::of(set).compile()
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
    /// By its JSON name or its proto name.
    pub(crate) fn field_named(&self, name: &str) -> Option<(usize, &Field)> {
        let place = self.names.find(name)?;
        Some((place, &self.fields[place]))
    }

    /// The field, of the next few from a place on, whose key a text begins with. Most texts have their
    /// members in the order of the fields, without those that are not set.
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
        // Numbers mostly run from one without a gap.
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

/// The first four bytes, of which every key has as many.
fn head(key: &[u8]) -> Option<u32> {
    key.first_chunk().map(|head| u32::from_le_bytes(*head))
}

impl Tag {
    pub(crate) fn new(number: u32, of: WireType) -> Self {
        let mut bytes = [0; 5];
        let mut rest = &mut bytes[..];
        // A number has at most 32 bits and a wire type three: five bytes hold them.
        prost::encoding::encode_varint(u64::from(number) << 3 | of as u64, &mut rest);
        let left = rest.len();
        let length = u8::try_from(bytes.len() - left).unwrap_or_default();
        Self { bytes, length }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl Enum {
    /// The name of a number, in quotes.
    pub(crate) fn quoted(&self, number: i32) -> Option<&str> {
        // Numbers mostly run from zero without a gap.
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

    /// Whether a number is a value of the enum.
    pub(crate) fn has(&self, number: i32) -> bool {
        !self.closed || self.quoted(number).is_some()
    }

    /// The value of a field that is not set: the first one declared, which is zero unless the enum is closed.
    pub(crate) fn default(&self) -> i32 {
        self.numbers.first().copied().unwrap_or_default()
    }
}

/// The names of the fields that a dotted name leads through. The name of an extension has dots within brackets.
pub(crate) fn steps(name: &str) -> impl Iterator<Item = &str> {
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

/// `display_name` as `displayName`.
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
