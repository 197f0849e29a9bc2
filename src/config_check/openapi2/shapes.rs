//! The shapes of OpenAPI 2.0, as in the schema of the service's converter.

use crate::config_check::node::Node;
use crate::config_check::rules;
use crate::config_check::shape::Shape::{
    Any, Bool, By, Count, Email, List, Map, Number, Pattern, Positive, Text, True, Uri, Word,
};
use crate::config_check::shape::{Dialect, Items, Object, Shape};

pub(super) static DIALECT: Dialect = Dialect {
    unknown: &rules::UNKNOWN_FIELD,
    missing: &rules::MISSING_FIELD,
    invalid: &rules::INVALID_VALUE,
    hints: &[
        ("openapi", "a document has either `swagger` or `openapi`"),
        (
            "components",
            "OpenAPI 2.0 has `definitions`, `parameters`, `responses` and `securityDefinitions`",
        ),
        (
            "servers",
            "OpenAPI 2.0 has `host`, `basePath` and `schemes`",
        ),
        (
            "requestBody",
            "OpenAPI 2.0 has a parameter with `in: body` and a `schema`",
        ),
        (
            "content",
            "OpenAPI 2.0 has `schema` here, and media types in `produces` or `consumes`",
        ),
        (
            "schema",
            "OpenAPI 2.0 has `type` here, and `schema` only in a parameter with `in: body`",
        ),
        (
            "nullable",
            "OpenAPI 2.0 has no null; `x-nullable` is an extension",
        ),
        ("oneOf", "OpenAPI 2.0 has only `allOf`"),
        ("anyOf", "OpenAPI 2.0 has only `allOf`"),
        ("not", "OpenAPI 2.0 has only `allOf`"),
        ("const", "OpenAPI 2.0 has `enum`"),
        ("writeOnly", "OpenAPI 2.0 has only `readOnly`"),
        ("callbacks", "OpenAPI 2.0 has no callbacks"),
        ("links", "OpenAPI 2.0 has no links"),
        ("trace", "OpenAPI 2.0 has no operation for TRACE"),
        ("style", "OpenAPI 2.0 has `collectionFormat`"),
        ("explode", "OpenAPI 2.0 has `collectionFormat`"),
        (
            "bearerFormat",
            "OpenAPI 2.0 has `type: oauth2` with `x-google-issuer` and `x-google-jwks_uri`",
        ),
        (
            "flows",
            "OpenAPI 2.0 has `flow`, with its URLs and scopes beside it",
        ),
    ],
};

/// Media types, schemes and tags are lists without duplicates.
const TEXTS: Shape = List(&Text, Items::Distinct);
const SCHEMES: Shape = List(&Word(&["http", "https", "ws", "wss"]), Items::Distinct);
const SECURITY: Shape = List(&Map(&TEXTS), Items::Distinct);

pub(super) static DOCUMENT: Object = Object {
    what: "the document",
    fields: &[
        ("swagger", Text),
        ("info", Shape::Object(&INFO)),
        // A separate check reports any other error of the host.
        ("host", Text),
        ("basePath", Text),
        ("schemes", SCHEMES),
        ("consumes", TEXTS),
        ("produces", TEXTS),
        ("paths", Shape::Object(&PATHS)),
        ("definitions", Map(&SCHEMA_SHAPE)),
        ("parameters", Map(&By(parameter))),
        ("responses", Map(&Shape::Object(&RESPONSE))),
        ("security", SECURITY),
        ("securityDefinitions", Map(&By(security))),
        ("tags", List(&Shape::Object(&TAG), Items::Distinct)),
        ("externalDocs", EXTERNAL_DOCS),
    ],
    required: &["swagger", "info", "paths"],
    extensions: true,
    pattern: None,
};

static INFO: Object = Object {
    what: "`info`",
    fields: &[
        ("title", Text),
        ("version", Text),
        ("description", Text),
        ("termsOfService", Text),
        ("contact", Shape::Object(&CONTACT)),
        ("license", Shape::Object(&LICENSE)),
    ],
    required: &["version", "title"],
    extensions: true,
    pattern: None,
};

static CONTACT: Object = Object {
    what: "`contact`",
    fields: &[("name", Text), ("url", Uri), ("email", Email)],
    required: &[],
    extensions: false,
    pattern: None,
};

static LICENSE: Object = Object {
    what: "`license`",
    fields: &[("name", Text), ("url", Uri)],
    required: &["name"],
    extensions: false,
    pattern: None,
};

const EXTERNAL_DOCS: Shape = Shape::Object(&EXTERNAL_DOCS_OBJECT);
static EXTERNAL_DOCS_OBJECT: Object = Object {
    what: "`externalDocs`",
    fields: &[("description", Text), ("url", Uri)],
    required: &["url"],
    extensions: false,
    pattern: None,
};

