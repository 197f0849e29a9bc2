//! The keys of the routing header (AIP-4222), from HTTP templates and `google.api.routing`.

use super::descriptor::RoutingRule;
use super::text::shown;

/// A key of the routing header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoutingKey {
    pub(crate) name: String,
    /// The numbers of the fields that lead to the value.
    pub(crate) field: Vec<u32>,
    /// The pattern that the value must match; `None` if the whole value is sent.
    pub(crate) pattern: Option<Pattern>,
}

/// A path template of `google.api.routing`, split at its named segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) before: Vec<Segment>,
    pub(crate) named: Vec<Segment>,
    pub(crate) after: Vec<Segment>,
}

/// A segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(String),
    /// `*`: one segment that is not empty.
    One,
    /// `**`: any number of segments.
    Many,
}

/// The name of a key, the path of its field, and its pattern.
type Key = Result<(String, String, Option<Pattern>), String>;

/// Returns the keys of a method without `google.api.routing`: the variables of its HTTP template.
pub(super) fn implicit(template: &str) -> Vec<Key> {
    let braces = template.split('{').skip(1);
    let variables = braces.filter_map(|rest| rest.split_once('}'));
    let names = variables.map(|(variable, _)| variable.split('=').next().unwrap_or_default());
    names
        .map(|name| Ok((name.to_owned(), name.to_owned(), None)))
        .collect()
}

/// Returns the keys of `google.api.routing`, in order.
pub(super) fn explicit(rule: &RoutingRule) -> Vec<Key> {
    let keys = rule.routing_parameters.iter().map(|parameter| {
        let field = &parameter.field;
        match parameter.path_template.as_str() {
            "" => Ok((field.clone(), field.clone(), None)),
            template => {
                let (name, pattern) = pattern(template).map_err(|reason| {
                    format!("invalid path template `{}`: {reason}", shown(template))
                })?;
                Ok((name, field.clone(), Some(pattern)))
            }
        }
    });
    keys.collect()
}

/// Reads a template with one named segment, such as `projects/*/{key=instances/*}/**`.
fn pattern(template: &str) -> Result<(String, Pattern), &'static str> {
    let missing = "must have one named segment, such as `{key=**}`";
    let (before, rest) = template.split_once('{').ok_or(missing)?;
    let (named, after) = rest.split_once('}').ok_or(missing)?;
    if after.contains(['{', '}']) || named.contains('{') || before.contains('}') {
        return Err(missing);
    }
    // A named segment without a pattern is `*`.
    let (name, named) = named.split_once('=').unwrap_or((named, "*"));
    if name.is_empty() {
        return Err("the named segment has no name");
    }
    let outer = "the named segment must be between slashes";
    let before = match before {
        "" => "",
        before => before.strip_suffix('/').ok_or(outer)?,
    };
    let after = match after {
        "" => "",
        after => after.strip_prefix('/').ok_or(outer)?,
    };
    let pattern = Pattern {
        before: segments(before)?,
        named: segments(named)?,
        after: segments(after)?,
    };
    let all = [&pattern.before, &pattern.named, &pattern.after];
    let many = all.into_iter().flatten();
    match many.filter(|segment| **segment == Segment::Many).count() {
        0 | 1 => Ok((name.to_owned(), pattern)),
        _ => Err("must have at most one `**`"),
    }
}

fn segments(text: &str) -> Result<Vec<Segment>, &'static str> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let segment = |segment: &str| match segment {
        "" => Err("a segment is empty"),
        "*" => Ok(Segment::One),
        "**" => Ok(Segment::Many),
        text if text.contains('*') => Err("a segment must be a literal, `*` or `**`"),
        text => Ok(Segment::Literal(text.to_owned())),
    };
    text.split('/').map(segment).collect()
}
