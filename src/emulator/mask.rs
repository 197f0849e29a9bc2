//! What an update changes.

use prost_types::FieldMask;
use tonic::Status;

use super::resource::Resource;
use super::violations::Violations;

const FIELD: &str = "update_mask";
const LABELS: &str = "labels";

/// What an update takes over, in the order of its mask.
#[derive(Debug, Default)]
pub(super) struct Mask(Vec<Path>);

#[derive(Debug)]
enum Path {
    /// All that can be changed.
    All,
    Field(String),
    Label(String),
}

impl Mask {
    /// The names of fields may be spelled as in the proto or as in JSON; `*` is all that can be changed, and
    /// `labels.team` one label, whose key may stand between backticks (AIP-161).
    ///
    /// # Errors
    ///
    /// If there is no path, or some lead to what is not there or cannot be changed; each is told.
    pub(super) fn of<R: Resource>(mask: Option<&FieldMask>) -> Result<Self, Status> {
        let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        let (mut read, mut wrong) = (Vec::new(), Violations::default());
        if paths.is_empty() {
            wrong.add(FIELD, "must name a field");
        }
        for path in paths {
            match self::path::<R>(path) {
                Ok(path) => read.push(path),
                Err(why) => wrong.add(FIELD, format!("`{}` {why}", path.escape_debug())),
            }
        }
        wrong.check().map(|()| Self(read))
    }

    pub(super) fn apply<R: Resource>(&self, onto: &mut R, from: &mut R) {
        for path in &self.0 {
            match path {
                Path::All => R::changed().for_each(|field| take(field, onto, from)),
                Path::Field(field) => take(field, onto, from),
                Path::Label(key) => {
                    let labels = onto.common().labels;
                    match from.common().labels.get(key) {
                        Some(value) => labels.insert(key.clone(), value.clone()),
                        None => labels.remove(key),
                    };
                }
            }
        }
    }
}

fn path<R: Resource>(text: &str) -> Result<Path, &'static str> {
    if text == "*" {
        return Ok(Path::All);
    }
    let segments = segments(text).ok_or("is no path: a name is missing, or a backtick")?;
    let (field, keys) = segments.split_first().ok_or("is no path")?;
    let field = snake(field);
    match keys {
        [] if R::changed().any(|known| known == field) => Ok(Path::Field(field)),
        [key] if field == LABELS => Ok(Path::Label(key.clone())),
        [..] if field == LABELS => {
            Err("leads beyond a label: a key with dots stands between backticks")
        }
        _ if R::FIXED.contains(&field.as_str()) => Err("cannot be changed after the creation"),
        [] if R::FIELDS.iter().any(|(known, _)| *known == field) => {
            Err("is set by the service alone")
        }
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
pub(super) fn snake(name: &str) -> String {
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
