//! `apigw emulator`: how it starts and ends, and its options.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use apigateway_grpc::ApiGateway;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::{File, OpenApiDocument};
use apigateway_grpc::proto::google::cloud::apigateway::v1::{
    Api, ApiConfig, CreateApiConfigRequest, CreateApiRequest,
};
use apigateway_grpc::tonic::Code;

use super::running::until;
use super::{apigw, err, out, run};

/// A running `apigw emulator`. Dropping it kills it.
pub(crate) struct Emulator {
    child: Child,
    out: BufReader<ChildStdout>,
    pub(crate) endpoint: String,
}

impl Emulator {
    pub(crate) fn start(operation_time: &str) -> Self {
        Self::with(&["--operation-time", operation_time])
    }

    pub(crate) fn with(options: &[&str]) -> Self {
        let arguments = ["emulator", "--listen", "127.0.0.1:0"];
        let mut command = apigw(&[&arguments, options].concat());
        command.stderr(Stdio::piped());
        Self::spawn(command)
    }

    /// Runs a command whose first line is the address of its emulator.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.expect("it runs");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("a line");
        let endpoint = line
            .strip_prefix("listening on ")
            .expect("its address")
            .trim_end();
        Self {
            endpoint: endpoint.to_owned(),
            child,
            out,
        }
    }

    /// Starts a create of an api and returns the name of the operation.
    pub(crate) fn create(&self, id: &str) -> String {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let request = CreateApiRequest {
            parent: "projects/p/locations/global".into(),
            api_id: id.into(),
            api: None,
        };
        let created = runtime.block_on(async {
            let client = ApiGateway::builder().endpoint(&self.endpoint).anonymous();
            client
                .build()
                .expect("valid")
                .service_client()
                .create_api(request)
                .await
        });
        created.expect("a new api").into_inner().name
    }

    /// Returns the id of the process.
    #[cfg(target_os = "linux")]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Injects a fault, given as JSON.
    pub(crate) fn inject(&self, fault: &str) {
        self.admin("POST /emulator/v1/faults", fault);
    }

    /// Advances the clock, and so ends the operations that are then due.
    pub(crate) fn advance_minutes(&self, minutes: u32) {
        let by = format!(r#"{{"by": "{}s"}}"#, minutes * 60);
        self.admin("POST /emulator/v1/clock:advance", &by);
    }

    /// Waits until each injected fault is used up.
    pub(crate) fn until_no_fault_is_left(&self) {
        let mut response = String::new();
        until(
            || "a fault is not used up".to_owned(),
            || {
                response = self.admin("GET /emulator/v1/faults", "");
                !response.contains("faults/")
            },
        );
    }

    /// Calls the admin service over REST. Returns the response with its headers; panics unless it succeeds.
    fn admin(&self, method_and_path: &str, body: &str) -> String {
        let address = self.endpoint.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("the emulator listens");
        let request = format!(
            "{method_and_path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("a response");
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        response
    }

    /// Sends a signal. Returns the exit code, the output after the address, and standard error if it is piped.
    pub(crate) fn end(mut self, signal: &str) -> (Option<i32>, String, String) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.expect("kill runs").success());
        let mut status = None;
        until(
            || format!("the emulator still runs after {signal}"),
            || {
                status = self.child.try_wait().expect("a child");
                status.is_some()
            },
        );
        let status = status.expect("it has ended");
        let (mut rest, mut errors) = (String::new(), String::new());
        self.out.read_to_string(&mut rest).expect("text");
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut errors).expect("text");
        }
        (status.code(), rest, errors)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The process may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn the_emulator_prints_its_addresses_and_ends_cleanly_on_either_signal() {
    for signal in ["INT", "TERM"] {
        let emulator = Emulator::start("1h");
        let port = emulator.endpoint.strip_prefix("http://127.0.0.1:");
        let port = port.expect("loopback");
        assert_ne!(port.parse::<u16>().expect("a port"), 0);
        emulator.create("a");
        let page = format!("page: {}/\n", emulator.endpoint);
        assert_eq!(
            emulator.end(signal),
            (Some(0), page, String::new()),
            "{signal}"
        );
    }
}

