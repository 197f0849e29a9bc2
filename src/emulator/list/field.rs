//! The fields of an item, as filters and orders read them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use prost_types::Timestamp;

use crate::emulator::api::update_mask::snake;

/// An item of a list.
pub(crate) trait Fields {
    /// The fields, by their paths in the proto.
    const FIELDS: &'static [(&'static str, Kind)];
    /// Those in which a word is looked for that names no field.
    const WORDS: &'static [&'static str] = &["name", "display_name"];

    /// What it has in one of its fields.
    fn value(&self, path: &str) -> Value<'_>;
}

/// What a field can hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    Flag,
    Number,
    Time,
    /// With the number of each name.
    Enum(fn(&str) -> Option<i32>),
    /// Of texts by texts.
    Map,
    Message,
}

/// What a field holds.
#[derive(Clone, Debug)]
pub(crate) enum Value<'v> {
    /// What a message or a map does not have. No comparison with it holds (AIP-160).
    Unset,
    Text(Cow<'v, str>),
    Flag(bool),
    /// Of an enum too.
    Number(i64),
    Time(Timestamp),
    Map(&'v HashMap<String, String>),
    /// A message that is there.
    Message,
}

/// A field that there is, and the key if it is a map and one was named.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) path: &'static str,
    pub(crate) kind: Kind,
    pub(crate) key: Option<String>,
}

impl Field {
    /// The field that a path leads to. Names may be spelled as in the proto or as in JSON; keys stay as they
    /// are.
    pub(crate) fn find<T: Fields>(segments: &[&str]) -> Option<Self> {
        let path = segments.iter().map(|segment| snake(segment));
        let path = path.collect::<Vec<_>>().join(".");
        let mut fields = T::FIELDS.iter();
        if let Some((path, kind)) = fields.find(|(known, _)| *known == path) {
            let (kind, key) = (*kind, None);
            return Some(Self { path, kind, key });
        }
        let (map, key) = segments.split_first()?;
        let (map, key) = (snake(map), key.join("."));
        let mut maps = T::FIELDS.iter();
        let (path, _) = maps.find(|(known, kind)| *known == map && matches!(kind, Kind::Map))?;
        Some(Self {
            path,
            kind: Kind::Text,
            key: Some(key),
        })
    }

    pub(crate) fn read<'v, T: Fields>(&self, item: &'v T) -> Value<'v> {
        let value = item.value(self.path);
        match (&self.key, value) {
            (None, value) => value,
            (Some(key), Value::Map(map)) => map.get(key).map_or(Value::Unset, Value::text),
            (Some(_), _) => Value::Unset,
        }
    }
}

impl<'v> Value<'v> {
    pub(crate) fn text<T: AsRef<str> + ?Sized>(text: &'v T) -> Self {
        Self::Text(Cow::Borrowed(text.as_ref()))
    }

    pub(crate) fn time(time: Option<Timestamp>) -> Self {
        time.map_or(Self::Unset, Self::Time)
    }

    pub(crate) fn message(there: bool) -> Self {
        if there { Self::Message } else { Self::Unset }
    }

    /// The order of two values of one field; what is not set comes first.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            (Self::Flag(one), Self::Flag(other)) => one.cmp(other),
            (Self::Number(one), Self::Number(other)) => one.cmp(other),
            (Self::Time(one), Self::Time(other)) => {
                (one.seconds, one.nanos).cmp(&(other.seconds, other.nanos))
            }
            (Self::Unset, Self::Unset) => Ordering::Equal,
            (Self::Unset, _) => Ordering::Less,
            (_, Self::Unset) => Ordering::Greater,
            _ => Ordering::Equal,
        }
    }
}
