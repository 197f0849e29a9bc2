//! The addresses to which the command sends calls and credentials, and the certificates that it trusts. Both depend on
//! arguments and environment variables. A test can set environment variables only for a child process.

use std::path::{Path, PathBuf};
use std::process::Output;

use rcgen::generate_simple_self_signed;

use crate::emulator::Emulator;
use crate::proxy::Proxy;
use crate::running::within_some_timeout;
use crate::{apigw, err, out, run};

const NAME: &str = "projects/p/locations/global/operations/o";
const TOKEN: &str = "a-token";

/// Names and values of environment variables.
type Variables<'a> = &'a [(&'a str, &'a str)];

/// A temporary folder, which is removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    /// Creates a folder with a certificate for localhost and 127.0.0.1, its key, and a token.
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("apigw-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        let folder = Self(path);
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let issued = generate_simple_self_signed(names).expect("a certificate");
        folder.write("cert.pem", &issued.cert.pem());
        folder.write("key.pem", &issued.signing_key.serialize_pem());
        folder.write("token", TOKEN);
        folder
    }

    fn write(&self, name: &str, content: &str) -> String {
        std::fs::write(self.0.join(name), content).expect("written");
        self.file(name)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("text").to_owned()
    }

    /// Starts an emulator that requires the token.
    fn emulator(&self, tls: bool) -> Emulator {
        let (cert, key) = (self.file("cert.pem"), self.file("key.pem"));
        let tls = match tls {
            true => vec!["--tls-cert", &cert, "--tls-key", &key],
            false => vec![],
        };
        Emulator::with(&[&["--require-token", TOKEN][..], &tls].concat())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // If the folder cannot be removed, the system's cleanup removes it.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn describe(arguments: &[&str], variables: Variables<'_>) -> Output {
    within("60s", arguments, variables)
}

/// Checks that the error of a command has a text. The call is retried until its timeout. Longer timeouts are tried if the error
/// of a short one does not have the text.
fn fails_with(text: &str, arguments: &[&str], variables: Variables<'_>) {
    within_some_timeout(|timeout| {
        let output = within(timeout, arguments, variables);
        match err(&output).contains(text) {
            true => Ok(()),
            false => Err(err(&output).to_owned()),
        }
    });
}

fn within(time: &str, arguments: &[&str], variables: Variables<'_>) -> Output {
    let describe = ["operations", "describe", NAME, "--request-timeout", time];
    // A fallback to REST would try each address twice.
    let transport: &[&str] = match arguments.contains(&"--transport") {
        true => &[],
        false => &["--transport", "grpc"],
    };
    let mut command = apigw(&[&describe, arguments, transport].concat());
    command.envs(variables.iter().copied());
    let output = command.output().expect("it runs");
    assert_eq!((output.status.code(), out(&output)), (Some(1), ""));
    output
}

fn host(emulator: &Emulator) -> &str {
    emulator.endpoint.split_once("://").expect("a URL").1
}

#[test]
fn an_emulator_that_the_environment_names_gets_no_default_credential_over_any_scheme() {
    let folder = Folder::new("no-default");
    for tls in [false, true] {
        let emulator = folder.emulator(tls);
        let forms = match tls {
            true => vec![emulator.endpoint.clone(), format!("{}/", emulator.endpoint)],
            false => vec![host(&emulator).to_owned(), emulator.endpoint.clone()],
        };
        for form in forms {
            // Default credentials are not looked for. Otherwise the missing file would be the error.
            let variables = [
                ("APIGATEWAY_EMULATOR_HOST", form.as_str()),
                ("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file"),
            ];
            let output = describe(&["--ca-cert", &folder.file("cert.pem")], &variables);
            let text = err(&output);
            assert!(text.contains("missing credentials"), "{form}: {text}");
        }
    }
}

#[test]
fn a_token_is_sent_to_the_emulator_that_the_environment_names_only_on_loopback() {
    let folder = Folder::new("given");
    let (cert, token) = (folder.file("cert.pem"), folder.file("token"));
    let arguments = ["--ca-cert", &cert, "--access-token-file", &token];
    for tls in [false, true] {
        let emulator = folder.emulator(tls);
        let variables = [("APIGATEWAY_EMULATOR_HOST", emulator.endpoint.as_str())];
        let output = describe(&arguments, &variables);
        assert!(err(&output).contains("NOT_FOUND"), "{}", err(&output));
    }
    for elsewhere in ["emulator.test:1", "https://emulator.test", "192.0.2.1:1"] {
        let output = describe(&arguments, &[("APIGATEWAY_EMULATOR_HOST", elsewhere)]);
        let text = err(&output);
        for part in [
            "`APIGATEWAY_EMULATOR_HOST` is ",
            "not a loopback address",
            "`--endpoint`",
        ] {
            assert!(text.contains(part), "{elsewhere}: {text}");
        }
    }
    let arguments = [
        "--endpoint",
        "http://emulator.test",
        "--access-token-file",
        &token,
    ];
    let text = describe(&arguments, &[]);
    assert!(err(&text).contains("`--anonymous`"), "{}", err(&text));
}

