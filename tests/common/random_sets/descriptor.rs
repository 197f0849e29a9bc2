//! The descriptors of a set, with the features of editions, which prost's own types lack.

use prost::Message;
use prost_reflect::ReflectMessage as _;

use super::{BYTES, EXTENSIONS, Field, Kind, Label, STRING, Set, Syntax};

#[derive(Clone, PartialEq, Message)]
pub(super) struct FileSet {
    #[prost(message, repeated, tag = "1")]
    pub(super) file: Vec<FileProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FileProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    package: String,
    #[prost(string, repeated, tag = "3")]
    dependency: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    message_type: Vec<MessageProto>,
    #[prost(message, repeated, tag = "5")]
    enum_type: Vec<EnumProto>,
    #[prost(message, repeated, tag = "6")]
    service: Vec<ServiceProto>,
    #[prost(message, repeated, tag = "7")]
    extension: Vec<FieldProto>,
    #[prost(message, optional, tag = "8")]
    options: Option<FileOptions>,
    #[prost(string, tag = "12")]
    syntax: String,
    #[prost(int32, optional, tag = "14")]
    edition: Option<i32>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct FileOptions {
    #[prost(message, optional, tag = "50")]
    features: Option<Features>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Features {
    #[prost(int32, tag = "1")]
    pub(super) field_presence: i32,
    #[prost(int32, tag = "2")]
    pub(super) enum_type: i32,
    #[prost(int32, tag = "3")]
    pub(super) repeated_field_encoding: i32,
    #[prost(int32, tag = "4")]
    pub(super) utf8_validation: i32,
    #[prost(int32, tag = "5")]
    pub(super) message_encoding: i32,
}

#[derive(Clone, PartialEq, Message)]
struct MessageProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    field: Vec<FieldProto>,
    #[prost(message, repeated, tag = "3")]
    nested_type: Vec<Self>,
    #[prost(message, repeated, tag = "5")]
    extension_range: Vec<ExtensionRange>,
    #[prost(message, optional, tag = "7")]
    options: Option<MessageOptions>,
    #[prost(message, repeated, tag = "8")]
    oneof_decl: Vec<OneofProto>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ExtensionRange {
    #[prost(int32, tag = "1")]
    start: i32,
    #[prost(int32, tag = "2")]
    end: i32,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct MessageOptions {
    #[prost(bool, tag = "7")]
    map_entry: bool,
}

#[derive(Clone, PartialEq, Message)]
struct OneofProto {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct FieldProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    extendee: String,
    #[prost(int32, tag = "3")]
    number: i32,
    #[prost(int32, tag = "4")]
    label: i32,
    #[prost(int32, tag = "5")]
    kind: i32,
    #[prost(string, tag = "6")]
    type_name: String,
    #[prost(message, optional, tag = "8")]
    options: Option<FieldOptions>,
    #[prost(int32, optional, tag = "9")]
    oneof_index: Option<i32>,
    #[prost(string, optional, tag = "10")]
    json_name: Option<String>,
    #[prost(bool, tag = "17")]
    proto3_optional: bool,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct FieldOptions {
    #[prost(bool, optional, tag = "2")]
    packed: Option<bool>,
    #[prost(message, optional, tag = "21")]
    features: Option<Features>,
}

#[derive(Clone, PartialEq, Message)]
struct EnumProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    value: Vec<ValueProto>,
    #[prost(message, optional, tag = "3")]
    options: Option<EnumOptions>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int32, optional, tag = "2")]
    number: Option<i32>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct EnumOptions {
    #[prost(bool, optional, tag = "2")]
    allow_alias: Option<bool>,
    #[prost(message, optional, tag = "7")]
    features: Option<Features>,
}

#[derive(Clone, PartialEq, Message)]
struct ServiceProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    method: Vec<MethodProto>,
}

#[derive(Clone, PartialEq, Message)]
struct MethodProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    input_type: String,
    #[prost(string, tag = "3")]
    output_type: String,
}

const WELL_KNOWN: [&str; 8] = [
    "any",
    "duration",
    "empty",
    "field_mask",
    "struct",
    "timestamp",
    "wrappers",
    "descriptor",
];

