//! Compiles descriptors into a schema: first all types by name, then the fields, which name types.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use prost::encoding::WireType;

use crate::contract::descriptor::{EnumType, Features, FieldType, File, FileSet, MessageType};
use crate::transcode::schema::names::NameTable;
use crate::transcode::schema::{
    Cardinality, Enum, EnumId, Field, FieldKind, Message, MessageId, Schema, Shape, Tag, camel,
    head,
};

/// All types of a descriptor set by name, before their fields can be compiled.
#[derive(Default)]
pub(crate) struct TypeIndex<'a> {
    messages: Vec<(String, &'a MessageType, Syntax)>,
    enums: Vec<(String, &'a EnumType, Syntax)>,
    /// Extensions by the message that they extend, each with its full name.
    extensions: HashMap<&'a str, Vec<(String, &'a FieldType, Syntax)>>,
    message_ids: HashMap<String, MessageId>,
    enum_ids: HashMap<String, EnumId>,
}

/// The settings that a field or an enum inherits from the syntax or from the features of an edition.
#[derive(Clone, Copy)]
struct Syntax {
    /// True if fields have explicit presence.
    presence: bool,
    /// True if the values of an enum are only the numbers that have a name.
    closed: bool,
    packed: bool,
    delimited: bool,
    is_edition: bool,
}

impl Syntax {
    fn of(file: &File) -> Self {
        let defaults = Self {
            presence: file.syntax != "proto3",
            closed: !matches!(file.syntax.as_str(), "proto3" | "editions"),
            packed: matches!(file.syntax.as_str(), "proto3" | "editions"),
            delimited: false,
            is_edition: file.syntax == "editions",
        };
        defaults.with(file.options.and_then(|options| options.features))
    }

    /// Applies the features of an edition. Files without an edition have none.
    fn with(self, features: Option<Features>) -> Self {
        let Some(features) = features.filter(|_| self.is_edition) else {
            return self;
        };
        Self {
            // EXPLICIT, IMPLICIT, LEGACY_REQUIRED.
            presence: match features.field_presence {
                0 => self.presence,
                presence => presence != 2,
            },
            // OPEN, CLOSED.
            closed: match features.enum_type {
                0 => self.closed,
                kind => kind == 2,
            },
            // PACKED, EXPANDED.
            packed: match features.repeated_field_encoding {
                0 => self.packed,
                encoding => encoding == 1,
            },
            // LENGTH_PREFIXED, DELIMITED.
            delimited: match features.message_encoding {
                0 => self.delimited,
                encoding => encoding == 2,
            },
            ..self
        }
    }
}

impl<'a> TypeIndex<'a> {
    pub(crate) fn of(set: &'a FileSet) -> Self {
        let mut types = Self::default();
        for file in &set.file {
            let syntax = Syntax::of(file);
            for message in &file.message_type {
                types.message(&file.package, message, syntax);
            }
            for descriptor in &file.enum_type {
                types.enumeration(&file.package, descriptor, syntax);
            }
            types.extensions(&file.package, &file.extension, syntax);
        }
        types
    }

    fn message(&mut self, scope: &str, message: &'a MessageType, syntax: Syntax) {
        let name = scoped(scope, &message.name);
        let syntax = syntax.with(message.options.and_then(|options| options.features));
        for nested in &message.nested_type {
            self.message(&name, nested, syntax);
        }
        for descriptor in &message.enum_type {
            self.enumeration(&name, descriptor, syntax);
        }
        self.extensions(&name, &message.extension, syntax);
        self.message_ids
            .insert(name.clone(), MessageId(self.messages.len()));
        self.messages.push((name, message, syntax));
    }

    fn enumeration(&mut self, scope: &str, descriptor: &'a EnumType, syntax: Syntax) {
        let name = scoped(scope, &descriptor.name);
        let syntax = syntax.with(descriptor.options.and_then(|options| options.features));
        self.enum_ids.insert(name.clone(), EnumId(self.enums.len()));
        self.enums.push((name, descriptor, syntax));
    }

    fn extensions(&mut self, scope: &str, all: &'a [FieldType], syntax: Syntax) {
        for extension in all {
            let extended = extension.extendee.trim_start_matches('.');
            let name = format!("[{}]", scoped(scope, &extension.name));
            let known = self.extensions.entry(extended).or_default();
            known.push((name, extension, syntax));
        }
    }

