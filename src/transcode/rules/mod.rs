//! The rules of all methods. They map HTTP requests to calls, and calls to HTTP requests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock};

use prost::Message as _;

use crate::contract::descriptor::{File, FileSet, HttpRule, MethodType};
use crate::error::Error;
use crate::proto;
use crate::transcode::rules::router::{Route, Router, RuleId};
use crate::transcode::rules::rule::{InvalidRule, Rule};
use crate::transcode::schema::{MessageId, Schema};
use unserved::Side;

pub use unserved::Unserved;

pub(crate) mod router;
pub(crate) mod rule;
mod service_config;
pub(crate) mod template;
mod unserved;

static API_GATEWAY: LazyLock<Rules> = LazyLock::new(|| {
    Rules::builder(proto::FILE_DESCRIPTOR_SET)
        .service_config(proto::SERVICE_CONFIG)
        .build()
        .expect("the rules are embedded at build time")
});

/// The mapping of methods to HTTP by `google.api.http` and service configurations.
///
/// Clones are cheap: they share the compiled rules. [`Rest`](super::Rest) sends calls by them, and
/// [`TranscodeLayer`](super::TranscodeLayer) accepts requests by them.
///
/// ```
/// use apigateway_grpc::proto::FILE_DESCRIPTOR_SET;
/// use apigateway_grpc::transcode::Rules;
///
/// // The longrunning protos have annotations, which a service configuration may override.
/// let rules = Rules::builder(FILE_DESCRIPTOR_SET)
///     .service_config(r#"{"http": {"rules": [{
///         "selector": "google.longrunning.Operations.WaitOperation",
///         "post": "/v1/{name=operations/**}:wait",
///         "body": "*"
///     }]}}"#)
///     .build()?;
///
/// // A rule that cannot be served is reported; all others are served.
/// let rules = Rules::builder(FILE_DESCRIPTOR_SET)
///     .service_config(r#"{"http": {"rules": [{
///         "selector": "google.longrunning.Operations.WaitOperation",
///         "post": "/v1/{operation}:wait"
///     }]}}"#)
///     .build()?;
/// let unserved = &rules.unserved()[0];
/// assert_eq!(unserved.pattern(), "POST /v1/{operation}:wait");
/// assert!(unserved.reason().contains("unknown field `operation`"));
/// # Ok::<(), apigateway_grpc::Error>(())
/// ```
#[derive(Clone)]
pub struct Rules {
    compiled: Arc<Compiled>,
}

struct Compiled {
    schema: Schema,
    /// Sorted by path.
    methods: Vec<Method>,
    router: Router,
    unserved: Vec<Unserved>,
}

/// A method and its rules.
#[derive(Debug)]
pub(crate) struct Method {
    /// The gRPC path, `/package.Service/Method`.
    pub(crate) path: String,
    pub(crate) input: MessageId,
    pub(crate) output: MessageId,
    pub(crate) client_streaming: bool,
    pub(crate) server_streaming: bool,
    /// True if a stream of responses is one JSON text per line, and not an array.
    pub(crate) lines: bool,
    /// True if the rules are annotations in a file that another file of the set imports. Such rules come after others. The
    /// importing file may need only the messages of the imported file, such as those of `google.iam.v1`, and may have
    /// methods of its own on the same paths.
    mixin: bool,
    /// In order of preference: the first rule that matches a request is used.
    pub(crate) rules: Vec<Rule>,
}

/// Builds [`Rules`]. [`Rules::builder`] returns one.
///
/// ```
/// use apigateway_grpc::proto;
/// use apigateway_grpc::transcode::Rules;
///
/// let builder = Rules::builder(proto::FILE_DESCRIPTOR_SET).service_config(proto::SERVICE_CONFIG);
/// let rules = builder.build()?;
/// for rule in rules.unserved() {
///     println!("not served: {rule:?}");
/// }
/// assert!(Rules::builder(b"not a descriptor set").build().is_err());
/// # Ok::<(), apigateway_grpc::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is compiled before `build`"]
pub struct RulesBuilder<'a> {
    descriptor_set: &'a [u8],
    configurations: Vec<&'a str>,
    lines: BTreeSet<&'a str>,
}

