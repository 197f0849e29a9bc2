//! Creates credentials again after they have failed.
//!
//! Credentials are dropped after an error, and a factory creates new ones. The reason is that google-cloud-auth requests tokens
//! in a task of its own. This task ends for good after an error that the library classifies as permanent, after a panic, and
//! with the runtime that it was spawned on. From then on, the credentials return the same error, or panic in their caller.
//!
//! Credentials that have not answered in time are kept until they have been silent for too long.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, select};
use google_cloud_auth::credentials::{CacheableResource, Credentials, EntityTag};
use google_cloud_auth::errors::CredentialsError;
use http::{Extensions, HeaderMap};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tonic::{Code, Status};
use tower::util::rng::{HasherRng, Rng as _};

use super::ca_roots;
use super::cause::Cause;
use super::metadata_server::{MetadataServer, PROBE_TIMEOUT, ProbeError};
use super::origin::Origin;
use super::rejection::Rejection;

/// A function that creates credentials. It runs in the task of a call. The call does not hold the lock of `Provider::state`
/// while the function runs.
pub(super) type Factory = Arc<dyn Fn() -> Result<Created, Rejection> + Send + Sync>;

/// Credentials and their source.
pub(super) struct Created {
    pub(super) credentials: Credentials,
    pub(super) origin: Origin,
}

type CacheableHeaders = CacheableResource<HeaderMap>;

/// Credentials of at least this age may return the error of an earlier request. A call that receives such an error creates new
/// credentials at once, and tries these.
const STALE: Duration = Duration::from_secs(1);

/// Delay before credentials are created again after one failure. It doubles with each failure in a row.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// Maximum delay after a transient failure. google-cloud-auth itself would retry about as often.
const MAX_DELAY_TRANSIENT: Duration = Duration::from_secs(10);
/// Maximum delay after a failure that lasts until someone fixes the source.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// Time without an answer after which credentials are created again. The time is shorter than the default token_timeout: when
/// the first call times out, the silent credentials can be replaced, and the next call uses new ones. The time doubles with
/// each such replacement, since the replaced credentials leave a request open: at the maximum, a source that never answers
/// costs four sockets an hour.
const REPLACE_AFTER: Duration = Duration::from_secs(7);
/// Maximum of [`REPLACE_AFTER`] after it has doubled.
const MAX_REPLACE_AFTER: Duration = Duration::from_secs(15 * 60);

/// Replaces a token_timeout that is beyond the clock's range.
const MAX_TIMEOUT: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The credentials of a layer.
pub(super) struct Provider {
    /// `None` for credentials that the user created, which are never created again.
    factory: Option<Factory>,
    /// The lock that a call holds while it runs the factory. Other calls wait for the lock without blocking their threads.
    creating: tokio::sync::Mutex<()>,
    /// The lock is not held while code of the library or the user runs.
    state: Mutex<State>,
}

struct State {
    current: Option<Arc<Generation>>,
    /// Number of failures in a row.
    failures: u32,
    /// Number of replacements of silent credentials in a row.
    timeout_replacements: u32,
    /// The last failure, and the time until which calls return it at once.
    blocked: Option<(Instant, Rejection)>,
    /// The time since which the current credentials have not answered.
    waiting_since: Option<Instant>,
    /// True if credentials of this provider have returned headers before.
    delivered: bool,
    rng: HasherRng,
}

/// Credentials from their creation to their replacement.
struct Generation {
    credentials: Credentials,
    origin: Origin,
    created: Instant,
    /// The probe of the metadata server. All calls that wait at the same time share it.
    probe: Mutex<Arc<Probe>>,
}

type Probe = OnceCell<Result<(), ProbeError>>;

/// The reason why the current credentials returned no headers.
struct Failed {
    rejection: Rejection,
    kind: FailureKind,
    /// True if the endpoint sent a response.
    answered: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FailureKind {
    Error,
    Panic,
    /// There was no answer in time. The credentials are kept, since their answer may still come.
    Timeout,
}

/// The next step after credentials have failed.
enum Recovery {
    /// Return the failure.
    Report,
    /// Request headers from the credentials that another call has created meanwhile.
    UseOther(Arc<Generation>),
    /// Create credentials and request headers from them.
    Create,
}

impl Provider {
    /// Returns a provider of credentials that are never created again.
    pub(super) fn fixed(credentials: Credentials) -> Self {
        let created = Created {
            credentials,
            origin: Origin::User,
        };
        Self {
            factory: None,
            creating: tokio::sync::Mutex::default(),
            state: Mutex::new(State::new(created)),
        }
    }