#[test]
fn the_variables_of_googles_clients_choose_the_host() {
    let folder = Folder::new("variables");
    let (token, cert, key) = (
        folder.file("token"),
        folder.file("cert.pem"),
        folder.file("key.pem"),
    );
    let identity = ["--client-cert", cert.as_str(), "--client-key", &key];
    let (universe, mtls) = (
        "GOOGLE_CLOUD_UNIVERSE_DOMAIN",
        "GOOGLE_API_USE_MTLS_ENDPOINT",
    );
    let cases: [(Variables<'_>, &[&str], &str); 8] = [
        (&[], &[], "apigateway.googleapis.com"),
        (&[(universe, "")], &[], "apigateway.googleapis.com"),
        (&[(universe, "u.test")], &[], "apigateway.u.test"),
        (&[], &identity, "apigateway.mtls.googleapis.com"),
        (
            &[(mtls, "auto")],
            &identity,
            "apigateway.mtls.googleapis.com",
        ),
        (&[(mtls, "never")], &identity, "apigateway.googleapis.com"),
        (&[(mtls, "always")], &[], "apigateway.mtls.googleapis.com"),
        (&[(mtls, "always")], &["--endpoint", "h.test"], "h.test"),
    ];
    for (variables, arguments, host) in cases {
        let proxy = Proxy::start();
        let url = format!("http://{}", proxy.address);
        let variables = [variables, &[("https_proxy", &url)]].concat();
        let token = ["--access-token-file", &token, "--ca-cert", &cert];
        let expected = format!("CONNECT {host}:443 HTTP/1.1");
        within_some_timeout(|timeout| {
            let output = within(timeout, &[&token, arguments].concat(), &variables);
            match proxy.lines().first() {
                Some(line) => {
                    assert_eq!(*line, expected, "{variables:?}: {}", err(&output));
                    Ok(())
                }
                None => Err(format!("{variables:?}: {}", err(&output))),
            }
        });
    }
    let refused = [
        (
            universe,
            "evil.com/",
            "a path, query or fragment is not allowed",
        ),
        (universe, "x@y", "a user or password is not allowed"),
        (mtls, "yes", "must be never, auto or always"),
        (
            "APIGATEWAY_EMULATOR_HOST",
            "h:0",
            "port must be between 1 and 65535",
        ),
        (universe, "https://evil.com", "without a scheme"),
        ("GCE_METADATA_HOST", "http://h", "must be HOST[:PORT]"),
        ("GCE_METADATA_HOST", "", "must be HOST[:PORT]"),
        ("GOOGLE_CLOUD_QUOTA_PROJECT", "a\nb", "must be a project ID"),
    ];
    for (name, value, fault) in refused {
        let output = describe(&[], &[(name, value)]);
        let text = err(&output);
        let start = format!("ERROR: (apigw.operations.describe) invalid `{name}` ");
        assert!(text.starts_with(&start) && text.contains(fault), "{text}");
    }
}

#[test]
fn a_certificate_authority_is_read_from_a_file_and_the_error_of_an_unknown_issuer_names_the_flag() {
    let folder = Folder::new("authority");
    let emulator = folder.emulator(true);
    let cert = folder.file("cert.pem");
    let endpoint = ["--endpoint", emulator.endpoint.as_str(), "--anonymous"];
    for transport in ["grpc", "rest", "auto"] {
        let endpoint = [&endpoint[..], &["--transport", transport]].concat();
        let expected =
            "the certificate has an unknown issuer; `--ca-cert FILE` sets the trusted roots";
        fails_with(expected, &endpoint, &[]);
        let trusted = [&endpoint[..], &["--ca-cert", &cert]].concat();
        let text = describe(&trusted, &[]);
        assert!(err(&text).contains("missing credentials"), "{}", err(&text));
        let variables = [("SSL_CERT_FILE", folder.file("cert.pem"))];
        let variables = variables
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let text = describe(&endpoint, &variables);
        assert!(err(&text).contains("missing credentials"), "{}", err(&text));
    }
}

#[test]
fn an_error_about_a_file_of_certificates_names_its_argument_and_the_file() {
    let folder = Folder::new("files");
    let empty = folder.write("empty.pem", "no certificate");
    let (cert, key) = (folder.file("cert.pem"), folder.file("key.pem"));
    let missing = folder.file("missing.pem");
    let endpoint = ["--endpoint", "https://127.0.0.1:1", "--anonymous"];
    let cases: [(&[&str], String); 5] = [
        (
            &["--ca-cert", &missing],
            format!("--ca-cert {missing}: No such file"),
        ),
        (
            &["--ca-cert", &empty],
            format!("invalid `--ca-cert {empty}`: no certificate in the PEM text"),
        ),
        (
            &["--client-cert", &missing, "--client-key", &key],
            format!("--client-cert {missing}: No such file"),
        ),
        (
            &["--client-cert", &empty, "--client-key", &key],
            format!(
                "invalid `--client-cert {empty} --client-key {key}`: no certificate in the PEM text"
            ),
        ),
        (
            &["--client-cert", &cert, "--client-key", &empty],
            format!(
                "invalid `--client-cert {cert} --client-key {empty}`: no private key in the PEM text"
            ),
        ),
    ];
    for (arguments, expected) in cases {
        let output = describe(&[&endpoint, arguments].concat(), &[]);
        let start = format!("ERROR: (apigw.operations.describe) {expected}");
        assert!(err(&output).starts_with(&start), "{}", err(&output));
    }
    let served = [
        "emulator",
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        &empty,
        "--tls-key",
        &key,
    ];
    let output = run(&served);
    let expected = format!(
        "ERROR: (apigw.emulator) --tls-cert {empty} --tls-key {key}: no certificate in the PEM text\n"
    );
    assert_eq!(
        (output.status.code(), err(&output)),
        (Some(1), expected.as_str())
    );
}

#[test]
fn invalid_roots_of_the_environment_are_an_error_with_the_variable_and_the_file() {
    let folder = Folder::new("roots");
    let empty = folder.write("empty.pem", "no certificate");
    let missing = folder.file("missing.pem");
    let (cert, nothing) = (folder.file("cert.pem"), folder.file("nothing"));
    std::fs::create_dir(&nothing).expect("a folder");
    let cases = [
        (
            vec![("SSL_CERT_FILE", missing.as_str())],
            "No such file or directory",
        ),
        (vec![("SSL_CERT_FILE", &empty)], "no valid PEM certificate"),
        (vec![("SSL_CERT_FILE", "")], "No such file or directory"),
        (
            vec![("SSL_CERT_DIR", &missing)],
            "No such file or directory",
        ),
        (vec![("SSL_CERT_DIR", &nothing)], "no valid PEM certificate"),
        (
            vec![("SSL_CERT_FILE", &empty), ("SSL_CERT_DIR", &nothing)],
            "no valid PEM certificate",
        ),
    ];
    for (variables, fault) in cases {
        let output = describe(&["--endpoint", "https://h.test", "--anonymous"], &variables);
        let text = err(&output);
        for (name, value) in &variables {
            assert!(text.contains(&format!("`{name}` is {value:?}")), "{text}");
        }
        assert!(
            text.contains("no CA certificates: ") && text.contains(fault),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
        // The system's roots are not needed if other certificates are given, or without TLS.
        let given = [
            "--endpoint",
            "https://127.0.0.1:1",
            "--anonymous",
            "--ca-cert",
        ];
        let given = [&given[..], &[cert.as_str()]].concat();
        for arguments in [&given[..], &["--endpoint", "http://127.0.0.1:1"]] {
            fails_with("cannot connect to", arguments, &variables);
        }
    }
}

/// Returns the names of the builder's settings, read from its source.
fn settings() -> Vec<String> {
    let builder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/client/builder");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(builder).expect("a folder") {
        files.push(entry.expect("an entry").path());
    }
    let mut names = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).expect("source");
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("    pub fn ") {
                let end = rest.find(['(', '<']).expect("a function");
                names.push(rest[..end].to_owned());
            }
        }
    }
    assert!(
        names.iter().any(|name| name == "ca_certificates"),
        "{names:?}"
    );
    names
}

