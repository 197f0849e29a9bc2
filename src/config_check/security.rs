//! `security`: the requirements of a document and its operations, in OpenAPI of any version.

use std::collections::HashMap;

use super::diagnostic::{Report, Rule, excerpt};
use super::node::Node;
use super::operations::Operations;
use super::rules;

/// The kind of a security scheme, as the service uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    ApiKey,
    /// A scheme with JSON web tokens.
    Token,
    /// A scheme that the service does not support.
    Unsupported,
}

/// The schemes of a document, by name.
#[derive(Debug)]
pub(super) struct Schemes<'t> {
    pub(super) kinds: HashMap<&'t str, Scheme>,
    /// The rule that reports an undefined scheme, and the section that should define it.
    pub(super) undefined: (&'static Rule, &'static str),
}

impl Schemes<'_> {
    /// Checks the requirements of a document and of its operations.
    pub(super) fn check(&self, root: &Node, operations: &Operations<'_>, report: &mut Report) {
        let whole = root.get("security");
        if let Some(whole) = whole {
            self.requirements(whole, report);
        }
        let mut unsecured = 0;
        let mut first = None;
        for operation in &operations.all {
            let own = operation.node.get("security");
            if let Some(own) = own {
                self.requirements(own, report);
            }
            // An OPTIONS operation may be unsecured: a preflight request has no credentials.
            let secured = own.or(whole).is_some_and(|node| !node.items().is_empty());
            if !secured && operation.method != "options" {
                unsecured += 1;
                first.get_or_insert(operation);
            }
        }
        if let Some(first) = first {
            let (method, path) = (first.method.to_uppercase(), excerpt(first.path));
            let text = match unsecured {
                1 => format!("{method} `{path}` has no `security`, so anyone may call it"),
                _ => format!(
                    "{unsecured} operations have no `security`, so anyone may call them: the first is {method} `{path}`"
                ),
            };
            report.at(&rules::UNSECURED, first.at, text);
        }
    }

    /// Checks a list of alternatives, each of which is a mapping of schemes that are all required.
    fn requirements(&self, node: &Node, report: &mut Report) {
        let (mut alternatives, mut api_key) = (0, None);
        let (mut empty, mut token) = (None, false);
        for requirement in node.items() {
            let mut tokens = 0;
            if requirement.map().is_some() && requirement.entries().is_empty() {
                empty.get_or_insert(requirement.at);
            } else {
                alternatives += 1;
            }
            for entry in requirement.entries() {
                let name = excerpt(&entry.key);
                match self.kinds.get(&*entry.key) {
                    None => {
                        let (rule, section) = self.undefined;
                        report.at(
                            rule,
                            entry.at,
                            format!("`{name}` is not defined in `{section}`"),
                        );
                    }
                    Some(Scheme::ApiKey) => api_key = Some((entry.at, name)),
                    Some(Scheme::Token) => {
                        tokens += 1;
                        token = true;
                        if tokens == 2 {
                            let text = format!(
                                "`{name}` is required together with another token scheme: put each scheme into its own \
                                 requirement: a call then needs only one of them"
                            );
                            report.at(&rules::SECURITY_CONJUNCTION, entry.at, text);
                        }
                    }
                    Some(Scheme::Unsupported) => {}
                }
            }
        }
        if let Some((at, name)) = api_key
            && alternatives > 1
        {
            let text = format!(
                "`{name}` is an API key, which the service does not support as one of several alternatives"
            );
            report.at(&rules::API_KEY_ALTERNATIVE, at, text);
        }
        if let Some(at) = empty
            && token
        {
            let text = "`{}` makes security optional, which the service supports only for API keys, not for tokens";
            report.at(&rules::OPTIONAL_TOKEN, at, text);
        }
    }
}
