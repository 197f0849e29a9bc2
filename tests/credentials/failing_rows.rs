//! The table of failures.

use serde_json::{Value, json};

use crate::credential_file as file;
use crate::failing_row::{File, LASTING, NO_CODE, Row, SILENT, TRANSIENT, Tls};
use crate::setup::Found;
use crate::source::ALLOWED;
use crate::token_server::{
    AWS_KEYS, AWS_SESSION, Answer, IAM, METADATA, STS, SUBJECT_JSON, TOKEN, UNIVERSE,
};

/// All rows of the table.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(NOTHING);
    rows.extend(FILES);
    rows.extend(METADATA_ROWS);
    rows.extend(USER_ROWS);
    rows.extend(SERVICE_ACCOUNT_ROWS);
    rows.extend(IMPERSONATED_ROWS);
    rows.extend(EXTERNAL_ROWS);
    rows
}

/// The names of the sources in errors.
const USER: &str =
    "authorized_user credentials in `{file}` (named by GOOGLE_APPLICATION_CREDENTIALS)";
const SERVICE_ACCOUNT: &str = "service_account credentials in `{file}`";
const IMPERSONATED: &str = "impersonated_service_account credentials in `{file}`";
const EXTERNAL: &str = "external_account credentials in `{file}`";
const SERVER: &str = "metadata server";
const FILE: &str = "credential file `{file}`";
const NAMED: &str = "(named by GOOGLE_APPLICATION_CREDENTIALS)";

/// The advice in errors.
const LOG_IN: &str = "`gcloud auth application-default login`";
const SET_VARIABLE: &str = "set GOOGLE_APPLICATION_CREDENTIALS to a readable credential file";
const LOOK_FOR_PROXY: &str = "check for a captive portal or a proxy";
const CHECK_NETWORK: &str = "check the network";
const CHECK_SOURCE: &str = "check `credential_source` in the file";
const CHECK_ROLE: &str = "roles/iam.serviceAccountTokenCreator";
const CHECK_POOL: &str = "check the workload identity pool";
const LATER: &str = "try again later";

/// The causes in errors.
const NOTHING_FOUND: &str = "no credentials found: GOOGLE_APPLICATION_CREDENTIALS is not set, \
                             `{well-known}` does not exist";
const REVOKED_TEXT: &str = "HTTP 400 invalid_grant: Token has been expired or revoked; ";
const DENIED: &str = "HTTP 403 PERMISSION_DENIED: \
                      Permission 'iam.serviceAccounts.getAccessToken' denied";
const NOT_JSON: &str = "responded with text that is not JSON";

/// Nothing is configured, and there is no metadata server.
const NOTHING: &[Row] = &[
    Row::new("nothing configured, metadata host refuses").says(
        LASTING,
        [
            NOTHING_FOUND,
            "http://127.0.0.1:1 (named by GCE_METADATA_HOST)",
            "Connection refused",
            LOG_IN,
        ],
    ),
    Row::new("nothing configured, metadata host does not resolve")
        .variables(&[("GCE_METADATA_HOST", "metadata.invalid")])
        .says(
            LASTING,
            [
                "no credentials found",
                "http://metadata.invalid (named by GCE_METADATA_HOST)",
                "failed to lookup address information",
                LOG_IN,
            ],
        ),
];

