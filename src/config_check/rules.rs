//! The rules, their severities and the pages that document them.

use super::diagnostic::{Rule, Severity};

const LIMITATIONS_2: &str = "https://cloud.google.com/api-gateway/docs/openapi-limitations";
const LIMITATIONS_3: &str = "https://cloud.google.com/api-gateway/docs/openapi-v3-limitations";
const EXTENSIONS_2: &str = "https://cloud.google.com/api-gateway/docs/oasv2-extensions";
const EXTENSIONS_3: &str = "https://cloud.google.com/api-gateway/docs/oasv3-extensions";
const OVERVIEW: &str = "https://cloud.google.com/api-gateway/docs/openapi-overview";
const OPENAPI_2: &str = "https://spec.openapis.org/oas/v2.0";
const OPENAPI_3: &str = "https://spec.openapis.org/oas/v3.0.4";
const GRPC: &str = "https://cloud.google.com/api-gateway/docs/grpc-overview";

macro_rules! rules {
    ($($severity:ident $constant:ident $name:literal $link:expr;)*) => {
        $(pub(super) static $constant: Rule = Rule {
            name: $name,
            severity: Severity::$severity,
            link: $link,
        };)*
    };
}

rules! {
    // Reading a file.
    Error ENCODING "encoding" None;
    Error SYNTAX "syntax" None;
    Error EMPTY_FILE "empty-file" None;
    Error KEY "key" None;
    Error TOO_DEEP "too-deep" None;
    Error TOO_MANY_VALUES "too-many-values" None;
    Error TOO_MANY_ALIASES "too-many-aliases" Some(LIMITATIONS_2);
    Error FILE_EXTENSION "file-extension" Some(OVERVIEW);
    Warning DUPLICATE_KEY "duplicate-key" None;
    Warning MORE_DOCUMENTS "more-documents" None;
    // OpenAPI of any version.
    Error VERSION "version" Some(OVERVIEW);
    Error UNKNOWN_FIELD "unknown-field" Some(OPENAPI_2);
    Error MISSING_FIELD "missing-field" Some(OPENAPI_2);
    Error INVALID_VALUE "invalid-value" Some(OPENAPI_2);
    Error PATH_TEMPLATE "path-template" Some(LIMITATIONS_2);
    Error PATH_COLLISION "path-collision" None;
    Error OPERATION_ID "operation-id" Some(OVERVIEW);
    Error EXTERNAL_REFERENCE "external-reference" Some(LIMITATIONS_2);
    Error REFERENCE "reference" Some(OPENAPI_2);
    Error CIRCULAR_REFERENCE "circular-reference" None;
    Error SECURITY_CONJUNCTION "security-conjunction" Some(LIMITATIONS_2);
    Error EXTENSION "extension" Some(EXTENSIONS_2);
    Warning API_KEY_ALTERNATIVE "api-key-alternative" Some(LIMITATIONS_2);
    Warning OPTIONAL_TOKEN "optional-token" Some(LIMITATIONS_2);
    Warning UNSECURED "unsecured" None;
    Warning UNSUPPORTED_SECURITY "unsupported-security" Some(LIMITATIONS_2);
    Warning PLAIN_HTTP "plain-http" Some(EXTENSIONS_2);
    Warning NO_BACKEND "no-backend" Some(EXTENSIONS_2);
    Warning BACKEND "backend" Some(EXTENSIONS_2);
    Warning UNKNOWN_EXTENSION "unknown-extension" Some(EXTENSIONS_2);
    // OpenAPI 2.0.
    Error HOST "host" Some(LIMITATIONS_2);
    Error API_NAME "api-name" None;
    Error PATH_PARAMETER "path-parameter" Some(LIMITATIONS_2);
    Warning DANGLING_REFERENCE "dangling-reference" Some(OPENAPI_2);
    Error DUPLICATE_PARAMETER "duplicate-parameter" Some(OPENAPI_2);
    Error DUPLICATE_FIELD "duplicate-field" Some(OPENAPI_2);
    Warning UNDEFINED_SECURITY "undefined-security" Some(OPENAPI_2);
    Warning DEPRECATED "deprecated" Some(EXTENSIONS_2);
    Warning UNKNOWN_MEMBER "unknown-member" Some(EXTENSIONS_2);
    // OpenAPI 3.x.
    Error MANAGEMENT "api-management" Some(EXTENSIONS_3);
    Error SERVERS "servers" Some(LIMITATIONS_3);
    Error SECURITY_3 "security" Some(LIMITATIONS_3);
    Error INVALID_VALUE_3 "invalid-value" Some(OPENAPI_3);
    Error MISSING_FIELD_3 "missing-field" Some(OPENAPI_3);
    Warning UNKNOWN_FIELD_3 "unknown-field" Some(OPENAPI_3);
    Warning NO_OPERATION_ID "no-operation-id" Some(OVERVIEW);
    Warning UNSUPPORTED_EXTENSION "unsupported-extension" Some(LIMITATIONS_3);
    Warning UNKNOWN_MEMBER_3 "unknown-member" Some(EXTENSIONS_3);
    // gRPC.
    Error DESCRIPTOR_SET "descriptor-set" Some(GRPC);
    Error SERVICE_CONFIG "service-config" Some(GRPC);
}

/// The rule of a config that is rejected before its files are read.
pub(super) const CONFIG: &str = "config";
