//! A journal of the changes of the state.

use std::fmt::Debug;
use std::pin::Pin;

use tonic::Status;

use super::tables::Tables;

/// Stores the changes of the state, so that they survive the process.
pub(crate) trait Journal: Debug + Send + Sync {
    /// Takes the changes of the tables. The tables are locked, so changes arrive in the order in which they were made.
    fn record(&self, tables: &mut Tables);

    /// Waits until all changes that were recorded so far are durable.
    ///
    /// # Errors
    ///
    /// If the changes cannot be written.
    fn durable(&self) -> Pin<Box<dyn Future<Output = Result<(), Status>> + Send + '_>>;
}
