use super::*;

/// Returns the proxy for an address in an environment that has only these variables.
fn environment(uri: &str, variables: &[(&str, &str)]) -> Result<Option<String>, Error> {
    let uri: Uri = uri.parse().expect("an address");
    let proxy = from_environment(&uri, |name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.into())
    });
    Ok(proxy?.map(|proxy| proxy.to_string()))
}

#[test]
fn the_variables_are_read_in_the_order_of_curl() {
    let all = [
        ("http_proxy", "small-http"),
        ("HTTP_PROXY", "capital-http"),
        ("https_proxy", "small-https"),
        ("HTTPS_PROXY", "capital-https"),
        ("all_proxy", "small-all"),
        ("ALL_PROXY", "capital-all"),
    ];
    let expected = [
        ("http://h", &["small-http", "small-all", "capital-all"][..]),
        (
            "https://h",
            &["small-https", "capital-https", "small-all", "capital-all"],
        ),
    ];
    for (uri, order) in expected {
        // Each variable is read if all variables before it are unset or empty.
        let mut unset = all.to_vec();
        let mut empty = all.to_vec();
        for proxy in order {
            let found = Some(format!("http://{proxy}:1080"));
            assert_eq!(environment(uri, &unset).expect("valid"), found, "{uri}");
            assert_eq!(environment(uri, &empty).expect("valid"), found, "{uri}");
            unset.retain(|(_, value)| value != proxy);
            let emptied = empty.iter_mut().find(|(_, value)| value == proxy);
            emptied.expect("the variable is in the list").1 = "";
        }
        assert_eq!(environment(uri, &unset).expect("valid"), None, "{uri}");
        assert_eq!(environment(uri, &empty).expect("valid"), None, "{uri}");
    }
}

/// NO_PROXY lists and hosts, and `true` if the host is reached without the proxy. curl 7.88 has the same results, except that
/// it documents IPv6 networks but does not match them.
const NO_PROXY_CASES: [(&str, &str, bool); 36] = [
    ("", "example.com", false),
    ("*", "example.com", true),
    ("*", "10.0.0.1", true),
    ("*,example.org", "example.com", false),
    ("*.example.com", "www.example.com", false),
    ("example.com", "example.com", true),
    ("example.com", "EXAMPLE.com", true),
    ("Example.COM", "example.com", true),
    ("example.com", "www.example.com", true),
    ("example.com", "a.b.example.com", true),
    ("example.com", "notexample.com", false),
    ("example.com", "example.com.org", false),
    (".example.com", "example.com", true),
    (".example.com", "www.example.com", true),
    (".example.com", "notexample.com", false),
    ("example.com.", "example.com", true),
    ("example.com", "example.com.", true),
    ("example.com:443", "example.com", false),
    ("a.org,example.com", "example.com", true),
    ("a.org, example.com", "example.com", true),
    ("a.org example.com", "example.com", true),
    (",, example.com ,", "example.com", true),
    ("com", "example.com", true),
    ("www.example.com", "example.com", false),
    ("10.0.0.1", "10.0.0.1", true),
    ("10.0.0.1", "10.0.0.11", false),
    ("0.0.1", "10.0.0.1", false),
    ("10.0.0.0/8", "10.200.3.4", true),
    ("10.0.0.0/8", "11.0.0.1", false),
    ("10.1.2.3/16", "10.1.200.1", true),
    ("10.0.0.0/33", "10.0.0.0", false),
    ("10.0.0.0/8", "10.example.com", false),
    ("2001:db8::1", "[2001:db8::1]", true),
    ("2001:db8::1", "[2001:db8::2]", false),
    ("2001:db8::/32", "[2001:db8:ffff::1]", true),
    ("2001:db8::/32", "[2001:db9::1]", false),
];

