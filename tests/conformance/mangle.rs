//! Other wire forms of the same message.

use prost::encoding::{WireType, decode_varint, encode_key, encode_varint};
use prost_reflect::{Cardinality, Kind, MessageDescriptor};

use crate::arbitrary::Random;

/// A field: its number, its wire type, and the bytes of its content without their length.
type Record = (u32, u64, Vec<u8>);

fn records(mut wire: &[u8]) -> Vec<Record> {
    let mut out = Vec::new();
    while !wire.is_empty() {
        let key = decode_varint(&mut wire).expect("prost wrote it");
        let length = match key & 7 {
            0 => {
                wire.iter()
                    .position(|byte| byte & 0x80 == 0)
                    .expect("prost wrote it")
                    + 1
            }
            1 => 8,
            2 => usize::try_from(decode_varint(&mut wire).expect("prost wrote it"))
                .expect("in memory"),
            _ => 4,
        };
        let (content, rest) = wire.split_at(length);
        out.push((
            u32::try_from(key >> 3).expect("a field number"),
            key & 7,
            content.to_vec(),
        ));
        wire = rest;
    }
    out
}

fn put((number, wire, content): &Record, out: &mut Vec<u8>) {
    encode_varint((u64::from(*number) << 3) | wire, out);
    if *wire == 2 {
        encode_varint(content.len() as u64, out);
    }
    out.extend_from_slice(content);
}

/// Splits packed blocks, cuts messages into pieces, shuffles the fields, and adds unknown fields.
pub(crate) fn mangle(random: &mut Random, of: &MessageDescriptor, wire: &[u8]) -> Vec<u8> {
    let mut parts = Vec::new();
    for record in records(wire) {
        let (number, wire, content) = &record;
        let field = of.get_field(*number).expect("prost wrote it");
        match field.kind() {
            Kind::Message(inner) if !field.is_map() => {
                let once = field.cardinality() != Cardinality::Repeated;
                let cuts = cuts(content);
                let cut = if once {
                    cuts[random.index(cuts.len())]
                } else {
                    0
                };
                let (first, second) = content.split_at(cut);
                if cut > 0 {
                    parts.push((*number, 2, mangle(random, &inner, first)));
                }
                parts.push((*number, 2, mangle(random, &inner, second)));
            }
            kind if field.is_packed() && *wire == 2 => {
                unpack(random, *number, &kind, content, &mut parts);
            }
            _ => parts.push(record),
        }
    }
    random.shuffle(&mut parts);
    let mut out = Vec::new();
    for part in &parts {
        if random.below(8) == 0 {
            unknown(random, &mut out);
        }
        put(part, &mut out);
    }
    out
}

/// Returns the boundaries between fields.
fn cuts(content: &[u8]) -> Vec<usize> {
    let mut at = 0;
    let mut cuts = vec![0];
    for record in records(content) {
        let mut one = Vec::new();
        put(&record, &mut one);
        at += one.len();
        cuts.push(at);
    }
    cuts
}

/// Appends the values of a packed block to `parts`: in blocks of one to three values, or unpacked.
fn unpack(random: &mut Random, number: u32, kind: &Kind, content: &[u8], parts: &mut Vec<Record>) {
    let wire = match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => WireType::SixtyFourBit,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => WireType::ThirtyTwoBit,
        _ => WireType::Varint,
    };
    let mut values = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let length = match wire {
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            _ => {
                rest.iter()
                    .position(|byte| byte & 0x80 == 0)
                    .expect("prost wrote it")
                    + 1
            }
        };
        let (value, after) = rest.split_at(length);
        values.push(value);
        rest = after;
    }
    let mut values = values.as_slice();
    while !values.is_empty() {
        let (some, after) = values.split_at(values.len().min(random.index(3) + 1));
        if random.coin() {
            parts.push((number, 2, some.concat()));
        } else {
            parts.extend(
                some.iter()
                    .map(|value| (number, wire as u64, value.to_vec())),
            );
        }
        values = after;
    }
}

/// Field 1900, a group that contains a group.
const GROUP: &[u8] = b"\xe3\x76\x08\x01\x0b\x0c\xe4\x76";

/// A field that no message of the fixtures has.
fn unknown(random: &mut Random, out: &mut Vec<u8>) {
    match random.below(3) {
        0 => out.extend_from_slice(GROUP),
        1 => {
            encode_key(1901, WireType::Varint, out);
            encode_varint(random.next(), out);
        }
        _ => {
            encode_key(1902, WireType::LengthDelimited, out);
            out.extend_from_slice(b"\x02\xff\xff");
        }
    }
}
