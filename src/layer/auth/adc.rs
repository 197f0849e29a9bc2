//! Finds, checks and creates application default credentials (AIP-4110).
//!
//! We read the file ourselves, and use the builder of google-cloud-auth for its type. The library can read the file too, but
//! its errors name neither the file nor the variable, it accepts an empty variable as a path, and it ignores the quota project
//! of some files. The file is read each time the credentials are created, so a changed file takes effect.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use google_cloud_auth::build_errors;
use google_cloud_auth::credentials::service_account::AccessSpecifier;
use google_cloud_auth::credentials::{
    Credentials, external_account, impersonated, mds, service_account, user_account,
};
use http::HeaderValue;

use super::ca_roots;
use super::credential_file::{self, CredentialFile, Kind};
use super::metadata_server::MetadataServer;
use super::origin::{FileLocation, Origin};
use super::recovery::{Created, Factory};
use super::redact::redact;
use super::rejection::Rejection;
use crate::transport::endpoint;

const CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const QUOTA_PROJECT: &str = "GOOGLE_CLOUD_QUOTA_PROJECT";
const FILE_NAME: &str = "application_default_credentials.json";

/// Maximum size of a credential file, in bytes. The largest valid files, which have a certificate chain, have a few kilobytes.
const MAX_FILE: u64 = 1 << 20;

/// A function that returns the value of an environment variable.
type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Returns a factory that finds application default credentials in the environment of the process.
pub(super) fn factory(scope: &'static str) -> Factory {
    Arc::new(move || create(&|name| std::env::var_os(name), scope))
}

fn create(env: Env<'_>, scope: &str) -> Result<Created, Rejection> {
    let Some(location) = locate(env) else {
        let searched = format!("{CREDENTIALS} is not set, {} is not set", HOME.0);
        return metadata_server(env, searched, scope);
    };
    match read(&location) {
        Ok(text) => from_file(env, &location, &text, scope),
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && location.variable.is_none() =>
        {
            let path = location.path.display().to_string();
            let path = path.escape_debug();
            let searched = format!("{CREDENTIALS} is not set, `{path}` does not exist");
            metadata_server(env, searched, scope)
        }
        Err(error) => {
            let advice = match location.variable {
                Some(variable) => {
                    format!("set {variable} to a readable credential file, or unset it")
                }
                None => "make it readable, or set GOOGLE_APPLICATION_CREDENTIALS".to_owned(),
            };
            let text = format!("cannot read credential file {location}: {error}; {advice}");
            Err(Rejection::permanent(text))
        }
    }
}

/// Returns the path of the credential file, which need not exist. Returns `None` if no variable determines a path.
fn locate(env: Env<'_>) -> Option<FileLocation> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    if let Some(path) = set(CREDENTIALS) {
        return Some(FileLocation {
            path: PathBuf::from(path),
            variable: Some(CREDENTIALS),
        });
    }
    // gcloud writes the file to the directory of its own configuration.
    let folder = match set("CLOUDSDK_CONFIG") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(set(HOME.0)?).join(HOME.1),
    };
    Some(FileLocation {
        path: folder.join(FILE_NAME),
        variable: None,
    })
}

/// The variable with the user's directory, and the path of gcloud's directory below that directory. gcloud's directory has the
/// well-known credential file (AIP-4113).
#[cfg(not(windows))]
const HOME: (&str, &str) = ("HOME", ".config/gcloud");
#[cfg(windows)]
const HOME: (&str, &str) = ("APPDATA", "gcloud");

fn read(location: &FileLocation) -> std::io::Result<String> {
    let file = std::fs::File::open(&location.path)?;
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(std::io::Error::other("larger than 1 MiB"));
    }
    Ok(text)
}

/// Returns the quota project of the credentials. The variable takes precedence over the file. The client's setting takes
/// precedence over both: it is a header of the request, which the credentials do not overwrite.
fn quota_project(env: Env<'_>, file: Option<&CredentialFile>) -> Result<Option<String>, Rejection> {
    let variable = env(QUOTA_PROJECT).filter(|value| !value.is_empty());
    let Some(value) = variable else {
        return Ok(file.and_then(|file| file.quota_project.clone()));
    };
    let text = value.to_str();
    let text = text.filter(|text| HeaderValue::from_str(text).is_ok());
    let fault = || {
        let value = value.to_string_lossy();
        let error = endpoint::invalid(QUOTA_PROJECT, &value, "must be a project ID");
        Rejection::permanent(error.to_string())
    };
    text.map(|text| Some(text.to_owned())).ok_or_else(fault)
}

fn metadata_server(env: Env<'_>, searched: String, scope: &str) -> Result<Created, Rejection> {
    let server = MetadataServer::locate(env, searched).map_err(Rejection::permanent)?;
    let quota = quota_project(env, None)?;
    let origin = Origin::MetadataServer(server);
    check_roots(&origin)?;
    let builder = mds::Builder::default().with_scopes([scope]);
    let builder = match quota {
        Some(project) => builder.with_quota_project_id(project),
        None => builder,
    };
    let credentials = builder.build().map_err(|error| {
        let cause = redact(&error.to_string(), &[]);
        Rejection::permanent(format!("metadata server: {cause}"))
    })?;
    Ok(Created {
        credentials,
        origin,
    })
}

