//! Random requests that a rule can express.

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value,
};

/// Random numbers from a seed (SplitMix64), so that proptest shrinks a single number.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a length")
    }

    fn text(&mut self, least: usize) -> String {
        const CHARS: [char; 16] = [
            'a',
            'Z',
            '0',
            '-',
            '_',
            '.',
            '~',
            ':',
            '%',
            '+',
            '&',
            '=',
            ' ',
            'é',
            '\u{1f600}',
            '"',
        ];
        let length = least + self.below(5);
        (0..length)
            .map(|_| CHARS[self.below(CHARS.len())])
            .collect()
    }

    /// Returns a value for a variable: its pattern with a random text for each wildcard.
    pub(crate) fn name(&mut self, pattern: &str) -> String {
        let mut segments = Vec::new();
        for part in pattern.split('/') {
            let count = match part {
                "*" => 1,
                "**" => self.below(3),
                literal => {
                    segments.push(literal.to_owned());
                    0
                }
            };
            for _ in 0..count {
                let slash = pattern == "*" && self.below(3) == 0;
                let text = self.text(1);
                let text = if matches!(text.as_str(), "." | "..") {
                    "x".to_owned()
                } else {
                    text
                };
                segments.push(if slash { format!("{text}/x") } else { text });
            }
        }
        segments.join("/")
    }

    /// Returns a message. For a query it has no maps, no lists of messages, and no empty messages.
    pub(crate) fn message(
        &mut self,
        of: &MessageDescriptor,
        depth: usize,
        query: bool,
    ) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        if let Some(value) = self.well_known(of) {
            return value;
        }
        for field in of.fields() {
            if depth == 0 || self.below(2) == 0 || (query && !can_be_in_query(&field)) {
                continue;
            }
            let value = self.value(&field, depth, query);
            let nothing = value.as_message().is_some_and(|inner| {
                query && !is_text(inner.descriptor().full_name()) && inner.fields().count() == 0
            });
            if !nothing {
                message.set_field(&field, value);
            }
        }
        message
    }

    fn well_known(&mut self, of: &MessageDescriptor) -> Option<DynamicMessage> {
        let mut message = DynamicMessage::new(of.clone());
        let seconds = i64::try_from(self.below(1 << 30)).expect("it is small");
        let nanos = i32::try_from(self.below(999)).expect("it is small") * 1_000_000;
        match of.full_name() {
            "google.protobuf.Timestamp" | "google.protobuf.Duration" => {
                message.set_field_by_number(1, Value::I64(seconds));
                message.set_field_by_number(2, Value::I32(nanos));
            }
            "google.protobuf.FieldMask" => {
                let path = Value::String("display_name.x".to_owned());
                message.set_field_by_number(1, Value::List(vec![path]));
            }
            "google.protobuf.Any" => {
                let url = "type.googleapis.com/google.protobuf.Duration".to_owned();
                message.set_field_by_number(1, Value::String(url));
                message.set_field_by_number(2, Value::Bytes(b"\x08\x05".to_vec().into()));
            }
            _ => return None,
        }
        Some(message)
    }

    fn value(&mut self, field: &FieldDescriptor, depth: usize, query: bool) -> Value {
        let kind = field.kind();
        if field.is_map() {
            let entry = kind.as_message().expect("a map has entries").clone();
            let value = entry.map_entry_value_field().kind();
            let entries = (0..self.below(3))
                .map(|_| (MapKey::String(self.text(0)), self.one(&value, depth, query)));
            Value::Map(entries.collect())
        } else if field.is_list() {
            Value::List(
                (0..self.below(4))
                    .map(|_| self.one(&kind, depth, query))
                    .collect(),
            )
        } else {
            self.one(&kind, depth, query)
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "any value will do")]
    fn one(&mut self, kind: &Kind, depth: usize, query: bool) -> Value {
        let bits = self.next() >> self.below(64);
        match kind {
            Kind::Double => Value::F64(f64::from(bits as u32) / 7.0),
            Kind::Float => Value::F32((bits as u16).into()),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(bits as i32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(bits.cast_signed()),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(bits as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(bits),
            Kind::Bool => Value::Bool(bits & 1 == 1),
            Kind::String => Value::String(self.text(0)),
            Kind::Bytes => Value::Bytes(self.text(0).into_bytes().into()),
            Kind::Enum(of) => {
                let values: Vec<i32> = of.values().map(|value| value.number()).collect();
                // The number may be unknown.
                Value::EnumNumber(*values.get(self.below(values.len() + 1)).unwrap_or(&77))
            }
            Kind::Message(of) => Value::Message(self.message(of, depth.saturating_sub(1), query)),
        }
    }
}

fn can_be_in_query(field: &FieldDescriptor) -> bool {
    let text = match field.kind() {
        Kind::Message(of) => is_text(of.full_name()),
        _ => true,
    };
    !field.is_map() && (text || !field.is_list())
}

/// Returns true if a query has a message as one value: a Timestamp, Duration or FieldMask, or a well-known type whose name
/// ends with `Value`, such as a wrapper.
fn is_text(name: &str) -> bool {
    let known = name.strip_prefix("google.protobuf.");
    known.is_some_and(|name| {
        matches!(name, "Timestamp" | "Duration" | "FieldMask") || name.ends_with("Value")
    })
}
