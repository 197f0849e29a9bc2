//! `--credentials=gcloud`: the access token of the account that is signed in with `gcloud auth login`.

use std::fmt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use apigateway_grpc::google_cloud_auth::credentials::{
    CacheableResource, CredentialsProvider, EntityTag,
};
use apigateway_grpc::google_cloud_auth::errors::CredentialsError;
use apigateway_grpc::http::{Extensions, HeaderMap, HeaderValue, header};

use crate::config::Settings;
use crate::failure::Failure;

/// Age at which a token is renewed. gcloud prints tokens that are valid for about an hour.
const RENEWAL: Duration = Duration::from_secs(600);

/// Credentials that run `gcloud auth print-access-token`, once at the start, and again when the token is as old as [`RENEWAL`].
/// So a long wait does not fail when its first token expires.
pub(crate) struct GcloudToken {
    print: Arc<dyn Fn() -> Result<String, String> + Send + Sync>,
    renewal: Duration,
    latest: Arc<Mutex<Latest>>,
}

#[derive(Clone)]
struct Latest {
    token: String,
    tag: EntityTag,
    printed: Instant,
}

impl GcloudToken {
    /// Runs gcloud for the first token.
    ///
    /// # Errors
    ///
    /// If gcloud cannot be run or prints no token. The error does not show any part of a token.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Failure> {
        let mut arguments = ["auth", "print-access-token", "--quiet"]
            .map(str::to_owned)
            .to_vec();
        if let Some(name) = &settings.flags.configuration {
            arguments.extend(["--configuration".to_owned(), name.clone()]);
        }
        if let Some(chain) = settings.impersonated().value {
            arguments.extend(["--impersonate-service-account".to_owned(), chain]);
        }
        Self::of(move || print(&arguments), RENEWAL).map_err(Failure::from)
    }

    fn of(
        print: impl Fn() -> Result<String, String> + Send + Sync + 'static,
        renewal: Duration,
    ) -> Result<Self, String> {
        let latest = Latest::new(print()?);
        Ok(Self {
            print: Arc::new(print),
            renewal,
            latest: Arc::new(Mutex::new(latest)),
        })
    }

    fn latest(&self) -> Latest {
        self.latest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Latest {
    fn new(token: String) -> Self {
        Self {
            token,
            tag: EntityTag::new(),
            printed: Instant::now(),
        }
    }
}

impl CredentialsProvider for GcloudToken {
    async fn headers(
        &self,
        extensions: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let mut latest = self.latest();
        if latest.printed.elapsed() >= self.renewal {
            let print = Arc::clone(&self.print);
            let printed = tokio::task::spawn_blocking(move || print()).await;
            let token = printed
                .map_err(|error| CredentialsError::from_source(true, error))?
                .map_err(|text| CredentialsError::from_msg(true, text))?;
            latest = Latest::new(token);
            *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = latest.clone();
        }
        if extensions.get::<EntityTag>() == Some(&latest.tag) {
            return Ok(CacheableResource::NotModified);
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {}", latest.token))
            .map_err(|_| CredentialsError::from_msg(false, "gcloud printed an invalid token"))?;
        value.set_sensitive(true);
        Ok(CacheableResource::New {
            entity_tag: latest.tag,
            data: HeaderMap::from_iter([(header::AUTHORIZATION, value)]),
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

impl fmt::Debug for GcloudToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcloudToken").finish_non_exhaustive()
    }
}

/// Runs gcloud and returns the token that it prints.
fn print(arguments: &[String]) -> Result<String, String> {
    let fault = |text: &str| format!("--credentials=gcloud: {text}");
    let output = Command::new("gcloud")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => fault("the program `gcloud` was not found in PATH"),
            _ => fault(&format!("cannot run `gcloud`: {error}")),
        })?;
    let token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || token.is_empty() || token.contains(char::is_whitespace) {
        let message = String::from_utf8_lossy(&output.stderr);
        let message = message.trim().lines().next();
        return Err(fault(&format!(
            "`gcloud auth print-access-token` failed: {}; check the account with `gcloud auth list`, or run `gcloud auth login`",
            message.unwrap_or("no access token was printed")
        )));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    async fn sent(token: &GcloudToken) -> String {
        match token.headers(Extensions::new()).await.expect("a token") {
            CacheableResource::New { data, .. } => {
                data["authorization"].to_str().expect("text").to_owned()
            }
            CacheableResource::NotModified => "not modified".to_owned(),
        }
    }

    fn counting(renewal: Duration) -> GcloudToken {
        let count = AtomicUsize::new(0);
        let print = move || Ok(format!("t{}", count.fetch_add(1, Ordering::Relaxed)));
        GcloudToken::of(print, renewal).expect("a token")
    }

    #[tokio::test]
    async fn an_old_token_is_renewed_and_a_recent_one_is_kept() {
        let token = counting(RENEWAL);
        assert_eq!(sent(&token).await, "Bearer t0");
        assert_eq!(sent(&token).await, "Bearer t0");
        let token = counting(Duration::ZERO);
        assert_eq!(sent(&token).await, "Bearer t1");
        assert_eq!(sent(&token).await, "Bearer t2");
        assert!(!format!("{token:?}").contains("t2"));
    }
}
