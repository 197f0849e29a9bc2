//! The sources of credentials, and the requests of each source.

use serde_json::Value;

use crate::credential_file::{self as file, Place};
use crate::token_server::{
    AWS_KEYS, AWS_REGION, AWS_ROLE, AWS_SESSION, FEDERATED_TOKEN, IAM, IMPERSONATED_TOKEN,
    METADATA, METADATA_TOKEN, STS, SUBJECT_JSON, SUBJECT_TEXT, TOKEN, UNIVERSE, USER_TOKEN,
};

pub(crate) const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
const IAM_SCOPE: &str = "https://www.googleapis.com/auth/iam";

/// A source of credentials.
#[derive(Clone, Copy)]
pub(crate) struct Source {
    pub(crate) name: &'static str,
    /// The credentials file; none for the metadata server.
    pub(crate) file: Option<fn(&Place) -> Value>,
    /// Environment variables that the source needs in addition.
    pub(crate) variables: &'static [(&'static str, &'static str)],
    /// The token that the service receives.
    pub(crate) token: Token,
    /// All requests to the token server, in order.
    pub(crate) requests: &'static [ExpectedRequest],
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Token {
    None,
    Is(&'static str),
    /// A JWT that the service account signed for this scope.
    SelfSigned(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpectedRequest {
    pub(crate) path: &'static str,
    pub(crate) scope: &'static str,
    pub(crate) bearer: Token,
    /// Part of the subject token.
    pub(crate) subject: &'static str,
}

const fn request_to(path: &'static str, scope: &'static str) -> ExpectedRequest {
    let bearer = Token::None;
    let subject = "";
    ExpectedRequest {
        path,
        scope,
        bearer,
        subject,
    }
}

const fn exchanges(subject: &'static str, scope: &'static str) -> ExpectedRequest {
    let request = request_to(STS, scope);
    ExpectedRequest { subject, ..request }
}

const fn impersonates(bearer: Token) -> ExpectedRequest {
    let request = request_to(IAM, CLOUD_PLATFORM);
    ExpectedRequest { bearer, ..request }
}

const fn source(
    name: &'static str,
    file: fn(&Place) -> Value,
    token: Token,
    requests: &'static [ExpectedRequest],
) -> Source {
    let (file, variables) = (Some(file), &[]);
    Source {
        name,
        file,
        variables,
        token,
        requests,
    }
}

impl Source {
    pub(crate) const fn with(self, variables: &'static [(&'static str, &'static str)]) -> Self {
        Self { variables, ..self }
    }
}

const USER: Token = Token::Is(USER_TOKEN);
const FEDERATED: Token = Token::Is(FEDERATED_TOKEN);
const IMPERSONATED: Token = Token::Is(IMPERSONATED_TOKEN);
const SELF_SIGNED: Token = Token::SelfSigned(CLOUD_PLATFORM);

/// The variable that AIP-4117 requires before a command may be run.
pub(crate) const ALLOWED: &[(&str, &str)] = &[("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")];

pub(crate) const METADATA_SERVER: Source = Source {
    name: "metadata server",
    file: None,
    variables: &[("GCE_METADATA_HOST", "{host}")],
    token: Token::Is(METADATA_TOKEN),
    requests: &[
        request_to(METADATA, CLOUD_PLATFORM),
        request_to(UNIVERSE, ""),
    ],
};

pub(crate) const AUTHORIZED_USER: Source = source(
    "authorized_user",
    file::authorized_user,
    USER,
    &[request_to(TOKEN, CLOUD_PLATFORM)],
);

/// google-cloud-auth 1.18.0 always signs the token itself, and never sends a request to `token_uri`.
pub(crate) const SERVICE_ACCOUNT: Source = source(
    "service_account (self-signed JWT)",
    file::service_account,
    SELF_SIGNED,
    &[],
);

pub(crate) const IMPERSONATED_FROM_USER: Source = source(
    "impersonated_service_account from a user",
    file::impersonated_from_user,
    IMPERSONATED,
    &[request_to(TOKEN, ""), impersonates(USER)],
);

pub(crate) const IMPERSONATED_FROM_SERVICE_ACCOUNT: Source = source(
    "impersonated_service_account from a service account",
    file::impersonated_from_service_account,
    IMPERSONATED,
    &[impersonates(SELF_SIGNED)],
);

pub(crate) const EXTERNAL_FILE_TEXT: Source = source(
    "external_account, file, text",
    file::external_file_text,
    FEDERATED,
    &[exchanges("subject-hush", CLOUD_PLATFORM)],
);

pub(crate) const EXTERNAL_FILE_JSON: Source = source(
    "external_account, file, JSON",
    file::external_file_json,
    FEDERATED,
    &[exchanges("subject-hush", CLOUD_PLATFORM)],
);

pub(crate) const EXTERNAL_URL_TEXT: Source = source(
    "external_account, URL, text",
    file::external_url_text,
    FEDERATED,
    &[
        request_to(SUBJECT_TEXT, ""),
        exchanges("subject-hush", CLOUD_PLATFORM),
    ],
);

pub(crate) const EXTERNAL_URL_JSON: Source = source(
    "external_account, URL, JSON",
    file::external_url_json,
    FEDERATED,
    &[
        request_to(SUBJECT_JSON, ""),
        exchanges("subject-hush", CLOUD_PLATFORM),
    ],
);

pub(crate) const EXTERNAL_EXECUTABLE: Source = source(
    "external_account, executable",
    file::external_executable,
    FEDERATED,
    &[exchanges("subject-hush", CLOUD_PLATFORM)],
)
.with(ALLOWED);

const AWS_REQUESTS: [ExpectedRequest; 4] = [
    request_to(AWS_SESSION, ""),
    request_to(AWS_REGION, ""),
    request_to(AWS_ROLE, ""),
    request_to(AWS_KEYS, ""),
];

/// Part of the subject token of AWS, which is a signed request in URL encoding.
const SIGNED: &str = "sts.us-east-1.amazonaws.com";

pub(crate) const EXTERNAL_AWS: Source = source(
    "external_account, AWS metadata",
    file::external_aws,
    FEDERATED,
    &[
        AWS_REQUESTS[0],
        AWS_REQUESTS[1],
        AWS_REQUESTS[2],
        AWS_REQUESTS[3],
        exchanges(SIGNED, CLOUD_PLATFORM),
    ],
);

const EXTERNAL_AWS_VARIABLES: Source = source(
    "external_account, AWS variables",
    file::external_aws,
    FEDERATED,
    &[AWS_REQUESTS[0], exchanges(SIGNED, CLOUD_PLATFORM)],
)
.with(&[
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "id-of-the-key"),
    ("AWS_SECRET_ACCESS_KEY", "aws-hush"),
]);

pub(crate) const EXTERNAL_FILE_IMPERSONATED: Source = source(
    "external_account, file, text, impersonation",
    |place| file::with_impersonation(place, file::external_file_text(place)),
    IMPERSONATED,
    &[
        exchanges("subject-hush", IAM_SCOPE),
        impersonates(FEDERATED),
    ],
);

pub(crate) const EXTERNAL_URL_IMPERSONATED: Source = source(
    "external_account, URL, JSON, impersonation",
    |place| file::with_impersonation(place, file::external_url_json(place)),
    IMPERSONATED,
    &[
        request_to(SUBJECT_JSON, ""),
        exchanges("subject-hush", IAM_SCOPE),
        impersonates(FEDERATED),
    ],
);

pub(crate) const EXTERNAL_EXECUTABLE_IMPERSONATED: Source = source(
    "external_account, executable, impersonation",
    |place| file::with_impersonation(place, file::external_executable(place)),
    IMPERSONATED,
    &[
        exchanges("subject-hush", IAM_SCOPE),
        impersonates(FEDERATED),
    ],
)
.with(ALLOWED);

pub(crate) const EXTERNAL_AWS_IMPERSONATED: Source = source(
    "external_account, AWS metadata, impersonation",
    |place| file::with_impersonation(place, file::external_aws(place)),
    IMPERSONATED,
    &[
        AWS_REQUESTS[0],
        AWS_REQUESTS[1],
        AWS_REQUESTS[2],
        AWS_REQUESTS[3],
        exchanges(SIGNED, IAM_SCOPE),
        impersonates(FEDERATED),
    ],
);

/// Every source that google-cloud-auth loads.
pub(crate) const SOURCES: &[Source] = &[
    METADATA_SERVER,
    AUTHORIZED_USER,
    SERVICE_ACCOUNT,
    IMPERSONATED_FROM_USER,
    IMPERSONATED_FROM_SERVICE_ACCOUNT,
    EXTERNAL_FILE_TEXT,
    EXTERNAL_FILE_JSON,
    EXTERNAL_URL_TEXT,
    EXTERNAL_URL_JSON,
    EXTERNAL_EXECUTABLE,
    EXTERNAL_AWS,
    EXTERNAL_AWS_VARIABLES,
    EXTERNAL_FILE_IMPERSONATED,
    EXTERNAL_URL_IMPERSONATED,
    EXTERNAL_EXECUTABLE_IMPERSONATED,
    EXTERNAL_AWS_IMPERSONATED,
];
