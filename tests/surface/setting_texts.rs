//! The texts of the errors of `build`, each with the setting that causes it. A text names the invalid setting and says what
//! would be valid or what is wrong. It shows at most the parts of the value that cannot be secret.

use std::time::Duration;

use apigateway_grpc::{ApiGateway, Builder, RetryThrottling};

/// A change of a valid builder, and the text of the error that it causes.
type Row = (fn(Builder) -> Builder, &'static str);

const NUMBERS: &[Row] = &[
    (
        |it| it.connect_timeout(Duration::ZERO),
        "invalid `connect_timeout` 0: must be above zero",
    ),
    (
        |it| it.keepalive(Duration::from_secs(1), Duration::ZERO),
        "invalid `keepalive` 0: both durations must be above zero",
    ),
    (
        |it| it.max_connections(0),
        "invalid `max_connections` 0: must be above zero",
    ),
    (
        |it| it.max_streams(0),
        "invalid `max_streams` 0: must be above zero",
    ),
    (
        |it| it.max_response_size(0),
        "invalid `max_response_size` 0: must be above zero",
    ),
    (
        |it| it.max_metadata_size(0),
        "invalid `max_metadata_size` 0: must be from 1 to 1048576 bytes",
    ),
    (
        |it| it.retry_throttling(Some(RetryThrottling::default().max_tokens(1001))),
        "invalid `max_tokens` 1001 in `retry_throttling`: must be from 1 to 1000",
    ),
    (
        |it| it.retry_throttling(Some(RetryThrottling::default().token_ratio(0.0))),
        "invalid `token_ratio` 0 in `retry_throttling`: must be from 0.001 to `max_tokens` (100)",
    ),
];

const HEADERS: &[Row] = &[
    (
        |it| it.user_agent("a\nb"),
        "invalid `user_agent`: must not have control characters",
    ),
    (
        |it| it.quota_project("a\0"),
        "invalid `quota_project`: must not have control characters",
    ),
];

const ADDRESSES: &[Row] = &[
    (
        |it| it.endpoint("ftp://h"),
        "invalid `endpoint` \"ftp://h\": the scheme must be http or https",
    ),
    (
        |it| it.endpoint("http://h/v1"),
        "invalid `endpoint` \"http://h/…\": a path, query or fragment is not allowed",
    ),
    (
        |it| it.endpoint("http://"),
        "invalid `endpoint` \"http://\": missing host",
    ),
    (
        |it| it.endpoint("http://u:secret@h"),
        "invalid `endpoint` \"…\": a user or password is not allowed",
    ),
    (
        |it| it.endpoint("http://h h"),
        "invalid `endpoint` \"http://h h\": whitespace and control characters are not allowed",
    ),
    (
        |it| it.endpoint("http://b\u{fc}cher.test"),
        "invalid `endpoint` \"http://b\u{fc}cher.test\": an internationalised name must be in punycode (xn--…)",
    ),
    (
        |it| it.endpoint("http://h%20"),
        "invalid `endpoint` \"http://h%20\": percent-encoding is not allowed in a host name",
    ),
    (
        |it| it.endpoint("http://[fe80::1%25eth0]"),
        "invalid `endpoint` \"http://[fe80::1%25eth0]\": an IPv6 zone id is not supported",
    ),
    (
        |it| it.endpoint("http://[::1"),
        "invalid `endpoint` \"http://[::1\": missing `]` after an IPv6 address",
    ),
    (
        |it| it.endpoint("http://[::1]80"),
        "invalid `endpoint` \"http://[::1]80\": only `:PORT` may follow an IPv6 address",
    ),
    (
        |it| it.endpoint("http://::1"),
        "invalid `endpoint` \"http://::1\": an IPv6 address must be in brackets, such as [::1]:443",
    ),
    (
        |it| it.endpoint("http://[::g]"),
        "invalid `endpoint` \"http://[::g]\": invalid IPv6 address",
    ),
    (
        |it| it.endpoint("http://127.1"),
        "invalid `endpoint` \"http://127.1\": invalid IPv4 address: must be four numbers, such as 127.0.0.1",
    ),
    (
        |it| it.endpoint("http://h:"),
        "invalid `endpoint` \"http://h:\": missing port after `:`",
    ),
    (
        |it| it.endpoint("http://h:0"),
        "invalid `endpoint` \"http://h:0\": port must be between 1 and 65535",
    ),
    (
        |it| it.endpoint("http://a..b"),
        "invalid `endpoint` \"http://a..b\": empty label in the host name",
    ),
    (
        |it| it.endpoint("http://-a"),
        "invalid `endpoint` \"http://-a\": a label of a host name must not begin or end with `-`",
    ),
    (
        |it| it.endpoint("http://a*b"),
        "invalid `endpoint` \"http://a*b\": a host name may contain only letters, digits, `-`, `_` and dots",
    ),
];

const PROXIES: &[Row] = &[
    (
        |it| it.proxy("socks5://h"),
        "invalid `proxy`: unsupported scheme `socks5`: must be http or https",
    ),
    (
        |it| it.proxy("://h"),
        "invalid `proxy`: must be a URL such as http://HOST:PORT",
    ),
    (
        |it| it.proxy("http://h/pac"),
        "invalid `proxy`: a path, query or fragment is not allowed; in a password, encode `/`, `?` and `#` as %2F, %3F and %23",
    ),
    (
        |it| it.proxy("http://u:p@p@h"),
        "invalid `proxy`: in a user or password, encode `@` as %40",
    ),
    (
        |it| it.proxy("http://u:\u{e9} @h"),
        "invalid `proxy`: the special characters of a user or password must be percent-encoded",
    ),
];

fn check(rows: &[Row]) {
    for (change, expected) in rows {
        // Plaintext on loopback needs no CA certificates.
        let builder = ApiGateway::builder().endpoint("http://127.0.0.1:1");
        let error = change(builder.anonymous()).build().expect_err(expected);
        assert_eq!(error.to_string(), *expected);
        assert!(error.is_invalid_setting(), "{error}");
    }
}

#[tokio::test]
async fn an_invalid_number_is_reported_with_its_range() {
    check(NUMBERS);
}

#[tokio::test]
async fn an_invalid_header_value_is_reported_without_the_value() {
    check(HEADERS);
}

#[tokio::test]
async fn an_invalid_address_is_reported_with_its_defect() {
    check(ADDRESSES);
}

#[tokio::test]
async fn an_invalid_proxy_is_reported_without_its_password() {
    check(PROXIES);
}

#[tokio::test]
async fn an_invalid_universe_domain_is_reported_with_its_defect() {
    let cases = [
        ("https://u.test", "must be a domain name, without a scheme"),
        ("u.test:443", "a port is not allowed"),
        ("10.0.0.1", "must be a domain name, not an IP address"),
        ("u.test.", "a trailing dot is not allowed"),
    ];
    for (domain, fault) in cases {
        let builder = ApiGateway::builder().anonymous().universe_domain(domain);
        let error = builder.build().expect_err(domain);
        let expected = format!("invalid `universe_domain` {domain:?}: {fault}");
        assert_eq!(error.to_string(), expected);
    }
}

#[cfg(feature = "auth")]
#[tokio::test]
async fn the_error_of_a_credential_for_a_plaintext_address_names_the_setting_to_change() {
    let cases = [
        (
            ApiGateway::builder().endpoint("http://h.test"),
            "http://h.test is plaintext and not a loopback address, so no credential is sent to it; use https, or `anonymous`",
        ),
        (
            ApiGateway::builder()
                .endpoint("http://127.0.0.1:1")
                .proxy("http://p.test:1"),
            "http://127.0.0.1:1 is plaintext and the proxy http://p.test:1 is not a loopback address, so no credential is \
             sent through it; use https, `no_proxy`, or `anonymous`",
        ),
    ];
    for (builder, expected) in cases {
        let error = builder.access_token("t").build().expect_err(expected);
        assert_eq!(error.to_string(), expected);
    }
}