const FILES: &[Row] = &[
    Row::new("file missing").file(File::Missing).says(
        NO_CODE,
        [FILE, NAMED, "No such file or directory", SET_VARIABLE],
    ),
    Row::new("file is a broken link")
        .file(File::BrokenLink)
        .says(
            NO_CODE,
            [FILE, NAMED, "No such file or directory", SET_VARIABLE],
        ),
    Row::new("file is a folder")
        .file(File::Folder)
        .says(NO_CODE, [FILE, NAMED, "Is a directory", SET_VARIABLE]),
    Row::new("file is not UTF-8")
        .file(File::Bytes(b"{\"type\": \"\xff\"}"))
        .says(
            NO_CODE,
            [FILE, NAMED, "did not contain valid UTF-8", SET_VARIABLE],
        ),
    Row::new("file is empty")
        .file(File::Bytes(b""))
        .says(NO_CODE, [FILE, NAMED, "EOF while parsing", LOG_IN]),
    Row::new("file is not JSON")
        .file(File::Bytes(
            b"{\"type\": \"authorized_user\", \"refresh_token\": hush}",
        ))
        .says(
            NO_CODE,
            [FILE, NAMED, "expected value at line 1 column 46", LOG_IN],
        ),
    Row::new("file has no type")
        .file(File::Bytes(b"{\"refresh_token\": \"hush\"}"))
        .says(NO_CODE, [FILE, NAMED, "missing field `type`", LOG_IN]),
    Row::new("file of unknown type")
        .file(File::Bytes(b"{\"type\": \"carrier_pigeon\"}"))
        .says(
            NO_CODE,
            [FILE, NAMED, "`carrier_pigeon` is not supported", LOG_IN],
        ),
    Row::new("external_account_authorized_user")
        .file(File::Bytes(
            b"{\"type\": \"external_account_authorized_user\"}",
        ))
        .says(
            NO_CODE,
            [
                FILE,
                NAMED,
                "`external_account_authorized_user` is not supported",
                "`gcloud iam workforce-pools create-cred-config`",
            ],
        ),
    Row::new("gdch_service_account")
        .file(File::Bytes(b"{\"type\": \"gdch_service_account\"}"))
        .says(
            NO_CODE,
            [
                FILE,
                NAMED,
                "`gdch_service_account` is not supported",
                "use credentials of Google Cloud",
            ],
        ),
    Row::new("authorized_user without refresh_token")
        .json(|place| without(file::authorized_user(place), "refresh_token"))
        .says(
            NO_CODE,
            [FILE, NAMED, "missing field `refresh_token`", LOG_IN],
        ),
    Row::new("service_account without private_key")
        .json(|place| without(file::service_account(place), "private_key"))
        .says(
            NO_CODE,
            [
                FILE,
                NAMED,
                "missing field `private_key`",
                "create a new key",
            ],
        ),
    Row::new("external_account without token_url")
        .json(|place| without(file::external_file_text(place), "token_url"))
        .says(
            NO_CODE,
            [
                FILE,
                NAMED,
                "missing field `token_url`",
                "workload-identity-pools",
            ],
        ),
    Row::new("impersonated_service_account without source_credentials")
        .json(|place| without(file::impersonated_from_user(place), "source_credentials"))
        .says(
            NO_CODE,
            [
                FILE,
                NAMED,
                "missing field `source_credentials`",
                "--impersonate-service-account",
            ],
        ),
    Row {
        found: Found::AtWellKnownPath,
        ..Row::new("well-known file is not JSON").file(File::Bytes(b"hush"))
    }
    .says(
        NO_CODE,
        [
            "credential file `{well-known}`",
            "(the well-known file)",
            "expected value at line 1 column 1",
            LOG_IN,
        ],
    ),
];

const METADATA_HERE: &[(&str, &str)] = &[("GCE_METADATA_HOST", "{host}")];

