//! A rule of `google.api.http`, checked against the message that it maps.

use http::Method as Verb;

use super::descriptor::{HttpRule, Pattern};
use super::schema::{Field, Kind, MessageId, Repeat, Schema};
use super::template::Template;

/// One way of calling a method over HTTP.
#[derive(Debug)]
pub(super) struct Rule {
    /// `None` for any.
    pub(super) verb: Option<Verb>,
    /// As it was written, for messages.
    pub(super) text: String,
    pub(super) template: Template,
    /// The fields of the template's variables, in their order.
    pub(super) variables: Vec<Bound>,
    pub(super) body: Body,
    pub(super) response: Response,
    /// Top-level fields that the query leaves out, since path or body have them.
    pub(super) skip: Vec<u32>,
    /// Fields that the path has, and that are to be taken out of what else carries the message.
    pub(super) strip: Vec<Vec<u32>>,
}

/// A field at any depth.
#[derive(Debug)]
pub(super) struct Bound {
    /// The field numbers that lead to it.
    pub(super) numbers: Vec<u32>,
    /// The message that has it, and its place there.
    pub(super) parent: MessageId,
    pub(super) place: usize,
}

/// What of a request is the HTTP body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
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
pub(super) enum Response {
    All,
    Field(usize),
    Raw(Option<u32>),
}

const HTTP_BODY: &str = "google.api.HttpBody";

impl Rule {
    /// The rule and its additional bindings, in order.
    ///
    /// # Errors
    ///
    /// If one is not of the grammar, or names what the messages do not have; the text names the rule.
    pub(super) fn all(
        schema: &Schema,
        rule: &HttpRule,
        input: MessageId,
        output: MessageId,
    ) -> Result<Vec<Self>, String> {
        let mut rules = vec![Self::new(schema, rule, input, output)?];
        for binding in &rule.additional_bindings {
            if !binding.additional_bindings.is_empty() {
                return Err("an additional binding has bindings of its own".to_owned());
            }
            rules.push(Self::new(schema, binding, input, output)?);
        }
        Ok(rules)
    }

    fn new(
        schema: &Schema,
        rule: &HttpRule,
        input: MessageId,
        output: MessageId,
    ) -> Result<Self, String> {
        let (verb, text) = match &rule.pattern {
            Some(Pattern::Get(path)) => (Some(Verb::GET), path),
            Some(Pattern::Put(path)) => (Some(Verb::PUT), path),
            Some(Pattern::Post(path)) => (Some(Verb::POST), path),
            Some(Pattern::Delete(path)) => (Some(Verb::DELETE), path),
            Some(Pattern::Patch(path)) => (Some(Verb::PATCH), path),
            Some(Pattern::Custom(custom)) if custom.kind == "*" => (None, &custom.path),
            Some(Pattern::Custom(custom)) => {
                let verb = custom.kind.parse();
                let verb = verb.map_err(|_| format!("`{}` is no HTTP method", custom.kind))?;
                (Some(verb), &custom.path)
            }
            None => return Err("it has no HTTP method".to_owned()),
        };
        let named = |why: String| format!("the rule `{} {text}`: {why}", show(verb.as_ref()));
        let template = Template::parse(text).map_err(named)?;
        let variables = template
            .variables
            .iter()
            .map(|variable| bound(schema, input, &variable.field))
            .collect::<Result<Vec<_>, _>>()
            .map_err(named)?;
        let body = body(schema, input, &rule.body).map_err(named)?;
        let response = response(schema, output, &rule.response_body).map_err(named)?;
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
        Ok(Self {
            text: format!("{} {text}", show(verb.as_ref())),
            verb,
            template,
            variables,
            body,
            response,
            skip,
            strip,
        })
    }
}

fn show(verb: Option<&Verb>) -> &str {
    verb.map_or("*", Verb::as_str)
}

/// The field of a variable: a single scalar.
fn bound(schema: &Schema, input: MessageId, path: &str) -> Result<Bound, String> {
    let mut parent = input;
    let mut numbers = Vec::new();
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        let message = schema.message(parent);
        let (place, field) = field(schema, parent, name)?;
        numbers.push(field.number);
        if field.repeat != Repeat::Once {
            return Err(format!(
                "`{path}` leads through the repeated field `{name}`"
            ));
        }
        match (field.kind, names.peek()) {
            (Kind::Message(next), Some(_)) => parent = next,
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
