//! Compares the engine with prost-reflect: both write the same JSON for a message, and read the same message from it.
//! Two differences are intended. An Empty in an `Any` is written without `value`, as the service does. A float is
//! written as the shortest text that reads back as the same float, while prost-reflect writes the double. The floats
//! here have the same text in both.

mod any;
mod cases;
mod editions;
mod options;

use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    ReflectMessage as _, Value,
};

use crate::proto::FILE_DESCRIPTOR_SET;
use crate::transcode::SCHEMA;
use crate::transcode::json::{JsonOptions, read, write};

/// Random numbers from a seed (SplitMix64), so that proptest shrinks a single number.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn text(&mut self) -> String {
        let chars = [
            'a',
            'Z',
            '/',
            '"',
            '\\',
            '\n',
            '\u{1}',
            'é',
            '\u{1f600}',
            ' ',
            '\u{2028}',
        ];
        (0..self.below(6))
            .map(|_| chars[usize::try_from(self.below(11)).unwrap_or(0)])
            .collect()
    }

    fn message(&mut self, descriptor: &MessageDescriptor, depth: u64) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        match descriptor.full_name() {
            "google.protobuf.Timestamp" => {
                let seconds = self.below(315_537_897_600).cast_signed() - 62_135_596_800;
                message.set_field_by_number(1, Value::I64(seconds));
                message.set_field_by_number(2, Value::I32(self.nanos()));
            }
            "google.protobuf.Duration" => {
                let sign = if self.below(2) == 0 { 1 } else { -1 };
                message.set_field_by_number(
                    1,
                    Value::I64(self.below(315_576_000_000).cast_signed() * sign),
                );
                message.set_field_by_number(
                    2,
                    Value::I32(self.nanos() * i32::try_from(sign).unwrap_or(1)),
                );
            }
            "google.protobuf.FieldMask" => {
                let paths = (0..self.below(3))
                    .map(|_| Value::String("display_name.x".into()))
                    .collect();
                message.set_field_by_number(1, Value::List(paths));
            }
            "google.protobuf.Any" => {
                let pool = descriptor.parent_pool();
                let known: Vec<_> = pool
                    .all_messages()
                    .filter(|known| !known.is_map_entry())
                    .collect();
                let pick = usize::try_from(self.below(known.len() as u64)).unwrap_or(0);
                let mut inner = self.message(&known[pick], depth.saturating_sub(1));
                if known[pick].full_name() == "google.protobuf.Value" && inner.fields().count() == 0
                {
                    inner.set_field_by_number(4, Value::Bool(true));
                }
                let url = format!("type.googleapis.com/{}", known[pick].full_name());
                message.set_field_by_number(1, Value::String(url));
                message.set_field_by_number(2, Value::Bytes(inner.encode_to_vec().into()));
            }
            "google.protobuf.Value" => {
                let field = descriptor
                    .fields()
                    .nth(usize::try_from(self.below(4)).unwrap_or(0))
                    .expect("it has six");
                let value = self.one(&field.kind(), depth);
                message.set_field(&field, value);
            }
            _ => {
                for field in descriptor.fields() {
                    if depth > 0 && self.below(2) == 0 {
                        let value = self.value(&field, depth);
                        message.set_field(&field, value);
                    }
                }
            }
        }
        message
    }

    fn nanos(&mut self) -> i32 {
        let unit = [0, 1, 1_000, 1_000_000][usize::try_from(self.below(4)).unwrap_or(0)];
        i32::try_from(self.below(999)).unwrap_or(0) * unit
    }

    fn value(&mut self, field: &FieldDescriptor, depth: u64) -> Value {
        let kind = field.kind();
        if field.is_map() {
            let entry = kind.as_message().expect("a map has entries").clone();
            let value = entry.map_entry_value_field().kind();
            let entries = (0..self.below(3)).map(|_| {
                let key = match entry.map_entry_key_field().kind() {
                    Kind::String => MapKey::String(self.text()),
                    Kind::Bool => MapKey::Bool(self.below(2) == 0),
                    _ => MapKey::I32(i32::try_from(self.below(9)).unwrap_or(0)),
                };
                (key, self.one(&value, depth))
            });
            Value::Map(entries.collect())
        } else if field.is_list() {
            Value::List((0..self.below(4)).map(|_| self.one(&kind, depth)).collect())
        } else {
            self.one(&kind, depth)
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "any value will do")]
    fn one(&mut self, kind: &Kind, depth: u64) -> Value {
        let bits = self.next() >> self.below(64);
        match kind {
            Kind::Double => {
                Value::F64([0.0, 1.0, -2.5, 1e300, 1e-7, 123_456_789.125][(bits % 6) as usize])
            }
            Kind::Float => Value::F32([0.0, 1.5, -0.25, 1_048_576.0][(bits % 4) as usize]),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(bits as i32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(bits.cast_signed()),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(bits as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(bits),
            Kind::Bool => Value::Bool(bits & 1 == 1),
            Kind::String => Value::String(self.text()),
            Kind::Bytes => Value::Bytes(self.text().into_bytes().into()),
            Kind::Enum(descriptor) => {
                let values: Vec<i32> = descriptor.values().map(|value| value.number()).collect();
                Value::EnumNumber(values[(bits % values.len() as u64) as usize])
            }
            Kind::Message(descriptor) => {
                Value::Message(self.message(descriptor, depth.saturating_sub(1)))
            }
        }
    }
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("it is embedded")
}

/// Returns the JSON of prost-reflect.
fn oracle(message: &DynamicMessage) -> serde_json::Value {
    uniform(serde_json::to_value(message).expect("it has a JSON form"))
}

/// Removes the intended difference: for an Empty in an `Any`, prost-reflect writes a `value`.
fn uniform(mut json: serde_json::Value) -> serde_json::Value {
    fn remove_difference(json: &mut serde_json::Value) {
        match json {
            serde_json::Value::Array(items) => items.iter_mut().for_each(remove_difference),
            serde_json::Value::Object(object) => {
                if object
                    .get("@type")
                    .is_some_and(|url| url == "type.googleapis.com/google.protobuf.Empty")
                {
                    object.remove("value");
                }
                object.values_mut().for_each(remove_difference);
            }
            serde_json::Value::Number(number) => {
                // `0` and `0.0` are equal.
                if let Some(value) = number.as_f64().and_then(serde_json::Number::from_f64) {
                    *number = value;
                }
            }
            _ => {}
        }
    }
    remove_difference(&mut json);
    json
}

fn ours(message: &DynamicMessage) -> String {
    let id = SCHEMA
        .find(message.descriptor().full_name())
        .expect("in the set");
    write(
        &SCHEMA,
        id,
        &message.encode_to_vec(),
        JsonOptions::default(),
    )
    .expect("it has a JSON form")
}

fn back(descriptor: &MessageDescriptor, json: &str) -> DynamicMessage {
    let id = SCHEMA.find(descriptor.full_name()).expect("in the set");
    let options = JsonOptions {
        strict: true,
        ..JsonOptions::default()
    };
    let bytes =
        read(&SCHEMA, id, json.as_bytes(), options).unwrap_or_else(|why| panic!("{why}: {json}"));
    DynamicMessage::decode(descriptor.clone(), bytes.as_slice()).expect("it is a message")
}

proptest! {
    #[test]
    fn arbitrary_messages_have_the_same_json_and_are_read_back(seed: u64) {
        let pool = pool();
        let messages: Vec<_> = pool.all_messages().filter(|descriptor| !descriptor.is_map_entry()).collect();
        let mut random = Random(seed);
        for _ in 0..4 {
            let pick = usize::try_from(random.below(messages.len() as u64)).unwrap_or(0);
            let message = random.message(&messages[pick], 4);
            let json = ours(&message);
            let parsed = uniform(serde_json::from_str(&json).expect("it is JSON"));
            prop_assert_eq!(&parsed, &oracle(&message), "{}", messages[pick].full_name());
            prop_assert_eq!(oracle(&back(&messages[pick], &json)), oracle(&message), "{}", json);
            // With white space, and the members sorted by name instead of by field.
            let value: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
            let pretty = format!("{value:#}");
            prop_assert_eq!(oracle(&back(&messages[pick], &pretty)), oracle(&message), "{}", pretty);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, pick: usize) {
        let pool = pool();
        let count = pool.all_messages().count();
        let descriptor = pool.all_messages().nth(pick % count).expect("in range");
        let id = SCHEMA.find(descriptor.full_name()).expect("in the set");
        let _ = write(&SCHEMA, id, &bytes, JsonOptions::default());
        let _ = read(&SCHEMA, id, &bytes, JsonOptions::default());
    }

    #[test]
    fn damaged_json_never_panics(seed: u64, at: usize, byte: u8) {
        let pool = pool();
        let descriptor = pool.get_message_by_name("google.longrunning.Operation").expect("in the set");
        let mut json = ours(&Random(seed).message(&descriptor, 4)).into_bytes();
        let at = at % json.len();
        json[at] = byte;
        let id = SCHEMA.find(descriptor.full_name()).expect("in the set");
        let _ = read(&SCHEMA, id, &json, JsonOptions::default());
        let _ = read(&SCHEMA, id, &json[..at], JsonOptions::default());
    }
}
