//! Credentials of another universe are never sent (AIP-4120).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use google_cloud_auth::credentials::{CacheableResource, Credentials, CredentialsProvider};
use google_cloud_auth::errors::CredentialsError;
use http::{Extensions, HeaderMap};

use crate::endpoint::DEFAULT_UNIVERSE;

/// Maximum time for the question, which credentials of the metadata server send over the network.
const PATIENCE: Duration = Duration::from_secs(2);

/// Returns credentials that give headers only if they belong to the universe `domain`. They are asked once, after their
/// first token.
pub(crate) fn of_universe(credentials: Credentials, domain: &str) -> Credentials {
    OfUniverse {
        credentials,
        domain: domain.to_owned(),
        checked: AtomicBool::new(false),
    }
    .into()
}

#[derive(Debug)]
struct OfUniverse {
    credentials: Credentials,
    domain: String,
    checked: AtomicBool,
}

impl OfUniverse {
    async fn check(&self) -> Result<(), CredentialsError> {
        let asked = tokio::time::timeout(PATIENCE, self.credentials.universe_domain()).await;
        let found = asked.ok().flatten();
        // Google's clients take credentials without a universe for those of the default one.
        let found = found.as_deref().unwrap_or(DEFAULT_UNIVERSE);
        if found.eq_ignore_ascii_case(&self.domain) {
            self.checked.store(true, Ordering::Release);
            return Ok(());
        }
        Err(CredentialsError::from_msg(
            false,
            format!(
                "the credentials belong to the universe {found}, but the client to {}; set `universe_domain` or GOOGLE_CLOUD_UNIVERSE_DOMAIN to {found}, or use other credentials",
                self.domain
            ),
        ))
    }
}

impl CredentialsProvider for OfUniverse {
    async fn headers(
        &self,
        extensions: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let headers: CacheableResource<HeaderMap> = self.credentials.headers(extensions).await?;
        if !self.checked.load(Ordering::Acquire) {
            self.check().await?;
        }
        Ok(headers)
    }

    async fn universe_domain(&self) -> Option<String> {
        self.credentials.universe_domain().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use google_cloud_auth::credentials::EntityTag;

    use super::DEFAULT_UNIVERSE as DEFAULT;
    use super::*;

    /// Credentials of a universe, which count how often they are asked for it.
    #[derive(Debug)]
    struct Of(Option<&'static str>, Arc<AtomicUsize>);

    impl CredentialsProvider for Of {
        async fn headers(
            &self,
            _: Extensions,
        ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
            Ok(CacheableResource::New {
                entity_tag: EntityTag::new(),
                data: HeaderMap::new(),
            })
        }

        async fn universe_domain(&self) -> Option<String> {
            self.1.fetch_add(1, Ordering::SeqCst);
            if self.0 == Some("silent") {
                std::future::pending::<()>().await;
            }
            self.0.map(str::to_owned)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_give_headers_in_their_own_universe_only() {
        let cases = [
            (None, DEFAULT, true),
            (Some(DEFAULT), DEFAULT, true),
            (Some("u.test"), "u.test", true),
            (Some("U.test"), "u.test", true),
            (Some("u.test"), DEFAULT, false),
            (Some(DEFAULT), "u.test", false),
            (None, "u.test", false),
            (Some("silent"), DEFAULT, true),
            (Some("silent"), "u.test", false),
        ];
        for (own, client, sent) in cases {
            let asked = Arc::default();
            let credentials = of_universe(Of(own, Arc::clone(&asked)).into(), client);
            for _ in 0..3 {
                let headers = credentials.headers(Extensions::new()).await;
                assert_eq!(headers.is_ok(), sent, "{own:?} {client}");
                if let Err(error) = headers {
                    assert!(!error.is_transient());
                    let text = format!("{error:?}");
                    assert!(text.contains(client), "{text}");
                }
            }
            let expected = if sent { 1 } else { 3 };
            assert_eq!(asked.load(Ordering::SeqCst), expected, "{own:?} {client}");
        }
    }
}
