//! Sources of tokens that are slow, fail, or give tokens that are good no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apigateway_grpc::google_cloud_auth::credentials::{
    CacheableResource, CredentialsProvider, EntityTag,
};
use apigateway_grpc::google_cloud_auth::errors::CredentialsError;
use http::{Extensions, HeaderMap, HeaderValue, header};

/// What the emulator takes.
pub(crate) const TOKEN: &str = "ya29.s3cr3t-good";
/// What it takes no more.
const EXPIRED: &str = "ya29.s3cr3t-expired";
/// What all secrets of these tests have in them, and nothing else has.
pub(crate) const SECRET: &str = "s3cr3t";

/// What goes wrong with the source while there is a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// Each token takes this long.
    Slow(Duration),
    /// It never answers.
    Hangs,
    /// It fails, and says that this passes.
    Fails,
    /// Its first token has expired, the next has not.
    Expired,
    /// All its tokens are refused: they are of another time than the server's.
    OtherTime,
}

/// A source of tokens with a fault, for as long as that is on.
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
