//! Finds the rule for an HTTP method and a path.

use std::collections::HashMap;

use http::Method as Verb;

use crate::transcode::rules::template::{Segment, Template};

/// All templates as one tree, with one level for each segment.
#[derive(Debug, Default)]
pub(crate) struct Router {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, usize>,
    one: Option<usize>,
    rest: Option<usize>,
    ends: Vec<End>,
}

/// The end of a template.
#[derive(Debug)]
struct End {
    suffix: Option<String>,
    verb: Option<Verb>,
    /// True if only wildcards follow a `**`.
    wild_tail: bool,
    target: RuleId,
}

/// A rule, by the index of its method and its index among the rules of the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RuleId {
    pub(crate) method: usize,
    pub(crate) rule: usize,
}

/// The result of a search for a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'p> {
    /// The rule, and the segments of the path. The segments are still encoded, and the last is without the verb after
    /// the colon.
    Found(RuleId, Vec<&'p str>),
    /// The path has rules for these HTTP methods only.
    Others(Vec<Verb>),
    Nothing,
}

impl Router {
    /// Adds a rule.
    ///
    /// # Errors
    ///
    /// Returns the rule that matches the same requests, if there is one.
    pub(crate) fn add(
        &mut self,
        verb: Option<&Verb>,
        template: &Template,
        target: RuleId,
    ) -> Result<(), RuleId> {
        let mut at = self.root();
        for segment in &template.segments {
            let next = self.nodes.len();
            let node = &mut self.nodes[at];
            at = match segment {
                Segment::Literal(text) => *node.literals.entry(text.clone()).or_insert(next),
                Segment::One => *node.one.get_or_insert(next),
                Segment::Rest => *node.rest.get_or_insert(next),
            };
            if at == next {
                self.nodes.push(Node::default());
            }
        }
        let ends = &mut self.nodes[at].ends;
        let same = |end: &&End| end.suffix == template.verb && end.verb.as_ref() == verb;
        if let Some(known) = ends.iter().find(same) {
            return Err(known.target);
        }
        ends.push(End {
            suffix: template.verb.clone(),
            verb: verb.cloned(),
            wild_tail: template.has_wild_tail(),
            target,
        });
        Ok(())
    }

    fn root(&mut self) -> usize {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        0
    }

    /// Finds the rule for a path. A literal is preferred to `*`, and `*` to `**`. A verb after a colon is preferred
    /// to a segment with a colon in it. Only `**` matches empty segments.
    pub(crate) fn find<'p>(&self, verb: &Verb, path: &'p str) -> Route<'p> {
        let mut search = Search {
            nodes: &self.nodes,
            verb,
            suffix: None,
            wild_tails: false,
            others: Vec::new(),
        };
        let Some(path) = path.strip_prefix('/').filter(|_| !self.nodes.is_empty()) else {
            return Route::Nothing;
        };
        let whole: Vec<&str> = path.split('/').collect();
        let last = whole.len() - 1;
        if let Some((before, suffix)) = whole[last].rsplit_once(':') {
            let mut without = whole.clone();
            without[last] = before;
            search.suffix = Some(suffix);
            if let Some(target) = search.below(0, &without) {
                return Route::Found(target, without);
            }
            // Stop here, or `GET …/o:cancel` would get a resource named `o:cancel`. Clients encode a colon in a name.
            if !search.others.is_empty() {
                return Route::Others(search.others);
            }
            search.suffix = None;
        }
        match search.below(0, &whole) {
            Some(target) => Route::Found(target, whole),
            None if search.others.is_empty() => Route::Nothing,
            None => Route::Others(search.others),
        }
    }
}

/// A search for one path. Each node is visited at most once per template or, if templates have a `**` before their
/// end, at most once per template and segment.
struct Search<'r> {
    nodes: &'r [Node],
    verb: &'r Verb,
    suffix: Option<&'r str>,
    /// True if a template with only wildcards after `**` may match.
    wild_tails: bool,
    /// The HTTP methods of the templates that match.
    others: Vec<Verb>,
}

