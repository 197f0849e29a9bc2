//! Messages of a set, as bytes.

use prost::encoding::{WireType, encode_key, encode_varint};

use super::{BYTES, Field, Kind, Label, Random, STRING, Set};

/// The unusual parts that a random message may have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wild {
    /// Fields in any order and in pieces, unknown fields, and several members of a oneof.
    pub(crate) pieces: bool,
    /// Numbers without a name in a closed enum.
    pub(crate) closed: bool,
    /// Values of another wire type than the field's.
    pub(crate) wire_types: bool,
    /// Negative zero.
    pub(crate) negative_zero: bool,
    /// NaN or infinity in a wrapper.
    pub(crate) wrapped_nan: bool,
}

const TEXTS: [&str; 9] = [
    "",
    "a",
    "é",
    "\u{1f600}",
    "\"\\/\n\u{1}\u{7f}",
    "\u{2028}",
    "a b",
    "%41",
    "0",
];

impl Set {
    /// Returns a random message. Messages nest at most `depth` levels.
    pub(crate) fn message(
        &self,
        random: &mut Random,
        of: usize,
        depth: usize,
        wild: Wild,
    ) -> Vec<u8> {
        let mut records = Vec::new();
        let mut oneofs = [false; 2];
        let fields: Vec<&Field> = self.all_fields(of).collect();
        let start = random.below(fields.len());
        for place in 0..fields.len() {
            let field = fields[(start + place) % fields.len()];
            let is_message = matches!(field.kind, Kind::Message(_) | Kind::Known(_));
            let required = field.label == Label::Required;
            if !required && ((is_message && depth == 0) || random.one_in(2)) {
                continue;
            }
            if let Some(oneof) = field.oneof
                && std::mem::replace(&mut oneofs[oneof], true)
                && !wild.pieces
            {
                continue;
            }
            self.values(random, field, depth, wild, &mut records);
        }
        if wild.pieces {
            random.shuffle(&mut records);
            for _ in 0..random.below(2) {
                records.insert(random.below(records.len() + 1), unknown(random));
            }
        }
        records.concat()
    }

    fn values(
        &self,
        random: &mut Random,
        field: &Field,
        depth: usize,
        wild: Wild,
        records: &mut Vec<Vec<u8>>,
    ) {
        if wild.wire_types && random.one_in(6) {
            records.push(other_type(random, field));
        }
        match field.label {
            Label::Once | Label::Required => {
                let again = wild.pieces && random.one_in(4);
                for _ in 0..1 + usize::from(again) {
                    records.push(self.one(random, field, depth, wild));
                }
            }
            Label::Many => {
                let packable = !matches!(
                    field.kind,
                    Kind::Message(_) | Kind::Known(_) | Kind::Scalar(STRING | BYTES)
                );
                let mut block = Vec::new();
                for _ in 0..random.below(4) {
                    let packed = packable
                        && if wild.pieces {
                            random.one_in(2)
                        } else {
                            field.packed
                        };
                    if packed {
                        self.scalar(random, field.kind, wild, &mut block);
                    } else {
                        records.push(self.one(random, field, depth, wild));
                    }
                    if packable && wild.pieces && random.one_in(3) {
                        records.push(packed_block(field, &std::mem::take(&mut block)));
                    }
                }
                if !block.is_empty() || (wild.pieces && packable && random.one_in(4)) {
                    records.push(packed_block(field, &block));
                }
            }
            Label::Map(key) => {
                for _ in 0..random.below(4) {
                    let mut parts = Vec::new();
                    if !(wild.pieces && random.one_in(6)) {
                        let key = Kind::Scalar(key);
                        let mut part = Vec::new();
                        encode_key(1, wire_type(key), &mut part);
                        self.scalar(random, key, wild, &mut part);
                        parts.push(part);
                    }
                    let value = Field {
                        number: 2,
                        label: Label::Once,
                        delimited: false,
                        ..field.clone()
                    };
                    let is_enum = matches!(field.kind, Kind::Enum(_));
                    let count = match wild.pieces {
                        // If an unknown value precedes a known one, Python treats the entry as unknown.
                        true if is_enum => random.below(2),
                        true => random.below(3),
                        false => 1,
                    };
                    for _ in 0..count {
                        parts.push(self.one(random, &value, depth, wild));
                    }
                    if wild.pieces {
                        random.shuffle(&mut parts);
                    }
                    records.push(packed_block(field, &parts.concat()));
                }
            }
        }
    }

