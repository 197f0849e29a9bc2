//! The keys of a format, such as `name.basename():label=ID`, and the values that they select.

use serde_json::{Map, Value};

use super::python;

/// One key of a format: a column of a table, or a path to be printed.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    path: Vec<Step>,
    transforms: Vec<Transform>,
    pub(crate) label: String,
    /// True if the label was given, false if it is derived from the path.
    has_label: bool,
    pub(crate) align: Align,
    pub(crate) width: usize,
    pub(crate) is_optional: bool,
    /// The `N` of `:sort=N`: rows are sorted by the column with the lowest `N` first. `None` if rows are not sorted by this
    /// column.
    pub(crate) sort: Option<i64>,
    pub(crate) is_reversed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Align {
    Left,
    Center,
    Right,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Name(String),
    Index(i64),
    /// `[]`: each item of a list.
    Every,
}

#[derive(Clone, Debug)]
enum Transform {
    Basename,
    Segment(i64),
    Date(String),
    YesNo { yes: Option<String>, no: String },
    List { show: String, separator: String },
    Len,
}

/// The transforms, as the error about an unknown transform lists them.
const TRANSFORMS: &str = "basename, segment, date, yesno, list, len";

/// Parses the expression of a format, character by character.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(crate) fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Skips spaces, and then `char` if it follows. Returns true if it followed.
    pub(crate) fn eat(&mut self, char: char) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(char);
        self.at += if found { char.len_utf8() } else { 0 };
        found
    }

    pub(crate) fn expect(&mut self, char: char) -> Result<(), String> {
        match self.eat(char) {
            true => Ok(()),
            false => Err(format!("expected `{char}` before `{}`", self.rest())),
        }
    }

    /// Reads a word that ends before one of the characters, or a quoted string.
    pub(crate) fn token(&mut self, ends: &str) -> Result<String, String> {
        self.skip_space();
        if let Some(quote) = self
            .rest()
            .chars()
            .next()
            .filter(|char| "\"'".contains(*char))
        {
            let inner = &self.rest()[1..];
            let end = inner
                .find(quote)
                .ok_or_else(|| format!("missing {quote} at the end of `{}`", self.rest()))?;
            self.at += end + 2;
            return Ok(inner[..end].to_owned());
        }
        let end = self
            .rest()
            .find(|char| ends.contains(char))
            .unwrap_or(self.rest().len());
        let token = self.rest()[..end].trim_end();
        self.at += end;
        Ok(token.to_owned())
    }

    /// Reads the keys between parentheses.
    pub(crate) fn columns(&mut self) -> Result<Vec<Column>, String> {
        let mut columns: Vec<Column> = Vec::new();
        let mut labels = Vec::new();
        self.expect('(')?;
        while !self.eat(')') {
            columns.push(self.column(&mut labels)?);
            if !self.eat(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(columns)
    }

    fn column(&mut self, labels: &mut Vec<String>) -> Result<Column, String> {
        let mut path = Vec::new();
        let mut transforms = Vec::new();
        loop {
            self.skip_space();
            if !self.rest().starts_with('[') {
                let name = self.token(".,()[]:")?;
                match self.rest().starts_with('(') {
                    true => transforms.push(self.transform(&name)?),
                    false if name.is_empty() => {
                        return Err(format!("missing key before `{}`", self.rest()));
                    }
                    false if !transforms.is_empty() => {
                        return Err(format!("key `{name}` follows a transform"));
                    }
                    false => path.push(Step::Name(name)),
                }
            }
            while self.rest().starts_with('[') {
                self.at += 1;
                let index = self.token("]")?;
                self.expect(']')?;
                path.push(match index.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) if index.is_empty() => Step::Every,
                    Err(_) => Step::Name(index),
                });
            }
            if !self.rest().starts_with('.') {
                break;
            }
            self.at += 1;
        }
        let mut column = Column {
            label: label_of(&path, labels),
            has_label: false,
            path,
            transforms,
            align: Align::Left,
            width: 0,
            is_optional: false,
            sort: None,
            is_reversed: false,
        };
        while self.eat(':') {
            self.attribute(&mut column)?;
        }
        Ok(column)
    }

    fn attribute(&mut self, column: &mut Column) -> Result<(), String> {
        let name = self.token("=:,)")?;
        let value = match self.eat('=') {
            true => Some(self.token(":,)")?),
            false => None,
        };
        let number = |value: Option<&str>| {
            let value = value.unwrap_or_default();
            value
                .parse()
                .map_err(|_| format!("invalid {name} `{value}`: must be a number"))
        };
        match (name.as_str(), value.as_deref()) {
            ("label", Some(label)) => {
                column.label = label.to_owned();
                column.has_label = true;
            }
            ("sort", value) => column.sort = Some(number(value)?),
            ("reverse", None) => column.is_reversed = true,
            ("optional", None) => column.is_optional = true,
            ("width", value) => column.width = usize::try_from(number(value)?).unwrap_or_default(),
            ("align", Some("left")) => column.align = Align::Left,
            ("align", Some("center")) => column.align = Align::Center,
            ("align", Some("right")) => column.align = Align::Right,
            _ => {
                return Err(format!(
                    "unknown key attribute `{name}`: expected label, sort, reverse, optional, width or align"
                ));
            }
        }
        Ok(())
    }

    /// Reads the arguments of a transform, positional and named.
    fn transform(&mut self, name: &str) -> Result<Transform, String> {
        let mut positional = Vec::new();
        let mut named = Map::new();
        self.expect('(')?;
        while !self.eat(')') {
            let argument = self.token("=,)")?;
            match self.eat('=') {
                true => drop(named.insert(argument, self.token(",)")?.into())),
                false => positional.push(argument),
            }
            if !self.eat(',') {
                self.expect(')')?;
                break;
            }
        }
        let argument = |index: usize, key: &str| {
            let named = named.get(key).and_then(Value::as_str);
            named
                .or(positional.get(index).map(String::as_str))
                .map(str::to_owned)
        };
        Ok(match name {
            "basename" => Transform::Basename,
            "segment" => {
                let index = argument(0, "index").unwrap_or_else(|| "-1".to_owned());
                let index = index
                    .parse()
                    .map_err(|_| format!("invalid segment `{index}`: must be a number"))?;
                Transform::Segment(index)
            }
            "date" => Transform::Date(
                argument(0, "format").unwrap_or_else(|| "%Y-%m-%dT%H:%M:%S".to_owned()),
            ),
            "yesno" => Transform::YesNo {
                yes: argument(0, "yes"),
                no: argument(1, "no").unwrap_or_else(|| "No".to_owned()),
            },
            "list" => Transform::List {
                show: argument(0, "show").unwrap_or_default(),
                separator: argument(2, "separator").unwrap_or_else(|| ",".to_owned()),
            },
            "len" => Transform::Len,
            other => {
                return Err(format!(
                    "unknown transform `{other}()`: expected one of {TRANSFORMS}"
                ));
            }
        })
    }
}

