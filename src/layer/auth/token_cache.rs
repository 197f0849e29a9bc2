//! The cached headers of credentials.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use google_cloud_auth::credentials::{CacheableResource, EntityTag};
use http::HeaderMap;
use tokio::time::Instant;
use tonic::Status;

use super::recovery::Provider;
use crate::layer::headers::QUOTA_PROJECT;
use crate::telemetry;

/// Maximum age of headers that are used without a request to the credentials. Such a request costs more than the rest of the
/// layer.
const FRESH: Duration = Duration::from_secs(10);

/// Maximum age of headers that are used while they are refreshed in the background. Credentials refresh a token four minutes
/// before it expires, so headers stay valid for about that long after they were returned.
const USABLE: Duration = Duration::from_secs(200);

/// The delay after a failed refresh in the background.
const REFRESH_PAUSE: Duration = Duration::from_secs(1);

/// Headers that the credentials returned.
#[derive(Debug)]
pub(super) struct Headers {
    pub(super) tag: EntityTag,
    /// The values are marked sensitive, so `Debug` does not show them.
    values: HeaderMap,
    fetched_at: Instant,
}

impl Headers {
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.values {
            // The quota project that is set on the client takes precedence, and is sent once.
            if *name != QUOTA_PROJECT || !headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
    }
}

/// The credentials and their cached headers.
#[derive(Debug)]
pub(super) struct TokenCache {
    provider: Arc<Provider>,
    token_timeout: Duration,
    headers: RwLock<Option<Arc<Headers>>>,
    /// True while a task refreshes the headers.
    refreshing: AtomicBool,
}

/// Marks the end of a background refresh on drop, even if its task panics or is dropped with its runtime.
struct Refresh(Arc<TokenCache>);

impl Drop for Refresh {
    fn drop(&mut self) {
        self.0.refreshing.store(false, Ordering::Release);
    }
}

impl TokenCache {
    pub(super) fn new(provider: Provider, token_timeout: Duration) -> Self {
        Self::shared(Arc::new(provider), token_timeout)
    }

    pub(super) fn with_token_timeout(&self, token_timeout: Duration) -> Self {
        Self::shared(Arc::clone(&self.provider), token_timeout)
    }

    fn shared(provider: Arc<Provider>, token_timeout: Duration) -> Self {
        Self {
            provider,
            token_timeout,
            headers: RwLock::default(),
            refreshing: AtomicBool::new(false),
        }
    }

    /// Returns the cached headers, if they are recent enough. Headers older than [`FRESH`] are also refreshed in the
    /// background.
    pub(super) fn cached(self: &Arc<Self>) -> Option<Arc<Headers>> {
        let cached = self.load()?;
        let age = cached.fetched_at.elapsed();
        if age > USABLE {
            return None;
        }
        if age > FRESH && !self.refreshing.swap(true, Ordering::AcqRel) {
            let refresh = Refresh(Arc::clone(self));
            tokio::spawn(async move {
                if let Err(status) = refresh.0.fetch().await {
                    tracing::debug!(code = ?status.code(), "cannot refresh the credentials, keeping the old ones");
                    // During this pause, calls start no other refresh. Otherwise each call would start one while the
                    // credentials fail.
                    tokio::time::sleep(REFRESH_PAUSE).await;
                }
            });
        }
        Some(cached)
    }

    /// Requests headers from the credentials instead of the cache, and caches them.
    pub(super) async fn fetch(&self) -> Result<Arc<Headers>, Status> {
        let result = self.refresh().await;
        result.inspect_err(|_| telemetry::token_refresh("failed"))
    }

    async fn refresh(&self) -> Result<Arc<Headers>, Status> {
        let cached = self.load();
        let tag = cached.as_ref().map(|cached| &cached.tag);
        let answer = self.provider.headers(tag, self.token_timeout).await?;
        let (tag, values) = match (answer, cached) {
            (CacheableResource::New { entity_tag, data }, _) => {
                telemetry::token_refresh("renewed");
                (entity_tag, data)
            }
            (CacheableResource::NotModified, Some(cached)) => {
                (cached.tag.clone(), cached.values.clone())
            }
            (CacheableResource::NotModified, None) => {
                return Err(Status::unauthenticated(
                    "the credentials returned no headers",
                ));
            }
        };
        Ok(self.store(tag, values))
    }

    fn store(&self, tag: EntityTag, mut values: HeaderMap) -> Arc<Headers> {
        values
            .values_mut()
            .for_each(|value| value.set_sensitive(true));
        let headers = Arc::new(Headers {
            tag,
            values,
            fetched_at: Instant::now(),
        });
        *self.headers.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&headers));
        headers
    }

    fn load(&self) -> Option<Arc<Headers>> {
        self.headers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
