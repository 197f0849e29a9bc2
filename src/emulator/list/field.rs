//! The fields of listed items, for filters and orders.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use prost_types::Timestamp;

use crate::contract::field_name::snake_case;

/// An item of a list.
pub(crate) trait Fields {
    /// The fields, by their paths in the proto.
    const FIELDS: &'static [(&'static str, FieldType)];
    /// The fields that a filter of a single word searches.
    const WORDS: &'static [&'static str] = &["name", "display_name"];

    /// Returns the value of a field, by its path in the proto.
    fn value(&self, path: &str) -> FieldValue<'_>;

    /// Lists the fields, for errors.
    fn names() -> String {
        let names: Vec<_> = Self::FIELDS.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FieldType {
    Text,
    Flag,
    Number,
    Time,
    /// An enum, with a function from numbers to names.
    Enum(fn(i32) -> Option<&'static str>),
    /// A map from text to text.
    Map,
    Message,
}

/// The value of a field.
#[derive(Clone, Debug)]
pub(crate) enum FieldValue<'v> {
    /// No value. Any comparison with an unset field is false (AIP-160).
    Unset,
    Text(Cow<'v, str>),
    Flag(bool),
    /// A number, or the number of an enum value.
    Number(i64),
    Time(Timestamp),
    Map(&'v HashMap<String, String>),
    /// A message that is set.
    Message,
}

/// Returns the numbers and names of an enum. All enums of the API have numbers below 16. Number 0 is the value of an unset
/// field.
pub(crate) fn enum_names(
    name: fn(i32) -> Option<&'static str>,
) -> impl Iterator<Item = (i32, &'static str)> {
    (0..16).filter_map(move |number| Some((number, name(number)?)))
}

/// A known field, and the key if it is a value of a map.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) path: &'static str,
    pub(crate) field_type: FieldType,
    pub(crate) key: Option<String>,
}

impl Field {
    /// Finds the field of a path. Names may be spelled as in the proto or as in JSON; map keys are exact.
    pub(crate) fn find<T: Fields>(segments: &[&str]) -> Option<Self> {
        let path = segments.iter().map(|segment| snake_case(segment));
        let path = path.collect::<Vec<_>>().join(".");
        let mut fields = T::FIELDS.iter();
        if let Some((path, field_type)) = fields.find(|(known, _)| *known == path) {
            let (field_type, key) = (*field_type, None);
            return Some(Self {
                path,
                field_type,
                key,
            });
        }
        let (map, key) = segments.split_first()?;
        let (map, key) = (snake_case(map), key.join("."));
        let mut maps = T::FIELDS.iter();
        let (path, _) =
            maps.find(|(known, field_type)| *known == map && matches!(field_type, FieldType::Map))?;
        Some(Self {
            path,
            field_type: FieldType::Text,
            key: Some(key),
        })
    }

    pub(crate) fn read<'v, T: Fields>(&self, item: &'v T) -> FieldValue<'v> {
        let value = item.value(self.path);
        match (&self.key, value) {
            (None, value) => value,
            (Some(key), FieldValue::Map(map)) => {
                map.get(key).map_or(FieldValue::Unset, FieldValue::text)
            }
            (Some(_), _) => FieldValue::Unset,
        }
    }
}

impl<'v> FieldValue<'v> {
    pub(crate) fn text<T: AsRef<str> + ?Sized>(text: &'v T) -> Self {
        Self::Text(Cow::Borrowed(text.as_ref()))
    }

    pub(crate) fn time(time: Option<Timestamp>) -> Self {
        time.map_or(Self::Unset, Self::Time)
    }

    pub(crate) fn message(there: bool) -> Self {
        if there { Self::Message } else { Self::Unset }
    }

    /// Compares two values of one field. An unset value comes first.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
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
