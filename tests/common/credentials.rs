//! Mock credentials with scripted answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use apigateway_grpc::google_cloud_auth::credentials::{
    CacheableResource, CredentialsProvider, EntityTag,
};
use apigateway_grpc::google_cloud_auth::errors::CredentialsError;
use http::{Extensions, HeaderMap, HeaderValue};

/// The answer of mock credentials.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// These headers, with a new entity tag.
    New(Vec<(&'static str, &'static str)>),
    /// The previous headers are still valid.
    Same,
    /// An error, transient or not.
    Fails(bool, &'static str),
    /// No answer.
    Hangs,
}

/// Returns the answer with only a bearer token.
pub(crate) fn token(token: &'static str) -> Answer {
    Answer::New(vec![("authorization", token)])
}

/// Credentials that answer by the number of the request, counted from one.
#[derive(Clone)]
pub(crate) struct Script {
    answer: Arc<dyn Fn(usize) -> Answer + Send + Sync>,
    requests: Arc<AtomicUsize>,
}

impl Script {
    pub(crate) fn new(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            answer: Arc::new(answer),
            requests: Arc::default(),
        }
    }

    /// Returns the number of requests.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl CredentialsProvider for Script {
    async fn headers(
        &self,
        known: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        match (self.answer)(number) {
            Answer::New(headers) => {
                let values = headers.into_iter().map(|(name, value)| {
                    (
                        name.parse().expect("a name"),
                        HeaderValue::from_static(value),
                    )
                });
                Ok(CacheableResource::New {
                    entity_tag: EntityTag::new(),
                    data: values.collect(),
                })
            }
            Answer::Same => {
                assert!(
                    known.get::<EntityTag>().is_some(),
                    "the request has the entity tag"
                );
                Ok(CacheableResource::NotModified)
            }
            Answer::Fails(transient, text) => Err(CredentialsError::from_msg(transient, text)),
            Answer::Hangs => std::future::pending().await,
        }
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}
