//! The rules of all methods: which HTTP request is which call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock};

use prost::Message as _;

use super::config;
use super::descriptor::{File, FileSet, HttpRule, MethodType};
use super::route::{Router, Target};
use super::rule::Rule;
use super::schema::{MessageId, Schema};
use crate::error::Error;
use crate::proto;

static API_GATEWAY: LazyLock<Rules> = LazyLock::new(|| {
    Rules::builder(proto::FILE_DESCRIPTOR_SET)
        .service_config(proto::SERVICE_CONFIG)
        .build()
        .expect("the rules are embedded at build time")
});

/// How methods map to HTTP, by `google.api.http` and a service configuration.
///
/// Rules are parsed once and shared: a clone is cheap. [`Rest`](super::Rest) sends calls by them, and
/// [`TranscodeLayer`](super::TranscodeLayer) takes requests by them.
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
/// let error = Rules::builder(FILE_DESCRIPTOR_SET)
///     .service_config(r#"{"http": {"rules": [{
///         "selector": "google.longrunning.Operations.WaitOperation",
///         "post": "/v1/{operation}:wait"
///     }]}}"#)
///     .build()
///     .expect_err("a WaitOperationRequest has no such field");
/// assert!(error.to_string().contains("POST /v1/{operation}:wait"));
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
}

/// A method as transcoding sees it.
#[derive(Debug)]
pub(super) struct Method {
    /// The gRPC path, `/package.Service/Method`.
    pub(super) path: String,
    pub(super) input: MessageId,
    pub(super) output: MessageId,
    pub(super) client_streaming: bool,
    pub(super) server_streaming: bool,
    /// Whether a stream of replies is JSON texts, a line each, instead of an array.
    pub(super) lines: bool,
    /// In order: the first that fits is used.
    pub(super) rules: Vec<Rule>,
}

/// Puts [`Rules`] together.
#[derive(Clone, Debug)]
#[must_use = "nothing is compiled before `build`"]
pub struct RulesBuilder<'a> {
    descriptor_set: &'a [u8],
    configurations: Vec<&'a str>,
    lines: BTreeSet<&'a str>,
}

impl Rules {
    /// Begins with an encoded `google.protobuf.FileDescriptorSet` and its `google.api.http` annotations.
    ///
    /// The set must hold the options as extensions: `protoc --include_imports --descriptor_set_out` does,
    /// as does `protox::Compiler::encode_file_descriptor_set`. prost's own types drop them.
    pub fn builder(descriptor_set: &[u8]) -> RulesBuilder<'_> {
        RulesBuilder {
            descriptor_set,
            configurations: Vec::new(),
            lines: BTreeSet::new(),
        }
    }

    /// The rules of API Gateway, with its operations, locations and IAM policies.
    #[must_use]
    pub fn api_gateway() -> Self {
        API_GATEWAY.clone()
    }

    /// The messages and enums of the descriptor set.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.compiled.schema
    }

    /// The method with this gRPC path, and its place.
    pub(super) fn method(&self, path: &str) -> Option<&Method> {
        let methods = &self.compiled.methods;
        let found = methods.binary_search_by(|method| method.path.as_str().cmp(path));
        found.ok().map(|place| &methods[place])
    }

    pub(super) fn target(&self, target: Target) -> (&Method, &Rule) {
        let method = &self.compiled.methods[target.method];
        (method, &method.rules[target.rule])
    }

    pub(super) fn router(&self) -> &Router {
        &self.compiled.router
    }

    #[cfg(test)]
    pub(super) fn methods(&self) -> &[Method] {
        &self.compiled.methods
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("methods", &self.compiled.methods.len())
            .finish_non_exhaustive()
    }
}

impl<'a> RulesBuilder<'a> {
    /// The `http` section of a `google.api.Service`, in JSON. A rule in it takes the place of all
    /// annotations of the method that it selects; of several for one method the last holds.
    pub fn service_config(mut self, json: &'a str) -> Self {
        self.configurations.push(json);
        self
    }