const METADATA_ROWS: &[Row] = &[
    Row::new("metadata server returns an HTML page")
        .variables(METADATA_HERE)
        .fault(METADATA, HTML)
        .says(LASTING, [SERVER, "{url}", NOT_JSON, LOOK_FOR_PROXY]),
    Row::new("metadata server returns 403")
        .variables(METADATA_HERE)
        .fault(METADATA, FORBIDDEN)
        .says(
            LASTING,
            [
                SERVER,
                "{url}",
                DENIED,
                "check the service account and the access scopes",
            ],
        ),
    Row::new("metadata server returns 404")
        .variables(METADATA_HERE)
        .fault(METADATA, NOT_FOUND)
        .says(
            LASTING,
            [
                SERVER,
                "{url}",
                "HTTP 404: no such account",
                "check that the instance has a service account, and that GCE_METADATA_HOST names a metadata server",
            ],
        ),
    Row::new("metadata server returns 500")
        .variables(METADATA_HERE)
        .fault(METADATA, BROKEN)
        .says(
            TRANSIENT,
            [SERVER, "{url}", "HTTP 500: internal failure", LATER],
        ),
    Row::new("metadata server does not respond")
        .variables(METADATA_HERE)
        .fault(METADATA, Answer::Silence)
        .says(SILENT, [SERVER, "{url}", "no token", CHECK_NETWORK])
        .within(45),
    Row::new("metadata server does not return its universe domain")
        .variables(METADATA_HERE)
        .fault(UNIVERSE, Answer::Silence)
        .says(
            SILENT,
            [
                SERVER,
                "",
                "did not return their universe domain within 2s, so they are not sent to googleapis.com",
                "retry the call",
            ],
        )
        .within(45),
    Row::new("metadata server returns another universe domain")
        .variables(METADATA_HERE)
        .fault(UNIVERSE, OTHER_UNIVERSE)
        .says(
            LASTING,
            [
                SERVER,
                "",
                "are for the universe domain example.com, but the client is for googleapis.com",
                "GOOGLE_CLOUD_UNIVERSE_DOMAIN",
            ],
        ),
];

const USER_ROWS: &[Row] = &[
    Row::new("authorized_user, refresh token is revoked")
        .json(file::authorized_user)
        .fault(TOKEN, REVOKED)
        .says(LASTING, [USER, "{url}/token", REVOKED_TEXT, LOG_IN]),
    Row::new("authorized_user, reauthentication is required (invalid_rapt)")
        .json(file::authorized_user)
        .fault(TOKEN, REAUTHENTICATE)
        .says(
            LASTING,
            [
                USER,
                "{url}/token",
                "invalid_grant (invalid_rapt): reauth related error",
                LOG_IN,
            ],
        ),
    Row::new("authorized_user, token endpoint returns an HTML page")
        .json(file::authorized_user)
        .fault(TOKEN, HTML)
        .says(LASTING, [USER, "{url}/token", NOT_JSON, LOOK_FOR_PROXY]),
    Row::new("authorized_user, token endpoint returns 403 and an HTML page")
        .json(file::authorized_user)
        .fault(TOKEN, BLOCKED)
        .says(
            LASTING,
            [
                USER,
                "{url}/token",
                "HTTP 403 and an HTML page titled `Blocked by policy`",
                LOOK_FOR_PROXY,
            ],
        ),
    Row::new("authorized_user, token endpoint returns 404")
        .json(file::authorized_user)
        .fault(TOKEN, NOT_FOUND)
        .says(
            LASTING,
            [USER, "{url}/token", "HTTP 404: no such account", LOG_IN],
        ),
    Row::new("authorized_user, token endpoint returns 400 and the refresh token")
        .json(file::authorized_user)
        .fault(TOKEN, ECHO)
        .says(
            LASTING,
            [
                USER,
                "{url}/token",
                "HTTP 400 invalid_request: bad refresh_token",
                LOG_IN,
            ],
        ),
    Row::new("authorized_user, token endpoint returns 500")
        .json(file::authorized_user)
        .fault(TOKEN, BROKEN)
        .says(
            TRANSIENT,
            [USER, "{url}/token", "HTTP 500: internal failure", LATER],
        ),
    Row::new("authorized_user, token endpoint returns 503")
        .json(file::authorized_user)
        .fault(TOKEN, OVERLOADED)
        .says(
            TRANSIENT,
            [USER, "{url}/token", "HTTP 503: overloaded", LATER],
        ),
    Row::new("authorized_user, token endpoint does not respond")
        .json(file::authorized_user)
        .fault(TOKEN, Answer::Silence)
        .says(SILENT, [USER, "{url}/token", "no token", CHECK_NETWORK])
        .within(45),
    Row::new("authorized_user, token endpoint refuses connections")
        .json(|place| {
            with(
                file::authorized_user(place),
                "token_uri",
                "http://127.0.0.1:1/token",
            )
        })
        .says(
            TRANSIENT,
            [
                USER,
                "http://127.0.0.1:1/token",
                "Connection refused",
                CHECK_NETWORK,
            ],
        ),
    Row {
        tls: Tls::ByUnknown,
        ..Row::new("authorized_user, unknown CA").json(file::authorized_user)
    }
    .says(
        LASTING,
        [
            USER,
            "{url}/token",
            "invalid peer certificate: UnknownIssuer",
            "SSL_CERT_FILE",
        ],
    ),
    Row {
        tls: Tls::NoRoots,
        ..Row::new("authorized_user, no CA roots").json(file::authorized_user)
    }
    .says(
        NO_CODE,
        [
            USER,
            "no CA certificates on this machine",
            "TLS to their token endpoint",
            "SSL_CERT_FILE",
        ],
    ),
];