    pub(crate) fn compile(self) -> Result<Schema, String> {
        let messages = self
            .messages
            .iter()
            .map(|(name, message, syntax)| self.compiled(name, message, *syntax))
            .collect::<Result<_, _>>()?;
        let enums = self.enums.iter();
        let enums =
            enums.map(|(name, descriptor, syntax)| enumeration(name, descriptor, syntax.closed));
        Ok(Schema {
            messages,
            enums: enums.collect(),
            by_name: NameTable::new(self.message_ids.into_iter().map(|(name, id)| (name, id.0))),
        })
    }

    fn compiled(
        &self,
        name: &str,
        descriptor: &MessageType,
        syntax: Syntax,
    ) -> Result<Message, String> {
        // The entry of a map and its content are never delimited, whatever the features of the file are.
        let options = descriptor.options.unwrap_or_default();
        let syntax = Syntax {
            delimited: syntax.delimited && !options.map_entry,
            ..syntax
        };
        let shape = shape(name, descriptor);
        let mut fields = Vec::with_capacity(descriptor.field.len());
        for field in &descriptor.field {
            let oneof = field.oneof_index.and_then(|at| usize::try_from(at).ok());
            let oneof = oneof.and_then(|at| descriptor.oneof.get(at)?.options);
            let syntax = syntax.with(oneof.and_then(|options| options.features));
            let compiled = self
                .field(field, syntax)
                .map_err(|why| format!("{name}.{}: {why}", field.name))?;
            fields.push(compiled);
        }
        unique_numbers(name, &mut fields)?;
        if shape == Shape::Object && !options.map_entry && !options.message_set {
            for extension in self.extensions.get(name).into_iter().flatten() {
                let (full_name, field, _) = extension;
                check_number(field).map_err(|why| format!("{name}.{full_name}: {why}"))?;
                // Skip an extension whose type the set lacks. Its field is then unknown.
                fields.extend(self.extension(extension));
            }
        }
        fields.sort_by_key(|field: &Field| field.number);
        fields.dedup_by_key(|field| field.number);
        make_json_names_unique(&mut fields);
        let places = |name: fn(&Field) -> &str| {
            let names = fields.iter().map(name).map(str::to_owned);
            names.zip(0..).collect::<Vec<_>>()
        };
        let names = [places(|field| &field.json), places(|field| &field.name)].concat();
        Ok(Message {
            name: name.to_owned(),
            shape,
            heads: fields
                .iter()
                .map(|field| head(field.key.as_bytes()).unwrap_or_default())
                .collect(),
            fields,
            names: NameTable::new(names),
        })
    }

    /// Returns the field of an extension, which has explicit presence even in proto3.
    fn extension(&self, (name, field, syntax): &(String, &FieldType, Syntax)) -> Option<Field> {
        let field = self.field(field, *syntax).ok()?;
        Some(Field {
            presence: field.repeat == Cardinality::Once,
            oneof: None,
            key: quoted(name) + ":",
            json: name.clone(),
            name: name.clone(),
            ..field
        })
    }

    fn field(&self, field: &FieldType, syntax: Syntax) -> Result<Field, String> {
        check_number(field)?;
        let kind = self.kind(field)?;
        let options = field.options.as_ref();
        let syntax = syntax.with(options.and_then(|options| options.features));
        let is_message = matches!(kind, FieldKind::Message(_));
        let repeat = match field.label {
            REPEATED if self.is_map(kind) => Cardinality::Map,
            REPEATED => Cardinality::Many {
                packed: !matches!(
                    kind,
                    FieldKind::String | FieldKind::Bytes | FieldKind::Message(_)
                ) && options
                    .and_then(|options| options.packed)
                    .unwrap_or(syntax.packed),
            },
            _ => Cardinality::Once,
        };
        let delimited =
            field.kind == GROUP || (is_message && syntax.delimited && repeat != Cardinality::Map);
        let json = if field.json_name.is_empty() {
            camel(&field.name)
        } else {
            field.json_name.clone()
        };
        Ok(Field {
            number: field.number,
            name: field.name.clone(),
            key: quoted(&json) + ":",
            json,
            kind,
            repeat,
            presence: repeat == Cardinality::Once
                && (syntax.presence || field.oneof_index.is_some() || is_message),
            oneof: field
                .oneof_index
                .filter(|_| !field.proto3_optional)
                .and_then(|index| usize::try_from(index).ok()),
            required: options.is_some_and(|options| options.behavior.contains(&REQUIRED)),
            output_only: options.is_some_and(|options| options.behavior.contains(&OUTPUT_ONLY)),
            delimited,
            tag: Tag::new(field.number, wire_type(kind, repeat, delimited)),
        })
    }

