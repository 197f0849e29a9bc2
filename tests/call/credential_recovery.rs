//! Credentials that failed are created again. The tests check the time, the number of creations, and the results of calls
//! meanwhile.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{NAME, Server, done, mock_client};
use crate::credentials::{Answer, Script, token};
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::google_cloud_auth::credentials::{Credentials, user_account};
use apigateway_grpc::layer::auth::AuthLayer;
use apigateway_grpc::{ApiGateway, Error};
use http::Uri;
use tokio::time::Instant;
use tonic::Code;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Panics, as credentials of google-cloud-auth do after their task has ended.
fn panics() -> Answer {
    panic!("the task has ended")
}

/// Returns a client whose credentials come from a factory. All credentials of the factory share one script of answers.
fn factory(script: &Script) -> (ApiGateway, Server, Arc<AtomicUsize>) {
    let created = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&created);
    let script = script.clone();
    let (client, server) = mock_client(|it| {
        it.retry(RetryPolicy::NEVER).credentials_from(move || {
            count.fetch_add(1, Ordering::SeqCst);
            Ok::<Credentials, Error>(script.clone().into())
        })
    });
    (client, server, created)
}

/// Returns the `authorization` header of one call.
async fn sent(client: &ApiGateway, server: &mut Server) -> String {
    let (result, header) = tokio::join!(client.get_operation(NAME), async {
        let (rpc, answer) = server.next_request().await;
        answer.send_response(done());
        let value = rpc.headers()["authorization"].to_str();
        value.expect("the value is text").to_owned()
    });
    assert!(result.expect("it was answered").done);
    header
}

async fn failed(client: &ApiGateway) -> Error {
    client.get_operation(NAME).await.expect_err("no headers")
}

