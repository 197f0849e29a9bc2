//! Parses and checks a credential file before google-cloud-auth reads it. The errors of the library name neither the file nor
//! the field, and may quote values.

use serde_json::Value;

/// A credential file of a type that google-cloud-auth can load, with all the fields that it needs.
pub(super) struct CredentialFile {
    pub(super) kind: Kind,
    /// The URL that tokens are requested from; `None` if tokens are signed locally.
    pub(super) endpoint: Option<String>,
    /// The URL at which an external account exchanges its token for a service account's token.
    pub(super) impersonation: Option<String>,
    /// The source of an external account's subject token, as errors name it.
    pub(super) subject: Option<String>,
    pub(super) quota_project: Option<String>,
    /// Values that must not appear in any text.
    pub(super) secrets: Vec<String>,
    pub(super) json: Value,
}

/// The `type` of a credential file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    AuthorizedUser,
    ServiceAccount,
    ImpersonatedServiceAccount,
    ExternalAccount,
}

impl Kind {
    const ALL: [Self; 4] = [
        Self::AuthorizedUser,
        Self::ServiceAccount,
        Self::ImpersonatedServiceAccount,
        Self::ExternalAccount,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AuthorizedUser => "authorized_user",
            Self::ServiceAccount => "service_account",
            Self::ImpersonatedServiceAccount => "impersonated_service_account",
            Self::ExternalAccount => "external_account",
        }
    }

    /// Returns the fields that google-cloud-auth requires.
    fn required(self) -> &'static [&'static str] {
        match self {
            Self::AuthorizedUser => &["client_id", "client_secret", "refresh_token"],
            Self::ServiceAccount => &[
                "client_email",
                "private_key_id",
                "private_key",
                "project_id",
            ],
            Self::ImpersonatedServiceAccount => &["service_account_impersonation_url"],
            Self::ExternalAccount => &["audience", "subject_token_type", "token_url"],
        }
    }

    fn endpoint(self, json: &Value) -> Option<String> {
        let field = match self {
            Self::AuthorizedUser => "token_uri",
            Self::ServiceAccount => return None,
            Self::ImpersonatedServiceAccount => "service_account_impersonation_url",
            Self::ExternalAccount => "token_url",
        };
        let url = json.get(field).and_then(Value::as_str);
        let url = url.unwrap_or("https://oauth2.googleapis.com/token");
        Some(without_secrets(url))
    }
}

impl CredentialFile {
    /// Parses the text of a file. The error is one phrase, and quotes no value of the file except its type.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        // A syntax error of serde_json names line and column, and quotes nothing.
        let json: Value =
            serde_json::from_str(text).map_err(|error| format!("not valid JSON: {error}"))?;
        let kind = check(&json, "")?;
        let quota_project = optional(&json, "", "quota_project_id")?.map(str::to_owned);
        let mut secrets = Vec::new();
        collect_secrets(&json, &mut secrets);
        Ok(Self {
            kind,
            endpoint: kind.endpoint(&json),
            impersonation: impersonation(kind, &json),
            subject: subject(&json["credential_source"]),
            quota_project: quota_project.filter(|project| !project.is_empty()),
            secrets,
            json,
        })
    }
}

/// Checks one credential object; `at` is the path of the object within the file.
fn check(json: &Value, at: &str) -> Result<Kind, String> {
    if !json.is_object() {
        return Err(match at {
            "" => "not a JSON object".to_owned(),
            _ => format!("field `{}` must be an object", at.trim_end_matches('.')),
        });
    }
    let name = required(json, at, "type")?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
    let kind = kind.ok_or_else(|| unsupported(name))?;
    for field in kind.required() {
        required(json, at, field)?;
    }
    for field in ["token_uri", "quota_project_id", "universe_domain"] {
        optional(json, at, field)?;
    }
    match kind {
        Kind::ImpersonatedServiceAccount if !at.is_empty() => Err(format!(
            "`{at}type` must not be impersonated_service_account: use `delegates` for a chain"
        )),
        Kind::ImpersonatedServiceAccount => {
            let source = json.get("source_credentials");
            let source = source.ok_or("missing field `source_credentials`")?;
            check(source, "source_credentials.").map(|_| kind)
        }
        Kind::ExternalAccount => check_source(json, at).map(|()| kind),
        Kind::AuthorizedUser | Kind::ServiceAccount => Ok(kind),
    }
}

fn check_source(json: &Value, at: &str) -> Result<(), String> {
    let source = json.get("credential_source");
    let source = source.ok_or_else(|| format!("missing field `{at}credential_source`"))?;
    let known = ["file", "url", "executable", "environment_id"];
    if known.iter().any(|field| source.get(field).is_some()) {
        return Ok(());
    }
    Err(format!(
        "`{at}credential_source` must have one of `file`, `url`, `executable`, `environment_id`"
    ))
}

