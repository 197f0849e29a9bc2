//! Reads JSON into a tree.

use std::rc::Rc;

use struson::reader::{
    JsonReader, JsonReaderPosition, JsonStreamReader, ReaderError, ReaderSettings, ValueType,
};

use super::diagnostic::{Position, Report, excerpt};
use super::node::{Entry, Kind, MAX_DEPTH, Map, Node};
use super::rules;
use super::yaml::{Stop, duplicate, grow, position, spend};

/// Reads a text. `allowance` is the number of values that the config may still have.
pub(super) fn read(
    text: &str,
    allowance: &mut usize,
    report: &mut Report,
) -> Result<Rc<Node>, Stop> {
    let settings = ReaderSettings {
        track_path: false,
        restrict_number_values: false,
        max_nesting_depth: Some(MAX_DEPTH as u32),
        ..ReaderSettings::default()
    };
    let mut reader = Reader {
        json: JsonStreamReader::new_custom(text.as_bytes(), settings),
        allowance,
        report,
    };
    let root = reader.value()?;
    reader.json.consume_trailing_whitespace().map_err(stop)?;
    Ok(root)
}

#[derive(Debug)]
struct Reader<'a, 't> {
    json: JsonStreamReader<&'t [u8]>,
    allowance: &'a mut usize,
    report: &'a mut Report,
}

impl Reader<'_, '_> {
    /// Reads a value. It recurses at most to the maximum depth.
    fn value(&mut self) -> Result<Rc<Node>, Stop> {
        let kind = self.json.peek().map_err(stop)?;
        let at = self.place();
        let node = match kind {
            ValueType::Array => self.list(at)?,
            ValueType::Object => self.mapping(at)?,
            ValueType::String => {
                let text = self.json.next_str().map_err(stop)?;
                Node::scalar(at, Kind::Text(text.into()), text.len())
            }
            ValueType::Number => {
                let text = self.json.next_number_as_str().map_err(stop)?;
                // Every JSON number can be parsed as `f64`; one above its range becomes infinite.
                let number = text.parse().unwrap_or(f64::NAN);
                Node::scalar(at, Kind::Number(number, text.into()), text.len())
            }
            ValueType::Boolean => Node::new(at, Kind::Bool(self.json.next_bool().map_err(stop)?)),
            ValueType::Null => {
                self.json.next_null().map_err(stop)?;
                Node::new(at, Kind::Null)
            }
        };
        if !matches!(kind, ValueType::Array | ValueType::Object) {
            spend(self.allowance, node.size, at)?;
        }
        Ok(Rc::new(node))
    }

    fn list(&mut self, at: Position) -> Result<Node, Stop> {
        spend(self.allowance, 1, at)?;
        let mut node = Node::new(at, Kind::List(Vec::new()));
        self.json.begin_array().map_err(stop)?;
        while self.json.has_next().map_err(stop)? {
            let item = self.value()?;
            grow(&mut node, &item, 0, at)?;
            if let Kind::List(items) = &mut node.kind {
                items.push(item);
            }
        }
        self.json.end_array().map_err(stop)?;
        Ok(node)
    }

    fn mapping(&mut self, at: Position) -> Result<Node, Stop> {
        spend(self.allowance, 1, at)?;
        let mut node = Node::new(at, Kind::Map(Map::default()));
        self.json.begin_object().map_err(stop)?;
        while self.json.has_next().map_err(stop)? {
            let place = self.place();
            let key: Rc<str> = self.json.next_name().map_err(stop)?.into();
            let value = self.value()?;
            grow(&mut node, &value, key.len(), place)?;
            if let Kind::Map(map) = &mut node.kind {
                duplicate(map, &key, place, self.report);
                map.insert(Entry {
                    key,
                    at: place,
                    value,
                });
            }
        }
        self.json.end_object().map_err(stop)?;
        Ok(node)
    }

    fn place(&self) -> Position {
        place(&self.json.current_position(false))
    }
}

/// Converts a position of the reader, which counts lines and columns from 0.
fn place(position: &JsonReaderPosition) -> Position {
    let (line, column) = match &position.line_pos {
        Some(at) => (at.line, at.column),
        None => (0, 0),
    };
    let number = |index: u64| usize::try_from(index).map_or(usize::MAX, |index| index + 1);
    self::position(number(line), number(column))
}

fn stop(error: ReaderError) -> Stop {
    match error {
        ReaderError::SyntaxError(error) => {
            let text = format!("invalid JSON: {}", words(&error.kind.to_string()));
            (&rules::SYNTAX, place(&error.location), text)
        }
        ReaderError::MaxNestingDepthExceeded { location, .. } => {
            let text = format!("values must be nested at most {MAX_DEPTH} deep");
            (&rules::TOO_DEEP, place(&location), text)
        }
        ReaderError::UnexpectedStructure { kind, location } => {
            let text = format!("invalid JSON: {}", words(&kind.to_string()));
            (&rules::SYNTAX, place(&location), text)
        }
        ReaderError::UnexpectedValueType { location, .. }
        | ReaderError::UnsupportedNumberValue { location, .. }
        | ReaderError::IoError { location, .. } => {
            let text = "invalid JSON".to_owned();
            (&rules::SYNTAX, place(&location), text)
        }
        other => {
            let text = excerpt(&format!("invalid JSON: {other}"));
            (&rules::SYNTAX, position(1, 1), text)
        }
    }
}

/// Returns a name such as `TrailingData` in words.
fn words(name: &str) -> String {
    let mut words = String::new();
    for char in name.chars() {
        if char.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(char.to_ascii_lowercase());
    }
    // The reader calls a trailing comma or a comment "not enabled".
    excerpt(words.trim_end_matches(" not enabled"))
}
