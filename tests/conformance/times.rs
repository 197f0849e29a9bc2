//! Timestamps, durations and field masks: the well-known types whose JSON is a string.

use crate::case::{Case, cannot_write, reads, refuses, rewrites, run_all};

#[rustfmt::skip]
fn durations() -> Vec<Case> {
    vec![
        reads("the least duration", r#"{"oneDuration":"-315576000000.999999999s"}"#, "one_duration: {seconds: -315576000000 nanos: -999999999}"),
        reads("the greatest duration", r#"{"oneDuration":"315576000000.999999999s"}"#, "one_duration: {seconds: 315576000000 nanos: 999999999}"),
        reads("durations in a list", r#"{"manyDuration":["1.5s","-1.5s"]}"#, "many_duration: {seconds: 1 nanos: 500000000} many_duration: {seconds: -1 nanos: -500000000}"),
        reads("a null duration", r#"{"oneDuration":null}"#, ""),
        reads("a duration of seconds below zero", r#"{"oneDuration":"-5s"}"#, "one_duration: {seconds: -5}"),
        reads("a duration of nanoseconds below zero", r#"{"oneDuration":"-0.5s"}"#, "one_duration: {nanos: -500000000}"),
        reads("a duration of zero", r#"{"oneDuration":"0s"}"#, "one_duration: {}").ours(),
        refuses("a duration without its unit", r#"{"oneDuration":"1"}"#),
        refuses("a duration too small", r#"{"oneDuration":"-315576000001.000000000s"}"#),
        refuses("a duration too large", r#"{"oneDuration":"315576000001.000000000s"}"#),
        refuses("a duration that is empty", r#"{"oneDuration":""}"#).ours(),
        refuses("a duration of a bare unit", r#"{"oneDuration":"s"}"#).ours(),
        refuses("a duration with a plus", r#"{"oneDuration":"+1s"}"#).ours(),
        refuses("a duration with a space", r#"{"oneDuration":"1 s"}"#).ours(),
        refuses("a duration of another unit", r#"{"oneDuration":"1m"}"#).ours(),
        refuses("a duration with an exponent", r#"{"oneDuration":"1e3s"}"#).ours(),
        refuses("a duration with ten digits", r#"{"oneDuration":"0.0000000001s"}"#).ours(),
        refuses("a duration with two signs", r#"{"oneDuration":"--1s"}"#).ours(),
        refuses("a duration with a sign in its fraction", r#"{"oneDuration":"1.-5s"}"#).ours(),
        refuses("a duration beyond any number", r#"{"oneDuration":"99999999999999999999s"}"#).ours(),
        refuses("a number for a duration", r#"{"oneDuration":1}"#).ours(),
        refuses("an object for a duration", r#"{"oneDuration":{"seconds":1}}"#).ours(),
        cannot_write("a Duration message that is too small", "one_duration: {seconds: -315576000001}"),
        cannot_write("a Duration message that is too large", "one_duration: {seconds: 315576000001}"),
        cannot_write("a duration with opposed signs", "one_duration: {seconds: 1 nanos: -1}"),
        cannot_write("a duration with opposed signs, below zero", "one_duration: {seconds: -1 nanos: 1}"),
        cannot_write("a duration with too few nanoseconds", "one_duration: {seconds: -1 nanos: -1000000000}"),
        cannot_write("a duration with too many nanoseconds", "one_duration: {seconds: 1 nanos: 1000000000}"),
        cannot_write("a duration with the least nanoseconds", "one_duration: {nanos: -2147483648}").ours(),
        cannot_write("a duration with the least seconds", "one_duration: {seconds: -9223372036854775808}").ours(),
        rewrites("a duration without a fraction", r#"{"oneDuration":"1.000000000s"}"#, r#"{"oneDuration":"1s"}"#).recommended(),
        rewrites("a duration with three digits", r#"{"oneDuration":"1.010000000s"}"#, r#"{"oneDuration":"1.010s"}"#).recommended(),
        rewrites("a duration with six digits", r#"{"oneDuration":"1.000010000s"}"#, r#"{"oneDuration":"1.000010s"}"#).recommended(),
        rewrites("a duration with nine digits", r#"{"oneDuration":"1.000000010s"}"#, r#"{"oneDuration":"1.000000010s"}"#).recommended(),
    ]
}

#[rustfmt::skip]
fn timestamps() -> Vec<Case> {
    let read = |name, text: &str, output: &str| {
        reads(name, format!(r#"{{"oneTimestamp":"{text}"}}"#), format!("one_timestamp: {{{output}}}"))
    };
    let refuse = |name, text: &str| refuses(name, format!(r#"{{"oneTimestamp":"{text}"}}"#));
    vec![
        read("the least timestamp", "0001-01-01T00:00:00Z", "seconds: -62135596800"),
        read("the last timestamp", "9999-12-31T23:59:59.999999999Z", "seconds: 253402300799 nanos: 999999999"),
        reads("timestamps in a list", r#"{"manyTimestamp":["0001-01-01T00:00:00Z","9999-12-31T23:59:59.999999999Z"]}"#,
            "many_timestamp: {seconds: -62135596800} many_timestamp: {seconds: 253402300799 nanos: 999999999}"),
        read("the epoch", "1970-01-01T00:00:00.000Z", ""),
        read("a nanosecond after the epoch", "1970-01-01T00:00:00.000000001Z", "nanos: 1"),
        read("a nanosecond before the epoch", "1969-12-31T23:59:59.999999999Z", "seconds: -1 nanos: 999999999"),
        read("a little after the epoch", "1970-01-01T00:00:01.000000001Z", "seconds: 1 nanos: 1"),
        read("a little before the epoch", "1969-12-31T23:59:58.999999999Z", "seconds: -2 nanos: 999999999"),
        read("ten and a half seconds after the epoch", "1970-01-01T00:00:10.500Z", "seconds: 10 nanos: 500000000"),
        read("ten and a half seconds before the epoch", "1969-12-31T23:59:49.500Z", "seconds: -11 nanos: 500000000"),
        read("a day after many leap years", "1993-02-10T00:00:00.000Z", "seconds: 729302400"),
        read("an offset ahead", "1970-01-01T08:00:01+08:00", "seconds: 1"),
        read("an offset behind", "1969-12-31T16:00:01-08:00", "seconds: 1"),
        reads("a null timestamp", r#"{"oneTimestamp":null}"#, ""),
        refuse("the year 0", "0000-01-01T00:00:00Z"),
        refuse("the year 10000", "10000-01-01T00:00:00Z"),
        refuse("a timestamp without a zone", "0001-01-01T00:00:00"),
        refuse("a timestamp without its T", "0001-01-01 00:00:00Z"),
        refuse("a z in lower case", "0001-01-01T00:00:00z"),
        refuse("a t in lower case", "0001-01-01t00:00:00Z"),
        refuse("an offset without its colon", "1970-01-01T08:00:01+0800"),
        cannot_write("a timestamp before the year 1", "one_timestamp: {seconds: -62135596801}"),
        cannot_write("a timestamp after the year 9999", "one_timestamp: {seconds: 253402300800}"),
        cannot_write("a timestamp with nanoseconds below zero", "one_timestamp: {seconds: 5000 nanos: -1}"),
        cannot_write("a timestamp with too many nanoseconds", "one_timestamp: {seconds: 5000 nanos: 1000000000}"),
        rewrites("an offset is written as Z", r#"{"oneTimestamp":"1969-12-31T16:00:00-08:00"}"#, r#"{"oneTimestamp":"1970-01-01T00:00:00Z"}"#).recommended(),
        rewrites("a timestamp without a fraction", r#"{"oneTimestamp":"1970-01-01T00:00:00.000000000Z"}"#, r#"{"oneTimestamp":"1970-01-01T00:00:00Z"}"#).recommended(),
        rewrites("a timestamp with three digits", r#"{"oneTimestamp":"1970-01-01T00:00:00.010000000Z"}"#, r#"{"oneTimestamp":"1970-01-01T00:00:00.010Z"}"#).recommended(),
        rewrites("a timestamp with six digits", r#"{"oneTimestamp":"1970-01-01T00:00:00.000010000Z"}"#, r#"{"oneTimestamp":"1970-01-01T00:00:00.000010Z"}"#).recommended(),
        rewrites("a timestamp with nine digits", r#"{"oneTimestamp":"1970-01-01T00:00:00.000000010Z"}"#, r#"{"oneTimestamp":"1970-01-01T00:00:00.000000010Z"}"#).recommended(),
        refuse("the month 13", "1970-13-01T00:00:00Z"),
        refuse("the month 0", "1970-00-01T00:00:00Z"),
        refuse("the day 32", "1970-01-32T00:00:00Z"),
        refuse("the day 0", "1970-01-00T00:00:00Z"),
        refuse("the hour 24", "1970-01-01T24:00:00Z"),
        refuse("the hour 25", "1970-01-01T25:00:00Z"),
        refuse("the minute 60", "1970-01-01T00:60:00Z"),
        refuse("the second 60", "1970-01-01T00:00:60Z"),
        refuse("an offset of 24 hours", "1970-01-01T00:00:00+24:00"),
        refuse("an offset of 60 minutes", "1970-01-01T00:00:00+00:60"),
        refuse("an offset that leads before the year 1", "0001-01-01T00:00:00+00:01"),
        refuse("an offset that leads beyond the year 9999", "9999-12-31T23:59:59-00:01"),
        refuse("ten digits of a second", "1970-01-01T00:00:00.1234567890Z"),
        refuse("a letter in a fraction", "1970-01-01T00:00:00.123aZ"),
        refuse("a year of three digits", "999-01-01T00:00:00Z"),
        refuse("a year of five digits", "00001-01-01T00:00:00Z"),
        refuse("a month of one digit", "1970-1-01T00:00:00Z"),
        refuse("a day of one digit", "1970-01-1T00:00:00Z"),
        refuse("a leap day in a common year", "2001-02-29T00:00:00Z"),
        refuse("a leap day in a common century", "1900-02-29T00:00:00Z").ours(),
        refuse("text after a timestamp", "1970-01-01T00:00:00Z ").ours(),
        refuse("a sign before a year", "+970-01-01T00:00:00Z").ours(),
        refuse("an empty timestamp", "").ours(),
        read("a leap day", "2000-02-29T00:00:00Z", "seconds: 951782400"),
        read("an offset that changes the day", "1970-01-02T01:00:00+02:00", "seconds: 82800"),
        read("an offset that leads into the year 1", "0001-01-01T00:00:00-00:01", "seconds: -62135596740"),
        read("an offset that leads back into the year 9999", "9999-12-31T23:59:59+00:01", "seconds: 253402300739"),
        read("an offset of half an hour", "1970-01-01T00:00:00-11:30", "seconds: 41400"),
        read("a fraction of any number of digits", "1970-01-01T00:00:00.1234567Z", "nanos: 123456700").ours(),
    ]
}

const KEYS: &str = "a label key in a path may have an underscore before a digit or before another underscore, and Envoy reads \
                    such a path (tests/transcode/forms.rs)";

#[rustfmt::skip]
fn masks() -> Vec<Case> {
    vec![
        reads("a mask", r#"{"oneMask":"foo,barBaz"}"#, "one_mask: {paths: 'foo' paths: 'bar_baz'}"),
        reads("an empty mask", r#"{"oneMask":""}"#, "one_mask: {}"),
        reads("a mask of nested paths", r#"{"oneMask":"fooBar.bazQux,a"}"#, "one_mask: {paths: 'foo_bar.baz_qux' paths: 'a'}").ours(),
        refuses("a mask with an underscore", r#"{"oneMask":"foo,bar_bar"}"#).recommended_but(
            "clients and servers send masks in snake case (CHECKLIST 47), so an underscore is kept"),
        cannot_write("a mask with a capital", "one_mask: {paths: 'fooBar'}").recommended(),
        cannot_write("a mask with a digit after an underscore", "one_mask: {paths: 'foo_3_bar'}").recommended_but(KEYS),
        cannot_write("a mask with two underscores", "one_mask: {paths: 'foo__bar'}").recommended_but(KEYS),
        refuses("a list for a mask", r#"{"oneMask":["foo"]}"#).ours(),
        refuses("an object for a mask", r#"{"oneMask":{"paths":["foo"]}}"#).ours(),
    ]
}

pub(crate) fn cases() -> Vec<Case> {
    [durations(), timestamps(), masks()].concat()
}

#[test]
fn durations_are_seconds_within_ten_thousand_years() {
    run_all(&durations());
}

#[test]
fn timestamps_are_those_of_rfc_3339_in_four_digit_years() {
    run_all(&timestamps());
}

#[test]
fn masks_are_paths_in_camel_case() {
    run_all(&masks());
}