fn impersonation(kind: Kind, json: &Value) -> Option<String> {
    let url = json.get("service_account_impersonation_url");
    let url = url.filter(|_| kind == Kind::ExternalAccount)?;
    url.as_str().map(without_secrets)
}

/// Describes a `credential_source`. For a command, only the program is shown, since the arguments may be secret.
fn subject(source: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if source.get("environment_id").is_some() {
        return Some("AWS credentials".to_owned());
    }
    if let Some(command) = text(&source["executable"]["command"]) {
        let program = command.split_whitespace().next().unwrap_or_default();
        return Some(format!("executable `{}`", program.escape_debug()));
    }
    if let Some(url) = text(&source["url"]) {
        return Some(format!("subject token URL {}", without_secrets(&url)));
    }
    let file = text(&source["file"])?;
    Some(format!("subject token file `{}`", file.escape_debug()))
}

/// Returns advice on replacing an invalid file, as the end of a sentence. The advice depends on the type that the file
/// declares.
pub(super) fn advice(text: &str) -> &'static str {
    let json: Value = serde_json::from_str(text).unwrap_or_default();
    match json.get("type").and_then(Value::as_str) {
        Some("service_account") => {
            "create a new key of the service account, and download it as JSON"
        }
        Some("impersonated_service_account") => {
            "run `gcloud auth application-default login --impersonate-service-account=EMAIL` to create a valid file"
        }
        Some("external_account") => {
            "run `gcloud iam workload-identity-pools create-cred-config` to create a valid file"
        }
        // A login would create a file of the same type again.
        Some("external_account_authorized_user") => {
            "gcloud creates this type at a login by workforce identity federation; for programs, \
             `gcloud iam workforce-pools create-cred-config` creates a file of type external_account"
        }
        Some("gdch_service_account") => {
            "use credentials of Google Cloud: this type is for Google Distributed Cloud"
        }
        _ => "run `gcloud auth application-default login` to create a valid file",
    }
}

fn unsupported(name: &str) -> String {
    let supported = Kind::ALL.map(Kind::name).join(", ");
    let name: String = name
        .chars()
        .filter(|char| !char.is_control())
        .take(64)
        .collect();
    format!(
        "credential type `{name}` is not supported by google-cloud-auth: must be one of {supported}"
    )
}

fn required<'a>(json: &'a Value, at: &str, field: &str) -> Result<&'a str, String> {
    optional(json, at, field)?.ok_or_else(|| format!("missing field `{at}{field}`"))
}

fn optional<'a>(json: &'a Value, at: &str, field: &str) -> Result<Option<&'a str>, String> {
    match json.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("field `{at}{field}` must be a string")),
    }
}

/// Collects the values of secret fields, at any depth.
fn collect_secrets(json: &Value, secrets: &mut Vec<String>) {
    let Value::Object(fields) = json else {
        return;
    };
    for (name, value) in fields {
        match value {
            Value::String(text) if is_secret(name) => {
                // Ignore short values, since removing them would damage unrelated text.
                if text.len() >= 4 {
                    secrets.push(text.clone());
                }
            }
            Value::Object(headers) if name == "headers" => {
                let values = headers.values().filter_map(Value::as_str);
                secrets.extend(values.filter(|text| text.len() >= 4).map(str::to_owned));
            }
            other => collect_secrets(other, secrets),
        }
    }
}

fn is_secret(field: &str) -> bool {
    matches!(
        field,
        "client_secret" | "refresh_token" | "private_key" | "private_key_id"
    )
}

