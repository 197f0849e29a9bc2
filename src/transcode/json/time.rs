//! The texts of timestamps and durations.

use crate::transcode::json::text::unsigned;
use crate::transcode::json::wire_value::put_varint;
use crate::transcode::schema::Shape;

/// The first and the last second of a timestamp (`google/protobuf/timestamp.proto`): years 1 to 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// Maximum number of seconds of a duration, positive or negative.
const LONGEST: i64 = 315_576_000_000;
const BILLION: i32 = 1_000_000_000;

/// The reason why a text is not a timestamp or a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidTime {
    /// The text has another form.
    Form,
    /// The text has the right form, and its value is out of range.
    Range,
}

/// Writes the wire bytes of a timestamp or a duration in JSON.
pub(crate) fn parse(shape: Shape, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let (what, form, range, time) = match shape {
        Shape::Timestamp => (
            "timestamp",
            "RFC 3339, such as 2026-01-02T03:04:05Z",
            "from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z",
            parse_timestamp(text),
        ),
        _ => (
            "duration",
            "seconds with the suffix `s`, such as 1.5s",
            "from -315576000000s to 315576000000s",
            parse_duration(text),
        ),
    };
    let (seconds, nanos) = time.map_err(|invalid| {
        let valid = match invalid {
            InvalidTime::Form => form,
            InvalidTime::Range => range,
        };
        format!("invalid {what} `{text}`: must be {valid}")
    })?;
    // Fields 1 and 2, varints both.
    if seconds != 0 {
        out.push(0x08);
        put_varint(seconds.cast_unsigned(), out);
    }
    if nanos != 0 {
        out.push(0x10);
        put_varint(i64::from(nanos).cast_unsigned(), out);
    }
    Ok(())
}

/// Writes a timestamp in RFC 3339, in UTC, with 0, 3, 6 or 9 fractional digits. Returns `None` for a time out of
/// range.
pub(crate) fn timestamp(seconds: i64, nanos: i32, out: &mut Vec<u8>) -> Option<()> {
    if !SECONDS.contains(&seconds) || !(0..BILLION).contains(&nanos) {
        return None;
    }
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let mut text = *b"0000-00-00T00:00:00";
    let parts = [
        (0, year / 100),
        (2, year % 100),
        (5, month),
        (8, day),
        (11, second / 3600),
        (14, second / 60 % 60),
        (17, second % 60),
    ];
    for (at, value) in parts {
        text[at] = digit(value / 10);
        text[at + 1] = digit(value % 10);
    }
    out.extend_from_slice(&text);
    fraction(nanos, out);
    out.push(b'Z');
    Some(())
}

/// Writes a duration in seconds, such as `1.500s`. Returns `None` for a duration out of range.
pub(crate) fn duration(seconds: i64, nanos: i32, out: &mut Vec<u8>) -> Option<()> {
    let opposed = (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0);
    if seconds.unsigned_abs() > LONGEST.unsigned_abs()
        || nanos.unsigned_abs() >= BILLION.unsigned_abs()
        || opposed
    {
        return None;
    }
    if seconds < 0 || nanos < 0 {
        out.push(b'-');
    }
    unsigned(seconds.unsigned_abs(), out);
    fraction(nanos.abs(), out);
    out.push(b's');
    Some(())
}

/// Returns the seconds and nanoseconds of a timestamp in RFC 3339, with any offset. Its letters must be capitals, as
/// the conformance suite of protobuf requires.
pub(crate) fn parse_timestamp(text: &str) -> Result<(i64, i32), InvalidTime> {
    let (seconds, nanos) = timestamp_of(text).ok_or(InvalidTime::Form)?;
    match SECONDS.contains(&seconds) {
        true => Ok((seconds, nanos)),
        false => Err(InvalidTime::Range),
    }
}

