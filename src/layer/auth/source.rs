//! The headers of credentials, kept as ready values.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use google_cloud_auth::credentials::{CacheableResource, Credentials, EntityTag};
use http::{Extensions, HeaderMap};
use tokio::time::Instant;
use tonic::Status;

use crate::failure::Failure;
use crate::layer::headers::QUOTA_PROJECT;
use crate::metrics;

/// Up to this age, headers are used without a thought: asking costs more than the rest of the layer.
const FRESH: Duration = Duration::from_secs(10);

/// Up to this age, headers are used while others are asked for in the background. Credentials renew a
/// token four minutes before its end, so what they gave is good for about as long.
const USABLE: Duration = Duration::from_secs(200);

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
pub(super) struct Source {
    credentials: Credentials,
    patience: Duration,
    kept: RwLock<Option<Arc<Headers>>>,
    asking: AtomicBool,
}

impl Source {
    pub(super) fn new(credentials: Credentials, patience: Duration) -> Self {
        Self {
            credentials,
            patience,
            kept: RwLock::default(),
            asking: AtomicBool::new(false),
        }
    }

    pub(super) fn with_patience(&self, patience: Duration) -> Self {
        Self::new(self.credentials.clone(), patience)
    }

    /// The kept headers, if they are good; those that age are asked for again in the background.
    pub(super) fn at_hand(self: &Arc<Self>) -> Option<Arc<Headers>> {
        let kept = self.kept()?;
        let age = kept.at.elapsed();
        if age > USABLE {
            return None;
        }
        if age > FRESH && !self.asking.swap(true, Ordering::AcqRel) {
            let source = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(status) = source.ask().await {
                    tracing::debug!(code = ?status.code(), "credentials could not be renewed, keeping the old ones");
                }
                source.asking.store(false, Ordering::Release);
            });
        }
        Some(kept)
    }

    /// Asks the credentials, past the kept values.
    pub(super) async fn ask(&self) -> Result<Arc<Headers>, Status> {
        let asked = self.renew().await;
        asked.inspect_err(|_| metrics::token_refresh("failed"))
    }

    async fn renew(&self) -> Result<Arc<Headers>, Status> {
        let kept = self.kept();
        let mut extensions = Extensions::new();
        // `EntityTag::default()` equals the first tag of the process: no tag is not the default one.
        if let Some(kept) = &kept {
            extensions.insert(kept.tag.clone());
        }
        let asked = tokio::time::timeout(self.patience, self.credentials.headers(extensions)).await;
        let answer = asked.map_err(|_| {
            // No code that is tried again: a second wait would end in the call's own deadline.
            Status::deadline_exceeded(format!(
                "the credentials gave no token within {:?}",
                self.patience
            ))
        })?;
        let (tag, values) = match (answer.map_err(refused)?, kept) {
            (CacheableResource::New { entity_tag, data }, _) => {
                metrics::token_refresh("renewed");
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

fn refused(error: google_cloud_auth::errors::CredentialsError) -> Status {
    let mut root: &dyn std::error::Error = &error;
    while let Some(source) = root.source() {
        root = source;
    }
    let text = format!("the credentials gave no token: {root}");
    let status = if error.is_transient() {
        Status::unavailable(text)
    } else {
        Status::unauthenticated(text)
    };
    Failure::unsent(status, Some(error.into()))
}
