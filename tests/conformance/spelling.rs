//! The same JSON in another spelling: members in any order, JSON or proto names, numbers and enums in all their
//! forms, escapes, white space.

use std::fmt::Write as _;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value as Json;

use crate::arbitrary::Random;

/// Returns another spelling of a JSON text that the engine wrote.
pub(crate) fn respell(random: &mut Random, of: &MessageDescriptor, json: &Json) -> String {
    let mut out = String::new();
    message(random, of, json, &mut out);
    out
}

fn message(random: &mut Random, of: &MessageDescriptor, json: &Json, out: &mut String) {
    match json {
        Json::Object(members) if of.package_name() != "google.protobuf" => {
            object(random, members.iter(), out, |random, name, value, out| {
                let field = of
                    .get_field_by_json_name(name)
                    .expect("the descriptor has it");
                let output = if random.coin() { name } else { field.name() };
                string(random, output, out);
                out.push(':');
                member(random, &field, value, out);
            });
        }
        json => any_json(random, json, out),
    }
}

fn member(random: &mut Random, field: &FieldDescriptor, json: &Json, out: &mut String) {
    let kind = field.kind();
    match json {
        Json::Object(entries) if field.is_map() => {
            let entry = kind.as_message().expect("a map has entries");
            let value_kind = entry.map_entry_value_field().kind();
            object(random, entries.iter(), out, |random, name, value, out| {
                string(random, name, out);
                out.push(':');
                one(random, &value_kind, value, out);
            });
        }
        Json::Array(items) if field.is_list() => array(random, items, out, |random, item, out| {
            one(random, &kind, item, out);
        }),
        json => one(random, &kind, json, out),
    }
}

fn one(random: &mut Random, kind: &Kind, json: &Json, out: &mut String) {
    match (kind, json) {
        (Kind::Message(of), json) => message(random, of, json, out),
        (Kind::Enum(of), Json::String(name)) if random.coin() => {
            let number = of
                .get_value_by_name(name)
                .expect("the descriptor has it")
                .number();
            // In quotes, the number would be read as a name.
            write!(out, "{number}").expect("a string accepts any text");
        }
        (Kind::Enum(_), Json::Number(number)) => {
            write!(out, "{number}").expect("a string accepts any text")
        }
        (
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint64 | Kind::Fixed64,
            Json::String(digits),
        ) => {
            // No point and no exponent is added: `integers.rs` tests 64-bit numbers with them.
            if random.coin() {
                out.push_str(digits)
            } else {
                string(random, digits, out)
            }
        }
        (Kind::Double | Kind::Float, Json::Number(number)) => {
            number_text(random, &number.to_string(), false, out);
        }
        (_, Json::Number(number)) => number_text(random, &number.to_string(), true, out),
        (Kind::Bytes, Json::String(text)) => {
            let text = if random.coin() {
                text.replace('+', "-").replace('/', "_")
            } else {
                text.clone()
            };
            let text = if random.coin() {
                text.trim_end_matches('=')
            } else {
                &text
            };
            string(random, text, out);
        }
        (_, json) => any_json(random, json, out),
    }
}

/// Appends a number to `out`, bare or in quotes. An integer (`whole`) may be written with a point or an exponent.
fn number_text(random: &mut Random, text: &str, whole: bool, out: &mut String) {
    let text = match random.below(4) {
        0 if whole => format!("{text}.0"),
        1 if whole => format!("{text}e0"),
        2 if whole && text != "0" => format!("{text}0E-1"),
        _ => text.to_owned(),
    };
    if random.coin() {
        out.push_str(&text)
    } else {
        string(random, &text, out)
    }
}

/// Respells JSON without regard to its type: only white space, the order of members and the escapes of strings change.
fn any_json(random: &mut Random, json: &Json, out: &mut String) {
    match json {
        Json::Object(members) => object(random, members.iter(), out, |random, name, value, out| {
            string(random, name, out);
            out.push(':');
            any_json(random, value, out);
        }),
        Json::Array(items) => array(random, items, out, any_json),
        Json::String(text) => string(random, text, out),
        json => write!(out, "{json}").expect("a string accepts any text"),
    }
}

fn object<'a>(
    random: &mut Random,
    members: impl Iterator<Item = (&'a String, &'a Json)>,
    out: &mut String,
    mut each: impl FnMut(&mut Random, &'a str, &'a Json, &mut String),
) {
    let mut members: Vec<_> = members.collect();
    random.shuffle(&mut members);
    out.push('{');
    for (at, (name, value)) in members.into_iter().enumerate() {
        separate(random, at, out);
        each(random, name, value, out);
    }
    out.push('}');
}

fn array(
    random: &mut Random,
    items: &[Json],
    out: &mut String,
    mut each: impl FnMut(&mut Random, &Json, &mut String),
) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        separate(random, at, out);
        each(random, item, out);
    }
    out.push(']');
}

fn separate(random: &mut Random, at: usize, out: &mut String) {
    out.push_str(["", " ", "\n\t", "\r"][random.index(4)]);
    out.push_str(if at == 0 { "" } else { "," });
    out.push_str(["", " ", "\n\t", "\r"][random.index(4)]);
}

/// Any character may be escaped, some must be.
fn string(random: &mut Random, text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        if char < ' ' || matches!(char, '"' | '\\') || random.below(8) == 0 {
            for unit in char.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("a string accepts any text");
            }
        } else {
            out.push(char);
        }
    }
    out.push('"');
}
