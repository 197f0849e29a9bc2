//! Reads the cause of a failed token request from an error of google-cloud-auth.
//!
//! The texts of the error are parsed, since the library reports the status, URL and body of a response only in them. A text of
//! an unknown form is shown too, except the parts that look like a secret.

use std::error::Error as StdError;

use google_cloud_auth::errors::CredentialsError;
use serde_json::Value;
use tonic::Code;

use super::credential_file::{Kind, without_secrets};
use super::metadata_server::{GCE_METADATA_HOST, MetadataServer};
use super::origin::Origin;
use super::redact::redact;
use super::rejection::Rejection;
use super::universe;
use crate::transport::certificate_fault;

/// The reason why credentials returned no token.
pub(super) struct Cause {
    pub(super) rejection: Rejection,
    /// True if the endpoint sent a response.
    pub(super) answered: bool,
    /// True if the credentials did not name their universe in time. The credentials may be valid.
    pub(super) is_timeout: bool,
}

impl Cause {
    pub(super) fn of(error: &CredentialsError, origin: &Origin) -> Self {
        let facts = Facts::of(error, origin.secrets());
        let impersonation = origin.impersonation().filter(|_| facts.impersonating);
        let endpoint = facts.url.clone().or_else(|| match impersonation {
            Some(url) => Some(url.to_owned()),
            None => origin.endpoint(),
        });
        let endpoint = endpoint.as_deref().unwrap_or("the token endpoint");
        let what = match (&facts.fault, origin.subject()) {
            // The texts of the library do not say which file, URL or executable they are about.
            (Fault::Other(cause), Some(subject)) => format!("{subject}: {cause}"),
            (fault, _) => fault.describe(endpoint),
        };
        let advice = match (&facts.fault, impersonation) {
            (Fault::Response { status, body }, Some(_)) if !body.html && !is_busy(*status) => {
                CHECK_ROLE.to_owned()
            }
            (fault, _) => fault.advice(origin, endpoint),
        };
        let text = format!("{origin}: {what}{advice}");
        let transient = error.is_transient() && !facts.fault.is_permanent();
        let is_timeout = transient && matches!(facts.fault, Fault::Universe(_));
        Self {
            rejection: match transient {
                // Use a code that is not retried. A second wait would exceed the deadline of the call, and the error of an
                // exceeded deadline does not name the source of the credentials.
                true if is_timeout => Rejection::new(Code::DeadlineExceeded, text),
                true => Rejection::transient(text),
                false => Rejection::permanent(text),
            },
            is_timeout,
            answered: matches!(facts.fault, Fault::Response { .. } | Fault::NotToken(_)),
        }
    }
}

/// The facts that the texts of an error contain.
struct Facts {
    url: Option<String>,
    /// True if the error has no URL. For an external account, this means that the response is from the impersonation URL.
    impersonating: bool,
    fault: Fault,
}

#[derive(Debug)]
enum Fault {
    /// A response with an error status.
    Response { status: u16, body: Body },
    /// A successful response that is not a token.
    NotToken(String),
    /// The TLS handshake failed.
    Tls(String),
    /// No response: the name was not resolved, no connection was made, or the connection broke.
    Unreachable(String),
    /// The credentials belong to another universe, or did not name theirs. The text includes the next step.
    Universe(String),
    /// Any other fault, such as one of a subject token file, an executable or a key.
    Other(String),
}

/// The body of an error response.
#[derive(Debug, Default)]
struct Body {
    /// The machine-readable cause, such as `invalid_grant` or `PERMISSION_DENIED`.
    code: Option<String>,
    /// A refinement of the cause, such as `invalid_rapt`.
    subtype: Option<String>,
    text: Option<String>,
    html: bool,
}

