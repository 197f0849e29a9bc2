//! Credentials files of every type, with all URLs at the token server of the test.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::token_server::{
    AWS_REGION, AWS_ROLE, AWS_SESSION, IAM, STS, SUBJECT_JSON, SUBJECT_TEXT, TOKEN,
};

/// The email of the service account whose key is in a file.
pub(crate) const EMAIL: &str = "owner@p.iam.gserviceaccount.com";

/// The addresses and paths in a credentials file.
pub(crate) struct Place {
    /// The URL of the token server.
    pub(crate) url: String,
    /// A folder of the test, which is also the home directory.
    pub(crate) folder: PathBuf,
}

impl Place {
    /// Creates the folder with the files that the credentials files below refer to.
    pub(crate) fn create(url: &str, folder: PathBuf) -> Self {
        let executable = json!({
            "version": 1,
            "success": true,
            "token_type": "urn:ietf:params:oauth:token-type:id_token",
            "id_token": "subject-hush",
        });
        let refusal = json!({
            "version": 1,
            "success": false,
            "token_type": "urn:ietf:params:oauth:token-type:id_token",
            "code": "401",
            "message": "the user is not logged in",
        });
        std::fs::create_dir_all(folder.join(".config/gcloud")).expect("a new folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.join(name), text).expect("a new file");
        };
        write("subject.txt", "subject-hush");
        write("subject.json", r#"{"subject": "subject-hush"}"#);
        write("executable.json", &executable.to_string());
        write("refusal.json", &refusal.to_string());
        let url = url.to_owned();
        Self { url, folder }
    }

    /// A string with `{url}`, `{host}` and `{folder}` replaced.
    pub(crate) fn fill(&self, text: &str) -> String {
        let folder = self.folder.to_str().expect("text");
        let (_, host) = self.url.split_once("://").expect("a URL");
        text.replace("{url}", &self.url)
            .replace("{host}", host)
            .replace("{folder}", folder)
    }

    pub(crate) fn well_known(&self) -> PathBuf {
        self.folder.join(Path::new(
            ".config/gcloud/application_default_credentials.json",
        ))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).to_str().expect("text").to_owned()
    }
}

pub(crate) fn authorized_user(place: &Place) -> Value {
    json!({
        "type": "authorized_user",
        "client_id": "client.apps.googleusercontent.com",
        "client_secret": "client-hush",
        "refresh_token": "refresh-hush",
        "token_uri": place.url(TOKEN),
    })
}

/// The private key of [`service_account`], in PEM.
static KEY: LazyLock<String> = LazyLock::new(|| {
    let key = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: Pkcs8V1Der<'_> = key.as_der().expect("a key");
    let body = BASE64_STANDARD.encode(der.as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
});

/// Part of the private key, for which the test searches the output.
pub(crate) fn part_of_key() -> &'static str {
    KEY.lines().nth(1).map_or("", |body| &body[40..100])
}

pub(crate) fn service_account(place: &Place) -> Value {
    json!({
        "type": "service_account",
        "client_email": EMAIL,
        "private_key_id": "id-of-the-key",
        "private_key": *KEY,
        "project_id": "p",
        "token_uri": place.url(TOKEN),
        "universe_domain": "googleapis.com",
    })
}

pub(crate) fn impersonated_from_user(place: &Place) -> Value {
    impersonated(place, &authorized_user(place))
}

pub(crate) fn impersonated_from_service_account(place: &Place) -> Value {
    impersonated(place, &service_account(place))
}

fn impersonated(place: &Place, source: &Value) -> Value {
    json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url": place.url(IAM),
        "source_credentials": source,
    })
}

pub(crate) fn external_file_text(place: &Place) -> Value {
    external(place, &json!({"file": place.file("subject.txt")}))
}

pub(crate) fn external_file_json(place: &Place) -> Value {
    let format = json!({"type": "json", "subject_token_field_name": "subject"});
    external(
        place,
        &json!({"file": place.file("subject.json"), "format": format}),
    )
}

pub(crate) fn external_url_text(place: &Place) -> Value {
    external(place, &json!({"url": place.url(SUBJECT_TEXT)}))
}

pub(crate) fn external_url_json(place: &Place) -> Value {
    let format = json!({"type": "json", "subject_token_field_name": "subject"});
    external(
        place,
        &json!({"url": place.url(SUBJECT_JSON), "format": format}),
    )
}

pub(crate) fn external_executable(place: &Place) -> Value {
    external_command(
        place,
        &format!("/bin/cat {}", place.file("executable.json")),
    )
}

pub(crate) fn external_command(place: &Place, command: &str) -> Value {
    let executable = json!({"command": command, "timeout_millis": 5000});
    external(place, &json!({"executable": executable}))
}

pub(crate) fn external_aws(place: &Place) -> Value {
    let source = json!({
        "environment_id": "aws1",
        "imdsv2_session_token_url": place.url(AWS_SESSION),
        "region_url": place.url(AWS_REGION),
        "url": place.url(AWS_ROLE),
        "regional_cred_verification_url":
            "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
    });
    let mut file = external(place, &source);
    file["subject_token_type"] = json!("urn:ietf:params:aws:token-type:aws4_request");
    file
}

fn external(place: &Place, source: &Value) -> Value {
    json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": place.url(STS),
        "credential_source": source,
    })
}

/// Adds the impersonation of a service account to the file of an external account.
pub(crate) fn with_impersonation(place: &Place, mut file: Value) -> Value {
    file["service_account_impersonation_url"] = json!(place.url(IAM));
    file
}
