//! A rule of `google.api.http`, checked against the messages that it maps.

use http::Method as Verb;

use crate::contract::descriptor::{HttpRule, Pattern};
use crate::transcode::rules::template::Template;
use crate::transcode::schema::{Cardinality, Field, FieldKind, MessageId, Schema, Shape};

/// One mapping of a method to HTTP.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The HTTP method; `None` for any.
    pub(crate) verb: Option<Verb>,
    /// The HTTP method and the template as they were written, for error texts.
    pub(crate) text: String,
    pub(crate) template: Template,
    /// The fields of the variables, in the order of the template.
    pub(crate) variables: Vec<PathField>,
    /// The reason why the client sends no requests by the rule, if there is one.
    pub(crate) unsendable: Option<&'static str>,
    pub(crate) body: RequestBody,
    /// The number of the field that is the body.
    pub(crate) body_field: Option<u32>,
    pub(crate) response: ResponseBody,
    /// Top-level fields that are not in the query, because the path or the body has them.
    pub(crate) skip: Vec<u32>,
    /// Fields of the path that are removed from the message before it becomes body and query.
    pub(crate) strip: Vec<Vec<u32>>,
}

/// A rule that cannot be served.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidRule {
    pub(crate) pattern: String,
    pub(crate) reason: String,
}

/// A field of a path variable, at any depth.
#[derive(Debug)]
pub(crate) struct PathField {
    /// The field numbers from the request message to the field.
    pub(crate) numbers: Vec<u32>,
    /// The oneof of each of these fields, within its message.
    pub(crate) oneofs: Vec<Option<usize>>,
    /// The message that has the field, and the index of the field in it.
    pub(crate) parent: MessageId,
    pub(crate) place: usize,
}

/// The part of a request that is the HTTP body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestBody {
    None,
    /// Everything except the fields of the path.
    All,
    /// The field with this index.
    Field(usize),
    /// A `google.api.HttpBody`, whose data is the body: the message itself, or its field of this number.
    Raw(Option<u32>),
}

/// The part of a response that is the HTTP body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseBody {
    All,
    Field(usize),
    Raw(Option<u32>),
}

const HTTP_BODY: &str = "google.api.HttpBody";

impl Rule {
    /// Compiles a rule and its additional bindings, in order.
    pub(crate) fn all(
        schema: &Schema,
        rule: &HttpRule,
        input: MessageId,
        output: MessageId,
    ) -> Vec<Result<Self, InvalidRule>> {
        let compile = |rule| {
            Self::new(schema, rule, input, output).map_err(|reason| InvalidRule {
                pattern: pattern(rule),
                reason,
            })
        };
        let mut rules = vec![compile(rule)];
        for binding in &rule.additional_bindings {
            rules.push(compile(binding));
            let nested = binding.additional_bindings.iter();
            rules.extend(nested.map(|nested| {
                Err(InvalidRule {
                    pattern: pattern(nested),
                    reason: "an additional binding must not have bindings of its own".to_owned(),
                })
            }));
        }
        rules
    }

    fn new(
        schema: &Schema,
        rule: &HttpRule,
        input: MessageId,
        output: MessageId,
    ) -> Result<Self, String> {
        let (kind, path) = parts(rule).ok_or("the rule has no HTTP method")?;
        let verb = match kind {
            "*" => None,
            kind => {
                let verb = kind.parse::<Verb>();
                Some(verb.map_err(|_| format!("invalid HTTP method `{kind}`"))?)
            }
        };
        let template = Template::parse(path)?;
        let variables = template
            .variables
            .iter()
            .map(|variable| bound(schema, input, &variable.field))
            .collect::<Result<Vec<_>, _>>()?;
        exclusive(&template, &variables)?;
        let body = body(schema, input, &rule.body)?;
        let response = response(schema, output, &rule.response_body)?;
        let body_field = match body {
            RequestBody::Field(place) => schema.message(input).fields.get(place),
            RequestBody::Raw(number) => {
                let fields = &schema.message(input).fields;
                fields.iter().find(|field| Some(field.number) == number)
            }
            RequestBody::None | RequestBody::All => None,
        };
        let body_field = body_field.map(|field| field.number);
        let all = body == RequestBody::All;
        let paths = variables.iter().map(|bound| &bound.numbers);
        let single = paths.clone().filter(|path| path.len() == 1);
        let skip = single.map(|path| path[0]).chain(body_field).collect();
        // Do not remove fields that the query skips, or fields within the body field.
        let strip = paths
            .filter(|path| all || (path.len() > 1 && Some(path[0]) != body_field))
            .cloned()
            .collect();
        let any = verb.is_none();
        let any = any.then_some("the rule accepts any HTTP method, so a client has none to send");
        Ok(Self {
            text: pattern(rule),
            unsendable: any.or(template.unfillable()),
            verb,
            template,
            variables,
            body,
            body_field,
            response,
            skip,
            strip,
        })
    }
}

