//! State in a file, an embedded database, so that what was answered outlives the process.
//!
//! Whoever lets go of the tables hands over the rows that have changed, encoded; a blocking task commits them, all
//! that have come up to then in one transaction; and no reply goes out before what had been handed over by then
//! is committed. That holds for reads too, so nothing is ever told that a crash could take back.

mod error;
mod file;
mod operation_row;
mod rows;
mod writer;

pub use error::DataError;
pub(super) use writer::Keeper;

use std::path::Path;

use crate::emulator::state::Tables;
use crate::emulator::state::clock::{Clock, Moment};
use error::What;
use file::{File, Row};

/// Opens a file, or makes it, and gives what is in it. The clock shows at least the time of the last change: if the
/// system's was put back, no operation runs longer for it.
pub(super) fn open(path: &Path, wall: Moment) -> Result<(Tables, Keeper), DataError> {
    // It is read through first without being written to, so that a file that is refused stays as it is.
    if let Some(rows) = aside(path, File::look)? {
        read(path, &rows, wall)?;
    }
    let (file, rows) = aside(path, File::open)?;
    let mut tables = read(path, &rows, wall)?;
    rows::begin(&mut tables);
    Ok((tables, Keeper::new(file)))
}

fn read(path: &Path, rows: &[Row], wall: Moment) -> Result<Tables, DataError> {
    let last = rows::last(rows).map_err(|what| DataError::new(path, what))?;
    // Tokio's clock is read here, since a paused one is a matter of the thread.
    let mut tables = Tables::new(Clock::start(wall.max(last)));
    rows::load(&mut tables, rows).map_err(|what| DataError::new(path, what))?;
    Ok(tables)
}

/// Works on a file on a thread of its own: a database so damaged that its reader panics is an error too.
fn aside<T: Send>(
    path: &Path,
    work: impl FnOnce(&Path) -> Result<T, What> + Send,
) -> Result<T, DataError> {
    std::thread::scope(|scope| {
        let worked = scope.spawn(|| work(path)).join();
        worked.unwrap_or_else(|_| Err(What::Damaged("its reader panicked".into())))
    })
    .map_err(|what| DataError::new(path, what))
}