/// Returns the seconds and nanoseconds of a timestamp, which may be out of range: year 0 has the right form, and an offset can
/// lead to another year.
fn timestamp_of(text: &str) -> Option<(i64, i32)> {
    // The date and the time: 19 characters, each at its place.
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T',
        hour1,
        hour2,
        b':',
        minute1,
        minute2,
        b':',
        second1,
        second2,
    ] = *text.as_bytes().first_chunk()?
    else {
        return None;
    };
    let year = two_digits(y1, y2)? * 100 + two_digits(y3, y4)?;
    let (month, day) = (two_digits(m1, m2)?, two_digits(d1, d2)?);
    let hour = two_digits(hour1, hour2)?;
    let minute = two_digits(minute1, minute2)?;
    let second = two_digits(second1, second2)?;
    let ranged = (1..=12).contains(&month) && (1..=month_length(year, month)).contains(&day);
    if !ranged || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (nanos, zone) = parse_fraction(text.get(19..)?)?;
    let offset = match zone.as_bytes() {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two_digits(*h1, *h2)?, two_digits(*m1, *m2)?);
            let offset = hours * 3600 + minutes * 60;
            if hours > 23 || minutes > 59 {
                return None;
            }
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some((seconds, nanos))
}

/// Returns the seconds and nanoseconds of a duration such as `1.500s`.
pub(crate) fn parse_duration(text: &str) -> Result<(i64, i32), InvalidTime> {
    let (is_negative, whole, nanos) = duration_of(text).ok_or(InvalidTime::Form)?;
    // Digits that do not fit into an i64 are out of range, too.
    let seconds: Option<i64> = whole.parse().ok();
    let seconds = seconds.filter(|seconds| *seconds <= LONGEST);
    let seconds = seconds.ok_or(InvalidTime::Range)?;
    match is_negative {
        true => Ok((-seconds, -nanos)),
        false => Ok((seconds, nanos)),
    }
}

/// Splits a duration into its sign, the digits of its seconds, and its nanoseconds.
fn duration_of(text: &str) -> Option<(bool, &str, i32)> {
    let number = text.strip_suffix('s')?;
    let (is_negative, number) = match number.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, number),
    };
    let end = number.find('.').unwrap_or(number.len());
    let (whole, rest) = number.split_at(end);
    if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (nanos, rest) = parse_fraction(rest)?;
    rest.is_empty().then_some((is_negative, whole, nanos))
}

/// Writes a point and three, six or nine digits, or nothing for zero.
fn fraction(nanos: i32, out: &mut Vec<u8>) {
    let length = match nanos {
        0 => return,
        nanos if nanos % 1_000_000 == 0 => 4,
        nanos if nanos % 1_000 == 0 => 7,
        _ => 10,
    };
    let mut text = *b".000000000";
    let mut left = i64::from(nanos);
    for place in text[1..].iter_mut().rev() {
        *place = digit(left % 10);
        left /= 10;
    }
    out.extend_from_slice(&text[..length]);
}

/// Returns the character of a number below ten.
fn digit(value: i64) -> u8 {
    b'0' + value.to_le_bytes()[0]
}

/// Parses a point and up to nine digits. Returns the nanoseconds and the rest.
fn parse_fraction(text: &str) -> Option<(i32, &str)> {
    let Some(rest) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let (mut nanos, mut length) = (0, 0);
    for digit in rest.bytes().take_while(u8::is_ascii_digit) {
        if length == 9 {
            return None;
        }
        nanos = nanos * 10 + i32::from(digit - b'0');
        length += 1;
    }
    if length == 0 {
        return None;
    }
    Some((nanos * SCALES[length], &rest[length..]))
}

/// The factor that converts the digits of a fraction to nanoseconds, by the number of digits. A fraction has at least one
/// digit.
const SCALES: [i32; 10] = [
    0,
    100_000_000,
    10_000_000,
    1_000_000,
    100_000,
    10_000,
    1_000,
    100,
    10,
    1,
];