/// Returns the files of the well-known types, as the start of a set.
pub(super) fn well_known() -> Vec<u8> {
    let pool = ().descriptor().parent_pool().clone();
    let named = |name: &str| {
        let name = format!("google/protobuf/{name}.proto");
        let file = pool
            .get_file_by_name(&name)
            .expect("it is among the well-known");
        file.file_descriptor_proto().clone()
    };
    let file = WELL_KNOWN.iter().map(|name| named(name)).collect();
    prost_reflect::prost_types::FileDescriptorSet { file }.encode_to_vec()
}

impl Set {
    pub(super) fn file_proto(&self, place: usize, without_editions: bool) -> FileProto {
        let file = &self.files[place];
        let edition = match file.syntax {
            Syntax::Edition(edition) if !without_editions => Some(edition),
            _ => None,
        };
        let syntax = match file.syntax {
            Syntax::Proto2 => "proto2",
            Syntax::Proto3 => "proto3",
            Syntax::Edition(_) if !without_editions => "editions",
            Syntax::Edition(_) if file.implicit => "proto3",
            Syntax::Edition(_) => "proto2",
        };
        let own = |of: usize| of == place;
        let enums = self.enums.iter().filter(|of| own(of.file));
        let messages = self.messages.iter().filter(|of| own(of.file));
        let extensions = self.extensions.iter().filter(|of| own(of.file));
        let imports = (0..place).map(|place| format!("f{place}.proto"));
        let known = WELL_KNOWN.iter();
        let known = known.map(|name| format!("google/protobuf/{name}.proto"));
        FileProto {
            name: format!("f{place}.proto"),
            package: format!("r.p{place}"),
            dependency: imports.chain(known).collect(),
            message_type: messages
                .map(|of| {
                    let fields = of.fields.iter();
                    let mut message = MessageProto {
                        name: short(&of.name),
                        oneof_decl: (0..of.oneofs).map(|at| one_of(format!("o{at}"))).collect(),
                        ..MessageProto::default()
                    };
                    if of.extensible {
                        message.extension_range.push(ExtensionRange {
                            start: i32::try_from(EXTENSIONS).expect("it is small"),
                            end: 536_870_912,
                        });
                    }
                    for field in fields {
                        let proto = self.field_proto(place, field, &mut message, &of.name, syntax);
                        message.field.push(proto);
                    }
                    message
                })
                .collect(),
            enum_type: enums
                .map(|of| EnumProto {
                    name: short(&of.name),
                    value: of
                        .values
                        .iter()
                        .map(|(name, number)| ValueProto {
                            name: name.clone(),
                            number: Some(*number),
                        })
                        .collect(),
                    options: Some(EnumOptions {
                        allow_alias: of
                            .values
                            .iter()
                            .any(|(name, _)| name.ends_with("ALIAS"))
                            .then_some(true),
                        features: edition.map(|_| Features {
                            enum_type: if of.closed { 2 } else { 1 },
                            ..Features::default()
                        }),
                    }),
                })
                .collect(),
            service: match place + 1 == self.files.len() {
                true => vec![self.service()],
                false => Vec::new(),
            },
            extension: extensions
                .map(|of| {
                    let mut nothing = MessageProto::default();
                    let mut proto = self.field_proto(place, &of.field, &mut nothing, "", syntax);
                    proto.extendee = format!(".{}", self.messages[of.of].name);
                    proto.proto3_optional = false;
                    proto.oneof_index = None;
                    proto.json_name = None;
                    proto
                })
                .collect(),
            options: edition.map(|_| FileOptions {
                features: Some(file.features),
            }),
            syntax: syntax.to_owned(),
            edition,
        }
    }

    /// Returns a service with one method for each message.
    fn service(&self) -> ServiceProto {
        let methods = self.messages.iter().enumerate();
        let method = methods.map(|(at, of)| MethodProto {
            name: format!("C{at}"),
            input_type: format!(".{}", of.name),
            output_type: ".google.protobuf.Empty".to_owned(),
        });
        ServiceProto {
            name: "S".to_owned(),
            method: method.collect(),
        }
    }