const SERVICE_ACCOUNT_ROWS: &[Row] = &[
    Row::new("service_account, key is not PEM")
        .json(|place| with(file::service_account(place), "private_key", "hush"))
        .says(
            LASTING,
            [
                SERVICE_ACCOUNT,
                NAMED,
                "failed to parse service account private key PEM",
                "create a new key",
            ],
        ),
    Row::new("service_account, key is not an RSA key")
        .json(|place| {
            let key = "-----BEGIN PRIVATE KEY-----\naHVzaA==\n-----END PRIVATE KEY-----\n";
            with(file::service_account(place), "private_key", key)
        })
        .says(
            LASTING,
            [
                SERVICE_ACCOUNT,
                NAMED,
                "failed to parse private key as RSA",
                "create a new key",
            ],
        ),
    Row::new("service_account, key of another universe domain")
        .json(|place| {
            with(
                file::service_account(place),
                "universe_domain",
                "example.com",
            )
        })
        .says(
            LASTING,
            [
                SERVICE_ACCOUNT,
                NAMED,
                "are for the universe domain example.com, but the client is for googleapis.com",
                "GOOGLE_CLOUD_UNIVERSE_DOMAIN",
            ],
        ),
];

const IMPERSONATION: &str =
    "{url}/v1/projects/-/serviceAccounts/target@p.iam.gserviceaccount.com:generateAccessToken";

const IMPERSONATED_ROWS: &[Row] = &[
    Row::new("impersonated, refresh token of the source is revoked")
        .json(file::impersonated_from_user)
        .fault(TOKEN, REVOKED)
        .says(
            LASTING,
            [
                IMPERSONATED,
                "{url}/token",
                REVOKED_TEXT,
                "create the file again",
            ],
        ),
    Row::new("impersonated, IAM returns 403")
        .json(file::impersonated_from_service_account)
        .fault(IAM, FORBIDDEN)
        .says(LASTING, [IMPERSONATED, IMPERSONATION, DENIED, CHECK_ROLE]),
    Row::new("impersonated, IAM returns 404")
        .json(file::impersonated_from_user)
        .fault(IAM, NOT_FOUND)
        .says(
            LASTING,
            [
                IMPERSONATED,
                IMPERSONATION,
                "HTTP 404: no such account",
                CHECK_ROLE,
            ],
        ),
    Row::new("impersonated, IAM returns an HTML page")
        .json(file::impersonated_from_user)
        .fault(IAM, HTML)
        .says(
            LASTING,
            [IMPERSONATED, IMPERSONATION, NOT_JSON, LOOK_FOR_PROXY],
        ),
    Row::new("impersonated, IAM returns 500")
        .json(file::impersonated_from_user)
        .fault(IAM, BROKEN)
        .says(
            TRANSIENT,
            [
                IMPERSONATED,
                IMPERSONATION,
                "HTTP 500: internal failure",
                LATER,
            ],
        ),
    Row::new("impersonated, IAM does not respond")
        .json(file::impersonated_from_user)
        .fault(IAM, Answer::Silence)
        .says(
            SILENT,
            [IMPERSONATED, IMPERSONATION, "no token", CHECK_NETWORK],
        )
        .within(45),
    // google-cloud-auth panics if a token has expired already.
    Row::new("impersonated, IAM returns an expired token")
        .json(file::impersonated_from_user)
        .fault(IAM, Answer::Expired)
        .says("INTERNAL", [IMPERSONATED, NAMED, "panicked", ""]),
];

