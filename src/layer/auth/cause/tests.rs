//! Texts of the causes of failed credentials.

use std::fmt;
use std::path::PathBuf;

use super::super::origin::{FileLocation, FileOrigin};
use super::*;

/// An error with this text, and its sources.
#[derive(Debug)]
struct Text(&'static str, Option<Box<Self>>);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Text {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.1.as_deref().map(|source| source as _)
    }
}

fn file(kind: Kind) -> Origin {
    Origin::File(FileOrigin {
        location: FileLocation {
            path: PathBuf::from("/f.json"),
            variable: Some("VARIABLE"),
        },
        kind,
        endpoint: Some("https://h/token".to_owned()),
        impersonation: (kind == Kind::ExternalAccount).then(|| "https://h/iam".to_owned()),
        subject: (kind == Kind::ExternalAccount).then(|| "subject token file `/s`".to_owned()),
        secrets: vec!["hush".to_owned()],
    })
}

/// The texts of each error are outermost first. google-cloud-auth 1.18 was observed to return them, except that `x` replaces a
/// text that does not matter, and that the texts about a universe domain are from our module `universe`.
#[test]
fn the_cause_is_parsed_from_the_texts_of_the_library_without_secrets() {
    let user = || file(Kind::AuthorizedUser);
    let external = || file(Kind::ExternalAccount);
    let metadata = |host: Option<&str>| {
        let host = host.map(std::ffi::OsString::from);
        let server = MetadataServer::locate(|_| host.clone(), String::new());
        Origin::MetadataServer(server.expect("valid"))
    };
    let cases: [(Origin, bool, &[&'static str], bool, &str); 16] = [
        (
            metadata(Some("h:1")),
            false,
            &[
                "x",
                "the HTTP transport reports a [404] error: failed to fetch access token :b\"Not found.\"",
            ],
            false,
            "metadata server (named by GCE_METADATA_HOST): http://h:1 responded with HTTP 404: Not found; check that the instance \
             has a service account, and that GCE_METADATA_HOST names a metadata server",
        ),
        (
            metadata(None),
            false,
            &[
                "x",
                "the HTTP transport reports a [404] error: failed to fetch access token :b\"Not found.\"",
            ],
            false,
            "metadata server: http://metadata.google.internal responded with HTTP 404: Not found; check that the instance has a \
             service account",
        ),
        (
            user(),
            true,
            &[
                "x",
                "error sending request for url (https://h/token)",
                "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
            ],
            false,
            "authorized_user credentials in `/f.json` (named by VARIABLE): the TLS handshake with https://h/token failed: invalid \
             certificate: a CA certificate cannot be a server's own certificate; check the certificate of \
             https://h/token and the proxy variables",
        ),
        (
            file(Kind::ServiceAccount),
            false,
            &[
                "the credentials are for the universe domain u.test, but the client is for googleapis.com; use others",
            ],
            false,
            "service_account credentials in `/f.json` (named by VARIABLE): the credentials are for the universe domain u.test, but \
             the client is for googleapis.com; use others",
        ),
        (
            external(),
            true,
            &[
                "the credentials did not return their universe domain within 2s, so they are not sent to h; retry the call",
            ],
            false,
            "external_account credentials in `/f.json` (named by VARIABLE): the credentials did not return their universe domain within \
             2s, so they are not sent to h; retry the call",
        ),
        (
            user(),
            false,
            &[
                "Request to fetch the token failed. Subsequent calls with this credential will also fail.",
                "cannot create the authentication headers failed to refresh, body=<{\"error\": \"x\"}> and future attempts",
                "failed to refresh user access token, body=<{\"error\":\"invalid_grant\",\"error_description\":\"Bad hush.\"}>",
                "HTTP status client error (400 Bad Request) for url (https://u:p@h/token?secret=v)",
            ],
            false,
            "authorized_user credentials in `/f.json` (named by VARIABLE): https://h/token responded with HTTP 400 invalid_grant: \
             Bad [redacted]; the user's login has expired or was revoked: run `gcloud auth application-default login`",
        ),
        (
            file(Kind::ImpersonatedServiceAccount),
            false,
            &[
                "failed to fetch token",
                "the HTTP transport reports a [403] error: {\"error\":{\"code\":403,\"message\":\"Denied\",\"status\":\"PERMISSION_DENIED\"}}",
            ],
            false,
            "impersonated_service_account credentials in `/f.json` (named by VARIABLE): https://h/token responded with HTTP 403 \
             PERMISSION_DENIED: Denied; check that the service account exists, and that the caller has \
             roles/iam.serviceAccountTokenCreator on it",
        ),
        (
            Origin::User,
            true,
            &[
                "x",
                "the HTTP transport reports a [503] error: failed to fetch access token :b\"<html>\\n<TITLE>Away \\\"now\\\"</TITLE>\"",
            ],
            true,
            "credentials: the token endpoint responded with HTTP 503 and an HTML page titled `Away \"now\"`; check the URL, and \
             check for a captive portal or a proxy",
        ),
        (
            user(),
            false,
            &[
                "cannot create auth headers",
                "error decoding response body",
                "invalid type: string \"short\", expected u64 at line 1 column 9",
            ],
            false,
            "authorized_user credentials in `/f.json` (named by VARIABLE): https://h/token responded with JSON that is not a \
             token (invalid type: string, expected u64 at line 1 column 9); check the URL, and check for a captive \
             portal or a proxy",
        ),
        (
            user(),
            true,
            &[
                "x",
                "error sending request for url (https://h/token)",
                "client error (Connect)",
                "tcp connect error",
                "Connection refused (os error 111)",
            ],
            true,
            "authorized_user credentials in `/f.json` (named by VARIABLE): cannot connect to https://h/token: Connection refused \
             (os error 111); check the network, DNS, the firewall and the proxy variables (HTTPS_PROXY, NO_PROXY)",
        ),
        (
            user(),
            true,
            &[
                "x",
                "error sending request for url (https://h/token)",
                "client error (Connect)",
                "invalid peer certificate: UnknownIssuer",
            ],
            false,
            "authorized_user credentials in `/f.json` (named by VARIABLE): the TLS handshake with https://h/token failed: invalid \
             peer certificate: UnknownIssuer; the certificate's issuer is not among the system's CA certificates: if you trust \
             https://h/token, add the issuer there, or set SSL_CERT_FILE to a PEM file with it",
        ),
        (
            external(),
            false,
            &[
                "failed to read subject token field `t` as string, body=<{\"x\":\"anything\"}> and future attempts will not succeed",
            ],
            false,
            "external_account credentials in `/f.json` (named by VARIABLE): subject token file `/s`: failed to read subject token \
             field `t` as string; check `credential_source` in the file",
        ),
        (
            external(),
            false,
            &[
                "failed to fetch token",
                "the HTTP transport reports a [403] error: {\"error\":{\"message\":\"Denied\",\"status\":\"PERMISSION_DENIED\"}}",
            ],
            false,
            "external_account credentials in `/f.json` (named by VARIABLE): https://h/iam responded with HTTP 403 PERMISSION_DENIED: \
             Denied; check that the service account exists, and that the caller has roles/iam.serviceAccountTokenCreator on it",
        ),
        (
            external(),
            true,
            &[
                "failed to exchange token",
                "HTTP status server error (503 Service Unavailable) for url (https://h/token)",
            ],
            true,
            "external_account credentials in `/f.json` (named by VARIABLE): https://h/token responded with HTTP 503; the failure is \
             transient: try again later",
        ),
        (
            external(),
            true,
            &[
                "cannot create auth headers but future attempts may succeed",
                "No such file or directory (os error 2)",
            ],
            false,
            "external_account credentials in `/f.json` (named by VARIABLE): subject token file `/s`: No such file or directory (os \
             error 2); check `credential_source` in the file",
        ),
        (
            file(Kind::ServiceAccount),
            false,
            &[
                "failed to parse service account private key PEM: no items found and future attempts will not succeed",
            ],
            false,
            "service_account credentials in `/f.json` (named by VARIABLE): failed to parse service account private key PEM: no \
             items found; create a new key, and download it as JSON",
        ),
    ];
    for (origin, transient, texts, retried, expected) in cases {
        let chain = |texts: &[&'static str]| {
            texts
                .iter()
                .rev()
                .fold(None, |below, text| Some(Box::new(Text(text, below))))
        };
        let error = match chain(&texts[1..]) {
            Some(below) => CredentialsError::new(transient, texts[0], *below),
            None => CredentialsError::from_msg(transient, texts[0]),
        };
        let rejection = Cause::of(&error, &origin).rejection;
        assert_eq!(rejection.text(), expected);
        assert_eq!(rejection.is_transient(), retried, "{expected}");
    }
}