    /// Returns a provider of a factory's credentials. The factory is called once now.
    pub(super) fn from_factory(factory: Factory) -> Result<Self, Rejection> {
        let created = call(&factory)?;
        Ok(Self {
            factory: Some(factory),
            creating: tokio::sync::Mutex::default(),
            state: Mutex::new(State::new(created)),
        })
    }

    /// Requests headers from the credentials. `tag` is the tag of the headers that the caller has.
    ///
    /// Cancel safe: if a caller is dropped, the other callers continue to use the credentials, unless these have been silent
    /// for too long.
    pub(super) async fn headers(
        &self,
        tag: Option<&EntityTag>,
        token_timeout: Duration,
    ) -> Result<CacheableHeaders, Status> {
        let now = Instant::now();
        let deadline = now.checked_add(token_timeout).unwrap_or(now + MAX_TIMEOUT);
        let answer = self.attempt(tag, deadline, token_timeout).await;
        answer.map_err(|rejection| rejection.status())
    }

    async fn attempt(
        &self,
        tag: Option<&EntityTag>,
        deadline: Instant,
        token_timeout: Duration,
    ) -> Result<CacheableHeaders, Rejection> {
        let (mut generation, is_new) = match self.current() {
            Some(generation) => (generation, false),
            None => self.create(deadline, token_timeout).await?,
        };
        let mut stale = !is_new && generation.created.elapsed() >= STALE;
        let mut replaceable = !is_new;
        loop {
            let failed = match self
                .request_headers(&generation, tag, deadline, token_timeout)
                .await
            {
                Ok(answer) => {
                    self.succeeded(&generation);
                    return Ok(answer);
                }
                Err(failed) => failed,
            };
            stale |= failed.kind == FailureKind::Panic;
            generation = match self.failed(&generation, &failed, replaceable, stale) {
                Recovery::Report => return Err(failed.rejection),
                Recovery::UseOther(next) => next,
                Recovery::Create => self.create(deadline, token_timeout).await?.0,
            };
            replaceable = false;
        }
    }

    /// Returns the current credentials, if there are any.
    fn current(&self) -> Option<Arc<Generation>> {
        let mut state = self.state();
        let generation = state.current.clone()?;
        state.waiting_since.get_or_insert_with(Instant::now);
        Some(generation)
    }

    /// Creates credentials. If another call created credentials or failed to create them while this call waited for the lock,
    /// returns the result of the other call. The flag is true if this call created the credentials.
    async fn create(
        &self,
        deadline: Instant,
        token_timeout: Duration,
    ) -> Result<(Arc<Generation>, bool), Rejection> {
        let Some(factory) = &self.factory else {
            return Err(Rejection::permanent(
                "credentials: a request for headers panicked, and no factory can create new credentials",
            ));
        };
        let lock = tokio::time::timeout_at(deadline, self.creating.lock()).await;
        let _lock = lock.map_err(|_| {
            let text = format!(
                "credentials: not created within {token_timeout:?}: another call is still creating them; check whether the function \
                 of `credentials_from` or the file system of the credential file hangs"
            );
            Rejection::new(Code::DeadlineExceeded, text)
        })?;
        if let Some(generation) = self.current() {
            return Ok((generation, false));
        }
        if let Some(rejection) = self.state().blocked_by() {
            return Err(rejection);
        }
        let created = call(factory);
        let mut state = self.state();
        match created {
            Ok(created) => {
                let generation = Arc::new(Generation::new(created));
                state.current = Some(Arc::clone(&generation));
                state.waiting_since = Some(generation.created);
                Ok((generation, true))
            }
            Err(rejection) => {
                state.block(rejection.clone());
                Err(rejection)
            }
        }
    }

    /// Records that the credentials returned headers.
    fn succeeded(&self, generation: &Arc<Generation>) {
        let mut state = self.state();
        if state.is_current(generation) {
            state.failures = 0;
            state.timeout_replacements = 0;
            state.blocked = None;
            state.waiting_since = None;
            state.delivered = true;
        }
    }

    /// Records a failure, and returns the next step. A call replaces failed credentials at most once, and only if the failure
    /// may be outdated.
    fn failed(
        &self,
        generation: &Arc<Generation>,
        failed: &Failed,
        replaceable: bool,
        stale: bool,
    ) -> Recovery {
        let mut state = self.state();
        if self.factory.is_none() {
            return Recovery::Report;
        }
        if !state.is_current(generation) {
            // Another call has replaced the credentials meanwhile.
            let other = state.current.clone().filter(|_| replaceable);
            return other.map_or(Recovery::Report, Recovery::UseOther);
        }
        if failed.kind == FailureKind::Timeout {
            state.replace_if_unresponsive();
            return Recovery::Report;
        }
        state.current = None;
        if stale && replaceable {
            return Recovery::Create;
        }
        state.block(failed.rejection.clone());
        Recovery::Report
    }

