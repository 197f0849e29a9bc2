//! Random descriptor sets of every syntax and edition, and random messages of their types, each from a seed.
//!
//! A set is encoded twice: unchanged, and as equivalent proto2 or proto3 files, since prost-reflect does not support editions.
//! [`Set::message`] writes the bytes of a message without an encoder, so that the message can have parts that encoders do not
//! write: fields in any order and in pieces, unknown fields, and values that closed enums do not have.

mod descriptor;
mod value;

pub(crate) use value::Wild;

use descriptor::{Features, FileProto};

/// Random numbers from a seed (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a length")
    }

    /// Returns true with the probability of one in `many`.
    pub(crate) fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    Proto2,
    Proto3,
    Edition(i32),
}

/// A set of files that import each other and the well-known types.
#[derive(Debug)]
pub(crate) struct Set {
    files: Vec<File>,
    pub(crate) messages: Vec<Message>,
    enums: Vec<Enum>,
    extensions: Vec<Extension>,
}

#[derive(Debug)]
struct File {
    syntax: Syntax,
    /// The features of the file, which its elements inherit.
    features: Features,
    /// True if the file is proto3, or is encoded as proto3 for prost-reflect. It then has no extension ranges, and its enums begin
    /// with zero.
    implicit: bool,
}

#[derive(Debug)]
pub(crate) struct Message {
    /// The full name.
    pub(crate) name: String,
    file: usize,
    pub(crate) fields: Vec<Field>,
    oneofs: usize,
    extensible: bool,
}

#[derive(Debug)]
struct Enum {
    name: String,
    file: usize,
    values: Vec<(String, i32)>,
    closed: bool,
}

#[derive(Debug)]
struct Extension {
    of: usize,
    file: usize,
    field: Field,
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    number: u32,
    json: Option<String>,
    label: Label,
    kind: Kind,
    oneof: Option<usize>,
    /// True if the field has explicit presence.
    explicit: bool,
    packed: bool,
    delimited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Once,
    Required,
    Many,
    /// A map with this type of key.
    Map(i32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The number of `FieldDescriptorProto.Type`.
    Scalar(i32),
    Enum(usize),
    Message(usize),
    /// A well-known message, by its short name.
    Known(&'static str),
    NullValue,
}

const SCALARS: [i32; 15] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 15, 16, 17, 18];
const KEYS: [i32; 12] = [3, 4, 5, 6, 7, 8, 9, 13, 15, 16, 17, 18];
const STRING: i32 = 9;
const BYTES: i32 = 12;
const KNOWN: [&str; 17] = [
    "Any",
    "Timestamp",
    "Duration",
    "FieldMask",
    "Struct",
    "Value",
    "ListValue",
    "DoubleValue",
    "FloatValue",
    "Int64Value",
    "UInt64Value",
    "Int32Value",
    "UInt32Value",
    "BoolValue",
    "StringValue",
    "BytesValue",
    "Empty",
];
const NAMES: [&str; 9] = [
    "foo_bar",
    "x",
    "camelCase",
    "UPPER_case",
    "a__b",
    "error",
    "value",
    "name_",
    "n2_3x",
];
/// The first number of the extensions, after all fields.
const EXTENSIONS: u32 = 1_000;

impl Set {
    pub(crate) fn random(seed: u64) -> Self {
        let random = &mut Random(seed);
        let mut set = Self {
            files: Vec::new(),
            messages: Vec::new(),
            enums: Vec::new(),
            extensions: Vec::new(),
        };
        for place in 0..2 + random.below(2) {
            set.file(random, place);
        }
        // Fields are added after all messages and enums, since a field can use any type of its own file and of earlier files.
        for place in 0..set.messages.len() {
            set.fields(random, place);
        }
        set.extend(random);
        set
    }

    /// Returns the unchanged set: a `google.protobuf.FileDescriptorSet` with its imports.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        self.encode(false)
    }

    /// Returns the set for prost-reflect.
    #[allow(dead_code, reason = "the driver of the Python tests does not use it")]
    pub(crate) fn without_editions(&self) -> Vec<u8> {
        self.encode(true)
    }

    /// Returns the gRPC path and the full name of the method with this request message. Its response is Empty.
    #[allow(dead_code, reason = "the tests of JSON call no method")]
    pub(crate) fn method(&self, of: usize) -> (String, String) {
        let package = format!("r.p{}", self.files.len() - 1);
        (format!("/{package}.S/C{of}"), format!("{package}.S.C{of}"))
    }

