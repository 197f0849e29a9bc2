//! The template of a path: `/shelves/{shelf}/books`.

use std::collections::HashSet;

/// The names in braces, and the shape that they leave: two paths of one shape take the same requests.
#[derive(Debug, PartialEq)]
pub(super) struct Template<'t> {
    pub(super) names: HashSet<&'t str>,
    pub(super) shape: String,
}

impl<'t> Template<'t> {
    /// Reads a path, or says why it is none.
    pub(super) fn read(path: &'t str) -> Result<Self, &'static str> {
        let mut template = Self {
            names: HashSet::new(),
            shape: String::new(),
        };
        let mut rest = path;
        while let Some(open) = rest.find(['{', '}']) {
            let (literal, braced) = rest.split_at(open);
            let inner = braced.strip_prefix('{').ok_or("has a `}` without a `{`")?;
            let (name, after) = inner.split_once('}').ok_or("has a `{` without a `}`")?;
            // What follows `=` says which segments the name takes.
            let (name, segments) = name.split_once('=').unwrap_or((name, ""));
            if name.is_empty() || name.contains(['{', '/']) {
                return Err("must have a name in each pair of braces");
            }
            if !template.names.insert(name) {
                return Err("has a name in braces twice");
            }
            template.shape.extend([literal, "{", segments, "}"]);
            rest = after;
        }
        template.shape.push_str(rest);
        Ok(template)
    }
}
