//! The credentials of each attempt: the headers that are sent, when credentials are requested, and sources that hang or fail.

use std::time::Duration;

use crate::common::{NAME, done, mock_client};
use crate::credentials::{Answer, Script, token};
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::layer::auth::AuthLayer;
use apigateway_grpc::{ApiGateway, Error};
use http::{HeaderMap, Uri};
use tokio::time::Instant;
use tonic::{Code, Status};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Answers the next request, and returns its headers.
async fn answered(server: &mut crate::common::Server) -> HeaderMap {
    let (rpc, answer) = server.next_request().await;
    answer.send_response(done());
    rpc.into_parts().0.headers
}

/// Returns the headers of one call.
async fn sent(client: &ApiGateway, server: &mut crate::common::Server) -> HeaderMap {
    let (result, headers) = tokio::join!(client.get_operation(NAME), answered(server));
    assert!(result.expect("it was answered").done);
    headers
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let values: Vec<_> = headers.get_all(name).iter().collect();
    assert_eq!(values.len(), 1, "{name} is sent once: {values:?}");
    values[0].to_str().expect("the value is text")
}

#[tokio::test]
async fn all_headers_of_the_credentials_are_sent_and_marked_sensitive() {
    let script = Script::new(|_| {
        Answer::New(vec![
            ("authorization", "Bearer t"),
            ("x-goog-user-project", "theirs"),
            ("x-allowed-locations", "0x1"),
        ])
    });
    let (client, mut server) = mock_client(|it| it.credentials(script));
    let headers = sent(&client, &mut server).await;
    assert_eq!(only(&headers, "authorization"), "Bearer t");
    assert_eq!(only(&headers, "x-goog-user-project"), "theirs");
    assert_eq!(only(&headers, "x-allowed-locations"), "0x1");
    for name in [
        "authorization",
        "x-goog-user-project",
        "x-allowed-locations",
    ] {
        assert!(headers[name].is_sensitive(), "{name}");
    }
    server.expect_no_more_requests(client).await;
}

#[tokio::test]
async fn the_clients_quota_project_takes_precedence_over_the_credentials() {
    let script = Script::new(|_| {
        Answer::New(vec![
            ("authorization", "Bearer t"),
            ("x-goog-user-project", "theirs"),
        ])
    });
    let (client, mut server) = mock_client(|it| it.credentials(script).quota_project("ours"));
    // The first call waits for the headers; the second finds them in the cache.
    for _ in 0..2 {
        let headers = sent(&client, &mut server).await;
        assert_eq!(only(&headers, "x-goog-user-project"), "ours");
        assert_eq!(only(&headers, "authorization"), "Bearer t");
    }
    server.expect_no_more_requests(client).await;
}

#[tokio::test]
async fn a_token_and_a_key_are_sent_in_their_headers_and_anonymous_sends_none() {
    let (client, mut server) = mock_client(|it| it.access_token(" t\n"));
    let headers = sent(&client, &mut server).await;
    assert_eq!(only(&headers, "authorization"), "Bearer t");
    assert!(headers["authorization"].is_sensitive());

    let (client, mut server) = mock_client(|it| it.api_key("k"));
    let headers = sent(&client, &mut server).await;
    assert_eq!(only(&headers, "x-goog-api-key"), "k");
    assert!(headers["x-goog-api-key"].is_sensitive());
    assert!(!headers.contains_key("authorization"));

    let (client, mut server) = mock_client(|it| it.anonymous());
    let headers = sent(&client, &mut server).await;
    assert!(!headers.contains_key("authorization") && !headers.contains_key("x-goog-api-key"));
}

