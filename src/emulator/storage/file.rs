//! The database: one table of encoded rows, by their keys.

use std::io;
use std::path::{Path, PathBuf};

use redb::{
    Database, DatabaseError, ReadOnlyDatabase, ReadableDatabase, ReadableTable as _, StorageError,
    TableDefinition, TableError,
};

use super::error::What;

const ROWS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("emulator");
/// The row that says how to read all others.
const SCHEMA: &str = "schema";
/// Goes up with every change that makes a row mean something else.
const VERSION: &str = "1";
/// The emulator has its rows in memory; the database needs none for them.
const CACHE: usize = 4 << 20;

/// A key with its value.
pub(super) type Row = (String, Vec<u8>);

/// What becomes of a row: its new value, or none if it is gone.
pub(super) type Change = (String, Option<Vec<u8>>);

/// An open database. No other emulator can open it meanwhile.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    database: Database,
}

impl File {
    /// What is in a file, which is not written to. `None` if there is nothing, or if only who may write can tell:
    /// a database that was not closed needs repair.
    pub(super) fn look(path: &Path) -> Result<Option<Vec<Row>>, What> {
        match std::fs::metadata(path) {
            Ok(found) if found.len() == 0 => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            _ => {}
        }
        match ReadOnlyDatabase::open(path) {
            Ok(database) => rows(&database),
            Err(DatabaseError::RepairAborted) => Ok(None),
            Err(error) => Err(unopened(error)),
        }
    }

    /// Opens a file, and makes it if it is not there.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Row>), What> {
        if matches!(path.try_exists(), Ok(false)) {
            make(path)?;
        }
        let database = create(path)?;
        let found = rows(&database)?;
        let file = Self {
            path: path.to_owned(),
            database,
        };
        if found.is_none() {
            file.commit(&[(SCHEMA.to_owned(), Some(VERSION.into()))])
                .map_err(failed)?;
        }
        Ok((file, found.unwrap_or_default()))
    }

    /// Once this returns, the changes outlive the process, and a failure of the power too.
    pub(super) fn commit(&self, changes: &[Change]) -> Result<(), redb::Error> {
        // Durable at once, which is the database's default.
        let transaction = self.database.begin_write()?;
        {
            let mut table = transaction.open_table(ROWS)?;
            for (key, value) in changes {
                match value {
                    Some(value) => table.insert(key.as_str(), value.as_slice())?,
                    None => table.remove(key.as_str())?,
                };
            }
        }
        Ok(transaction.commit()?)
    }
}

/// Makes a database beside its place and puts it there as a whole: an emulator killed meanwhile leaves no half of
/// a file, with which no other could begin.
fn make(path: &Path) -> Result<(), What> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    // One that was killed here may have had the same number, as all have that are alone in a container.
    std::fs::remove_file(&beside).ok();
    drop(create(&beside)?);
    // Unlike renaming, this never replaces a file that somebody else has put there since.
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside).map_err(failed)?;
    match linked {
        Ok(()) => kept_in_folder(path).map_err(failed),
        // Whoever has put it there was as fast; and where there are no links, it is made in its place.
        Err(_) => Ok(()),
    }
}

/// A new name outlives a failure of the power only once its folder is written.
#[cfg(unix)]
fn kept_in_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Elsewhere folders cannot be written by hand.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the face of the other build")]
fn kept_in_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn create(path: &Path) -> Result<Database, What> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    // It is small, and damage had better be told at once than by a panic in the midst of a call.
    builder.set_check_integrity_on_open(true);
    builder.create(path).map_err(unopened)
}

/// All rows but that of the schema, which is checked. `None` if the database is new.
fn rows(database: &impl ReadableDatabase) -> Result<Option<Vec<Row>>, What> {
    let transaction = database.begin_read().map_err(failed)?;
    if transaction.list_tables().map_err(failed)?.next().is_none() {
        return Ok(None);
    }
    let table = match transaction.open_table(ROWS) {
        Ok(table) => table,
        Err(TableError::Storage(error)) => return Err(failed(error)),
        Err(error) => return Err(What::Foreign(Some(error.into()))),
    };
    let schema = table.get(SCHEMA).map_err(failed)?;
    let schema = schema.ok_or(What::Foreign(None))?;
    if schema.value() != VERSION.as_bytes() {
        let schema = String::from_utf8_lossy(schema.value());
        return Err(What::Schema(schema.escape_debug().take(40).collect()));
    }
    let mut rows = Vec::new();
    for row in table.iter().map_err(failed)? {
        let (key, value) = row.map_err(failed)?;
        if key.value() != SCHEMA {
            rows.push((key.value().to_owned(), value.value().to_owned()));
        }
    }
    Ok(Some(rows))
}

fn unopened(error: DatabaseError) -> What {
    match error {
        DatabaseError::DatabaseAlreadyOpen => What::InUse,
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() == io::ErrorKind::InvalidData =>
        {
            What::Foreign(Some(error.into()))
        }
        DatabaseError::Storage(error) => failed(error),
        error => What::Failed(error.into()),
    }
}

fn failed(error: impl Into<redb::Error>) -> What {
    match error.into() {
        error @ redb::Error::Corrupted(_) => What::Damaged(error.into()),
        error => What::Failed(error.into()),
    }
}