    /// Returns a field's descriptor. The entry of a map and the oneof of an `optional` are added to the message.
    fn field_proto(
        &self,
        place: usize,
        field: &Field,
        message: &mut MessageProto,
        scope: &str,
        syntax: &str,
    ) -> FieldProto {
        let file = &self.files[place];
        let (kind, type_name) = self.kind(field.kind);
        let mut proto = FieldProto {
            name: field.name.clone(),
            number: i32::try_from(field.number).expect("29 bits"),
            label: match field.label {
                Label::Once => 1,
                // In editions, the code below sets the label to 1, and a feature makes the field required.
                Label::Required => 2,
                Label::Many | Label::Map(_) => 3,
            },
            kind,
            type_name,
            oneof_index: field.oneof.map(|at| i32::try_from(at).expect("few")),
            json_name: Some(field.json.clone().unwrap_or_else(|| camel(&field.name))),
            ..FieldProto::default()
        };
        if let Label::Map(key) = field.label {
            let name = entry(&field.name);
            let (value, type_name) = self.kind(field.kind);
            let part = |name: &str, number, kind, type_name| FieldProto {
                name: name.to_owned(),
                number,
                label: 1,
                kind,
                type_name,
                json_name: Some(name.to_owned()),
                ..FieldProto::default()
            };
            message.nested_type.push(MessageProto {
                name: name.clone(),
                field: vec![
                    part("key", 1, key, String::new()),
                    part("value", 2, value, type_name),
                ],
                options: Some(MessageOptions { map_entry: true }),
                ..MessageProto::default()
            });
            proto.kind = 11;
            proto.type_name = format!(".{scope}.{name}");
        }
        let is_message = matches!(field.kind, Kind::Message(_) | Kind::Known(_));
        let packable = field.label == Label::Many
            && !is_message
            && !matches!(field.kind, Kind::Scalar(STRING | BYTES));
        if syntax == "editions" {
            let mut features = Features::default();
            let said = file.features;
            if field.label == Label::Required {
                proto.label = 1;
                features.field_presence = 3;
            } else if field.label == Label::Once && !is_message && field.oneof.is_none() {
                let wanted = if field.explicit { 1 } else { 2 };
                if said.field_presence.max(1) != wanted && !scope.is_empty() {
                    features.field_presence = wanted;
                }
            }
            if packable {
                let wanted = if field.packed { 1 } else { 2 };
                if said.repeated_field_encoding.max(1) != wanted {
                    features.repeated_field_encoding = wanted;
                }
            }
            if is_message && !matches!(field.label, Label::Map(_)) {
                let wanted = if field.delimited { 2 } else { 1 };
                if said.message_encoding.max(1) != wanted {
                    features.message_encoding = wanted;
                }
            }
            proto.options = Some(FieldOptions {
                packed: None,
                features: Some(features),
            });
            return proto;
        }
        if field.delimited {
            proto.kind = 10;
        }
        if packable {
            proto.options = Some(FieldOptions {
                packed: Some(field.packed),
                features: None,
            });
        }
        let optional = syntax == "proto3"
            && field.label == Label::Once
            && field.explicit
            && field.oneof.is_none()
            && !is_message;
        if optional {
            proto.proto3_optional = true;
            proto.oneof_index = Some(i32::try_from(message.oneof_decl.len()).expect("few"));
            message.oneof_decl.push(one_of(format!("_{}", field.name)));
        }
        proto
    }

    fn kind(&self, kind: Kind) -> (i32, String) {
        match kind {
            Kind::Scalar(kind) => (kind, String::new()),
            Kind::Enum(of) => (14, format!(".{}", self.enums[of].name)),
            Kind::NullValue => (14, ".google.protobuf.NullValue".to_owned()),
            Kind::Message(of) => (11, format!(".{}", self.messages[of].name)),
            Kind::Known(name) => (11, format!(".google.protobuf.{name}")),
        }
    }
}

fn one_of(name: String) -> OneofProto {
    OneofProto { name }
}

fn short(name: &str) -> String {
    name.rsplit('.').next().unwrap_or_default().to_owned()
}

/// Converts `foo_bar` to `fooBar`.
fn camel(name: &str) -> String {
    let mut upper = false;
    let mut out = String::new();
    for char in name.chars() {
        match char {
            '_' => upper = true,
            char if std::mem::take(&mut upper) => out.push(char.to_ascii_uppercase()),
            char => out.push(char),
        }
    }
    out
}

/// Returns the name of a map's entry: `FooBarEntry` for `foo_bar`.
fn entry(name: &str) -> String {
    let camel = camel(&format!("_{name}"));
    format!("{camel}Entry")
}
