//! Values of every scalar type, of an enum and of a message, on the wire.

use prost::encoding::WireType;

use crate::wire::{delimited, varint};

/// The bytes of a value, and the value in text form.
pub(crate) type Values = Vec<(Vec<u8>, String)>;

/// Returns values of every scalar type, of an enum and of a message. The integers include the ends of their range. Some varints
/// have superfluous bytes, and some of 32-bit types have superfluous bits, which are dropped.
pub(crate) fn scalars() -> Vec<(&'static str, WireType, Values)> {
    fn of<T: Copy>(values: &[(T, &str)], encode: impl Fn(T) -> Vec<u8>) -> Values {
        values
            .iter()
            .map(|(value, text)| (encode(*value), (*text).to_owned()))
            .collect()
    }
    let signed = |value: i64| varint(value.cast_unsigned());
    let zigzag = |value: i64| varint(((value << 1) ^ (value >> 63)).cast_unsigned());
    let long = |value: Vec<u8>, more: usize| {
        // Continuation bytes of zeros.
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
