//! Fields from the wire, once and several times, in blocks and one by one.

use prost::encoding::{WireType, encode_key, encode_varint};

use crate::case::{Case, decodes, hold};
use crate::fixture::descriptor;

/// Bytes of a value and what they say, in text form.
type Values = Vec<(Vec<u8>, String)>;

fn varint(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_varint(value, &mut out);
    out
}

pub(crate) fn delimited(content: impl AsRef<[u8]>) -> Vec<u8> {
    [
        varint(content.as_ref().len() as u64),
        content.as_ref().to_vec(),
    ]
    .concat()
}

/// A field of `Kinds` by its name.
pub(crate) fn field(name: &str, wire: WireType, value: &[u8]) -> Vec<u8> {
    let number = descriptor("Kinds")
        .get_field_by_name(name)
        .expect(name)
        .number();
    tagged(number, wire, value)
}

pub(crate) fn tagged(number: u32, wire: WireType, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(number, wire, &mut out);
    out.extend_from_slice(value);
    out
}

/// Every scalar's values: bounds, bytes too many, and bits too many, which are cut off.
fn scalars() -> Vec<(&'static str, WireType, Values)> {
    fn of<T: Copy>(values: &[(T, &str)], encode: impl Fn(T) -> Vec<u8>) -> Values {
        values
            .iter()
            .map(|(value, text)| (encode(*value), (*text).to_owned()))
            .collect()
    }
    let signed = |value: i64| varint(value.cast_unsigned());
    let zigzag = |value: i64| varint(((value << 1) ^ (value >> 63)).cast_unsigned());
    let long = |value: Vec<u8>, more: usize| {
        // As many continuation bytes as asked, of zeros.
        let mut value = value;
        *value.last_mut().expect("a byte") |= 0x80;
        value.extend(vec![0x80; more - 1]);
        value.push(0);
        value
    };
    let mut int32 = of(
        &[
            (0, "0"),
            (12345, "12345"),
            (i64::from(i32::MAX), "2147483647"),
            (i64::from(i32::MIN), "-2147483648"),
            (1 << 33, "0"),
            ((1 << 33) - 1, "-1"),
            (i64::MAX, "-1"),
            (i64::MIN + 1, "1"),
        ],
        signed,
    );
    let mut uint32 = of(
        &[
            (0, "0"),
            (12345, "12345"),
            (u64::from(u32::MAX), "4294967295"),
            (1 << 33, "0"),
            ((1 << 33) + 1, "1"),
            ((1 << 33) - 1, "4294967295"),
            (i64::MAX as u64, "4294967295"),
        ],
        varint,
    );
    for more in [2, 7] {
        int32.push((long(varint(12345), more), "12345".into()));
        uint32.push((long(varint(12345), more), "12345".into()));
    }
    vec![
        ("int32", WireType::Varint, int32),
        ("uint32", WireType::Varint, uint32),
        (
            "int64",
            WireType::Varint,
            of(
                &[
                    (0, "0"),
                    (12345, "12345"),
                    (i64::MAX, "9223372036854775807"),
                    (i64::MIN, "-9223372036854775808"),
                ],
                signed,
            ),
        ),
        (
            "uint64",
            WireType::Varint,
            of(
                &[
                    (0, "0"),
                    (12345, "12345"),
                    (u64::MAX, "18446744073709551615"),
                ],
                varint,
            ),
        ),
        (
            "sint32",
            WireType::Varint,
            of(
                &[
                    (0, "0"),
                    (12345, "12345"),
                    (2147483647, "2147483647"),
                    (-2147483648, "-2147483648"),
                    (2147483649, "1"),
                ],
                zigzag,
            ),
        ),
        (
            "sint64",
            WireType::Varint,
            of(
                &[
                    (0, "0"),
                    (12345, "12345"),
                    (i64::MAX, "9223372036854775807"),
                    (i64::MIN, "-9223372036854775808"),
                ],
                zigzag,
            ),
        ),
        (
            "fixed32",
            WireType::ThirtyTwoBit,
            of(
                &[(0_u32, "0"), (12345, "12345"), (u32::MAX, "4294967295")],
                |value| value.to_le_bytes().into(),
            ),
        ),
        (
            "fixed64",
            WireType::SixtyFourBit,
            of(
                &[
                    (0_u64, "0"),
                    (12345, "12345"),
                    (u64::MAX, "18446744073709551615"),
                ],
                |value| value.to_le_bytes().into(),
            ),
        ),
        (
            "sfixed32",
            WireType::ThirtyTwoBit,
            of(
                &[
                    (0_i32, "0"),
                    (12345, "12345"),
                    (i32::MAX, "2147483647"),
                    (i32::MIN, "-2147483648"),
                ],
                |value| value.to_le_bytes().into(),
            ),
        ),
        (
            "sfixed64",
            WireType::SixtyFourBit,
            of(
                &[
                    (0_i64, "0"),
                    (12345, "12345"),
                    (i64::MAX, "9223372036854775807"),
                    (i64::MIN, "-9223372036854775808"),
                ],
                |value| value.to_le_bytes().into(),
            ),
        ),
        (
            "float",
            WireType::ThirtyTwoBit,
            of(
                &[
                    (0_f32, "0"),
                    (0.1, "0.1"),
                    (1.000_000_75e-36, "1.00000075e-36"),
                    (3.402_823e38, "3.402823e38"),
                    (1.175_494_4e-38, "1.17549435e-38"),
                ],
                |value| value.to_le_bytes().into(),
            ),
        ),
        (
            "double",
            WireType::SixtyFourBit,
            of(
                &[
                    (0_f64, "0"),
                    (0.1, "0.1"),
                    (f64::MAX, "1.7976931348623157e308"),
                    (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
                ],
                |value| value.to_le_bytes().into(),
            ),
        ),
        (
            "bool",
            WireType::Varint,
            of(
                &[
                    (0, "false"),
                    (1, "true"),
                    (u64::MAX, "true"),
                    (12_345_678, "true"),
                    (1 << 33, "true"),
                    (1 << 63, "true"),
                ],
                varint,
            ),
        ),
        (
            "enum",
            WireType::Varint,
            of(
                &[
                    (0, "CHOICE_NONE"),
                    (1, "CHOICE_FIRST"),
                    (2, "CHOICE_SECOND"),
                    (-1, "CHOICE_BELOW"),
                    (i64::MAX, "CHOICE_BELOW"),
                    (i64::MIN + 1, "CHOICE_FIRST"),
                ],
                signed,
            ),
        ),
        (
            "string",
            WireType::LengthDelimited,
            of(
                &[
                    ("", "''"),
                    ("Hello world!", "'Hello world!'"),
                    ("'\"\\\u{7}\u{8}\n", r#""'\"\\\a\b\n""#),
                    ("谷歌", "'谷歌'"),
                    ("\u{1f601}", "'\u{1f601}'"),
                ],
                delimited,
            ),
        ),
        (
            "bytes",
            WireType::LengthDelimited,
            of(
                &[
                    ("", "''"),
                    ("Hello world!", "'Hello world!'"),
                    ("\u{1}\u{2}", r"'\x01\x02'"),
                    ("\u{fb}", r"'\xc3\xbb'"),
                ],
                delimited,
            ),
        ),
        (
            "message",
            WireType::LengthDelimited,
            of(&[("", "{}"), ("\x08\x05", "{a: 5}")], delimited),
        ),
    ]
}

/// A value once, several times, in blocks and one by one.
fn valid(kind: &str, wire: WireType, values: &Values) -> Vec<Case> {
    let (one, many, loose, pick) = (
        format!("one_{kind}"),
        format!("many_{kind}"),
        format!("loose_{kind}"),
        format!("pick_{kind}"),
    );
    let name = |what: String| -> &'static str { what.leak() };
    let mut cases = Vec::new();
    for (at, (bytes, text)) in values.iter().enumerate() {
        // What a default is to be told as is nothing.
        let shown = if matches!(text.as_str(), "0" | "false" | "CHOICE_NONE" | "''") {
            String::new()
        } else {
            format!("{one}: {text}")
        };
        cases.push(decodes(
            name(format!("{kind} on the wire, value {at}")),
            field(&one, wire, bytes),
            shown,
        ));
    }
    let (last, all): (_, Vec<_>) = (
        values.last().expect("a value"),
        values.iter().map(|(_, text)| text.as_str()).collect(),
    );
    let each = |field_name: &str| {
        values
            .iter()
            .flat_map(|(bytes, _)| field(field_name, wire, bytes))
            .collect::<Vec<u8>>()
    };
    if kind != "message" {
        cases.push(decodes(
            name(format!("{kind} several times: the last holds")),
            each(&one),
            format!("{one}: {}", last.1),
        ));
    }
    cases.push(decodes(
        name(format!("{kind} in a oneof, its default")),
        field(&pick, wire, &values[0].0),
        format!("{pick}: {}", values[0].1),
    ));
    if kind != "message" {
        cases.push(decodes(
            name(format!("{kind} in a oneof several times")),
            each(&pick),
            format!("{pick}: {}", last.1),
        ));
    }
    let other = [
        field("pick_value", WireType::LengthDelimited, b"\x02\x20\x01"),
        field(&pick, wire, &last.0),
    ]
    .concat();
    cases.push(decodes(
        name(format!("{kind} after another of its oneof")),
        other,
        format!("{pick}: {}", last.1),
    ));
    let list = format!("{many}: [{}]", all.join(", "));
    cases.push(decodes(
        name(format!("{kind} one by one")),
        each(&many),
        list.clone(),
    ));
    if wire != WireType::LengthDelimited {
        let block = |field_name: &str, values: &[(Vec<u8>, String)]| {
            let content: Vec<u8> = values.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
            field(field_name, WireType::LengthDelimited, &delimited(content))
        };
        let unpacked = format!("{loose}: [{}]", all.join(", "));
        cases.push(decodes(
            name(format!("{kind} in a block")),
            block(&many, values),
            list.clone(),
        ));
        cases.push(decodes(
            name(format!("{kind} in a block where none is due")),
            block(&loose, values),
            unpacked.clone(),
        ));
        cases.push(decodes(
            name(format!("{kind} one by one as due")),
            each(&loose),
            unpacked,
        ));
        let (left, right) = values.split_at(1);
        let mixed = [
            block(&many, left),
            block(&many, &[]),
            right
                .iter()
                .flat_map(|(bytes, _)| field(&many, wire, bytes))
                .collect(),
        ]
        .concat();
        cases.push(decodes(
            name(format!("{kind} in blocks and one by one")),
            mixed,
            list,
        ));
        cases.push(
            decodes(
                name(format!("{kind} in an empty block")),
                block(&many, &[]),
                "",
            )
            .ours(),
        );
    }
    cases
}

pub(crate) fn cases() -> Vec<Case> {
    let kinds = scalars().into_iter();
    kinds
        .flat_map(|(kind, wire, values)| valid(kind, wire, &values))
        .collect()
}

#[test]
fn fields_are_told_from_every_form_that_the_wire_has() {
    hold(&cases());
}
