//! The mask of an update: the fields that it changes (AIP-134, AIP-161).

use prost_types::FieldMask;
use tonic::Status;

use crate::emulator::error::violations::Violations;
use crate::emulator::list::field::Kind;
use crate::emulator::state::resource::Resource;

const FIELD: &str = "update_mask";
const LABELS: &str = "labels";
/// The fields of a `google.protobuf.Timestamp`.
const TIME: [&str; 2] = ["seconds", "nanos"];

/// The fields that an update changes, in the order of its mask.
#[derive(Debug, Default)]
pub(crate) struct Mask(Vec<Path>);

#[derive(Debug)]
enum Path {
    /// All fields that can be changed.
    All,
    Field(String),
    Label(String),
    /// A field that no update may change. A request may repeat its value (AIP-203).
    Immutable(&'static str),
}

impl Mask {
    /// Reads a mask. Names of fields are accepted as in the proto and as in JSON; `*` is all fields that can be
    /// changed, `labels.*` all labels, and `labels.team` one label, whose key may be quoted with backticks.
    ///
    /// Output-only fields are ignored, so that one mask serves reading and writing (AIP-161, AIP-203).
    ///
    /// # Errors
    ///
    /// If the mask is empty or has paths to fields that do not exist. The error names each of these paths.
    pub(crate) fn of<R: Resource>(mask: Option<&FieldMask>) -> Result<Self, Status> {
        let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        let (mut read, mut wrong) = (Vec::new(), Violations::default());
        if paths.is_empty() {
            wrong.add(FIELD, "must name a field");
        }
        for path in paths {
            match self::path::<R>(path) {
                Ok(path) => read.extend(path),
                Err(why) => wrong.add(FIELD, format!("`{}` {why}", path.escape_debug())),
            }
        }
        wrong.check().map(|()| Self(read))
    }

    /// Copies the fields of the mask from the request's resource to the stored one.
    ///
    /// # Errors
    ///
    /// If the request has another value for an immutable field of the mask. With `*`, an immutable field that the
    /// request leaves empty is unchanged.
    pub(crate) fn apply<R: Resource>(&self, onto: &mut R, from: &mut R) -> Result<(), Status> {
        let mut wrong = Violations::default();
        for path in &self.0 {
            match path {
                Path::All => {
                    R::changed().for_each(|field| take(field, onto, from));
                    let changed = R::FIXED.iter().filter(|field| {
                        let given = from.only(field);
                        given != R::default() && !repeats(field, onto, from)
                    });
                    changed.for_each(|field| wrong.add(FIELD, fixed(field)));
                }
                Path::Field(field) => take(field, onto, from),
                Path::Immutable(field) if !repeats(field, onto, from) => {
                    wrong.add(FIELD, fixed(field));
                }
                Path::Immutable(_) => {}
                Path::Label(key) => {
                    let labels = onto.common().labels;
                    match from.common().labels.get(key) {
                        Some(value) => labels.insert(key.clone(), value.clone()),
                        None => labels.remove(key),
                    };
                }
            }
        }
        wrong.check()
    }
}

fn fixed(field: &str) -> String {
    format!("`{field}` cannot be changed after the creation")
}

/// Returns true if a request has the stored value of an immutable field, as clients read it or as it was created.
fn repeats<R: Resource>(field: &str, stored: &R, given: &R) -> bool {
    let given = given.only(field);
    given == stored.only(field) || given == stored.full().only(field)
}

/// Returns the field that a path leads to, or `None` for an output-only one.
fn path<R: Resource>(text: &str) -> Result<Option<Path>, &'static str> {
    if text == "*" {
        return Ok(Some(Path::All));
    }
    let segments = segments(text).ok_or("is no path: a name is missing, or a backtick")?;
    let (field, keys) = segments.split_first().ok_or("is no path")?;
    let field = snake(field);
    let fixed = R::FIXED.iter().find(|known| **known == field);
    let known = R::FIELDS.iter().find(|(known, _)| *known == field);
    let is_changed = R::changed().any(|known| known == field);
    match (keys, fixed, known) {
        ([], Some(fixed), _) => Ok(Some(Path::Immutable(fixed))),
        ([], None, Some(_)) if is_changed => Ok(Some(Path::Field(field))),
        ([], None, Some(_)) => Ok(None),
        ([key], ..) if field == LABELS && key == "*" && !text.contains('`') => {
            Ok(Some(Path::Field(field)))
        }
        ([key], ..) if field == LABELS => Ok(Some(Path::Label(key.clone()))),
        ([..], ..) if field == LABELS => {
            Err("leads beyond a label: a key with dots stands between backticks")
        }
        ([part], None, Some((_, Kind::Time))) if TIME.contains(&part.as_str()) => Ok(None),
        _ => Err("is not there"),
    }
}

/// What stands between the dots of a path, but for those between backticks.
fn segments(path: &str) -> Option<Vec<String>> {
    let (mut segments, mut rest) = (Vec::new(), path);
    loop {
        let (segment, after) = match rest.strip_prefix('`') {
            Some(quoted) => quoted.split_once('`')?,
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        if segment.is_empty() || segment.contains('`') {
            return None;
        }
        segments.push(segment.to_owned());
        match after.strip_prefix('.') {
            Some(later) => rest = later,
            None => return after.is_empty().then_some(segments),
        }
    }
}

fn take<R: Resource>(field: &str, onto: &mut R, from: &mut R) {
    match field {
        LABELS => onto.common().labels.clone_from(from.common().labels),
        "display_name" => {
            let name = from.common().display_name;
            onto.common().display_name.clone_from(name);
        }
        _ => onto.take(field, from),
    }
}

/// The name as the proto spells it.
pub(crate) fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 2);
    for char in name.chars() {
        if char.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart_at_its_dots() {
        for (path, expected) in [
            ("a", Some("a")),
            ("a.b", Some("a|b")),
            ("labels.`a.b`", Some("labels|a.b")),
            ("labels.`a`.c", Some("labels|a|c")),
            ("", None),
            ("a.", None),
            (".a", None),
            ("a..b", None),
            ("labels.`a.b", None),
            ("labels.``", None),
            ("labels.`a`b", None),
            ("labels.a`b`", None),
        ] {
            let found = segments(path).map(|segments| segments.join("|"));
            assert_eq!(found.as_deref(), expected, "{path}");
        }
    }
}