#[test]
fn each_setting_of_the_library_is_replaced_by_its_flag_in_errors() {
    let words = include_str!("../../src/bin/apigw/failure.rs");
    let missing = settings();
    let missing = missing
        .iter()
        .filter(|name| !words.contains(&format!("\"{name}\"")));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0]);
    let help = run(&["operations", "describe", "--help"]);
    for flag in words.split('"').filter(|text| text.starts_with("--")) {
        for flag in flag
            .split(' ')
            .filter(|word| word.starts_with("--") && *word != "--")
        {
            assert!(out(&help).contains(flag), "{flag}");
        }
    }
}

#[test]
fn doctor_reports_the_protocol_that_the_server_chose() {
    let folder = Folder::new("doctor");
    let emulator = folder.emulator(true);
    let cert = folder.file("cert.pem");
    let token = folder.file("token");
    let arguments = [
        "doctor",
        "--project=p",
        "--endpoint",
        &emulator.endpoint,
        "--access-token-file",
        &token,
    ];
    let trusted = run(&[&arguments[..], &["--ca-cert", &cert]].concat());
    assert_eq!(trusted.status.code(), Some(0), "{}", out(&trusted));
    assert!(
        out(&trusted).contains("TLSv1_3, ALPN h2"),
        "{}",
        out(&trusted)
    );
    let unknown = run(&arguments);
    assert_eq!(unknown.status.code(), Some(5), "{}", out(&unknown));
}