static TAG: Object = Object {
    what: "a tag",
    fields: &[
        ("name", Text),
        ("description", Text),
        ("externalDocs", EXTERNAL_DOCS),
    ],
    required: &["name"],
    extensions: true,
    pattern: None,
};

static PATHS: Object = Object {
    what: "`paths`, whose names must begin with `/`",
    fields: &[],
    required: &[],
    extensions: true,
    pattern: Some((|key| key.starts_with('/'), Shape::Object(&PATH_ITEM))),
};

static PATH_ITEM: Object = Object {
    what: "a path",
    fields: &[
        ("$ref", Text),
        ("get", OPERATION_SHAPE),
        ("put", OPERATION_SHAPE),
        ("post", OPERATION_SHAPE),
        ("delete", OPERATION_SHAPE),
        ("options", OPERATION_SHAPE),
        ("head", OPERATION_SHAPE),
        ("patch", OPERATION_SHAPE),
        ("parameters", PARAMETERS),
    ],
    required: &[],
    extensions: true,
    pattern: None,
};

const OPERATION_SHAPE: Shape = Shape::Object(&OPERATION);
static OPERATION: Object = Object {
    what: "an operation",
    fields: &[
        ("tags", TEXTS),
        ("summary", Text),
        ("description", Text),
        ("externalDocs", EXTERNAL_DOCS),
        ("operationId", Text),
        ("produces", TEXTS),
        ("consumes", TEXTS),
        ("parameters", PARAMETERS),
        ("responses", Shape::Object(&RESPONSES)),
        ("schemes", SCHEMES),
        ("deprecated", Bool),
        ("security", SECURITY),
    ],
    required: &["responses"],
    extensions: true,
    pattern: None,
};

static RESPONSES: Object = Object {
    what: "`responses`, whose names must be HTTP statuses or `default`",
    fields: &[],
    required: &[],
    extensions: true,
    pattern: Some((is_response, By(response))),
};

fn is_response(key: &str) -> bool {
    key == "default" || (key.len() == 3 && key.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns true for a mapping that has no other field than `$ref`. An empty mapping is a reference too.
fn is_reference(node: &Node) -> bool {
    node.map()
        .is_some_and(|map| map.entries().iter().all(|entry| &*entry.key == "$ref"))
}

static REFERENCE: Shape = Shape::Object(&REFERENCE_OBJECT);
static REFERENCE_OBJECT: Object = Object {
    what: "a reference",
    fields: &[("$ref", Text)],
    required: &[],
    extensions: false,
    pattern: None,
};

fn response(node: &Node) -> &'static Shape {
    static SHAPE: Shape = Shape::Object(&RESPONSE);
    if is_reference(node) {
        &REFERENCE
    } else {
        &SHAPE
    }
}

static RESPONSE: Object = Object {
    what: "a response",
    fields: &[
        ("description", Text),
        ("schema", SCHEMA_SHAPE),
        ("headers", Map(&Shape::Object(&HEADER))),
        ("examples", Shape::Object(&EXAMPLES)),
    ],
    required: &["description"],
    extensions: false,
    pattern: None,
};

static EXAMPLES: Object = Object {
    what: "`examples`, whose names must be media types in lowercase",
    fields: &[],
    required: &[],
    extensions: false,
    pattern: Some((is_media_type, Any)),
};

fn is_media_type(key: &str) -> bool {
    let fits = |text: &str, plus: bool| {
        let fits = |byte: u8| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || byte == b'-'
                || (plus && byte == b'+')
        };
        !text.is_empty() && text.bytes().all(fits)
    };
    let parts = key.split_once('/');
    parts.is_some_and(|(kind, subtype)| fits(kind, false) && fits(subtype, true))
}

/// The fields that limit a value.
macro_rules! limited {
    ($types:expr, $format:expr, $($more:expr),*) => {
        &[
            ("type", Word($types)),
            ("format", Text),
            ("items", ITEMS_SHAPE),
            ("collectionFormat", Word($format)),
            ("default", Any),
            ("maximum", Number),
            ("exclusiveMaximum", Bool),
            ("minimum", Number),
            ("exclusiveMinimum", Bool),
            ("maxLength", Count),
            ("minLength", Count),
            ("pattern", Pattern),
            ("maxItems", Count),
            ("minItems", Count),
            ("uniqueItems", Bool),
            ("enum", List(&Any, Items::SomeDistinct)),
            ("multipleOf", Positive),
            $($more),*
        ]
    };
}