impl Rules {
    /// Returns a builder for an encoded `google.protobuf.FileDescriptorSet` with its `google.api.http` annotations.
    ///
    /// The set must have the options as extensions. `protoc --include_imports --descriptor_set_out` and
    /// `protox::Compiler::encode_file_descriptor_set` write them; prost's own types drop them.
    pub fn builder(descriptor_set: &[u8]) -> RulesBuilder<'_> {
        RulesBuilder {
            descriptor_set,
            configurations: Vec::new(),
            lines: BTreeSet::new(),
        }
    }

    /// Returns the rules of API Gateway, with its operations, locations and IAM policies.
    #[must_use]
    pub fn api_gateway() -> Self {
        API_GATEWAY.clone()
    }

    /// Returns the messages and enums of the descriptor set.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.compiled.schema
    }

    /// Returns the rules that are not served, with the reasons, in the order of the descriptor set. Rules of a
    /// configuration that select no method of the set come last.
    ///
    /// All other rules are served. Methods without a rule are not listed. [`RulesBuilder::build`] logs the number of
    /// unserved rules and the first of them at level `warn`, and each of them at level `debug`.
    #[must_use]
    pub fn unserved(&self) -> &[Unserved] {
        &self.compiled.unserved
    }

    /// Returns the method with this gRPC path.
    pub(crate) fn method(&self, path: &str) -> Option<&Method> {
        let methods = &self.compiled.methods;
        let found = methods.binary_search_by(|method| method.path.as_str().cmp(path));
        found.ok().map(|place| &methods[place])
    }

    pub(crate) fn target(&self, target: RuleId) -> (&Method, &Rule) {
        let method = &self.compiled.methods[target.method];
        (method, &method.rules[target.rule])
    }

    pub(crate) fn router(&self) -> &Router {
        &self.compiled.router
    }

    #[cfg(test)]
    pub(crate) fn methods(&self) -> &[Method] {
        &self.compiled.methods
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("methods", &self.compiled.methods.len())
            .field("unserved", &self.compiled.unserved.len())
            .finish_non_exhaustive()
    }
}

impl<'a> RulesBuilder<'a> {
    /// Adds a service configuration: a `google.api.Service` in JSON. Only its `http` section is read. A rule in it
    /// replaces all annotations of the method that it selects. If several rules select one method, the last is used.
    ///
    /// The service configurations in googleapis are in YAML: convert them to JSON first. Only the builder of a contract
    /// (feature `google`) also reads YAML.
    pub fn service_config(mut self, json: &'a str) -> Self {
        self.configurations.push(json);
        self
    }

    /// Encodes the responses of a streaming method as one JSON text per line (`application/x-ndjson`), and not as a
    /// JSON array. `selector` is the full name of the method, `package.Service.Method`. By default all streams are
    /// JSON arrays.
    pub fn newline_delimited(mut self, selector: &'a str) -> Self {
        self.lines.insert(selector);
        self
    }

    /// Compiles the rules. A rule that cannot be served is not an error: see [`Rules::unserved`].
    ///
    /// # Errors
    ///
    /// In each of these cases:
    /// - The bytes are not a descriptor set.
    /// - The set lacks a type that it names, or a field number is invalid or duplicate.
    /// - A configuration is not JSON, or its `http` section is not an object with a list of rules.
    /// - [`newline_delimited`](Self::newline_delimited) names a method that the set lacks, or that does not stream its
    ///   responses.
    /// - No method has a rule, for example because the set was encoded without its extensions.
    pub fn build(self) -> Result<Rules, Error> {
        let rules = self.compile().map_err(Error::configuration)?;
        rules.log_unserved();
        Ok(rules)
    }

