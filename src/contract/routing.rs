//! The fields of the routing header (AIP-4222).

use std::borrow::Cow;

/// A field of the request that goes into the `x-goog-request-params` header (AIP-4222).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingKey {
    pub(crate) name: Cow<'static, str>,
    pub(crate) field: Cow<'static, [u32]>,
    /// The pattern that a value must match; `None` if the whole value is sent.
    pub(crate) pattern: Option<RoutingPattern>,
}

/// A path template of `google.api.routing`, split at its named segment. At most one segment of it is [`Many`](Segment::Many).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoutingPattern {
    pub(crate) before: Box<[Segment]>,
    pub(crate) named: Box<[Segment]>,
    pub(crate) after: Box<[Segment]>,
}

/// A segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(any(feature = "google", test)),
    expect(dead_code, reason = "this build loads no contract")
)]
pub(crate) enum Segment {
    Literal(Box<str>),
    /// `*`: one segment that is not empty.
    One,
    /// `**`: any number of segments.
    Many,
}

impl RoutingPattern {
    /// Returns the part of a value that the named segment matches; `None` if the value does not match the pattern.
    ///
    /// A `**` at the end of the pattern also matches a suffix that follows a colon instead of a slash: `tables/**` matches
    /// `tables:x` (AIP-4222).
    pub(crate) fn capture<'v>(&self, value: &'v str) -> Option<&'v str> {
        let parts = [&self.before, &self.named, &self.after];
        let all = || parts.iter().flat_map(|part| part.iter());
        let many = all().filter(|segment| **segment == Segment::Many).count();
        let fixed = all().count() - many;
        let surplus = value.split('/').count().checked_sub(fixed)?;
        if many == 0 && surplus > 0 {
            return None;
        }
        let ends_with_many = all().last() == Some(&Segment::Many);
        let mut rest = Some(value);
        let (mut captured, mut matched) = ("", 0);
        for (index, part) in parts.into_iter().enumerate() {
            let start = rest;
            for segment in part {
                matched += 1;
                let is_before_last = ends_with_many && matched == fixed;
                rest = match segment {
                    Segment::Many if ends_with_many => None,
                    Segment::Many => (0..surplus).try_fold(rest, |rest, _| Some(split(rest?).1))?,
                    Segment::One => match split(rest?) {
                        ("", _) => return None,
                        (_, after) => after,
                    },
                    Segment::Literal(literal) => match rest?.strip_prefix(&**literal)? {
                        "" => None,
                        after if after.starts_with('/') => Some(&after[1..]),
                        after if after.starts_with(':') && is_before_last => Some(after),
                        _ => return None,
                    },
                };
            }
            if let (1, Some(start)) = (index, start) {
                captured = match rest {
                    None => start,
                    Some(rest) => {
                        let captured = &start[..start.len() - rest.len()];
                        // The slash before the rest belongs to neither part.
                        captured.strip_suffix('/').unwrap_or(captured)
                    }
                };
            }
        }
        Some(captured)
    }
}

/// Returns the first segment of a value, and the segments after its slash.
fn split(value: &str) -> (&str, Option<&str>) {
    match value.split_once('/') {
        Some((first, after)) => (first, Some(after)),
        None => (value, None),
    }
}

impl RoutingKey {
    /// Returns the key: the path of the field, such as `name` or `gateway.name`, or the name in the path template of
    /// `google.api.routing`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the field numbers that lead to the value in the encoded request.
    #[must_use]
    pub fn field(&self) -> &[u32] {
        &self.field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the pattern of segments that are separated by slashes.
    fn pattern(before: &str, named: &str, after: &str) -> RoutingPattern {
        let segments = |text: &str| {
            let texts = text.split('/').filter(|text| !text.is_empty());
            let segment = |text| match text {
                "*" => Segment::One,
                "**" => Segment::Many,
                text => Segment::Literal(text.into()),
            };
            texts.map(segment).collect()
        };
        RoutingPattern {
            before: segments(before),
            named: segments(named),
            after: segments(after),
        }
    }

    #[test]
    fn a_pattern_captures_the_part_that_its_named_segment_matches() {
        let cases = [
            (("", "**", ""), "a/b/c", Some("a/b/c")),
            (("", "**", ""), "", Some("")),
            (("", "*", ""), "a", Some("a")),
            (("", "*", ""), "", None),
            (("", "*", ""), "a/b", None),
            (
                ("", "projects/*", "**"),
                "projects/p/tables/t",
                Some("projects/p"),
            ),
            (("", "projects/*", "**"), "projects/p", Some("projects/p")),
            (("", "projects/*", "**"), "projects/", None),
            (("", "projects/*", "**"), "projects", None),
            (
                ("projects/*", "instances/*", "tables/*"),
                "projects/p/instances/i/tables/t",
                Some("instances/i"),
            ),
            (
                ("projects/*", "instances/*", "tables/*"),
                "projects/p/instances/i/tables/t/x",
                None,
            ),
            (
                ("projects/*", "instances/*", "**"),
                "projects/p/instances/i",
                Some("instances/i"),
            ),
            (("**", "zones/*", ""), "a/b/zones/z", Some("zones/z")),
            (("**", "zones/*", ""), "zones/z", Some("zones/z")),
            (("a", "**", "z"), "a/z", Some("")),
            (("a", "**", "z"), "a/b/c/z", Some("b/c")),
            (("a", "**", "z"), "a", None),
            // As in Google's clients, a slash at the end of the value is kept.
            (("", "**", ""), "a/b/", Some("a/b/")),
            (
                ("", "projects/*/**", ""),
                "projects/p/",
                Some("projects/p/"),
            ),
            (("", "projects/*", "**"), "projects/p/", Some("projects/p")),
            (("projects/*", "**", ""), "projects/p/a/", Some("a/")),
            (
                ("", "a/tables/**", ""),
                "a/tables:x/y",
                Some("a/tables:x/y"),
            ),
            (("", "a/tables", "**"), "a/tables:x", Some("a/tables")),
            (("", "a/tables", "**"), "a/tablesx", None),
            (("", "a/tables", "*"), "a/tables:x", None),
            (("", "a", "tables/**"), "a:x/tables", None),
        ];
        for ((before, named, after), value, expected) in cases {
            let pattern = pattern(before, named, after);
            assert_eq!(pattern.capture(value), expected, "{pattern:?} {value}");
        }
    }
}
