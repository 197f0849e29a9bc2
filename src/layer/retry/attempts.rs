//! The attempts of one call.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;
use tower::util::ServiceExt as _;

use super::decision::{FailedAttempt, decide, transparent_retry_delay};
use super::request_head::RequestHead;
use super::{Shared, set_timeout_header};
use crate::call::phase::{self, Phase};
use crate::call::pushback::{Pushback, pushback, retry_delay};
use crate::call::status_code;
use crate::call::transport_error::TransportError;
use crate::call::{CallContext, CredentialsRefreshed, GrpcRequest, GrpcResponse, MaybeProcessed};
use crate::contract::{MethodRef, RetryPolicy};
use crate::telemetry;

/// The state of a call's attempts.
pub(super) struct Attempts<S> {
    inner: Arc<S>,
    shared: Arc<Shared>,
    head: RequestHead,
    call: CallContext,
    /// The number of the current attempt, from one.
    number: u32,
    /// The delay before the current attempt.
    delay: Duration,
    /// Number of attempts that count against the policy's maximum.
    counted_attempts: u32,
    /// Number of counted attempts since the last pushback. The backoff is computed from it.
    backoff_attempts: u32,
    /// True if an attempt was made with refreshed credentials. A call makes at most one such attempt.
    credentials_refreshed: bool,
    /// Number of transparent retries.
    transparent_retries: u32,
}

/// The step after a failed attempt.
enum NextStep {
    Now,
    After(Duration),
    End,
}

impl<S> Attempts<S> {
    /// Creates the state of a call whose first attempt is in progress.
    pub(super) fn new(
        inner: &Arc<S>,
        shared: &Arc<Shared>,
        head: RequestHead,
        call: CallContext,
    ) -> Self {
        Self {
            inner: Arc::clone(inner),
            shared: Arc::clone(shared),
            head,
            call,
            number: 1,
            delay: Duration::ZERO,
            counted_attempts: 1,
            backoff_attempts: 1,
            credentials_refreshed: false,
            transparent_retries: 0,
        }
    }

    /// Returns the body of an attempt.
    pub(super) fn body(&self) -> Body {
        Body::new(Full::new(self.call.payload.clone().unwrap_or_default()))
    }

    /// Records that the current attempt succeeded.
    pub(super) fn succeeded(&self) {
        if let Some(throttle) = &self.shared.throttle {
            throttle.record_success();
        }
        self.ended(Code::Ok);
    }

    /// Records the end of the current attempt.
    fn ended(&self, code: Code) {
        telemetry::attempt_ended(self.method(), self.shared.transport(), code);
        tracing::debug!(
            attempt = self.number,
            transport = self.shared.transport(),
            delay = ?self.delay,
            rpc.response.status_code = status_code::name(code),
            error.type = (code != Code::Ok).then(|| status_code::name(code)),
            "attempt ended"
        );
    }

    /// Decides what to do after the current attempt has failed.
    fn next(&mut self, status: &Status) -> NextStep {
        let failure = TransportError::from_status(status);
        // Do not retry, even if the policy has the code: every retry would fail in the same way.
        if failure.is_some_and(TransportError::is_permanent) {
            return NextStep::End;
        }
        let pushback = pushback(status);
        let forbidden = pushback == Some(Pushback::Never);
        if failure.is_some_and(TransportError::has_refreshed_credentials)
            && !self.credentials_refreshed
            && !forbidden
        {
            self.credentials_refreshed = true;
            return NextStep::Now;
        }
        // A transparent retry does not have the backoff of the policy, is not counted as an attempt, and removes no token from
        // the throttle, since the server did not process the call.
        let limit = failure.map_or(0, TransportError::transparent_retry_limit);
        if let Some(delay) =
            transparent_retry_delay(limit, self.transparent_retries, self.call.remaining())
        {
            self.transparent_retries += 1;
            return match delay {
                Duration::ZERO => NextStep::Now,
                delay => NextStep::After(delay),
            };
        }
        let policy = self.policy();
        // The throttle counts a code of the call's policy or of the contract's policy. The contract's policy matters for a
        // poll: it is a single attempt, and the policy of the call has no codes.
        let contract_codes = self.contract_policy().codes;
        let is_retryable =
            policy.codes.contains(status.code()) || contract_codes.contains(status.code());
        if (is_retryable || forbidden)
            && let Some(throttle) = &self.shared.throttle
        {
            throttle.record_failure();
        }
        let Some(delay) = self.policy_delay(&policy, status, pushback) else {
            return NextStep::End;
        };
        if !self.shared.allows() {
            telemetry::throttled(self.method());
            tracing::debug!(
                attempt = self.number,
                "not retrying: too many attempts of this client have failed"
            );
            return NextStep::End;
        }
        self.counted_attempts += 1;
        self.backoff_attempts = match pushback {
            Some(_) => 1,
            None => self.backoff_attempts.saturating_add(1),
        };
        NextStep::After(delay)
    }