    /// Returns the name of a field that can be a path variable, at a random depth.
    #[allow(dead_code, reason = "the tests of JSON call no method")]
    pub(crate) fn variable(&self, random: &mut Random, of: usize, depth: usize) -> Option<String> {
        let mut fields: Vec<&Field> = self.messages[of].fields.iter().collect();
        random.shuffle(&mut fields);
        fields
            .into_iter()
            .find_map(|field| match (field.label, field.kind) {
                (Label::Many | Label::Map(_), _) | (_, Kind::Known(_)) => None,
                (_, Kind::Message(inner)) if depth > 0 => {
                    let rest = self.variable(random, inner, depth - 1)?;
                    Some(format!("{}.{rest}", field.name))
                }
                (_, Kind::Message(_)) => None,
                _ => Some(field.name.clone()),
            })
    }

    fn file(&mut self, random: &mut Random, place: usize) {
        let syntax = *random.pick(&[
            Syntax::Proto2,
            Syntax::Proto3,
            Syntax::Edition(1000),
            Syntax::Edition(1000),
            Syntax::Edition(1001),
        ]);
        let edition = matches!(syntax, Syntax::Edition(_));
        let implicit = syntax == Syntax::Proto3 || (edition && random.one_in(2));
        let mut features = Features::default();
        if edition {
            // Each feature is not set (0), or has its value 1 or 2: EXPLICIT or IMPLICIT, OPEN or CLOSED, PACKED or EXPANDED,
            // LENGTH_PREFIXED or DELIMITED.
            if implicit {
                features.field_presence = i32::try_from(random.below(3)).expect("few");
            }
            features.enum_type = i32::try_from(random.below(3)).expect("few");
            features.repeated_field_encoding = i32::try_from(random.below(3)).expect("few");
            features.message_encoding = i32::try_from(random.below(3)).expect("few");
            // NONE, or not set.
            features.utf8_validation = if random.one_in(3) { 3 } else { 0 };
        }
        let package = format!("r.p{place}");
        for index in 0..1 + random.below(2) {
            let closed = match syntax {
                Syntax::Proto2 => true,
                Syntax::Proto3 => false,
                Syntax::Edition(_) => random.one_in(2),
            };
            let mut numbers = [0, 1, 2, -1, 7, i32::MAX, i32::MIN];
            if closed && !implicit && random.one_in(2) {
                numbers.rotate_left(1);
            }
            let values = numbers.iter().take(2 + random.below(6)).enumerate();
            let mut values: Vec<_> = values
                .map(|(at, number)| (format!("E{index}_V{at}"), *number))
                .collect();
            if random.one_in(3) {
                values.push((
                    format!("E{index}_ALIAS"),
                    values[random.below(values.len())].1,
                ));
            }
            self.enums.push(Enum {
                name: format!("{package}.E{index}"),
                file: place,
                values,
                closed,
            });
        }
        for index in 0..2 + random.below(3) {
            self.messages.push(Message {
                name: format!("{package}.M{index}"),
                file: place,
                fields: Vec::new(),
                oneofs: 0,
                extensible: !implicit && random.one_in(2),
            });
        }
        self.files.push(File {
            syntax,
            features,
            implicit,
        });
    }

    fn fields(&mut self, random: &mut Random, place: usize) {
        let file = self.messages[place].file;
        let mut fields: Vec<Field> = Vec::new();
        let mut number = 0;
        for index in 0..1 + random.below(9) {
            number += 1 + u32::try_from(random.below(2) * random.below(30)).expect("few");
            fields.push(self.field(random, file, index, number));
        }
        // Two oneofs. Each may have several members, adjacent or not.
        let mut oneofs = 0;
        for field in fields.iter_mut().filter(|field| field.label == Label::Once) {
            if random.one_in(3) {
                field.oneof = Some(random.below(2));
                field.explicit = true;
                oneofs = 2;
            }
        }
        // Both oneofs have a member, as protoc requires.
        if oneofs == 2 {
            for oneof in 0..2 {
                number += 1;
                let mut field = self.field(random, file, fields.len(), number);
                field.label = Label::Once;
                field.packed = false;
                field.explicit = true;
                field.oneof = Some(oneof);
                fields.push(field);
            }
        }
        random.shuffle(&mut fields);
        self.messages[place].fields = fields;
        self.messages[place].oneofs = oneofs;
    }