impl Facts {
    fn of(error: &CredentialsError, secrets: &[String]) -> Self {
        let first: &(dyn StdError + 'static) = error;
        let chain = std::iter::successors(Some(first), |error: &&(dyn StdError + 'static)| {
            (**error).source()
        });
        let texts: Vec<String> = chain.map(ToString::to_string).collect();
        let url = texts.iter().rev().find_map(|text| url(text));
        Self {
            url,
            impersonating: texts.iter().any(|text| text.contains(WITHOUT_URL)),
            fault: fault(&texts, secrets),
        }
    }
}

/// The start of the library's errors that have no URL.
const WITHOUT_URL: &str = "the HTTP transport reports a [";

fn fault(texts: &[String], secrets: &[String]) -> Fault {
    // Read the innermost text first, since an outer text often repeats a part of it.
    let root = texts.last().map(String::as_str).unwrap_or_default();
    let any = |part: &str| texts.iter().any(|text| text.contains(part));
    if let Some(status) = texts.iter().rev().find_map(|text| status(text)) {
        let body = texts.iter().rev().find_map(|text| body(text));
        let body = Body::parse(&body.unwrap_or_default(), secrets);
        return Fault::Response { status, body };
    }
    if any("error decoding response body") {
        return Fault::NotToken(redact(&without_values(root), secrets));
    }
    if any("invalid peer certificate") || any("received fatal alert") {
        let fault = certificate_fault::describe(root);
        return Fault::Tls(match fault {
            Some(fault) => format!("invalid certificate: {fault}"),
            None => redact(root, secrets),
        });
    }
    if any("error sending request")
        || any("request or response body error")
        || any("deadline has elapsed")
    {
        return Fault::Unreachable(redact(root, secrets));
    }
    let universe = |text: &&str| text.starts_with(universe::SUBJECT) && text.contains(" universe");
    if let Some(text) = texts.iter().map(|text| plain(text)).find(universe) {
        return Fault::Universe(redact(text, secrets));
    }
    // Skip the general texts of the library, and texts that repeat an outer one.
    let mut specific: Vec<&str> = Vec::new();
    for text in texts
        .iter()
        .map(|text| plain(text))
        .filter(|text| !text.is_empty())
    {
        let repeated = specific.last().is_some_and(|last| last.contains(text));
        if !repeated {
            specific.push(text);
        }
    }
    let specific = specific.join(": ");
    // Remove the quoted body, since the library quotes the source of a subject token as it was read.
    let shown = match specific.split_once("body=<") {
        Some((before, _)) => before.trim_end_matches([' ', ',']),
        None => &specific,
    };
    Fault::Other(redact(&without_values(shown), secrets))
}

/// Returns the text without the phrases that the library adds to each error.
fn plain(text: &str) -> &str {
    let text = text
        .trim_end_matches(" and future attempts will not succeed")
        .trim_end_matches(" but future attempts may succeed");
    let frame = [
        "cannot create auth headers",
        "cannot create the authentication headers",
        "Fetching the token resulted in transient errors",
        "Request to fetch the token failed",
        "Could not fetch an auth token to authenticate",
    ];
    if frame.iter().any(|start| text.starts_with(start)) {
        return "";
    }
    text
}

/// Removes the string that serde quotes in a type error, since it may be a token.
fn without_values(text: &str) -> String {
    match text.split_once("string \"") {
        Some((before, after)) => {
            let rest = after.rsplit_once('"').map_or("", |(_, rest)| rest);
            format!("{before}string{rest}")
        }
        None => text.to_owned(),
    }
}

fn url(text: &str) -> Option<String> {
    let (_, url) = text.split_once(" for url (")?;
    let end = url.find(')').unwrap_or(url.len());
    Some(without_secrets(&url[..end]))
}

fn status(text: &str) -> Option<u16> {
    let marks = [
        "HTTP status client error (",
        "HTTP status server error (",
        WITHOUT_URL,
    ];
    let after = marks.iter().find_map(|mark| text.split_once(mark))?.1;
    after.get(..3)?.parse().ok()
}

fn body(text: &str) -> Option<String> {
    if let Some((_, body)) = text.split_once("body=<") {
        let end = body.rfind('>').unwrap_or(body.len());
        return Some(body[..end].to_owned());
    }
    let (_, body) = text.split_once(WITHOUT_URL)?;
    let (_, body) = body.split_once("] error: ")?;
    // The metadata server's body is shown as a byte string after a fixed text.
    match body.split_once(" :b\"") {
        Some((_, escaped)) => Some(unescape(escaped.trim_end_matches('"'))),
        None => Some(body.to_owned()),
    }
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        plain.push(match char {
            '\\' => match chars.next() {
                Some('n' | 'r' | 't' | '0') | None => ' ',
                Some('x') => {
                    chars.nth(1);
                    '?'
                }
                Some(other) => other,
            },
            other => other,
        });
    }
    plain
}

