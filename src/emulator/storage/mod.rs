//! State in a file, an embedded database, so that it survives the process.
//!
//! Dropping the guard of the tables encodes the changed rows and passes them to the [`Writer`]. In one transaction, a
//! blocking task commits all rows that have arrived. The API sends a response, including a response to a read, only after
//! all earlier changes are committed. So a crash cannot undo a state that a client of the API has seen. In the admin
//! service, only the methods that change the state wait for the commit. Its reads and events can show a state that a crash
//! then undoes.

mod error;
mod file;
mod operation_row;
mod rows;
mod writer;

pub use error::DataError;

use std::path::Path;

use crate::emulator::state::Tables;
use crate::emulator::state::clock::{Clock, Moment};
use crate::emulator::state::journal::Journal;
use error::Cause;
use file::{File, Row};
use writer::Writer;

/// Opens or creates a file, and loads it. The clock starts at the time of the last change or later, so that no operation runs
/// longer if the system's clock was set back. A paused clock stays paused.
pub(super) fn open(path: &Path, wall: Moment) -> Result<(Tables, Box<dyn Journal>), DataError> {
    // The file is first read without write access, so that a rejected file stays unchanged.
    if let Some(rows) = aside(path, File::look)? {
        read(path, &rows, wall)?;
    }
    let (file, rows) = aside(path, File::open)?;
    let mut tables = read(path, &rows, wall)?;
    rows::track(&mut tables);
    let clock = tables.clock;
    Ok((tables, Box::new(Writer::new(file, clock))))
}

fn read(path: &Path, rows: &[Row], wall: Moment) -> Result<Tables, DataError> {
    let (last, is_paused) = rows::last(rows).map_err(|cause| DataError::new(path, cause))?;
    // The clock is started on this thread, since tokio's clock is paused per thread.
    let mut clock = Clock::start(wall.max(last));
    if is_paused {
        clock.set(last, true);
    }
    let mut tables = Tables::new(clock);
    rows::load(&mut tables, rows).map_err(|cause| DataError::new(path, cause))?;
    Ok(tables)
}

/// Runs work on a file in its own thread, so that a panic over a damaged database becomes an error.
fn aside<T: Send>(
    path: &Path,
    work: impl FnOnce(&Path) -> Result<T, Cause> + Send,
) -> Result<T, DataError> {
    std::thread::scope(|scope| {
        let worked = scope.spawn(|| work(path)).join();
        worked.unwrap_or_else(|_| Err(Cause::Damaged("the database panicked".into())))
    })
    .map_err(|cause| DataError::new(path, cause))
}
