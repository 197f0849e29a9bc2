//! Arbitrary messages of any descriptor. `src/transcode/json/tests.rs` has a simpler generator for the
//! messages of the contract.

use prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value,
};

/// Approximate number of fields that are set in a message with many fields. If each field were set with probability 1/2,
/// messages of `Kinds` (hundreds of fields) would take too long.
const SET: u64 = 8;

/// Random numbers from a seed (SplitMix64), so that proptest shrinks a single number.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }

    fn text(&mut self) -> String {
        const CHARS: [char; 12] = [
            'a',
            'Z',
            '/',
            '"',
            '\\',
            '\n',
            '\u{1}',
            '\u{7f}',
            'é',
            '\u{1f600}',
            ' ',
            '\u{2028}',
        ];
        let length = self.below(6);
        (0..length)
            .map(|_| CHARS[self.index(CHARS.len())])
            .collect()
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.below(6);
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// Returns a message in which messages nest at most `depth` levels deep.
    pub(crate) fn message(&mut self, of: &MessageDescriptor, depth: u64) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        match of.full_name() {
            "google.protobuf.Timestamp" => {
                let seconds = self.below(315_537_897_600).cast_signed() - 62_135_596_800;
                message.set_field_by_number(1, Value::I64(seconds));
                message.set_field_by_number(2, Value::I32(self.nanos()));
            }
            "google.protobuf.Duration" => {
                let sign = if self.coin() { 1 } else { -1 };
                let seconds = self.below(315_576_000_001).cast_signed();
                message.set_field_by_number(1, Value::I64(i64::from(sign) * seconds));
                message.set_field_by_number(2, Value::I32(sign * self.nanos()));
            }
            "google.protobuf.FieldMask" => {
                let paths = ["display_name.x", "a", "b_c"].map(|path| Value::String(path.into()));
                let count = self.index(4);
                message.set_field_by_number(1, Value::List(paths[..count].to_vec()));
            }
            "google.protobuf.Any" => {
                let pool = of.parent_pool();
                let known: Vec<_> = pool
                    .all_messages()
                    .filter(|known| !known.is_map_entry())
                    .collect();
                let known = &known[self.index(known.len())];
                let inner = self.message(known, depth.saturating_sub(1));
                let url = format!("type.googleapis.com/{}", known.full_name());
                message.set_field_by_number(1, Value::String(url));
                message.set_field_by_number(2, Value::Bytes(inner.encode_to_vec().into()));
            }
            "google.protobuf.Value" => {
                // At the maximum depth, no Struct and no ListValue.
                let kinds = if depth == 0 { 4 } else { 6 };
                let field = of
                    .get_field(u32::try_from(self.below(kinds)).expect("few") + 1)
                    .expect("it has six");
                let value = match (self.one(&field.kind(), depth), self.below(9)) {
                    (Value::F64(value), nth) if !value.is_finite() => {
                        Value::F64([0.0, -1.5, 1e300][nth as usize % 3])
                    }
                    (value, _) => value,
                };
                message.set_field(&field, value);
            }
            _ => self.fields(&mut message, depth),
        }
        message
    }

    fn fields(&mut self, message: &mut DynamicMessage, depth: u64) {
        let of = message.descriptor();
        let count = of.fields().count() as u64;
        for field in of.fields() {
            if depth > 0 && self.below(count.max(2 * SET)) < SET {
                // prost-reflect writes a wrapped NaN as null.
                let value = match self.value(&field, depth) {
                    Value::F64(value) if wraps(&of) && !value.is_finite() => Value::F64(0.5),
                    Value::F32(value) if wraps(&of) && !value.is_finite() => Value::F32(0.5),
                    value => value,
                };
                message.set_field(&field, value);
            }
        }
    }

    /// Returns nanoseconds. In JSON, their fraction has zero, three, six or nine digits.
    fn nanos(&mut self) -> i32 {
        let unit = [0, 1, 1_000, 1_000_000][self.index(4)];
        i32::try_from(self.below(1_000)).expect("below a thousand") * unit
    }

    fn value(&mut self, field: &FieldDescriptor, depth: u64) -> Value {
        let kind = field.kind();
        let count = self.below(4);
        if field.is_map() {
            let entry = kind.as_message().expect("a map has entries").clone();
            let (key, value) = (
                entry.map_entry_key_field().kind(),
                entry.map_entry_value_field().kind(),
            );
            Value::Map(
                (0..count)
                    .map(|_| (self.key(&key), self.one(&value, depth)))
                    .collect(),
            )
        } else if field.is_list() {
            Value::List((0..count).map(|_| self.one(&kind, depth)).collect())
        } else {
            self.one(&kind, depth)
        }
    }

    fn key(&mut self, kind: &Kind) -> MapKey {
        match self.one(kind, 0) {
            Value::Bool(key) => MapKey::Bool(key),
            Value::I32(key) => MapKey::I32(key),
            Value::I64(key) => MapKey::I64(key),
            Value::U32(key) => MapKey::U32(key),
            Value::U64(key) => MapKey::U64(key),
            Value::String(key) => MapKey::String(key),
            other => panic!("{other} cannot be a key"),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "any value will do")]
    fn one(&mut self, kind: &Kind, depth: u64) -> Value {
        let bits = self.next() >> self.below(64);
        match kind {
            Kind::Double => Value::F64(match self.below(3) {
                0 => f64::from_bits(self.next()),
                1 => [
                    0.0,
                    f64::NAN,
                    f64::INFINITY,
                    f64::NEG_INFINITY,
                    f64::MAX,
                    f64::MIN_POSITIVE,
                    5e-324,
                ][self.index(7)],
                _ => bits as f64 / 1000.0,
            }),
            Kind::Float => Value::F32(match self.below(3) {
                0 => f32::from_bits(self.next() as u32),
                1 => [
                    0.0,
                    f32::NAN,
                    f32::INFINITY,
                    f32::NEG_INFINITY,
                    f32::MAX,
                    f32::MIN_POSITIVE,
                    1e-45,
                ][self.index(7)],
                _ => bits as f32 / 1000.0,
            }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(bits as i32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(bits.cast_signed()),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(bits as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(bits),
            Kind::Bool => Value::Bool(bits & 1 == 1),
            Kind::String => Value::String(self.text()),
            Kind::Bytes => Value::Bytes(self.bytes().into()),
            Kind::Enum(of) => {
                let values: Vec<i32> = of.values().map(|value| value.number()).collect();
                // An open enum can have any number. A NullValue is written as null, whatever its number.
                let open = of.parent_file().syntax() == prost_reflect::Syntax::Proto3;
                match self.below(4) {
                    0 if open && of.full_name() != "google.protobuf.NullValue" => {
                        Value::EnumNumber(bits as i32)
                    }
                    _ => Value::EnumNumber(values[self.index(values.len())]),
                }
            }
            Kind::Message(of) => Value::Message(self.message(of, depth.saturating_sub(1))),
        }
    }
}

fn wraps(of: &MessageDescriptor) -> bool {
    matches!(
        of.full_name(),
        "google.protobuf.DoubleValue" | "google.protobuf.FloatValue"
    )
}
