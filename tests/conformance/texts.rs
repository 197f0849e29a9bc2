//! Booleans, strings with their escapes, and bytes.

use crate::case::{Case, reads, refuses, refuses_always, rewrites, run_all};

#[rustfmt::skip]
pub(crate) fn cases() -> Vec<Case> {
    vec![
        reads("true", r#"{"oneBool":true}"#, "one_bool: true"),
        reads("false", r#"{"oneBool":false}"#, ""),
        refuses("zero for a bool", r#"{"oneBool":0}"#).recommended(),
        refuses("one for a bool", r#"{"oneBool":1}"#).recommended(),
        refuses_always("true with a capital", r#"{"oneBool":True}"#).recommended(),
        refuses_always("false with a capital", r#"{"oneBool":False}"#).recommended(),
        refuses_always("true in capitals", r#"{"oneBool":TRUE}"#).recommended(),
        refuses_always("false in capitals", r#"{"oneBool":FALSE}"#).recommended(),
        refuses("true in quotes", r#"{"oneBool":"true"}"#).recommended(),
        refuses("false in quotes", r#"{"oneBool":"false"}"#).recommended(),
        refuses_always("true with a tail", r#"{"oneBool":truer}"#).ours(),

        reads("a string", r#"{"oneString":"Hello world!"}"#, "one_string: 'Hello world!'"),
        reads("a string beyond ASCII", r#"{"oneString":"谷歌"}"#, "one_string: '谷歌'"),
        reads("every simple escape", r#"{"oneString":"\"\\\/\b\f\n\r\t"}"#, r#"one_string: "\"\\/\b\f\n\r\t""#),
        reads("escapes of code points", r#"{"oneString":"\u8C37\u6B4C"}"#, "one_string: '谷歌'"),
        reads("escapes of code points in lower case", r#"{"oneString":"\u8c37\u6b4c"}"#, "one_string: '谷歌'"),
        reads("a surrogate pair", r#"{"oneString":"\uD83D\uDE01"}"#, "one_string: '\u{1f601}'"),
        reads("a surrogate pair in lower case, between others", r#"{"oneString":"a\ud83d\ude01\u0062"}"#, "one_string: 'a\u{1f601}b'").ours(),
        reads("the first and the last pair", r#"{"oneString":"\uD800\uDC00\uDBFF\uDFFF"}"#, "one_string: '\u{10000}\u{10ffff}'").ours(),
        reads("the ends of the basic plane around the surrogates", r#"{"oneString":"\uD7FF\uE000\uFFFF"}"#, "one_string: '\u{d7ff}\u{e000}\u{ffff}'").ours(),
        reads("a null character", r#"{"oneString":"Hello\u0000world!"}"#, r#"one_string: "Hello\000world!""#),
        reads("a delete character as it is", "{\"oneString\":\"\u{7f}\u{80}\"}", "one_string: '\u{7f}\u{80}'").ours(),
        reads("an escape at each end", r#"{"oneString":"\nabcdefgh\n"}"#, r#"one_string: "\nabcdefgh\n""#).ours(),
        refuses_always("an escape with a capital U", r#"{"oneString":"\U8C37\U6b4C"}"#).recommended(),
        refuses_always("an escape that is not hexadecimal", r#"{"oneString":"\uXXXX\u6B4C"}"#).recommended(),
        refuses_always("an escape that is cut off", r#"{"oneString":"\u8C3"}"#).recommended(),
        refuses_always("a first half without its second", r#"{"oneString":"\uD800"}"#).recommended(),
        refuses_always("a second half without its first", r#"{"oneString":"\uDC00"}"#).recommended(),
        refuses_always("halves in the wrong order", r#"{"oneString":"\uDE01\uD83D"}"#).recommended(),
        refuses_always("a first half before another character", r#"{"oneString":"\uD83Da"}"#).ours(),
        refuses_always("a first half before another escape", r#"{"oneString":"\uD83D\u0061"}"#).ours(),
        refuses_always("two first halves", r#"{"oneString":"\uD83D\uD83D\uDE01"}"#).ours(),
        refuses_always("an escape with a sign", r#"{"oneString":"\u+041"}"#).ours(),
        refuses_always("an unknown escape", r#"{"oneString":"\x41"}"#).ours(),
        refuses_always("an escape of a quote that JSON does not have", r#"{"oneString":"\'"}"#).ours(),
        refuses_always("half a surrogate in a name", r#"{"\uD800":1}"#).ours(),
        refuses_always("half a surrogate in an unknown value", r#"{"unknown":"\uD800"}"#).ours(),
        refuses_always("a bare line break in a string", "{\"oneString\":\"a\nb\"}").ours(),
        refuses_always("a bare tab in a string", "{\"oneString\":\"a\tb\"}").ours(),
        refuses_always("a bare null character in a string", "{\"oneString\":\"a\0b\"}").ours(),
        refuses_always("a bare control character in a name", "{\"one\u{1f}String\":1}").ours(),
        refuses_always("bytes that are not UTF-8", b"{\"oneString\":\"\xff\"}").ours(),
        refuses_always("an overlong form", b"{\"oneString\":\"\xc0\xaf\"}").ours(),
        refuses_always("a surrogate in UTF-8", b"{\"oneString\":\"\xed\xa0\x80\"}").ours(),
        refuses("a number for a string", r#"{"oneString":12345}"#),
        refuses("a bool for a string", r#"{"oneString":true}"#).ours(),
        refuses("an object for a string", r#"{"oneString":{}}"#).ours(),
        refuses("a list for a string", r#"{"oneString":["a"]}"#).ours(),
        rewrites("control characters are written as escapes", r#"{"oneString":"\u0000\u001f\b\f\n\r\t\"\\"}"#, r#"{"oneString":"\u0000\u001f\b\f\n\r\t\"\\"}"#).ours(),

        reads("bytes", r#"{"oneBytes":"AQI="}"#, r#"one_bytes: "\x01\x02""#),
        reads("bytes of the alphabet for URLs", r#"{"oneBytes":"-_"}"#, r#"one_bytes: "\xfb""#).recommended(),
        reads("bytes of both alphabets and paddings", r#"{"manyBytes":["+/8=", "-_8=", "+/8", "-_8", "", "AA==", "AA"]}"#,
            r#"many_bytes: ["\xfb\xff", "\xfb\xff", "\xfb\xff", "\xfb\xff", "", "\x00", "\x00"]"#).ours(),
        reads("bytes with escapes", r#"{"oneBytes":"\u0041QI\u003d"}"#, r#"one_bytes: "\x01\x02""#).ours(),
        reads("bytes with an escaped slash", r#"{"oneBytes":"\/\/8="}"#, r#"one_bytes: "\xff\xff""#).ours(),
        refuses("bytes of another alphabet", r#"{"oneBytes":"A*I="}"#).ours(),
        reads("bytes with a space", r#"{"oneBytes":"AQ I="}"#, r"one_bytes: '\001\002'").ours(),
        reads("bytes with a line break", r#"{"oneBytes":"AQ\nI="}"#, r"one_bytes: '\001\002'").ours(),
        refuses("bytes with padding within", r#"{"oneBytes":"A=QI"}"#).ours(),
        refuses("bytes of a single letter", r#"{"oneBytes":"A"}"#).ours(),
        refuses("bytes of padding alone", r#"{"oneBytes":"=="}"#).ours(),
        refuses("bytes with too much padding", r#"{"oneBytes":"AQI=="}"#).ours(),
        refuses("a number for bytes", r#"{"oneBytes":1}"#).ours(),
        refuses("a list of numbers for bytes", r#"{"oneBytes":[1,2]}"#).ours(),
        rewrites("bytes are written in the plain alphabet with padding", r#"{"oneBytes":"-_8"}"#, r#"{"oneBytes":"+/8="}"#).ours(),
    ]
}

#[test]
fn booleans_strings_and_bytes_are_read_as_json_defines_them() {
    run_all(&cases());
}