    fn is_map(&self, kind: FieldKind) -> bool {
        let FieldKind::Message(id) = kind else {
            return false;
        };
        let (_, message, _) = &self.messages[id.0];
        message.options.is_some_and(|options| options.map_entry)
    }

    fn kind(&self, field: &FieldType) -> Result<FieldKind, String> {
        let type_name = field.type_name.trim_start_matches('.');
        let unknown = || format!("the type `{type_name}` is not in the descriptor set");
        Ok(match field.kind {
            1 => FieldKind::Double,
            2 => FieldKind::Float,
            3 => FieldKind::Int64,
            4 => FieldKind::Uint64,
            5 => FieldKind::Int32,
            6 => FieldKind::Fixed64,
            7 => FieldKind::Fixed32,
            8 => FieldKind::Bool,
            9 => FieldKind::String,
            GROUP | 11 => FieldKind::Message(
                self.message_ids
                    .get(type_name)
                    .copied()
                    .ok_or_else(unknown)?,
            ),
            12 => FieldKind::Bytes,
            13 => FieldKind::Uint32,
            14 => FieldKind::Enum(self.enum_ids.get(type_name).copied().ok_or_else(unknown)?),
            15 => FieldKind::Sfixed32,
            16 => FieldKind::Sfixed64,
            17 => FieldKind::Sint32,
            18 => FieldKind::Sint64,
            other => return Err(format!("unknown field type {other}")),
        })
    }
}

/// Checks that a field has a number that protoc accepts.
///
/// A larger number does not fit into a key on the wire, and protobuf reserves some numbers.
fn check_number(field: &FieldType) -> Result<(), String> {
    let number = field.number.cast_signed();
    if (1..=MAX_NUMBER).contains(&number) && !RESERVED_NUMBERS.contains(&number) {
        return Ok(());
    }
    let (first, last) = RESERVED_NUMBERS.into_inner();
    Err(format!(
        "invalid field number {number}: must be from 1 to {MAX_NUMBER}, and not from {first} to {last}"
    ))
}

/// Sorts fields by their numbers.
///
/// # Errors
///
/// If two fields have the same number.
fn unique_numbers(message: &str, fields: &mut [Field]) -> Result<(), String> {
    fields.sort_by_key(|field| field.number);
    let mut pairs = fields.windows(2);
    match pairs.find(|pair| pair[0].number == pair[1].number) {
        None => Ok(()),
        Some(pair) => Err(format!(
            "{message}.{}: duplicate field number {}: `{}` has it",
            pair[1].name, pair[1].number, pair[0].name
        )),
    }
}

fn wire_type(kind: FieldKind, repeat: Cardinality, delimited: bool) -> WireType {
    match repeat {
        Cardinality::Many { packed: true } => WireType::LengthDelimited,
        _ if delimited => WireType::StartGroup,
        _ => kind.wire_type(),
    }
}

/// Makes the JSON name of each field unique. proto2 and `json_format: LEGACY_BEST_EFFORT` allow several fields with
/// one JSON name, such as `foo_bar` and `fooBar`. The field whose proto name equals the JSON name keeps it. If there is no
/// such field, the first one keeps it. The others use their proto names, which every parser accepts.
fn make_json_names_unique(fields: &mut [Field]) {
    let mut owners: HashMap<&str, usize> = HashMap::with_capacity(fields.len());
    for (place, field) in fields.iter().enumerate() {
        let owner = owners.entry(&field.json).or_insert(place);
        if field.name == field.json {
            *owner = place;
        }
    }
    if owners.len() == fields.len() {
        return;
    }
    let others: Vec<usize> = (0..fields.len())
        .filter(|place| owners[fields[*place].json.as_str()] != *place)
        .collect();
    for place in others {
        let field = &mut fields[place];
        field.json.clone_from(&field.name);
        field.key = quoted(&field.json) + ":";
    }
}