#[tokio::test(start_paused = true)]
async fn credentials_that_failed_permanently_are_created_again_after_a_delay_that_doubles() {
    let script = Script::new(|number| match number {
        1..=3 => Answer::Fails(false, "revoked"),
        _ => token("Bearer new"),
    });
    let (client, mut server, created) = factory(&script);
    assert_eq!(
        created.load(Ordering::SeqCst),
        1,
        "`build` calls the factory once"
    );
    for (failures, wait) in [(1, secs(1)), (2, secs(2)), (3, secs(4))] {
        let error = failed(&client).await;
        assert_eq!(error.code(), Some(Code::Unauthenticated), "{error}");
        assert_eq!(script.requests(), failures);
        tokio::time::sleep(wait.mul_f64(0.74)).await;
        let began = Instant::now();
        assert!(failed(&client).await.to_string().contains("revoked"));
        assert_eq!(
            began.elapsed(),
            secs(0),
            "the last error is returned at once"
        );
        assert_eq!(
            script.requests(),
            failures,
            "no headers are requested during the delay"
        );
        tokio::time::sleep(wait.mul_f64(0.27)).await;
    }
    assert_eq!(sent(&client, &mut server).await, "Bearer new");
    assert_eq!(created.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn a_success_resets_the_delay_between_creations() {
    let script = Script::new(|number| match number {
        2 => token("Bearer t"),
        _ => Answer::Fails(false, "revoked"),
    });
    let (client, mut server, _) = factory(&script);
    failed(&client).await;
    tokio::time::sleep(secs(1)).await;
    sent(&client, &mut server).await;
    tokio::time::sleep(secs(300)).await;
    // Both the old credentials and their successors fail.
    failed(&client).await;
    assert_eq!(script.requests(), 4);
    tokio::time::sleep(secs(1)).await;
    failed(&client).await;
    assert_eq!(script.requests(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_call_succeeds_if_new_credentials_replace_failed_ones() {
    let transient = || Answer::Fails(true, "away");
    for late in [|| Answer::Fails(false, "revoked"), transient, panics] {
        let script = Script::new(move |number| match number {
            1 => token("Bearer old"),
            2 => late(),
            _ => token("Bearer new"),
        });
        let (client, mut server, created) = factory(&script);
        assert_eq!(sent(&client, &mut server).await, "Bearer old");
        tokio::time::sleep(secs(3600)).await;
        assert_eq!(sent(&client, &mut server).await, "Bearer new");
        assert_eq!(created.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_at_the_same_time_share_new_credentials_and_their_failure() {
    let script = Script::new(|_| Answer::Fails(false, "revoked"));
    let (client, _server, created) = factory(&script);
    tokio::time::sleep(secs(60)).await;
    let calls = (0..20).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { failed(&client).await.code() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.expect("no panic"), Some(Code::Unauthenticated));
    }
    assert_eq!(
        created.load(Ordering::SeqCst),
        2,
        "credentials that are older than a second are replaced within the call"
    );
    assert!(script.requests() <= 2, "{}", script.requests());
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_credentials_is_an_error_of_the_call() {
    let script = Script::new(|number| match number {
        1..=2 => panics(),
        _ => token("Bearer new"),
    });
    let (client, mut server, created) = factory(&script);
    let error = failed(&client).await;
    assert_eq!(error.code(), Some(Code::Internal), "{error}");
    assert!(
        error
            .to_string()
            .contains("the task that refreshes the credentials has ended"),
        "{error}"
    );
    assert!(error.is_unsent());
    assert_eq!(
        created.load(Ordering::SeqCst),
        2,
        "the call requested headers from new credentials"
    );
    tokio::time::sleep(secs(1)).await;
    assert_eq!(sent(&client, &mut server).await, "Bearer new");

    // Credentials that the user created cannot be created again.
    let script = Script::new(|_| panics());
    let (client, server) = mock_client(|it| it.credentials(script));
    let error = failed(&client).await;
    assert_eq!(error.code(), Some(Code::Internal), "{error}");
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_factory_that_fails_or_panics_is_an_error_of_build_and_later_of_the_call() {
    let uri = Uri::from_static("https://gateway.example");
    let built = AuthLayer::from_factory(|| Err::<Credentials, _>("no such vault"), &uri);
    let error = built.expect_err("it fails");
    assert!(error.is_invalid_setting());
    assert_eq!(
        error.to_string(),
        "cannot create credentials: no such vault"
    );

    let panics = || -> Result<Credentials, Error> { panic!("hush") };
    let error = AuthLayer::from_factory(panics, &uri).expect_err("it panics");
    assert!(error.is_invalid_setting());
    assert!(
        error.to_string().contains("their creation panicked"),
        "{error}"
    );
    assert!(!error.to_string().contains("hush"), "{error}");

    let calls = AtomicUsize::new(0);
    let (client, mut server) = mock_client(|it| {
        it.credentials_from(move || match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(Script::new(|_| Answer::Fails(false, "revoked"))),
            1 => Err("the vault is sealed"),
            _ => Ok(Script::new(|_| token("Bearer new"))),
        })
    });
    assert!(failed(&client).await.to_string().contains("revoked"));
    tokio::time::sleep(secs(1)).await;
    let error = failed(&client).await;
    assert_eq!(error.code(), Some(Code::Unauthenticated), "{error}");
    assert!(error.to_string().contains("the vault is sealed"), "{error}");
    tokio::time::sleep(secs(2)).await;
    assert_eq!(sent(&client, &mut server).await, "Bearer new");
}

/// Runs a test in a thread, and fails if the test does not end. A blocked thread would hang the test forever.
fn ends(test: impl FnOnce() + Send + 'static) {
    let (sender, end) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        sender.send(()).ok();
    });
    match end.recv_timeout(secs(60)) {
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("the test hangs"),
        _ => thread.join().expect("the test succeeds"),
    }
}

/// Two threads: the factory blocks one, and the other runs all other calls.
#[test]
fn a_blocking_factory_does_not_block_the_thread_of_another_call() {
    ends(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (entered, enters) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel();
        let (entered, released) = (
            std::sync::Mutex::new(entered),
            std::sync::Mutex::new(released),
        );
        let script = Script::new(|number| match number {
            1 => panics(),
            _ => token("Bearer new"),
        });
        let created = AtomicUsize::new(0);
        let (client, mut server) = runtime.block_on(async {
            mock_client(|it| {
                it.retry(RetryPolicy::NEVER).credentials_from(move || {
                    if created.fetch_add(1, Ordering::SeqCst) > 0 {
                        entered
                            .lock()
                            .expect("not poisoned")
                            .send(())
                            .expect("the test goes on");
                        let released = released.lock().expect("not poisoned");
                        released.recv().expect("the test goes on");
                    }
                    Ok::<Credentials, Error>(script.clone().into())
                })
            })
        });
        let call = || {
            let client = client.clone();
            runtime.spawn(async move { client.get_operation(NAME).await.map(|_| ()) })
        };
        let first = call();
        enters.recv().expect("the factory is called");
        let others = [call(), call(), call()];
        // The other thread is free, since it runs this task.
        let free = runtime.spawn(async { tokio::task::yield_now().await });
        runtime.block_on(free).expect("no panic");
        release.send(()).expect("the factory waits");
        runtime.block_on(async {
            for _ in 0..4 {
                server.next_request().await.1.send_response(done());
            }
            first.await.expect("no panic").expect("it was answered");
            for other in others {
                other.await.expect("no panic").expect("it was answered");
            }
        });
    });
}

/// The call within the factory waits like any other call, and causes no deadlock.
#[test]
fn a_factory_that_uses_its_own_client_does_not_deadlock() {
    ends(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            use futures_util::FutureExt as _;

            let own = Arc::new(std::sync::OnceLock::<ApiGateway>::new());
            let client = Arc::clone(&own);
            let script = Script::new(|number| match number {
                1 => panics(),
                _ => token("Bearer new"),
            });
            let (client_of_test, mut server) = mock_client(|it| {
                it.retry(RetryPolicy::NEVER).credentials_from(move || {
                    if let Some(client) = client.get() {
                        let call = client.get_operation(NAME).now_or_never();
                        assert!(call.is_none(), "the call waits for credentials");
                    }
                    Ok::<Credentials, Error>(script.clone().into())
                })
            });
            own.set(client_of_test.clone()).expect("set once");
            assert_eq!(sent(&client_of_test, &mut server).await, "Bearer new");
        });
    });
}

#[test]
fn the_error_of_a_factory_without_a_runtime_says_that_it_needs_one() {
    let uri = Uri::from_static("https://gateway.example");
    let error =
        AuthLayer::from_factory(|| user("http://127.0.0.1:1"), &uri).expect_err("no runtime");
    assert!(
        error.to_string().contains("call `build` within one"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn silent_credentials_are_created_again_after_a_time_that_doubles() {
    let script = Script::new(|number| match number {
        1..=3 => Answer::Hangs,
        _ => token("Bearer new"),
    });
    let (client, mut server, created) = factory(&script);
    for expected in [1, 2, 2] {
        let error = failed(&client).await;
        assert_eq!(error.code(), Some(Code::DeadlineExceeded), "{error}");
        assert_eq!(created.load(Ordering::SeqCst), expected);
    }
    assert_eq!(sent(&client, &mut server).await, "Bearer new");
    assert_eq!(created.load(Ordering::SeqCst), 3);
}

/// No call waits for the layer's token_timeout, so no call reports the silence.
#[tokio::test(start_paused = true)]
async fn silent_credentials_are_created_again_even_if_each_call_is_dropped_before_its_token_timeout()
 {
    let script = Script::new(|number| match number {
        1..=2 => Answer::Hangs,
        _ => token("Bearer new"),
    });
    let (client, mut server, created) = factory(&script);
    for expected in [1, 2] {
        let given_up = tokio::time::timeout(secs(4), failed(&client)).await;
        given_up.expect_err("the credentials are silent");
        assert_eq!(script.requests(), expected);
    }
    assert_eq!(sent(&client, &mut server).await, "Bearer new");
    assert_eq!(created.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_after_a_failure_names_the_failure() {
    let script = Script::new(|number| match number {
        1 => Answer::Fails(true, "HTTP 503"),
        _ => Answer::Hangs,
    });
    let (client, _server, _) = factory(&script);
    failed(&client).await;
    tokio::time::sleep(secs(1)).await;
    let error = failed(&client).await;
    assert_eq!(error.code(), Some(Code::DeadlineExceeded), "{error}");
    assert!(
        error
            .to_string()
            .contains("the previous failure: credentials: HTTP 503"),
        "{error}"
    );
}

/// The runtime ends while a task refreshes the headers.
#[test]
fn a_refresh_that_ended_with_its_runtime_is_followed_by_another() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime")
    };
    let script = Script::new(|number| match number {
        1 => token("Bearer t"),
        2 => Answer::Hangs,
        _ => Answer::Same,
    });
    let first = runtime();
    let (client, mut server) = first.block_on(async {
        let (client, mut server) = mock_client(|it| it.credentials(script.clone()));
        sent(&client, &mut server).await;
        tokio::time::sleep(secs(11)).await;
        sent(&client, &mut server).await;
        tokio::time::sleep(secs(1)).await;
        (client, server)
    });
    assert_eq!(script.requests(), 2);
    drop(first);
    runtime().block_on(async {
        tokio::time::sleep(secs(30)).await;
        sent(&client, &mut server).await;
        tokio::time::sleep(secs(1)).await;
    });
    assert_eq!(script.requests(), 3, "another refresh was started");
}

/// Credentials of google-cloud-auth that request their tokens from this address.
fn user(
    token_uri: &str,
) -> Result<Credentials, apigateway_grpc::google_cloud_auth::build_errors::Error> {
    let file = serde_json::json!({
        "type": "authorized_user", "client_id": "i", "client_secret": "hush-secret", "refresh_token": "hush-token",
    });
    user_account::Builder::new(file)
        .with_token_uri(token_uri)
        .build()
}

/// A token endpoint. Each connection gets the next answer, and the last answer is repeated.
fn endpoint(answers: Vec<(u16, &'static str)>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let count = Arc::new(AtomicUsize::new(0));
    let requests = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer);
            let number = requests.fetch_add(1, Ordering::SeqCst);
            let (status, body) = answers[number.min(answers.len() - 1)];
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(body.as_bytes());
        }
    });
    (format!("http://{address}/token"), count)
}

const TOKEN: &str = r#"{"access_token":"t","token_type":"Bearer","expires_in":3600}"#;

/// google-cloud-auth itself would return each of these errors forever.
#[tokio::test]
async fn a_client_recovers_from_any_response_of_a_token_endpoint() {
    let cases = [
        (
            200,
            "<html><title>Log in</title>",
            "responded with text that is not JSON",
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"Bad","error_subtype":"invalid_rapt","refresh_token":"hush"}"#,
            "responded with HTTP 400 invalid_grant (invalid_rapt): Bad",
        ),
        (401, "", "responded with HTTP 401"),
        (
            403,
            "<html><title>No entry</title>",
            "responded with HTTP 403 and an HTML page titled `No entry`",
        ),
        (
            404,
            "client_secret=hush-secret",
            "responded with HTTP 404: client_secret=[redacted]",
        ),
    ];
    let mut recovering = Vec::new();
    // Each client is created just before its call: credentials that are older than a second would be replaced within the call.
    for (status, body, expected) in cases {
        let (uri, requests) = endpoint(vec![(status, body), (200, TOKEN)]);
        let (client, server) = mock_client(|it| it.credentials_from(move || user(&uri)));
        let error = failed(&client).await;
        assert_eq!(error.code(), Some(Code::Unauthenticated), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
        recovering.push((client, server, requests));
    }
    tokio::time::sleep(secs(1)).await;
    for (client, mut server, requests) in recovering {
        assert_eq!(sent(&client, &mut server).await, "Bearer t");
        assert_eq!(requests.load(Ordering::SeqCst), 2);
    }
}

/// On a redirect without a target, google-cloud-auth panics in its task. Later requests then panic in the caller.
#[tokio::test]
async fn a_panic_within_google_cloud_auth_is_an_error_of_the_call_and_the_client_recovers() {
    let (uri, _) = endpoint(vec![(304, ""), (304, ""), (200, TOKEN)]);
    let (client, mut server) = mock_client(|it| it.credentials_from(move || user(&uri)));
    let error = failed(&client).await;
    assert_eq!(error.code(), Some(Code::Internal), "{error}");
    tokio::time::sleep(secs(1)).await;
    assert_eq!(sent(&client, &mut server).await, "Bearer t");
}

#[test]
fn a_client_outlives_the_runtime_in_which_its_credentials_were_created() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().expect("a runtime")
    };
    let (uri, _) = endpoint(vec![(200, TOKEN)]);
    let first = runtime();
    let (client, mut server) =
        first.block_on(async { mock_client(|it| it.credentials_from(move || user(&uri))) });
    drop(first);
    let header = runtime().block_on(async { sent(&client, &mut server).await });
    assert_eq!(header, "Bearer t");
}

#[tokio::test]
async fn a_transient_failure_of_an_endpoint_is_unavailable() {
    let (uri, _) = endpoint(vec![(503, "")]);
    let (client, _server) = mock_client(|it| {
        it.retry(RetryPolicy::NEVER)
            .credentials_from(move || user(&uri))
    });
    let error = failed(&client).await;
    assert!(error.is_unavailable(), "{error}");
    assert!(
        error.to_string().contains("/token responded with HTTP 503"),
        "{error}"
    );

    let (client, _server) = mock_client(|it| {
        it.retry(RetryPolicy::NEVER)
            .credentials_from(|| user("http://127.0.0.1:1/token"))
    });
    let error = failed(&client).await;
    assert!(error.is_unavailable(), "{error}");
    assert!(
        error
            .to_string()
            .contains("cannot connect to http://127.0.0.1:1/token: "),
        "{error}"
    );
}
