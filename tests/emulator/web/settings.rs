//! The settings of access: invalid values, CORS headers, and the secrecy of the admin token.

use std::io;
use std::time::Duration;

use apigateway_grpc::emulator::Emulator;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::raw::{Link, Port, Way};
use crate::PARENT;

#[tokio::test]
async fn an_invalid_setting_of_access_makes_the_start_fail_with_the_name_of_the_setting() {
    let builder = Emulator::builder;
    for (builder, expected) in [
        (
            builder().host("a:1"),
            r#"invalid `host` "a:1": must be a host name or an IP address, without a port"#,
        ),
        (builder().host(""), r#"invalid `host` "": missing host"#),
        (
            builder().allow_origin("*"),
            r#"invalid `allow_origin` "*": must be one origin; there is no wildcard"#,
        ),
        (
            builder().allow_origin("null"),
            r#"invalid `allow_origin` "null": any page can have the origin `null`"#,
        ),
        (
            builder().allow_origin("localhost:3000"),
            r#"invalid `allow_origin` "localhost:3000": must be SCHEME://HOST[:PORT], such as http://localhost:3000"#,
        ),
        (
            builder().admin_token(""),
            "invalid `admin_token`: must not be empty",
        ),
        (
            builder().admin_token("s3cr3t s3cr3t"),
            "invalid `admin_token`: must have visible ASCII characters only, and no spaces",
        ),
    ] {
        let emulator = builder.clone().build();
        let none = futures_util::stream::empty::<Result<tokio::io::DuplexStream, io::Error>>();
        let error = builder.start().await.expect_err(expected);
        let same = emulator.serve_with_incoming(none).await;
        let same = same.expect_err(expected);
        for error in [error, same] {
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert_eq!(error.to_string(), expected);
        }
    }
}

#[tokio::test]
async fn the_admin_service_accepts_the_address_of_its_listener_as_host() {
    for (address, host) in [("0.0.0.0:0", "0.0.0.0"), ("127.0.0.1:0", "127.0.0.1")] {
        let emulator = Emulator::builder().build();
        let server = emulator.start(address).await.expect("a free port");
        let line = "GET /emulator/v1/calls";
        let local = ([127, 0, 0, 1], server.address().port()).into();
        let answer = super::raw::send_to(local, line, &[&format!("Host: {host}")]).await;
        assert_eq!(answer.short(), "200", "{address}");
    }
}

#[tokio::test]
async fn an_allowed_origin_gets_cors_headers() {
    let builder = Emulator::builder().allow_origin("http://app.test:3000");
    let port = Port::start(builder).await;
    let origin = "Origin: http://app.test:3000";
    let apis = format!("/v1/{PARENT}/apis");
    let value = |answer: &super::raw::Answer, name: &str| {
        let values = answer.headers.get_all(name).iter();
        let values = values.map(|value| value.to_str().expect("text").to_owned());
        values.collect::<Vec<_>>().join(", ")
    };

    for line in [
        format!("OPTIONS {apis}"),
        "OPTIONS /emulator/v1/reset".into(),
    ] {
        for way in [Way::Http1, Way::Http2] {
            let asks = [
                "Host: localhost",
                origin,
                "Access-Control-Request-Method: POST",
                "Access-Control-Request-Headers: authorization,content-type,x-mine",
            ];
            let answer = port.send(Link::Tcp, way, &line, &asks).await;
            assert_eq!(answer.status, 204, "{line}");
            for (name, expected) in [
                ("access-control-allow-origin", "http://app.test:3000"),
                (
                    "access-control-allow-methods",
                    "GET, POST, PUT, PATCH, DELETE",
                ),
                ("access-control-allow-headers", "authorization, *"),
                ("access-control-max-age", "600"),
                ("access-control-allow-credentials", ""),
                ("vary", "Origin"),
            ] {
                assert_eq!(value(&answer, name), expected, "{line} {name}");
            }
        }
    }
    // An error response has the headers too.
    for (line, status) in [
        (format!("GET {apis}"), 200),
        (format!("GET {apis}/none"), 404),
    ] {
        let answer = port
            .send(Link::Tcp, Way::Http1, &line, &["Host: x", origin])
            .await;
        assert_eq!(answer.status, status);
        let allowed = value(&answer, "access-control-allow-origin");
        assert_eq!(allowed, "http://app.test:3000");
        assert_eq!(value(&answer, "access-control-expose-headers"), "*");
        assert_eq!(value(&answer, "vary"), "Origin");
    }
    let line = format!("GET {apis}");
    let plain = port.send(Link::Tcp, Way::Http1, &line, &["Host: x"]).await;
    assert_eq!(value(&plain, "vary"), "Origin");
    assert_eq!(value(&plain, "access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_refusal_has_the_form_of_an_error_of_the_service() {
    let port = Port::start(Emulator::builder().admin_token("s3cr3t")).await;
    let line = "GET /emulator/v1/calls";
    let answer = port
        .send(Link::Remote, Way::Http1, line, &["Host: localhost"])
        .await;
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    let text = "the request has no `Authorization`; from a non-loopback address, the admin service requires \
                `Authorization: Bearer TOKEN`, with the token of `--admin-token` (`EmulatorBuilder::admin_token`)";
    let expected = json!({"error": {"code": 401, "status": "UNAUTHENTICATED", "message": text, "details": [{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ADMIN_TOKEN_REQUIRED",
        "domain": "apigateway.googleapis.com",
        "metadata": {"service": "apigateway.googleapis.com"},
    }]}});
    assert_eq!(answer.body, expected);
    let wrong = ["Host: localhost", "Authorization: Bearer other"];
    let answer = port.send(Link::Remote, Way::Http1, line, &wrong).await;
    let text = answer.body["error"]["message"].as_str().expect("text");
    let start = "the `Authorization` of the request does not have the admin token; from a non-loopback address";
    assert!(text.starts_with(start), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_request_is_read_to_its_end_before_it_is_refused() {
    let (mut ours, theirs) = tokio::io::duplex(4096);
    let incoming = futures_util::stream::iter([Ok::<_, io::Error>(theirs)]);
    let emulator = Emulator::builder().build();
    tokio::spawn(async move { emulator.serve_with_incoming(incoming).await });
    let head =
        "POST /emulator/v1/reset HTTP/1.1\r\nhost: evil.example\r\ncontent-length: 2\r\n\r\n{";
    ours.write_all(head.as_bytes()).await.expect("open");
    let mut start = [0; 12];
    let early = ours.read_exact(&mut start);
    let early = tokio::time::timeout(Duration::from_secs(20), early).await;
    early.expect_err("no answer before the end of the request");
    ours.write_all(b"}").await.expect("open");
    ours.read_exact(&mut start).await.expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 421");
}

#[tokio::test]
async fn the_admin_token_is_in_no_recorded_call_and_no_debug_output() {
    let builder = Emulator::builder().admin_token("s3cr3t-admin");
    let shown = format!("{builder:?}");
    let port = Port::start(builder).await;
    let token = "Authorization: Bearer s3cr3t-admin";
    let apis = format!("GET /v1/{PARENT}/apis");
    for way in [Way::Http1, Way::Http2] {
        let answer = port
            .send(Link::Remote, way, &apis, &["Host: x", token])
            .await;
        assert_eq!(answer.status, 200);
    }
    let calls = "GET /emulator/v1/calls";
    let record = port
        .send(Link::Tcp, Way::Http1, calls, &["Host: localhost", token])
        .await;
    let record = record.body.to_string();
    assert!(record.contains("(masked)"), "{record}");
    let emulator = port.server.emulator();
    let shown = format!(
        "{shown} {emulator:?} {:?} {:?} {record}",
        port.server,
        emulator.calls()
    );
    assert!(!shown.contains("s3cr3t"), "{shown}");
}

/// Each row has the settings, a request, and the text of its refusal. The text names the cause and the setting that allows
/// the request. For a wrong content type, it names the required `Content-Type` instead of a setting.
#[tokio::test]
async fn each_refusal_names_its_cause_and_a_remedy() {
    let plain = Emulator::builder;
    let with_token = || plain().admin_token("s3cr3t");
    let calls = "GET /emulator/v1/calls";
    let mut wrong = Vec::new();
    for (builder, link, line, headers, expected) in [
        (
            plain(),
            Link::Tcp,
            calls,
            &["Host: localhost", "Host: localhost"][..],
            "more than one `Host`; use a loopback address, localhost, or a name of `--host`",
        ),
        (
            plain(),
            Link::Tcp,
            calls,
            &["Host: a b"],
            r#"invalid `Host` "a b": whitespace and control characters are not allowed; use a loopback address, localhost, or a name of `--host`"#,
        ),
        (
            plain(),
            Link::Tcp,
            calls,
            &["Host: evil.example"],
            r#"the admin service does not accept the host "evil.example"; to allow it, use `--host evil.example` (`EmulatorBuilder::host`)"#,
        ),
        (
            plain(),
            Link::Tcp,
            "GET http://127.0.0.1/emulator/v1/calls",
            &["Host: localhost"],
            "`Host` differs from `:authority` or the request target; use a loopback address, localhost, or a name of `--host`",
        ),
        (
            plain(),
            Link::Tcp,
            calls,
            &["Host: localhost", "Origin: http://evil.example"],
            "the web page of http://evil.example may not use the emulator; to allow its origin, use `--allow-origin ORIGIN` (`EmulatorBuilder::allow_origin`)",
        ),
        (
            plain(),
            Link::Tcp,
            calls,
            &["Host: localhost", "Origin: null"],
            r#"a web page with the origin "null" may not use the emulator; to allow its origin, use `--allow-origin ORIGIN` (`EmulatorBuilder::allow_origin`)"#,
        ),
        (
            plain(),
            Link::Tcp,
            calls,
            &["Host: localhost", "Sec-Fetch-Site: cross-site"],
            "a web page of another origin (`Sec-Fetch-Site: cross-site`) may not use the emulator; to allow its origin, use `--allow-origin ORIGIN` (`EmulatorBuilder::allow_origin`)",
        ),
        (
            plain(),
            Link::Remote,
            calls,
            &["Host: localhost"],
            "the admin service accepts requests from loopback addresses only; to allow others, use `--admin-token TOKEN` (`EmulatorBuilder::admin_token`)",
        ),
        (
            with_token(),
            Link::Remote,
            calls,
            &["Host: localhost"],
            "the request has no `Authorization`; from a non-loopback address, the admin service requires `Authorization: Bearer TOKEN`, with the token of `--admin-token` (`EmulatorBuilder::admin_token`)",
        ),
        (
            with_token(),
            Link::Remote,
            calls,
            &["Host: localhost", "Authorization: Bearer other"],
            "the `Authorization` of the request does not have the admin token; from a non-loopback address, the admin service requires `Authorization: Bearer TOKEN`, with the token of `--admin-token` (`EmulatorBuilder::admin_token`)",
        ),
        (
            plain(),
            Link::Tcp,
            "POST /emulator/v1/reset",
            &[
                "Host: localhost",
                "Sec-Fetch-Site: same-origin",
                "Content-Type: text/plain",
            ],
            "a write to the admin service with `Origin` or `Sec-Fetch-*`, as by a web page or Node's fetch, must have `Content-Type: application/json`",
        ),
    ] {
        let port = Port::start(builder).await;
        let answer = port.send(link, Way::Http1, line, headers).await;
        let text = answer.message();
        if text != expected {
            wrong.push(format!("{line} {headers:?}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