    async fn request_headers(
        &self,
        generation: &Arc<Generation>,
        tag: Option<&EntityTag>,
        deadline: Instant,
        token_timeout: Duration,
    ) -> Result<CacheableHeaders, Failed> {
        let mut extensions = Extensions::new();
        // Insert no default for a missing tag, since `EntityTag::default()` equals the first tag of the process.
        if let Some(tag) = tag {
            extensions.insert(tag.clone());
        }
        let request = generation.request_headers(extensions, !self.state().delivered);
        let mut waiting = Waiting {
            provider: self,
            generation,
            ended: false,
        };
        let answer = tokio::time::timeout_at(deadline, request).await;
        waiting.ended = true;
        match answer {
            Ok(answer) => answer,
            Err(_) => Err(Failed {
                rejection: self.timeout_error(generation, token_timeout),
                kind: FailureKind::Timeout,
                answered: false,
            }),
        }
    }

    /// Returns the error of a call whose token_timeout has passed.
    fn timeout_error(&self, generation: &Generation, token_timeout: Duration) -> Rejection {
        let origin = &generation.origin;
        let from = origin
            .endpoint()
            .map(|endpoint| format!(" from {endpoint}"));
        let before = self
            .state()
            .blocked
            .as_ref()
            .map(|(_, last)| format!("; the previous failure: {}", last.text()));
        // Use a code that is not retried. A second wait would exceed the deadline of the call, and the error of an exceeded
        // deadline does not name the source of the credentials.
        Rejection::new(
            Code::DeadlineExceeded,
            format!(
                "{origin}: no token{} within {token_timeout:?}; check the network, the proxy variables and the \
                 endpoint{}",
                from.unwrap_or_default(),
                before.unwrap_or_default(),
            ),
        )
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guard of a call that waits for an answer. If the call is dropped before its token_timeout, the guard checks whether the
/// credentials have been silent for too long. Without the guard, calls whose deadline is shorter than the token_timeout would
/// never make this check.
struct Waiting<'a> {
    provider: &'a Provider,
    generation: &'a Arc<Generation>,
    ended: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.ended || self.provider.factory.is_none() {
            return;
        }
        let mut state = self.provider.state();
        if state.is_current(self.generation) {
            state.replace_if_unresponsive();
        }
    }
}

impl State {
    fn new(created: Created) -> Self {
        Self {
            current: Some(Arc::new(Generation::new(created))),
            failures: 0,
            timeout_replacements: 0,
            blocked: None,
            waiting_since: None,
            delivered: false,
            rng: HasherRng::default(),
        }
    }

    fn is_current(&self, generation: &Arc<Generation>) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|current| Arc::ptr_eq(current, generation))
    }

    /// Returns the last failure while it is too early to create credentials again.
    fn blocked_by(&self) -> Option<Rejection> {
        let (until, rejection) = self.blocked.as_ref()?;
        (Instant::now() < *until).then(|| rejection.clone())
    }

    /// Stores a failure, which calls return at once until credentials may be created again.
    fn block(&mut self, rejection: Rejection) {
        self.failures = self.failures.saturating_add(1);
        let delay = delay(self.failures, rejection.is_transient(), self.rng.next_f64());
        tracing::debug!(
            failures = self.failures,
            ?delay,
            "credentials failed and will be created again"
        );
        self.blocked = Some((Instant::now() + delay, rejection));
    }

    /// Drops the current credentials if they have been silent for too long. The next call creates new ones.
    fn replace_if_unresponsive(&mut self) {
        let bound = REPLACE_AFTER
            .saturating_mul(1 << self.timeout_replacements.min(8))
            .min(MAX_REPLACE_AFTER);
        let since = self.waiting_since.unwrap_or_else(Instant::now);
        if since.elapsed() >= bound {
            self.current = None;
            self.waiting_since = None;
            self.timeout_replacements = self.timeout_replacements.saturating_add(1);
        }
    }
}

impl Generation {
    fn new(created: Created) -> Self {
        Self {
            credentials: created.credentials,
            origin: created.origin,
            created: Instant::now(),
            probe: Mutex::default(),
        }
    }

