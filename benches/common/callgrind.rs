//! Counts the instructions of a call with valgrind's tool callgrind.

use std::process::Command;

/// Returns the number of instructions of one call: the difference between a run of this program with fewer calls and a run with
/// more calls, which excludes the start-up. `configure` adds the arguments of a run with this number of calls.
pub(crate) fn instructions_of_a_call(
    fewer: u32,
    more: u32,
    configure: impl Fn(&mut Command, &str),
) -> f64 {
    let collected = |calls: u32| {
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().expect("the path of this program"));
        configure(&mut command, &calls.to_string());
        let output = command.output().expect("valgrind runs");
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text.lines().find(|line| line.contains("Collected"));
        let number = line.and_then(|line| line.split_whitespace().last()?.parse::<f64>().ok());
        number.unwrap_or_else(|| panic!("no instruction count in the output of callgrind: {text}"))
    };
    (collected(more) - collected(fewer)) / f64::from(more - fewer)
}