/// Returns the number of two decimal digits.
fn two_digits(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

fn month_length(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the days from 1970-01-01 to a date of the proleptic Gregorian calendar. Years are counted from March, so
/// that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Returns the date of a number of days since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<String> {
        let mut out = Vec::new();
        write(&mut out)?;
        String::from_utf8(out).ok()
    }

    #[test]
    fn a_timestamp_is_written_and_read_back() {
        let cases = [
            (0, 0, "1970-01-01T00:00:00Z"),
            (951_782_400, 0, "2000-02-29T00:00:00Z"),
            (-62_135_596_800, 0, "0001-01-01T00:00:00Z"),
            (
                253_402_300_799,
                999_999_999,
                "9999-12-31T23:59:59.999999999Z",
            ),
            (-1, 500_000_000, "1969-12-31T23:59:59.500Z"),
            (1, 1_000, "1970-01-01T00:00:01.000001Z"),
        ];
        for (seconds, nanos, text) in cases {
            let output = written(|out| timestamp(seconds, nanos, out));
            assert_eq!(output.as_deref(), Some(text));
            assert_eq!(parse_timestamp(text), Ok((seconds, nanos)), "{text}");
        }
        assert_eq!(written(|out| timestamp(253_402_300_800, 0, out)), None);
        assert_eq!(written(|out| timestamp(0, -1, out)), None);
    }

    #[test]
    fn offsets_and_any_number_of_digits_are_read() {
        let cases = [
            ("1970-01-01T01:00:00+01:00", Ok((0, 0))),
            ("1969-12-31T23:30:00.5-00:30", Ok((0, 500_000_000))),
            ("1970-01-01T00:00:00.123456789Z", Ok((0, 123_456_789))),
            ("1970-01-01t00:00:00Z", Err(InvalidTime::Form)),
            ("1970-01-01T00:00:00z", Err(InvalidTime::Form)),
            ("1970-02-30T00:00:00Z", Err(InvalidTime::Form)),
            ("1970-01-01T24:00:00Z", Err(InvalidTime::Form)),
            ("1970-01-01 00:00:00Z", Err(InvalidTime::Form)),
            ("1970-01-01T00:00:00", Err(InvalidTime::Form)),
            ("1970-01-01T00:00:00.Z", Err(InvalidTime::Form)),
            ("1970-01-01T00:00:00.1234567890Z", Err(InvalidTime::Form)),
            ("1970-01-01T00:00:00+1:00", Err(InvalidTime::Form)),
            ("0001-01-01T00:00:00+00:01", Err(InvalidTime::Range)),
            ("0000-12-31T23:59:59Z", Err(InvalidTime::Range)),
            ("9999-12-31T23:59:59-00:01", Err(InvalidTime::Range)),
            ("é970-01-01T00:00:00Z", Err(InvalidTime::Form)),
            ("", Err(InvalidTime::Form)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_timestamp(text), expected, "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_and_read_back() {
        let cases = [
            (0, 0, "0s"),
            (1, 500_000_000, "1.500s"),
            (-1, -1, "-1.000000001s"),
            (0, -1_000, "-0.000001s"),
        ];
        for (seconds, nanos, text) in cases {
            let output = written(|out| duration(seconds, nanos, out));
            assert_eq!(output.as_deref(), Some(text));
            assert_eq!(parse_duration(text), Ok((seconds, nanos)), "{text}");
        }
        assert_eq!(written(|out| duration(1, -1, out)), None);
        for text in [
            "",
            "1",
            "s",
            "1.s",
            ".5s",
            "+1s",
            "--1s",
            "1.0000000001s",
            "1 s",
            "315576000001.s",
        ] {
            assert_eq!(parse_duration(text), Err(InvalidTime::Form), "{text}");
        }
        for text in [
            "315576000001s",
            "-315576000001s",
            "9223372036854775808s",
            "99999999999999999999.5s",
        ] {
            assert_eq!(parse_duration(text), Err(InvalidTime::Range), "{text}");
        }
    }
}