    fn method(&self) -> Option<&MethodRef> {
        self.call.method.as_ref()
    }

    fn policy(&self) -> RetryPolicy {
        self.call.retry.unwrap_or_else(|| self.contract_policy())
    }

    fn contract_policy(&self) -> RetryPolicy {
        let policy = self.call.method.as_ref().and_then(|method| method.retry);
        policy.unwrap_or(RetryPolicy::DEFAULT)
    }

    /// Returns the delay before a retry by the policy; `None` if there is no retry.
    fn policy_delay(
        &self,
        policy: &RetryPolicy,
        status: &Status,
        pushback: Option<Pushback>,
    ) -> Option<Duration> {
        let random = self
            .shared
            .random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next_f64();
        let failed = FailedAttempt {
            code: status.code(),
            unsent: TransportError::from_status(status).is_some_and(TransportError::is_unsent),
            attempts: self.counted_attempts,
            backoff_attempts: self.backoff_attempts,
            hint: retry_delay(status),
            pushback,
            remaining: self.call.remaining(),
        };
        let method = self.call.method.as_ref()?;
        let idempotent = self.call.idempotent.unwrap_or(method.idempotent);
        decide(policy, idempotent, &failed, random)
    }

    /// Sets the flag of the caller if the server may have processed the attempt that is retried.
    fn mark_maybe_processed(&self, status: &Status) {
        if !TransportError::from_status(status).is_some_and(TransportError::is_unsent)
            && let Some(maybe_processed) = self.head.extension::<MaybeProcessed>()
        {
            maybe_processed.mark();
        }
    }

    /// Returns the request of the next attempt, with the remaining time as its timeout.
    fn request(&self) -> GrpcRequest {
        let mut head = self.head.parts();
        head.extensions.insert(self.call.clone());
        let mut request = GrpcRequest::from_parts(head, self.body());
        if self.credentials_refreshed {
            request.extensions_mut().insert(CredentialsRefreshed);
        }
        set_timeout_header(request.headers_mut(), self.call.remaining());
        request
    }
}

impl<S> Attempts<S>
where
    S: Service<GrpcRequest, Response = GrpcResponse, Error = Status> + Clone,
{
    /// Makes the retries after the first attempt has failed.
    pub(super) async fn retry(mut self, mut status: Status) -> Result<GrpcResponse, Status> {
        loop {
            self.ended(status.code());
            self.delay = match self.next(&status) {
                NextStep::End => return Err(status),
                NextStep::Now => Duration::ZERO,
                NextStep::After(delay) => {
                    phase::enter(Phase::Backoff);
                    tokio::time::sleep(delay).await;
                    self.mark_maybe_processed(&status);
                    delay
                }
            };
            self.number += 1;
            phase::enter(Phase::Unsent);
            status = match S::clone(&self.inner).oneshot(self.request()).await {
                Ok(response) => {
                    self.succeeded();
                    return Ok(response);
                }
                Err(status) => status,
            };
        }
    }
}
