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

/// Up to this age, headers are used without a thought: asking costs more than the rest of the layer.
const FRESH: Duration = Duration::from_secs(10);

/// Up to this age, headers are used while others are asked for in the background. Credentials renew a
/// token four minutes before its end, so what they gave is good for about as long.
const USABLE: Duration = Duration::from_secs(200);

/// The pause after a renewal in the background that failed.
const REFRESH_PAUSE: Duration = Duration::from_secs(1);

/// Headers as the credentials gave them.
#[derive(Debug)]
pub(super) struct Headers {
    pub(super) tag: EntityTag,
    /// The values are marked sensitive, so `Debug` does not show them.
    values: HeaderMap,
    at: Instant,
}

impl Headers {
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.values {
            // The quota project that was set on the client wins, and is sent once.
            if *name != QUOTA_PROJECT || !headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
    }
}

/// Where headers come from.
#[derive(Debug)]
pub(super) struct TokenCache {
    provider: Arc<Provider>,
    token_timeout: Duration,
    kept: RwLock<Option<Arc<Headers>>>,
    /// A task renews the headers.
    refreshing: AtomicBool,
}

/// Marks the end of a renewal in the background, however it ends: its task may panic, or be dropped with its runtime.
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
            kept: RwLock::default(),
            refreshing: AtomicBool::new(false),
        }
    }

    /// The kept headers, if they are good; those that age are asked for again in the background.
    pub(super) fn cached(self: &Arc<Self>) -> Option<Arc<Headers>> {
        let kept = self.kept()?;
        let age = kept.at.elapsed();
        if age > USABLE {
            return None;
        }
        if age > FRESH && !self.refreshing.swap(true, Ordering::AcqRel) {
            let refresh = Refresh(Arc::clone(self));
            tokio::spawn(async move {
                if let Err(status) = refresh.0.fetch().await {
                    tracing::debug!(code = ?status.code(), "credentials could not be renewed, keeping the old ones");
                    // Calls begin no other renewal meanwhile: while the credentials fail, each call would.
                    tokio::time::sleep(REFRESH_PAUSE).await;
                }
            });
        }
        Some(kept)
    }

    /// Asks the credentials, past the kept values.
    pub(super) async fn fetch(&self) -> Result<Arc<Headers>, Status> {
        let asked = self.refresh().await;
        asked.inspect_err(|_| telemetry::token_refresh("failed"))
    }

    async fn refresh(&self) -> Result<Arc<Headers>, Status> {
        let kept = self.kept();
        let tag = kept.as_ref().map(|kept| &kept.tag);
        let answer = self.provider.headers(tag, self.token_timeout).await?;
        let (tag, values) = match (answer, kept) {
            (CacheableResource::New { entity_tag, data }, _) => {
                telemetry::token_refresh("renewed");
                (entity_tag, data)
            }
            (CacheableResource::NotModified, Some(kept)) => (kept.tag.clone(), kept.values.clone()),
            (CacheableResource::NotModified, None) => {
                return Err(Status::unauthenticated("the credentials gave no headers"));
            }
        };
        Ok(self.keep(tag, values))
    }

    fn keep(&self, tag: EntityTag, mut values: HeaderMap) -> Arc<Headers> {
        values
            .values_mut()
            .for_each(|value| value.set_sensitive(true));
        let headers = Arc::new(Headers {
            tag,
            values,
            at: Instant::now(),
        });
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&headers));
        headers
    }

    fn kept(&self) -> Option<Arc<Headers>> {
        self.kept
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