const EXTERNAL_ROWS: &[Row] = &[
    Row::new("external, subject file is missing")
        .json(|place| {
            with_source(
                file::external_file_text(place),
                json!({"file": place.fill("{folder}/missing.txt")}),
            )
        })
        .says(
            LASTING,
            [
                EXTERNAL,
                "{folder}/missing.txt",
                "No such file or directory",
                CHECK_SOURCE,
            ],
        ),
    Row::new("external, subject file has no subject token field")
        .json(|place| {
            let format = json!({"type": "json", "subject_token_field_name": "other"});
            let path = place.fill("{folder}/subject.json");
            with_source(
                file::external_file_json(place),
                json!({"file": path, "format": format}),
            )
        })
        .says(
            LASTING,
            [
                EXTERNAL,
                "{folder}/subject.json",
                "failed to read subject token field `other` as string",
                CHECK_SOURCE,
            ],
        ),
    Row::new("external, subject URL returns 404")
        .json(file::external_url_json)
        .fault(SUBJECT_JSON, NOT_FOUND)
        .says(
            LASTING,
            [
                EXTERNAL,
                "{url}/subject/json",
                "HTTP 404: no such account",
                CHECK_POOL,
            ],
        ),
    Row::new("external, subject URL returns an HTML page")
        .json(file::external_url_json)
        .fault(SUBJECT_JSON, HTML)
        .says(
            LASTING,
            [
                EXTERNAL,
                "{url}/subject/json",
                "expected value at line 1 column 1",
                CHECK_SOURCE,
            ],
        ),
    Row::new("external, subject URL returns 500")
        .json(file::external_url_json)
        .fault(SUBJECT_JSON, BROKEN)
        .says(
            TRANSIENT,
            [
                EXTERNAL,
                "{url}/subject/json",
                "HTTP 500: internal failure",
                LATER,
            ],
        ),
    Row::new("external, subject URL does not respond")
        .json(file::external_url_json)
        .fault(SUBJECT_JSON, Answer::Silence)
        .says(SILENT, [EXTERNAL, NAMED, "no token", CHECK_NETWORK])
        .within(45),
    Row::new("external, executable is not allowed")
        .json(file::external_executable)
        .says(
            LASTING,
            [
                EXTERNAL,
                NAMED,
                "executables need to be explicitly allowed",
                "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES",
            ],
        ),
    Row::new("external, executable is missing")
        .variables(ALLOWED)
        .json(|place| file::external_command(place, &place.fill("{folder}/missing")))
        .says(
            LASTING,
            [
                EXTERNAL,
                "{folder}/missing",
                "No such file or directory",
                CHECK_SOURCE,
            ],
        ),
    Row::new("external, executable exits with an error")
        .variables(ALLOWED)
        .json(|place| file::external_command(place, &place.fill("/bin/cat {folder}/missing")))
        .says(
            LASTING,
            [
                EXTERNAL,
                "/bin/cat",
                "No such file or directory",
                CHECK_SOURCE,
            ],
        ),
    Row::new("external, executable reports an error")
        .variables(ALLOWED)
        .json(|place| file::external_command(place, &place.fill("/bin/cat {folder}/refusal.json")))
        .says(
            TRANSIENT,
            [
                EXTERNAL,
                "/bin/cat",
                "code=<401>, message=<the user is not logged in>",
                CHECK_SOURCE,
            ],
        ),
    Row::new("external, AWS session URL returns 403")
        .json(file::external_aws)
        .fault(AWS_SESSION, FORBIDDEN)
        .says(
            LASTING,
            [
                EXTERNAL,
                "{url}/aws/session",
                "HTTP 403 PERMISSION_DENIED",
                CHECK_POOL,
            ],
        ),
    Row::new("external, AWS keys URL returns an HTML page")
        .json(file::external_aws)
        .fault(AWS_KEYS, HTML)
        .says(
            LASTING,
            [EXTERNAL, "{url}/aws/role/reader", NOT_JSON, LOOK_FOR_PROXY],
        ),
    Row::new("external, STS returns 400")
        .json(file::external_file_text)
        .fault(STS, REVOKED)
        .says(LASTING, [EXTERNAL, "{url}/sts", REVOKED_TEXT, CHECK_POOL]),
    Row::new("external, STS returns an HTML page")
        .json(file::external_file_text)
        .fault(STS, HTML)
        .says(LASTING, [EXTERNAL, "{url}/sts", NOT_JSON, LOOK_FOR_PROXY]),
    Row::new("external, STS returns 500")
        .json(file::external_file_text)
        .fault(STS, BROKEN)
        .says(
            TRANSIENT,
            [EXTERNAL, "{url}/sts", "HTTP 500: internal failure", LATER],
        ),
    Row::new("external, STS does not respond")
        .json(file::external_file_text)
        .fault(STS, Answer::Silence)
        .says(SILENT, [EXTERNAL, "{url}/sts", "no token", CHECK_NETWORK])
        .within(45),
    Row::new("external, IAM returns 403 for the impersonation")
        .json(|place| file::with_impersonation(place, file::external_file_text(place)))
        .fault(IAM, FORBIDDEN)
        .says(LASTING, [EXTERNAL, IMPERSONATION, DENIED, CHECK_ROLE]),
];