/// The emulator does not wait for a request whose body never ends.
#[test]
fn a_request_that_does_not_end_does_not_keep_the_emulator_from_ending() {
    let emulator = Emulator::start("1h");
    let address = emulator.endpoint.strip_prefix("http://").expect("http");
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = "POST /v1/projects/p/locations/global/apis?apiId=a HTTP/1.1\r\n\
        Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\
        Expect: 100-continue\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it reads");
    // The request is in progress once the emulator asks for its body.
    let mut begun = [0; 25];
    stream.read_exact(&mut begun).expect("a response");
    assert_eq!(&begun, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{").expect("it reads");
    let page = format!("page: {}/\n", emulator.endpoint);
    assert_eq!(emulator.end("TERM"), (Some(0), page, String::new()));
}

#[test]
fn the_address_of_the_page_is_printed_after_that_of_the_emulator() {
    // Standard output is not a terminal, so --open opens nothing.
    for options in [&[][..], &["--ui"], &["--no-ui", "--ui"], &["--open"]] {
        let emulator = Emulator::with(options);
        let page = format!("page: {}/\n", emulator.endpoint);
        assert_eq!(
            emulator.end("TERM"),
            (Some(0), page, String::new()),
            "{options:?}"
        );
    }
    // A browser cannot open an unspecified address.
    let mut command = apigw(&["emulator", "--listen", "0.0.0.0:0"]);
    command.stderr(Stdio::piped());
    let emulator = Emulator::spawn(command);
    let port = emulator.endpoint.replace("http://0.0.0.0:", "");
    let page = format!("page: http://127.0.0.1:{port}/\n");
    assert_eq!(emulator.end("TERM"), (Some(0), page, String::new()));
}

#[test]
fn without_the_page_its_address_is_not_printed() {
    for options in [&["--no-ui"][..], &["--ui", "--no-ui"]] {
        let emulator = Emulator::with(options);
        assert_eq!(
            emulator.end("TERM"),
            (Some(0), String::new(), String::new())
        );
    }
    let output = run(&["emulator", "--no-ui", "--open"]);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
}

#[test]
fn the_demo_stays_with_its_page_until_a_signal() {
    let mut command = apigw(&["demo", "--stay"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
    let printed = BufReader::new(child.stdout.take().expect("piped"));
    let mut lines = printed.lines().map(|line| line.expect("text"));
    let page = lines.find_map(|line| Some(line.strip_prefix("page: ")?.to_owned()));
    let page = page.expect("the address of the page");
    lines
        .find(|line| line == "the emulator runs until Ctrl-C")
        .expect("the last line");
    let address = page.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!(
        "GET / HTTP/1.1\r\nhost: {address}\r\naccept: text/html\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response");
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    // There are resources to look at.
    let endpoint = format!("http://{address}");
    let listed = run(&[
        "gateways",
        "list",
        "--project=demo",
        "--anonymous",
        "--format=value(name)",
        "--endpoint",
        &endpoint,
    ]);
    assert_eq!(out(&listed), "hello\n", "{}", err(&listed));
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", "INT", &pid]).status();
    assert!(sent.expect("kill runs").success());
    assert_eq!(child.wait().expect("a child").code(), Some(0));
}

#[test]
fn an_address_that_cannot_be_listened_on_is_an_error_that_names_it() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = listener.local_addr().expect("it listens").to_string();
    for address in [
        "8470",
        "localhost",
        "nonsense",
        "127.0.0.1:x",
        "127.0.0.1:99999",
        "http://127.0.0.1:8470",
    ] {
        let output = run(&["emulator", "--listen", address]);
        let expected = format!(
            "ERROR: (apigw.emulator) --listen {address}: must be HOST:PORT, such as 127.0.0.1:8470; port 0 chooses a free port\n\n\
             For more information, try '--help'.\n"
        );
        assert_eq!(err(&output), expected);
        assert_eq!(output.status.code(), Some(2), "{address}");
    }
    for address in [taken.as_str(), "192.0.2.1:1"] {
        let output = run(&["emulator", "--listen", address]);
        assert_eq!(output.status.code(), Some(1), "{address}");
        assert_eq!(out(&output), "");
        let start = format!("ERROR: (apigw.emulator) --listen {address}: ");
        assert!(err(&output).starts_with(&start), "{}", err(&output));
        assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
    }
}

#[test]
fn tokens_times_and_a_certificate_are_given_by_options() {
    let folder = std::env::temp_dir().join(format!("apigw-emulator-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let one = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, one.cert.pem()).expect("written");
    std::fs::write(&key, one.signing_key.serialize_pem()).expect("written");
    let emulator = Emulator::with(&[
        "--require-token",
        "right",
        "--token-without-permissions",
        "weak",
        "--operation-time",
        "0s",
        "--operation-time-of",
        "CreateApi=1h",
        "--tls-cert",
        cert.to_str().expect("text"),
        "--tls-key",
        key.to_str().expect("text"),
    ]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let create = async |token: &str| {
        let builder = ApiGateway::builder()
            .endpoint(&emulator.endpoint)
            .ca_certificates(one.cert.pem())
            .access_token(token);
        let request = CreateApiRequest {
            parent: "projects/p/locations/global".into(),
            api_id: "a".into(),
            api: None,
        };
        let client = builder.build().expect("valid");
        client.service_client().create_api(request).await
    };
    runtime.block_on(async {
        let weak = create("weak").await.expect_err("no permission");
        assert_eq!(weak.code(), tonic::Code::PermissionDenied);
        let made = create("right").await.expect("a new api").into_inner();
        assert!(!made.done);
    });
    std::fs::remove_dir_all(&folder).expect("it is there");
}

#[test]
fn the_error_of_an_invalid_option_of_the_emulator_names_it() {
    for (options, code, named) in [
        (["--operation-time-of", "CreateApi"], 2, "METHOD=DURATION"),
        (
            ["--operation-time-of", "GetApi=1s"],
            2,
            "GetApi starts no operation",
        ),
        (
            ["--operation-time-of", "CreateApi=soon"],
            2,
            "--operation-time-of",
        ),
        (["--require-token", ""], 2, "--require-token"),
        (["--limit", "apis"], 2, "KIND=NUMBER"),
        (["--limit", "operations=1"], 2, "apis, configs or gateways"),
        (["--limit", "apis=-1"], 2, "invalid number -1"),
        (
            ["--error-details", "some"],
            2,
            "documented, standard or all",
        ),
        (["--tls-cert", "a.pem"], 2, "--tls-key"),
    ] {
        let output = run(&[&["emulator"], options.as_slice()].concat());
        assert_eq!(output.status.code(), Some(code), "{options:?}");
        assert!(
            err(&output).contains(named),
            "{options:?}: {}",
            err(&output)
        );
    }
    let options = ["--tls-cert", "/no/such.pem", "--tls-key", "/no/such.key"];
    let output = run(&[&["emulator"], options.as_slice()].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("/no/such.pem"), "{}", err(&output));
}

#[test]
fn the_error_of_an_invalid_access_option_names_the_option_and_no_token() {
    for (options, error) in [
        (
            ["--host", "a:1"],
            "--host \"a:1\": must be a host name or an IP address, without a port",
        ),
        (
            ["--host", "http://emulator"],
            "--host \"http://emulator\": must be a host name or an IP address, without a scheme",
        ),
        (
            ["--allow-origin", "*"],
            "--allow-origin \"*\": must be one origin; there is no wildcard",
        ),
        (
            ["--service-account", "run"],
            "--service-account: must be {account}@{project}.iam.gserviceaccount.com or \
             projects/{project}/serviceAccounts/{account}, not `run`",
        ),
        (
            ["--handshake-timeout", "0s"],
            "--handshake-timeout 0s: must be longer than zero",
        ),
        (
            ["--admin-token", ""],
            "--admin-token or APIGW_ADMIN_TOKEN: must not be empty",
        ),
        (
            ["--admin-token", "s3cr3t s3cr3t"],
            "--admin-token or APIGW_ADMIN_TOKEN: must have visible ASCII characters only, and no spaces",
        ),
    ] {
        let output = run(&[&["emulator"], options.as_slice()].concat());
        let expected =
            format!("ERROR: (apigw.emulator) {error}\n\nFor more information, try '--help'.\n");
        assert_eq!((err(&output), out(&output)), (expected.as_str(), ""));
        assert_eq!(output.status.code(), Some(2), "{options:?}");
    }
    // An empty variable counts as unset.
    let mut command = apigw(&["emulator", "--listen", "127.0.0.1:0"]);
    command.env("APIGW_ADMIN_TOKEN", "");
    let emulator = Emulator::spawn(command);
    let state = emulator.admin("GET /emulator/v1/state", "");
    assert!(!state.contains("adminToken"), "{state}");
    let mut command = apigw(&["emulator", "--help"]);
    let output = command.env("APIGW_ADMIN_TOKEN", "s3cr3t").output();
    let output = output.expect("it runs");
    assert!(out(&output).contains("[env: APIGW_ADMIN_TOKEN]"));
    assert!(!out(&output).contains("s3cr3t"), "{}", out(&output));
}

#[test]
fn an_admin_token_is_generated_and_printed_after_the_address() {
    let tokens = [0; 2].map(|_| {
        let emulator = Emulator::with(&["--admin-token", "-"]);
        let (code, printed, errors) = emulator.end("TERM");
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        let token = printed.strip_prefix("admin token: ");
        let token = token.and_then(|token| token.split_once('\n'));
        let (token, page) = token.unwrap_or_else(|| panic!("{printed}"));
        let token = token.to_owned();
        // The address of the page has the token in its fragment, which a browser does not send.
        assert!(page.ends_with(&format!("/#token={token}\n")), "{page}");
        // 256 bits.
        assert_eq!(token.len(), 43, "{token}");
        token
    });
    assert_ne!(tokens[0], tokens[1]);
    // A token that was given is not printed.
    let emulator = Emulator::with(&["--admin-token", "s3cr3t"]);
    let page = format!("page: {}/\n", emulator.endpoint);
    assert_eq!(emulator.end("TERM"), (Some(0), page, String::new()));
}

#[test]
fn web_pages_and_hosts_are_allowed_by_options() {
    use std::io::Write as _;

    let options = ["--host", "emulator.test", "--allow-origin", "http://a.test"];
    for (options, status) in [(&options[..], "204"), (&[], "421")] {
        let emulator = Emulator::with(options);
        let address = emulator.endpoint.strip_prefix("http://");
        let stream = std::net::TcpStream::connect(address.expect("plaintext"));
        let mut stream = stream.expect("it listens");
        let request = "OPTIONS /emulator/v1/reset HTTP/1.1\r\nhost: emulator.test\r\norigin: http://a.test\r\n\
            access-control-request-method: POST\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("sent");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("text");
        let start = format!("HTTP/1.1 {status} ");
        assert!(response.starts_with(&start), "{options:?}: {response}");
    }
}

#[test]
fn unreachable_locations_and_service_accounts_are_set_by_options() {
    let email = "run@p.iam.gserviceaccount.com";
    let lost = ["--unreachable", "us-east1", "--unreachable", "us-west2"];
    let emulator = Emulator::with(&[&lost[..], &["--service-account", email]].concat());
    emulator.create("a");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let client = ApiGateway::builder().endpoint(&emulator.endpoint);
    let (page, refused) = runtime.block_on(async {
        let client = client.anonymous().build().expect("valid");
        let document = File {
            path: "openapi.yaml".into(),
            contents: b"swagger: '2.0'".to_vec(),
        };
        let document = OpenApiDocument {
            document: Some(document),
        };
        let config = CreateApiConfigRequest {
            parent: "projects/p/locations/global/apis/a".into(),
            api_config_id: "c".into(),
            api_config: Some(ApiConfig {
                openapi_documents: vec![document],
                gateway_service_account: "other@p.iam.gserviceaccount.com".into(),
                ..Default::default()
            }),
        };
        let page = client
            .list_gateways("projects/p/locations/-")
            .first_page()
            .await;
        let refused = client.service_client().create_api_config(config).await;
        (page.expect("a page"), refused.expect_err("no such account"))
    });
    let location = |id| format!("projects/p/locations/{id}");
    assert_eq!(page.unreachable, ["us-east1", "us-west2"].map(location));
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");

    let refused = run(&["emulator", "--unreachable", "moon"]);
    assert_eq!((refused.status.code(), out(&refused)), (Some(2), ""));
    assert!(err(&refused).contains("'moon'"), "{}", err(&refused));
}

#[test]
fn limits_and_details_are_chosen_by_options() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let over = |emulator: &Emulator| {
        let client = ApiGateway::builder().endpoint(&emulator.endpoint);
        client.anonymous().build().expect("valid")
    };
    let create = |emulator: &Emulator, number: usize| {
        let (client, id) = (over(emulator), format!("a{number}"));
        let parent = "projects/p/locations/global";
        let api = Api::default();
        runtime.block_on(async { client.create_api(parent, id, api).await.map(drop) })
    };
    for (options, most) in [
        (&["--limits"][..], 50),
        (&["--limit", "apis=1"], 1),
        (
            &["--limits", "--limit", "configs=1", "--limit", "apis=2"],
            2,
        ),
    ] {
        let emulator = Emulator::with(options);
        for number in 0..most {
            create(&emulator, number).expect("within the limit");
        }
        let refused = create(&emulator, most).expect_err("over the limit");
        let code = refused.status().map(tonic::Status::code);
        assert_eq!(code, Some(Code::ResourceExhausted), "{options:?}");
    }
    for (chosen, missing, used) in [("documented", 0, 0), ("standard", 0, 2), ("all", 2, 2)] {
        let emulator = Emulator::with(&["--error-details", chosen]);
        create(&emulator, 0).expect("a new api");
        let again = create(&emulator, 0).expect_err("it exists");
        let client = over(&emulator);
        let name = "projects/p/locations/global/apis/none";
        let none = runtime.block_on(async { client.get_api(name).await });
        let none = none.expect_err("no such api");
        assert_eq!(
            (none.details().len(), again.details().len()),
            (missing, used),
            "{chosen}"
        );
    }
}
