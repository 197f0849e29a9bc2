//! The messages of a descriptor set by their full names.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::descriptor::{FieldType, File, FileSet, MessageType};
use super::text::shown;

/// Maximum length of a full name in bytes. It is several times the length of the longest published names.
const MAX_NAME: usize = 1000;

/// Maximum length of all full names of a set together, in bytes: enough for 100,000 names of 160 bytes.
const MAX_NAMES: usize = 16 << 20;

/// Returns the full name of an element within a package or a message.
pub(super) fn qualified(scope: &str, name: &str) -> String {
    match scope {
        "" => name.to_owned(),
        scope => format!("{scope}.{name}"),
    }
}

/// Checks the lengths of the full names of a set, before any of them is built.
///
/// A full name repeats the names of its package and of the messages around it. So the full names of a crafted set of a few
/// megabytes could take many gigabytes.
///
/// # Errors
///
/// Returns an error if a name has more than [`MAX_NAME`] bytes, or all names together have more than [`MAX_NAMES`].
pub(super) fn check_lengths(set: &FileSet) -> Result<(), String> {
    let mut total = 0;
    for file in &set.file {
        let package = file.package.len();
        for message in &file.message_type {
            check_message(package, message, &mut total)?;
        }
        for service in &file.service {
            let scope = add(package, &service.name, &mut total)?;
            for method in &service.method {
                add(scope, &method.name, &mut total)?;
            }
        }
    }
    Ok(())
}

/// prost decodes at most 100 levels of messages, which limits the recursion.
fn check_message(scope: usize, message: &MessageType, total: &mut usize) -> Result<(), String> {
    let length = add(scope, &message.name, total)?;
    let mut nested = message.nested_type.iter();
    nested.try_for_each(|nested| check_message(length, nested, total))
}

/// Returns the length of a full name, and adds it to the total.
fn add(scope: usize, name: &str, total: &mut usize) -> Result<usize, String> {
    let length = scope.saturating_add(name.len()).saturating_add(1);
    *total = total.saturating_add(length);
    if length > MAX_NAME {
        return Err(format!(
            "invalid descriptor set: the full name of `{}` has {length} bytes, at most {MAX_NAME} are supported",
            shown(name)
        ));
    }
    if *total > MAX_NAMES {
        return Err(format!(
            "invalid descriptor set: its full names have more than {MAX_NAMES} bytes in total"
        ));
    }
    Ok(length)
}

/// The messages of a set by their full names.
pub(super) struct Names<'a>(BTreeMap<String, Message<'a>>);

struct Message<'a> {
    descriptor: &'a MessageType,
    /// By name. Built when it is first needed, since only few messages are requests.
    fields: OnceCell<BTreeMap<&'a str, &'a FieldType>>,
}

/// `google.protobuf.FieldDescriptorProto.Type` and `Label`.
const TYPE_STRING: i32 = 9;
const TYPE_MESSAGE: i32 = 11;
const LABEL_REPEATED: i32 = 3;

impl<'a> Names<'a> {
    pub(super) fn from_set(set: &'a FileSet) -> Self {
        let mut names = Self(BTreeMap::new());
        for File {
            package,
            message_type,
            ..
        } in &set.file
        {
            for message in message_type {
                names.add(package, message);
            }
        }
        names
    }

    fn add(&mut self, scope: &str, descriptor: &'a MessageType) {
        let name = qualified(scope, &descriptor.name);
        for nested in &descriptor.nested_type {
            self.add(&name, nested);
        }
        let message = Message {
            descriptor,
            fields: OnceCell::new(),
        };
        self.0.insert(name, message);
    }

    pub(super) fn has_message(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn field(&self, message: &str, name: &str) -> Option<&'a FieldType> {
        let message = self.0.get(message)?;
        let fields = message.fields.get_or_init(|| {
            let fields = message.descriptor.field.iter();
            fields.map(|field| (field.name.as_str(), field)).collect()
        });
        fields.get(name).copied()
    }

    /// Returns the full name of a message. `name` is from an option in a file of `package`. It is looked up as a full name
    /// first, and then in the scopes of the package, from the innermost outwards. If the set lacks the message, a name with a
    /// dot counts as a full name, and any other name as one of the package.
    pub(super) fn resolve(&self, name: &str, package: &str) -> String {
        let name = name.trim_start_matches('.');
        if name.is_empty() || self.has_message(name) {
            return name.to_owned();
        }
        let mut scope = Some(package);
        // `check_lengths` has rejected longer names of messages, so a longer name is not looked up.
        while let Some(outer) = scope.filter(|_| name.len() <= MAX_NAME) {
            let candidate = qualified(outer, name);
            if self.has_message(&candidate) {
                return candidate;
            }
            scope = outer.rsplit_once('.').map(|(outer, _)| outer);
        }
        match name.contains('.') {
            true => name.to_owned(),
            false => qualified(package, name),
        }
    }

    /// Returns the field numbers that lead to a string field of a message. `path` is dotted.
    pub(super) fn string_field(&self, message: &str, path: &str) -> Result<Vec<u32>, String> {
        let mut message = message.trim_start_matches('.');
        let mut numbers = Vec::new();
        let mut names = path.split('.').peekable();
        let whole = shown(path);
        while let Some(name) = names.next() {
            let field = self.field(message, name);
            let name = shown(name);
            let field = field.ok_or_else(|| {
                format!("unknown field `{name}` of {} in `{whole}`", shown(message))
            })?;
            if field.label == LABEL_REPEATED {
                return Err(format!("`{name}` in `{whole}` is repeated"));
            }
            numbers.push(field.number);
            match (field.kind, names.peek()) {
                (TYPE_MESSAGE, Some(_)) => message = field.type_name.trim_start_matches('.'),
                (TYPE_STRING, None) => return Ok(numbers),
                (_, Some(_)) => return Err(format!("`{name}` in `{whole}` is not a message")),
                (_, None) => return Err(format!("`{whole}` is not a string")),
            }
        }
        Err(format!("invalid field path `{whole}`"))
    }
}