const TYPES: &[&str] = &["string", "number", "boolean", "integer", "array"];
const FORM_TYPES: &[&str] = &["string", "number", "boolean", "integer", "array", "file"];
const FORMATS: &[&str] = &["csv", "ssv", "tsv", "pipes"];
const MULTI_FORMATS: &[&str] = &["csv", "ssv", "tsv", "pipes", "multi"];

static HEADER: Object = Object {
    what: "a header",
    fields: limited!(TYPES, FORMATS, ("description", Text)),
    required: &["type"],
    extensions: false,
    pattern: None,
};

const ITEMS_SHAPE: Shape = By(nested_items);

fn nested_items(_: &Node) -> &'static Shape {
    static SHAPE: Shape = Shape::Object(&ITEMS);
    &SHAPE
}
static ITEMS: Object = Object {
    what: "`items`",
    fields: limited!(TYPES, FORMATS,),
    required: &[],
    extensions: false,
    pattern: None,
};

const PARAMETERS: Shape = List(&By(parameter_or_reference), Items::Distinct);

fn parameter_or_reference(node: &Node) -> &'static Shape {
    if is_reference(node) {
        &REFERENCE
    } else {
        parameter(node)
    }
}

/// Returns the shape of a parameter, which depends on its `in`.
fn parameter(node: &Node) -> &'static Shape {
    static BODY_SHAPE: Shape = Shape::Object(&BODY);
    static HEADER_SHAPE: Shape = Shape::Object(&IN_HEADER);
    static QUERY_SHAPE: Shape = Shape::Object(&IN_QUERY);
    static FORM_SHAPE: Shape = Shape::Object(&IN_FORM);
    static PATH_SHAPE: Shape = Shape::Object(&IN_PATH);
    match node.text_of("in") {
        Some("body") => &BODY_SHAPE,
        Some("header") => &HEADER_SHAPE,
        Some("formData") => &FORM_SHAPE,
        Some("path") => &PATH_SHAPE,
        // For any other value of `in`, the shape of a query parameter reports the error.
        _ => &QUERY_SHAPE,
    }
}

const PLACE: Shape = Word(&["body", "formData", "header", "path", "query"]);

static BODY: Object = Object {
    what: "a parameter with `in: body`",
    fields: &[
        ("description", Text),
        ("name", Text),
        ("in", PLACE),
        ("required", Bool),
        ("schema", SCHEMA_SHAPE),
    ],
    required: &["name", "in", "schema"],
    extensions: true,
    pattern: None,
};

macro_rules! parameter {
    ($name:ident, $what:literal, $types:expr, $formats:expr, $required:expr $(, $more:expr)*) => {
        static $name: Object = Object {
            what: $what,
            fields: limited!(
                $types,
                $formats,
                ("required", $required),
                ("in", PLACE),
                ("description", Text),
                ("name", Text)
                $(, $more)*
            ),
            required: &["name", "in", "type"],
            extensions: true,
            pattern: None,
        };
    };
}

parameter!(
    IN_HEADER,
    "a parameter with `in: header`",
    TYPES,
    FORMATS,
    Bool
);
parameter!(
    IN_QUERY,
    "a parameter",
    TYPES,
    MULTI_FORMATS,
    Bool,
    ("allowEmptyValue", Bool)
);
parameter!(
    IN_FORM,
    "a parameter with `in: formData`",
    FORM_TYPES,
    MULTI_FORMATS,
    Bool,
    ("allowEmptyValue", Bool)
);
parameter!(IN_PATH, "a parameter with `in: path`", TYPES, FORMATS, True);

/// The shape of a schema. It is a function, since a schema may contain schemas and a constant cannot refer to itself.
const SCHEMA_SHAPE: Shape = By(schema);

fn schema(_: &Node) -> &'static Shape {
    static SHAPE: Shape = Shape::Object(&SCHEMA);
    &SHAPE
}
const SIMPLE_TYPES: Shape = Word(&[
    "array", "boolean", "integer", "null", "number", "object", "string",
]);

static SCHEMA: Object = Object {
    what: "a schema",
    fields: &[
        ("$ref", Text),
        ("format", Text),
        ("title", Text),
        ("description", Text),
        ("default", Any),
        ("multipleOf", Positive),
        ("maximum", Number),
        ("exclusiveMaximum", Bool),
        ("minimum", Number),
        ("exclusiveMinimum", Bool),
        ("maxLength", Count),
        ("minLength", Count),
        ("pattern", Pattern),
        ("maxItems", Count),
        ("minItems", Count),
        ("uniqueItems", Bool),
        ("maxProperties", Count),
        ("minProperties", Count),
        ("required", List(&Text, Items::SomeDistinct)),
        ("enum", List(&Any, Items::SomeDistinct)),
        ("additionalProperties", Any),
        ("type", By(types)),
        ("items", By(items)),
        ("allOf", List(&SCHEMA_SHAPE, Items::Some)),
        ("properties", Map(&SCHEMA_SHAPE)),
        ("discriminator", Text),
        ("readOnly", Bool),
        ("xml", Shape::Object(&XML)),
        ("externalDocs", EXTERNAL_DOCS),
        ("example", Any),
    ],
    required: &[],
    extensions: true,
    pattern: None,
};