impl Search<'_> {
    fn below(&mut self, at: usize, segments: &[&str]) -> Option<RuleId> {
        let nodes = self.nodes;
        let node = &nodes[at];
        let Some((first, rest)) = segments.split_first() else {
            let ended = self.end(node);
            // `**` also matches no segment.
            return ended.or_else(|| self.end(&nodes[node.rest?]));
        };
        if first.is_empty() {
            return self.rest(node.rest?, segments);
        }
        let literal = match node.literals.get(*first) {
            None if first.contains('%') => {
                let decoded = percent_encoding::percent_decode_str(first).decode_utf8_lossy();
                node.literals.get(&*decoded)
            }
            known => known,
        };
        literal
            .copied()
            .and_then(|next| self.below(next, rest))
            .or_else(|| self.below(node.one?, rest))
            .or_else(|| self.rest(node.rest?, segments))
    }

    /// Continues after a `**`. Templates with a literal after the `**` come first, longer ones before shorter ones.
    /// Then come templates that end with the `**`. Templates with only wildcards after the `**` come last, because
    /// they match nearly the same paths as the templates that end with the `**`.
    fn rest(&mut self, at: usize, segments: &[&str]) -> Option<RuleId> {
        let nodes = self.nodes;
        let node = &nodes[at];
        if node.one.is_none() && node.literals.is_empty() {
            return self.end(node);
        }
        self.tail(at, segments)
            .or_else(|| self.end(node))
            .or_else(|| {
                self.wild_tails = true;
                let found = self.tail(at, segments);
                self.wild_tails = false;
                found
            })
    }

    fn tail(&mut self, at: usize, segments: &[&str]) -> Option<RuleId> {
        (0..segments.len()).find_map(|begin| self.below(at, &segments[begin..]))
    }

    fn end(&mut self, node: &Node) -> Option<RuleId> {
        let fits = |end: &&End| {
            end.suffix.as_deref() == self.suffix && (self.wild_tails || !end.wild_tail)
        };
        let exact = |end: &&End| end.verb.as_ref() == Some(self.verb);
        let ends = || node.ends.iter().filter(fits);
        let found = ends()
            .find(exact)
            .or_else(|| ends().find(|end| end.verb.is_none()));
        if let Some(found) = found {
            return Some(found.target);
        }
        for verb in ends().filter_map(|end| end.verb.as_ref()) {
            if !self.others.contains(verb) {
                self.others.push(verb.clone());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATES: [(&str, &str); 16] = [
        ("GET", "/v1/{name=projects/*}"),
        ("DELETE", "/v1/{name=projects/*}"),
        ("POST", "/v1/{name=projects/*}:cancel"),
        ("GET", "/v1/projects/mine"),
        ("GET", "/v1/{name=projects/*}/things"),
        ("GET", "/v1/{name=files/**}"),
        ("GET", "/v1/{name=files/**}:watch"),
        ("GET", "/v1/files/{id}/meta"),
        ("GET", "/{all=**}"),
        ("*", "/any/{id}"),
        ("GET", "/v1/{parent=files/**}/versions"),
        ("GET", "/v1/{parent=files/**}/{id}/versions/{version}"),
        ("POST", "/v1/{parent=files/**}/{kind}"),
        ("GET", "/v1/{parent=files/**}/{kind}"),
        ("GET", "/v1/{parent=files/**}/versions:purge"),
        ("GET", "/v2/{name=**/ends/*}"),
    ];

    fn router() -> Router {
        let mut router = Router::default();
        for (method, (verb, text)) in TEMPLATES.into_iter().enumerate() {
            let verb = Some(verb).filter(|verb| *verb != "*");
            let verb = verb.map(|verb| verb.parse().expect("a method"));
            let template = Template::parse(text).expect("a template");
            let target = RuleId { method, rule: 0 };
            assert_eq!(router.add(verb.as_ref(), &template, target), Ok(()));
        }
        router
    }

    fn find(verb: &str, path: &str) -> Result<&'static str, Vec<String>> {
        match router().find(&verb.parse().expect("a method"), path) {
            Route::Found(target, _) => Ok(TEMPLATES[target.method].1),
            Route::Others(verbs) => Err(verbs.iter().map(ToString::to_string).collect()),
            Route::Nothing => Err(Vec::new()),
        }
    }

    #[test]
    fn the_most_literal_template_is_found() {
        let cases = [
            ("GET", "/v1/projects/p", "/v1/{name=projects/*}"),
            ("GET", "/v1/projects/p:q", "/v1/{name=projects/*}"),
            ("GET", "/v1/projects/p%3Acancel", "/v1/{name=projects/*}"),
            ("GET", "/v1/%70rojects/p", "/v1/{name=projects/*}"),
            ("GET", "/v1/projects/mine", "/v1/projects/mine"),
            ("DELETE", "/v1/projects/mine", "/v1/{name=projects/*}"),
            (
                "POST",
                "/v1/projects/p:cancel",
                "/v1/{name=projects/*}:cancel",
            ),
            (
                "POST",
                "/v1/projects/a:b:cancel",
                "/v1/{name=projects/*}:cancel",
            ),
            (
                "GET",
                "/v1/projects/p/things",
                "/v1/{name=projects/*}/things",
            ),
            ("GET", "/v1/projects/p/other", "/{all=**}"),
            ("GET", "/v1/files/a/b", "/v1/{name=files/**}"),
            ("GET", "/v1/files", "/v1/{name=files/**}"),
            ("GET", "/v1/files/a/b:watch", "/v1/{name=files/**}:watch"),
            ("GET", "/v1/files/a/meta", "/v1/files/{id}/meta"),
            ("GET", "/v1/files/a/b/meta", "/v1/{name=files/**}"),
            ("PATCH", "/any/x", "/any/{id}"),
            ("GET", "/v1/files/", "/v1/{name=files/**}"),
            ("GET", "/v1/files//x/", "/v1/{name=files/**}"),
            (
                "GET",
                "/v1/files/a/b/versions",
                "/v1/{parent=files/**}/versions",
            ),
            (
                "GET",
                "/v1/files/versions",
                "/v1/{parent=files/**}/versions",
            ),
            (
                "GET",
                "/v1/files//versions",
                "/v1/{parent=files/**}/versions",
            ),
            (
                "GET",
                "/v1/files/versions/versions/versions/versions",
                "/v1/{parent=files/**}/{id}/versions/{version}",
            ),
            (
                "GET",
                "/v1/files/a/versions:purge",
                "/v1/{parent=files/**}/versions:purge",
            ),
            // `**` is preferred to `**/*`, if both have a rule for the HTTP method.
            ("GET", "/v1/files/a/b/c", "/v1/{name=files/**}"),
            ("POST", "/v1/files/a/b/c", "/v1/{parent=files/**}/{kind}"),
            ("POST", "/v1/files/c", "/v1/{parent=files/**}/{kind}"),
            ("GET", "/v2/ends/x", "/v2/{name=**/ends/*}"),
            ("GET", "/v2/a/ends/ends/x", "/v2/{name=**/ends/*}"),
            ("GET", "/v2/a/ends", "/{all=**}"),
            ("GET", "/v1/projects//things", "/{all=**}"),
            ("GET", "//", "/{all=**}"),
            ("GET", "/", "/{all=**}"),
        ];
        for (verb, path, template) in cases {
            assert_eq!(find(verb, path), Ok(template), "{verb} {path}");
        }
    }

    #[test]
    fn another_http_method_is_distinguished_from_an_unknown_path() {
        let others = |verb, path| find(verb, path).expect_err("not found");
        assert_eq!(others("PUT", "/v1/projects/p"), ["GET", "DELETE"]);
        for verb in ["PUT", "GET", "DELETE"] {
            assert_eq!(others(verb, "/v1/projects/p:cancel"), ["POST"], "{verb}");
        }
        for path in ["", "v1"] {
            assert_eq!(others("GET", path), Vec::<String>::new(), "{path}");
        }
        // Only `**` matches an empty segment.
        for path in [
            "/v1/projects//things",
            "/v1/projects/",
            "/any/",
            "/any//",
            "/v1/files/",
        ] {
            let mut found = others("POST", path);
            found.sort_unstable();
            assert_eq!(found, ["GET"], "{path}");
        }
    }

    #[test]
    fn two_templates_of_one_shape_are_ambiguous() {
        let template = Template::parse("/v1/projects/{id}").expect("a template");
        let target = RuleId {
            method: 99,
            rule: 0,
        };
        let first = RuleId { method: 0, rule: 0 };
        assert_eq!(
            router().add(Some(&Verb::GET), &template, target),
            Err(first)
        );
        assert_eq!(router().add(Some(&Verb::PUT), &template, target), Ok(()));
    }
}
