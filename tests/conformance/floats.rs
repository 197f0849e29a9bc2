//! Floating-point numbers, and texts that are not numbers.

use crate::case::{Case, decodes, reads, refuses, refuses_always, rewrites, run_all};

#[rustfmt::skip]
pub(crate) fn cases() -> Vec<Case> {
    vec![
        reads("the least normal float above zero", r#"{"oneFloat":1.175494e-38}"#, "one_float: 1.175494e-38"),
        reads("the greatest normal float below zero", r#"{"oneFloat":-1.175494e-38}"#, "one_float: -1.175494e-38"),
        reads("a float near the greatest", r#"{"oneFloat":3.402823e+38}"#, "one_float: 3.402823e+38"),
        reads("a float near the least", r#"{"oneFloat":-3.402823e+38}"#, "one_float: -3.402823e+38"),
        // The shortest text of the greatest float, 3.4028235e38, is greater than that float if it is read as a double, and
        // some parsers then refuse it. So the text of the double is written, and both texts are read.
        rewrites("the greatest float of all", r#"{"oneFloat":3.4028234663852886e+38, "manyFloat":[3.4028235e38]}"#, r#"{"oneFloat":3.4028234663852886e38, "manyFloat":[3.4028234663852886e38]}"#).ours(),
        reads("a subnormal float", r#"{"oneFloat":1e-45}"#, "one_float: 1e-45").ours(),
        reads("a float too near zero is zero", r#"{"maybeFloat":1e-60}"#, "maybe_float: 0").ours(),
        reads("a float in quotes", r#"{"oneFloat":"1"}"#, "one_float: 1"),
        reads("a float in quotes with an exponent", r#"{"oneFloat":"1.175494e-38"}"#, "one_float: 1.175494e-38"),
        reads("a float that is NaN", r#"{"oneFloat":"NaN"}"#, "one_float: nan"),
        reads("a float that is infinite", r#"{"oneFloat":"Infinity"}"#, "one_float: inf"),
        reads("a float that is negative infinity", r#"{"oneFloat":"-Infinity"}"#, "one_float: -inf"),
        reads("a float halfway between two is rounded to the even one", r#"{"oneFloat":16777217}"#, "one_float: 16777216").ours(),
        // Just below the midpoint of two floats. As a double it would be the midpoint, and be rounded up to the even float.
        reads("a float is rounded once, not by way of a double", r#"{"oneFloat":1.00000017881393432617187499}"#,
            "one_float: 1.00000011920928955078125").ours(),
        decodes("a quiet NaN of 32 bits", b"\x5d\x45\x23\xa1\x7f", "one_float: nan"),
        decodes("a signalling NaN of 32 bits", b"\x5d\x21\x43\xb5\xff", "one_float: nan"),
        refuses_always("a bare NaN for a float", r#"{"oneFloat":NaN}"#).recommended(),
        refuses_always("a bare infinity for a float", r#"{"oneFloat":Infinity}"#).recommended(),
        refuses_always("a bare negative infinity for a float", r#"{"oneFloat":-Infinity}"#).recommended(),
        refuses("a float too small", r#"{"oneFloat":-3.502823e+38}"#),
        refuses("a float too large", r#"{"oneFloat":3.502823e+38}"#),
        refuses("a float too large in quotes", r#"{"oneFloat":"3.502823e+38"}"#).ours(),
        refuses("an empty text for a float", r#"{"oneFloat":""}"#),
        refuses("letters after digits of a float", r#"{"oneFloat":"12abc"}"#),
        refuses("letters for a float", r#"{"oneFloat":"abc"}"#),
        refuses("a space between digits of a float", r#"{"oneFloat":"12 34"}"#),
        refuses("a comma between digits of a float", r#"{"oneFloat":"12,34"}"#),
        refuses("ideographs between digits of a float", r#"{"oneFloat":"12谷歌34"}"#),
        refuses("true for a float", r#"{"oneFloat":true}"#),
        refuses("false for a float", r#"{"oneFloat":false}"#),

        reads("the least normal double above zero", r#"{"oneDouble":2.22507e-308}"#, "one_double: 2.22507e-308"),
        reads("the greatest normal double below zero", r#"{"oneDouble":-2.22507e-308}"#, "one_double: -2.22507e-308"),
        reads("a double near the greatest", r#"{"oneDouble":1.79769e+308}"#, "one_double: 1.79769e+308"),
        reads("a double near the least", r#"{"oneDouble":-1.79769e+308}"#, "one_double: -1.79769e+308"),
        reads("the greatest double of all", r#"{"oneDouble":1.7976931348623157e308}"#, "one_double: 1.7976931348623157e308").ours(),
        reads("the double nearest to zero", r#"{"oneDouble":5e-324}"#, "one_double: 5e-324").ours(),
        reads("a double in quotes", r#"{"oneDouble":"1"}"#, "one_double: 1"),
        reads("a double in quotes with an exponent", r#"{"oneDouble":"2.22507e-308"}"#, "one_double: 2.22507e-308"),
        reads("a double that is NaN", r#"{"oneDouble":"NaN"}"#, "one_double: nan"),
        reads("a double that is infinite", r#"{"oneDouble":"Infinity"}"#, "one_double: inf"),
        reads("a double that is negative infinity", r#"{"oneDouble":"-Infinity"}"#, "one_double: -inf"),
        reads("an infinity with an escape", r#"{"oneDouble":"\u0049nfinity"}"#, "one_double: inf").ours(),
        decodes("a quiet NaN of 64 bits", b"\x61\xbc\x9a\x78\x56\x34\x12\xfa\x7f", "one_double: nan"),
        decodes("a signalling NaN of 64 bits", b"\x61\x21\x43\x65\x87\xa9\xcb\xfb\xff", "one_double: nan"),
        refuses_always("a bare NaN for a double", r#"{"oneDouble":NaN}"#).recommended(),
        refuses_always("a bare infinity for a double", r#"{"oneDouble":Infinity}"#).recommended(),
        refuses_always("a bare negative infinity for a double", r#"{"oneDouble":-Infinity}"#).recommended(),
        refuses("a double too small", r#"{"oneDouble":-1.89769e+308}"#),
        refuses("a double too large", r#"{"oneDouble":1.89769e+308}"#),
        refuses("an empty text for a double", r#"{"oneDouble":""}"#),
        refuses("letters after digits of a double", r#"{"oneDouble":"12abc"}"#),
        refuses("letters for a double", r#"{"oneDouble":"abc"}"#),
        refuses("true for a double", r#"{"oneDouble":true}"#),
        refuses("false for a double", r#"{"oneDouble":false}"#),
        refuses("a name of infinity in another case", r#"{"oneDouble":"infinity"}"#).ours(),
        refuses("a short name of infinity", r#"{"oneDouble":"inf"}"#).ours(),
        refuses("infinity with a plus", r#"{"oneDouble":"+Infinity"}"#).ours(),
        refuses("a NaN in another case", r#"{"oneDouble":"nan"}"#).ours(),
        refuses("a NaN with a sign", r#"{"oneDouble":"-NaN"}"#).ours(),
        refuses("a space before a double in quotes", r#"{"oneDouble":" 1"}"#).ours(),
        refuses("a double with a point and no digits", r#"{"oneDouble":"1."}"#).ours(),
        refuses("a double without a digit before the point", r#"{"oneDouble":".5"}"#).ours(),

        rewrites("minus zero is not a default", r#"{"oneDouble":-0.0, "oneFloat":-0.0}"#, r#"{"oneDouble":-0.0, "oneFloat":-0.0}"#).ours(),
        rewrites("an integer minus zero is not a default", r#"{"oneDouble":-0}"#, r#"{"oneDouble":-0.0}"#).ours(),
        rewrites("a float is written as short as it can be", r#"{"oneFloat":0.1, "oneDouble":0.1}"#, r#"{"oneFloat":0.1, "oneDouble":0.1}"#).ours(),
        rewrites("NaN and infinities are written by name", r#"{"manyFloat":["NaN","Infinity","-Infinity"], "manyDouble":["NaN","Infinity","-Infinity"]}"#,
            r#"{"manyFloat":["NaN","Infinity","-Infinity"], "manyDouble":["NaN","Infinity","-Infinity"]}"#).ours(),
    ]
}

#[test]
fn floating_point_numbers_are_read_and_written_without_loss() {
    run_all(&cases());
}