/// Returns a name as JSON writes it, in quotes.
fn quoted(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}

fn enumeration(name: &str, descriptor: &EnumType, closed: bool) -> Enum {
    let mut by_number: Vec<_> = descriptor
        .value
        .iter()
        .map(|value| (value.number, quoted(&value.name)))
        .collect();
    // If a number has several names, the first is written.
    by_number.sort_by_key(|(number, _)| *number);
    by_number.dedup_by_key(|(number, _)| *number);
    Enum {
        is_null: name == "google.protobuf.NullValue",
        closed,
        by_number,
        numbers: descriptor.value.iter().map(|value| value.number).collect(),
        by_name: NameTable::new(
            descriptor
                .value
                .iter()
                .map(|value| value.name.clone())
                .zip(0..),
        ),
    }
}

/// The largest field number: a key has 29 bits for it.
const MAX_NUMBER: i32 = (1 << 29) - 1;
/// Field numbers that protobuf implementations use themselves.
const RESERVED_NUMBERS: RangeInclusive<i32> = 19_000..=19_999;
/// `FieldDescriptorProto.Label.LABEL_REPEATED`.
const REPEATED: i32 = 3;
/// `FieldDescriptorProto.Type.TYPE_GROUP`.
const GROUP: i32 = 10;
/// `google.api.FieldBehavior.REQUIRED`.
const REQUIRED: i32 = 2;
/// `google.api.FieldBehavior.OUTPUT_ONLY`.
const OUTPUT_ONLY: i32 = 3;

fn scoped(scope: &str, name: &str) -> String {
    if scope.is_empty() {
        name.to_owned()
    } else {
        format!("{scope}.{name}")
    }
}

/// The numbers and types of a message's fields.
type Numbers = &'static [(u32, i32)];

/// The well-known types with a JSON form of their own, and the numbers and types of their fields. A message that has
/// such a name but other fields is an ordinary object.
const KNOWN: [(&str, Shape, Numbers); 16] = [
    ("Any", Shape::Any, &[(1, 9), (2, 12)]),
    ("Timestamp", Shape::Timestamp, &[(1, 3), (2, 5)]),
    ("Duration", Shape::Duration, &[(1, 3), (2, 5)]),
    ("FieldMask", Shape::FieldMask, &[(1, 9)]),
    ("Struct", Shape::Struct, &[(1, 11)]),
    (
        "Value",
        Shape::Value,
        &[(1, 14), (2, 1), (3, 9), (4, 8), (5, 11), (6, 11)],
    ),
    ("ListValue", Shape::ListValue, &[(1, 11)]),
    ("DoubleValue", Shape::Wrapper, &[(1, 1)]),
    ("FloatValue", Shape::Wrapper, &[(1, 2)]),
    ("Int64Value", Shape::Wrapper, &[(1, 3)]),
    ("UInt64Value", Shape::Wrapper, &[(1, 4)]),
    ("Int32Value", Shape::Wrapper, &[(1, 5)]),
    ("UInt32Value", Shape::Wrapper, &[(1, 13)]),
    ("BoolValue", Shape::Wrapper, &[(1, 8)]),
    ("StringValue", Shape::Wrapper, &[(1, 9)]),
    ("BytesValue", Shape::Wrapper, &[(1, 12)]),
];

fn shape(name: &str, descriptor: &MessageType) -> Shape {
    let name = name.strip_prefix("google.protobuf.");
    let known = KNOWN.iter().find(|(known, ..)| Some(*known) == name);
    let Some((_, shape, fields)) = known else {
        return Shape::Object;
    };
    let mut found: Vec<_> = descriptor
        .field
        .iter()
        .map(|field| (field.number, field.kind))
        .collect();
    found.sort_unstable();
    // The message fields of a `Value` must be a `Struct` and a `ListValue`. The depth limit counts brackets. A `Value` adds
    // no bracket, so a `Value` that contained itself directly would escape the limit.
    let within = |field: &FieldType| {
        *shape != Shape::Value
            || field.kind != 11
            || matches!(
                field.type_name.as_str(),
                ".google.protobuf.Struct" | ".google.protobuf.ListValue"
            )
    };
    if found == *fields && descriptor.field.iter().all(within) {
        *shape
    } else {
        Shape::Object
    }
}