#[test]
fn no_proxy_matches_hosts_as_curl_does() {
    for (list, host, is_direct) in NO_PROXY_CASES {
        for (proxy, no_proxy) in [("https_proxy", "no_proxy"), ("ALL_PROXY", "NO_PROXY")] {
            let variables = [(proxy, "p:1"), (no_proxy, list)];
            let found = environment(&format!("https://{host}:8443"), &variables);
            let expected = (!is_direct).then(|| "http://p:1".to_owned());
            assert_eq!(found.expect("valid"), expected, "`{list}` and {host}");
        }
    }
    let both = [
        ("https_proxy", "p"),
        ("no_proxy", "a.org"),
        ("NO_PROXY", "*"),
    ];
    assert!(environment("https://h", &both).expect("valid").is_some());
}

#[test]
fn an_invalid_entry_of_no_proxy_is_ignored_with_its_fault() {
    for entry in [
        "h",
        "a.test",
        "10.0.0.1",
        "10.0.0.0/8",
        "::1",
        "2001:db8::/32",
    ] {
        check_no_proxy_entry(entry).expect(entry);
    }
    let cases = [
        ("*", "letters, digits"),
        ("*.test", "letters, digits"),
        ("a.test:443", "a port is not allowed"),
        ("http://a.test", "network"),
        ("[::1]", "in brackets"),
        ("10.0.0.0/33", "prefix length"),
        ("10.0.0.0/", "prefix length"),
        ("a/8", "network address"),
        ("u@h", "user or password"),
        ("1.2.3", "IPv4"),
    ];
    for (entry, fault) in cases {
        let found = check_no_proxy_entry(entry).expect_err(entry);
        assert!(found.contains(fault), "{entry}: {found}");
        let variables = [
            ("https_proxy", "p"),
            ("no_proxy", &format!("{entry},b.test")),
        ];
        let proxy = environment("https://a.test", &variables).expect("valid");
        assert!(proxy.is_some(), "{entry}");
        let direct = environment("https://b.test", &variables).expect("valid");
        assert_eq!(direct, None, "{entry}");
    }
}

#[test]
fn loopback_is_never_reached_through_a_proxy_of_the_environment() {
    let variables = [("all_proxy", "proxy.test")];
    for host in [
        "localhost",
        "a.localhost",
        "127.0.0.1",
        "127.9.9.9",
        "[::1]",
    ] {
        for scheme in ["http", "https"] {
            let found = environment(&format!("{scheme}://{host}:1"), &variables);
            assert_eq!(found.expect("valid"), None, "{host}");
        }
    }
    let named = environment("http://localhost.test", &variables);
    assert!(named.expect("valid").is_some());
}

#[test]
fn a_proxy_url_is_parsed_with_the_default_ports_of_curl() {
    let cases = [
        ("proxy", "http://proxy:1080", None),
        ("proxy:3128", "http://proxy:3128", None),
        ("http://proxy:3128/", "http://proxy:3128", None),
        ("HTTPS://proxy", "https://proxy:443", None),
        ("http://10.0.0.1:8080", "http://10.0.0.1:8080", None),
        ("http://[::1]:3128", "http://[::1]:3128", None),
        ("http://[::1]", "http://[::1]:1080", None),
        // `echo -n me:pass | base64`, and so on.
        ("me:pass@proxy:1", "http://proxy:1", Some("bWU6cGFzcw==")),
        ("http://me@proxy:1", "http://proxy:1", Some("bWU6")),
        (
            "http://me:p%40ss%3A%2F@proxy:1",
            "http://proxy:1",
            Some("bWU6cEBzczov"),
        ),
        (
            "http://m%C3%BC:p@[::1]:1",
            "http://[::1]:1",
            Some("bcO8OnA="),
        ),
    ];
    for (text, shown, authorization) in cases {
        let proxy = Proxy::parse("proxy", text).expect(text);
        assert_eq!(proxy.to_string(), shown, "{text}");
        let expected = authorization.map(|it| format!("Basic {it}"));
        let value = proxy.authorization();
        let value = value.map(|value| value.to_str().expect("text").to_owned());
        assert_eq!(value, expected, "{text}");
        assert!(proxy.authorization().is_none_or(HeaderValue::is_sensitive));
    }
}