/// Returns the HTTP method, or `*` for any, and the path template.
fn parts(rule: &HttpRule) -> Option<(&str, &str)> {
    Some(match rule.pattern.as_ref()? {
        Pattern::Get(path) => ("GET", path),
        Pattern::Put(path) => ("PUT", path),
        Pattern::Post(path) => ("POST", path),
        Pattern::Delete(path) => ("DELETE", path),
        Pattern::Patch(path) => ("PATCH", path),
        Pattern::Custom(custom) => (&custom.kind, &custom.path),
    })
}

/// Returns the rule on one line, for error texts.
pub(crate) fn pattern(rule: &HttpRule) -> String {
    parts(rule).map_or_else(String::new, |(kind, path)| format!("{kind} {path}"))
}

/// Checks that one request can set the fields of all variables.
fn exclusive(template: &Template, variables: &[PathField]) -> Result<(), String> {
    let names: Vec<&str> = template
        .variables
        .iter()
        .map(|variable| variable.field.as_str())
        .collect();
    for (at, one) in variables.iter().enumerate() {
        for (before, other) in variables[..at].iter().enumerate() {
            let (one_name, other_name) = (names[at], names[before]);
            if one.numbers == other.numbers {
                return Err(format!("`{other_name}` is bound twice"));
            }
            let fields = other
                .numbers
                .iter()
                .copied()
                .zip(other.oneofs.iter().copied());
            if one.parts_from(fields) {
                return Err(format!(
                    "`{other_name}` and `{one_name}` are members of one oneof"
                ));
            }
        }
    }
    Ok(())
}

impl PathField {
    /// Returns whether this field and another one exclude each other: they are different members of one oneof, or are
    /// within such members.
    pub(crate) fn excludes(&self, path: &[&Field]) -> bool {
        self.parts_from(path.iter().map(|field| (field.number, field.oneof)))
    }

    /// Returns whether two field paths first differ at two members of one oneof.
    fn parts_from(&self, other: impl Iterator<Item = (u32, Option<usize>)>) -> bool {
        let own = self.numbers.iter().zip(&self.oneofs);
        let parting = own
            .zip(other)
            .find(|((number, _), (other, _))| *number != other);
        parting.is_some_and(|((_, oneof), (_, other))| oneof.is_some() && *oneof == other)
    }
}

/// Returns the field of a variable, which must be a singular scalar.
fn bound(schema: &Schema, input: MessageId, path: &str) -> Result<PathField, String> {
    let mut parent = input;
    let (mut numbers, mut oneofs) = (Vec::new(), Vec::new());
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        let message = schema.message(parent);
        let (place, field) = field(schema, parent, name)?;
        numbers.push(field.number);
        oneofs.push(field.oneof);
        if field.repeat != Cardinality::Once {
            return Err(format!("invalid field path `{path}`: `{name}` is repeated"));
        }
        match (field.kind, names.peek()) {
            (FieldKind::Message(next), Some(_)) if schema.message(next).shape == Shape::Object => {
                parent = next;
            }
            (FieldKind::Message(next), Some(_)) => {
                let inner = &schema.message(next).name;
                return Err(format!(
                    "invalid field path `{path}`: `{name}` is a {inner}, whose JSON form is not an object"
                ));
            }
            (_, Some(_)) => {
                return Err(format!(
                    "invalid field path `{path}`: `{name}` is not a message"
                ));
            }
            (FieldKind::Message(_), None) => {
                let owner = &message.name;
                return Err(format!(
                    "`{name}` of {owner} is a message, which cannot be in a path"
                ));
            }
            (_, None) => {
                return Ok(PathField {
                    numbers,
                    oneofs,
                    parent,
                    place,
                });
            }
        }
    }
    Err("missing name of a variable".to_owned())
}

fn field<'s>(
    schema: &'s Schema,
    message: MessageId,
    name: &str,
) -> Result<(usize, &'s Field), String> {
    let message = schema.message(message);
    message
        .field_named(name)
        .ok_or_else(|| format!("unknown field `{name}` of {}", message.name))
}

fn is_raw(schema: &Schema, message: MessageId) -> bool {
    schema.message(message).name == HTTP_BODY
}

/// Returns whether the field is a singular `google.api.HttpBody`.
fn is_raw_field(schema: &Schema, field: &Field) -> bool {
    field.repeat == Cardinality::Once
        && matches!(field.kind, FieldKind::Message(inner) if is_raw(schema, inner))
}

fn body(schema: &Schema, input: MessageId, name: &str) -> Result<RequestBody, String> {
    match name {
        "" => Ok(RequestBody::None),
        "*" if is_raw(schema, input) => Ok(RequestBody::Raw(None)),
        "*" => Ok(RequestBody::All),
        name => {
            let (place, field) = field(schema, input, name)?;
            Ok(if is_raw_field(schema, field) {
                RequestBody::Raw(Some(field.number))
            } else {
                RequestBody::Field(place)
            })
        }
    }
}

fn response(schema: &Schema, output: MessageId, name: &str) -> Result<ResponseBody, String> {
    match name {
        "" | "*" if is_raw(schema, output) => Ok(ResponseBody::Raw(None)),
        "" | "*" => Ok(ResponseBody::All),
        name => {
            let (place, field) = field(schema, output, name)?;
            Ok(if is_raw_field(schema, field) {
                ResponseBody::Raw(Some(field.number))
            } else {
                ResponseBody::Field(place)
            })
        }
    }
}