fn types(node: &Node) -> &'static Shape {
    static ONE: Shape = SIMPLE_TYPES;
    static SEVERAL: Shape = List(&SIMPLE_TYPES, Items::SomeDistinct);
    if node.list().is_some() {
        &SEVERAL
    } else {
        &ONE
    }
}

fn items(node: &Node) -> &'static Shape {
    static ONE: Shape = SCHEMA_SHAPE;
    static SEVERAL: Shape = List(&SCHEMA_SHAPE, Items::Some);
    if node.list().is_some() {
        &SEVERAL
    } else {
        &ONE
    }
}

static XML: Object = Object {
    what: "`xml`",
    fields: &[
        ("name", Text),
        ("namespace", Text),
        ("prefix", Text),
        ("attribute", Bool),
        ("wrapped", Bool),
    ],
    required: &[],
    extensions: false,
    pattern: None,
};

/// The shape of a security definition depends on its type and flow.
fn security(node: &Node) -> &'static Shape {
    static BASIC_SHAPE: Shape = Shape::Object(&BASIC);
    static API_KEY_SHAPE: Shape = Shape::Object(&API_KEY);
    static IMPLICIT_SHAPE: Shape = Shape::Object(&IMPLICIT);
    static TOKEN_SHAPE: Shape = Shape::Object(&TOKEN);
    static ACCESS_CODE_SHAPE: Shape = Shape::Object(&ACCESS_CODE);
    static OTHER_SHAPE: Shape = Shape::Object(&OTHER);
    match (node.text_of("type"), node.text_of("flow")) {
        (Some("basic"), _) => &BASIC_SHAPE,
        (Some("apiKey"), _) => &API_KEY_SHAPE,
        (Some("oauth2"), Some("password" | "application")) => &TOKEN_SHAPE,
        (Some("oauth2"), Some("accessCode")) => &ACCESS_CODE_SHAPE,
        (Some("oauth2"), _) => &IMPLICIT_SHAPE,
        _ => &OTHER_SHAPE,
    }
}

const SECURITY_TYPE: Shape = Word(&["apiKey", "basic", "oauth2"]);
const FLOW: Shape = Word(&["accessCode", "application", "implicit", "password"]);
const SCOPES: Shape = Map(&Text);

static OTHER: Object = Object {
    what: "a security definition",
    fields: &[("type", SECURITY_TYPE)],
    required: &["type"],
    extensions: true,
    pattern: Some((|_| true, Any)),
};

static BASIC: Object = Object {
    what: "a security definition with `type: basic`",
    fields: &[("type", SECURITY_TYPE), ("description", Text)],
    required: &["type"],
    extensions: true,
    pattern: None,
};

static API_KEY: Object = Object {
    what: "a security definition with `type: apiKey`",
    fields: &[
        ("type", SECURITY_TYPE),
        ("name", Text),
        ("in", Word(&["header", "query"])),
        ("description", Text),
    ],
    required: &["type", "name", "in"],
    extensions: true,
    pattern: None,
};

static IMPLICIT: Object = Object {
    what: "a security definition with `type: oauth2`",
    fields: &[
        ("type", SECURITY_TYPE),
        ("flow", FLOW),
        ("scopes", SCOPES),
        ("authorizationUrl", Uri),
        ("description", Text),
    ],
    required: &["type", "flow", "authorizationUrl"],
    extensions: true,
    pattern: None,
};

static TOKEN: Object = Object {
    what: "a security definition with `flow: password` or `flow: application`",
    fields: &[
        ("type", SECURITY_TYPE),
        ("flow", FLOW),
        ("scopes", SCOPES),
        ("tokenUrl", Uri),
        ("description", Text),
    ],
    required: &["type", "flow", "tokenUrl"],
    extensions: true,
    pattern: None,
};

static ACCESS_CODE: Object = Object {
    what: "a security definition with `flow: accessCode`",
    fields: &[
        ("type", SECURITY_TYPE),
        ("flow", FLOW),
        ("scopes", SCOPES),
        ("authorizationUrl", Uri),
        ("tokenUrl", Uri),
        ("description", Text),
    ],
    required: &["type", "flow", "authorizationUrl", "tokenUrl"],
    extensions: true,
    pattern: None,
};
