//! The imports of modules: none imports a module above it, and no folder has a cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules, from the top down. A module may import modules on the same line or below it.
const ORDER: [&[&str]; 14] = [
    &["google"],
    &["client"],
    &["operation"],
    &["emulator"],
    &["config_check"],
    &["stack"],
    &["layer"],
    &["transport"],
    &["transcode"],
    &["names"],
    // `error` imports `call` for one type: the cause that the transport puts into a status.
    &["error"],
    // `telemetry` imports `call` for the names of status codes. `call` imports `contract` for the retry policy in the
    // options of a call.
    &["telemetry"],
    &["call"],
    &["contract", "proto"],
];

fn rank(module: &str) -> usize {
    let rank = ORDER.iter().position(|line| line.contains(&module));
    rank.unwrap_or_else(|| panic!("`{module}` is in no line of the order"))
}

#[test]
fn no_module_imports_one_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut imports = 0;
    for file in files(&src) {
        let within = file.strip_prefix(&src).expect("it was found there");
        let first = within.components().next().expect("a file has a name");
        let module = first.as_os_str().to_str().expect("it is text");
        let module = module.trim_end_matches(".rs");
        // The root imports all modules, the recipes are documentation, and commands are outside of the order.
        if matches!(module, "lib" | "bin" | "recipes") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("it is readable");
        // Unit tests may use the modules above.
        let text = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
        let in_tests = within
            .iter()
            .any(|part| part == "tests" || part == "tests.rs");
        for (number, line) in text.lines().enumerate() {
            let place = format!("src/{}:{}", within.display(), number + 1);
            let is_import = line.contains("use crate::");
            // A path in an expression is an import, too.
            if !is_import && (in_tests || line.trim_start().starts_with("//")) {
                continue;
            }
            for (at, prefix) in line.match_indices("crate::") {
                let path = &line[at + prefix.len()..];
                let end = path.find(|char: char| !char.is_alphanumeric() && char != '_');
                let imported = &path[..end.unwrap_or(path.len())];
                assert!(
                    !imported.is_empty(),
                    "{place}: an import must name one module of the crate: `{line}`"
                );
                // A type that the root exports.
                if !is_import && imported.starts_with(char::is_uppercase) {
                    continue;
                }
                imports += 1;
                assert!(
                    rank(module) <= rank(imported),
                    "{place}: `{module}` imports `{imported}`, which is above it in the order",
                );
            }
        }
    }
    assert!(imports > 50, "the imports were not found: {imports}");
}

/// For each folder: its entries, each with the entries of the same folder that it imports.
type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

#[test]
fn no_folder_has_a_cycle_of_imports() {
    let graph = graph();
    assert!(graph.len() > 10, "the folders were not found: {graph:?}");
    for (folder, imports) in &graph {
        for (importer, imported) in imports {
            let mut imported = imported.iter();
            if let Some(import) = imported.find(|import| reaches(imports, import, importer)) {
                panic!("src/{folder}: `{importer}` and `{import}` import each other");
            }
        }
    }
}

/// Returns whether `from` imports `to`, directly or through others.
fn reaches(imports: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(module) = next.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module) {
            next.extend(
                imports
                    .get(module)
                    .into_iter()
                    .flatten()
                    .map(String::as_str),
            );
        }
    }
    false
}

fn graph() -> Graph {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = files(&src).into_iter().filter_map(|file| {
        let within = file
            .strip_prefix(&src)
            .expect("it was found there")
            .with_extension("");
        let mut module: Vec<String> = within
            .iter()
            .map(|name| name.to_str().expect("it is text").to_owned())
            .collect();
        // Tests may import everything, and commands are not part of the library.
        if module[0] == "bin" || module.iter().any(|name| name == "tests") {
            return None;
        }
        if module.last().is_some_and(|name| name == "mod") {
            module.pop();
        }
        Some((
            module,
            std::fs::read_to_string(&file).expect("it is readable"),
        ))
    });
    let files: BTreeMap<Vec<String>, String> = files.collect();
    let mut graph = Graph::new();
    for (module, text) in &files {
        let text = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
        for import in imports(module, text) {
            let pairs = module.iter().zip(&import);
            let shared = pairs.take_while(|(own, other)| own == other).count();
            // The common part of both paths is the folder. Imports between the root of a folder (`mod.rs`) and its files are
            // allowed.
            if shared == 0 || shared >= module.len().min(import.len()) {
                continue;
            }
            if files.contains_key(&import[..=shared]) {
                let folder = graph.entry(module[..shared].join("/")).or_default();
                let imported = folder.entry(module[shared].clone()).or_default();
                imported.insert(import[shared].clone());
            }
        }
    }
    graph
}

/// Returns the paths that a module imports from this crate.
fn imports(module: &[String], text: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for statement in text.split(';') {
        if let Some(at) = statement.rfind("use ") {
            expand(String::new(), statement[at + 4..].trim(), &mut paths);
        }
    }
    let absolute = |path: String| {
        let mut segments = path.split("::").map(|segment| segment.trim().to_owned());
        let mut base = match segments.next()?.as_str() {
            "crate" => Vec::new(),
            "self" => module.to_vec(),
            "super" => module[..module.len() - 1].to_vec(),
            _ => return None,
        };
        for segment in segments {
            if segment == "super" {
                base.pop();
            } else {
                base.push(segment);
            }
        }
        Some(base)
    };
    paths.into_iter().filter_map(absolute).collect()
}

/// Writes out the groups of an import: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(prefix: String, tree: &str, paths: &mut Vec<String>) {
    let Some((head, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        paths.push(prefix + path);
        return;
    };
    let group = rest.trim_end().strip_suffix('}').unwrap_or(rest);
    let prefix = prefix + head.trim();
    let (mut depth, mut start) = (0, 0);
    for (at, char) in group.char_indices().chain([(group.len(), ',')]) {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(prefix.clone(), group[start..at].trim(), paths);
                start = group.len().min(at + 1);
            }
            _ => {}
        }
    }
}

/// The modules of the emulator, from the top down. A module may import the modules below it.
const EMULATOR_ORDER: [&str; 13] = [
    "server",
    "page",
    "seed",
    "admin",
    "api",
    "events",
    "messages",
    "storage",
    "state",
    "faults",
    "list",
    "connection",
    "error",
];

#[test]
fn no_module_of_the_emulator_imports_one_above_it() {
    let emulator = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/emulator");
    let rank = |module: &str| EMULATOR_ORDER.iter().position(|known| *known == module);
    let mut imports = 0;
    for file in files(&emulator) {
        let within = file.strip_prefix(&emulator).expect("it was found there");
        let first = within.iter().next().and_then(|name| name.to_str());
        let module = first.expect("it is text").trim_end_matches(".rs");
        // The root and the builder import all modules.
        if matches!(module, "mod" | "builder") {
            continue;
        }
        let own = rank(module).unwrap_or_else(|| panic!("`{module}` is in no line of the order"));
        let text = std::fs::read_to_string(&file).expect("it is readable");
        // Tests may use the emulator as a whole.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in text.lines() {
            let Some((_, path)) = line.split_once("use crate::emulator::") else {
                continue;
            };
            let end = path.find(|char: char| !char.is_alphanumeric() && char != '_');
            let imported = rank(&path[..end.unwrap_or(path.len())]);
            imports += 1;
            assert!(
                imported.is_none_or(|imported| own <= imported),
                "src/emulator/{}: {line}",
                within.display(),
            );
        }
    }
    assert!(imports > 50, "the imports were not found: {imports}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of the crate");
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.expect("it is readable").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
