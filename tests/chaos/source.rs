//! Token sources that are slow, fail, or return expired tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apigateway_grpc::google_cloud_auth::credentials::{
    CacheableResource, CredentialsProvider, EntityTag,
};
use apigateway_grpc::google_cloud_auth::errors::CredentialsError;
use http::{Extensions, HeaderMap, HeaderValue, header};

/// The token that the emulator accepts.
pub(crate) const TOKEN: &str = "ya29.s3cr3t-good";
/// The token that the emulator no longer accepts.
const EXPIRED: &str = "ya29.s3cr3t-expired";
/// A text that is part of all secrets of these tests, and of nothing else.
pub(crate) const SECRET: &str = "s3cr3t";

/// The fault of a token source.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    /// No fault.
    None,
    /// Each token takes this long.
    Slow(Duration),
    /// The source never answers.
    Hangs,
    /// The source fails with a transient error.
    Fails,
    /// The first token has expired, the next one has not.
    Expired,
    /// All tokens are refused, since the clocks differ.
    OtherTime,
}

/// A token source that has a fault while `on` is true.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) trouble: Trouble,
    pub(crate) on: Arc<AtomicBool>,
}

impl Source {
    fn trouble(&self) -> Trouble {
        if self.on.load(Ordering::SeqCst) {
            self.trouble
        } else {
            Trouble::None
        }
    }
}

impl CredentialsProvider for Source {
    async fn headers(
        &self,
        _known: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let token = match self.trouble() {
            Trouble::None => TOKEN,
            Trouble::Slow(time) => {
                tokio::time::sleep(time).await;
                TOKEN
            }
            Trouble::Hangs => std::future::pending().await,
            Trouble::Fails => return Err(CredentialsError::from_msg(true, "out of tokens")),
            Trouble::Expired => {
                self.on.store(false, Ordering::SeqCst);
                EXPIRED
            }
            Trouble::OtherTime => EXPIRED,
        };
        let value = format!("Bearer {token}").parse::<HeaderValue>();
        Ok(CacheableResource::New {
            entity_tag: EntityTag::new(),
            data: HeaderMap::from_iter([(header::AUTHORIZATION, value.expect("header text"))]),
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}
