//! Checks the universe domain of credentials. Credentials of another universe are never sent (AIP-4120).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use google_cloud_auth::credentials::{CacheableResource, Credentials, CredentialsProvider};
use google_cloud_auth::errors::CredentialsError;
use http::{Extensions, HeaderMap};

use crate::transport::endpoint::DEFAULT_UNIVERSE;

/// The start of every error of this module. It distinguishes these errors from the library's.
pub(super) const SUBJECT: &str = "the credentials ";

/// Timeout of a request for the universe domain, which the metadata server returns over the network.
const UNIVERSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Wraps credentials so that they return headers only if the credentials belong to the universe `domain`. Each request for
/// headers also requests the universe domain, until the credentials have named it.
///
/// If the universe domain is not returned in time, the headers are not sent, and the next call requests it again. Credentials
/// without a universe domain count as credentials of the default universe, as in Google's clients. This result is not cached,
/// since the library also returns it after a failed request.
pub(crate) fn of_universe(credentials: Credentials, domain: &str) -> Credentials {
    OfUniverse {
        credentials,
        domain: domain.to_owned(),
        named: AtomicBool::new(false),
    }
    .into()
}

#[derive(Debug)]
struct OfUniverse {
    credentials: Credentials,
    domain: String,
    /// True if the credentials have named the universe `domain` as theirs.
    named: AtomicBool,
}

impl OfUniverse {
    async fn check(&self) -> Result<(), CredentialsError> {
        let result =
            tokio::time::timeout(UNIVERSE_TIMEOUT, self.credentials.universe_domain()).await;
        let Ok(named) = result else {
            let text = format!(
                "{SUBJECT}did not return their universe domain within {UNIVERSE_TIMEOUT:?}, so they are not sent to {}; retry the \
                 call",
                self.domain
            );
            return Err(CredentialsError::from_msg(true, text));
        };
        let universe = named.as_deref().unwrap_or(DEFAULT_UNIVERSE);
        if universe.eq_ignore_ascii_case(&self.domain) {
            self.named.store(named.is_some(), Ordering::Release);
            return Ok(());
        }
        Err(CredentialsError::from_msg(
            false,
            format!(
                "{SUBJECT}are for the universe domain {universe}, but the client is for {}; set `universe_domain` or GOOGLE_CLOUD_UNIVERSE_DOMAIN to {universe}, or use other credentials",
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
        if !self.named.load(Ordering::Acquire) {
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

    /// Credentials that return these universe domains, one for each request, and then repeat the last one. The counter has the
    /// number of requests.
    #[derive(Debug)]
    struct Answers(&'static [Option<&'static str>], Arc<AtomicUsize>);

    /// A marker for a request that is never answered.
    const SILENT: Option<&str> = Some("silent");

    impl CredentialsProvider for Answers {
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
            let number = self.1.fetch_add(1, Ordering::SeqCst);
            let answer = self.0[number.min(self.0.len() - 1)];
            if answer == SILENT {
                std::future::pending::<()>().await;
            }
            answer.map(str::to_owned)
        }
    }

    /// The outcome of a request for headers.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Outcome {
        Sent,
        /// Refused by a permanent error.
        Refused,
        /// Refused by a transient error.
        Unknown,
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_return_headers_only_in_their_own_universe() {
        use Outcome::{Refused, Sent, Unknown};

        const OTHER: &str = "u.test";
        type Case = (
            &'static [Option<&'static str>],
            &'static str,
            [Outcome; 3],
            usize,
        );
        let cases: [Case; 13] = [
            (&[None], DEFAULT, [Sent; 3], 3),
            (&[Some(DEFAULT)], DEFAULT, [Sent; 3], 1),
            (&[Some(OTHER)], OTHER, [Sent; 3], 1),
            (&[Some("U.test")], OTHER, [Sent; 3], 1),
            (&[Some(OTHER)], DEFAULT, [Refused; 3], 3),
            (&[Some(DEFAULT)], OTHER, [Refused; 3], 3),
            (&[None], OTHER, [Refused; 3], 3),
            // If the universe is unknown, nothing is sent, and the next call requests it again.
            (&[SILENT], DEFAULT, [Unknown; 3], 3),
            (&[SILENT], OTHER, [Unknown; 3], 3),
            (&[SILENT, Some(OTHER)], OTHER, [Unknown, Sent, Sent], 2),
            (
                &[SILENT, Some(OTHER)],
                DEFAULT,
                [Unknown, Refused, Refused],
                3,
            ),
            (&[SILENT, Some(DEFAULT)], DEFAULT, [Unknown, Sent, Sent], 2),
            // A missing universe domain counts as the default one, but is not cached.
            (&[None, Some(OTHER)], DEFAULT, [Sent, Refused, Refused], 3),
        ];
        for (answers, client, expected, requests) in cases {
            let counter = Arc::default();
            let credentials = of_universe(Answers(answers, Arc::clone(&counter)).into(), client);
            for expected in expected {
                let headers = credentials.headers(Extensions::new()).await;
                let found = match &headers {
                    Ok(_) => Sent,
                    Err(error) if error.is_transient() => Unknown,
                    Err(_) => Refused,
                };
                assert_eq!(found, expected, "{answers:?} {client}");
                if let Err(error) = headers {
                    let text = format!("{error:?}");
                    assert!(text.contains(client), "{text}");
                    assert_eq!(text.contains("retry the call"), found == Unknown, "{text}");
                }
            }
            assert_eq!(
                counter.load(Ordering::SeqCst),
                requests,
                "{answers:?} {client}"
            );
        }
    }
}
