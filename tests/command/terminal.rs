//! Output on a terminal: the spinner and the prompts. `script` of util-linux provides the terminal.

#![cfg(target_os = "linux")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use super::emulator::Emulator;
use super::running::Running;
use super::{exits, on, out};

/// Runs a command in a pseudo-terminal, whose content is returned as standard output.
fn shown(emulator: &Emulator, line: &str, typed: &str, environment: &[(&str, &str)]) -> Output {
    let mut script = in_a_terminal(emulator, line, environment);
    let mut child = script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script runs");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(typed.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    drop(input);
    output
}

/// Returns a command that runs another one in a pseudo-terminal.
fn in_a_terminal(emulator: &Emulator, line: &str, environment: &[(&str, &str)]) -> Command {
    let inner = on(emulator, line);
    let words = std::iter::once(inner.get_program()).chain(inner.get_args());
    let words: Vec<String> = words
        .map(|word| format!("'{}'", word.to_str().expect("text")))
        .collect();
    let mut script = Command::new("script");
    script
        .args([
            "--quiet",
            "--return",
            "--command",
            &words.join(" "),
            "/dev/null",
        ])
        .env("TERM", "xterm");
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    script.envs(environment.iter().copied());
    script
}

#[test]
fn a_wait_on_a_terminal_is_a_spinner_that_ends_in_one_line() {
    let emulator = Emulator::start("1h");
    let mut script = in_a_terminal(&emulator, "apis create a", &[]);
    let create = Running::start(script.stdin(Stdio::piped()));
    create.until_out(|text| text.contains(['⠙', '⠋', '⠁', '⠂']));
    emulator.advance_minutes(60);
    let output = create.ended();
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    let text = out(&output);
    assert!(
        text.contains("Waiting for API [a] to be created...done."),
        "{text:?}"
    );
    assert!(
        text.contains("\u{1b}[36m"),
        "the spinner has no colour: {text:?}"
    );
}

#[test]
fn the_environment_or_a_flag_disables_colour() {
    let emulator = Emulator::start("700ms");
    for (index, (flag, environment)) in [
        ("", ("NO_COLOR", "1")),
        ("--color=never", ("X", "")),
        ("", ("TERM", "dumb")),
    ]
    .into_iter()
    .enumerate()
    {
        let output = shown(
            &emulator,
            &format!("apis create a{index} {flag}"),
            "",
            &[environment],
        );
        assert!(
            !out(&output).contains("\u{1b}[36m"),
            "{environment:?}: {:?}",
            out(&output)
        );
    }
}

#[test]
fn a_prompt_on_a_terminal_takes_the_default_with_enter() {
    let emulator = Emulator::start("0s");
    exits(0, &emulator, "apis create a");
    let output = shown(&emulator, "apis delete a", "n\n", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    assert!(
        out(&output).contains("Continue anyway (Y/n)?"),
        "{}",
        out(&output)
    );
    exits(0, &emulator, "apis describe a");
    assert_eq!(
        shown(&emulator, "apis delete a", "\n", &[]).status.code(),
        Some(0)
    );
    exits(1, &emulator, "apis describe a");
}

#[test]
fn control_characters_of_the_server_reach_a_pipe_but_not_a_terminal() {
    let emulator = Emulator::start("0s");
    let text = "x\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{200f}y";
    let unsafe_chars = ['\u{1b}', '\u{9b}', '\u{7f}', '\u{202e}', '\u{200f}'];
    exits(
        0,
        &emulator,
        &format!("apis create a --display-name={text}"),
    );
    for format in [
        "value(displayName)",
        "get(displayName)",
        "csv(displayName)",
        "table(displayName)",
        "list(displayName)",
        "flattened(displayName)",
        "yaml(displayName)",
        "json(displayName)",
        "jsonl(displayName)",
    ] {
        let line = format!("apis describe a --format={format}");
        let output = shown(&emulator, &line, "", &[]);
        assert_eq!(output.status.code(), Some(0), "{}", out(&output));
        for char in unsafe_chars {
            assert!(!out(&output).contains(char), "{format}: {:?}", out(&output));
        }
        if format.starts_with("json") {
            let json: serde_json::Value = serde_json::from_str(out(&output)).expect("JSON");
            assert_eq!(json["displayName"], text, "{format}");
        }
    }
    let piped = exits(0, &emulator, "apis describe a --format=value(displayName)");
    assert_eq!(out(&piped), format!("{text}\n"));
    let piped = exits(0, &emulator, "apis describe a --format=json(displayName)");
    assert!(
        out(&piped).contains("\u{9b}31m\u{7f}\u{202e}"),
        "{:?}",
        out(&piped)
    );
}