const HTML: Answer = Answer::Page(
    200,
    "text/html",
    "<html><title>Welcome to the hotel</title><p>Please log in.</p></html>",
);
const REVOKED: Answer = Answer::Page(
    400,
    "application/json",
    r#"{"error": "invalid_grant", "error_description": "Token has been expired or revoked."}"#,
);
const REAUTHENTICATE: Answer = Answer::Page(
    400,
    "application/json",
    r#"{"error": "invalid_grant", "error_subtype": "invalid_rapt",
        "error_description": "reauth related error (invalid_rapt)"}"#,
);
const FORBIDDEN: Answer = Answer::Page(
    403,
    "application/json",
    r#"{"error": {"code": 403, "status": "PERMISSION_DENIED", "message":
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."}}"#,
);
const OTHER_UNIVERSE: Answer = Answer::Page(200, "text/plain", "example.com");
const NOT_FOUND: Answer = Answer::Page(404, "text/plain", "no such account");
const BROKEN: Answer = Answer::Page(500, "text/plain", "internal failure");
const OVERLOADED: Answer = Answer::Page(503, "text/plain", "overloaded");
const BLOCKED: Answer = Answer::Page(
    403,
    "text/html",
    "<html><title>Blocked by policy</title><p>Your employer forbids this.</p></html>",
);
/// An endpoint that repeats what it was sent.
const ECHO: Answer = Answer::Page(
    400,
    "application/json",
    r#"{"error": "invalid_request", "error_description": "bad refresh_token: refresh-hush"}"#,
);

fn without(mut file: Value, field: &str) -> Value {
    file.as_object_mut().expect("an object").remove(field);
    file
}

fn with(mut file: Value, field: &str, value: &str) -> Value {
    file[field] = json!(value);
    file
}

fn with_source(mut file: Value, source: Value) -> Value {
    file["credential_source"] = source;
    file
}