    fn compile(self) -> Result<Rules, String> {
        let set = FileSet::decode(self.descriptor_set)
            .map_err(|error| format!("invalid descriptor set: {error}"))?;
        let schema = Schema::compile(&set)?;
        let mut unread = Vec::new();
        let mut overrides = BTreeMap::new();
        for configuration in &self.configurations {
            for rule in service_config::rules(configuration)? {
                match rule {
                    Ok(rule) => drop(overrides.insert(rule.selector.clone(), rule)),
                    Err((selector, reason)) => {
                        unread.push(Unserved::new(selector, "", reason, Side::Both));
                    }
                }
            }
        }
        let (mut methods, mut unserved, mut any) = (Vec::new(), Vec::new(), false);
        let mut lines = self.lines;
        let imported = imported(&set);
        for (file, service, descriptor) in services(&set) {
            let selector = format!("{service}.{}", descriptor.name);
            let annotation = descriptor
                .options
                .as_ref()
                .and_then(|options| options.http.clone());
            let own = overrides.remove(&selector);
            let mixin = own.is_none() && imported.contains(file.name.as_str());
            let rule = own.or(annotation);
            any |= rule.is_some();
            let (mut method, invalid) = Method::new(&schema, &service, descriptor, rule.as_ref())
                .map_err(|why| format!("{selector}: {why}"))?;
            for invalid in invalid {
                let InvalidRule { pattern, reason } = invalid;
                unserved.push((
                    methods.len(),
                    Unserved::new(&*selector, pattern, reason, Side::Both),
                ));
            }
            method.mixin = mixin;
            method.lines = lines.remove(selector.as_str());
            if method.lines && !method.server_streaming {
                return Err(format!("{selector} is not a server-streaming method"));
            }
            methods.push(method);
        }
        if let Some(selector) = lines.first() {
            return Err(format!("the descriptor set has no method `{selector}`"));
        }
        let astray = overrides.values().map(|rule| {
            let reason = "the descriptor set has no such method";
            Unserved::new(&*rule.selector, rule::pattern(rule), reason, Side::Both)
        });
        unread.extend(astray);
        if !any {
            return Err(no_rule(unread.first()));
        }
        let router = router(&mut methods, &mut unserved);
        unserved.sort_by_key(|(place, _)| *place);
        let unserved = unserved.into_iter().map(|(_, unserved)| unserved);
        Ok(Rules {
            compiled: Arc::new(Compiled {
                schema,
                methods,
                router,
                unserved: unserved.chain(unread).collect(),
            }),
        })
    }
}

/// Returns the error for a set without any rule.
fn no_rule(unread: Option<&Unserved>) -> String {
    let also = unread.map_or_else(String::new, |unread| format!("; {unread}"));
    format!(
        "no method has an HTTP rule: the descriptor set has no `google.api.http` annotation (prost's own types \
         drop the annotations; so does encoding a set without its extensions), and no service configuration has one{also}"
    )
}

impl Rules {
    fn log_unserved(&self) {
        let unserved = self.unserved();
        for rule in unserved {
            tracing::debug!("{rule}");
        }
        if let Some(first) = unserved.first() {
            tracing::warn!(
                count = unserved.len(),
                %first,
                "some HTTP rules are not served; `Rules::unserved` returns all of them"
            );
        }
    }
}

impl Method {
    /// Returns the method with its valid rules, and the invalid ones.
    fn new(
        schema: &Schema,
        service: &str,
        descriptor: &MethodType,
        rule: Option<&HttpRule>,
    ) -> Result<(Self, Vec<InvalidRule>), String> {
        let message = |name: &str| {
            let name = name.trim_start_matches('.');
            let found = schema.find(name);
            found.ok_or_else(|| format!("the message `{name}` is not in the descriptor set"))
        };
        let (input, output) = (
            message(&descriptor.input_type)?,
            message(&descriptor.output_type)?,
        );
        let compiled = rule.map(|rule| Rule::all(schema, rule, input, output));
        let (mut rules, mut all_invalid) = (Vec::new(), Vec::new());
        for rule in compiled.unwrap_or_default() {
            match rule {
                Ok(rule) => rules.push(rule),
                Err(invalid) => all_invalid.push(invalid),
            }
        }
        let method = Self {
            path: format!("/{service}/{}", descriptor.name),
            input,
            output,
            client_streaming: descriptor.client_streaming,
            server_streaming: descriptor.server_streaming,
            lines: false,
            mixin: false,
            rules,
        };
        Ok((method, all_invalid))
    }

    /// Returns the selector, `package.Service.Method`.
    fn selector(&self) -> String {
        self.path[1..].replace('/', ".")
    }
}