    /// Writes a value with its key.
    fn one(&self, random: &mut Random, field: &Field, depth: usize, wild: Wild) -> Vec<u8> {
        let mut out = Vec::new();
        let content = match field.kind {
            Kind::Message(of) => self.message(random, of, depth.saturating_sub(1), wild),
            Kind::Known(name) => self.known(random, name, depth, wild),
            kind => {
                encode_key(field.number, wire_type(kind), &mut out);
                self.scalar(random, kind, wild, &mut out);
                return out;
            }
        };
        if field.delimited {
            encode_key(field.number, WireType::StartGroup, &mut out);
            out.extend(content);
            encode_key(field.number, WireType::EndGroup, &mut out);
            out
        } else {
            packed_block(field, &content)
        }
    }

    fn scalar(&self, random: &mut Random, kind: Kind, wild: Wild, out: &mut Vec<u8>) {
        let bits = match random.below(6) {
            0 => 0,
            1 => u64::MAX,
            2 => i64::MIN.cast_unsigned(),
            _ => random.next() >> random.below(64),
        };
        #[expect(clippy::cast_possible_truncation, reason = "any value will do")]
        match kind {
            Kind::Scalar(1) => {
                const VALUES: [f64; 7] = [
                    0.0,
                    1.5,
                    f64::NAN,
                    f64::INFINITY,
                    f64::NEG_INFINITY,
                    f64::MAX,
                    5e-324,
                ];
                let value = match random.below(10) {
                    at @ 0..7 => VALUES[at],
                    7 if wild.negative_zero => -0.0,
                    _ => bits as f64 / 1000.0,
                };
                out.extend(value.to_le_bytes());
            }
            Kind::Scalar(2) => {
                const VALUES: [f32; 6] =
                    [0.0, 1.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-30];
                let value = match random.below(10) {
                    at @ 0..6 => VALUES[at],
                    6 if wild.negative_zero => -0.0,
                    _ => (bits as u16).into(),
                };
                out.extend(value.to_le_bytes());
            }
            Kind::Scalar(6 | 16) => out.extend(bits.to_le_bytes()),
            Kind::Scalar(7 | 15) => out.extend((bits as u32).to_le_bytes()),
            Kind::Scalar(3 | 4 | 18) => encode_varint(bits, out),
            Kind::Scalar(5) => encode_varint(i64::from(bits as i32).cast_unsigned(), out),
            Kind::Scalar(13 | 17) => encode_varint(u64::from(bits as u32), out),
            Kind::Scalar(8) => encode_varint(bits & 1, out),
            Kind::Scalar(STRING) => put(random.pick(&TEXTS).as_bytes(), out),
            Kind::Scalar(_) => {
                let length = random.below(5);
                put(&bits.to_le_bytes()[..length], out);
            }
            Kind::NullValue => encode_varint(0, out),
            Kind::Enum(of) => {
                let of = &self.enums[of];
                let wild = if of.closed { wild.closed } else { true };
                let number = match random.below(4) {
                    0 if wild => bits as i32,
                    _ => random.pick(&of.values).1,
                };
                encode_varint(i64::from(number).cast_unsigned(), out);
            }
            Kind::Message(_) | Kind::Known(_) => unreachable!("a message is not a scalar"),
        }
    }

