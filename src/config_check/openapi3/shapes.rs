//! The shapes of OpenAPI 3.0 and 3.1.
//!
//! The service documents no check for unknown fields in OpenAPI 3.x, so unknown fields are warnings. Schemas are not checked:
//! 3.1 has all of JSON Schema, and the service does not enforce them.

use crate::config_check::node::Node;
use crate::config_check::rules;
use crate::config_check::shape::Shape::{Any, Bool, By, List, Map, Text, Word};
use crate::config_check::shape::{Dialect, Items, Object, Shape};

pub(super) static DIALECT: Dialect = Dialect {
    unknown: &rules::UNKNOWN_FIELD_3,
    missing: &rules::MISSING_FIELD_3,
    invalid: &rules::INVALID_VALUE_3,
    hints: &[
        ("swagger", "a document has either `swagger` or `openapi`"),
        ("host", "OpenAPI 3.x has `servers`"),
        ("basePath", "OpenAPI 3.x has `servers`"),
        ("schemes", "OpenAPI 3.x has `servers`"),
        ("definitions", "OpenAPI 3.x has `components.schemas`"),
        (
            "securityDefinitions",
            "OpenAPI 3.x has `components.securitySchemes`",
        ),
        (
            "consumes",
            "OpenAPI 3.x has media types in `requestBody.content`",
        ),
        (
            "produces",
            "OpenAPI 3.x has media types in the `content` of a response",
        ),
        ("parameters", "OpenAPI 3.x has `components.parameters`"),
        ("responses", "OpenAPI 3.x has `components.responses`"),
        ("type", "OpenAPI 3.x has `schema` in a parameter"),
    ],
};

macro_rules! document {
    ($name:ident, $required:expr) => {
        pub(super) static $name: Object = Object {
            what: "the document",
            fields: &[
                ("openapi", Text),
                ("info", Shape::Object(&INFO)),
                ("jsonSchemaDialect", Text),
                ("servers", List(&Shape::Object(&SERVER), Items::Any)),
                ("paths", Shape::Object(&PATHS)),
                ("webhooks", Map(&Any)),
                ("components", Shape::Object(&COMPONENTS)),
                ("security", SECURITY),
                ("tags", List(&Shape::Object(&TAG), Items::Any)),
                ("externalDocs", Any),
            ],
            required: $required,
            extensions: true,
            pattern: None,
        };
    };
}

// 3.0 requires `paths`. 3.1 requires one of `paths`, `components` and `webhooks`, which is not checked.
document!(DOCUMENT_3_0, &["openapi", "info", "paths"]);
document!(DOCUMENT_3_1, &["openapi", "info"]);

const SECURITY: Shape = List(&Map(&List(&Text, Items::Any)), Items::Any);

static INFO: Object = Object {
    what: "`info`",
    fields: &[
        ("title", Text),
        ("summary", Text),
        ("description", Text),
        ("termsOfService", Text),
        ("contact", Map(&Any)),
        ("license", Map(&Any)),
        ("version", Text),
    ],
    required: &["title", "version"],
    extensions: true,
    pattern: None,
};

static SERVER: Object = Object {
    what: "a server",
    fields: &[
        ("url", Text),
        ("description", Text),
        ("name", Text),
        ("variables", Map(&Any)),
    ],
    // The service requires no URL.
    required: &[],
    extensions: true,
    pattern: None,
};

static TAG: Object = Object {
    what: "a tag",
    fields: &[("name", Text), ("description", Text), ("externalDocs", Any)],
    required: &["name"],
    extensions: true,
    pattern: None,
};