fn from_file(
    env: Env<'_>,
    location: &FileLocation,
    text: &str,
    scope: &str,
) -> Result<Created, Rejection> {
    let fault = |cause: String| {
        Rejection::permanent(format!(
            "invalid credential file {location}: {cause}; {}",
            credential_file::advice(text)
        ))
    };
    let file = CredentialFile::parse(text).map_err(fault)?;
    let quota = quota_project(env, Some(&file))?;
    let origin = Origin::file(location.clone(), &file);
    check_roots(&origin)?;
    let built = build(file, quota, scope);
    let credentials = built.map_err(|error| fault(redact(&error.to_string(), origin.secrets())))?;
    Ok(Created {
        credentials,
        origin,
    })
}

/// Returns an error if the system has no CA certificates, since google-cloud-auth would panic on its first request.
fn check_roots(origin: &Origin) -> Result<(), Rejection> {
    // The tokens of a service account are signed locally, without a request.
    if origin.kind() == Some(Kind::ServiceAccount) {
        return Ok(());
    }
    let missing = ca_roots::missing();
    missing.map_or(Ok(()), |text| {
        Err(Rejection::permanent(format!("{origin}: {text}")))
    })
}

fn build(
    file: CredentialFile,
    quota: Option<String>,
    scope: &str,
) -> Result<Credentials, build_errors::Error> {
    let json = file.json;
    match file.kind {
        Kind::AuthorizedUser => {
            let builder = user_account::Builder::new(json).with_scopes([scope]);
            let builder = quota
                .into_iter()
                .fold(builder, |builder, it| builder.with_quota_project_id(it));
            builder.build()
        }
        Kind::ServiceAccount => {
            let access = AccessSpecifier::from_scopes([scope]);
            let builder = service_account::Builder::new(json).with_access_specifier(access);
            let builder = quota
                .into_iter()
                .fold(builder, |builder, it| builder.with_quota_project_id(it));
            builder.build()
        }
        Kind::ImpersonatedServiceAccount => {
            let builder = impersonated::Builder::new(json).with_scopes([scope]);
            let builder = quota
                .into_iter()
                .fold(builder, |builder, it| builder.with_quota_project_id(it));
            builder.build()
        }
        Kind::ExternalAccount => {
            let builder = external_account::Builder::new(json).with_scopes([scope]);
            let builder = quota
                .into_iter()
                .fold(builder, |builder, it| builder.with_quota_project_id(it));
            builder.build()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Variables of an environment and their values.
    type Variables<'a> = &'a [(&'a str, &'a str)];

    fn env<'a>(values: Variables<'a>) -> impl Fn(&str) -> Option<OsString> + 'a {
        move |name| {
            let found = values.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        }
    }

    #[cfg(not(windows))]
    #[test]
    fn the_variable_names_the_file_else_the_well_known_file_is_used_and_an_empty_variable_is_unset()
    {
        let cases: [(Variables<'_>, Option<(&str, bool)>); 7] = [
            (&[], None),
            (&[("HOME", "")], None),
            (
                &[("HOME", "/h")],
                Some((
                    "/h/.config/gcloud/application_default_credentials.json",
                    false,
                )),
            ),
            (
                &[("HOME", "/h"), ("CLOUDSDK_CONFIG", "/c")],
                Some(("/c/application_default_credentials.json", false)),
            ),
            (
                &[("HOME", "/h"), (CREDENTIALS, "")],
                Some((
                    "/h/.config/gcloud/application_default_credentials.json",
                    false,
                )),
            ),
            (&[("HOME", "/h"), (CREDENTIALS, "/f")], Some(("/f", true))),
            (
                &[(CREDENTIALS, "relative.json")],
                Some(("relative.json", true)),
            ),
        ];
        for (values, expected) in cases {
            let found = locate(&env(values));
            let expected = expected.map(|(path, named)| FileLocation {
                path: PathBuf::from(path),
                variable: named.then_some(CREDENTIALS),
            });
            assert_eq!(found, expected, "{values:?}");
        }
    }

    #[test]
    fn the_variable_for_the_quota_project_takes_precedence_over_the_file() {
        let user = |quota: &str| {
            let text = format!(
                r#"{{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"r"{quota}}}"#
            );
            CredentialFile::parse(&text).expect("valid")
        };
        let without = user("");
        let with = user(r#","quota_project_id":"of-file""#);
        let cases: [(Variables<'_>, &CredentialFile, Option<&str>); 6] = [
            (&[], &without, None),
            (&[], &with, Some("of-file")),
            (
                &[(QUOTA_PROJECT, "of-variable")],
                &without,
                Some("of-variable"),
            ),
            (
                &[(QUOTA_PROJECT, "of-variable")],
                &with,
                Some("of-variable"),
            ),
            (&[(QUOTA_PROJECT, "")], &with, Some("of-file")),
            (&[(QUOTA_PROJECT, "")], &without, None),
        ];
        for (values, file, expected) in cases {
            let found = quota_project(&env(values), Some(file)).expect("valid");
            assert_eq!(found.as_deref(), expected, "{values:?}");
        }
        let error =
            quota_project(&env(&[(QUOTA_PROJECT, "a\nb")]), None).expect_err("not a header");
        assert!(error.text().contains(QUOTA_PROJECT), "{error}");
    }
}