/// Returns the URL without user, query and fragment, limited to 200 characters.
pub(super) fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let url = match url.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let host = rest[..end].rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}", &rest[host..])
        }
        None => url.to_owned(),
    };
    url.chars()
        .filter(|char| !char.is_control())
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = r#"{"type":"authorized_user","client_id":"i","client_secret":"hush-secret","refresh_token":"1//hush"}"#;

    #[test]
    fn a_fault_is_named_and_no_value_is_shown() {
        let cases = [
            (
                "",
                "not valid JSON: EOF while parsing a value at line 1 column 0",
            ),
            (
                "{\n  hush",
                "not valid JSON: key must be a string at line 2 column 3",
            ),
            (
                "<html>hush",
                "not valid JSON: expected value at line 1 column 1",
            ),
            ("[]", "not a JSON object"),
            ("{}", "missing field `type`"),
            (r#"{"type":7}"#, "field `type` must be a string"),
            (
                r#"{"type":"authorized_user","client_id":"i","refresh_token":"hush"}"#,
                "missing field `client_secret`",
            ),
            (
                r#"{"type":"authorized_user","client_id":"i","client_secret":["hush"]}"#,
                "field `client_secret` must be a string",
            ),
            (
                r#"{"type":"service_account","client_email":"e","private_key_id":"i","project_id":"p"}"#,
                "missing field `private_key`",
            ),
            (
                r#"{"type":"external_account_authorized_user","refresh_token":"hush"}"#,
                "credential type `external_account_authorized_user` is not supported by google-cloud-auth: must be one of \
                 authorized_user, service_account, impersonated_service_account, external_account",
            ),
            (
                r#"{"type":"impersonated_service_account","service_account_impersonation_url":"u"}"#,
                "missing field `source_credentials`",
            ),
            (
                r#"{"type":"impersonated_service_account","service_account_impersonation_url":"u","source_credentials":7}"#,
                "field `source_credentials` must be an object",
            ),
            (
                r#"{"type":"impersonated_service_account","service_account_impersonation_url":"u",
                    "source_credentials":{"type":"authorized_user","client_id":"i"}}"#,
                "missing field `source_credentials.client_secret`",
            ),
            (
                r#"{"type":"external_account","audience":"a","subject_token_type":"t","token_url":"u","credential_source":{}}"#,
                "`credential_source` must have one of `file`, `url`, `executable`, `environment_id`",
            ),
        ];
        for (text, expected) in cases {
            let error = CredentialFile::parse(text).err();
            assert_eq!(error.as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn the_advice_is_never_a_command_that_creates_the_same_file_again() {
        let login = "run `gcloud auth application-default login` to create a valid file";
        let cases = [
            ("", login),
            ("[]", login),
            (r#"{"type":7}"#, login),
            (r#"{"type":"carrier_pigeon"}"#, login),
            (r#"{"type":"authorized_user"}"#, login),
            (r#"{"type":"service_account"}"#, "create a new key"),
            (
                r#"{"type":"impersonated_service_account"}"#,
                "--impersonate-service-account",
            ),
            (
                r#"{"type":"external_account"}"#,
                "workload-identity-pools create-cred-config",
            ),
            (
                r#"{"type":"external_account_authorized_user"}"#,
                "workforce-pools create-cred-config",
            ),
            (
                r#"{"type":"gdch_service_account"}"#,
                "credentials of Google Cloud",
            ),
        ];
        for (text, expected) in cases {
            assert!(advice(text).contains(expected), "{text}: {}", advice(text));
            let logs_in = advice(text).contains("login`");
            assert_eq!(logs_in, expected == login, "{text}");
        }
    }

    #[test]
    fn the_source_of_a_subject_token_is_described_without_its_secrets() {
        let cases = [
            (r#"{"file":"/x"}"#, "subject token file `/x`"),
            (
                r#"{"url":"https://u:p@h/x?k=v"}"#,
                "subject token URL https://h/x",
            ),
            (
                r#"{"executable":{"command":"/bin/x --token hush"}}"#,
                "executable `/bin/x`",
            ),
            (
                r#"{"environment_id":"aws1","url":"http://h"}"#,
                "AWS credentials",
            ),
        ];
        for (source, expected) in cases {
            let text = format!(
                r#"{{"type":"external_account","audience":"a","subject_token_type":"t","token_url":"https://h/sts",
                    "service_account_impersonation_url":"https://i/x?k=v","credential_source":{source}}}"#
            );
            let file = CredentialFile::parse(&text).expect("valid");
            assert_eq!(file.subject.as_deref(), Some(expected));
            assert_eq!(file.endpoint.as_deref(), Some("https://h/sts"));
            assert_eq!(file.impersonation.as_deref(), Some("https://i/x"));
        }
    }

    #[test]
    fn the_endpoint_the_quota_project_and_the_secrets_are_read() {
        let file = CredentialFile::parse(USER).expect("valid");
        assert_eq!(file.kind, Kind::AuthorizedUser);
        assert_eq!(
            file.endpoint.as_deref(),
            Some("https://oauth2.googleapis.com/token")
        );
        assert_eq!(file.quota_project, None);
        assert_eq!(file.secrets, ["hush-secret", "1//hush"]);

        let text = format!(
            r#"{{"type":"impersonated_service_account","service_account_impersonation_url":"https://u:p@h/x?k=v",
                "quota_project_id":"q","source_credentials":{USER}}}"#
        );
        let file = CredentialFile::parse(&text).expect("valid");
        assert_eq!(file.kind, Kind::ImpersonatedServiceAccount);
        assert_eq!(file.endpoint.as_deref(), Some("https://h/x"));
        assert_eq!(file.quota_project.as_deref(), Some("q"));
        assert_eq!(file.secrets.len(), 2);
    }
}