impl Body {
    fn parse(text: &str, secrets: &[String]) -> Self {
        let text = text.trim();
        // Remove a final period, since the advice follows after a semicolon.
        let clean = |text: &str| {
            let text = redact(text, secrets);
            text.trim_end_matches(['.', ' ']).to_owned()
        };
        if let Ok(json) = serde_json::from_str::<Value>(text) {
            return Self::of_json(&json, &clean);
        }
        let lower = text.to_ascii_lowercase();
        if lower.starts_with('<') || lower.contains("<html") {
            let title = lower.find("<title>").and_then(|at| {
                let title = text.get(at + "<title>".len()..)?;
                title.get(..title.find('<')?)
            });
            return Self {
                html: true,
                text: title.map(clean).filter(|title| !title.is_empty()),
                ..Self::default()
            };
        }
        Self {
            text: Some(clean(text)).filter(|text| !text.is_empty()),
            ..Self::default()
        }
    }

    /// Reads only the known fields, since other fields may echo the request.
    fn of_json(json: &Value, clean: &impl Fn(&str) -> String) -> Self {
        let field = |json: &Value, name: &str| json.get(name)?.as_str().map(clean);
        match json.get("error") {
            // The form of Google's APIs.
            Some(error @ Value::Object(_)) => Self {
                code: field(error, "status"),
                text: field(error, "message"),
                ..Self::default()
            },
            // The form of OAuth 2.0 (RFC 6749 §5.2).
            Some(Value::String(code)) => Self {
                code: Some(clean(code)),
                subtype: field(json, "error_subtype"),
                text: field(json, "error_description").or_else(|| field(json, "error_uri")),
                html: false,
            },
            _ => Self {
                code: field(json, "status"),
                text: field(json, "message"),
                ..Self::default()
            },
        }
    }

    fn describe(&self) -> String {
        if self.html {
            return match &self.text {
                Some(title) => format!(" and an HTML page titled `{title}`"),
                None => " and an HTML page".to_owned(),
            };
        }
        let code = match (&self.code, &self.subtype) {
            (Some(code), Some(subtype)) => format!(" {code} ({subtype})"),
            (Some(code), None) => format!(" {code}"),
            _ => String::new(),
        };
        match &self.text {
            Some(text) => format!("{code}: {text}"),
            None => code,
        }
    }
}

impl Fault {
    fn describe(&self, endpoint: &str) -> String {
        match self {
            Self::Response { status, body } => {
                format!("{endpoint} responded with HTTP {status}{}", body.describe())
            }
            // A syntax error at the first character means that the text is not JSON, but for example HTML.
            Self::NotToken(cause) if cause.ends_with("at line 1 column 1") => {
                format!("{endpoint} responded with text that is not JSON ({cause})")
            }
            Self::NotToken(cause) => {
                format!("{endpoint} responded with JSON that is not a token ({cause})")
            }
            Self::Tls(cause) => format!("the TLS handshake with {endpoint} failed: {cause}"),
            Self::Unreachable(cause) => format!("cannot connect to {endpoint}: {cause}"),
            Self::Universe(cause) | Self::Other(cause) => cause.clone(),
        }
    }