/// Returns the heading of a key: its last name as `ANGRY_SNAKE_CASE`. If that heading is taken, the names before it are
/// added.
fn label_of(path: &[Step], taken: &mut Vec<String>) -> String {
    let mut label = String::new();
    for step in path.iter().rev() {
        let Step::Name(name) = step else { continue };
        let snake = snake(name);
        label = if label.is_empty() {
            snake
        } else {
            format!("{snake}_{label}")
        };
        if !taken.contains(&label) {
            taken.push(label.clone());
            break;
        }
    }
    label
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    let mut before = ' ';
    for char in name.chars() {
        if char.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            out.push('_');
        }
        out.extend(char.to_uppercase());
        before = char;
    }
    out
}

impl Column {
    /// Completes the key from a column of the command's own table: the column with the same path, or else the column whose
    /// label is the key. A key without a label gets the label of the column. If `with_transforms` is true, a key without
    /// transforms gets the transforms of the column. So `value(name)` of a list prints the same as the list's column `name`, as
    /// in gcloud.
    pub(crate) fn inherit(&mut self, defaults: &[Self], with_transforms: bool) {
        let alias = |default: &&Self| matches!(&self.path[..], [Step::Name(name)] if default.has_label && *name == default.label);
        let named = defaults.iter().find(|default| default.path == self.path);
        let Some(default) = named.or_else(|| defaults.iter().find(alias)) else {
            return;
        };
        self.path.clone_from(&default.path);
        if with_transforms && self.transforms.is_empty() {
            self.transforms.clone_from(&default.transforms);
        }
        if !self.has_label {
            self.label.clone_from(&default.label);
        }
    }

