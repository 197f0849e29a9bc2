//! The logs of the command and of its emulator at the level TRACE.

use std::path::Path;

use crate::apigw;
use crate::emulator::Emulator;

const NAME: &str = "projects/p/locations/l/operations/o";

/// A temporary folder, which is removed when it is dropped.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // If the folder cannot be removed, the system's cleanup removes it.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Returns a log. Fails if the log has no traces.
fn logged(file: &Path) -> String {
    let text = std::fs::read_to_string(file).expect("its log");
    assert!(text.contains("TRACE"), "{} has no traces", file.display());
    text
}

/// Calls the admin service with a token.
fn admin(endpoint: &str, host: &str, token: &str) {
    use std::io::{Read as _, Write as _};

    let address = endpoint.strip_prefix("http://").expect("plaintext");
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    let request = format!(
        "GET /emulator/v1/calls HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("text");
    assert!(response.starts_with("HTTP/1.1 "), "{response}");
}

#[test]
fn the_logs_of_the_command_and_its_emulator_have_no_token() {
    let folder = Folder::new("apigw-logs");
    let file = |name: &str| folder.0.join(name);
    let log = |name: &str| std::fs::File::create(file(name)).expect("a file");

    let mut command = apigw(&["emulator", "--listen", "127.0.0.1:0"]);
    command.args(["--require-token", "ya29.s3cr3t"]);
    command.args(["--token-without-permissions", "weak.s3cr3t"]);
    command.env("APIGW_ADMIN_TOKEN", "admin.s3cr3t");
    command.env("RUST_LOG", "trace").stderr(log("emulator"));
    let emulator = Emulator::spawn(command);
    for host in ["localhost", "evil.example"] {
        admin(&emulator.endpoint, host, "admin.s3cr3t");
    }

    let mut logs = Vec::new();
    for (token, expected) in [
        ("ya29.s3cr3t", "NOT_FOUND"),
        ("weak.s3cr3t", "PERMISSION_DENIED"),
        ("none.s3cr3t", "UNAUTHENTICATED"),
    ] {
        std::fs::write(file("token"), token).expect("written");
        for transport in ["grpc", "rest"] {
            let mut command = apigw(&["operations", "describe", NAME, "--transport", transport]);
            command.args(["--endpoint", &emulator.endpoint]);
            command.arg("--access-token-file").arg(file("token"));
            command.env("RUST_LOG", "trace").stderr(log("command"));
            assert_eq!(command.status().expect("it runs").code(), Some(1));
            let text = logged(&file("command"));
            assert!(text.contains(expected), "{transport} with {token}: {text}");
            logs.push(text);
        }
    }
    let page = format!("page: {}/\n", emulator.endpoint);
    let (code, printed, _) = emulator.end("TERM");
    assert_eq!((code, printed), (Some(0), page));
    logs.push(logged(&file("emulator")));
    for line in logs.iter().flat_map(|log| log.lines()) {
        assert!(!line.contains("s3cr3t"), "a token was shown: {line}");
    }
}
