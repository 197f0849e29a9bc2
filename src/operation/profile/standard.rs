//! The profile of a service without special rules.

use std::borrow::Cow;

use super::ServiceProfile;

/// The profile of a service without special rules. [`list_templates`](Self::list_templates) sets the parents by which
/// operations are listed.
///
/// ```
/// use apigateway_grpc::operation::profile::{ServiceProfile, StandardProfile};
///
/// let template = "/v1/{name=projects/*/instances/*/databases/*/operations}";
/// let spanner = StandardProfile::new("spanner.googleapis.com").list_templates([template]);
/// let parent = spanner.list_parent("projects/p/instances/i/databases/d/operations/o");
/// assert_eq!(parent.as_deref(), Some("projects/p/instances/i/databases/d/operations"));
/// assert_eq!(spanner.list_parent("projects/p/instances/i/operations/o"), None);
/// ```
#[derive(Clone, Debug)]
pub struct StandardProfile {
    service: String,
    parents: Vec<ParentPattern>,
}

/// A pattern of the names that `ListOperations` accepts.
#[derive(Clone, Debug)]
struct ParentPattern {
    segments: Vec<String>,
    /// True if `/operations` follows the name in the template. The name itself then ends before `/operations`.
    is_followed: bool,
}

impl StandardProfile {
    /// Returns the profile of the service with this name, such as `run.googleapis.com`.
    #[must_use]
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            parents: Vec::new(),
        }
    }

    /// Sets the path templates of the service's method `ListOperations`. An operation that none of them can list is polled on
    /// its own. Without templates, the parent is the part of the name before the last `/operations/`.
    #[must_use]
    pub fn list_templates<T: AsRef<str>>(mut self, templates: impl IntoIterator<Item = T>) -> Self {
        let patterns = templates.into_iter();
        self.parents = patterns
            .filter_map(|template| ParentPattern::from_template(template.as_ref()))
            .collect();
        self
    }
}

impl ServiceProfile for StandardProfile {
    fn service(&self) -> &str {
        &self.service
    }

    fn list_parent<'a>(&self, operation: &'a str) -> Option<Cow<'a, str>> {
        let (parent, id) = operation.rsplit_once("/operations/")?;
        if self.parents.is_empty() {
            return Some(parent.into());
        }
        let collection = &operation[..operation.len() - id.len() - 1];
        let mut patterns = self.parents.iter();
        let mut own = self.parents.iter().filter(|pattern| !pattern.is_followed);
        if own.any(|pattern| pattern.matches(collection)) {
            return Some(collection.into());
        }
        let matches = patterns.any(|pattern| pattern.matches(parent));
        matches.then_some(parent.into())
    }
}

impl ParentPattern {
    /// Returns the pattern of the variable `name` in a path template; `None` if the template has no such variable.
    fn from_template(template: &str) -> Option<Self> {
        let (_, rest) = template.split_once("{name=")?;
        let (pattern, after) = rest.split_once('}')?;
        Some(Self {
            segments: pattern.split('/').map(str::to_owned).collect(),
            is_followed: after.starts_with("/operations"),
        })
    }

    /// Returns true if a name matches the pattern: `*` matches one segment that is not empty, and a final `**` matches all
    /// remaining segments, at least one.
    fn matches(&self, name: &str) -> bool {
        let mut found = name.split('/');
        for segment in &self.segments {
            match (segment.as_str(), found.next()) {
                ("**", Some(_)) => return true,
                ("*", Some(found)) if !found.is_empty() => {}
                (literal, Some(found)) if literal == found => {}
                _ => return false,
            }
        }
        found.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_of_an_operation_matches_a_list_template() {
        let spanner = [
            "/v1/{name=projects/*/instances/*/databases/*/operations}",
            "/v1/{name=projects/*/instances/*/operations}",
        ];
        let run = ["/v2/{name=projects/*/locations/*}/operations"];
        let any = ["/v1/{name=**}/operations"];
        let speech = ["/v1/{name=operations}"];
        let none: [&str; 0] = [];
        let database = "projects/p/instances/i/databases/d/operations/o";
        let location = "projects/p/locations/l/operations/o";
        let cases = [
            (
                &spanner[..],
                database,
                Some("projects/p/instances/i/databases/d/operations"),
            ),
            (&spanner, location, None),
            (&run, location, Some("projects/p/locations/l")),
            (&run, database, None),
            (&run, "operations/o", None),
            (&any, database, Some("projects/p/instances/i/databases/d")),
            (&speech, "operations/o", None),
            (&speech, location, None),
            (&none, location, Some("projects/p/locations/l")),
            (&none, "1234567890", None),
        ];
        for (templates, operation, parent) in cases {
            let profile = StandardProfile::new("x.googleapis.com").list_templates(templates);
            let found = profile.list_parent(operation);
            assert_eq!(found.as_deref(), parent, "{templates:?}, {operation}");
        }
    }
}
