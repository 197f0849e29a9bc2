//! Messages in pieces on the wire, with missing or unknown parts, and malformed messages.

use prost::encoding::WireType;

use crate::case::{Case, breaks, decodes, run_all};
use crate::wire::{delimited, field, tagged};

/// Maps with entries whose key and value are missing, swapped, or duplicate.
#[rustfmt::skip]
fn maps() -> Vec<Case> {
    let int = |entry: &[u8]| field("map_int32_int32", WireType::LengthDelimited, &delimited(entry));
    let string = |entry: &[u8]| field("map_string_string", WireType::LengthDelimited, &delimited(entry));
    let message = |entry: &[u8]| field("map_string_message", WireType::LengthDelimited, &delimited(entry));
    let boolean = |entry: &[u8]| field("map_bool_bool", WireType::LengthDelimited, &delimited(entry));
    let double = |entry: &[u8]| field("map_int32_double", WireType::LengthDelimited, &delimited(entry));
    vec![
        decodes("an empty entry", int(b""), "map_int32_int32: {}"),
        decodes("an entry without its key", int(b"\x10\x05"), "map_int32_int32: {value: 5}"),
        decodes("an entry without its value", int(b"\x08\x05"), "map_int32_int32: {key: 5}"),
        decodes("an entry in the other order", int(b"\x10\x05\x08\x01"), "map_int32_int32: {key: 1 value: 5}"),
        decodes("an entry with its key twice", int(b"\x08\x01\x08\x02\x10\x05"), "map_int32_int32: {key: 2 value: 5}"),
        decodes("an entry with its value twice", int(b"\x08\x01\x10\x05\x10\x06"), "map_int32_int32: {key: 1 value: 6}"),
        decodes("an entry with an unknown field", int(b"\x08\x01\x1a\x01x\x10\x05"), "map_int32_int32: {key: 1 value: 5}"),
        decodes("two entries of one key", [int(b"\x08\x01\x10\x05"), int(b"\x08\x01\x10\x06")].concat(), "map_int32_int32: {key: 1 value: 6}"),
        decodes("two entries of the key zero, the first without its key", [int(b"\x10\x05"), int(b"\x08\x00\x10\x06")].concat(), "map_int32_int32: {key: 0 value: 6}"),
        decodes("an empty entry of strings", string(b""), "map_string_string: {}"),
        decodes("an entry of strings without its value", string(b"\x0a\x01a"), "map_string_string: {key: 'a'}"),
        decodes("an empty entry of bools", boolean(b""), "map_bool_bool: {}"),
        decodes("an entry of bools with a key above one", boolean(b"\x08\x05\x10\x07"), "map_bool_bool: {key: true value: true}"),
        decodes("two entries of the key true, with different varints", [boolean(b"\x08\x05\x10\x00"), boolean(b"\x08\x01\x10\x01")].concat(), "map_bool_bool: {key: true value: true}").ours(),
        decodes("two entries of one key, with superfluous bits", [int(b"\x08\xff\xff\xff\xff\x0f\x10\x01"), int(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x02")].concat(),
            "map_int32_int32: {key: -1 value: 2}").ours(),
        decodes("an entry of a double without its value", double(b"\x08\x01"), "map_int32_double: {key: 1}"),
        decodes("an empty entry of a message", message(b""), "map_string_message: {value: {}}"),
        decodes("an entry of a message without its value", message(b"\x0a\x01a"), "map_string_message: {key: 'a' value: {}}"),
        decodes("two entries of one key: messages are not merged", [message(b"\x0a\x01a\x12\x02\x08\x01"), message(b"\x0a\x01a\x12\x02\x18\x02")].concat(),
            "map_string_message: {key: 'a' value: {b: 2}}"),
        decodes("an entry with its message twice: they are merged", message(b"\x0a\x01a\x12\x02\x08\x01\x12\x02\x18\x02"), "map_string_message: {key: 'a' value: {a: 1 b: 2}}").ours(),
        decodes("an entry of a wrapper without its value", field("map_int32_wrapper", WireType::LengthDelimited, &delimited(b"\x0a\x01a")), "map_int32_wrapper: {key: 'a' value: {}}").ours(),
    ]
}

/// Pieces of messages, unknown fields, and unknown groups.
#[rustfmt::skip]
fn pieces() -> Vec<Case> {
    let message = |name: &str, content: &[u8]| field(name, WireType::LengthDelimited, &delimited(content));
    let group = |number: u32, content: &[u8]| [tagged(number, WireType::StartGroup, content), tagged(number, WireType::EndGroup, b"")].concat();
    vec![
        decodes("a message in two pieces", [message("one_message", b"\x08\x01\x18\x01"), message("one_message", b"\x08\x02\x18\x02")].concat(), "one_message: {a: 2 b: [1, 2]}"),
        decodes("a message in pieces around another field", [message("one_message", b"\x08\x01"), field("one_bool", WireType::Varint, b"\x01"), message("one_message", b"\x18\x02")].concat(),
            "one_message: {a: 1 b: 2} one_bool: true"),
        decodes("a message of a oneof in two pieces", [message("pick_message", b"\x08\x01"), message("pick_message", b"\x18\x02")].concat(), "pick_message: {a: 1 b: 2}"),
        decodes("a message of a oneof in two pieces with another between", [message("pick_message", b"\x08\x01"), field("pick_bool", WireType::Varint, b"\x01"), message("pick_message", b"\x18\x02")].concat(),
            "pick_message: {b: 2}").ours(),
        decodes("messages in a list are not merged", [message("many_message", b"\x08\x01"), message("many_message", b"\x18\x02")].concat(), "many_message: {a: 1} many_message: {b: 2}"),
        decodes("a Timestamp in two pieces", [message("one_timestamp", b"\x08\x01"), message("one_timestamp", b"\x10\x01")].concat(), "one_timestamp: {seconds: 1 nanos: 1}").ours(),
        decodes("a wrapper in two pieces", [message("one_int32_wrapper", b"\x08\x01"), message("one_int32_wrapper", b"")].concat(), "one_int32_wrapper: {value: 1}").ours(),
        decodes("a Struct in two pieces", [message("one_struct", b"\x0a\x07\x0a\x01a\x12\x02\x20\x01"), message("one_struct", b"\x0a\x07\x0a\x01b\x12\x02\x20\x01")].concat(),
            "one_struct: {fields: {key: 'a' value: {bool_value: true}} fields: {key: 'b' value: {bool_value: true}}}").ours(),
        decodes("a Value of two lists: they are merged", message("one_value", b"\x32\x04\x0a\x02\x20\x01\x32\x04\x0a\x02\x20\x00"),
            "one_value: {list_value: {values: {bool_value: true} values: {bool_value: false}}}").ours(),
        decodes("a Value of two lists with another kind between", message("one_value", b"\x32\x04\x0a\x02\x20\x01\x20\x01\x32\x04\x0a\x02\x20\x00"),
            "one_value: {list_value: {values: {bool_value: false}}}").ours(),
        breaks("a field number beyond 29 bits in a group", group(900, b"\x80\x80\x80\x80\x10\x00")).ours(),
        breaks("a field number of zero in a group", group(900, b"\x00\x00")).ours(),
        decodes("a Value of two kinds: the last is used", message("one_value", b"\x20\x01\x1a\x01a"), "one_value: {string_value: 'a'}").ours(),
        decodes("fields out of order", [field("one_bool", WireType::Varint, b"\x01"), field("one_int32", WireType::Varint, b"\x01")].concat(), "one_int32: 1 one_bool: true"),
        decodes("unknown fields of every wire type", [tagged(900, WireType::Varint, b"\x01"), tagged(901, WireType::SixtyFourBit, &[1; 8]), tagged(902, WireType::LengthDelimited, b"\x01a"),
            tagged(903, WireType::ThirtyTwoBit, &[1; 4]), field("one_bool", WireType::Varint, b"\x01")].concat(), "one_bool: true"),
        decodes("a group is passed over", [group(900, b"\x08\x01"), field("one_bool", WireType::Varint, b"\x01")].concat(), "one_bool: true").ours(),
        decodes("a group in a group is passed over", [group(900, &group(1, &group(2, b""))), field("one_bool", WireType::Varint, b"\x01")].concat(), "one_bool: true").ours(),
        breaks("a group without an end", tagged(900, WireType::StartGroup, b"")).ours(),
        breaks("an end without a group", tagged(900, WireType::EndGroup, b"")).ours(),
        breaks("a group with another's end", [tagged(900, WireType::StartGroup, b""), tagged(901, WireType::EndGroup, b"")].concat()).ours(),
        breaks("a hundred thousand nested groups without an end", tagged(900, WireType::StartGroup, b"").repeat(100_000)).ours(),
        breaks("a wire type of 6", b"\x0e\x00").ours(),
        breaks("a wire type of 7", b"\x0f\x00").ours(),
        breaks("a field number of zero, a varint", b"\x00\x01").ours(),
        breaks("a field number of zero, eight bytes", b"\x01\x01\x01\x01\x01\x01\x01\x01\x01").ours(),
        breaks("a field number of zero, a length", b"\x02\x00").ours(),
        breaks("a field number of zero within a message", message("one_message", b"\x00\x01")).ours(),
        breaks("a field number beyond 29 bits", b"\x80\x80\x80\x80\x10\x00").ours(),
        breaks("a tag cut off", b"\x80").ours(),
        breaks("a varint cut off", field("one_int32", WireType::Varint, b"\x80")).ours(),
        breaks("a varint of eleven bytes", field("one_int32", WireType::Varint, &[[0x80; 10].as_slice(), &[1]].concat())).ours(),
        breaks("four bytes cut off", field("one_fixed32", WireType::ThirtyTwoBit, b"abc")).ours(),
        breaks("eight bytes cut off", field("one_fixed64", WireType::SixtyFourBit, b"abcdefg")).ours(),
        breaks("a string cut off", field("one_string", WireType::LengthDelimited, b"\x05abc")).ours(),
        breaks("a length cut off", field("one_string", WireType::LengthDelimited, b"\x80")).ours(),
        breaks("a length beyond memory", field("one_string", WireType::LengthDelimited, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")).ours(),
        breaks("a message whose content is cut off", message("one_message", b"\x08")).ours(),
        breaks("a packed field whose content is cut off", message("many_int32", b"\x80")).ours(),
        breaks("a packed value of eight bytes cut off after seven", message("many_fixed64", b"abcdefg")).ours(),
        breaks("an entry whose content is cut off", message("map_int32_int32", b"\x08")).ours(),
        breaks("an unknown field cut off", tagged(900, WireType::LengthDelimited, b"\x05abc")).ours(),
        breaks("a string that is not UTF-8", message("one_string", b"\xff")).ours(),
        breaks("a string in a list that is not UTF-8", message("many_string", b"\xff")).ours(),
        breaks("a key that is not UTF-8", message("map_string_string", b"\x0a\x01\xff")).ours(),
        breaks("a value that is not UTF-8", message("map_string_string", b"\x12\x01\xff")).ours(),
        breaks("a wrapped string that is not UTF-8", message("one_string_wrapper", b"\x0a\x01\xff")).ours(),
        breaks("a string of a oneof that is not UTF-8", message("pick_string", b"\xff")).ours(),
    ]
}

pub(crate) fn cases() -> Vec<Case> {
    [maps(), pieces()].concat()
}

#[test]
fn the_last_key_and_value_of_an_entry_are_written() {
    run_all(&maps());
}

#[test]
fn pieces_are_merged_unknown_fields_skipped_and_broken_bytes_refused() {
    run_all(&pieces());
}
