//! Fields on the wire: once and several times, packed and unpacked.

use prost::encoding::{WireType, encode_key, encode_varint};

use crate::case::{Case, decodes, run_all};
use crate::fixture::descriptor;
use crate::scalars::{Values, scalars};

pub(crate) fn varint(value: u64) -> Vec<u8> {
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

/// A value once and several times, packed and unpacked.
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
        // A default value is not written.
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
            name(format!("{kind} several times: the last is used")),
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
        name(format!("{kind} after another member of its oneof")),
        other,
        format!("{pick}: {}", last.1),
    ));
    let list = format!("{many}: [{}]", all.join(", "));
    cases.push(decodes(
        name(format!("{kind} in a list, unpacked")),
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
            name(format!("{kind} in a list, packed")),
            block(&many, values),
            list.clone(),
        ));
        cases.push(decodes(
            name(format!("{kind} packed in a list that is declared unpacked")),
            block(&loose, values),
            unpacked.clone(),
        ));
        cases.push(decodes(
            name(format!(
                "{kind} unpacked in a list that is declared unpacked"
            )),
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
            name(format!("{kind} in a list, packed and unpacked")),
            mixed,
            list,
        ));
        cases.push(
            decodes(
                name(format!("{kind} in an empty packed field")),
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
fn fields_are_written_whatever_their_form_on_the_wire() {
    run_all(&cases());
}
