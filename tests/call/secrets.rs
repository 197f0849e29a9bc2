//! No header, token or key appears in errors, spans, logs or `Debug` output. The tests search everything that is emitted.

use crate::common::{NAME, done, mock_client};
use crate::credentials::{Answer, Script};
use crate::seen::Seen;
use apigateway_grpc::ApiGateway;
use apigateway_grpc::layer::auth::AuthLayer;
use http::Uri;
use tonic::Status;

/// The secret to search for. No other text of the tests contains it.
const SECRET: &str = "s3cr3t";
const TOKEN: &str = "ya29.s3cr3t-token";

fn is_clean(seen: &Seen, control: &str) {
    assert_eq!(seen.leak(SECRET, control), None);
}

#[tokio::test(start_paused = true)]
async fn calls_over_a_custom_transport_show_no_secret() {
    let seen = Seen::default();
    let _guard = seen.capture();
    let script = || {
        Script::new(|number| match number {
            1 => Answer::New(vec![
                ("authorization", "Bearer s3cr3t-1"),
                ("x-goog-api-key", "s3cr3t-2"),
                ("x-of-the-credentials", "s3cr3t-3"),
            ]),
            2 => Answer::New(vec![("authorization", "Bearer s3cr3t-4")]),
            _ => Answer::Same,
        })
    };
    let clients = [
        (mock_client(|it| it.credentials(script())), 3),
        (mock_client(|it| it.access_token(TOKEN)), 2),
        (mock_client(|it| it.api_key("s3cr3t-key")), 2),
    ];
    // The scripted credentials return other headers after a rejection, and the call is sent once more.
    for ((client, mut server), attempts) in clients {
        let (result, ()) = tokio::join!(client.get_operation(NAME), async {
            let (rpc, answer) = server.next_request().await;
            seen.add(&format!("{rpc:?}\n{:?}\n", rpc.headers()));
            answer.send_error(Status::unavailable("away"));
            for _ in 1..attempts {
                let (_, answer) = server.next_request().await;
                answer.send_error(Status::unauthenticated("who are you"));
            }
        });
        seen.add_error(&result.expect_err("refused"));
        seen.add(&format!("{client:?} {:?}\n", client.stack()));
        seen.add(&format!(
            "{:?} {:?}\n",
            client.service_client(),
            client.operations_client()
        ));
        let (result, ()) = tokio::join!(client.get_operation(NAME), async {
            server.next_request().await.1.send_response(done());
        });
        seen.add(&format!("{:?}\n", result.expect("answered")));
        server.expect_no_more_requests(client).await;
    }
    is_clean(&seen, "retrying with refreshed ones");
}

/// Starts a server on localhost that rejects every call over HTTP/2.
async fn refusing() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("a client comes");
        let mut peer = h2::server::handshake(socket).await.expect("it is HTTP/2");
        while let Some(Ok((_, mut answer))) = peer.accept().await {
            let refusal = Status::unauthenticated("who are you").into_http::<()>();
            answer.send_response(refusal, true).expect("it is open");
        }
    });
    address
}

#[tokio::test]
async fn calls_over_the_wire_show_no_secret_at_the_lowest_level_of_any_crate() {
    let seen = Seen::default();
    let _guard = seen.capture();
    let builder = ApiGateway::builder().endpoint(format!("http://{}", refusing().await));
    let client = builder.access_token(TOKEN).quota_project("payer").build();
    let client = client.expect("the settings are valid");
    let error = client.get_operation(NAME).await.expect_err("refused");
    assert!(error.is_auth(), "{error}");
    seen.add_error(&error);
    is_clean(&seen, "h2::");
}

#[cfg(feature = "rest")]
#[tokio::test]
async fn calls_over_rest_show_no_secret_at_the_lowest_level_of_any_crate() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let seen = Seen::default();
    let _guard = seen.capture();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let builder = ApiGateway::builder().endpoint(format!("http://{address}"));
    let builder = builder.transport(apigateway_grpc::Transport::Rest);
    let client = builder.access_token(TOKEN).build().expect("valid");
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let (mut socket, _) = listener.accept().await.expect("the client comes");
        let mut request = [0; 4096];
        let read = socket.read(&mut request).await.expect("it asks");
        assert!(String::from_utf8_lossy(&request[..read]).contains(TOKEN));
        let answer = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}";
        socket.write_all(answer).await.expect("it listens");
    });
    let error = result.expect_err("refused");
    assert!(error.is_auth(), "{error}");
    seen.add_error(&error);
    is_clean(&seen, "hyper");
}