    /// Connects to the metadata server, once for all calls that wait. If the runtime of the connecting call no longer runs,
    /// each of the other calls makes its own connection after a timeout. After a failure, the next call connects again.
    async fn probe(&self, server: &MetadataServer) -> Result<(), ProbeError> {
        let shared = || self.probe.lock().unwrap_or_else(PoisonError::into_inner);
        let probe = Arc::clone(&shared());
        let probed = probe.get_or_init(|| server.probe());
        let probed = match tokio::time::timeout(PROBE_TIMEOUT * 2, probed).await {
            Ok(probed) => probed.clone(),
            Err(_) => server.probe().await,
        };
        if probed.is_err() {
            let mut shared = shared();
            if Arc::ptr_eq(&shared, &probe) {
                *shared = Arc::default();
            }
        }
        probed
    }

    /// Requests headers. If `probe` is true, a metadata server must accept a connection within [`PROBE_TIMEOUT`]; without this,
    /// a machine that has no credentials would wait for DNS or for TCP. If the server is only slow, the credentials are kept:
    /// the library continues its request, and the next call gets the answer.
    async fn request_headers(
        &self,
        extensions: Extensions,
        probe: bool,
    ) -> Result<CacheableHeaders, Failed> {
        let server = match &self.origin {
            Origin::MetadataServer(server) if probe => server,
            _ => return self.request_from_library(extensions).await,
        };
        let nothing_found = |cause: &ProbeError, kind| Failed {
            rejection: Rejection::permanent(server.nothing_found(cause)),
            kind,
            answered: false,
        };
        let latest = Instant::now() + PROBE_TIMEOUT;
        let request = pin!(self.request_from_library(extensions));
        let probed = pin!(self.probe(server));
        match select(request, probed).await {
            Either::Left((Err(failed), probed)) if !failed.answered => match probed.await {
                Ok(()) => Err(failed),
                Err(cause) => Err(nothing_found(&cause, failed.kind)),
            },
            Either::Left((answer, _)) => answer,
            Either::Right((Ok(()), request)) => request.await,
            // The library may reach a server that the probe cannot reach, for example by a proxy.
            Either::Right((Err(cause), request)) => {
                match tokio::time::timeout_at(latest, request).await {
                    Ok(Err(failed)) if !failed.answered => Err(nothing_found(&cause, failed.kind)),
                    Ok(answer) => answer,
                    Err(_) if cause == ProbeError::Timeout => {
                        Err(nothing_found(&cause, FailureKind::Timeout))
                    }
                    Err(_) => Err(nothing_found(&cause, FailureKind::Error)),
                }
            }
        }
    }

    async fn request_from_library(
        &self,
        extensions: Extensions,
    ) -> Result<CacheableHeaders, Failed> {
        let mut request = pin!(self.credentials.headers(extensions));
        let answer = std::future::poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| request.as_mut().poll(cx)));
            polled.map_or(Poll::Ready(None), |poll| poll.map(Some))
        });
        match answer.await {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => Err(self.refused(&error)),
            None => Err(Failed {
                rejection: panicked(
                    &self.origin,
                    "the task that refreshes the credentials has ended: the task panicked, or its runtime was shut down",
                ),
                kind: FailureKind::Panic,
                answered: false,
            }),
        }
    }

    fn refused(&self, error: &CredentialsError) -> Failed {
        let cause = Cause::of(error, &self.origin);
        Failed {
            rejection: cause.rejection,
            kind: match cause.is_timeout {
                true => FailureKind::Timeout,
                false => FailureKind::Error,
            },
            answered: cause.answered,
        }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").finish_non_exhaustive()
    }
}

/// Calls a factory, and converts a panic to an error.
fn call(factory: &Factory) -> Result<Created, Rejection> {
    let called = catch_unwind(AssertUnwindSafe(|| factory()));
    called.unwrap_or_else(|_| {
        let what = match tokio::runtime::Handle::try_current() {
            Ok(_) => "their creation panicked",
            Err(_) => {
                "their creation panicked, since there is no Tokio runtime: call `build` within one"
            }
        };
        Err(panicked(&Origin::User, what))
    })
}

/// Returns the error for a panic of the library or of a factory, with its likely cause.
fn panicked(origin: &Origin, what: &str) -> Rejection {
    let roots = ca_roots::missing().map(|text| format!("; {text}"));
    let text = format!("{origin}: {what}{}", roots.unwrap_or_default());
    Rejection::new(Code::Internal, text)
}

/// Returns the delay after a number of failures in a row. `random` is from 0 to 1.
fn delay(failures: u32, transient: bool, random: f64) -> Duration {
    let bound = match transient {
        true => MAX_DELAY_TRANSIENT,
        false => MAX_DELAY,
    };
    let doubled = FIRST_DELAY.saturating_mul(1 << failures.saturating_sub(1).min(16));
    // Shorten the delay by up to a quarter at random, so that clients that failed together do not retry together.
    doubled.min(bound).mul_f64(1.0 - random / 4.0)
}

#[cfg(test)]
mod tests;
