//! A rule of `google.api.http`, checked against the message that it maps.

use http::Method as Verb;

use crate::transcode::rules::template::Template;
use crate::transcode::schema::descriptor::{HttpRule, Pattern};
use crate::transcode::schema::{Field, Kind, MessageId, Repeat, Schema, Shape};

/// One way of calling a method over HTTP.
#[derive(Debug)]
pub(crate) struct Rule {
    /// `None` for any.
    pub(crate) verb: Option<Verb>,
    /// As it was written, for messages.
    pub(crate) text: String,
    pub(crate) template: Template,
    /// The fields of the template's variables, in their order.
    pub(crate) variables: Vec<Bound>,
    /// The reason why the client makes no request by it, if there is one.
    pub(crate) unsendable: Option<&'static str>,
    pub(crate) body: Body,
    /// The number of the field that is the body.
    pub(crate) body_field: Option<u32>,
    pub(crate) response: Response,
    /// Top-level fields that the query leaves out, since path or body have them.
    pub(crate) skip: Vec<u32>,
    /// Fields that the path has, and that are to be taken out of what else carries the message.
    pub(crate) strip: Vec<Vec<u32>>,
}

/// A rule that cannot be served.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) pattern: String,
    pub(crate) reason: String,
}

/// A field at any depth.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The field numbers that lead to it.
    pub(crate) numbers: Vec<u32>,
    /// The oneof of each of these fields, within its message.
    pub(crate) oneofs: Vec<Option<usize>>,
    /// The message that has it, and its place there.
    pub(crate) parent: MessageId,
    pub(crate) place: usize,
}

/// What of a request is the HTTP body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    /// All that the path does not carry.
    All,
    /// The field at this place.
    Field(usize),
    /// A `google.api.HttpBody`, whose data is the body: the message itself, or its field of this number.
    Raw(Option<u32>),
}

/// What of a reply is the HTTP body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Response {
    All,
    Field(usize),
    Raw(Option<u32>),
}

const HTTP_BODY: &str = "google.api.HttpBody";

