//! Checks that the tests in `CHECKLIST.md` exist.

use std::path::Path;

#[test]
fn every_test_that_the_checklist_names_is_in_its_file() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let read = |file: &str| {
        let text = std::fs::read_to_string(tests.join(file));
        text.unwrap_or_else(|error| panic!("tests/{file}: {error}"))
    };
    let list = read("CHECKLIST.md");
    let rows = list.lines().filter(|line| line.starts_with("| "));
    let rows = rows.filter(|line| !line.starts_with("| line |"));
    let mut named = 0;
    let mut missing = Vec::new();
    for row in rows {
        let cells = row.trim_matches('|').split('|').map(str::trim);
        let [line, _, test] = cells.collect::<Vec<_>>()[..] else {
            panic!("not three columns: {row}");
        };
        assert!(
            line.parse::<u32>().is_ok(),
            "the first cell is not a line number: {row}"
        );
        let test = test.strip_prefix('`').and_then(|it| it.split_once("` "));
        let (file, claim) =
            test.unwrap_or_else(|| panic!("the last cell is not a file and a test: {row}"));
        let function = match file.rsplit('.').next() {
            Some("py") => format!("def {claim}("),
            Some("mjs") => format!("test('{claim}'"),
            _ => format!("fn {claim}("),
        };
        if !read(file).contains(&function) {
            missing.push(format!("line {line}: tests/{file} has no test {claim}"));
        }
        named += 1;
    }
    assert!(named > 10, "the rows were not found: {named}");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