    /// Has the replies of a streaming method travel as JSON texts, a line each
    /// (`application/x-ndjson`), instead of as one JSON array. The method is named as selectors name it,
    /// `package.Service.Method`.
    pub fn newline_delimited(mut self, selector: &'a str) -> Self {
        self.lines.insert(selector);
        self
    }

    /// Compiles the rules.
    ///
    /// # Errors
    ///
    /// If the bytes are no descriptor set or the configuration is not JSON; if a rule selects no method,
    /// its template is not of the grammar, or it names a field that is not there or that no path can
    /// hold; if two rules are for the same requests. The error names the method and the rule.
    pub fn build(self) -> Result<Rules, Error> {
        self.compile().map_err(Error::configuration)
    }

    fn compile(self) -> Result<Rules, String> {
        let set = FileSet::decode(self.descriptor_set)
            .map_err(|error| format!("this is no descriptor set: {error}"))?;
        let schema = Schema::compile(&set)?;
        let mut overrides = BTreeMap::new();
        for configuration in &self.configurations {
            for rule in config::rules(configuration)? {
                overrides.insert(rule.selector.clone(), rule);
            }
        }
        let mut methods = Vec::new();
        let mut lines = self.lines;
        for (service, of) in services(&set) {
            let selector = format!("{service}.{}", of.name);
            let annotation = of.options.as_ref().and_then(|options| options.http.clone());
            let rule = overrides.remove(&selector).or(annotation);
            let mut method = Method::new(&schema, &service, of, rule.as_ref())
                .map_err(|why| format!("{selector}: {why}"))?;
            method.lines = lines.remove(selector.as_str());
            if method.lines && !method.server_streaming {
                return Err(format!("{selector} has no stream of replies"));
            }
            methods.push(method);
        }
        let unused = overrides.keys().map(String::as_str).chain(lines).next();
        if let Some(selector) = unused {
            return Err(format!("`{selector}` is no method of the descriptor set"));
        }
        methods.sort_by(|one, other| one.path.cmp(&other.path));
        let router = router(&methods)?;
        Ok(Rules {
            compiled: Arc::new(Compiled {
                schema,
                methods,
                router,
            }),
        })
    }
}

impl Method {
    fn new(
        schema: &Schema,
        service: &str,
        of: &MethodType,
        rule: Option<&HttpRule>,
    ) -> Result<Self, String> {
        let message = |name: &str| {
            let name = name.trim_start_matches('.');
            let found = schema.find(name);
            found.ok_or_else(|| format!("the message `{name}` is not in the set"))
        };
        let (input, output) = (message(&of.input_type)?, message(&of.output_type)?);
        let rules = match rule {
            Some(rule) => Rule::all(schema, rule, input, output)?,
            None => Vec::new(),
        };
        Ok(Self {
            path: format!("/{service}/{}", of.name),
            input,
            output,
            client_streaming: of.client_streaming,
            server_streaming: of.server_streaming,
            lines: false,
            rules,
        })
    }
}

/// The methods of the set, each with the full name of its service.
fn services(set: &FileSet) -> impl Iterator<Item = (String, &MethodType)> {
    let full = |file: &File, name: &str| match file.package.as_str() {
        "" => name.to_owned(),
        package => format!("{package}.{name}"),
    };
    set.file.iter().flat_map(move |file| {
        file.service.iter().flat_map(move |service| {
            let name = full(file, &service.name);
            service
                .method
                .iter()
                .map(move |method| (name.clone(), method))
        })
    })
}

fn router(methods: &[Method]) -> Result<Router, String> {
    let mut router = Router::default();
    for (place, method) in methods.iter().enumerate() {
        for (index, rule) in method.rules.iter().enumerate() {
            let target = Target {
                method: place,
                rule: index,
            };
            router
                .add(rule.verb.as_ref(), &rule.template, target)
                .map_err(|known| {
                    let other = &methods[known.method];
                    let theirs = &other.rules[known.rule].text;
                    format!(
                        "{}: the rule `{}` is ambiguous with `{theirs}` of {}",
                        method.path, rule.text, other.path
                    )
                })?;
        }
    }
    Ok(router)
}

#[cfg(test)]
mod tests;
