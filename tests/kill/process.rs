//! A running `apigw emulator --data`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::RetryPolicy;

use crate::history::OPERATION_TIME;

/// The process, which is killed on drop.
pub(crate) struct Process {
    child: Child,
    /// The process ends if it cannot write the lines after the first one.
    _out: BufReader<ChildStdout>,
    endpoint: String,
}

impl Process {
    pub(crate) fn start(file: &Path) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_apigw")), file)
    }

    /// Starts a process whose files are limited to this many blocks. Writing more is an error and does not end the process.
    #[cfg(unix)]
    pub(crate) fn start_with_file_size(file: &Path, blocks: u32) -> Self {
        let mut shell = Command::new("sh");
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_apigw")]);
        Self::spawn(shell, file)
    }

    fn spawn(mut command: Command, file: &Path) -> Self {
        let time = format!("{}ms", OPERATION_TIME.as_millis());
        command.args(["emulator", "--listen", "127.0.0.1:0"]);
        command.args(["--operation-time", &time, "--data"]);
        command.arg(file).env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        out.read_line(&mut line).expect("a line");
        let endpoint = line.trim_end().strip_prefix("listening on ");
        let endpoint = endpoint.expect("the line has the address").to_owned();
        Self {
            child,
            _out: out,
            endpoint,
        }
    }

    pub(crate) fn client(&self) -> ApiGateway {
        let builder = ApiGateway::builder().endpoint(&self.endpoint).anonymous();
        builder.retry(RetryPolicy::NEVER).build().expect("valid")
    }

    /// Kills the process with SIGKILL.
    pub(crate) fn kill(&mut self) {
        // The process may have ended already.
        self.child.kill().ok();
        self.child.wait().expect("a child");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
