//! The database: one table of encoded rows by key.

use std::io;
use std::path::{Path, PathBuf};

use redb::{
    Database, DatabaseError, ReadOnlyDatabase, ReadableDatabase, ReadableTable as _, StorageError,
    TableDefinition, TableError,
};

use super::error::Cause;

const ROWS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("emulator");
/// The key of the row with the version of the schema.
const SCHEMA: &str = "schema";
/// The version of the schema. It changes when the meaning of a row changes.
const VERSION: &str = "1";
/// Size of the database's cache. The emulator has all rows in memory, so a small cache is enough.
const CACHE: usize = 4 << 20;

/// A key with its value.
pub(super) type Row = (String, Vec<u8>);

/// The key of a row with its new value, or `None` if the row was deleted.
pub(super) type Change = (String, Option<Vec<u8>>);

/// An open database. No other emulator can open it at the same time.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    database: Database,
}

impl File {
    /// Reads a file without write access. Returns `None` if the file is missing or empty, or if it was not closed and
    /// needs a repair before it can be read.
    pub(super) fn look(path: &Path) -> Result<Option<Vec<Row>>, Cause> {
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

    /// Opens a file, or creates it if it is missing.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Row>), Cause> {
        if matches!(path.try_exists(), Ok(false)) {
            create_linked(path)?;
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

    /// Commits changes. Committed changes survive the end of the process and a power failure.
    pub(super) fn commit(&self, changes: &[Change]) -> Result<(), redb::Error> {
        // Transactions are durable by default.
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

/// Creates a database beside its path and then links it to the path, so that an emulator that is killed meanwhile leaves no
/// partial file.
fn create_linked(path: &Path) -> Result<(), Cause> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    // Removes the file of a killed process with the same id. In a container, ids often repeat.
    std::fs::remove_file(&beside).ok();
    let created = create(&beside).map(drop);
    if created.is_err() {
        // As on a full disk.
        std::fs::remove_file(&beside).ok();
    }
    created?;
    // Unlike a rename, a link never replaces a file that another process has created meanwhile.
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside).map_err(failed)?;
    match linked {
        Ok(()) => sync_folder(path).map_err(failed),
        // If another process has created the file, `open` opens that one. If the file system has no links, `open` creates the
        // file in place.
        Err(_) => Ok(()),
    }
}

/// Syncs the folder of a new file. Otherwise the name of the file may not survive a power failure.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Folders can be synced on Unix only.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn create(path: &Path) -> Result<Database, Cause> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    // The check is fast, since the file is small. An error at the start is better than a panic during a call.
    builder.set_check_integrity_on_open(true);
    builder.create(path).map_err(unopened)
}

/// Checks the schema and returns all other rows. `None` if the database is new.
fn rows(database: &impl ReadableDatabase) -> Result<Option<Vec<Row>>, Cause> {
    let transaction = database.begin_read().map_err(failed)?;
    if transaction.list_tables().map_err(failed)?.next().is_none() {
        return Ok(None);
    }
    let table = match transaction.open_table(ROWS) {
        Ok(table) => table,
        Err(TableError::Storage(error)) => return Err(failed(error)),
        Err(error) => return Err(Cause::Foreign(Some(error.into()))),
    };
    let schema = table.get(SCHEMA).map_err(failed)?;
    let schema = schema.ok_or(Cause::Foreign(None))?;
    if schema.value() != VERSION.as_bytes() {
        let schema = String::from_utf8_lossy(schema.value());
        return Err(Cause::Schema(schema.escape_debug().take(40).collect()));
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

fn unopened(error: DatabaseError) -> Cause {
    match error {
        DatabaseError::DatabaseAlreadyOpen => Cause::InUse,
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() == io::ErrorKind::InvalidData =>
        {
            Cause::Foreign(Some(error.into()))
        }
        DatabaseError::Storage(error) => failed(error),
        error => Cause::Failed(error.into()),
    }
}

fn failed(error: impl Into<redb::Error>) -> Cause {
    match error.into() {
        error @ redb::Error::Corrupted(_) => Cause::Damaged(error.into()),
        error => Cause::Failed(error.into()),
    }
}