#[tokio::test]
async fn an_invalid_access_token_is_refused_and_not_shown() {
    for token in ["", "  ", "line\nbreak"] {
        // TLS would need root certificates, so use plaintext. It is allowed on loopback.
        let builder = ApiGateway::builder().endpoint("http://127.0.0.1:1");
        let error = builder.access_token(token).build().expect_err("refused");
        let text = error.to_string();
        assert_eq!(
            text,
            "invalid `access_token`: must not be empty or have control characters"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn fresh_headers_are_requested_once() {
    let script = Script::new(|_| token("Bearer t"));
    let (client, mut server) = mock_client(|it| it.credentials(script.clone()));
    for _ in 0..9 {
        sent(&client, &mut server).await;
        tokio::time::sleep(secs(1)).await;
    }
    assert_eq!(script.requests(), 1);
    server.expect_no_more_requests(client).await;
}

/// Sleeps long enough for a background task, on a paused clock.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn aging_headers_are_refreshed_in_the_background() {
    let script = Script::new(|number| match number {
        1 => token("Bearer old"),
        2 => token("Bearer new"),
        _ => Answer::Same,
    });
    let (client, mut server) = mock_client(|it| it.credentials(script.clone()));
    let authorization = async |server: &mut crate::common::Server| {
        only(&sent(&client, server).await, "authorization").to_owned()
    };
    assert_eq!(authorization(&mut server).await, "Bearer old");
    tokio::time::sleep(secs(11)).await;
    assert_eq!(authorization(&mut server).await, "Bearer old");
    a_moment().await;
    assert_eq!(authorization(&mut server).await, "Bearer new");
    assert_eq!(script.requests(), 2);
    tokio::time::sleep(secs(11)).await;
    assert_eq!(authorization(&mut server).await, "Bearer new");
    a_moment().await;
    // Headers that the credentials confirm as unchanged are fresh again.
    assert_eq!(authorization(&mut server).await, "Bearer new");
    assert_eq!(script.requests(), 3);
    tokio::time::sleep(secs(11)).await;
    assert_eq!(authorization(&mut server).await, "Bearer new");
    a_moment().await;
    assert_eq!(script.requests(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_hangs_or_fails_keeps_the_old_headers() {
    for late in [Answer::Hangs, Answer::Fails(false, "revoked")] {
        let script = Script::new(move |number| match number {
            1 => token("Bearer old"),
            _ => late.clone(),
        });
        let (client, mut server) = mock_client(|it| it.credentials(script.clone()));
        sent(&client, &mut server).await;
        for _ in 0..5 {
            tokio::time::sleep(secs(12)).await;
            let began = Instant::now();
            let headers = sent(&client, &mut server).await;
            assert_eq!(only(&headers, "authorization"), "Bearer old");
            assert_eq!(began.elapsed(), secs(0), "the call did not wait");
        }
        assert_eq!(
            script.requests(),
            6,
            "each call with aged headers requests new ones"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_credentials_fail_one_refresh_is_started_per_second() {
    let script = Script::new(|number| match number {
        1 => token("Bearer old"),
        _ => Answer::Fails(true, "away"),
    });
    let (client, mut server) = mock_client(|it| it.credentials(script.clone()));
    sent(&client, &mut server).await;
    tokio::time::sleep(secs(11)).await;
    for _ in 0..30 {
        sent(&client, &mut server).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(
        (3..=5).contains(&script.requests()),
        "{}",
        script.requests()
    );
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_headers_if_the_cached_ones_are_too_old() {
    let script = Script::new(|number| match number {
        1 => token("Bearer old"),
        _ => token("Bearer new"),
    });
    let (client, mut server) = mock_client(|it| it.credentials(script));
    sent(&client, &mut server).await;
    tokio::time::sleep(secs(3600)).await;
    let headers = sent(&client, &mut server).await;
    assert_eq!(only(&headers, "authorization"), "Bearer new");
}

#[tokio::test(start_paused = true)]
async fn each_attempt_sends_the_current_credentials() {
    let script = Script::new(|number| match number {
        1 => token("Bearer first"),
        _ => token("Bearer second"),
    });
    let (client, mut server) = mock_client(|it| it.credentials(script).timeout(secs(900)));
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let (rpc, answer) = server.next_request().await;
        assert_eq!(only(rpc.headers(), "authorization"), "Bearer first");
        tokio::time::sleep(secs(600)).await;
        answer.send_error(Status::unavailable("away"));
        let headers = answered(&mut server).await;
        assert_eq!(only(&headers, "authorization"), "Bearer second");
    });
    assert!(result.expect("the second attempt succeeded").done);
}

/// Returns the error and the duration of a call whose credentials give this answer to every request.
async fn refused(answer: Answer) -> (Error, Duration) {
    let script = Script::new(move |_| answer.clone());
    let (client, server) = mock_client(|it| it.credentials(script));
    let began = Instant::now();
    let error = client.get_operation(NAME).await.expect_err("no headers");
    let took = began.elapsed();
    server.expect_no_more_requests(client).await;
    (error, took)
}

#[tokio::test(start_paused = true)]
async fn credentials_that_hang_are_an_error_after_the_token_timeout() {
    let (error, took) = refused(Answer::Hangs).await;
    let why =
        "credentials: no token within 8s; check the network, the proxy variables and the endpoint";
    let text = format!("get operation {NAME}: deadline exceeded: {why}");
    assert!(error.to_string().starts_with(&text), "{error}");
    assert_eq!(
        took,
        secs(8),
        "the call is not retried, since the retry would reach the deadline and hide the error"
    );
}

#[tokio::test(start_paused = true)]
async fn the_token_timeout_is_configurable() {
    use tower::{Layer as _, ServiceExt as _};

    let layer = AuthLayer::new(
        Script::new(|_| Answer::Hangs),
        &Uri::from_static("https://h"),
    );
    let layer = layer.expect("it is encrypted").token_timeout(secs(2));
    let service = layer.layer(tower::service_fn(
        |_: apigateway_grpc::stack::GrpcRequest| async { Ok::<_, Status>(done()) },
    ));
    let began = Instant::now();
    let status = service.oneshot(http::Request::default()).await;
    assert_eq!(status.expect_err("it hangs").code(), Code::DeadlineExceeded);
    assert_eq!(began.elapsed(), secs(2));
}

#[tokio::test(start_paused = true)]
async fn the_maximum_token_timeout_is_accepted() {
    use tower::{Layer as _, ServiceExt as _};

    let script = Script::new(|_| token("Bearer t"));
    let layer = AuthLayer::new(script, &Uri::from_static("https://h"));
    let layer = layer.expect("it is encrypted").token_timeout(Duration::MAX);
    let service = layer.layer(tower::service_fn(
        |_: apigateway_grpc::stack::GrpcRequest| async { Ok::<_, Status>(done()) },
    ));
    let reply = service.oneshot(http::Request::default()).await;
    reply.expect("there is a token");
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_unavailable_and_a_permanent_one_unauthenticated() {
    let (error, _) = refused(Answer::Fails(true, "the metadata server is away")).await;
    assert!(error.is_unavailable(), "{error}");
    assert!(
        error
            .to_string()
            .contains("credentials: the metadata server is away")
    );

    let (error, took) = refused(Answer::Fails(false, "the key was revoked")).await;
    assert!(error.is_auth() && error.code() == Some(Code::Unauthenticated));
    assert!(
        error
            .to_string()
            .contains("credentials: the key was revoked")
    );
    assert_eq!(took, secs(0), "the call is not retried");
    assert!(error.is_unsent(), "the request was not sent");
    let status = error.status().expect("a call failed");
    let mut cause = std::error::Error::source(status);
    while let Some(source) = cause.filter(|source| !source.to_string().contains("revoked")) {
        cause = source.source();
    }
    assert!(cause.is_some(), "the error has the cause as a source");
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_of_the_credentials_is_retried() {
    let script = Script::new(|number| match number {
        1 => Answer::Fails(true, "away"),
        _ => token("Bearer t"),
    });
    let (client, mut server) = mock_client(|it| it.credentials(script));
    let headers = sent(&client, &mut server).await;
    assert_eq!(only(&headers, "authorization"), "Bearer t");
}

#[tokio::test]
async fn plaintext_to_another_machine_is_refused() {
    let said = |error: &Error| {
        assert!(error.is_invalid_setting());
        error
            .to_string()
            .contains("plaintext and not a loopback address")
    };
    let builder = ApiGateway::builder().endpoint("http://gateway.example");
    let error = builder.access_token("t").build().expect_err("exposed");
    assert!(said(&error) && error.to_string().contains("http://gateway.example"));
    let builder = ApiGateway::builder().endpoint("http://gateway.example");
    let error = builder
        .build()
        .expect_err("default credentials are exposed, too");
    assert!(error.is_invalid_setting() && error.to_string().contains("plaintext"));
    let builder = ApiGateway::builder().endpoint("http://gateway.example");
    builder.anonymous().build().expect("there is no credential");
    let builder = ApiGateway::builder().endpoint("http://[::1]:1");
    builder
        .access_token("t")
        .build()
        .expect("the address is loopback");

    let layer = AuthLayer::new(
        Script::new(|_| token("t")),
        &Uri::from_static("http://10.0.0.1"),
    );
    assert!(said(&layer.expect_err("exposed")));
}

#[cfg(any(feature = "tls-native-roots", feature = "tls-webpki-roots"))]
#[test]
fn default_credentials_outside_a_runtime_are_an_error() {
    let built = ApiGateway::builder()
        .endpoint("https://gateway.example")
        .build();
    let error = built.expect_err("there is no runtime");
    assert!(error.is_invalid_setting());
    assert!(error.to_string().contains("runtime"), "{error}");
}

/// Failed credentials cause no transparent retry, although the call is certainly unsent: a new request for credentials would
/// fail again.
#[tokio::test(start_paused = true)]
async fn failed_credentials_are_not_requested_again_at_once() {
    let script = Script::new(|_| Answer::Fails(true, "away"));
    let credentials = script.clone();
    let (client, server) = mock_client(|it| it.credentials(credentials).retry(RetryPolicy::NEVER));
    let error = client.get_operation(NAME).await.expect_err("no token");
    assert!(error.is_unsent() && error.is_unavailable(), "{error}");
    assert_eq!(script.requests(), 1);
    server.expect_no_more_requests(client).await;
}