    /// Returns the path as text, such as `labels.team` and `bindings[0].role`.
    pub(crate) fn key(&self) -> String {
        let mut key = String::new();
        for step in &self.path {
            match step {
                Step::Name(name) if key.is_empty() => key.push_str(name),
                Step::Name(name) => key.push_str(&format!(".{name}")),
                Step::Index(index) => key.push_str(&format!("[{index}]")),
                Step::Every => key.push_str("[]"),
            }
        }
        key
    }

    /// Returns the value that the key selects, or null.
    pub(crate) fn value(&self, resource: &Value) -> Value {
        self.transformed(select(resource, &self.path))
    }

    fn transformed(&self, value: Value) -> Value {
        self.transforms
            .iter()
            .fold(value, |value, transform| transform.apply(&value))
    }

    /// Copies the values that the key selects into a tree of the same shape.
    fn project(&self, resource: &Value, into: &mut Value) {
        copy(resource, &self.path, into, &|value| {
            self.transformed(value.clone())
        });
    }
}

/// Returns the parts of a resource that the columns select, or null if they select nothing.
pub(crate) fn project(columns: &[Column], resource: &Value) -> Value {
    let mut out = Value::Null;
    for column in columns {
        column.project(resource, &mut out);
    }
    out
}

fn copy(from: &Value, path: &[Step], into: &mut Value, leaf: &dyn Fn(&Value) -> Value) {
    let Some((step, rest)) = path.split_first() else {
        *into = leaf(from);
        return;
    };
    match (step, from) {
        (Step::Name(name), Value::Object(map)) => {
            let Some(value) = map.get(name) else { return };
            let mut inner = into.get_mut(name).map(Value::take).unwrap_or_default();
            copy(value, rest, &mut inner, leaf);
            if inner.is_null() && !rest.is_empty() {
                return;
            }
            if !into.is_object() {
                *into = Value::Object(Map::new());
            }
            into[name.as_str()] = inner;
        }
        (Step::Every, Value::Array(items)) | (Step::Name(_), Value::Array(items)) => {
            let rest = if *step == Step::Every { rest } else { path };
            if !into.is_array() {
                *into = Value::Array(vec![Value::Null; items.len()]);
            }
            for (index, item) in items.iter().enumerate() {
                copy(item, rest, &mut into[index], leaf);
            }
        }
        (Step::Index(index), Value::Array(items)) => {
            if let Some((index, item)) = at(items, *index) {
                let list = match into.take() {
                    Value::Array(list) => list,
                    _ => Vec::new(),
                };
                *into = Value::Array(list);
                if let Value::Array(list) = into {
                    list.resize(list.len().max(index + 1), Value::Null);
                    copy(item, rest, &mut list[index], leaf);
                }
            }
        }
        _ => {}
    }
}

fn select(value: &Value, path: &[Step]) -> Value {
    let Some((step, rest)) = path.split_first() else {
        return value.clone();
    };
    match (step, value) {
        (Step::Name(name), Value::Object(map)) => map
            .get(name)
            .map_or(Value::Null, |value| select(value, rest)),
        (Step::Index(index), Value::Array(items)) => {
            at(items, *index).map_or(Value::Null, |(_, item)| select(item, rest))
        }
        (Step::Every, Value::Array(items)) => {
            let found = items.iter().map(|item| select(item, rest));
            found.filter(|value| !value.is_null()).collect()
        }
        // A name that is applied to a list selects this member of each item.
        (Step::Name(_), Value::Array(items)) => {
            let found = items.iter().map(|item| select(item, path));
            found.filter(|value| !value.is_null()).collect()
        }
        _ => Value::Null,
    }
}

fn at(items: &[Value], index: i64) -> Option<(usize, &Value)> {
    let length = i64::try_from(items.len()).ok()?;
    let index = usize::try_from(if index < 0 { index + length } else { index }).ok()?;
    items.get(index).map(|item| (index, item))
}

