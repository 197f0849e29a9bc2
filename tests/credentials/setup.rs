//! The servers, files and variables of one client.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::api_server::ApiServer;
use crate::authority::Authority;
use crate::child::Scenario;
use crate::credential_file::{self, Place};
use crate::process::{self, Client, Environment, Run};
use crate::source::Source;
use crate::token_server::{Fault, SECRET, TokenServer};

/// Signs the certificates of the service, and is in `SSL_CERT_FILE`.
pub(crate) static TRUSTED: LazyLock<Authority> = LazyLock::new(|| Authority::new("trusted"));

/// Signs a certificate that no client trusts.
pub(crate) static UNKNOWN: LazyLock<Authority> = LazyLock::new(|| Authority::new("unknown"));

/// How a client finds its credentials file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// `GOOGLE_APPLICATION_CREDENTIALS` names it.
    ByVariable,
    /// The file is at the path in the home directory to which gcloud writes it.
    AtWellKnownPath,
    /// The same, and `GOOGLE_APPLICATION_CREDENTIALS` is empty.
    DespiteEmptyVariable,
    /// `CLOUDSDK_CONFIG` names the folder that gcloud writes it to.
    InFolderOfGcloud,
}

const CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";

pub(crate) struct Setup {
    pub(crate) tokens: TokenServer,
    pub(crate) api: ApiServer,
    pub(crate) place: Place,
    pub(crate) environment: Environment,
    pub(crate) scenario: Scenario,
}

impl Setup {
    /// Starts the servers. The environment has a home without credentials, and no metadata server.
    pub(crate) async fn start(fault: Option<Fault>, authority: Option<&Authority>) -> Self {
        let tokens = TokenServer::start(fault, authority).await;
        let api = ApiServer::start(&TRUSTED).await;
        let place = Place::create(&tokens.url, folder());
        let ca = TRUSTED.pem();
        let roots = place.folder.join("ca.pem");
        std::fs::write(&roots, &ca).expect("a new file");
        let mut environment = Environment::new();
        process::set(&mut environment, "HOME", &place.folder);
        process::set(&mut environment, "SSL_CERT_FILE", roots);
        process::set(&mut environment, "GCE_METADATA_HOST", "127.0.0.1:1");
        // The logs of the command are searched for secrets.
        process::set(&mut environment, "RUST_LOG", "trace");
        let scenario = Scenario {
            endpoint: api.endpoint.clone(),
            ca,
            ..Scenario::default()
        };
        Self {
            tokens,
            api,
            place,
            environment,
            scenario,
        }
    }

    pub(crate) fn variable(&mut self, name: &str, value: &str) {
        let value = self.place.fill(value);
        process::set(&mut self.environment, name, value);
    }

    /// Writes the source's file and sets its variables.
    pub(crate) fn source(&mut self, source: &Source, found: Found) {
        for (name, value) in source.variables {
            self.variable(name, value);
        }
        if let Some(file) = source.file {
            let file = file(&self.place);
            self.file(&file, found);
        }
    }

    pub(crate) fn file(&mut self, file: &Value, found: Found) {
        let path = self.path(found);
        std::fs::write(path, file.to_string()).expect("a new file");
    }

    /// Returns the path of the credentials file, and sets the variable that names the file or its folder, if any.
    pub(crate) fn path(&mut self, found: Found) -> PathBuf {
        let folder = self.place.folder.clone();
        match found {
            Found::AtWellKnownPath => self.place.well_known(),
            Found::DespiteEmptyVariable => {
                self.variable(CREDENTIALS, "");
                self.place.well_known()
            }
            Found::InFolderOfGcloud => {
                self.variable("CLOUDSDK_CONFIG", "{folder}");
                folder.join("application_default_credentials.json")
            }
            Found::ByVariable => {
                self.variable(CREDENTIALS, "{folder}/credentials.json");
                folder.join("credentials.json")
            }
        }
    }

    /// Returns the kind of secret that a text contains, if any: a marked secret of a file or a token endpoint, the private key,
    /// or a token that the service received.
    pub(crate) fn secret_in(&self, text: &str) -> Option<&'static str> {
        if text.contains(SECRET) {
            return Some("a marked secret");
        }
        if text.contains(credential_file::part_of_key()) {
            return Some("the private key");
        }
        let calls = self.api.calls();
        let tokens = calls.iter().map(|call| call.header("authorization"));
        let tokens = tokens.map(|value| value.trim_start_matches("Bearer ").to_owned());
        let found = tokens.into_iter().any(|token| text.contains(&token));
        found.then_some("the token")
    }

    pub(crate) async fn run(&self, client: Client) -> Run {
        process::run(client, &self.scenario, &self.environment).await
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        // A failure is harmless: the folder is within the folder for temporary files.
        std::fs::remove_dir_all(&self.place.folder).ok();
    }
}

/// Returns a path that no other setup has.
fn folder() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::SeqCst);
    std::env::temp_dir().join(format!("apigw-credentials-{}-{number}", std::process::id()))
}
