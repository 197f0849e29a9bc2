//! Messages and enums, compiled from a descriptor set for the JSON engine: names to fields, numbers to
//! fields, and what kind each is.

use std::collections::HashMap;
use std::fmt;

use prost::Message as _;

use super::descriptor::{EnumType, FieldType, File, FileSet, MessageType};
use super::json::{self, JsonOptions};
use crate::error::Error;

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
    by_name: HashMap<String, MessageId>,
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
    /// JSON names and proto names, sorted, each with its field's place.
    names: Vec<(String, usize)>,
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
    by_number: Vec<(i32, String)>,
    by_name: HashMap<String, i32>,
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
            .map_err(|why| Error::message(format!("this {message} has no JSON form: {why}")))
    }

    fn known(&self, message: &str) -> Result<MessageId, Error> {
        self.find(message)
            .ok_or_else(|| Error::message(format!("the schema has no message `{message}`")))
    }

    pub(super) fn compile(set: &FileSet) -> Result<Self, String> {
        let mut names = Names::default();
        for file in &set.file {
            names.file(file);
        }
        let mut schema = Self {
            messages: Vec::new(),
            enums: Vec::new(),
            by_name: HashMap::new(),
        };
        for (name, message, proto2) in &names.messages {
            schema.messages.push(names.compile(name, message, *proto2)?);
        }
        for (name, of) in &names.enums {
            schema.enums.push(Enum::new(name, of));
        }
        schema.by_name = names.message_ids;
        Ok(schema)
    }

    pub(crate) fn find(&self, full_name: &str) -> Option<MessageId> {
        self.by_name.get(full_name).copied()
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
        let found = self
            .names
            .binary_search_by(|(known, _)| known.as_str().cmp(name))
            .ok()?;
        let place = self.names[found].1;
        Some((place, &self.fields[place]))
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

impl Enum {
    fn new(name: &str, of: &EnumType) -> Self {
        let mut by_number: Vec<(i32, String)> = Vec::new();
        let mut by_name = HashMap::new();
        for value in &of.value {
            by_name.insert(value.name.clone(), value.number);
            // The first name of a number is the one that is written.
            if !by_number.iter().any(|(number, _)| *number == value.number) {
                by_number.push((value.number, value.name.clone()));
            }
        }
        by_number.sort_by_key(|(number, _)| *number);
        Self {
            is_null: name == "google.protobuf.NullValue",
            by_number,
            by_name,
        }
    }

    pub(crate) fn name(&self, number: i32) -> Option<&str> {
        let found = self
            .by_number
            .binary_search_by_key(&number, |(number, _)| *number)
            .ok()?;
        Some(&self.by_number[found].1)
    }

    pub(crate) fn number(&self, name: &str) -> Option<i32> {
        self.by_name.get(name).copied()
    }
}

/// All types by name, before their fields can be compiled.
#[derive(Default)]
struct Names<'a> {
    messages: Vec<(String, &'a MessageType, bool)>,
    enums: Vec<(String, &'a EnumType)>,
    message_ids: HashMap<String, MessageId>,
    enum_ids: HashMap<String, EnumId>,
}

impl<'a> Names<'a> {
    fn file(&mut self, file: &'a File) {
        let proto2 = !matches!(file.syntax.as_str(), "proto3" | "editions");
        file.message_type
            .iter()
            .for_each(|message| self.message(&file.package, message, proto2));
        file.enum_type
            .iter()
            .for_each(|of| self.enumeration(&file.package, of));
    }

    fn message(&mut self, scope: &str, message: &'a MessageType, proto2: bool) {
        let name = within(scope, &message.name);
        message
            .nested_type
            .iter()
            .for_each(|nested| self.message(&name, nested, proto2));
        message
            .enum_type
            .iter()
            .for_each(|of| self.enumeration(&name, of));
        self.message_ids
            .insert(name.clone(), MessageId(self.messages.len()));
        self.messages.push((name, message, proto2));
    }

    fn enumeration(&mut self, scope: &str, of: &'a EnumType) {
        let name = within(scope, &of.name);
        self.enum_ids.insert(name.clone(), EnumId(self.enums.len()));
        self.enums.push((name, of));
    }

    fn compile(&self, name: &str, message: &MessageType, proto2: bool) -> Result<Message, String> {
        let mut fields = Vec::with_capacity(message.field.len());
        for field in &message.field {
            // A group has no JSON form; none of ours has one.
            if field.kind != GROUP {
                let compiled = self
                    .field(field, proto2)
                    .map_err(|why| format!("{name}.{}: {why}", field.name))?;
                fields.push(compiled);
            }
        }
        fields.sort_by_key(|field| field.number);
        let mut names: Vec<(String, usize)> = Vec::new();
        for (place, field) in fields.iter().enumerate() {
            names.push((field.json.clone(), place));
            names.push((field.name.clone(), place));
        }
        names.sort();
        names.dedup();
        Ok(Message {
            name: name.to_owned(),
            shape: shape(name),
            fields,
            names,
        })
    }

    fn field(&self, field: &FieldType, proto2: bool) -> Result<Field, String> {
        let kind = self.kind(field)?;
        let is_map = matches!(kind, Kind::Message(id) if self.messages[id.0].1.options.is_some_and(|options| options.map_entry));
        let packable = !matches!(kind, Kind::String | Kind::Bytes | Kind::Message(_));
        let options = field.options.as_ref();
        let repeat = match field.label {
            REPEATED if is_map => Repeat::Map,
            REPEATED => {
                let packed = options
                    .and_then(|options| options.packed)
                    .unwrap_or(!proto2);
                Repeat::Many {
                    packed: packable && packed,
                }
            }
            _ => Repeat::Once,
        };
        let oneof = field.oneof_index.filter(|_| !field.proto3_optional);
        let presence = repeat == Repeat::Once
            && (proto2 || field.oneof_index.is_some() || matches!(kind, Kind::Message(_)));
        let json = if field.json_name.is_empty() {
            camel(&field.name)
        } else {
            field.json_name.clone()
        };
        Ok(Field {
            number: field.number,
            name: field.name.clone(),
            json,
            kind,
            repeat,
            presence,
            oneof: oneof.and_then(|index| usize::try_from(index).ok()),
            required: options.is_some_and(|options| options.behavior.contains(&REQUIRED)),
        })
    }

    fn kind(&self, field: &FieldType) -> Result<Kind, String> {
        let type_name = field.type_name.trim_start_matches('.');
        let unknown = || format!("the type `{type_name}` is not in the set");
        Ok(match field.kind {
            1 => Kind::Double,
            2 => Kind::Float,
            3 => Kind::Int64,
            4 => Kind::Uint64,
            5 => Kind::Int32,
            6 => Kind::Fixed64,
            7 => Kind::Fixed32,
            8 => Kind::Bool,
            9 => Kind::String,
            11 => Kind::Message(
                self.message_ids
                    .get(type_name)
                    .copied()
                    .ok_or_else(unknown)?,
            ),
            12 => Kind::Bytes,
            13 => Kind::Uint32,
            14 => Kind::Enum(self.enum_ids.get(type_name).copied().ok_or_else(unknown)?),
            15 => Kind::Sfixed32,
            16 => Kind::Sfixed64,
            17 => Kind::Sint32,
            18 => Kind::Sint64,
            other => return Err(format!("the type {other} is unknown")),
        })
    }
}

/// `FieldDescriptorProto.Label.LABEL_REPEATED`.
const REPEATED: i32 = 3;
/// `FieldDescriptorProto.Type.TYPE_GROUP`.
const GROUP: i32 = 10;
/// `google.api.FieldBehavior.REQUIRED`.
const REQUIRED: i32 = 2;

fn within(scope: &str, name: &str) -> String {
    if scope.is_empty() {
        name.to_owned()
    } else {
        format!("{scope}.{name}")
    }
}

fn shape(name: &str) -> Shape {
    match name.strip_prefix("google.protobuf.") {
        Some("Any") => Shape::Any,
        Some("Timestamp") => Shape::Timestamp,
        Some("Duration") => Shape::Duration,
        Some("FieldMask") => Shape::FieldMask,
        Some("Struct") => Shape::Struct,
        Some("Value") => Shape::Value,
        Some("ListValue") => Shape::ListValue,
        Some(
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value"
            | "UInt32Value" | "BoolValue" | "StringValue" | "BytesValue",
        ) => Shape::Wrapper,
        _ => Shape::Object,
    }
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
