//! An observer of the changes of the state.

use std::fmt::Debug;

use super::tables::Tables;

/// Receives the changes of the state while the tables are watched.
pub(crate) trait Observer: Debug + Send + Sync {
    /// Receives the changes of the tables. The tables are locked during the call, so changes arrive in the order in which they
    /// were made.
    fn take_changes(&self, tables: &mut Tables);
}