    /// Returns whether the fault is permanent although google-cloud-auth reports it as transient.
    fn is_permanent(&self) -> bool {
        match self {
            Self::Tls(_) => true,
            Self::Other(cause) => {
                cause.contains("No such file") || cause.contains("Permission denied")
            }
            Self::Response { .. }
            | Self::NotToken(_)
            | Self::Unreachable(_)
            | Self::Universe(_) => false,
        }
    }

    /// Returns the next step for the user, as the end of a sentence. It is empty if there is none.
    fn advice(&self, origin: &Origin, endpoint: &str) -> String {
        match self {
            Self::Response { body, .. } if body.html => NOT_GOOGLE.to_owned(),
            Self::Response { status, body } => advice_for_response(*status, body, origin),
            Self::NotToken(_) => NOT_GOOGLE.to_owned(),
            Self::Tls(cause) if cause.contains("UnknownIssuer") => format!(
                "; the certificate's issuer is not among the system's CA certificates: if you trust {endpoint}, add the issuer \
                 there, or set SSL_CERT_FILE to a PEM file with it"
            ),
            Self::Tls(cause) if cause.contains("expired") || cause.contains("not valid yet") => {
                format!("; check the clock of this machine and the certificate of {endpoint}")
            }
            Self::Tls(_) => format!("; check the certificate of {endpoint} and the proxy variables"),
            Self::Unreachable(_) => "; check the network, DNS, the firewall and the proxy variables (HTTPS_PROXY, NO_PROXY)".to_owned(),
            Self::Universe(_) => String::new(),
            Self::Other(_) => match origin.kind() {
                Some(Kind::ServiceAccount) => "; create a new key, and download it as JSON".to_owned(),
                Some(Kind::ExternalAccount) => "; check `credential_source` in the file".to_owned(),
                _ => String::new(),
            },
        }
    }
}

const NOT_GOOGLE: &str = "; check the URL, and check for a captive portal or a proxy";

const CHECK_ROLE: &str = "; check that the service account exists, and that the caller has \
                          roles/iam.serviceAccountTokenCreator on it";

/// Returns whether a response of this status is transient.
fn is_busy(status: u16) -> bool {
    status >= 500 || status == 429 || status == 408
}

fn advice_for_response(status: u16, body: &Body, origin: &Origin) -> String {
    let code = body.code.as_deref().unwrap_or_default();
    let advice = match (origin, origin.kind()) {
        (Origin::MetadataServer(server), _) if !is_busy(status) => {
            return advice_for_metadata(status, server);
        }
        _ if is_busy(status) => "; the failure is transient: try again later",
        (_, Some(Kind::AuthorizedUser)) if code == "invalid_grant" => {
            "; the user's login has expired or was revoked: run `gcloud auth application-default login`"
        }
        (_, Some(Kind::AuthorizedUser)) => {
            "; run `gcloud auth application-default login` to create a new file"
        }
        (_, Some(Kind::ImpersonatedServiceAccount)) if code == "invalid_grant" => {
            "; the source credentials have expired or were revoked: create the file again"
        }
        (_, Some(Kind::ImpersonatedServiceAccount)) => CHECK_ROLE,
        (_, Some(Kind::ExternalAccount)) => {
            "; check the workload identity pool, its provider, and the subject token"
        }
        _ => "",
    };
    advice.to_owned()
}

fn advice_for_metadata(status: u16, server: &MetadataServer) -> String {
    let named = match server.is_from_variable() {
        true => format!(", and that {GCE_METADATA_HOST} names a metadata server"),
        false => String::new(),
    };
    match status {
        404 => format!("; check that the instance has a service account{named}"),
        _ => format!("; check the service account and the access scopes of the instance{named}"),
    }
}

#[cfg(test)]
mod tests;
