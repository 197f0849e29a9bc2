//! The mask of an update (AIP-134, AIP-161).

use prost_types::FieldMask;
use tonic::Status;

use crate::contract::field_name::snake_case;
use crate::emulator::error::violations::{Violations, shortened};
use crate::emulator::list::field::FieldType;
use crate::emulator::state::resource::Resource;

const FIELD: &str = "update_mask";
const LABELS: &str = "labels";
/// The fields of a `google.protobuf.Timestamp`.
const TIME: [&str; 2] = ["seconds", "nanos"];

/// The fields that an update changes, in the order of its mask.
#[derive(Debug, Default)]
pub(crate) struct UpdateMask(Vec<Path>);

#[derive(Debug)]
enum Path {
    /// All mutable fields.
    All,
    Field(String),
    Label(String),
    /// An immutable field. The request may repeat its value (AIP-203).
    Immutable(&'static str),
}

impl UpdateMask {
    /// Parses a mask. Names of fields are those of the proto: the camel case of JSON is converted when the JSON is read
    /// (`google/protobuf/field_mask.proto`). `*` means all mutable fields, `labels.*` all labels, and `labels.team` one label,
    /// whose key may be quoted with backticks.
    ///
    /// Output-only fields are ignored, so that a client can use one mask for reads and writes (AIP-161, AIP-203).
    ///
    /// # Errors
    ///
    /// If the mask is empty or has unknown fields. The error names each of them.
    pub(crate) fn parse<R: Resource>(mask: Option<&FieldMask>) -> Result<Self, Status> {
        let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        let (mut read, mut violations) = (Vec::new(), Violations::default());
        if paths.is_empty() {
            let all = mutable::<R>();
            violations.add(FIELD, format!("must have a path: `*`, or one of {all}"));
        }
        for path in paths {
            match self::path::<R>(path) {
                Ok(path) => read.extend(path),
                Err(why) => {
                    violations.add(FIELD, format!("`{}` {why}", shortened(path)));
                }
            }
        }
        violations.check().map(|()| Self(read))
    }

    /// Copies the fields of the mask from the request's resource to the stored one.
    ///
    /// # Errors
    ///
    /// If the request changes an immutable field of the mask. With `*`, an immutable field that is empty in the request
    /// counts as unchanged.
    pub(crate) fn apply<R: Resource>(&self, onto: &mut R, from: &mut R) -> Result<(), Status> {
        let mut violations = Violations::default();
        for path in &self.0 {
            match path {
                Path::All => {
                    R::mutable_fields().for_each(|field| copy_field(field, onto, from));
                    let changed = R::IMMUTABLE.iter().filter(|field| {
                        let given = from.only_field(field);
                        given != R::default() && !repeats(field, onto, from)
                    });
                    changed.for_each(|field| violations.add(FIELD, fixed(field)));
                }
                Path::Field(field) => copy_field(field, onto, from),
                Path::Immutable(field) if !repeats(field, onto, from) => {
                    violations.add(FIELD, fixed(field));
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
        violations.check()
    }
}

fn fixed(field: &str) -> String {
    format!("`{field}` is immutable")
}

/// Returns true if the request repeats the stored value of an immutable field. A client may have this value from a read, which
/// omits input-only fields, or from the create request.
fn repeats<R: Resource>(field: &str, stored: &R, given: &R) -> bool {
    let given = given.only_field(field);
    given == stored.only_field(field) || given == stored.full_view().only_field(field)
}

/// Parses a path of a mask. Returns `None` for an output-only field.
fn path<R: Resource>(text: &str) -> Result<Option<Path>, String> {
    if text == "*" {
        return Ok(Some(Path::All));
    }
    let segments = segments(text);
    let segments = segments.ok_or("is not a path: a name or a backtick is missing")?;
    let (field, keys) = segments.split_first().ok_or("is not a path")?;
    let fixed = R::IMMUTABLE.iter().find(|known| *known == field);
    let known = R::FIELDS.iter().find(|(known, _)| known == field);
    let is_changed = R::mutable_fields().any(|known| known == field);
    match (keys, fixed, known) {
        ([], Some(fixed), _) => Ok(Some(Path::Immutable(fixed))),
        ([], None, Some(_)) if is_changed => Ok(Some(Path::Field(field.clone()))),
        ([], None, Some(_)) => Ok(None),
        ([key], ..) if field == LABELS && key == "*" && !text.contains('`') => {
            Ok(Some(Path::Field(field.clone())))
        }
        ([key], ..) if field == LABELS => Ok(Some(Path::Label(key.clone()))),
        ([..], ..) if field == LABELS => {
            Err("has a segment after the label: quote a key with dots in backticks".to_owned())
        }
        ([part], None, Some((_, FieldType::Time))) if TIME.contains(&part.as_str()) => Ok(None),
        _ => {
            let snake = snake_case(field);
            let mut fields = R::FIELDS.iter().map(|(known, _)| *known);
            let mut immutable = R::IMMUTABLE.iter();
            let is_json =
                fields.any(|known| known == snake) || immutable.any(|known| *known == snake);
            Err(match is_json && snake != *field {
                true => format!("is the JSON name of a field: its path is `{snake}`"),
                false => format!(
                    "is an unknown field: must be `*`, or one of {}",
                    mutable::<R>()
                ),
            })
        }
    }
}

/// Lists the mutable fields.
fn mutable<R: Resource>() -> String {
    R::mutable_fields().collect::<Vec<_>>().join(", ")
}

/// Splits a path at its dots, except at those between backticks.
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

fn copy_field<R: Resource>(field: &str, onto: &mut R, from: &mut R) {
    match field {
        LABELS => onto.common().labels.clone_from(from.common().labels),
        "display_name" => {
            let name = from.common().display_name;
            onto.common().display_name.clone_from(name);
        }
        _ => onto.copy_field(field, from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_at_its_dots() {
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
