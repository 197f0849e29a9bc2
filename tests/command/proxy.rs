//! Proxies that environment variables set. A test can set these only for a child process.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::running::within_some_timeout;
use crate::{apigw, err};

/// A proxy that records the first line of each request, and returns 403.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&lines);
        // The thread ends with the test's process.
        std::thread::spawn(move || {
            for tcp in listener.incoming() {
                let mut tcp = tcp.expect("a connection");
                let mut head = [0; 4096];
                let read = tcp.read(&mut head).expect("a request");
                let head = String::from_utf8_lossy(&head[..read]);
                let line = head.lines().next().unwrap_or_default().to_owned();
                kept.lock().expect("not poisoned").push(line);
                let response = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
                tcp.write_all(response).expect("an open connection");
            }
        });
        Self { address, lines }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("not poisoned").clone()
    }
}

/// Reads an operation within a time, with no proxy settings other than these variables.
fn describe(timeout: &str, variables: &[(&str, &str)]) -> Output {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::SeqCst);
    let file = format!("apigw-proxy-{}-{number}", std::process::id());
    let token = std::env::temp_dir().join(file);
    std::fs::write(&token, "token").expect("a temporary file");
    let name = "projects/p/locations/l/operations/o";
    let mut command = apigw(&[
        "operations",
        "describe",
        name,
        "--transport",
        "grpc",
        "--request-timeout",
        timeout,
    ]);
    // Only calls to an emulator have no token.
    if !variables
        .iter()
        .any(|(name, _)| name.starts_with("APIGATEWAY"))
    {
        command.args(["--endpoint", "https://gateway.test"]);
        command.arg("--access-token-file").arg(&token);
    }
    command.envs(variables.iter().copied());
    let output = command.output().expect("it runs");
    std::fs::remove_file(token).expect("it is there");
    output
}

#[test]
fn a_proxy_of_the_environment_is_used_and_its_password_is_not_shown() {
    for variable in ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        let proxy = Proxy::start();
        let url = format!("http://me:s3cr3t@{}", proxy.address);
        let expected = format!(
            "cannot connect to https://gateway.test through the proxy http://{}: \
             the proxy responded with HTTP 403 Forbidden",
            proxy.address
        );
        within_some_timeout(|timeout| {
            let output = describe(timeout, &[(variable, &url), ("RUST_LOG", "trace")]);
            assert_eq!(output.status.code(), Some(1));
            let (text, encoded) = (err(&output), "bWU6czNjcjN0");
            assert!(
                !text.contains("s3cr3t") && !text.contains(encoded),
                "{text}"
            );
            match text.contains(&expected) {
                true => Ok(()),
                false => Err(format!("{variable}: {text}")),
            }
        });
        let lines = proxy.lines();
        assert!(!lines.is_empty(), "{variable}");
        for line in lines {
            assert_eq!(line, "CONNECT gateway.test:443 HTTP/1.1");
        }
    }
}

#[test]
fn a_host_that_the_no_proxy_variable_lists_and_the_emulator_are_called_directly() {
    let proxy = Proxy::start();
    let url = format!("http://{}", proxy.address);
    let cases: [&[(&str, &str)]; 4] = [
        &[("ALL_PROXY", &url), ("NO_PROXY", ".test")],
        &[("all_proxy", &url), ("no_proxy", "*")],
        &[
            ("all_proxy", &url),
            ("APIGATEWAY_EMULATOR_HOST", "gateway.test:1"),
        ],
        &[
            ("all_proxy", &url),
            ("APIGATEWAY_EMULATOR_HOST", "localhost:1"),
        ],
    ];
    for variables in cases {
        let output = describe("3s", variables);
        let text = err(&output);
        assert!(text.contains("ERROR: "), "{variables:?}: {text}");
        assert!(!text.contains("through the proxy"), "{variables:?}: {text}");
        assert_eq!(proxy.lines(), [""; 0], "{variables:?}");
    }
}

#[test]
fn an_invalid_proxy_of_the_environment_is_reported_with_its_variable() {
    let output = describe("3s", &[("HTTPS_PROXY", "ftp://me:s3cr3t@proxy.test")]);
    let expected = "ERROR: (apigw.operations.describe) invalid `HTTPS_PROXY`: unsupported scheme `ftp`: must be http \
                    or https\n";
    assert_eq!((output.status.code(), err(&output)), (Some(1), expected));
}

#[test]
fn a_proxy_of_the_flag_is_used_in_place_of_that_of_the_environment() {
    let proxy = Proxy::start();
    let url = format!("http://{}", proxy.address);
    within_some_timeout(|timeout| {
        let output = apigw(&[
            "apis",
            "list",
            "--project=p",
            "--endpoint=https://gateway.test",
            "--anonymous",
            "--transport=grpc",
            "--request-timeout",
            timeout,
            "--proxy",
            &url,
        ])
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .output()
        .expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{}", err(&output));
        match proxy.lines().is_empty() {
            true => Err(err(&output).to_owned()),
            false => Ok(()),
        }
    });
}
