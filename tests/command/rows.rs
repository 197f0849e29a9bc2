//! Each command and each flag has a test, which a row of `COMMANDS.md` names. The flags and subcommands of `emulator` need no
//! rows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{out, run};

/// Commands whose flags and subcommands need no rows. Their tests are in `emulator.rs`, `control.rs` and `main.rs`.
const OTHERS: [&str; 1] = ["emulator"];

/// A row: a command, flags of it, and the test that uses them.
struct Row {
    command: String,
    flags: Vec<String>,
    file: String,
    test: String,
}

fn read(file: &str) -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command");
    std::fs::read_to_string(tests.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn rows() -> Vec<Row> {
    let text = read("COMMANDS.md");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells = line.trim_matches('|').split('|').map(str::trim);
        let [command, flags, test] = cells.collect::<Vec<_>>()[..] else {
            panic!("not three columns: {line}");
        };
        let (file, test) = test.split_once(' ').expect("a file and a test");
        Row {
            command: command.trim_matches('`').to_owned(),
            flags: flags
                .split('`')
                .filter(|flag| flag.starts_with('-'))
                .map(str::to_owned)
                .collect(),
            file: file.trim_matches('`').to_owned(),
            test: test.to_owned(),
        }
    };
    rows.map(row).collect()
}

/// Returns the source of a test and the constants of its file, since a constant may have the command line.
fn text_of(row: &Row) -> String {
    let file = read(&row.file);
    let start = file.find(&format!("fn {}(", row.test));
    let start = start.unwrap_or_else(|| panic!("{}: no test {}", row.file, row.test));
    let end = file[start..]
        .find("\n}\n")
        .map_or(file.len(), |end| start + end);
    let constants = file.lines().filter(|line| line.starts_with("const "));
    let constants: String = constants.collect::<Vec<_>>().join("\n");
    let cases = match row.file.as_str() {
        "gcloud.rs" => read("gcloud/cases.txt"),
        _ => String::new(),
    };
    format!("{constants}\n{}\n{cases}", &file[start..end])
}

/// Returns the flags that the help lists, except `--help` and `--version`, for each command that has no subcommands or is in
/// `OTHERS`.
fn commands() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(path) = open.pop() {
        let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = run(&arguments);
        let help = out(&help);
        let inner = help.split("Commands:\n").nth(1);
        let inner = inner.and_then(|rest| rest.split("\n\n").next());
        match inner.filter(|_| !OTHERS.contains(&path.join(" ").as_str())) {
            Some(inner) => open.extend(inner.lines().filter_map(|line| {
                let name = line.split_whitespace().next()?.to_owned();
                Some([&path[..], &[name]].concat())
            })),
            None => {
                let flags = help.lines().filter_map(|line| {
                    let line = line.trim_start();
                    let at = line.starts_with('-').then(|| line.find("--"))??;
                    let flag = line[at..].split([' ', ',', '=']).next()?;
                    (!["--help", "--version"].contains(&flag)).then(|| flag.to_owned())
                });
                found.insert(path.join(" "), flags.collect());
            }
        }
    }
    found
}

#[test]
fn each_row_names_a_test_that_uses_its_flags() {
    let rows = rows();
    assert!(rows.len() > 50, "the rows were not found: {}", rows.len());
    for row in &rows {
        let text = text_of(row);
        for flag in &row.flags {
            assert!(
                text.contains(flag.as_str()),
                "{} {flag}: not in {} {}",
                row.command,
                row.file,
                row.test
            );
        }
    }
}

#[test]
fn each_command_and_each_flag_has_a_row() {
    let rows = rows();
    let commands = commands();
    assert!(commands.len() > 40, "{commands:#?}");
    let of = |command: &str| -> BTreeSet<&str> {
        let rows = rows.iter().filter(|row| row.command == command);
        rows.flat_map(|row| row.flags.iter().map(String::as_str))
            .collect()
    };
    let of_all = of("apigw");
    let mut missing = Vec::new();
    for (command, flags) in &commands {
        if !rows.iter().any(|row| row.command == *command) {
            missing.push(command.clone());
        }
        let named = of(command);
        let unnamed = flags.iter().map(String::as_str).filter(|flag| {
            !named.contains(flag) && !of_all.contains(flag) && !OTHERS.contains(&command.as_str())
        });
        missing.extend(unnamed.map(|flag| format!("{command} {flag}")));
    }
    assert!(
        missing.is_empty(),
        "no row in COMMANDS.md:\n{}",
        missing.join("\n")
    );
    for row in &rows {
        assert!(
            row.command == "apigw" || commands.contains_key(&row.command),
            "no such command: {}",
            row.command
        );
    }
}
