//! The template of a path: `/shelves/{shelf}/books`.

/// The variables of a path, and the path without their names. Two paths of the same shape match the same requests.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Template<'t> {
    pub(super) variables: Vec<&'t str>,
    pub(super) shape: String,
}

impl<'t> Template<'t> {
    /// Parses a path. The error completes a sentence about the path.
    pub(super) fn read(path: &'t str) -> Result<Self, &'static str> {
        let mut template = Self {
            variables: Vec::new(),
            shape: String::new(),
        };
        let (path, verb) = split_verb(path);
        let mut rest = path.strip_prefix('/').ok_or("must begin with `/`")?;
        if !rest.is_empty() || verb.is_some() {
            loop {
                template.shape.push('/');
                let after = template.segment(rest)?;
                let Some(next) = after.strip_prefix('/') else {
                    break;
                };
                rest = next;
            }
        }
        template.shape.push_str(verb.unwrap_or_default());
        Ok(template)
    }

    /// Parses a segment. Returns the rest of the path, which is empty or begins with `/`.
    fn segment(&mut self, text: &'t str) -> Result<&'t str, &'static str> {
        let Some(inner) = text.strip_prefix('{') else {
            let (segment, after) = text.split_at(text.find('/').unwrap_or(text.len()));
            self.shape.push_str(literal(segment)?);
            return Ok(after);
        };
        let (inner, after) = inner.split_once('}').ok_or("has a `{` without a `}`")?;
        if !after.is_empty() && !after.starts_with('/') {
            return Err("must have each `{variable}` as a whole segment");
        }
        let (name, segments) = inner.split_once('=').unwrap_or((inner, "*"));
        if name.is_empty() || name.contains(['{', '/', '*']) {
            return Err("must have a name in each pair of braces");
        }
        for (index, segment) in segments.split('/').enumerate() {
            if index > 0 {
                self.shape.push('/');
            }
            self.shape.push_str(literal(segment)?);
        }
        if self.variables.contains(&name) {
            return Err("must not have the same `{variable}` twice");
        }
        self.variables.push(name);
        Ok(after)
    }
}

fn literal(segment: &str) -> Result<&str, &'static str> {
    match segment {
        "" => Err("must not have an empty segment, or end with `/`"),
        "*" | "**" => Ok(segment),
        _ if segment.contains(['{', '}']) => Err("must have each `{variable}` as a whole segment"),
        _ if segment.contains(['*', '=']) => {
            Err("must have `*` and `**` as whole segments, and no `=`")
        }
        _ => Ok(segment),
    }
}

/// Splits a verb off, as in `/shelves/{shelf}:move`.
fn split_verb(path: &str) -> (&str, Option<&str>) {
    match path.rfind([':', '/', '{', '}', '*', '=']) {
        Some(index) if path[index..].starts_with(':') && index + 1 < path.len() => {
            (&path[..index], Some(&path[index..]))
        }
        _ => (path, None),
    }
}

#[cfg(test)]
mod tests {
    use super::Template;

    #[test]
    fn a_path_is_read_as_variables_and_a_shape() {
        for (path, variables, shape) in [
            ("/", &[][..], ""),
            ("/a", &[], "/a"),
            ("/a/{b}", &["b"], "/a/*"),
            ("/a/{b=*}", &["b"], "/a/*"),
            ("/a/{b=**}", &["b"], "/a/**"),
            ("/{b=shelves/*}/c", &["b"], "/shelves/*/c"),
            ("/a/{b.c}:move", &["b.c"], "/a/*:move"),
            ("/a:b:c", &[], "/a:b:c"),
            ("/**", &[], "/**"),
        ] {
            let template = Template::read(path).expect(path);
            assert_eq!(template.variables, variables, "{path}");
            assert_eq!(template.shape, shape, "{path}");
        }
    }

    #[test]
    fn a_path_that_the_service_refuses_is_refused() {
        for path in [
            "",
            "a",
            "/a/",
            "//",
            "/a//b",
            "/a{b}",
            "/{a}b",
            "/{a}{b}",
            "/{}",
            "/{a",
            "/a}",
            "/a*",
            "/{a=}",
            "/{a={b}}",
            "/a=b",
            "/{a}/b/{a}",
        ] {
            assert!(Template::read(path).is_err(), "{path}");
        }
    }
}