    fn extend(&mut self, random: &mut Random) {
        for of in 0..self.messages.len() {
            if !self.messages[of].extensible {
                continue;
            }
            for index in 0..1 + random.below(3) {
                // The extension is in the message's file, or in a file that imports it.
                let from = self.messages[of].file;
                let file = from + random.below(self.files.len() - from);
                // A file with `implicit` is encoded as proto3 for prost-reflect, and proto3 has no extensions.
                if self.files[file].implicit {
                    continue;
                }
                let number = EXTENSIONS + u32::try_from(index).expect("few") * 77_777_777;
                let mut field = self.field(random, file, index, number);
                field.name = format!("x{of}_{index}");
                field.json = None;
                field.explicit = true;
                if !matches!(field.label, Label::Once | Label::Many) {
                    field.label = Label::Once;
                }
                self.extensions.push(Extension { of, file, field });
            }
        }
    }

    fn field(&self, random: &mut Random, file: usize, index: usize, number: u32) -> Field {
        let File {
            syntax, implicit, ..
        } = self.files[file];
        let edition = matches!(syntax, Syntax::Edition(_));
        let label = match random.below(10) {
            0..=4 => Label::Once,
            5..=6 => Label::Many,
            7 if !implicit && random.one_in(3) => Label::Required,
            7..=8 => Label::Map(*random.pick(&KEYS)),
            _ => Label::Once,
        };
        let kind = match random.below(10) {
            0..=4 => Kind::Scalar(*random.pick(&SCALARS)),
            5 => {
                let open = syntax == Syntax::Proto3;
                let known = |of: &&usize| {
                    let of = &self.enums[**of];
                    of.file <= file && !(open && of.closed)
                };
                let all: Vec<usize> = (0..self.enums.len()).collect();
                let known: Vec<_> = all.iter().filter(known).collect();
                match known.len() {
                    0 => Kind::NullValue,
                    _ => Kind::Enum(**random.pick(&known)),
                }
            }
            6..=7 => {
                let last = self
                    .messages
                    .iter()
                    .take_while(|of| of.file <= file)
                    .count();
                Kind::Message(random.below(last))
            }
            8 if random.one_in(4) => Kind::NullValue,
            _ => Kind::Known(random.pick::<&'static str>(&KNOWN)),
        };
        let is_message = matches!(kind, Kind::Message(_) | Kind::Known(_));
        let closed = matches!(kind, Kind::Enum(of) if self.enums[of].closed);
        let label = match label {
            // A required message that contains itself would never end.
            Label::Required if is_message => Label::Once,
            // Python does not read null in a map or list of `NullValue`.
            Label::Map(_) | Label::Many if kind == Kind::NullValue => Label::Once,
            // protoc requires zero as the first value of an enum that is the value of a map.
            Label::Map(_) if matches!(kind, Kind::Enum(of) if self.enums[of].values[0].1 != 0) => {
                Label::Once
            }
            label => label,
        };
        let packable = !is_message && !matches!(kind, Kind::Scalar(STRING | BYTES));
        Field {
            name: format!("{}{index}", random.pick(&NAMES)),
            number,
            json: random.one_in(8).then(|| format!("ключ\"{index}")),
            label,
            kind,
            oneof: None,
            explicit: !implicit || closed || is_message || random.one_in(2),
            packed: label == Label::Many && packable && random.one_in(2),
            delimited: is_message
                && !matches!(label, Label::Map(_))
                && (edition || syntax == Syntax::Proto2)
                && random.one_in(3),
        }
    }

    /// Returns the fields of a message and its extensions.
    fn all_fields(&self, of: usize) -> impl Iterator<Item = &Field> {
        let extensions = self.extensions.iter();
        let extensions = extensions.filter(move |extension| extension.of == of);
        let fields = self.messages[of].fields.iter();
        fields.chain(extensions.map(|extension| &extension.field))
    }

    fn encode(&self, without_editions: bool) -> Vec<u8> {
        use prost::Message as _;

        let mut files: Vec<FileProto> = Vec::new();
        for place in 0..self.files.len() {
            files.push(self.file_proto(place, without_editions));
        }
        let mut out = descriptor::well_known();
        out.extend(descriptor::FileSet { file: files }.encode_to_vec());
        out
    }
}