impl Rule {
    /// The rule and its additional bindings, in order. Of those that cannot be served it is the fault.
    pub(crate) fn all(
        schema: &Schema,
        rule: &HttpRule,
        input: MessageId,
        output: MessageId,
    ) -> Vec<Result<Self, Fault>> {
        let compile = |rule| {
            Self::new(schema, rule, input, output).map_err(|reason| Fault {
                pattern: pattern(rule),
                reason,
            })
        };
        let mut rules = vec![compile(rule)];
        for binding in &rule.additional_bindings {
            rules.push(compile(binding));
            let nested = binding.additional_bindings.iter();
            rules.extend(nested.map(|nested| {
                Err(Fault {
                    pattern: pattern(nested),
                    reason: "it is a binding within an additional binding".to_owned(),
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
        let (kind, path) = parts(rule).ok_or("it has no HTTP method")?;
        let verb = match kind {
            "*" => None,
            kind => {
                let verb = kind.parse::<Verb>();
                Some(verb.map_err(|_| format!("`{kind}` is no HTTP method"))?)
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
        let of_body = match body {
            Body::Field(place) => schema.message(input).fields.get(place),
            Body::Raw(number) => {
                let fields = &schema.message(input).fields;
                fields.iter().find(|field| Some(field.number) == number)
            }
            Body::None | Body::All => None,
        };
        let of_body = of_body.map(|field| field.number);
        let all = body == Body::All;
        let paths = variables.iter().map(|bound| &bound.numbers);
        let single = paths.clone().filter(|path| path.len() == 1);
        let skip = single.map(|path| path[0]).chain(of_body).collect();
        // What the query skips anyway need not be taken out, nor what the body has as it is.
        let strip = paths
            .filter(|path| all || (path.len() > 1 && Some(path[0]) != of_body))
            .cloned()
            .collect();
        let any = verb.is_none();
        let any = any.then_some("it is for any HTTP method, and names none to send");
        Ok(Self {
            text: pattern(rule),
            unsendable: any.or(template.unfillable()),
            verb,
            template,
            variables,
            body,
            body_field: of_body,
            response,
            skip,
            strip,
        })
    }
}

/// The HTTP method, or `*` for any, and the path template.
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

/// The rule in a line, for messages.
pub(crate) fn pattern(rule: &HttpRule) -> String {
    parts(rule).map_or_else(String::new, |(kind, path)| format!("{kind} {path}"))
}

/// Checks that one request can have all the variables.
fn exclusive(template: &Template, variables: &[Bound]) -> Result<(), String> {
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

impl Bound {
    /// Whether a request cannot have both this field and another, since they are, or are in, members of one
    /// oneof.
    pub(crate) fn excludes(&self, path: &[&Field]) -> bool {
        self.parts_from(path.iter().map(|field| (field.number, field.oneof)))
    }

    /// Whether two ways to a field part at members of one oneof.
    fn parts_from(&self, other: impl Iterator<Item = (u32, Option<usize>)>) -> bool {
        let own = self.numbers.iter().zip(&self.oneofs);
        let parting = own
            .zip(other)
            .find(|((number, _), (other, _))| *number != other);
        parting.is_some_and(|((_, oneof), (_, other))| oneof.is_some() && *oneof == other)
    }
}

/// The field of a variable: a single scalar.
fn bound(schema: &Schema, input: MessageId, path: &str) -> Result<Bound, String> {
    let mut parent = input;
    let (mut numbers, mut oneofs) = (Vec::new(), Vec::new());
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        let message = schema.message(parent);
        let (place, field) = field(schema, parent, name)?;
        numbers.push(field.number);
        oneofs.push(field.oneof);
        if field.repeat != Repeat::Once {
            return Err(format!(
                "`{path}` leads through the repeated field `{name}`"
            ));
        }
        match (field.kind, names.peek()) {
            (Kind::Message(next), Some(_)) if schema.message(next).shape == Shape::Object => {
                parent = next;
            }
            (Kind::Message(next), Some(_)) => {
                let inner = &schema.message(next).name;
                return Err(format!(
                    "`{path}` leads through `{name}`, a {inner}, whose JSON form is no object"
                ));
            }
            (_, Some(_)) => return Err(format!("`{path}` leads through the scalar `{name}`")),
            (Kind::Message(_), None) => {
                let owner = &message.name;
                return Err(format!(
                    "`{name}` of {owner} is a message, no path can hold it"
                ));
            }
            (_, None) => {
                return Ok(Bound {
                    numbers,
                    oneofs,
                    parent,
                    place,
                });
            }
        }
    }
    Err("a variable has no name".to_owned())
}

fn field<'s>(
    schema: &'s Schema,
    message: MessageId,
    name: &str,
) -> Result<(usize, &'s Field), String> {
    let message = schema.message(message);
    message
        .field_named(name)
        .ok_or_else(|| format!("{} has no field `{name}`", message.name))
}

fn is_raw(schema: &Schema, message: MessageId) -> bool {
    schema.message(message).name == HTTP_BODY
}

/// Whether the field is a `google.api.HttpBody`, of which there is one.
fn is_raw_field(schema: &Schema, field: &Field) -> bool {
    field.repeat == Repeat::Once
        && matches!(field.kind, Kind::Message(inner) if is_raw(schema, inner))
}

fn body(schema: &Schema, input: MessageId, name: &str) -> Result<Body, String> {
    match name {
        "" => Ok(Body::None),
        "*" if is_raw(schema, input) => Ok(Body::Raw(None)),
        "*" => Ok(Body::All),
        name => {
            let (place, field) = field(schema, input, name)?;
            Ok(if is_raw_field(schema, field) {
                Body::Raw(Some(field.number))
            } else {
                Body::Field(place)
            })
        }
    }
}

fn response(schema: &Schema, output: MessageId, name: &str) -> Result<Response, String> {
    match name {
        "" | "*" if is_raw(schema, output) => Ok(Response::Raw(None)),
        "" | "*" => Ok(Response::All),
        name => {
            let (place, field) = field(schema, output, name)?;
            Ok(if is_raw_field(schema, field) {
                Response::Raw(Some(field.number))
            } else {
                Response::Field(place)
            })
        }
    }
}