#[test]
fn an_invalid_proxy_url_is_an_error_that_names_the_setting_and_no_secret() {
    let cases = [
        ("", "missing host"),
        ("http://", "missing host"),
        ("s3cr3t@", "missing host"),
        ("http://me:s3cr3t@", "missing host"),
        ("http://me:s3cr3t@:80", "missing host"),
        ("http://me:s3cr3t/part@proxy:80", "as %2F"),
        ("http://me:80#s3cr3t@proxy:80", "as %2F"),
        (
            "http://proxy/s3cr3t",
            "a path, query or fragment is not allowed",
        ),
        ("http://me:s3cr3t@s3cr3t@proxy:80", "as %40"),
        ("http://s3cr3t:99999", "port must be between 1 and 65535"),
        ("http://s3cr3t:0", "port must be between 1 and 65535"),
        ("http://s3cr3t:+1", "port must be between 1 and 65535"),
        ("http://s3cr3t:", "missing port"),
        ("http://me:s3 cr3t@proxy", "must be percent-encoded"),
        ("http://me:s3cr3t@pro xy", "whitespace"),
        ("http://me:s3cr3t@pröxy", "punycode"),
        ("http://me:s3cr3t@::1", "in brackets"),
        ("http://me:s3cr3t@1.2.3", "invalid IPv4 address"),
        ("s3cr3t@me://proxy", "must be a URL"),
        ("://s3cr3t", "must be a URL"),
        ("socks4://me:s3cr3t@proxy", "scheme `socks4`"),
        ("ftp://me:s3cr3t@proxy", "scheme `ftp`"),
    ];
    for (text, reason) in cases {
        let errors = [
            Proxy::parse("https_proxy", text).expect_err(text),
            match environment("https://h", &[("https_proxy", text)]) {
                Err(error) => error,
                Ok(_) if text.is_empty() => continue,
                Ok(_) => panic!("{text}"),
            },
        ];
        for error in errors {
            let shown = format!("{error} {error:?}");
            assert!(error.is_invalid_setting(), "{shown}");
            assert!(
                error.to_string().starts_with("invalid `https_proxy`: "),
                "{shown}"
            );
            assert!(shown.contains(reason), "`{text}`: {shown}");
            assert!(!shown.contains("s3cr3t"), "{shown}");
        }
    }
}

#[test]
fn a_variable_that_is_not_needed_may_be_invalid() {
    let wrong = [("https_proxy", "ftp://p"), ("no_proxy", "example.com")];
    for uri in ["http://h", "https://localhost", "https://example.com"] {
        assert_eq!(environment(uri, &wrong).expect("not read"), None);
    }
}

#[cfg(unix)]
#[test]
fn the_error_for_a_variable_that_is_not_unicode_names_the_variable() {
    use std::os::unix::ffi::OsStringExt as _;

    let uri = Uri::from_static("https://h");
    for wrong in ["HTTPS_PROXY", "NO_PROXY"] {
        let found = from_environment(&uri, |name| match name {
            _ if name == wrong => Some(OsString::from_vec(vec![b'h', 0xff])),
            "all_proxy" => Some("p".into()),
            _ => None,
        });
        let error = found.expect_err("invalid");
        assert!(error.is_invalid_setting(), "{error}");
        assert_eq!(
            error.to_string(),
            format!("invalid `{wrong}`: not valid Unicode")
        );
    }
}

#[test]
fn a_proxy_shows_no_secret() {
    let proxy = Proxy::parse("proxy", "http://me:s3cr3t@proxy:3128").expect("valid");
    let mode = ProxyMode::Proxy(proxy.clone());
    let shown = format!("{proxy} {proxy:?} {mode:?}");
    assert!(shown.contains("http://proxy:3128"), "{shown}");
    let encoded = proxy.authorization().expect("a user");
    let encoded = encoded.to_str().expect("text").trim_start_matches("Basic ");
    for secret in ["me", "s3cr3t", encoded] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