    fn known(&self, random: &mut Random, name: &str, depth: usize, wild: Wild) -> Vec<u8> {
        let mut out = Vec::new();
        let nanos = [0, 5, 120_000, 999_000_000][random.below(4)];
        match name {
            "Any" => {
                let of = random.below(self.messages.len());
                let name = &self.messages[of].name;
                let content = self.message(random, of, depth.saturating_sub(1), wild);
                out.push(0x0a);
                put(format!("type.googleapis.com/{name}").as_bytes(), &mut out);
                // Write the content even if it is empty, so that if the Any occurs twice, the second replaces type and
                // content of the first.
                out.push(0x12);
                put(&content, &mut out);
            }
            "Timestamp" => {
                let seconds = i64::try_from(random.below(315_537_897_600)).expect("63 bits");
                put_number(1, (seconds - 62_135_596_800).cast_unsigned(), &mut out);
                put_number(2, nanos, &mut out);
            }
            "Duration" => {
                put_number(1, random.next() % 315_576_000_000, &mut out);
                put_number(2, nanos, &mut out);
            }
            "FieldMask" => {
                for path in ["display_name.x", "a", "b_c"].iter().take(random.below(4)) {
                    out.push(0x0a);
                    put(path.as_bytes(), &mut out);
                }
            }
            "Struct" => {
                for _ in 0..random.below(3).min(depth) {
                    let mut entry = vec![0x0a];
                    put(random.pick(&TEXTS).as_bytes(), &mut entry);
                    entry.push(0x12);
                    put(&self.known(random, "Value", depth - 1, wild), &mut entry);
                    out.push(0x0a);
                    put(&entry, &mut out);
                }
            }
            "ListValue" => {
                for _ in 0..random.below(3).min(depth) {
                    out.push(0x0a);
                    put(&self.known(random, "Value", depth - 1, wild), &mut out);
                }
            }
            "Value" => match random.below(if depth == 0 { 4 } else { 6 }) {
                0 => put_number_always(1, 0, &mut out),
                1 => {
                    out.push(0x11);
                    out.extend([0.0_f64, -1.5, 1e300][random.below(3)].to_le_bytes());
                }
                2 => {
                    out.push(0x1a);
                    put(random.pick(&TEXTS).as_bytes(), &mut out);
                }
                3 => put_number_always(4, random.next() & 1, &mut out),
                4 => {
                    out.push(0x2a);
                    put(&self.known(random, "Struct", depth - 1, wild), &mut out);
                }
                _ => {
                    out.push(0x32);
                    put(&self.known(random, "ListValue", depth - 1, wild), &mut out);
                }
            },
            "Empty" => {}
            wrapper => {
                let kind = match wrapper {
                    "DoubleValue" => 1,
                    "FloatValue" => 2,
                    "Int64Value" => 3,
                    "UInt64Value" => 4,
                    "Int32Value" => 5,
                    "UInt32Value" => 13,
                    "BoolValue" => 8,
                    "StringValue" => STRING,
                    _ => BYTES,
                };
                let kind = Kind::Scalar(kind);
                encode_key(1, wire_type(kind), &mut out);
                let key = out.len();
                self.scalar(random, kind, wild, &mut out);
                let finite = match out[key..] {
                    [a, b, c, d, e, f, g, h] if wrapper == "DoubleValue" => {
                        f64::from_le_bytes([a, b, c, d, e, f, g, h]).is_finite()
                    }
                    [a, b, c, d] if wrapper == "FloatValue" => {
                        f32::from_le_bytes([a, b, c, d]).is_finite()
                    }
                    _ => true,
                };
                if !finite && !wild.wrapped_nan {
                    out.clear();
                }
            }
        }
        out
    }
}

fn wire_type(kind: Kind) -> WireType {
    match kind {
        Kind::Scalar(1 | 6 | 16) => WireType::SixtyFourBit,
        Kind::Scalar(2 | 7 | 15) => WireType::ThirtyTwoBit,
        Kind::Scalar(STRING | BYTES) | Kind::Message(_) | Kind::Known(_) => {
            WireType::LengthDelimited
        }
        Kind::Scalar(_) | Kind::Enum(_) | Kind::NullValue => WireType::Varint,
    }
}

fn put(content: &[u8], out: &mut Vec<u8>) {
    encode_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

fn put_number(number: u32, value: u64, out: &mut Vec<u8>) {
    if value != 0 {
        put_number_always(number, value, out);
    }
}

fn put_number_always(number: u32, value: u64, out: &mut Vec<u8>) {
    encode_key(number, WireType::Varint, out);
    encode_varint(value, out);
}

/// Writes content after its length, as a value of the field.
fn packed_block(field: &Field, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(field.number, WireType::LengthDelimited, &mut out);
    put(content, &mut out);
    out
}

/// Writes a value with a wire type that the field does not accept.
fn other_type(random: &mut Random, field: &Field) -> Vec<u8> {
    let is_map = matches!(field.label, Label::Map(_));
    let wire = if is_map {
        WireType::LengthDelimited
    } else {
        wire_type(field.kind)
    };
    let mut out = Vec::new();
    match wire {
        // A group field does not accept a length-delimited value, and a length-delimited field does not accept a group.
        WireType::LengthDelimited if field.delimited => return packed_block(field, b"\x08\x01"),
        WireType::LengthDelimited if random.one_in(2) => {
            encode_key(field.number, WireType::StartGroup, &mut out);
            out.extend_from_slice(b"\x08\x01\x12\x01a");
            encode_key(field.number, WireType::EndGroup, &mut out);
        }
        WireType::ThirtyTwoBit => {
            encode_key(field.number, WireType::Varint, &mut out);
            encode_varint(5, &mut out);
        }
        _ => {
            encode_key(field.number, WireType::ThirtyTwoBit, &mut out);
            out.extend([1, 2, 3, 4]);
        }
    }
    out
}

/// Writes a field that no message has: a number, a group that contains a group, or bytes.
fn unknown(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    match random.below(3) {
        0 => put_number_always(900, 7, &mut out),
        1 => {
            encode_key(901, WireType::StartGroup, &mut out);
            out.extend_from_slice(b"\x0b\x0c\x08\x01");
            encode_key(901, WireType::EndGroup, &mut out);
        }
        _ => {
            encode_key(902, WireType::LengthDelimited, &mut out);
            put(b"\xff\xff", &mut out);
        }
    }
    out
}