/// Starts a proxy on localhost that answers every request for a tunnel with 407.
async fn unwilling_proxy() -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let read = socket.read(&mut request).await.expect("it asks");
            // `echo -n s3cr3t-me:s3cr3t-word | base64`
            let expected = "\r\nproxy-authorization: Basic czNjcjN0LW1lOnMzY3IzdC13b3Jk\r\n";
            assert!(String::from_utf8_lossy(&request[..read]).contains(expected));
            let answer = b"HTTP/1.1 407 s3cr3t\r\ncontent-length: 6\r\n\r\ns3cr3t";
            socket.write_all(answer).await.expect("it listens");
        }
    });
    address
}

#[tokio::test]
async fn a_proxy_that_refuses_its_user_shows_no_secret_at_the_lowest_level_of_any_crate() {
    let seen = Seen::default();
    let _guard = seen.capture();
    let url = format!("http://s3cr3t-me:s3cr3t-word@{}", unwilling_proxy().await);
    let transports = [
        apigateway_grpc::Transport::Grpc,
        #[cfg(feature = "rest")]
        apigateway_grpc::Transport::Rest,
    ];
    for transport in transports {
        let builder = ApiGateway::builder().endpoint("http://gateway.test");
        let builder = builder.anonymous().proxy(&url).transport(transport);
        seen.add(&format!("{builder:?}\n"));
        let builder = builder.retry(apigateway_grpc::contract::RetryPolicy::NEVER);
        let client = builder.build().expect("the settings are valid");
        let error = client.get_operation(NAME).await.expect_err("refused");
        assert!(error.is_connect(), "{error}");
        seen.add_error(&error);
        seen.add(&format!("{client:?} {:?}\n", client.stack()));
    }
    const REFUSED: &str = "the proxy responded with HTTP 407";
    // The user and password in base64, as in `proxy-authorization`.
    assert_eq!(seen.leak("czNjcjN0", REFUSED), None);
    is_clean(&seen, REFUSED);
}

#[tokio::test(start_paused = true)]
async fn settings_show_no_secret_in_debug_output_or_in_errors() {
    let seen = Seen::default();
    let _guard = seen.capture();
    let builder = || ApiGateway::builder().endpoint("https://gateway.example");
    seen.add(&format!("{:?}\n", builder().access_token(TOKEN)));
    seen.add(&format!("{:?}\n", builder().api_key("s3cr3t-key")));
    seen.add(&format!("{:?}\n", builder().proxy("me:s3cr3t@proxy")));
    let identity = builder().client_identity("s3cr3t-chain", "s3cr3t-key");
    seen.add(&format!("{:?}\n", identity.ca_certificates("s3cr3t")));
    let layer = AuthLayer::new(
        Script::new(|_| Answer::Hangs),
        &Uri::from_static("https://gateway.example"),
    );
    seen.add(&format!("{:?}\n", layer.expect("it is encrypted")));
    let refused = [
        builder().access_token("s3cr3t\n-token").build(),
        ApiGateway::builder()
            .endpoint("https://me:s3cr3t@h")
            .build(),
        ApiGateway::builder()
            .endpoint("http://me:s3cr3t@h")
            .access_token(TOKEN)
            .build(),
        ApiGateway::builder()
            .endpoint("http://gateway.example")
            .access_token(TOKEN)
            .build(),
        builder().proxy("ftp://me:s3cr3t@proxy").build(),
        builder().proxy("http://me:80/s3cr3t@proxy").build(),
        builder()
            .client_identity("s3cr3t-chain", "s3cr3t-key")
            .anonymous()
            .build(),
        builder().ca_certificates("s3cr3t").anonymous().build(),
    ];
    for refused in refused {
        // A build without TLS refuses the https addresses of the last two as well.
        seen.add_error(&refused.expect_err("the setting is invalid"));
    }
    is_clean(&seen, "gateway.example");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_fail_show_no_secret() {
    let seen = Seen::default();
    let _guard = seen.capture();
    let script = Script::new(|number| match number {
        1 => crate::credentials::token("Bearer s3cr3t"),
        _ => Answer::Fails(false, "revoked"),
    });
    let (client, mut server) = mock_client(|it| it.credentials(script.clone()));
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let (_, answer) = server.next_request().await;
        answer.send_error(Status::unauthenticated("who are you"));
    });
    seen.add_error(&result.expect_err("refused"));
    tokio::time::sleep(std::time::Duration::from_secs(300)).await;
    let error = client.get_operation(NAME).await.expect_err("revoked");
    seen.add_error(&error);
    assert_eq!(script.requests(), 3);
    is_clean(&seen, "revoked");
}
