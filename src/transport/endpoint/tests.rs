use super::*;

/// The endpoint settings of an API Gateway client without any user setting.
const API_GATEWAY: EndpointSettings<'static> = EndpointSettings {
    host: Some("apigateway.googleapis.com"),
    emulator_variable: Some(EMULATOR_HOST),
    endpoint: None,
    universe_domain: None,
    identity: false,
};

/// An environment with only these variables.
fn environment<'a>(variables: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
    |name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.into())
    }
}

fn resolve(
    settings: EndpointSettings<'_>,
    variables: &[(&str, &str)],
) -> Result<(String, EndpointSource), String> {
    match settings.resolve(environment(variables)) {
        Ok(endpoint) => Ok((endpoint.uri.to_string(), endpoint.source)),
        Err(error) => {
            assert!(error.is_invalid_setting(), "{error}");
            Err(error.to_string())
        }
    }
}

#[test]
fn an_address_is_accepted_with_and_without_a_scheme() {
    let cases = [
        (
            "apigateway.googleapis.com",
            "https://apigateway.googleapis.com/",
        ),
        (
            "apigateway.googleapis.com:443",
            "https://apigateway.googleapis.com:443/",
        ),
        ("http://127.0.0.1:8470", "http://127.0.0.1:8470/"),
        ("https://[::1]:1/", "https://[::1]:1/"),
        ("HTTPS://h", "https://h/"),
    ];
    for (text, expected) in cases {
        assert_eq!(
            parse("endpoint", text).expect("valid").to_string(),
            expected
        );
    }
}