impl Transform {
    fn apply(&self, value: &Value) -> Value {
        match self {
            Self::Basename if is_empty(value) => "".into(),
            Self::Basename => {
                let text = python::text(value);
                text.rsplit('/').next().unwrap_or_default().into()
            }
            Self::Segment(index) => {
                let text = python::text(value);
                let parts: Vec<Value> = text.split('/').map(Value::from).collect();
                at(&parts, *index).map_or("".into(), |(_, part)| part.clone())
            }
            Self::Date(format) => value
                .as_str()
                .and_then(|time| date(time, format))
                .unwrap_or_default()
                .into(),
            Self::YesNo { no, .. } if is_empty(value) => no.as_str().into(),
            Self::YesNo { yes: Some(yes), .. } => yes.as_str().into(),
            Self::YesNo { yes: None, .. } => value.clone(),
            Self::List { show, separator } => list(value, show, separator),
            Self::Len => match value {
                Value::Object(map) => map.len().into(),
                Value::Array(items) => items.len().into(),
                Value::String(text) => text.chars().count().into(),
                _ => 0.into(),
            },
        }
    }
}

fn list(value: &Value, show: &str, separator: &str) -> Value {
    let parts: Vec<String> = match (value, show) {
        (Value::Object(map), "keys") => map.keys().cloned().collect(),
        (Value::Object(map), "values") => map.values().map(python::text).collect(),
        (Value::Object(map), _) => map
            .iter()
            .map(|(key, value)| format!("{key}={}", python::text(value)))
            .collect(),
        (Value::Array(items), _) => items.iter().map(python::text).collect(),
        (other, _) => {
            return if is_empty(other) {
                "".into()
            } else {
                other.clone()
            };
        }
    };
    parts.join(separator).into()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
    }
}

/// Formats an RFC 3339 timestamp in its own zone by the directives of `strftime`. Unknown directives are unchanged.
fn date(time: &str, format: &str) -> Option<String> {
    let part = |from: usize, to: usize| {
        time.get(from..to)
            .filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    let rest = time.get(19..)?;
    let fraction: String = rest
        .strip_prefix('.')
        .unwrap_or_default()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(char) = chars.next() {
        if char != '%' {
            out.push(char);
            continue;
        }
        match chars.next() {
            Some('Y') => out.push_str(year),
            Some('m') => out.push_str(month),
            Some('d') => out.push_str(day),
            Some('H') => out.push_str(hour),
            Some('M') => out.push_str(minute),
            Some('S') => out.push_str(second),
            Some('f') => out.push_str(&format!("{fraction:0<6}")[..6]),
            Some('F') => out.push_str(&format!("{year}-{month}-{day}")),
            Some('T') => out.push_str(&format!("{hour}:{minute}:{second}")),
            Some('y') => out.push_str(&year[2..]),
            Some('%') => out.push('%'),
            Some(other) => out.extend(['%', other]),
            None => out.push('%'),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(keys: &str) -> Vec<Value> {
        let resource = json!({
            "name": "projects/p/apis/a",
            "labels": {"k": "v"},
            "bindings": [{"role": "r", "members": ["m", "n"]}, {"role": "s"}],
            "createTime": "2026-01-02T03:04:05.6789Z",
        });
        let columns = Reader::new(keys).columns().expect(keys);
        columns
            .iter()
            .map(|column| column.value(&resource))
            .collect()
    }

    #[test]
    fn keys_select_members_items_and_slices() {
        assert_eq!(
            values("(name, labels.k)"),
            [json!("projects/p/apis/a"), json!("v")]
        );
        assert_eq!(
            values("(bindings[].role,bindings[-1].role)"),
            [json!(["r", "s"]), json!("s")]
        );
        assert_eq!(
            values("(bindings[9].role,none.at.all)"),
            [Value::Null, Value::Null]
        );
    }

    #[test]
    fn transforms_follow_a_key() {
        assert_eq!(
            values("(name.basename(),name.segment(1))"),
            [json!("a"), json!("p")]
        );
        assert_eq!(
            values("(createTime.date(),createTime.date('%Y%m%d'))"),
            [json!("2026-01-02T03:04:05"), json!("20260102")]
        );
        assert_eq!(
            values("(labels.list(),bindings.len(),x.yesno(no=N))"),
            [json!("k=v"), json!(2), json!("N")]
        );
    }

    #[test]
    fn invalid_keys_are_errors_that_name_the_place() {
        for (keys, error) in [
            ("(a", "expected `)`"),
            ("(a.what())", "unknown transform `what()`"),
            ("(a:color=red)", "unknown key attribute `color`"),
            ("(.a)", "missing key"),
            ("(\"a)", "missing \""),
        ] {
            let found = Reader::new(keys).columns().expect_err(keys);
            assert!(found.contains(error), "{keys}: {found}");
        }
    }
}