/// Returns the methods of the set, each with its file and the full name of its service.
fn services(set: &FileSet) -> impl Iterator<Item = (&File, String, &MethodType)> {
    let full = |file: &File, name: &str| match file.package.as_str() {
        "" => name.to_owned(),
        package => format!("{package}.{name}"),
    };
    set.file.iter().flat_map(move |file| {
        file.service.iter().flat_map(move |service| {
            let name = full(file, &service.name);
            let methods = service.method.iter();
            methods.map(move |method| (file, name.clone(), method))
        })
    })
}

/// Returns the names of the files that another file of the set imports.
fn imported(set: &FileSet) -> BTreeSet<&str> {
    let imports = set.file.iter().flat_map(|file| &file.dependency);
    imports.map(String::as_str).collect()
}

/// Sorts the methods by path and adds their rules to a router, in the order of declaration. Rules of imported files
/// come later. Rules of methods that stream their requests come last, since their requests are answered with an error
/// that names gRPC. The rules that one direction or both do not serve are added to `unserved`, each with the index of
/// its method in the order of declaration.
fn router(methods: &mut Vec<Method>, unserved: &mut Vec<(usize, Unserved)>) -> Router {
    let mut declared: Vec<(usize, Method)> = methods.drain(..).enumerate().collect();
    declared.sort_by(|(_, one), (_, other)| one.path.cmp(&other.path));
    let mut order = vec![0; declared.len()];
    for (place, (declared, method)) in declared.into_iter().enumerate() {
        order[declared] = place;
        methods.push(method);
    }
    let mut router = Router::default();
    let mut routed = Vec::new();
    let mut order: Vec<(usize, usize)> = order.into_iter().enumerate().collect();
    order.sort_by_key(|(_, place)| (methods[*place].client_streaming, methods[*place].mixin));
    for (declared, place) in order {
        let method = &methods[place];
        let mut report = |rule: &Rule, side, reason: &str| {
            let known = Unserved::new(method.selector(), &*rule.text, reason, side);
            unserved.push((declared, known));
        };
        for (index, rule) in method.rules.iter().enumerate() {
            let target = RuleId {
                method: place,
                rule: index,
            };
            if method.client_streaming {
                let reason = "client streaming is not supported over HTTP/JSON";
                report(rule, Side::Both, reason);
            } else if let Some(reason) = rule.unsendable {
                report(rule, Side::Client, reason);
            }
            let added = match rule.template.ambiguous() {
                Some(reason) => Err(reason.to_owned()),
                None => router
                    .add(rule.verb.as_ref(), &rule.template, target)
                    .map_err(|known| {
                        let other = &methods[known.method];
                        let theirs = &other.rules[known.rule].text;
                        format!(
                            "`{theirs}` of {} matches the same requests",
                            other.selector()
                        )
                    }),
            };
            match added {
                Ok(()) => routed.push((declared, target)),
                Err(_) if method.client_streaming => {}
                Err(reason) => report(rule, Side::Server, &reason),
            }
        }
    }
    // A rule can match all paths of another rule only if a template continues after a `**`.
    let tailed = |(_, target): &(usize, RuleId)| {
        let rule = &methods[target.method].rules[target.rule];
        !rule.template.tail().is_empty()
    };
    if !routed.iter().any(tailed) {
        return router;
    }
    for (declared, target) in routed {
        let method = &methods[target.method];
        let rule = &method.rules[target.rule];
        if let Some(other) = shadow(&router, rule, target)
            && !method.client_streaming
        {
            let theirs = &methods[other.method];
            let reason = format!(
                "`{}` of {} matches all paths of this rule",
                theirs.rules[other.rule].text,
                theirs.selector()
            );
            let known = Unserved::new(method.selector(), &*rule.text, reason, Side::Server);
            unserved.push((declared, known));
        }
    }
    router
}

/// Returns the rule that hides `rule`: for each sampled path of `rule`, the router finds another rule. Returns `None` if the
/// router finds `rule`, or no rule, for any of these paths.
fn shadow(router: &Router, rule: &Rule, target: RuleId) -> Option<RuleId> {
    let verb = rule.verb.clone().unwrap_or(http::Method::TRACE);
    let mut other = None;
    for path in rule.template.samples() {
        match router.find(&verb, &path) {
            Route::Found(found, _) if found != target => other = other.or(Some(found)),
            _ => return None,
        }
    }
    other
}

#[cfg(test)]
mod tests;