#[test]
fn an_error_names_the_setting_the_value_and_the_fault() {
    let long = "a".repeat(1000);
    let cases = [
        (
            "https://h:99999",
            r#"invalid `endpoint` "https://h:99999": port must be between 1 and 65535"#,
        ),
        ("", r#"invalid `endpoint` "": missing host"#),
        (
            "ftp://h",
            r#"invalid `endpoint` "ftp://h": the scheme must be http or https"#,
        ),
        (
            "http://h/path",
            r#"invalid `endpoint` "http://h/…": a path, query or fragment is not allowed"#,
        ),
        (
            "http://h?key=secret",
            r#"invalid `endpoint` "http://h?…": a path, query or fragment is not allowed"#,
        ),
        (
            "h//",
            r#"invalid `endpoint` "h/…": a path, query or fragment is not allowed"#,
        ),
        (
            "http://:80",
            r#"invalid `endpoint` "http://:80": missing host"#,
        ),
        ("http://", r#"invalid `endpoint` "http://": missing host"#),
        (
            "http://u:secret@h",
            r#"invalid `endpoint` "…": a user or password is not allowed"#,
        ),
        (
            "a\u{1b}[0m",
            r#"invalid `endpoint` "a\u{1b}[0m": whitespace and control characters are not allowed"#,
        ),
        (
            "bücher.example",
            r#"invalid `endpoint` "bücher.example": an internationalised name must be in punycode (xn--…)"#,
        ),
    ];
    for (text, expected) in cases {
        let error = parse("endpoint", text).expect_err(text);
        assert!(error.is_invalid_setting());
        assert_eq!(error.to_string(), expected);
    }
    let error = parse("endpoint", &long).expect_err("too long").to_string();
    assert!(error.len() < 250 && error.contains("aaa…\": "), "{error}");
}

#[test]
fn the_endpoint_overrides_the_emulator_and_the_emulator_overrides_the_universe() {
    let settings = |endpoint, universe_domain| EndpointSettings {
        endpoint,
        universe_domain,
        ..API_GATEWAY
    };
    let both = [(EMULATOR_HOST, "emulator.test:1"), (UNIVERSE, "env.test")];
    let cases = [
        (
            settings(Some("h"), Some("u.test")),
            &both[..],
            "https://h/",
            EndpointSource::Endpoint,
        ),
        (
            settings(None, Some("u.test")),
            &both,
            "http://emulator.test:1/",
            EndpointSource::Emulator,
        ),
        (
            settings(None, Some("U.test")),
            &both[1..],
            "https://apigateway.u.test/",
            EndpointSource::Universe,
        ),
        (
            settings(None, None),
            &both[1..],
            "https://apigateway.env.test/",
            EndpointSource::Universe,
        ),
        (
            settings(None, None),
            &[(UNIVERSE, "")],
            "https://apigateway.googleapis.com/",
            EndpointSource::Universe,
        ),
        (
            settings(None, None),
            &[],
            "https://apigateway.googleapis.com/",
            EndpointSource::Universe,
        ),
    ];
    for (settings, variables, uri, source) in cases {
        let expected = Ok((uri.to_owned(), source));
        assert_eq!(resolve(settings, variables), expected, "{variables:?}");
    }
}

#[test]
fn the_emulator_is_named_in_any_form_of_an_address() {
    let cases = [
        ("127.0.0.1:8470", "http://127.0.0.1:8470/"),
        ("localhost", "http://localhost/"),
        ("http://h:1", "http://h:1/"),
        ("https://h:1", "https://h:1/"),
        ("https://h:1/", "https://h:1/"),
        ("h:1/", "http://h:1/"),
        ("[::1]:8470", "http://[::1]:8470/"),
        ("https://[::1]", "https://[::1]/"),
    ];
    for (value, uri) in cases {
        let found = resolve(API_GATEWAY, &[(EMULATOR_HOST, value)]);
        assert_eq!(
            found,
            Ok((uri.to_owned(), EndpointSource::Emulator)),
            "{value}"
        );
    }
    let unset = resolve(API_GATEWAY, &[(EMULATOR_HOST, "")]).expect("valid");
    assert_eq!(unset.1, EndpointSource::Universe);
    for value in [
        "::1",
        "h:0",
        "not a host",
        "ftp://h",
        "h/path",
        "u:p@h",
        "/",
        "http://",
    ] {
        let error = resolve(API_GATEWAY, &[(EMULATOR_HOST, value)]).expect_err(value);
        assert!(
            error.starts_with("invalid `APIGATEWAY_EMULATOR_HOST` "),
            "{error}"
        );
    }
}

#[test]
fn a_universe_must_be_a_domain() {
    for value in [
        "evil.com/",
        "x@y",
        "https://googleapis.com",
        "a.com:443",
        "10.0.0.1",
        "a.",
        "a b",
        "a#",
        "%41",
    ] {
        for (setting, variables, name) in [
            (Some(value), &[][..], "universe_domain"),
            (None, &[(UNIVERSE, value)], UNIVERSE),
        ] {
            let settings = EndpointSettings {
                universe_domain: setting,
                ..API_GATEWAY
            };
            let error = resolve(settings, variables).expect_err(value);
            assert!(
                error.starts_with(&format!("invalid `{name}` \"")),
                "{error}"
            );
        }
    }
    let long = format!("{}test", "a.".repeat(123));
    let settings = EndpointSettings {
        universe_domain: Some(&long),
        ..API_GATEWAY
    };
    let error = resolve(settings, &[]).expect_err("the host name is too long");
    assert!(error.contains("at most 253"), "{error}");
}

#[test]
fn the_error_of_an_invalid_host_of_a_contract_does_not_name_the_universe_domain() {
    for universe_domain in [None, Some("u.test")] {
        for identity in [false, true] {
            let settings = EndpointSettings {
                host: Some("*.googleapis.com"),
                universe_domain,
                identity,
                ..API_GATEWAY
            };
            let error = resolve(settings, &[]).expect_err("an invalid host");
            assert!(
                error.starts_with("invalid `default_host` \"*.googleapis.com\": "),
                "{error}"
            );
        }
    }
}

#[test]
fn a_client_certificate_selects_the_endpoint_for_mutual_tls_as_in_googles_clients() {
    let (usual, mtls) = (
        "https://apigateway.googleapis.com/",
        "https://apigateway.mtls.googleapis.com/",
    );
    let cases = [
        ("", false, Ok(usual)),
        ("", true, Ok(mtls)),
        ("auto", false, Ok(usual)),
        ("auto", true, Ok(mtls)),
        ("AUTO", true, Ok(mtls)),
        ("never", false, Ok(usual)),
        ("never", true, Ok(usual)),
        ("always", false, Ok(mtls)),
        ("always", true, Ok(mtls)),
        ("true", true, Err("must be never, auto or always")),
        ("on", false, Err("must be never, auto or always")),
    ];
    for (mode, identity, expected) in cases {
        let settings = EndpointSettings {
            identity,
            ..API_GATEWAY
        };
        let found = resolve(settings, &[(MTLS, mode)]);
        match (found, expected) {
            (Ok((uri, _)), Ok(expected)) => assert_eq!(uri, expected, "{mode} {identity}"),
            (Err(error), Err(fault)) => {
                assert!(error.starts_with("invalid `GOOGLE_API_USE_MTLS_ENDPOINT` \""));
                assert!(error.ends_with(fault), "{error}");
            }
            (found, _) => panic!("{mode} {identity}: {found:?}"),
        }
    }
}

#[test]
fn mutual_tls_does_not_change_a_set_endpoint_and_is_an_error_in_another_universe() {
    let elsewhere = EndpointSettings {
        universe_domain: Some("u.test"),
        identity: true,
        ..API_GATEWAY
    };
    for (variables, settings) in [
        (
            &[(MTLS, "always")][..],
            EndpointSettings {
                identity: false,
                ..elsewhere
            },
        ),
        (&[(MTLS, "auto")], elsewhere),
        (&[], elsewhere),
    ] {
        let error = resolve(settings, variables).expect_err("no such endpoint");
        assert!(error.contains("u.test") && error.contains(MTLS), "{error}");
    }
    let usual = resolve(elsewhere, &[(MTLS, "never")]).expect("valid").0;
    assert_eq!(usual, "https://apigateway.u.test/");
    let with_endpoint = EndpointSettings {
        endpoint: Some("h"),
        ..elsewhere
    };
    for mode in ["always", "nonsense"] {
        let found = resolve(with_endpoint, &[(MTLS, mode)]).expect("an endpoint was set");
        assert_eq!(found.0, "https://h/");
    }
    let variables = [(MTLS, "always"), (EMULATOR_HOST, "e:1")];
    let found = resolve(API_GATEWAY, &variables).expect("the emulator takes precedence");
    assert_eq!(found.0, "http://e:1/");
}

#[cfg(unix)]
#[test]
fn the_error_for_a_variable_that_is_not_unicode_names_the_variable() {
    use std::os::unix::ffi::OsStringExt as _;

    for name in [EMULATOR_HOST, UNIVERSE, MTLS] {
        let found = API_GATEWAY
            .resolve(|variable| (variable == name).then(|| OsString::from_vec(vec![b'h', 0xff])));
        let error = found.expect_err("not Unicode").to_string();
        assert_eq!(error, format!("invalid `{name}`: not valid Unicode"));
    }
}

#[cfg(feature = "auth")]
#[test]
fn the_address_of_the_metadata_server_has_only_a_host_and_a_port() {
    for value in [
        "",
        "h",
        "169.254.169.254",
        "metadata.google.internal:80",
        "127.0.0.1:1/",
    ] {
        check_metadata_host(environment(&[(METADATA_HOST, value)])).expect(value);
    }
    check_metadata_host(|_| None).expect("unset");
    for value in ["http://h", "h/path", "h:0", "u:p@h", "a b", "::1"] {
        let error = check_metadata_host(environment(&[(METADATA_HOST, value)]));
        let error = error.expect_err(value).to_string();
        assert!(
            error.starts_with("invalid `GCE_METADATA_HOST` \""),
            "{error}"
        );
    }
}

#[test]
fn localhost_and_the_names_below_it_are_loopback_for_the_resolver_of_this_crate() {
    let cases = [
        ("localhost", true, true),
        ("LocalHost.", true, true),
        ("foo.localhost", true, false),
        ("a.b.localhost.", true, false),
        ("127.0.0.1", true, true),
        ("[::1]", true, true),
        ("[::ffff:127.0.0.1]", true, true),
        ("localhost.test", false, false),
        ("notlocalhost", false, false),
        ("0.0.0.0", false, false),
        ("", false, false),
    ];
    for (host, ours, any) in cases {
        assert_eq!(is_loopback(host), ours, "{host}");
        assert_eq!(is_loopback_for_any_resolver(host), any, "{host}");
    }
}
