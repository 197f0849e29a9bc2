//! A command that runs beside the test.

use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Time after which a condition counts as never met. It is far longer than any machine needs.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);

/// Pause between two checks of a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until a condition is met. Panics with the described state if it is not met within [`LIMIT`].
pub(crate) fn until(described: impl Fn() -> String, mut is_met: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_met() {
        assert!(began.elapsed() < LIMIT, "{}", described());
        std::thread::sleep(PAUSE);
    }
}

/// Runs a check with longer and longer timeouts of a call, until it succeeds. A slow machine needs a longer timeout, and a short
/// one suffices on any other machine. Panics with the last error.
pub(crate) fn within_some_timeout(check: impl Fn(&str) -> Result<(), String>) {
    let mut last = String::new();
    for timeout in ["1s", "4s", "16s", "64s"] {
        match check(timeout) {
            Ok(()) => return,
            Err(error) => last = error,
        }
    }
    panic!("{last}");
}

/// A running command whose output can be read before its end. Dropping it kills the command.
pub(crate) struct Running {
    child: Child,
    out: Stream,
    err: Stream,
}

impl Running {
    /// Starts a command. Its standard output and standard error are read in the background.
    pub(crate) fn start(command: &mut Command) -> Self {
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("it runs");
        Self {
            out: Stream::read(child.stdout.take().expect("piped")),
            err: Stream::read(child.stderr.take().expect("piped")),
            child,
        }
    }

    /// Waits until standard output meets a condition.
    pub(crate) fn until_out(&self, is_met: impl Fn(&str) -> bool) {
        until(|| self.described(), || is_met(&self.out.text()));
    }

    /// Waits until standard error has a text.
    pub(crate) fn until_err_has(&self, text: &str) {
        until(|| self.described(), || self.err.text().contains(text));
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Kills the command.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a child of this test");
        self.child.wait().expect("it ends");
    }

    /// Waits for the end of the command. Returns its output.
    pub(crate) fn ended(mut self) -> Output {
        let mut status = None;
        let described = self.described();
        until(
            || format!("the command does not end: {described}"),
            || {
                status = self.child.try_wait().expect("a child of this test");
                status.is_some()
            },
        );
        Output {
            status: status.expect("it has ended"),
            stdout: self.out.end(),
            stderr: self.err.end(),
        }
    }

    fn described(&self) -> String {
        format!("{}{}", self.out.text(), self.err.text())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The command may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The bytes of a pipe, which a thread reads.
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Stream {
    fn read(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&bytes);
        let thread = std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(read @ 1..) = pipe.read(&mut part) {
                let mut kept = kept.lock().expect("not poisoned");
                kept.extend_from_slice(&part[..read]);
            }
        });
        Self {
            bytes,
            thread: Some(thread),
        }
    }

    /// Returns the text so far.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("not poisoned")).into_owned()
    }

    /// Waits for the end of the pipe. Returns all bytes.
    fn end(&mut self) -> Vec<u8> {
        let thread = self.thread.take().expect("the end is read once");
        thread.join().expect("no panic");
        std::mem::take(&mut self.bytes.lock().expect("not poisoned"))
    }
}