static COMPONENTS: Object = Object {
    what: "`components`",
    fields: &[
        ("schemas", Map(&Any)),
        ("responses", Map(&By(response))),
        ("parameters", Map(&By(parameter))),
        ("examples", Map(&Any)),
        ("requestBodies", Map(&By(body))),
        ("headers", Map(&Any)),
        ("securitySchemes", Map(&By(scheme))),
        ("links", Map(&Any)),
        ("callbacks", Map(&Any)),
        ("pathItems", Map(&Shape::Object(&PATH_ITEM))),
    ],
    required: &[],
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

const OPERATION_SHAPE: Shape = Shape::Object(&OPERATION);

static PATH_ITEM: Object = Object {
    what: "a path",
    fields: &[
        ("$ref", Text),
        ("summary", Text),
        ("description", Text),
        ("get", OPERATION_SHAPE),
        ("put", OPERATION_SHAPE),
        ("post", OPERATION_SHAPE),
        ("delete", OPERATION_SHAPE),
        ("options", OPERATION_SHAPE),
        ("head", OPERATION_SHAPE),
        ("patch", OPERATION_SHAPE),
        ("trace", OPERATION_SHAPE),
        ("servers", List(&Map(&Any), Items::Any)),
        ("parameters", List(&By(parameter), Items::Any)),
    ],
    required: &[],
    extensions: true,
    pattern: None,
};

static OPERATION: Object = Object {
    what: "an operation",
    fields: &[
        ("tags", List(&Text, Items::Any)),
        ("summary", Text),
        ("description", Text),
        ("externalDocs", Any),
        ("operationId", Text),
        ("parameters", List(&By(parameter), Items::Any)),
        ("requestBody", By(body)),
        ("responses", Shape::Object(&RESPONSES)),
        ("callbacks", Map(&Any)),
        ("deprecated", Bool),
        ("security", SECURITY),
        ("servers", List(&Map(&Any), Items::Any)),
    ],
    required: &[],
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
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let range = |class: &str| class.len() == 1 && digits(class);
    key == "default" || (key.len() == 3 && digits(key)) || key.strip_suffix("XX").is_some_and(range)
}

/// The shape of a reference. The other fields of a reference are ignored.
fn reference(node: &Node) -> Option<&'static Shape> {
    static REFERENCE: Shape = Map(&Any);
    node.get("$ref").map(|_| &REFERENCE)
}

fn response(node: &Node) -> &'static Shape {
    static RESPONSE_SHAPE: Shape = Shape::Object(&RESPONSE);
    reference(node).unwrap_or(&RESPONSE_SHAPE)
}

static RESPONSE: Object = Object {
    what: "a response",
    fields: &[
        ("description", Text),
        ("headers", Map(&Any)),
        ("content", Map(&Map(&Any))),
        ("links", Map(&Any)),
    ],
    required: &["description"],
    extensions: true,
    pattern: None,
};

fn body(node: &Node) -> &'static Shape {
    static BODY_SHAPE: Shape = Shape::Object(&BODY);
    reference(node).unwrap_or(&BODY_SHAPE)
}

static BODY: Object = Object {
    what: "`requestBody`",
    fields: &[
        ("description", Text),
        ("content", Map(&Map(&Any))),
        ("required", Bool),
    ],
    required: &["content"],
    extensions: true,
    pattern: None,
};

fn parameter(node: &Node) -> &'static Shape {
    static PARAMETER_SHAPE: Shape = Shape::Object(&PARAMETER);
    reference(node).unwrap_or(&PARAMETER_SHAPE)
}

static PARAMETER: Object = Object {
    what: "a parameter",
    fields: &[
        ("name", Text),
        ("in", Word(&["cookie", "header", "path", "query"])),
        ("description", Text),
        ("required", Bool),
        ("deprecated", Bool),
        ("allowEmptyValue", Bool),
        ("style", Text),
        ("explode", Bool),
        ("allowReserved", Bool),
        ("schema", Any),
        ("example", Any),
        ("examples", Any),
        ("content", Map(&Any)),
    ],
    required: &["name", "in"],
    extensions: true,
    pattern: None,
};

fn scheme(node: &Node) -> &'static Shape {
    static SCHEME_SHAPE: Shape = Shape::Object(&SCHEME);
    static API_KEY_SHAPE: Shape = Shape::Object(&API_KEY);
    let shape = match node.text_of("type") {
        Some("apiKey") => &API_KEY_SHAPE,
        _ => &SCHEME_SHAPE,
    };
    reference(node).unwrap_or(shape)
}

const SCHEME_TYPE: Shape = Word(&["apiKey", "http", "mutualTLS", "oauth2", "openIdConnect"]);

static SCHEME: Object = Object {
    what: "a security scheme",
    fields: &[
        ("type", SCHEME_TYPE),
        ("description", Text),
        ("scheme", Text),
        ("bearerFormat", Text),
        ("flows", Map(&Any)),
        ("openIdConnectUrl", Text),
    ],
    required: &["type"],
    extensions: true,
    pattern: None,
};

static API_KEY: Object = Object {
    what: "a security scheme with `type: apiKey`",
    fields: &[
        ("type", SCHEME_TYPE),
        ("description", Text),
        ("name", Text),
        ("in", Word(&["cookie", "header", "query"])),
    ],
    required: &["type", "name", "in"],
    extensions: true,
    pattern: None,
};
