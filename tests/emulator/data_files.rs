//! Data files: new files, files in use, and invalid files.

use std::path::Path;
use std::time::Duration;

use apigateway_grpc::emulator::{DataError, Emulator};
use redb::{Database, TableDefinition};

use crate::data::{after, file};
use crate::{API, create, created, get, over};

const ROWS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("emulator");

fn refused(file: &Path) -> DataError {
    let before = std::fs::read(file).ok();
    let opened = Emulator::builder().open(file);
    let error = opened.expect_err("it is refused");
    assert_eq!(error.path(), file);
    let text = error.to_string();
    assert!(text.contains(&file.display().to_string()), "{text}");
    assert_eq!(std::fs::read(file).ok(), before, "it is changed: {text}");
    error
}

/// Returns an error with its sources as text.
fn text_of(error: &DataError) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or(error.to_string(), |cause| format!("{error}: {cause}"))
}

/// Writes a file with an api and a further row.
async fn with(test: &str, key: &str, value: &[u8]) -> std::path::PathBuf {
    let file = file(test);
    created(&over(&after(Duration::ZERO, &file)), "a").await;
    let database = Database::open(&file).expect("it is closed");
    let writing = database.begin_write().expect("a transaction");
    {
        let mut rows = writing.open_table(ROWS).expect("the table");
        rows.insert(key, value).expect("a row");
    }
    writing.commit().expect("written");
    file
}

#[tokio::test(start_paused = true)]
async fn a_missing_file_is_created_and_an_empty_file_is_filled() {
    for empty in [false, true] {
        let file = file(&format!("new-{empty}"));
        if empty {
            std::fs::write(&file, "").expect("it is written");
        } else {
            // The temporary file of an emulator that was killed while it created the data file.
            let left = format!("{}.{}.new", file.display(), std::process::id());
            std::fs::write(left, "half of a da").expect("it is written");
        }
        created(&over(&after(Duration::ZERO, &file)), "a").await;
        let client = over(&after(Duration::ZERO, &file));
        get(&client, API).await.expect("it is there");
    }
    // No temporary file is left.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let found = std::fs::read_dir(folder).expect("a folder");
    let mut names = found.map(|entry| entry.expect("an entry").file_name());
    let beside = format!("new-false.redb.{}.new", std::process::id());
    assert!(!names.any(|name| name == *beside));
}

#[tokio::test(start_paused = true)]
async fn a_file_belongs_to_one_emulator_until_the_emulator_is_dropped() {
    let file = file("in_use");
    let emulator = after(Duration::ZERO, &file);
    let client = over(&emulator);
    let error = Emulator::builder().open(&file).expect_err("in use");
    assert!(error.is_in_use(), "{error}");
    drop(emulator);
    // The service still holds the file.
    create(&client, "a").await.expect("a new api");
    let error = Emulator::builder().open(&file).expect_err("in use");
    assert!(error.is_in_use(), "{error}");
    drop(client);
    get(&over(&after(Duration::ZERO, &file)), API)
        .await
        .expect("it is there");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_a_data_file_is_rejected_and_unchanged() {
    let text = file("text");
    std::fs::write(&text, "a letter to a friend").expect("it is written");
    let error = refused(&text);
    assert!(error.to_string().contains("not a data file"), "{error}");

    let foreign = file("foreign");
    let other = TableDefinition::<'_, u64, u64>::new("other");
    let database = Database::create(&foreign).expect("a new file");
    let writing = database.begin_write().expect("a transaction");
    writing.open_table(other).expect("a table");
    writing.commit().expect("written");
    drop(database);
    let error = refused(&foreign);
    assert!(error.to_string().contains("not a data file"), "{error}");

    let folder = file("folder/none");
    let error = refused(&folder);
    assert!(
        error.to_string().contains("cannot open the data file"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_with_another_schema_or_an_invalid_row_is_rejected_and_unchanged() {
    for (number, (key, value, text)) in [
        ("schema", &b"7"[..], "has schema 7, which"),
        ("head", b"\xff", "invalid row head in "),
        ("apis/b", b"\x0a\xff", "invalid row apis/b in "),
        (
            "coming/gateways/g",
            b"\xff",
            "invalid row coming/gateways/g in ",
        ),
        ("policies/p", b"\xff", "invalid row policies/p in "),
        ("operations/o", b"\xff", "invalid row operations/o in "),
        ("operations/o", b"", "missing time"),
        ("coming/policies/p", b"", "unknown kind of row"),
        ("kings/k", b"", "unknown kind of row"),
        ("kings", b"", "unknown kind of row"),
        // A moment with four billion nanoseconds.
        (
            "head",
            b"\x0a\x06\x10\x80\xd0\xac\xf3\x0e",
            "999,999,999 nanoseconds",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let file = with(&format!("bad-{number}"), key, value).await;
        let error = refused(&file);
        assert!(text_of(&error).contains(text), "{key}: {}", text_of(&error));
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_file_is_an_error_and_does_not_panic() {
    let whole = file("whole");
    created(&over(&after(Duration::ZERO, &whole)), "a").await;
    let bytes = std::fs::read(&whole).expect("it is there");
    let cut = file("cut");
    for length in [1, 100, 512, 4096, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&cut, &bytes[..length]).expect("it is written");
        refused(&cut);
    }
    // Damages one byte in 16 of the header, one in 17 of the bytes 20480 to 20735 (in the page in which redb lists the
    // free pages), and one in 1021 of all bytes after the header. Damage is an error or has no effect, and causes no panic.
    let flipped = file("flipped");
    let mut damaged = 0;
    let dense = (0..320).step_by(16).chain((20480..20736).step_by(17));
    for at in dense.chain((320..bytes.len()).step_by(1021)) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0xff;
        std::fs::write(&flipped, &bytes).expect("it is written");
        if Emulator::builder().open(&flipped).is_err() {
            damaged += 1;
            let found = std::fs::read(&flipped).expect("it is there");
            assert!(found == bytes, "it is changed, after damage at {at}");
        }
    }
    assert!(damaged > 3, "{damaged}");
}
